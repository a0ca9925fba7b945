"""Histories in line protocol, as our own outputs write it (docs/influx.md).

    lift,asset=L1,building=B3,site=hongyuan floor=7.0,door="closed",temp_q="bad:out_of_range",temp=412.0 1795300000123

Quality was judged when a reading came in and travels in `<point>_q`; nothing is judged again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.backtest.instants import compile_clock, form_of
from daemon.model import (
    EPOCH,
    Catalogue,
    ConfigError,
    Observation,
    Point,
    PointKind,
    Quality,
    Reading,
    Reason,
    Rejection,
    Value,
)

_HEAD = re.compile(r"((?:[^ \\]|\\.)+) ")
_TAG = re.compile(r",((?:[^,=\\]|\\.)+)=((?:[^,=\\]|\\.)+)")
_FIELD = re.compile(r'((?:[^,=\\]|\\.)+)=("(?:[^"\\]|\\.)*"|[^,"]+)(?:,|$)')
_ESCAPED = re.compile(r"\\([,= ])")
_IN_QUOTES = re.compile(r'\\(["\\])')
_MOST_HEADS = 100_000


class _Line(NamedTuple):
    asset: str
    fields: list[tuple[str, str]]
    at: str


class LineHistory:
    """One file; it may be iterated again and again."""

    #: Production has judged its values.
    is_raw = False

    def __init__(self, path: Path, catalogue: Catalogue, *, any_order: bool = False) -> None:
        """Read it once, for the points that are in it.

        Raises:
            ConfigError: it cannot be read, or has none of the site's points.
        """
        self.path = path
        self._any_order = any_order
        self._measured = {point.id: point for point in catalogue.points if not point.formula}
        computed = {point.id for point in catalogue.points if point.formula}
        self._assets: dict[str, str] = {}
        found: dict[str, None] = {}
        for line in self._lines():
            if line is not None:
                found.update((f"{line.asset}.{name}", None) for name, _ in line.fields)
        quality = {name for name in found if name.endswith("_q") and name.removesuffix("_q") in self._measured}
        self.points = frozenset(found.keys() & self._measured.keys())
        self.points |= {name.removesuffix("_q") for name in quality}
        self.ignored = [name for name in found if name not in self._measured and name not in quality | computed]
        if not self.points:
            raise ConfigError([f"{path}: no line in it tells of a point of the site"])

    def __iter__(self) -> Iterator[Observation]:
        """The observations, in order of time.

        Raises:
            ConfigError: the time goes back.
        """
        clock = None
        last = EPOCH
        for n, line in enumerate(self._lines(), 1):
            if line is None:
                yield Observation(last, "", (), (Rejection(f"{self.path}:{n}", Reason.UNPARSABLE, "no line"),))
                continue
            if clock is None:
                clock = compile_clock(form_of(line.at), ZoneInfo("UTC"))
            at = clock(line.at)
            if at < last and not self._any_order:
                what = f"the time goes back from {last.isoformat()} to {at.isoformat()}"
                raise ConfigError([f"{self.path}:{n}: {what}; sort the file by time, or give --sort"])
            last = at
            yield from self._observations(line, at)

    def _lines(self) -> Iterator[_Line | None]:
        """Each line that is one; None for what is none. Blank lines and comments are told as neither."""
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                for text in file:
                    line = text.strip()
                    if line and not line.startswith("#"):
                        yield self._line(line)
        except OSError as error:
            raise ConfigError([f"{self.path}: cannot be read: {error.strerror}; check path and rights"]) from error

    def _line(self, line: str) -> _Line | None:
        head = _HEAD.match(line)
        rest, _, at = line.rpartition(" ")
        if head is None or not at.isdigit() or head.end() > len(rest):
            return None
        asset = self._assets.get(head[1])
        if asset is None:
            if len(self._assets) >= _MOST_HEADS:
                self._assets.clear()
            tags = dict(_TAG.findall(head[1]))
            asset = self._assets[head[1]] = _ESCAPED.sub(r"\1", tags.get("asset", ""))
        fields = _FIELD.findall(rest[head.end() :])
        return _Line(asset, [(_ESCAPED.sub(r"\1", name), value) for name, value in fields], at)

    def _observations(self, line: _Line, at: datetime) -> Iterator[Observation]:
        """One a device: an asset's line may hold what several have said."""
        values = dict(line.fields)
        said: dict[str, list[Reading]] = {}
        for name, text in line.fields:
            point = self._measured.get(f"{line.asset}.{name}")
            flag = values.get(f"{name}_q")
            if point is None and name.endswith("_q") and name.removesuffix("_q") not in values:
                # a value that line protocol cannot hold has left its verdict alone
                point, text, flag = self._measured.get(f"{line.asset}.{name.removesuffix('_q')}"), "nan", text  # noqa: PLW2901
            if point is not None:
                reading = Reading(point.id, at, _value(text, point), at, *_verdict(flag))
                said.setdefault(point.device, []).append(reading)
        for device, readings in said.items():
            yield Observation(at, device, tuple(readings))


def _value(text: str, point: Point) -> Value:
    """A number, with or without the sign of its type, or a label; NaN is no value for anybody."""
    if point.kind in (PointKind.STATE, PointKind.CODE):
        return _IN_QUOTES.sub(r"\1", text[1:-1]) if text.startswith('"') else text
    try:
        return float(text.rstrip("iu"))
    except ValueError:
        return math.nan


def _verdict(flag: str | None) -> tuple[Quality, Reason]:
    if flag is None:
        return Quality.GOOD, Reason.NONE
    quality, _, reason = flag.strip('"').partition(":")
    try:
        return Quality(quality), Reason(reason)
    except ValueError:
        return Quality.SUSPECT, Reason.NONE
