"""What an InfluxDB stand-in remembers: the newest value of each field of each point, and every receipt counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulators.line_protocol import BadLine, Fields, Line, Reader, Series, Unsigned, read_fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

#: Nanoseconds in one step of a precision.
PRECISIONS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_TYPE_NAMES = {float: "float", int: "integer", Unsigned: "unsigned", bool: "boolean", str: "string"}
#: Quality marks stand beside a value and are no values themselves.
_QUALITY = "_q"


class Point(NamedTuple):
    """One point as it stands."""

    series: Series
    #: Nanoseconds since 1970.
    at: int
    fields: Fields
    #: Fields that were received more than once, and how often.
    received: dict[str, int]


class Points:
    """Points in memory and, with a file, on disk: a log of the accepted lines that is read again at the next start.

    Points of the same series and time are one: a later field replaces an earlier one of its name, as in InfluxDB. But
    every receipt is counted, so that a test can tell a value stored once from a value stored again and again.

    Args:
        keep: hold at most this many points, forgetting the oldest received; None: all.
        file: the log, made when absent.
    """

    def __init__(self, *, keep: int | None = None, file: Path | None = None) -> None:
        self._keep = keep
        self._reader = Reader()
        self._numbers: dict[Series, int] = {}
        #: Measurement → field → (type, is a quality mark).
        self._types: dict[str, dict[str, tuple[type, bool]]] = {}
        #: (series number, ns) → fields as written (they take less memory so), or merged from several lines.
        self._points: dict[tuple[int, int], str | Fields] = {}
        self._again: dict[tuple[int, int, str], int] = {}
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._log: TextIO | None = None
        if file is not None:
            if file.exists():
                for _ in self.write(file.read_bytes(), "ns", 0):
                    raise ValueError(f"{file}: is no log of this stand-in")
            self._log = file.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def write(self, body: bytes, precision: str, now: int) -> Iterator[BadLine]:
        """Keep the good lines of a request and yield the bad ones.

        Args:
            body: line protocol.
            precision: of its timestamps, one of PRECISIONS.
            now: nanoseconds since 1970, for lines without a timestamp.
        """
        step = PRECISIONS[precision]
        counts = self._counts
        for line in self._reader.read(body):
            if isinstance(line, BadLine):
                counts["refused"] += 1
                yield line
                continue
            at = now if line.timestamp is None else line.timestamp * step
            fault = self._fault(line, at)
            if fault:
                counts["refused"] += 1
                yield BadLine(line.number, fault)
                continue
            self._add(line, at)
            if self._log is not None:
                self._log.write(f"{line.head} {line.body} {at}\n")
        if self._log is not None:
            self._log.flush()

    def tally(self) -> dict[str, int]:
        """Counts since the beginning.

        `lines` accepted and `refused`; `fields`: names; `points_distinct`; `field_values_distinct` and
        `field_values_received` without quality marks; `field_values_changed`: those that replaced another value;
        `quality_fields` distinct and `quality_fields_received`; `points_forgotten` for want of room.
        """
        names = sum(not quality for types in self._types.values() for _, quality in types.values())
        return {**self._counts, "fields": names}

    def export(self, measurement: str | None = None, field: str | None = None) -> Iterator[Point]:
        """The points as they stand, in the order of their first receipt, all or of one measurement or field."""
        series_of = list(self._numbers)
        for key in list(self._points):
            series = series_of[key[0]]
            held = self._points.get(key)
            if held is None or (measurement is not None and series.measurement != measurement):
                continue
            fields = _read(held)
            if field is not None:
                fields = {name: value for name, value in fields.items() if name == field}
            if fields:
                again = {name: self._again[*key, name] + 1 for name in fields if (*key, name) in self._again}
                yield Point(series, key[1], fields, again)

    def _fault(self, line: Line, at: int) -> str:
        if not -(2**63) <= at < 2**63:
            return "timestamp out of range"
        known = self._types.get(line.series.measurement)
        if known is None:
            return ""
        for name, value in line.fields.items():
            before = known.get(name)
            if before is not None and before[0] is not type(value):
                return (
                    f'field type conflict: input field "{name}" on measurement "{line.series.measurement}" is type '
                    f"{_TYPE_NAMES[type(value)]}, already exists as type {_TYPE_NAMES[before[0]]}"
                )
        return ""

    def _add(self, line: Line, at: int) -> None:
        counts = self._counts
        known = self._types.setdefault(line.series.measurement, {})
        marks = 0
        for name, value in line.fields.items():
            kind = known.get(name)
            if kind is None:
                kind = known[name] = (type(value), name.endswith(_QUALITY))
            marks += kind[1]
        values = len(line.fields) - marks
        counts["lines"] += 1
        counts["field_values_received"] += values
        counts["quality_fields_received"] += marks
        key = (self._numbers.setdefault(line.series, len(self._numbers)), at)
        held = self._points.get(key)
        if held is None:
            self._points[key] = line.body
            counts["points_distinct"] += 1
            counts["field_values_distinct"] += values
            counts["quality_fields"] += marks
            if self._keep is not None and len(self._points) > self._keep:
                self._forget()
        else:
            self._points[key] = self._merge(key, _read(held), line.fields)

    def _merge(self, key: tuple[int, int], held: Fields, fields: Fields) -> Fields:
        counts = self._counts
        for name, value in fields.items():
            mark = name.endswith(_QUALITY)
            if name not in held:
                counts["quality_fields" if mark else "field_values_distinct"] += 1
                continue
            self._again[*key, name] = self._again.get((*key, name), 0) + 1
            if not mark and held[name] != value:
                counts["field_values_changed"] += 1
        return held | fields

    def _forget(self) -> None:
        key = next(iter(self._points))
        for name in _read(self._points.pop(key)):
            self._again.pop((*key, name), None)
        self._counts["points_forgotten"] += 1


_COUNTED = (
    "lines",
    "refused",
    "points_distinct",
    "points_forgotten",
    "field_values_distinct",
    "field_values_received",
    "field_values_changed",
    "quality_fields",
    "quality_fields_received",
)


def _read(held: str | Fields) -> Fields:
    return read_fields(held)[0] if isinstance(held, str) else held
