"""Limits and holds from a span in which all was well, for a budget of false orders.

    history ─> Gathering (readings of each gauge) ─┬─> judge, point by point ─> Suggested | Unwatched
                                                   └─> all points of an asset together ─> Together

One policy for every point of every asset: the mean of a window must lie outside two limits for as long as the window is
long. A long window has near limits (level III: small, slow), a short one has far limits (level II: large, at once).
Besides, a window's readings must not scatter more than they do, nor all points of an asset stray at once. Nothing is
learned from faults, so nothing has to be labelled.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from statistics import median, pstdev
from typing import NamedTuple

from daemon.backtest.suggest_statistics import Reach, Spread, cut, reach, rounding, spread
from daemon.backtest.suggest_together import Part, steps
from daemon.backtest.suggested import Rung, Suggested, Suggestion, Together, Unrest, Unwatched
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
#: So many points of an asset can be looked at together.
_SEVERAL = 2
#: Of more windows than this every so many tell how alike two points are.
_MOST_COMPARED = 500
#: More readings than this of one point are too many to be held: some four months at one a second.
_MOST_HELD = 10_000_000


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
        """Judge every point that spoke, and the points of each asset together.

        Each asset's budget is shared evenly among the levels, the unrest of every point that can be watched, and all of
        them together.
        """
        assets: dict[str, list[_Looked]] = {}
        for point in self.points.values():
            if at := self._at[point.id]:
                assets.setdefault(point.asset, []).append(_look(point, at, self._values[point.id]))
        suggested: list[Suggested] = []
        unwatched: list[Unwatched] = []
        together: list[Together] = []
        for asset, looked in assets.items():
            unwatched += (one for one in _all(looked, budget) if isinstance(one, Unwatched))
            left = {one.point.id for one in unwatched}
            watched = [one for one in looked if one.point.id not in left]
            suggested += (one for one in _all(watched, budget) if isinstance(one, Suggested))
            if its := steps(self._parts(watched), _share(budget, len(watched)), WIDTHS):
                together.append(Together(asset, its))
        return Suggestion(budget, tuple(suggested), tuple(unwatched), tuple(together))

    def _parts(self, watched: Sequence[_Looked]) -> list[dict[int, Part]]:
        """Of each point by length of window."""
        if len(watched) < _SEVERAL:
            return []
        begin, end = min(one.span[0] for one in watched), max(one.span[1] for one in watched)
        return [{means.window_ms: self._part(one, means, begin, end) for means in one.usable} for one in watched]

    def _part(self, one: _Looked, means: Spread, begin: int, end: int) -> Part:
        at, values = self._at[one.point.id], self._values[one.point.id]
        every = 1 + (end - begin) // means.window_ms // _MOST_COMPARED
        cells = cut(at, values, one.interval, means.window_ms, begin)
        its = {number: mean for number, (mean, _) in cells.items() if number % every == 0}
        return Part(one.point, means, its, one.noise, one.rounding, one.interval)


def _all(looked: Sequence[_Looked], budget: float) -> list[Suggested | Unwatched]:
    share = _share(budget, len(looked))
    return [_judged(one, share) for one in looked]


def _share(budget: float, points: int) -> float:
    """Of the levels of one of so many points, of its unrest, and of all points together."""
    return budget / max(1, 2 * points + (points >= _SEVERAL))


def judge(point: Point, at: Sequence[int], values: Sequence[float], budget: float) -> Suggested | Unwatched:
    """Limits for one point, or why there are none.

    Args:
        point: a gauge.
        at: milliseconds, growing.
        values: in the point's unit, as many.
        budget: false alarms a week of its levels; its unrest has as many.
    """
    return _judged(_look(point, at, values), budget)


class _Looked(NamedTuple):
    """What there is to know of a point's readings before a budget is given."""

    point: Point
    readings: int
    span: tuple[int, int]
    #: Milliseconds.
    interval: float
    rounding: float
    noise: float
    still: bool
    #: Of the means, and of the deviations where they differ; short windows first.
    spreads: list[tuple[Spread, Spread | None]]

    @property
    def usable(self) -> list[Spread]:
        """Of the means, those that tell drift from noise."""
        return [one for one, _ in self.spreads if one.independent >= FEWEST_INDEPENDENT]


