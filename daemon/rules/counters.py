"""What a counter has counted between two readings of it, whatever became of the counter in between.

before ──> after, higher                         counts on              after - before
top quarter of a known roll-over ──> bottom one  rolled over            rollover - before + after
after at half of before or less                  begun anew at zero     after
after a little lower                             set back               nothing
"""

from __future__ import annotations

from daemon.model import Point, PointKind

#: A counter rolls over out of the last of so many equal parts of its range into the first one.
_PARTS = 4
#: Set back to this share of what it showed or less, it has begun anew rather than been corrected.
_ANEW = 0.5


def counted(before: float, after: float, point: Point) -> float:
    """How much a counter point has counted from one reading to the next; never negative.

    A roll-over and a reset look alike. A counter that stood near its end and stands near zero has rolled over, provided
    that its roll-over is known; any other that has lost half or more has begun anew. A smaller loss (a box that comes
    back with the state it saved last) counts nothing. One that counts more than a quarter of its range between two
    readings cannot be followed.

    Args:
        before: an earlier value, in the point's unit.
        after: the next one.
        point: for its `rollover`.
    """
    if after >= before:
        return after - before
    end = point.rollover
    if end is not None and end - end / _PARTS <= before <= end and 0 <= after < end / _PARTS:
        return end - before + after
    return max(after, 0.0) if after <= before * _ANEW else 0.0


class Tally:
    """All that a counter has counted since its first reading: roll-overs and resets leave no trace in it."""

    __slots__ = ("_last", "_point", "total")

    def __init__(self, point: Point) -> None:
        self._point = point
        self._last: float | None = None
        self.total = 0.0

    def push(self, value: float) -> float:
        """Take in the next reading; the total with it."""
        if self._last is not None:
            self.total += counted(self._last, value, self._point)
        self._last = value
        return self.total

    def save(self) -> list[float | None]:
        """Everything that `load` needs, as JSON values."""
        return [self.total, self._last]

    def load(self, saved: list[float | None]) -> None:
        """Become what was saved."""
        total, self._last = saved
        self.total = total or 0.0


def tally_of(point: Point) -> Tally | None:
    """A tally for a counter; what is no counter goes up and down and needs none."""
    return Tally(point) if point.kind is PointKind.COUNTER else None
