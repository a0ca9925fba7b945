r"""InfluxDB line protocol, read as strictly as InfluxDB v2 reads it, and quickly enough for a benchmark.

    measurement,tag=value,… field=value,… 1795300000123
    └────────── head ─────┘ └── fields ──┘ └ timestamp ┘

Written from the line protocol reference and compared with InfluxDB 1.6.7 line by line. This reader is the stricter
of the two: it also refuses a field given twice in one line and anything between a closing quote and the next comma. A
backslash escapes only what the place allows (comma, space and, in tags and field keys, the equals sign; in strings the
quote and the backslash) and is itself elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unsigned(int):
    """A value written `42u`: another type than `42i` and `42.0`."""


FieldValue = float | int | bool | str
Fields = dict[str, FieldValue]


class Series(NamedTuple):
    """A measurement and its tags: what, with a timestamp, makes a point."""

    measurement: str
    #: Sorted by key, so that equal series are equal.
    tags: tuple[tuple[str, str], ...]


class Line(NamedTuple):
    """One line that could be read."""

    number: int
    series: Series
    fields: Fields
    #: In the request's precision; None: the server's time.
    timestamp: int | None
    #: The head and the fields as they were written.
    head: str
    body: str


class BadLine(NamedTuple):
    """One line that could not."""

    number: int
    message: str


_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_INDENT = re.compile(r"[ \t]*")
_HEAD = re.compile(r"[^ \n\\]*(?:\\ ?[^ \n\\]*)*")
_KEY = r"(?=[^,= \n])([^,= \n\\]*(?:\\[,= ]?[^,= \n\\]*)*)"
_STRING = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_NUMBER = r"(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([iu]?)"
_BOOL = r"(true|false|True|False|TRUE|FALSE|[tTfF])"
_FIELD = re.compile(rf"{_KEY}=(?:{_NUMBER}|{_STRING}|{_BOOL})(?:(,)|(?=[ \n]|\Z))", re.ASCII | re.DOTALL)
_TAIL = re.compile(r"(?: +(-?\d+))? *(?:\n|\Z)", re.ASCII)
_UNQUOTED = re.compile(r'[^=\n]*="')
_PLAIN_INTEGER = re.compile(r"-?\d+", re.ASCII)
_KEY_ESCAPE = re.compile(r"\\([,= ])")
_NAME_ESCAPE = re.compile(r"\\([, ])")
_STRING_ESCAPE = re.compile(r'\\(["\\])')
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
#: Longest measurement, key or series, after InfluxDB.
_LONGEST = 65_535
#: Series remembered by their spelling; a flood of new ones must not grow the reader without bound.
_REMEMBERED = 100_000


class _Fault(Exception):
    """What is wrong with a line, and where reading it stopped."""

    def __init__(self, message: str, stopped: int) -> None:
        super().__init__(message)
        self.stopped = stopped


class Reader:
    """Reads requests; remembers the series it has seen, for they come again."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}

    def read(self, body: bytes) -> Iterator[Line | BadLine]:
        """Read one request, each line by itself: a bad one does not spoil its neighbours."""
        try:
            text, broken = body.decode(), False
        except UnicodeDecodeError:
            text, broken = body.decode(errors="surrogateescape"), True
        start, number, end = 0, 1, len(text)
        while start < end:
            if blank := _BLANK.match(text, start):
                stop = blank.end()
            else:
                try:
                    line, stop = self._line(text, start, number)
                    if broken and _NOT_UTF8.search(text, start, stop):
                        yield BadLine(number, "invalid UTF-8")
                    else:
                        yield line
                except _Fault as fault:
                    newline = text.find("\n", fault.stopped)
                    stop = end if newline < 0 else newline + 1
                    yield BadLine(number, f"unable to parse '{_shown(text[start:stop])}': {fault}")
            number += text.count("\n", start, stop)
            start = stop

    def _line(self, text: str, start: int, number: int) -> tuple[Line, int]:
        matched = _INDENT.match(text, start)
        start = matched.end() if matched else start
        matched = _HEAD.match(text, start)
        head_end = matched.end() if matched else start
        head = text[start:head_end]
        series = self._series.get(head)
        if series is None:
            series = self._series_of(head, start)
        begin = head_end
        while text[begin : begin + 1] == " ":
            begin += 1
        fields, stop = read_fields(text, begin)
        tail = _TAIL.match(text, stop)
        if tail is None:
            raise _Fault("bad timestamp", stop)
        stamp = tail[1]
        if stamp is not None and len(stamp) > 20:
            raise _Fault("timestamp out of range", stop)
        return (
            Line(number, series, fields, None if stamp is None else int(stamp), head, text[begin:stop]),
            tail.end(),
        )

    def _series_of(self, head: str, start: int) -> Series:
        measurement, *tags = re.split(r"(?<!\\),", head)
        if not measurement:
            raise _Fault("missing measurement", start)
        if len(head) > _LONGEST:
            raise _Fault(f"series key longer than {_LONGEST}", start)
        pairs = [_tag(tag, start) for tag in tags]
        if len({key for key, _ in pairs}) < len(pairs):
            raise _Fault("duplicate tags", start)
        series = Series(_NAME_ESCAPE.sub(r"\1", measurement), tuple(sorted(pairs)))
        if len(self._series) >= _REMEMBERED:
            self._series.clear()
        self._series[head] = series
        return series


