"""The statistics that a rule may take of a window, by name."""

from __future__ import annotations

import re

from daemon.rules.extremes import Extreme, Range, Ranks
from daemon.rules.summary import Summary
from daemon.rules.sums import Ends, Slope, Sums

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d)?)")

#: What a statistic may be called, besides p1 … p99.9.
STATISTICS = (
    "mean", "min", "max", "median", "range", "stddev", "slope", "rate", "delta", "count", "sum",
)  # fmt: skip
#: Those that are a value of the point's own kind: what its latest value can be compared with.
LEVELS = ("mean", "min", "max", "median")


def percentile_of(statistic: str) -> float | None:
    """The percentile that a statistic asks for; None when it is no percentile."""
    if statistic == "median":
        return 50.0
    match = _PERCENTILE.fullmatch(statistic)
    return float(match[1]) if match and float(match[1]) > 0 else None


def summary_of(statistic: str) -> Summary:
    """A new, empty summary.

    Args:
        statistic: one of STATISTICS, or a percentile such as `p95`.
    """
    rank = percentile_of(statistic)
    if rank is not None:
        return Ranks(rank / 100)
    match statistic:
        case "min" | "max":
            return Extreme(statistic)
        case "range":
            return Range()
        case "delta" | "rate":
            return Ends(statistic)
        case "slope":
            return Slope()
        case _:
            return Sums(statistic)
