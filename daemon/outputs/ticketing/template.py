"""Templates of requests: plain text with places where values of the order are put. No code, no conditions, no loops.

    {title.zh}   {steps.zh|numbered}   {respond_by|time:%Y-%m-%d %H:%M}   {level|map:urgency}   {key|short:255}

A text that is one placeholder and nothing else keeps the value's type (a number stays a number, a list a list);
anywhere else the value is written as text. `{{` and `}}` are braces.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from daemon.model import Reject
from daemon.outputs.ticketing.filters import LENGTHS, PLAIN, WITH_ARGUMENT, Omitted, as_text

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_PATH = re.compile(r"^[a-z_][a-z0-9_]*(\.[a-zA-Z0-9_]+)*$")
MAP = "map"
_PLAIN = tuple(PLAIN)
_WITH_ARGUMENT = (MAP, *WITH_ARGUMENT)
_LONGEST = 100_000


class Filter(NamedTuple):
    """What is done to a value before it is written."""

    name: str
    argument: str = ""


class Placeholder(NamedTuple):
    """A place for a value."""

    path: str
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What placeholders may name.

    Attributes:
        values: by name; dotted names go into them.
        maps: our words in the service's, by the map's name; None: it has no answer for the rest.
        zone: in which moments are written.
        faults: gets what is wrong with a template, when one is looked at; None when it is sent.
    """

    values: Mapping[str, Any]
    maps: Mapping[str, tuple[Mapping[str, Any], Any]]
    zone: ZoneInfo
    faults: list[str] | None = None

    def knowing(self, name: str, value: Any) -> Words:  # noqa: ANN401  JSON
        """These, and one more."""
        return replace(self, values={**self.values, name: value})

    def fault(self, text: str) -> None:
        """Keep a fault, if anybody asks."""
        if self.faults is not None:
            self.faults.append(text)


@lru_cache(maxsize=4096)
def parse(text: str) -> tuple[str | Placeholder, ...]:
    """The pieces of a template.

    Raises:
        ValueError: a brace without its other, or a placeholder that cannot be read.
    """
    pieces: list[str | Placeholder] = []
    for match in _PIECE.finditer(text):
        piece = match.group()
        if match.group(1) is not None:
            pieces.append(_placeholder(match.group(1)))
        elif piece in {"{{", "}}"}:
            pieces.append(piece[0])
        elif piece in {"{", "}"}:
            raise ValueError(f"a {piece!r} stands alone; write {piece * 2!r} for the character itself")
        else:
            pieces.append(piece)
    return tuple(pieces)


def _placeholder(text: str) -> Placeholder:
    path, *steps = text.split("|")
    if not _PATH.match(path):
        raise ValueError(f"{{{text}}} is no placeholder; write a name such as {{title.zh}}, {{{{ for a brace")
    return Placeholder(path, tuple(_filter(step, text) for step in steps))


def _filter(step: str, text: str) -> Filter:
    name, colon, argument = step.partition(":")
    if name not in (*_PLAIN, *_WITH_ARGUMENT):
        near = difflib.get_close_matches(name, (*_PLAIN, *_WITH_ARGUMENT), n=1)
        known = ", ".join(sorted((*_PLAIN, *_WITH_ARGUMENT)))
        hint = f"did you mean {near[0]!r}?" if near else f"there are {known}"
        raise ValueError(f"{{{text}}}: there is no filter {name!r}; {hint}")
    if (name in _WITH_ARGUMENT) != bool(colon):
        wanted = f"write {name}:…" if name in _WITH_ARGUMENT else f"write {name} alone"
        raise ValueError(f"{{{text}}}: {wanted}")
    if name in LENGTHS and not (argument.isdecimal() and LENGTHS[name] <= int(argument[:7]) <= _LONGEST):
        raise ValueError(f"{{{text}}}: write a length from {LENGTHS[name]} to {_LONGEST} after {name}:")
    return Filter(name, argument)


def named(tree: Any) -> Iterator[Placeholder]:  # noqa: ANN401  JSON
    """Every placeholder in a tree of templates that can be read."""
    for text in _texts(tree):
        try:
            yield from (piece for piece in parse(text) if isinstance(piece, Placeholder))
        except ValueError:  # told where it is looked at
            continue


def _texts(tree: Any) -> Iterator[str]:  # noqa: ANN401  JSON
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for inner in tree.values():
            yield from _texts(inner)
    elif isinstance(tree, list | tuple):
        for inner in tree:
            yield from _texts(inner)


