"""YAML documents with places: every fault of a configuration file is reported at once as `file:line:column: …`.

YAML 1.2 scalars (`on`, `off`, `no` and `12:30` are strings), duplicate keys refused, size and nesting bounded.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError, WithJsonSchema

from daemon.model import ConfigError

_MOST_BYTES = 4 * 1024 * 1024
_MOST_NODES = 200_000
_MOST_DEPTH = 60

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]


class Strict(BaseModel):
    """What every configuration model derives from: frozen, and an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


_SPAN_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d)")
_SPAN_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
#: Ten years: any moment plus such a span is a moment that datetime can still say.
_LONGEST_SPAN_SECONDS = 3653 * 86400.0


def parse_span(text: object) -> timedelta:
    """`90s`, `5min` (or `5m`), `1h30m`, `7d`, `250ms` as a timedelta.

    Raises:
        ValueError: it is no such text, or longer than ten years; a bare number has no unit and is refused.
    """
    if isinstance(text, timedelta):
        return text
    parts = _SPAN_PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no span; write a number with its unit, such as 90s, 5min, 1h30m or 7d")
    seconds = sum(float(number) * _SPAN_UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST_SPAN_SECONDS:
        raise ValueError(f"{text!r} is longer than ten years; write a shorter span")
    return timedelta(seconds=seconds)


def format_span(span: timedelta) -> str:
    """The shortest text that `parse_span` reads back as `span`."""
    ms = span // timedelta(milliseconds=1)
    parts: list[str] = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)):
        if ms >= size:
            parts.append(f"{ms // size}{unit}")
            ms %= size
    return "".join(parts) or "0s"


#: A span in a configuration model.
Span = Annotated[
    timedelta,
    BeforeValidator(parse_span),
    PlainSerializer(format_span),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|min|m|h|d))+$", "examples": ["90s", "1h30m"]}),
]


class _Loader(yaml.SafeLoader):
    """Composes nodes with YAML 1.2 core scalars."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
):
    for _c in [*_first, ""] if _tag == "null" else _first:
        _Loader.yaml_implicit_resolvers.setdefault(_c, []).append(
            (f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$")),
        )


@dataclass(slots=True)
class Document:
    """One parsed file: plain values, and where each of them stands."""

    name: str
    data: Any
    places: dict[Location, tuple[int, int]] = field(default_factory=dict)

    def place(self, location: Location) -> str:
        """`file:line:column` of a value, or of the nearest thing around it."""
        while location and location not in self.places:
            location = location[:-1]
        line, column = self.places.get(location, (1, 1))
        return f"{self.name}:{line}:{column}"

    def key_place(self, location: Location) -> str:
        """Where the key of a value stands; another place only when the value has been put in from elsewhere."""
        return self.place(location)


class _Reader:
    def __init__(self, name: str) -> None:
        self.document = Document(name, None)
        self.faults: list[str] = []
        self.nodes = 0

    def value(self, node: yaml.Node, location: Location, depth: int = 0) -> Any:  # noqa: ANN401  YAML is any
        self.nodes += 1
        mark = node.start_mark
        self.document.places.setdefault(location, (mark.line + 1, mark.column + 1))
        if self.nodes > _MOST_NODES or depth > _MOST_DEPTH:
            self.faults.append(f"{self.document.place(location)}: the document is too large or nested too deeply")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*location, n), depth + 1) for n, item in enumerate(node.value)]
        return self._scalar(node, location)

    def _mapping(self, node: yaml.MappingNode, location: Location, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            at = (*location, key)
            mark = key_node.start_mark
            place = f"{self.document.name}:{mark.line + 1}:{mark.column + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(f"{place}: a key must be a plain word")
            elif key in found:
                self.faults.append(f"{place}: the key {key!r} stands here twice; keep one")
            self.document.places[at] = (mark.line + 1, mark.column + 1)
            found[key] = self.value(value_node, at, depth + 1)
            if self.nodes > _MOST_NODES:
                break
        return found

    def _scalar(self, node: yaml.Node, location: Location) -> Any:  # noqa: ANN401  YAML is any
        text = str(node.value)
        match node.tag.rpartition(":")[2]:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                base = {"0x": 16, "0o": 8}.get(text[:2], 10)
                return int(text, base) if len(text) < 30 else float(text)
            case "float":
                return float(
                    text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan")
                )
            case other:
                self.faults.append(
                    f"{self.document.place(location)}: the tag !{other} is not allowed; write a plain value"
                )
                return None


def parse(text: str, name: str) -> Document:
    """Parse one YAML document.

    Raises:
        ConfigError: the text is no YAML, has doubled keys or foreign tags, or is too large; all faults at once.
    """
    if len(text.encode()) > _MOST_BYTES:
        raise ConfigError([f"{name}:1:1: the file is larger than {_MOST_BYTES} bytes"])
    reader = _Reader(name)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        raise ConfigError([f"{place}: not YAML: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{name}:1:1: not YAML: {str(error).splitlines()[0]}"]) from error
    if node is not None:
        reader.document.data = reader.value(node, ())
    if reader.faults:
        raise ConfigError(reader.faults)
    return reader.document


def read(path: Path, *, name: str | None = None) -> Document:
    """Read and parse one YAML file.

    Raises:
        ConfigError: the file cannot be read or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; check the path and its rights"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    return parse(text, name or str(path))