def _look(point: Point, at: Sequence[int], values: Sequence[float]) -> _Looked:
    span = at[0], at[-1]
    if len(set(values)) < _SEVERAL:
        return _Looked(point, len(values), span, 0.0, 0.0, 0.0, still=True, spreads=[])
    interval = _interval(point, at)
    spreads = list(_spreads(at, values, interval))
    return _Looked(
        point, len(values), span, interval, rounding(values), pstdev(values), still=False, spreads=spreads
    )  # fmt: skip


def _judged(its: _Looked, budget: float) -> Suggested | Unwatched:
    point, usable = its.point, its.usable
    if its.still:
        what = "it never changed: dead, or too coarse to show what is normal; look at the sensor"
        return Unwatched(point, its.readings, what)
    if not usable:
        return Unwatched(point, its.readings, _why_not([one for one, _ in its.spreads], its.interval))
    margin = timedelta(milliseconds=round(its.interval))
    rungs = tuple(_rungs(usable, budget, its.rounding, margin))
    if all(_unreachable(rung, point) for rung in rungs):
        what = "it scatters so far that both limits would lie outside its plausible range"
        return Unwatched(point, its.readings, what)
    deviations = [one for _, one in its.spreads if one is not None and one.independent >= FEWEST_INDEPENDENT]
    unrest = _unrest(deviations, budget, its.rounding, margin)
    if unrest is not None and point.low is not None and point.high is not None:
        unrest = unrest if 2 * unrest.above < point.high - point.low else None
    first, last = (from_ms(end) for end in its.span)
    return Suggested(point, rungs, unrest, budget, its.readings, first, last, its.noise, its.rounding)


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


def _unrest(usable: Sequence[Spread], budget: float, grid: float, margin: timedelta) -> Unrest | None:
    """From the window whose limit is the smallest multiple of what is usual there."""
    reaches = [(one, reach(one, budget, sides=1)) for one in usable]
    if not reaches:
        return None
    one, its = min(reaches, key=lambda both: (both[1].far + grid) / both[0].centre)
    far = its.far + grid
    _, above = _outwards(one.centre - far, one.centre + far)
    clear_below = above - _BACK * far
    window = timedelta(milliseconds=one.window_ms)
    return Unrest(Level.III, window, window + margin, margin, above, clear_below, budget, one, its)


def _unreachable(rung: Rung, point: Point) -> bool:
    return point.low is not None and point.high is not None and rung.low < point.low and rung.high > point.high


def _interval(point: Point, at: Sequence[int]) -> float:
    """Milliseconds between readings: as promised, or as they came."""
    came = median(b - a for a, b in pairwise(at))
    return max(came, point.interval / timedelta(milliseconds=1)) if point.interval is not None else came


def _spreads(at: Sequence[int], values: Sequence[float], interval: float) -> Iterator[tuple[Spread, Spread | None]]:
    """How means and deviations scatter, of windows of every length that there are enough of, short ones first."""
    for window in WINDOWS_MS:
        if not FEWEST_READINGS * interval <= window <= MOST_READINGS * interval:
            continue
        first, late = (list(cut(at, values, interval, window, at[0] + by).values()) for by in (0, window // 2))
        if min(len(first), len(late) + 1) < FEWEST_INDEPENDENT:
            continue
        both = [([one[n] for one in first], [one[n] for one in late]) for n in (0, 1)]
        means, deviations = (
            spread(its, between, window) if min(its) < max(its) and min(between) < max(between) else None
            for its, between in both
        )
        if means is not None:
            yield means, deviations


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
