"""What is kept of a long past: a bounded number of pieces of time, and of each a bounded summary.

    over 14d:  | mon | tue | wed | … | sun | today …      pieces are days by the site's clocks
    over 200d: | 2 d | 2 d | …                            never more than 100 of them
    over 16s:  | 1 s | 1 s | …                            below two days: sixteenths of the span

Only pieces that are over count: what happens now is never part of what it is compared with.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from daemon.model import from_ms

#: Fewer readings than this make no baseline (of an hour, where it goes by the hour).
FEWEST = 20
_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_QUARTER_MS = 900_000
_MOST = 100
_SHORT = 16


class LocalTime:
    """Milliseconds by the site's clocks. Offsets change at whole quarters of an hour only: one look-up a quarter."""

    __slots__ = ("_offset", "_quarter", "_zone")

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._quarter = -1
        self._offset = 0

    def ms(self, at: int) -> int:
        """What the clocks show at `at` ms, counted as if they had never been changed."""
        quarter = at // _QUARTER_MS
        if quarter != self._quarter:
            self._quarter = quarter
            offset = from_ms(quarter * _QUARTER_MS).astimezone(self._zone).utcoffset()
            self._offset = (offset or timedelta()) // _MS
        return at + self._offset

    def hour(self, at: int) -> int:
        """The hour of the day that they show."""
        return self.ms(at) % _DAY_MS // _HOUR_MS


class Pieces(NamedTuple):
    """How a span is cut."""

    width_ms: int
    #: So many of them make the span.
    number: int

    @classmethod
    def of(cls, over: timedelta) -> Pieces:
        """Days, or what is said above for spans that are longer or shorter."""
        over_ms = over // _MS
        if over_ms < 2 * _DAY_MS:
            return cls(max(1, over_ms // _SHORT), _SHORT)
        days = -(-over_ms // _DAY_MS)
        each = -(-days // _MOST)
        return cls(each * _DAY_MS, -(-days // each))

    def needed(self, after: timedelta) -> int:
        """How many pieces `after` is, at least one and at most all."""
        return min(self.number, max(1, -(-(after // _MS) // self.width_ms)))


class Moments:
    """Count, mean and squared deviations (Welford): exact to the rounding of floats."""

    __slots__ = ("count", "mean", "squares")

    def __init__(self, saved: Iterable[float] = (0, 0.0, 0.0)) -> None:
        count, self.mean, self.squares = saved
        self.count = int(count)

    def learn(self, value: float) -> None:
        """Take in a value."""
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    def merge(self, other: Moments) -> None:
        """Take in all that another has taken in (Chan, Golub, LeVeque)."""
        count = self.count + other.count
        step = other.mean - self.mean
        self.squares += other.squares + step * step * self.count * other.count / count
        self.mean += step * other.count / count
        self.count = count

    @property
    def sd(self) -> float:
        """The sample's standard deviation; 0 of a single value."""
        return float((max(self.squares, 0.0) / (self.count - 1)) ** 0.5) if self.count > 1 else 0.0

    def save(self) -> list[float]:
        """What the constructor takes."""
        return [self.count, self.mean, self.squares]


class Digest:
    """Sorted values with weights, thinned out to `size` of equal weight whenever there are twice as many.

    Exact up to twice its size; beyond, each entry is the mean of neighbours, so a rank is off by about 1/size.
    """

    __slots__ = ("count", "entries", "size")

    def __init__(self, size: int = 64, entries: Iterable[tuple[float, float]] = ()) -> None:
        self.size = size
        self.entries: list[tuple[float, float]] = [(value, weight) for value, weight in entries]
        self.count = round(sum(weight for _, weight in self.entries))

    def learn(self, value: float) -> None:
        """Take in a value."""
        insort(self.entries, (value, 1.0))
        self.count += 1
        if len(self.entries) > 2 * self.size:
            self.entries = thinned(self.entries, self.size)

    def median(self) -> float:
        """The middle one."""
        return weighted_median(self.entries)

    def save(self) -> list[list[float]]:
        """What the constructor takes."""
        return [[value, weight] for value, weight in self.entries]


def thinned(entries: list[tuple[float, float]], size: int) -> list[tuple[float, float]]:
    """At most `size` entries of about equal weight, each the mean of neighbours; the input is sorted, so is the output.

    A few are left as they are.
    """
    if len(entries) <= size:
        return entries
    whole = sum(weight for _, weight in entries)
    found: list[tuple[float, float]] = []
    value = weight = passed = 0.0
    for one, its in entries:
        weight += its
        value += (one - value) * its / weight
        passed += its
        if passed * size >= whole * (len(found) + 1):
            found.append((value, weight))
            value = weight = 0.0
    if weight:
        found.append((value, weight))
    return found


def weighted_median(entries: list[tuple[float, float]]) -> float:
    """The value at which half of the weight lies on either side; the mean of two when it lies between them.

    Args:
        entries: sorted by value, at least one.
    """
    half = sum(weight for _, weight in entries) / 2
    passed = 0.0
    for n, (value, weight) in enumerate(entries):
        passed += weight
        if abs(passed - half) <= 1e-9 * half and n + 1 < len(entries):
            return (value + entries[n + 1][0]) / 2
        if passed > half:
            return value
    return entries[-1][0]


def saved_digest(saved: Any) -> list[tuple[float, float]]:  # noqa: ANN401  JSON
    """The entries of what `Digest.save` gave."""
    return [(value, weight) for value, weight in saved]
