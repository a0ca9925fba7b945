"""Limits and holds from a span in which all was well, for a budget of false orders.

    history ─> Gathering (readings of each gauge) ─> judge, point by point ─> Suggested | Unwatched, with the arithmetic

One policy for every point of every asset: the mean of a window must lie outside two limits for as long as the window is
long. A long window has near limits (level III: small, slow), a short one has far limits (level II: large, at once).
Nothing is learned from faults, so nothing has to be labelled.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median, pstdev

from daemon.backtest.suggest_statistics import Reach, Spread, reach, rounding, spread, window_means
from daemon.documents import format_span
from daemon.model import Catalogue, ConfigError, Input, Level, Observation, Point, PointKind, Quality, from_ms, to_ms

#: False orders a week of one asset: one a month.
DEFAULT_BUDGET = 0.25
#: Spans that a person would write.
_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
WINDOWS_MS = (
    *(n * _SECOND for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * _DAY for n in (1, 2, 4, 7)),
)
#: Readings in a window: fewer do not make noise small, more make a fault wait.
FEWEST_READINGS, MOST_READINGS = 5, 60
#: With fewer independent window means than this there is no telling drift from noise: the point is not watched.
FEWEST_INDEPENDENT = 10
#: By level, how much wider than the narrowest its limits may be: the shortest window that keeps to it is taken.
WIDTHS = {Level.II: 2.0, Level.III: 1.0}
#: The clear limits lie half of the way back: as far from a healthy centre as from the smallest fault that is seen. One
#: interval of hold: a mean has its own inertia, and every second of hold is one that the alarm stands too long.
_BACK = 0.5
#: More readings than this of one point are too many to be held: some four months at one a second.
_MOST_HELD = 10_000_000


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a suggested rule."""

    level: Level
    window: timedelta
    #: Of the alarm: the window and one interval. One wild reading lifts a mean for less than that: it opens nothing.
    hold: timedelta
    clear_hold: timedelta
    low: float
    high: float
    clear_low: float
    clear_high: float
    #: False alarms a week that are allowed it.
    budget: float
    spread: Spread
    reach: Reach


@dataclass(frozen=True, slots=True)
class Suggested:
    """What to watch a point with."""

    point: Point
    #: Most urgent first; one only where the same window is best for both.
    rungs: tuple[Rung, ...]
    #: False alarms a week that were allowed this point.
    budget: float
    readings: int
    first_at: datetime
    last_at: datetime
    #: Standard deviation of single readings.
    noise: float
    #: What was added on either side because the readings are coarse.
    rounding: float

    @property
    def stretch(self) -> float:
        """How many times the calibration span the time is in which one false alarm may come."""
        span = max(self.last_at - self.first_at, timedelta(milliseconds=1))
        return timedelta(weeks=1) / self.budget / span


@dataclass(frozen=True, slots=True)
class Unwatched:
    """A point that this span gives no limits for, and why."""

    point: Point
    readings: int
    reason: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Everything that came of a calibration span."""

    #: False orders a week of one asset.
    budget: float
    suggested: tuple[Suggested, ...]
    unwatched: tuple[Unwatched, ...]

    @property
    def first_at(self) -> datetime | None:
        """Of the first reading that was used."""
        return min((one.first_at for one in self.suggested), default=None)

    @property
    def last_at(self) -> datetime | None:
        """Of the last reading that was used."""
        return max((one.last_at for one in self.suggested), default=None)


class Gathering:
    """The readings of every gauge in a history: 16 bytes each."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Only gauges that a device speaks are listened to."""
        self.points = {p.id: p for p in catalogue.points if p.kind is PointKind.GAUGE and not p.formula}
        self._at: dict[str, array[int]] = {point: array("q") for point in self.points}
        self._values: dict[str, array[float]] = {point: array("d") for point in self.points}

    def feed(self, inputs: Iterable[Input]) -> None:
        """Take in the next inputs; bad readings and those older than the point's latest are left out.

        Raises:
            ConfigError: it is more than can be held.
        """
        for item in inputs:
            if type(item) is not Observation:
                continue
            times = None
            for reading in item.readings:
                times = self._at.get(reading.point)
                if times is None or reading.quality is Quality.BAD or isinstance(reading.value, str):
                    continue
                moment = to_ms(reading.at)
                if not times or moment > times[-1]:
                    times.append(moment)
                    self._values[reading.point].append(reading.value)
            if len(times or ()) > _MOST_HELD:
                raise ConfigError([f"rules suggest: more than {_MOST_HELD} readings of a point; give a shorter span"])

    def suggest(self, budget: float) -> Suggestion:
        """Judge every point that spoke; each asset's budget is shared evenly among its points that can be watched."""
        assets: dict[str, list[str]] = {}
        for point in self.points.values():
            if self._at[point.id]:
                assets.setdefault(point.asset, []).append(point.id)
        found = [one for points in assets.values() for one in self._judge_asset(points, budget)]
        return Suggestion(
            budget,
            tuple(one for one in found if isinstance(one, Suggested)),
            tuple(one for one in found if isinstance(one, Unwatched)),
        )

    def _judge_asset(self, points: Sequence[str], budget: float) -> list[Suggested | Unwatched]:
        found = self._judge(points, budget / len(points))
        watched = [one.point.id for one in found if isinstance(one, Suggested)]
        again = {one.point.id: one for one in self._judge(watched, budget / max(1, len(watched)))}
        return [again.get(one.point.id, one) for one in found]

    def _judge(self, points: Sequence[str], share: float) -> list[Suggested | Unwatched]:
        return [judge(self.points[point], self._at[point], self._values[point], share) for point in points]


