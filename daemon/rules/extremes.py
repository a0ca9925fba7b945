"""Summaries that need the values' order: the least, the greatest, and the ranks between them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

from daemon.rules.summary import Entry, Part, Plain


class Extreme(Plain):
    """min, max: the entries that are more extreme than all that came after them, the most extreme one first."""

    __slots__ = ("_line", "_lowest")

    def __init__(self, statistic: str) -> None:
        self._lowest = statistic == "min"
        self._line: deque[Part] = deque()

    def part(self, _at: int, value: float) -> Part:
        """What one reading is in it."""
        return [value]  # a list, to be told from another of the same value

    def joined(self, one: Part, other: Part) -> Part:
        """What two of them are together."""
        return [min(one[0], other[0]) if self._lowest else max(one[0], other[0])]

    def learn(self, part: Part) -> None:
        """Take in a new last entry."""
        line, value = self._line, part[0]
        if self._lowest:
            while line and line[-1][0] >= value:
                line.pop()
        else:
            while line and line[-1][0] <= value:
                line.pop()
        line.append(part)

    def forget(self, part: Part) -> None:
        """Drop the first entry."""
        if self._line and self._line[0] is part:
            self._line.popleft()

    def change(self, old: Part, new: Part) -> None:
        """The last entry is another now."""
        if self._line and self._line[-1] is old:
            self._line.pop()
        self.learn(new)

    def value(self, _entries: Sequence[Entry]) -> float | None:
        """The number."""
        return float(self._line[0][0])


class Range(Plain):
    """How far the highest lies above the lowest: a part is both of them."""

    __slots__ = ("_high", "_low")

    def __init__(self) -> None:
        self._low, self._high = Extreme("min"), Extreme("max")

    def part(self, at: int, value: float) -> Part:
        """What one reading is in it."""
        return (self._low.part(at, value), self._high.part(at, value))

    def joined(self, one: Part, other: Part) -> Part:
        """What two of them are together."""
        return (self._low.joined(one[0], other[0]), self._high.joined(one[1], other[1]))

    def learn(self, part: Part) -> None:
        """Take in a new last entry."""
        self._low.learn(part[0])
        self._high.learn(part[1])

    def forget(self, part: Part) -> None:
        """Drop the first entry."""
        self._low.forget(part[0])
        self._high.forget(part[1])

    def change(self, old: Part, new: Part) -> None:
        """The last entry is another now."""
        self._low.change(old[0], new[0])
        self._high.change(old[1], new[1])

    def value(self, entries: Sequence[Entry]) -> float | None:
        """The number."""
        low, high = self._low.value(entries), self._high.value(entries)
        return None if low is None or high is None else high - low


class Ranks(Plain):
    """The median and other percentiles, between two values by the straight line; of a bucket its first reading."""

    __slots__ = ("_share", "_values")

    def __init__(self, share: float) -> None:
        self._share = share
        self._values: list[float] = []

    def part(self, _at: int, value: float) -> Part:
        """What one reading is in it."""
        return value

    def joined(self, one: Part, _other: Part) -> Part:
        """What two of them are together."""
        return one

    def learn(self, part: Part) -> None:
        """Take in a new last entry."""
        insort(self._values, part)

    def forget(self, part: Part) -> None:
        """Drop the first entry."""
        del self._values[bisect_left(self._values, part)]

    def change(self, old: Part, new: Part) -> None:
        """Nothing: a bucket keeps its first reading."""

    def value(self, _entries: Sequence[Entry]) -> float | None:
        """The number."""
        values = self._values
        place = self._share * (len(values) - 1)
        below = int(place)
        beyond = place - below
        if not beyond:
            return values[below]
        low, high = values[below], values[below + 1]
        return (low + high) / 2 if beyond == 0.5 else low + (high - low) * beyond