def fill(tree: Any, words: Words) -> Any:  # noqa: ANN401  JSON
    """A tree of templates with the values in place: JSON-able.

    Raises:
        Reject: a map has no word for a value, and no answer for the rest.
    """
    if isinstance(tree, str):
        return _value(tree, words)
    if isinstance(tree, Mapping):
        filled = {}
        for key, inner in tree.items():
            try:
                filled[key] = fill(inner, words)
            except Omitted:
                continue
        return filled
    if isinstance(tree, list | tuple):
        return list(_members(tree, words))
    return tree


def _members(items: Iterable[Any], words: Words) -> Iterator[Any]:
    for item in items:
        try:
            yield fill(item, words)
        except Omitted:
            continue


def flat(templates: Mapping[str, str], words: Words) -> dict[str, str]:
    """Templates of headers, a query or a form: text each, and what is to be left out left out.

    Raises:
        Reject: as `fill`.
    """
    kept = fill(templates, words)
    return {name: text(template, words) for name, template in templates.items() if name in kept}


def _value(template: str, words: Words) -> Any:  # noqa: ANN401  JSON
    pieces = parse(template)
    if len(pieces) == 1 and isinstance(pieces[0], Placeholder):
        return _filtered(pieces[0], words)
    return text(template, words)


def text(template: str, words: Words) -> str:
    """One template as text.

    Raises:
        Reject: as `fill`.
    """
    return "".join(piece if isinstance(piece, str) else _written(piece, words) for piece in parse(template))


def _written(place: Placeholder, words: Words) -> str:
    try:
        value = _filtered(place, words)
    except Omitted:
        return ""
    if isinstance(value, dict | list):
        inside = ", ".join(f"{{{place.path}.{name}}}" for name in value) if isinstance(value, dict) else ""
        words.fault(f"{{{place.path}}} is no text; write {inside or 'a filter such as |lines, |join:, or |json'}")
    return as_text(value)


# --- looking up --------------------------------------------------------------------------------------------


def _look_up(path: str, words: Words) -> Any:  # noqa: ANN401  JSON
    value: Any = words.values
    known = ""
    for part in path.split("."):
        if isinstance(value, list):
            if part.isdecimal():
                value = value[int(part)] if int(part[:6]) < len(value) else None
                known = f"{known}.{part}"
                continue
            if words.faults is not None and value and not (isinstance(value[0], Mapping) and part in value[0]):
                words.fault(_unknown(path, known, part, value[0]))
                return None
            value = [inner.get(part) if isinstance(inner, Mapping) else None for inner in value]
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        else:
            words.fault(_unknown(path, known, part, value))
            return None
        known = f"{known}.{part}".lstrip(".")
    return value


def _unknown(path: str, known: str, part: str, value: Any) -> str:  # noqa: ANN401  JSON
    names = sorted(str(name) for name in value) if isinstance(value, Mapping) else []
    near = difflib.get_close_matches(part, names, n=1)
    before = f"{known}." if known else ""
    if near:
        rest = path[len(before) + len(part) :]
        return f"{{{path}}} names nothing; did you mean {{{before}{near[0]}{rest}}}?"
    if names:
        return f"{{{path}}} names nothing; known are {', '.join(before + name for name in names)}"
    return f"{{{path}}} names nothing: {{{known}}} has nothing inside"


def _filtered(place: Placeholder, words: Words) -> Any:  # noqa: ANN401  JSON
    told = len(words.faults or ())
    value = _look_up(place.path, words)
    if len(words.faults or ()) > told:  # of nothing there is nothing more to say
        return ""
    for step in place.filters:
        try:
            value = _through(step, value, words, place.path)
        except (TypeError, ValueError) as error:  # what it is instead is better than no order at all
            words.fault(f"{{{place.path}}} {error}")
    return value


def _through(step: Filter, value: Any, words: Words, path: str) -> Any:  # noqa: ANN401  JSON
    if step.name == MAP:
        return _mapped(step.argument, value, words, path)
    return (PLAIN.get(step.name) or WITH_ARGUMENT[step.name])(value, step.argument, words.zone)


def _mapped(name: str, value: Any, words: Words, path: str) -> Any:  # noqa: ANN401  JSON
    if name not in words.maps:
        near = difflib.get_close_matches(name, list(words.maps), n=1)
        words.fault(f"there is no map {name!r}; " + (f"did you mean {near[0]!r}?" if near else "add it under maps"))
        return None
    values, rest = words.maps[name]
    found = values.get(as_text(value), rest)
    if found is None and words.faults is None:
        raise Reject(f"the map {name!r} has no word for {path} {as_text(value)!r}; add it, or a default")
    return found
