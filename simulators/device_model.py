"""A device model as a profile file describes it, read by a reader of our own: what the device measures at a moment.

A profile tells how a wire is read; here it is turned round, so that a stand-in can speak for any device model there is
a profile of. Numbers wander slowly about the middle of their range, states are quiet, counters count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where profiles are shipped: beside this package in the source tree, inside the other package once installed.
_SHIPPED = tuple(Path(__file__).parents[1] / place for place in ("config/profiles", "daemon/config/profiles"))
#: What a device says when nothing is wrong, as far as its profile has a word for it.
_QUIET = ("none", "no", "normal", "closed", "dry", "ok", "auto", "running", "present", "on", "stop", "stopped")
#: A gauge without a range stays where even half a register could hold it.
_USUAL = (0.0, 100.0)
_WANDERS = 0.02  # of the range
_PERIOD = 97.0  # s of one round
_LABELLED = frozenset({"state", "code"})


class _Loader(yaml.SafeLoader):
    """YAML in which `yes` and `no` are words, as in profiles."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One point of a profile."""

    name: str
    kind: str
    #: How it stands on the wire: the point's `json` or `register`, as written.
    field: dict[str, Any]
    low: float
    high: float
    unit: str

    @property
    def labelled(self) -> bool:
        """Whether it has labels instead of numbers."""
        return self.kind in _LABELLED

    def at(self, seconds: float, place: int) -> float:
        """What is measured so many seconds after the start; `place` lets no two points move alike."""
        if self.kind == "counter":
            return 1000.0 + math.floor(seconds * 10) + place
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return middle + half * _WANDERS * math.sin(2 * math.pi * seconds / _PERIOD + place)


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """A profile file, read."""

    name: str
    quantities: tuple[Quantity, ...]
    #: Its part `mqtt` or `modbus`, as written; the other is None.
    mqtt: dict[str, Any] | None
    modbus: dict[str, Any] | None
    #: Code tables by name: code → label.
    tables: dict[str, dict[str, str]]


def load_model(profile: str) -> DeviceModel:
    """Read a profile.

    Args:
        profile: name of a shipped one, or path of a file.

    Raises:
        ValueError: there is none, or it is none.
    """
    path = _found(profile)
    try:
        document = _read(path)
        quantities = tuple(_quantity(name, spec) for name, spec in document["points"].items())
        codes = [_read(file) for file in path.parent.glob("codes/*.yaml")]
        tables = {table["table"]: {code: row["label"] for code, row in table["codes"].items()} for table in codes}
        return DeviceModel(document["profile"], quantities, document.get("mqtt"), document.get("modbus"), tables)
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: is no profile: {error!r}; `precomplaint check` tells more") from error


def shipped_models() -> tuple[str, ...]:
    """Names of the shipped profiles."""
    return tuple(sorted(path.stem for folder in _SHIPPED for path in folder.glob("*.yaml")))


def quiet(labels: list[str]) -> str:
    """The label that means that nothing is wrong, as far as words can tell."""
    return next((word for word in _QUIET if word in labels), labels[0])


def note(said: dict[str, list[float | str]], says: Mapping[str, float | str]) -> None:
    """Remember what is said now, each value once; of a long run the last thousand."""
    for point, value in says.items():
        values = said.setdefault(point, [])
        if not values or values[-1] != value:
            values.append(value)
            del values[:-1000]


def _read(path: Path) -> Any:  # noqa: ANN401  whatever YAML holds
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  a safe one


def _found(profile: str) -> Path:
    if profile.endswith((".yaml", ".yml")):
        return Path(profile)
    for folder in _SHIPPED:
        if (path := folder / f"{profile}.yaml").exists():
            return path
    raise ValueError(
        f"no profile is named {profile!r}; there are {', '.join(shipped_models())}, or write a file's path"
    )


def _quantity(name: str, spec: dict[str, Any]) -> Quantity:
    low, high = spec.get("range") or _USUAL
    field = spec.get("json") or spec.get("register") or {}
    return Quantity(name, spec.get("kind", "gauge"), field, float(low), float(high), spec.get("unit", ""))
