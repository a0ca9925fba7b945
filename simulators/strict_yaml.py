"""YAML in which every key must be known and every fault is told with its place (`file:line`), all faults at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


class DocumentError(ValueError):
    """The file cannot be used; the message lists every fault as `file:line: what to do`."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class Document:
    """One open YAML file and the faults found in it so far."""

    def __init__(self, path: Path | str, text: str | None = None) -> None:
        """Of a file, or of `text` that came from elsewhere and is called `path` in messages."""
        self.path = path
        self._text = text
        self.faults: list[str] = []

    def root(self) -> Item:
        """The top of the file.

        Raises:
            DocumentError: The file cannot be read, is not YAML, or is empty.
        """
        try:
            text = Path(self.path).read_text(encoding="utf-8") if self._text is None else self._text
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except OSError as error:
            raise DocumentError([f"{self.path}: cannot be read: {error.strerror}"]) from error
        except UnicodeDecodeError as error:
            raise DocumentError([f"{self.path}: is not UTF-8: {error.reason}"]) from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise DocumentError([f"{self.path}:{line}: not YAML: {error.problem}"]) from error
        if node is None:
            raise DocumentError([f"{self.path}:1: the file is empty"])
        return Item(self, node)

    def close(self) -> None:
        """Say all faults at once.

        Raises:
            DocumentError: There was at least one.
        """
        if self.faults:
            raise DocumentError(self.faults)


class Item:
    """One place in a document. A wrong item notes its fault and answers with something harmless."""

    def __init__(self, document: Document, node: yaml.Node) -> None:
        self._document = document
        self._node = node

    def fault(self, message: str) -> None:
        """Note what is wrong here."""
        self._document.faults.append(f"{self._document.path}:{self._node.start_mark.line + 1}: {message}")

    def pairs(self) -> Iterator[tuple[str, Item, Item]]:
        """Each key as text and item, with its value; a repeated key is a fault."""
        if not isinstance(self._node, yaml.MappingNode):
            self.fault("a mapping (key: value) is needed here")
            return
        seen: set[str] = set()
        for key, value in self._node.value:
            name = str(key.value)
            if name in seen:
                Item(self._document, key).fault(f"the key {name!r} stands here twice")
            seen.add(name)
            yield name, Item(self._document, key), Item(self._document, value)

    def mapping(self, known: frozenset[str], needed: frozenset[str] = frozenset()) -> dict[str, Item]:
        """The values of the known keys; an unknown or missing key is a fault."""
        found: dict[str, Item] = {}
        for name, key, value in self.pairs():
            if name in known:
                found[name] = value
            else:
                key.fault(f"unknown key {name!r}; known are {', '.join(sorted(known))}")
        for name in sorted(needed - found.keys()):
            self.fault(f"the key {name!r} is missing")
        return found

    def items(self) -> list[Item]:
        """The entries of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.fault("a list is needed here")
            return []
        return [Item(self._document, node) for node in self._node.value]

    @property
    def is_mapping(self) -> bool:
        """Whether key-value pairs stand here."""
        return isinstance(self._node, yaml.MappingNode)

    def text(self) -> str:
        """A plain word."""
        if not isinstance(self._node, yaml.ScalarNode):
            self.fault("a single value is needed here")
            return ""
        return str(self._node.value)

    def number(self, low: float = float("-inf"), high: float = float("inf")) -> float:
        """A number within the ends, ends included."""
        try:
            value = float(self.text())
        except ValueError:
            self.fault(f"a number is needed here, not {self.text()!r}")
            return max(low, 0.0)
        if not low <= value <= high:
            self.fault(f"{value:g} is outside {low:g}..{high:g}")
        return value

    def span(self) -> float:
        """A span such as `8s`, `250ms`, `2m`, `24h`, in seconds."""
        found = _SPAN.fullmatch(self.text())
        if found is None:
            self.fault(f"a span such as 8s, 250ms, 2m or 24h is needed here, not {self.text()!r}")
            return 0.0
        return float(found[1]) * _SECONDS[found[2]]

    def time_of_day(self) -> float:
        """A time of day such as `07:15`, in seconds after midnight."""
        found = _TIME_OF_DAY.fullmatch(self.text())
        if found is None:
            self.fault(f'a time of day such as "07:15" is needed here, not {self.text()!r}')
            return 0.0
        return int(found[1]) * 3600.0 + int(found[2]) * 60.0 + int(found[3] or 0)
