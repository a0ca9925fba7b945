"""Quality at intake: what is known of a value or of a moment without looking at any other reading.

Bad never reaches a value rule, so only what cannot be true is bad; what may be true is suspect.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from daemon.model import Quality, Reason

GOOD = (Quality.GOOD, Reason.NONE)
#: A device clock that tells an earlier year was never set (it counts from 1970 or from its own start).
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)


_NOTHING = timedelta(0)


class Timing(NamedTuple):
    """When a reading counts as taken, and what that says of its quality."""

    at: datetime
    quality: Quality
    reason: Reason


def of_value(
    value: float,
    *,
    raw: float,
    low: float | None = None,
    high: float | None = None,
    sentinels: Collection[float] = (),
) -> tuple[Quality, Reason]:
    """Judge a number in the point's unit; `raw` is the same number before scaling, which sentinels are told in."""
    if raw in sentinels:
        return Quality.BAD, Reason.SENTINEL
    if not math.isfinite(value):
        return Quality.BAD, Reason.NOT_A_NUMBER
    if (low is not None and value < low) or (high is not None and value > high):
        return Quality.BAD, Reason.OUT_OF_RANGE
    return GOOD


def of_time(
    source_at: datetime | None,
    received_at: datetime,
    late_after: timedelta,
    clock_skew: timedelta,
) -> Timing:
    """Judge the time a message tells of itself (None: it should have told one, and did not).

    A time that cannot be right is replaced by the time of receipt, and the reading is suspect.
    """
    if source_at is None or source_at < EARLIEST:
        return Timing(received_at, Quality.SUSPECT, Reason.CLOCK_SKEW)
    age = received_at - source_at
    if age > late_after:
        return Timing(source_at, Quality.SUSPECT, Reason.LATE)
    if age < _NOTHING and -age > clock_skew:
        return Timing(received_at, Quality.SUSPECT, Reason.CLOCK_SKEW)
    return Timing(source_at, *GOOD)