def build(model: type[M], document: Document) -> M:
    """Validate a document as `model`.

    Raises:
        ConfigError: every fault, each with its place; an unknown key comes with the nearest known one.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(explain(error, document, known_keys(model))) from error


def explain(error: ValidationError, document: Document, known: Iterable[str] = ()) -> list[str]:
    """One line a fault: place, what is wrong, what to do. Branches of unions that did not fit are folded."""
    lines: list[str] = []
    for fault in error.errors():
        location: Location = tuple(fault["loc"])
        inside = tuple(part for part in location if _stands(part, location, document))
        what = _words(dict(fault), known)
        path = ".".join(str(part) for part in inside)
        place = (document.key_place if fault["type"] == "extra_forbidden" else document.place)(inside)
        line = f"{place}: {path + ': ' if path else ''}{what}"
        if line not in lines:
            lines.append(line)
    return lines


def _stands(part: str | int, location: Location, document: Document) -> bool:
    """Pydantic puts names of union branches into locations; a real part stands in the document or ends the path."""
    if isinstance(part, int):
        return True
    if part.startswith("<"):  # how our own models tag the branches of a union
        return False
    if part == location[-1]:
        return True
    return any(part in place for place in document.places)


def _words(fault: Mapping[str, Any], known: Iterable[str]) -> str:
    last = str(fault["loc"][-1]) if fault["loc"] else ""
    match fault["type"]:
        case "extra_forbidden":
            if last in known:
                return f"the key {last!r} does not belong here; remove it, or write it where it does"
            near = difflib.get_close_matches(last, sorted(set(known)), n=1)
            return f"unknown key {last!r}" + (f"; did you mean {near[0]!r}?" if near else "; remove it")
        case "missing":
            return f"{last!r} is missing; add it"
        case "value_error":
            return str(fault["ctx"]["error"])
        case _:
            given = fault.get("input")
            shown = f" (found {given!r})" if isinstance(given, str | int | float | bool) or given is None else ""
            return str(fault["msg"])[0].lower() + str(fault["msg"])[1:] + shown


@cache
def known_keys(model: type[BaseModel]) -> frozenset[str]:
    """Every key that the model or a model within it knows."""
    found: set[str] = set()

    def walk(schema: Any) -> None:  # noqa: ANN401  JSON schema is any
        if isinstance(schema, dict):
            found.update(schema.get("properties", {}))
            for inner in schema.values():
                walk(inner)
        elif isinstance(schema, list):
            for inner in schema:
                walk(inner)

    walk(model.model_json_schema())
    return frozenset(found)
