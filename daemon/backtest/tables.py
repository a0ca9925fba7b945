"""Histories as tables: a column a point, or a reading a row.

    datetime;Pressure;Flow                time,asset,point,value
    2026-03-09 10:14:33;0.05;32           2026-03-09T02:14:33Z,zone-1,pressure,0.05

What cannot be read is rejected as in production, one reading at a time. Rows must be in order of time.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.backtest.cells import read_cell
from daemon.backtest.instants import compile_clock, form_of
from daemon.backtest.mapping import NOTHING, TIMES, Column, HistoryMap, LongSpec, resolve
from daemon.model import (
    EPOCH,
    BadPayload,
    Catalogue,
    ConfigError,
    Observation,
    Quality,
    Reading,
    Reason,
    Rejection,
)

_GOOD, _NONE = Quality.GOOD, Reason.NONE


class _Place(NamedTuple):
    """A column as the hot loop wants it."""

    n: int
    point: str
    #: What lies between is good as it stands; upside down for a column whose values need something done to them.
    low: float
    high: float
    name: str
    column: Column


class TableHistory(abc.ABC):
    """One table; it may be iterated again and again."""

    def __init__(
        self, path: Path, catalogue: Catalogue, mapping: HistoryMap | None = None, *, any_order: bool = False
    ) -> None:
        """Read the header, and of a table with a reading a row the names of all points.

        Args:
            path: the file.
            catalogue: the site.
            mapping: which column is which point.
            any_order: rows may go back in time; whoever asks for it will sort them.

        Raises:
            ConfigError: the file cannot be read, or the mapping does not fit it or the site.
        """
        self.path = path
        self._map = mapping or HistoryMap()
        self._any_order = any_order
        self._zone = ZoneInfo(self._map.time.zone or catalogue.site.timezone)
        self.header = self._read_header()
        if not self.header:
            raise ConfigError([f"{path}:1: no header stands here; the first line names the columns"])
        self._time = self._place(self._map.time.column or _time_among(self.header))
        self._long = self._map.long or (LongSpec() if {"point", "value"} <= set(self.header) else None)
        names = [name for n, name in enumerate(self.header) if n != self._time]
        if self._long is not None:
            names = self._names_inside(self._long)
        #: By name in the file.
        self.columns = resolve(self._map, catalogue, names)
        #: What stands in the file and is no point of the site.
        self.ignored = [name for name in names if name not in self.columns]
        if not self.columns:
            what = f"none of {', '.join(names[:10])} is a point of the site; name them in `columns:` of --map"
            raise ConfigError([f"{path}:1: {what}"])

    @abc.abstractmethod
    def _read_header(self) -> list[str]:
        """The names of the columns."""

    @abc.abstractmethod
    def _rows(self) -> Iterator[list[str]]:
        """Every row below the header as texts, in the order of the columns; nothing is an empty text."""

    #: Values are as they were measured.
    is_raw = True

    @property
    def points(self) -> frozenset[str]:
        """The points that it can tell of."""
        return frozenset(column.point for column in self.columns.values())

    def __iter__(self) -> Iterator[Observation]:
        """The observations, in order of time.

        Raises:
            ConfigError: the time goes back.
        """
        return self._wide(self._rows()) if self._long is None else self._tall(self._rows(), self._long)

    # --- what both kinds share -----------------------------------------------------------------------------

    def _place(self, name: str) -> int:
        if name not in self.header:
            raise ConfigError([f"{self.path}:1: there is no column {name!r}; the columns are {', '.join(self.header)}"])
        return self.header.index(name)

    def _names_inside(self, spec: LongSpec) -> list[str]:
        """The names of the points of a file with a reading a row: it is read once for that."""
        name_of = self._namer(spec)
        return list(dict.fromkeys(name_of(row) for row in self._rows() if len(row) >= len(self.header)))

    def _namer(self, spec: LongSpec) -> Callable[[list[str]], str]:
        point = self._place(spec.point)
        column = spec.asset or ("asset" if "asset" in self.header else None)
        if column is None:
            return lambda row: row[point]
        asset = self._place(column)
        return lambda row: f"{row[asset]}.{row[point]}"

    def _instants(self, rows: Iterator[list[str]]) -> Iterator[tuple[datetime, list[str], int]]:
        """Time, row and line of each row that tells its time; the others are rejected by `_timeless`."""
        when, width, form = self._time, len(self.header), self._map.time.format
        clock = None
        last = EPOCH
        line = 1
        for row in rows:
            line += 1
            if len(row) < width:
                if not row:
                    continue
                row.extend([""] * (width - len(row)))
            text = row[when]
            if clock is None:
                clock = compile_clock(form or form_of(text), self._zone)
            try:
                at = clock(text)
            except ValueError:
                yield last, [], line
                continue
            if at < last and not self._any_order:
                what = f"the time goes back from {last.isoformat()} to {at.isoformat()}"
                raise ConfigError([f"{self.path}:{line}: {what}; sort the file by time, or give --sort"])
            last = at
            yield at, row, line

    def _timeless(self, at: datetime, line: int) -> Observation:
        what = f"no time in column {self.header[self._time]!r}"
        return Observation(at, "", (), (Rejection(f"{self.path}:{line}", Reason.UNPARSABLE, what),))

    def _cell(self, text: str, column: Column, at: datetime, place: tuple[int, str]) -> Reading | Rejection | None:
        try:
            return read_cell(text, column, at, self._map.decimal)
        except BadPayload as error:
            line, name = place
            return Rejection(f"{self.path}:{line}: column {name!r}", error.reason, error.detail)

    @staticmethod
    def _add(cell: Reading | Rejection | None, found: list[Reading], rejected: list[Rejection]) -> None:
        if type(cell) is Reading:
            found.append(cell)
        elif type(cell) is Rejection:
            rejected.append(cell)

    # --- a column a point ----------------------------------------------------------------------------------

    def _wide(self, rows: Iterator[list[str]]) -> Iterator[Observation]:
        groups = list(self._by_device().items())
        good, none, nothing = _GOOD, _NONE, NOTHING
        for at, row, line in self._instants(rows):
            if not row:
                yield self._timeless(at, line)
                continue
            for device, places in groups:
                found: list[Reading] = []
                rejected: list[Rejection] = []
                for n, point, low, high, name, column in places:
                    text = row[n]
                    if text in nothing:
                        continue
                    value = _number(text)
                    if low <= value <= high:
                        found.append(Reading(point, at, value, at, good, none))
                    else:
                        self._add(self._cell(text, column, at, (line, name)), found, rejected)
                if found or rejected:
                    yield Observation(at, device, tuple(found), tuple(rejected))

    def _by_device(self) -> dict[str, list[_Place]]:
        devices: dict[str, list[_Place]] = {}
        for n, name in enumerate(self.header):
            column = self.columns.get(name) if n != self._time else None
            if column is not None:
                low, high = (column.low, column.high) if column.as_is else (math.inf, -math.inf)
                devices.setdefault(column.device, []).append(_Place(n, column.point, low, high, name, column))
        return devices

    # --- a reading a row -----------------------------------------------------------------------------------

    def _tall(self, rows: Iterator[list[str]], spec: LongSpec) -> Iterator[Observation]:
        name_of, value_at = self._namer(spec), self._place(spec.value)
        columns = self.columns
        moment, device = EPOCH, ""
        found: list[Reading] = []
        rejected: list[Rejection] = []
        for at, row, line in self._instants(rows):
            if not row:
                yield self._timeless(at, line)
                continue
            name = name_of(row)
            column = columns.get(name)
            if column is None:
                continue
            if at != moment or column.device != device:
                if found or rejected:
                    yield Observation(moment, device, tuple(found), tuple(rejected))
                    found, rejected = [], []
                moment, device = at, column.device
            self._add(self._cell(row[value_at], column, at, (line, name)), found, rejected)
        if found or rejected:
            yield Observation(moment, device, tuple(found), tuple(rejected))


def _time_among(header: list[str]) -> str:
    names = {name.lower(): name for name in reversed(header)}
    return next((names[name] for name in TIMES if name in names), header[0])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