def read_fields(text: str, start: int = 0) -> tuple[Fields, int]:
    """The fields from `start` on and where they end.

    Raises:
        Exception: naming what is wrong; only for text that no Reader has read before.
    """
    fields: Fields = {}
    while True:
        matched = _FIELD.match(text, start)
        if matched is None:
            raise _Fault(*_diagnosis(text, start))
        key, number, suffix, string, boolean, comma = matched.groups()
        if "\\" in key:
            key = _KEY_ESCAPE.sub(r"\1", key)
        if key in fields:
            raise _Fault(f"duplicate field {key}", matched.end())
        if key == "time":
            raise _Fault("invalid field name: time", matched.end())
        if number is not None:
            fields[key] = float(number) if not suffix else _integer(number, suffix, matched.end())
            if fields[key] in (_INFINITY, -_INFINITY):
                raise _Fault(f"invalid number: {number}", matched.end())
        elif string is not None:
            fields[key] = _STRING_ESCAPE.sub(r"\1", string) if "\\" in string else string
        else:
            fields[key] = boolean[0] in "tT"
        start = matched.end()
        if comma is None:
            return fields, start


_INFINITY = float("inf")


def _integer(number: str, suffix: str, stopped: int) -> int:
    if not _PLAIN_INTEGER.fullmatch(number) or len(number) > 20:
        raise _Fault(f"invalid number: {number}{suffix}", stopped)
    value = int(number) if suffix == "i" else Unsigned(number)
    low, high = (-(2**63), 2**63) if suffix == "i" else (0, 2**64)
    if not low <= value < high:
        raise _Fault(f"integer out of range: {number}{suffix}", stopped)
    return value


def _tag(tag: str, start: int) -> tuple[str, str]:
    key, *values = re.split(r"(?<!\\)=", tag)
    if not key:
        raise _Fault("missing tag key", start)
    if not values or not values[0]:
        raise _Fault("missing tag value", start)
    if len(values) > 1:
        raise _Fault("invalid tag format", start)
    if key == "time":
        raise _Fault("invalid tag key: time", start)
    return _KEY_ESCAPE.sub(r"\1", key), _KEY_ESCAPE.sub(r"\1", values[0])


def _diagnosis(text: str, start: int) -> tuple[str, int]:
    """Why no field could be read here, and how far the line reaches: an open quote swallows what follows."""
    opened = _UNQUOTED.match(text, start)
    if opened and not re.compile(_STRING, re.DOTALL).match(text, opened.end() - 1):
        return "unbalanced quotes", len(text)
    rest = text[start : (text + "\n").index("\n", start)]
    if not rest.strip():
        return "missing fields", start
    key, equals, value = rest.partition("=")
    if not equals or not key or key[0] in ", ":
        return "missing field key" if equals and not key else "invalid field format", start
    return ("missing field value" if not value or value[0] in ", " else f"invalid value of {key}"), start


def _shown(line: str) -> str:
    line = line.rstrip("\n")
    line = line if len(line) <= 200 else f"{line[:200]}…"
    return line.encode(errors="replace").decode()
