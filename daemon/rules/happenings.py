"""How often something has happened to a point within a span: changes, edges, readings, runs.

    t-w                                                t
     ( . . . | . . . . . | . . . . . . | . . . . . . . ]      | it happened: three times
                                                              t: the point's latest reading, or for one that speaks
                                                              on change the site's clock: what is over falls out

What has been seen to happen is certain; that it did not happen more often is known only when enough of the span has
been seen. What happened while a device was away is not counted, and counts as not seen. Up to an hour each is kept
with its time, beyond that in 1/720 of the span.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from daemon.model import to_ms
from daemon.rules.hours import Clock
from daemon.rules.points import PointState
from daemon.rules.sights import Sight

_EXACT_MS = 3_600_000
_BUCKETS = 720
_MOST = 4096


class Stock:
    """Amounts with the times at which they came: their sum over the span."""

    __slots__ = ("entries", "span", "total", "width")

    def __init__(self, span: int) -> None:
        """Over `span` milliseconds."""
        self.span = span
        self.width = 0 if span <= _EXACT_MS else span // _BUCKETS
        #: (source time, receipt, amount)
        self.entries: deque[tuple[int, int, int]] = deque()
        self.total = 0

    def add(self, at: int, received: int, amount: int) -> None:
        """So much came then."""
        entries = self.entries
        self.total += amount
        if self.width and entries and entries[-1][0] // self.width == at // self.width:
            amount += entries.pop()[2]
        entries.append((at, received, amount))
        if len(entries) > _MOST:
            self.width = max(2 * self.width, self.span // (_MOST // 2), 1)
            kept, self.entries, self.total = list(entries), deque(), 0
            for entry in kept:
                self.add(*entry)

    def leave(self, edge: int, received_edge: int) -> None:
        """Drop what came at these times or before."""
        entries = self.entries
        while entries and (entries[0][0] <= edge or entries[0][1] <= received_edge):
            self.total -= entries.popleft()[2]

    def save(self) -> list[Any]:
        """Everything that `load` needs, as JSON values."""
        return [self.width, [list(entry) for entry in self.entries]]

    def load(self, saved: list[Any]) -> None:
        """Become what was saved."""
        self.width, entries = saved
        self.entries = deque((at, received, amount) for at, received, amount in entries)
        self.total = sum(amount for _, _, amount in self.entries)


class Happenings:
    """How often it has happened within the span."""

    __slots__ = (
        "_at", "_away", "_clock", "_fresh_ms", "_held", "_missed", "_need", "_now", "_point", "_sight", "_since",
        "_span", "_stock", "arm",
    )  # fmt: skip

    def __init__(
        self,
        point: PointState,
        sight: Sight,
        span: int,
        coverage: float,
        fresh_ms: int | None,
        clock: Clock | None = None,
    ) -> None:
        self.arm = _nothing
        self._point = point
        self._sight = sight
        #: In which hours it counts.
        self._clock = clock
        self._span = span
        self._held = point.fresh_for is None
        self._fresh_ms = fresh_ms
        #: So much of the span must have been seen.
        self._need = span * coverage
        self._stock = Stock(span)
        #: How long it was not heard, in ms, told when it was heard again.
        self._missed = Stock(span)
        #: Source time and receipt of the first reading.
        self._since: tuple[int, int] | None = None
        self._at = 0
        self._now = 0
        self._away = point.away

    def push(self, at: int, value: Any) -> None:  # noqa: ANN401  a number or label
        """Take in a reading; `at` never goes back."""
        received = to_ms(self._point.received)
        missed = 0
        if self._since is None:
            self._since = (at, received)
        elif self._held:
            missed = self._point.away - self._away
        elif self._fresh_ms is not None and at - self._at > self._fresh_ms:
            missed = at - self._at - self._fresh_ms
        self._away = self._point.away
        self._at, self._now = at, max(received, self._now)
        if missed:
            self._missed.add(at, received, missed)
        happened = self._sight.see(at, value, torn=missed > 0)
        if happened and (self._clock is None or self._clock.inside(at)):
            self._stock.add(at, received, happened)
        self._leave(at - self._span)

    def age(self, now: int) -> None:
        """It is that time on site."""
        self._now = now
        self._leave(now - self._span)

    def _leave(self, edge: int) -> None:
        """A point that promises readings ages by them alone, one that holds its state by the site's clock as well."""
        received_edge = self._now - self._span if self._held else 0
        self._stock.leave(edge, received_edge)
        self._missed.leave(edge, received_edge)
        if self._held:
            self._wait()

    def _wait(self) -> None:
        dues = [stock.entries[0][1] + self._span for stock in (self._stock, self._missed) if stock.entries]
        if self._since is not None and self._now - self._since[1] < self._need:
            dues.append(self._since[1] + int(-(-self._need // 1)))
        if dues:
            self.arm(min(dues))

    def so_far(self) -> int:
        """What has been seen to happen."""
        return self._stock.total

    def known(self) -> bool:
        """Whether enough of the span has been seen to say that it did not happen more often."""
        if self._since is None:
            return False
        seen = self._now - self._since[1] if self._held else self._at - self._since[0]
        return seen >= self._need and self._missed.total <= self._span - self._need

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        return {
            "sight": self._sight.save(),
            "stock": self._stock.save(),
            "missed": self._missed.save(),
            "since": None if self._since is None else list(self._since),
            "times": [self._at, self._now, self._away],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self._sight.load(saved["sight"])
        self._stock.load(saved["stock"])
        self._missed.load(saved["missed"])
        since = saved["since"]
        self._since = None if since is None else (since[0], since[1])
        self._at, self._now, self._away = saved["times"]
        if self._held:
            self._wait()


def _nothing(_due: int) -> None:
    """Until the site gives it a timer."""
