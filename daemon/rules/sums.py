"""Summaries that need no order: sums of all kinds, a straight line, what has changed from end to end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from daemon.rules.summary import Entry, Part, Plain

#: Sums are kept in whole billionths of the unit.
_PARTS = 1_000_000_000


class Sums:
    """count, sum, mean, stddev: a part is (readings, sum, sum of squares)."""

    __slots__ = ("_count", "_squares", "_statistic", "_total", "_with_squares")

    def __init__(self, statistic: str) -> None:
        self._statistic = statistic
        self._with_squares = statistic == "stddev"
        self._count = self._total = self._squares = 0

    def part(self, at: int, value: float) -> Part:
        """What one reading is in it."""
        return self.unpacked(at, round(value * _PARTS))

    def packed(self, part: Part) -> Any:  # noqa: ANN401  JSON
        """A single reading alone, all else follows from it."""
        return part[1] if part[0] == 1 else list(part)

    def unpacked(self, _at: int, saved: Any) -> Part:  # noqa: ANN401  JSON
        """What was packed."""
        return (1, saved, saved * saved if self._with_squares else 0) if saved.__class__ is int else saved

    def joined(self, one: Part, other: Part) -> Part:
        """What two of them are together."""
        return (one[0] + other[0], one[1] + other[1], one[2] + other[2])

    def learn(self, part: Part) -> None:
        """Take in a new last entry."""
        self._count += part[0]
        self._total += part[1]
        self._squares += part[2]

    def forget(self, part: Part) -> None:
        """Drop the first entry."""
        self._count -= part[0]
        self._total -= part[1]
        self._squares -= part[2]

    def change(self, old: Part, new: Part) -> None:
        """The last entry is another now."""
        self.forget(old)
        self.learn(new)

    def value(self, _entries: Sequence[Entry]) -> float | None:
        """The number."""
        match self._statistic:
            case "mean":
                return self._total / self._count / _PARTS
            case "count":
                return float(self._count)
            case "sum":
                return self._total / _PARTS
            case _:
                return math.sqrt(self._count * self._squares - self._total * self._total) / self._count / _PARTS


class Slope:
    """The straight line of least squares, in units a second: a part is (readings, t, t², v, t·v), times in ms."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums = [0, 0, 0, 0, 0]

    def part(self, at: int, value: float) -> Part:
        """What one reading is in it."""
        return self.unpacked(at, round(value * _PARTS))

    def packed(self, part: Part) -> Any:  # noqa: ANN401  JSON
        """A single reading alone, all else follows from it."""
        return part[3] if part[0] == 1 else list(part)

    def unpacked(self, at: int, saved: Any) -> Part:  # noqa: ANN401  JSON
        """What was packed."""
        return (1, at, at * at, saved, at * saved) if saved.__class__ is int else saved

    def joined(self, one: Part, other: Part) -> Part:
        """What two of them are together."""
        return tuple(a + b for a, b in zip(one, other, strict=True))

    def learn(self, part: Part) -> None:
        """Take in a new last entry."""
        self._sums = [a + b for a, b in zip(self._sums, part, strict=True)]

    def forget(self, part: Part) -> None:
        """Drop the first entry."""
        self._sums = [a - b for a, b in zip(self._sums, part, strict=True)]

    def change(self, old: Part, new: Part) -> None:
        """The last entry is another now."""
        self.forget(old)
        self.learn(new)

    def value(self, _entries: Sequence[Entry]) -> float | None:
        """The number."""
        count, times, squares, values, products = self._sums
        spread = count * squares - times * times
        return None if spread == 0 else (count * products - times * values) * 1000 / spread / _PARTS


class Ends(Plain):
    """delta, rate: a part is (first time, first value, last time, last value)."""

    __slots__ = ("_per_second",)

    def __init__(self, statistic: str) -> None:
        self._per_second = statistic == "rate"

    def part(self, at: int, value: float) -> Part:
        """What one reading is in it."""
        return (at, value, at, value)

    def joined(self, one: Part, other: Part) -> Part:
        """What two of them are together."""
        return (one[0], one[1], other[2], other[3])

    def learn(self, part: Part) -> None:
        """Nothing: the window has them."""

    def forget(self, part: Part) -> None:
        """Nothing: the window has them."""

    def change(self, old: Part, new: Part) -> None:
        """Nothing: the window has them."""

    def value(self, entries: Sequence[Entry]) -> float | None:
        """The number."""
        since, first, _, _ = entries[0][2]
        _, _, until, last = entries[-1][2]
        if until == since:
            return None
        change = float(last - first)
        return change * 1000 / (until - since) if self._per_second else change
