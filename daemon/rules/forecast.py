"""When a point will have come to a limit, going on as it has: a robust line (Theil-Sen) through its daily medians.

      |  x   x                          slope: the median of the slopes of all pairs of days
      |      x  x   x                   so that up to 29 % of the days may be wild
      |              x  x ·
      |                    · · · ·
    limit ─────────────────────────·──────
      └── history, complete days ──┴─ days left

Only days that are over count: one bad reading, or one bad day, forecasts nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import Any, NamedTuple

from daemon.model import Observed, to_ms
from daemon.rules.compiled import Compiled, Scope, latest
from daemon.rules.daily import Digest, LocalTime, Pieces, saved_digest
from daemon.rules.limits import resolve
from daemon.rules.pasts import Forecast, History

_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000


class Line(NamedTuple):
    """value = start + slope * (at - since)."""

    since: int
    start: float
    #: A millisecond.
    slope: float

    def at(self, ms: int) -> float:
        """Its value at a moment."""
        return self.start + self.slope * (ms - self.since)


def theil_sen(points: Sequence[tuple[int, float]]) -> Line:
    """The line with the median slope of all pairs, through the median of what remains.

    Args:
        points: (ms, value), at least two of different times.
    """
    since = points[0][0]
    slopes = [
        (value - earlier) / (at - before)
        for n, (at, value) in enumerate(points)
        for before, earlier in points[:n]
        if at != before
    ]
    slope = median(slopes)
    return Line(since, median(value - slope * (at - since) for at, value in points), slope)


class Trend:
    """Daily medians of a point over its history, and the line through them."""

    __slots__ = ("_after", "_days", "_local", "_now", "_over", "_piece", "_pieces", "_times", "days", "key", "line")

    def __init__(self, key: str, history: History, zone: str) -> None:
        #: What makes it the same one over a reload or restart.
        self.key = key
        #: (mean time in ms, median) of each finished day.
        self.days: deque[tuple[int, float]] = deque()
        #: None while there is too little history.
        self.line: Line | None = None
        self._pieces = Pieces.of(history.over)
        self._over = history.over // _MS
        self._after = (history.after if history.after is not None else history.over / 3) // _MS
        self._days = history.days
        self._local = LocalTime(zone)
        self._piece: int | None = None
        self._now = Digest()
        #: Sum of the times of today's readings, since the piece's first.
        self._times = [0, 0]

    def push(self, at: int, value: float) -> None:
        """Take in a reading; `at` never goes back."""
        piece = self._local.ms(at) // self._pieces.width_ms
        if piece != self._piece:
            self._finish(at)
            self._piece = piece
            self._times = [at, 0]
        self._now.learn(value)
        self._times[1] += at - self._times[0]

    def left(self, at: int, limit: float, *, falling: bool) -> float | None:
        """Milliseconds until the line comes to the limit: 0 when it has, infinite when it never will."""
        if self.line is None:
            return None
        sign = -1.0 if falling else 1.0
        distance, speed = sign * (limit - self.line.at(at)), sign * self.line.slope
        if distance <= 0:
            return 0.0
        return distance / speed if speed > 0 else math.inf

    @property
    def span(self) -> int:
        """Between the first day and the last, in ms."""
        return self.days[-1][0] - self.days[0][0] if self.days else 0

    def _finish(self, at: int) -> None:
        """A day is over: it counts from now on."""
        if self._now.count:
            first, times = self._times
            self.days.append((first + times // self._now.count, self._now.median()))
            self._now = Digest()
        while self.days and self.days[0][0] <= at - self._over - self._pieces.width_ms:
            self.days.popleft()
        self._fit()

    def _fit(self) -> None:
        enough = len(self.days) >= max(2, self._days) and self.span >= self._after - self._pieces.width_ms
        self.line = theil_sen(list(self.days)) if enough else None

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        days = [list(day) for day in self.days]
        return {"days": days, "piece": self._piece, "now": self._now.save(), "times": list(self._times)}

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self.days = deque((at, value) for at, value in saved["days"])
        self._piece, self._times = saved["piece"], list(saved["times"])
        self._now = Digest(entries=saved_digest(saved["now"]))
        self._fit()


# --- as a condition ----------------------------------------------------------------------------------------


def compile_forecast(spec: Forecast, scope: Scope) -> Compiled:
    """It will have come to the limit within a span, or not within it."""
    point = scope.point(spec.point, spec.quality)
    limits = resolve(spec, point.decl)
    falling = spec.falls_to is not None
    within = spec.within // _MS if spec.within is not None else None
    beyond = (spec.beyond or timedelta()) // _MS
    key = f"{point.decl.id}|forecast|{scope.zone}|{spec.history.model_dump_json()}"
    trend = scope.keeper(point, key, lambda key: Trend(key, spec.history, scope.zone))

    def left() -> float | None:
        return trend.left(to_ms(point.at), limits.high, falling=falling) if point.known else None

    def test() -> bool | None:
        found = left() if point.fresh else None
        if found is None:
            return None
        return found <= within if within is not None else found > beyond

    def observe() -> tuple[Observed, ...]:
        return (latest(point, f"{limits.words} ({_told(trend, left(), point.decl.unit)})"),)

    return Compiled(test, (observe,), (point, *point.inputs))


def _told(trend: Trend, left: float | None, unit: str) -> str:
    """`-0.021 %/d, 41.3 days left, from 32 days`."""
    if trend.line is None or left is None:
        return f"too little history, {len(trend.days)} days"
    slope = f"{trend.line.slope * _DAY_MS:+.3g} {unit}".rstrip() + "/d"
    days = "never" if left == math.inf else f"{left / _DAY_MS:.3g} days left"
    return f"{slope}, {days}, from {len(trend.days)} days"
