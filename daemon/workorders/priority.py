"""Which order first: urgency × affected households × recurrence × past complaints, with the arithmetic shown.

The factors are this project's own judgement, no standard's: a level outweighs any number of households within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from daemon.model import Level, Text

_URGENCY = {Level.I: 100, Level.II: 25, Level.III: 6}
_MOST_HOUSEHOLDS = 200
_MOST_REPEATS = 4
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Priority:
    """A number to sort by, greater first, and how it came about."""

    score: int
    arithmetic: Text


class Before(NamedTuple):
    """What came before an order: so many within so long."""

    times: int
    within: timedelta

    @property
    def days(self) -> str:
        """The span, in days."""
        return f"{self.within / _DAY:g}"


class Weight(NamedTuple):
    """How much past complaints weigh: each adds a share, so many count."""

    each: float
    most: int


def rank(level: Level, households: int, repeats: Before, complaints: Before, weight: Weight) -> Priority:
    """The priority of an order.

    Args:
        level: its level.
        households: how many notice when the asset fails; counts up to 200.
        repeats: orders of the same rule and asset before it; four count.
        complaints: complaints about the asset before it.
        weight: what a complaint adds.
    """
    urgency = _URGENCY[level]
    reach = 1 + min(households, _MOST_HOUSEHOLDS) / 200
    again = 1 + 0.25 * min(repeats.times, _MOST_REPEATS)
    heard = 1 + weight.each * min(complaints.times, weight.most)
    score = round(urgency * reach * again * heard)
    return Priority(
        score,
        Text(
            f"紧急度 {urgency} × 影响 {reach:g}（{households} 户）"
            f"× 复发 {again:g}（{repeats.days} 天内此前 {repeats.times} 次）"
            f"× 投诉 {heard:g}（近 {complaints.days} 天投诉 {complaints.times} 次）= {score}",
            f"urgency {urgency} × reach {reach:g} ({households} households) × recurrence {again:g} "
            f"({repeats.times} before within {repeats.days} d) × complaints {heard:g} "
            f"({complaints.times} within {complaints.days} d) = {score}",
        ),
    )
