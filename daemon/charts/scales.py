"""From moments and values to places on a chart, and where its ticks are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.model import from_ms, to_ms

_STEPS = tuple(
    timedelta(seconds=s)
    for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
)
#: Units between two stretches of time that do not adjoin.
_BREAK = 22.0
#: The least share of the width that a stretch gets.
_LEAST = 0.3
Window = tuple[int, int]


class Tick(NamedTuple):
    """One mark of an axis."""

    at: float
    label: str


class TimeScale:
    """One or two stretches of time side by side; each at least a third of the width."""

    def __init__(self, windows: Sequence[Window], left: float, right: float, zone: ZoneInfo) -> None:
        self.zone = zone
        self.left, self.right = left, right
        spans = [max(1, end - begin) for begin, end in windows]
        room = right - left - _BREAK * (len(windows) - 1)
        shares = [span / sum(spans) for span in spans]
        if len(windows) == 2:
            first = min(max(shares[0], _LEAST), 1 - _LEAST)
            shares = [first, 1 - first]
        self.pieces: list[tuple[int, int, float, float]] = []
        x = left
        for (begin, _), span, share in zip(windows, spans, shares, strict=True):
            self.pieces.append((begin, begin + span, x, x + room * share))
            x += room * share + _BREAK

    def x(self, ms: float) -> float:
        """The place of a moment; of one in between, the middle of the break."""
        for n, (begin, end, left, right) in enumerate(self.pieces):
            if ms < begin:
                return left if n == 0 else left - _BREAK / 2
            if ms <= end:
                return left + (ms - begin) / (end - begin) * (right - left)
        return self.right

    @property
    def breaks(self) -> list[tuple[float, int]]:
        """The middle of each break, and the ms that are left out there."""
        return [(after[2] - _BREAK / 2, after[0] - before[1]) for before, after in pairwise(self.pieces)]

    def ticks(self, room: float) -> Iterator[Tick]:
        """By the clocks of the site, at least `room` apart."""
        for begin, end, left, right in self.pieces:
            most = max(1, int((right - left) / room))
            span = timedelta(milliseconds=end - begin)
            step = next((step for step in _STEPS if span / step <= most), _STEPS[-1])
            yield from (Tick(self.x(ms), self._clock(ms, step)) for ms in self._multiples(begin, end, step))

    def _clock(self, ms: int, step: timedelta) -> str:
        local = from_ms(ms).astimezone(self.zone)
        if step >= timedelta(days=1) or (step >= timedelta(hours=1) and local.hour == local.minute == 0):
            return f"{local:%m-%d}"
        return f"{local:%H:%M:%S}" if step < timedelta(minutes=1) else f"{local:%H:%M}"

    def _multiples(self, begin: int, end: int, step: timedelta) -> Iterator[int]:
        """Moments at which the clocks show a multiple of the step, also where they are put forward or back."""
        local = from_ms(begin).astimezone(self.zone)
        if step <= timedelta(hours=1):
            into = local - local.replace(minute=0, second=0, microsecond=0)
            at = begin - into // timedelta(milliseconds=1)
            while at <= end:
                if at >= begin:
                    yield at
                at += step // timedelta(milliseconds=1)
            return
        wall = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        last = 0
        while (at := to_ms(wall.replace(tzinfo=self.zone).astimezone(UTC))) <= end:
            if at >= begin and at > last:
                yield at
                last = at
            wall += step


class ValueScale:
    """Values upwards."""

    def __init__(self, low: float, high: float, top: float, bottom: float) -> None:
        self.low, self.high, self.top, self.bottom = low, high, top, bottom

    def y(self, value: float) -> float:
        """The place of a value; of one outside, the edge."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - min(1.0, max(0.0, share)) * (self.bottom - self.top)

    def shows(self, value: float) -> bool:
        """Whether a value is on the chart."""
        return self.low <= value <= self.high

    def ticks(self, most: int) -> list[Tick]:
        """Round numbers, at most `most` of them and some more."""
        step = _round_step((self.high - self.low) / most)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [Tick(n * step, shown(n * step, digits)) for n in range(first, last + 1)]


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((n * power for n in (1, 2, 5) if n * power >= rough * 0.999), 10 * power)


def shown(value: float, digits: int) -> str:
    """A number with so many decimals; a very large or small one by its power of ten."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    return f"{0.0 if abs(value) < 1e-12 else value:.{min(digits, 4)}f}"


def value_range(values: Sequence[float], limits: Sequence[float]) -> tuple[float, float]:
    """What the axis spans: all values, and each limit that does not make them a flat line.

    A limit more than three times as far from the values as they are from each other, or from nothing, is told in words
    at the edge.
    """
    low, high = (min(values), max(values)) if values else (math.inf, -math.inf)
    spread = high - low
    near = [limit for limit in limits if _near(limit, low, high, spread)]
    both = [*values, *near] or list(limits) or [0.0]
    low, high = min(both), max(both)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    room = max(room, abs(high) * 1e-9, abs(low) * 1e-9)
    return low - room, high + room


def _near(limit: float, low: float, high: float, spread: float) -> bool:
    away = max(low - limit, limit - high, 0.0)
    # readings that hardly move say nothing of the scale: their own size does
    return away <= 3 * max(spread, 0.6 * max(abs(low), abs(high))) if low <= high else True


def moment(ms: int, zone: ZoneInfo, form: str = "%m-%d %H:%M:%S") -> str:
    """By the clocks of the site."""
    return format(from_ms(ms).astimezone(zone), form)


def offset(ms: int, zone: ZoneInfo) -> str:
    """`UTC+8`, `UTC-3:30`."""
    span = datetime.utcoffset(from_ms(ms).astimezone(zone)) or timedelta()
    minutes = abs(span) // timedelta(minutes=1)
    sign = "-" if span < timedelta() else "+"
    return f"UTC{sign}{minutes // 60}" + (f":{minutes % 60:02d}" if minutes % 60 else "")
