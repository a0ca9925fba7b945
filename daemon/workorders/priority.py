"""Which order first: urgency × affected households × recurrence, with the arithmetic shown.

The factors are this project's own judgement, no standard's: a level outweighs any number of households within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from daemon.model import Level, Text

_URGENCY = {Level.I: 100, Level.II: 25, Level.III: 6}
_MOST_HOUSEHOLDS = 200
_MOST_REPEATS = 4


@dataclass(frozen=True, slots=True)
class Priority:
    """A number to sort by, greater first, and how it came about."""

    score: int
    arithmetic: Text


def rank(level: Level, households: int, repeats: int, within: timedelta) -> Priority:
    """The priority of an order.

    Args:
        level: its level.
        households: how many notice when the asset fails; counts up to 200.
        repeats: orders of the same rule and asset before it.
        within: the span in which those were counted.
    """
    urgency = _URGENCY[level]
    reach = 1 + min(households, _MOST_HOUSEHOLDS) / 200
    again = 1 + 0.25 * min(repeats, _MOST_REPEATS)
    score = round(urgency * reach * again)
    days = within.total_seconds() / 86_400
    return Priority(
        score,
        Text(
            f"紧急度 {urgency} × 影响 {reach:g}（{households} 户）× 复发 {again:g}（{days:g} 天内此前 {repeats} 次）"
            f"= {score}",
            f"urgency {urgency} × reach {reach:g} ({households} households) × recurrence {again:g} "
            f"({repeats} before within {days:g} d) = {score}",
        ),
    )
