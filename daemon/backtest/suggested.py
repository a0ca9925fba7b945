"""What `rules suggest` comes to: limits of single points, of several together, and what the arithmetic was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.backtest.suggest_statistics import Reach, Spread
from daemon.model import Level, Point


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a suggested rule: the mean of a window outside two limits."""

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
class Unrest:
    """Of a rule of its own: readings of a window scatter more than they do."""

    level: Level
    window: timedelta
    hold: timedelta
    clear_hold: timedelta
    #: Standard deviation of a window's readings, and the one below which all is well again.
    above: float
    clear_below: float
    budget: float
    spread: Spread
    reach: Reach


@dataclass(frozen=True, slots=True)
class Suggested:
    """What to watch a point with."""

    point: Point
    #: Most urgent first; one only where the same window is best for both.
    rungs: tuple[Rung, ...]
    unrest: Unrest | None
    #: False alarms a week that were allowed these levels, and as many the unrest.
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
class Term:
    """A point's part in what several of an asset come to."""

    point: Point
    #: No longer than the step's; a point that wanders has a shorter one.
    window: timedelta
    centre: float
    #: The mean so far from the centre is an alarm though no other point moves.
    alone: float
    #: Of the mean of two windows in a row, with what the shortness of the span makes of it.
    scatter: float


@dataclass(frozen=True, slots=True)
class Step:
    """One level of a rule on several points together: the sum of the squares of their distances is above 1."""

    level: Level
    window: timedelta
    hold: timedelta
    clear_hold: timedelta
    terms: tuple[Term, ...]
    #: The sum over the latest halves of the windows must be above this, too; below, all is well again.
    late: float
    budget: float
    #: By chance the sum may be above the limit in one window in so many.
    one_in: float
    #: As many independent points as these are worth, being alike.
    worth: float
    #: The sum's limit in squares of the terms' scatter.
    limit: float
    #: What the shortness of the span adds to the scatter.
    factor: float


@dataclass(frozen=True, slots=True)
class Together:
    """What to watch all points of an asset with."""

    asset: str
    #: Most urgent first; one only where the same window is best for both.
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Everything that came of a calibration span."""

    #: False orders a week of one asset.
    budget: float
    suggested: tuple[Suggested, ...]
    unwatched: tuple[Unwatched, ...]
    together: tuple[Together, ...] = ()

    @property
    def first_at(self) -> datetime | None:
        """Of the first reading that was used."""
        return min((one.first_at for one in self.suggested), default=None)

    @property
    def last_at(self) -> datetime | None:
        """Of the last reading that was used."""
        return max((one.last_at for one in self.suggested), default=None)
