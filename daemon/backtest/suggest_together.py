"""Limits for several points of an asset together: small shifts of many that none of them shows alone.

mean of each watched point over its window ─> distance from its centre, in its own scatter ─> sum of squares ─> limit

Of a step's windows each point has the longest that still tells drift from noise in it, up to the step's own.

This is Hotelling's chart with the points taken one by one: no covariance has to be told from a short span, and every
term can be read. That points are alike while all is well makes the sum wilder; it is reckoned with by as many points
fewer (Box 1954).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import combinations
from statistics import NormalDist, StatisticsError, correlation

from daemon.backtest.suggest_statistics import WEEK_MS, Spread, chi_square, shortness
from daemon.backtest.suggested import Step, Term
from daemon.model import Level, Point
from daemon.rules import formula

_NORMAL = NormalDist()
#: The latest half of the window has to agree: half of the way back is a quarter of the sum, beside its own noise.
_BACK = 0.25
#: A formula has two hundred parts.
MOST_POINTS = 30
_FEWEST = 2
#: With fewer windows that two points have both, they are taken for one.
_FEWEST_SHARED = 5


@dataclass(frozen=True, slots=True)
class Part:
    """A point, and how the means of its windows of one length scatter."""

    point: Point
    spread: Spread
    #: By number from a beginning that all points share; not all of very many.
    means: Mapping[int, float]
    #: Standard deviation of its single readings.
    noise: float
    rounding: float
    #: Milliseconds.
    interval: float


def steps(points: Sequence[Mapping[int, Part]], budget: float, widths: Mapping[Level, float]) -> tuple[Step, ...]:
    """A level each, one for all when they come to the same window; none where fewer than two points can be used.

    Args:
        points: for each point its parts by the window's length in milliseconds.
        budget: false alarms a week.
        widths: by level, how much larger than the smallest the shift may be that is just seen in all points.
    """
    share = budget / len(widths)
    usable = [its for its in points if any(_can_stand_in_a_formula(one.point) for one in its.values())][:MOST_POINTS]
    made = []
    for window in sorted({window for its in usable for window in its}):
        taking_part = [its for its in usable if min(its) <= window]
        if len(taking_part) >= _FEWEST:
            parts = [its[max(own for own in its if own <= window)] for its in taking_part]
            step = _step(window, parts, _worth(taking_part, window), share)
            made.append((step, _just_seen(step, parts)))
    if not made:
        return ()
    least = min(sees for _, sees in made)
    taken = {
        next(n for n, (_, sees) in enumerate(made) if sees <= width * least): level for level, width in widths.items()
    }
    return tuple(replace(made[n][0], level=level) for n, level in taken.items())


def _can_stand_in_a_formula(point: Point) -> bool:
    try:
        return list(formula.references(formula.parse(f"[{point.id}] - 1 {point.unit}"))) == [point.id]
    except ValueError:
        return False


def _step(window_ms: int, parts: Sequence[Part], worth: float, budget: float) -> Step:
    """As for a single point, two windows in a row have to lie beyond the limit.

    For each window in which the sum of their mean may do so by chance, one such stretch is reckoned with for each
    point; on white noise 0.3 to 0.8 were counted, for one to eight points. A point with a shorter window is reckoned
    with as often as that fits into the longest.
    """
    count = len(parts)
    chances = sum(window_ms / one.spread.window_ms for one in parts)
    one_in = max(2.0, WEEK_MS / window_ms / budget * chances)
    limit = count / worth * chi_square(1 - 1 / one_in, worth)
    factor = shortness(sum(one.spread.free for one in parts) * worth / count)
    deviations = -_NORMAL.inv_cdf(1 / one_in / 2)
    terms = tuple(_term(one, factor, deviations, limit) for one in parts)
    margin = timedelta(milliseconds=round(max(one.interval for one in parts)))
    window = timedelta(milliseconds=window_ms)
    late = _BACK + _noise_of_half(parts, terms)
    return Step(
        Level.III, window, window + margin, margin, terms, round(late, 3), budget, one_in, worth, limit, factor
    )  # fmt: skip


def _noise_of_half(parts: Sequence[Part], terms: Sequence[Term]) -> float:
    """What the sum of half a window comes to on average while all is well: its mean scatters more than the whole's."""
    return sum(
        2 / (1 + one.spread.correlation) * (one.spread.scatter / term.alone) ** 2
        for one, term in zip(parts, terms, strict=True)
    )


def _term(one: Part, factor: float, deviations: float, limit: float) -> Term:
    its = one.spread
    two = math.sqrt((1 + its.correlation) / 2)
    scatter = two * factor * math.sqrt(1 + 1 / its.independent) * its.scatter
    scatter += (its.drift + one.rounding) / deviations
    span = timedelta(milliseconds=its.window_ms)
    return Term(one.point, span, its.centre, scatter * math.sqrt(limit), scatter)


def _just_seen(step: Step, parts: Sequence[Part]) -> float:
    """The shift of all points at once that is just on the limit, in standard deviations of their single readings."""
    return 1 / math.sqrt(sum((one.noise / term.alone) ** 2 for one, term in zip(parts, step.terms, strict=True)))


def _worth(points: Sequence[Mapping[int, Part]], window: int) -> float:
    """As many points with nothing in common as these are worth: k² over the sum of all squared correlations."""
    alike = sum(_alike(one, other, window) for one, other in combinations(points, 2))
    return len(points) ** 2 / (len(points) + 2 * max(0.0, alike))


def _alike(one: Mapping[int, Part], other: Mapping[int, Part], window: int) -> float:
    """The squared correlation of two points' means, less what would show if they had nothing in common."""
    both = [its for its in one.keys() & other.keys() if its <= window]
    if not both:
        return 1.0
    first, second = one[max(both)].means, other[max(both)].means
    shared = first.keys() & second.keys()
    if len(shared) < _FEWEST_SHARED:
        return 1.0
    try:
        alike = correlation([first[n] for n in shared], [second[n] for n in shared])
    except StatisticsError:  # one of them stands still
        return 0.0
    return alike * alike - 1 / (len(shared) - 1)