def judge(point: Point, at: Sequence[int], values: Sequence[float], budget: float) -> Suggested | Unwatched:
    """Limits for one point, or why there are none.

    Args:
        point: a gauge.
        at: milliseconds, growing.
        values: in the point's unit, as many.
        budget: false alarms a week.
    """
    if len(set(values)) < 2:
        what = "it never changed: dead, or too coarse to show what is normal; look at the sensor"
        return Unwatched(point, len(values), what)
    interval = _interval(point, at)
    grid = rounding(values)
    spreads = list(_spreads(at, values, interval))
    usable = [one for one in spreads if one.independent >= FEWEST_INDEPENDENT]
    if not usable:
        return Unwatched(point, len(values), _why_not(spreads, interval))
    rungs = tuple(_rungs(usable, budget, grid, timedelta(milliseconds=round(interval))))
    if all(_unreachable(rung, point) for rung in rungs):
        return Unwatched(
            point, len(values), "it scatters so far that both limits would lie outside its plausible range"
        )
    first, last = from_ms(at[0]), from_ms(at[-1])
    return Suggested(point, rungs, budget, len(values), first, last, pstdev(values), grid)


def _rungs(usable: Sequence[Spread], budget: float, grid: float, margin: timedelta) -> Iterator[Rung]:
    """A rung a level, each with an even share of the budget; one for all when they come to the same window."""
    share = budget / len(WIDTHS)
    reaches = [reach(one, share) for one in usable]
    narrowest = min(its.far for its in reaches) + grid
    taken = {
        next(n for n, its in enumerate(reaches) if its.far + grid <= width * narrowest): level
        for level, width in WIDTHS.items()
    }
    for n, level in taken.items():
        yield _rung(level, usable[n], reaches[n], share, grid, margin)


def _rung(level: Level, one: Spread, its: Reach, budget: float, grid: float, margin: timedelta) -> Rung:
    low, high = _outwards(one.centre - its.far - grid, one.centre + its.far + grid)
    back = _BACK * (high - low) / 2
    window = timedelta(milliseconds=one.window_ms)
    return Rung(
        level, window, window + margin, margin, low, high, *_outwards(low + back, high - back), budget, one, its
    )  # fmt: skip


def _unreachable(rung: Rung, point: Point) -> bool:
    return point.low is not None and point.high is not None and rung.low < point.low and rung.high > point.high


def _interval(point: Point, at: Sequence[int]) -> float:
    """Milliseconds between readings: as promised, or as they came."""
    came = median(b - a for a, b in pairwise(at))
    return max(came, point.interval / timedelta(milliseconds=1)) if point.interval is not None else came


def _spreads(at: Sequence[int], values: Sequence[float], interval: float) -> Iterator[Spread]:
    """Of windows of every length that there are enough of, short ones first."""
    for window in WINDOWS_MS:
        if FEWEST_READINGS * interval <= window <= MOST_READINGS * interval:
            means, between = (window_means(at, values, interval, window, at[0] + late) for late in (0, window // 2))
            if min(len(means), len(between) + 1) >= FEWEST_INDEPENDENT and min(means) < max(means):
                yield spread(means, between, window)


def _why_not(spreads: Sequence[Spread], interval: float) -> str:
    if not spreads:
        least = format_span(timedelta(milliseconds=round(FEWEST_INDEPENDENT * FEWEST_READINGS * interval)))
        return f"the span is too short: it needs at least {FEWEST_INDEPENDENT} windows, that is {least} without gaps"
    best = max(spreads, key=lambda one: one.independent)
    return (
        f"it drifted: {best.windows} windows of {format_span(timedelta(milliseconds=best.window_ms))} are as good as "
        f"{best.independent:.1f} independent ones, {FEWEST_INDEPENDENT} are needed; give a longer span"
    )


def _outwards(low: float, high: float) -> tuple[float, float]:
    """Both with as many places as a hundredth of the band between them needs, never nearer to each other."""
    places = 0
    band = high - low
    while places < 12 and band * 10.0**places < 100:
        places += 1
    unit = 10.0**-places
    return round((low // unit) * unit, places), round(-(-high // unit) * unit, places)
