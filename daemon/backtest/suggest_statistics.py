"""The arithmetic of `rules suggest`: how a point's windows scatter while all is well, and how far they may stray.

readings ─> mean and deviation of windows side by side ─> centre, scatter, how many are independent ─> limits

These are the two phases of a control chart: was it in control, and what limits follow from that for the time to come.
Everything is computed from the calibration span alone; there are no labels and no model to train.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean, median, stdev

_NORMAL = NormalDist()
WEEK_MS = 7 * 86_400_000
#: The scatter is taken so large that the true one is larger in one of four calibrations only: on average over many
#: calibrations the false alarms then keep to the budget, see docs/benchmarks.md.
CONFIDENCE = 0.75
#: A window with less of its readings is left out; the engine's own figure.
_COVERAGE = 0.8
#: So many repeated readings in a hundred show that the values stand on a grid.
_REPEATS = 0.1


@dataclass(frozen=True, slots=True)
class Spread:
    """How a statistic of windows of one length scattered: their mean, or their standard deviation."""

    window_ms: int
    #: Windows side by side.
    windows: int
    #: How many independent ones they are worth: for their mean, and for their scatter.
    independent: float
    free: float
    #: Of neighbours.
    correlation: float
    centre: float
    #: Standard deviation of one window's statistic.
    scatter: float
    #: How far the mean of the second half of the span lies from that of the first, beyond what chance explains.
    drift: float


@dataclass(frozen=True, slots=True)
class Reach:
    """How far from the centre both limits have to be, and what that was made of."""

    far: float
    #: By chance one window in so many may be the second in a row beyond one limit.
    one_in: float
    #: How many standard deviations out that is.
    deviations: float
    #: What the shortness of the span adds.
    factor: float
    #: Scatter of the mean of two windows in a row over that of one.
    two: float


def cut(
    at: Sequence[int], values: Sequence[float], interval_ms: float, window_ms: int, begin: int
) -> dict[int, tuple[float, float]]:
    """Mean and standard deviation (divided by n) of windows side by side, in order, by number from 0 on.

    Windows with less than 80 % of their readings are left out.

    Args:
        at: milliseconds, never going back; at least one.
        values: as many.
        interval_ms: between readings.
        window_ms: of one window.
        begin: where the first window begins, in milliseconds.
    """
    need = _COVERAGE * window_ms / interval_ms
    found: dict[int, tuple[float, float]] = {}
    shift = values[0]  # near the others: squares keep their places
    number, count, total, squares = 0, 0, 0.0, 0.0

    def close() -> None:
        if count >= need and number >= 0:
            mean = total / count
            found[number] = mean + shift, math.sqrt(max(0.0, squares / count - mean * mean))

    for moment, value in zip(at, values, strict=True):
        its = (moment - begin) // window_ms
        if its != number:
            close()
            number, count, total, squares = its, 0, 0.0, 0.0
        off = value - shift
        count += 1
        total += off
        squares += off * off
    close()
    return found


def spread(means: Sequence[float], between: Sequence[float], window_ms: int) -> Spread:
    """How a statistic of at least four windows, not all the same, scatters.

    Neighbours that are alike make few independent means of many: n·(1-r)/(1+r) for the centre and n·(1-r²)/(1+r²) for
    the scatter, with r the correlation of neighbours (Bayley and Hammersley 1946), here from the mean square of the
    successive differences (von Neumann 1941). That is also what tells a drift: r is then near 1.

    Args:
        means: of windows side by side, or another statistic of them.
        between: of windows half a window later, at least three; both together tell the scatter as well as a third more
            windows would (Meketon and Schmeiser 1984).
        window_ms: of one window.
    """
    n = len(means)
    both = (means, between)
    centre = fmean(means)
    pairs = sum(len(its) - 1 for its in both)
    variance = sum((len(its) - 1) * stdev(its) ** 2 for its in both) / pairs
    steps = sum((b - a) ** 2 for its in both for a, b in pairwise(its)) / pairs
    r = min(max(0.0, 1 - steps / variance / 2), 0.999)
    independent = n * (1 - r) / (1 + r)
    scatter = math.sqrt(variance / max(0.3, 1 - 1 / independent))  # correlated means underrate their own scatter
    free = 4 / 3 * (n - 1) * (1 - r * r) / (1 + r * r)
    apart = fmean(means[n // 2 :]) - fmean(means[: n // 2])
    drift = math.sqrt(max(0.0, apart**2 - 4 * variance / n))  # less what uncorrelated means would show
    return Spread(window_ms, n, independent, free, r, centre, scatter, drift)


def reach(found: Spread, budget: float, sides: int = 2) -> Reach:
    """How far the limits must be from the centre for `budget` false alarms a week, all sides together.

    An alarm asks for a statistic that lies beyond the limit for as long as the window is. Two windows in a row then lie
    beyond it, and so does the mean of both, which scatters less. On white noise 0.3 such stretches come for each window
    in which that mean may do so by chance; one is reckoned with.
    """
    one_in = max(2.0, sides * WEEK_MS / found.window_ms / budget)
    deviations = -_NORMAL.inv_cdf(1 / one_in)
    factor = shortness(found.free) * math.sqrt(1 + 1 / found.independent)
    two = math.sqrt((1 + found.correlation) / 2)
    far = deviations * factor * two * found.scatter + found.drift
    return Reach(far, one_in, deviations, factor, two)


def shortness(free: float) -> float:
    """By how much a scatter with so many degrees of freedom may be underrated, see CONFIDENCE."""
    return math.sqrt(free / chi_square(1 - CONFIDENCE, free))


def chi_square(share: float, free: float) -> float:
    """The value below which `share` of a chi-square with `free` degrees of freedom lies (Wilson and Hilferty 1931)."""
    inner = 1 - 2 / (9 * free) + _NORMAL.inv_cdf(share) * math.sqrt(2 / (9 * free))
    return free * max(inner, 0.1) ** 3


def rounding(values: Sequence[float]) -> float:
    """How much of a change the grid on which coarse readings stand may hide from their mean, or feign; else 0.

    Noise of s standard deviations carries the mean of rounded values to within q/π·exp(-2π²s²/q²) of the truth, q being
    the step of the grid (Widrow 1956); without noise it may be half a step off. It counts twice: now and later.
    """
    moves = [abs(b - a) for a, b in pairwise(values)]
    moved = [move for move in moves if move > 0]
    if not moved or len(moves) - len(moved) < _REPEATS * len(moves):
        return 0.0
    step = median(moved)
    noise = max(0.0, fmean(move * move for move in moves) / 2 - step * step / 12)
    return 2 * min(step / 2, step / math.pi * math.exp(-2 * math.pi**2 * noise / step**2))
