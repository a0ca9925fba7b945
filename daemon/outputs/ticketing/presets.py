"""Services that are told already: `preset: roundup`. What a site's own YAML says is laid over it, member by member."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from daemon.documents import Document, Location, read
from daemon.model import ConfigError

_TICKETING = "ticketing"


class Laid(Document):
    """A document of which some parts stand in another file."""

    def __init__(self, upper: Document, lower: Document, data: Any) -> None:  # noqa: ANN401  YAML
        places = dict(upper.places)
        places.update({(_TICKETING, *at): place for at, place in lower.places.items() if at})
        places.update(upper.places)
        super().__init__(upper.name, data, places)
        self._upper = upper
        self._lower = lower

    @override
    def place(self, location: Location) -> str:
        """`file:line:column` of a value, or of the nearest thing around it, in the file in which that stands."""
        while location and location not in self.places:
            location = location[:-1]
        if location in self._upper.places or location[:1] != (_TICKETING,):
            return self._upper.place(location)
        return self._lower.place(location[1:])


def lay_under(document: Document, shipped: Path) -> Document:
    """A gateway.yaml with the preset that its `ticketing` names under what it says itself.

    Args:
        document: as it was read.
        shipped: where the shipped presets are.

    Raises:
        ConfigError: there is no such preset, or it cannot be read.
    """
    given = document.data.get(_TICKETING) if isinstance(document.data, dict) else None
    named = given.get("preset") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(named, str):
        return document
    known = {file.stem: file for file in sorted(shipped.glob("*.yaml"))}
    file = known.get(named, Path(document.name).parent / named)
    if not _is_file(file):
        near = difflib.get_close_matches(named, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"shipped are {', '.join(known)}; or name a file"
        raise ConfigError([f"{document.place((_TICKETING, 'preset'))}: there is no preset {named!r}; {hint}"])
    lower = read(file)
    if not isinstance(lower.data, dict):
        raise ConfigError([f"{lower.place(())}: a preset says what stands under `ticketing`; write its members"])
    laid = {**document.data, _TICKETING: _over(lower.data, given)}
    return Laid(document, lower, laid)


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Member by member; null takes a member away, a list replaces a list."""
    laid = dict(lower)
    for name, value in upper.items():
        below = laid.get(name)
        if value is None:
            laid.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(below, Mapping):
            laid[name] = _over(below, value)
        else:
            laid[name] = value
    return laid
