"""By how much a counter has gone up over a span, for rules that compare it with a limit or with another counter."""

from __future__ import annotations

from collections import deque
from typing import Any

from daemon.model import to_ms
from daemon.rules.compiled import met
from daemon.rules.counters import Tally
from daemon.rules.points import PointState

#: It remembers the counter so many times in a span; its edge is exact to one of them.
_BUCKETS = 720
#: By so much of the span the site's clock follows the readings.
_BEHIND = 10


class Risen:
    """What a counter has counted in (t-span, t], where t is its latest reading.

    A counter that speaks on change holds its value while its device is alive: there t goes on with the site's clock,
    or lifts that have stopped would go on making 120 starts an hour. It follows by a tenth of the span, so that one
    that is read now and then is not found too low each time just before it is read. Roll-overs and resets are seen
    through (see `counters`); a gap loses nothing, since the counter went on counting.
    """

    __slots__ = ("_behind", "_entries", "_held", "_known", "_point", "_span", "_tally", "_width", "arm")

    def __init__(self, point: PointState, span: int) -> None:
        """Over `span` milliseconds."""
        self.arm = _nothing
        self._point = point
        self._held = point.fresh_for is None
        self._span = span
        self._width = span // _BUCKETS
        self._behind = span + span // _BEHIND
        #: (time, receipt, all that was counted until then); the first one is the latest that is not inside the span.
        self._entries: deque[tuple[int, int, float]] = deque()
        self._tally = Tally(point.decl)
        #: Whether the first entry lies outside the span.
        self._known = False

    def push(self, at: int, value: float) -> None:
        """Take in a reading; `at` never goes back."""
        entries = self._entries
        total = self._tally.push(value)
        if len(entries) > 1 and at - entries[-2][0] <= self._width:
            entries.pop()
        received = to_ms(self._point.received)
        entries.append((at, received, total))
        self._leave(at - self._span, received - self._behind)
        self._wait()

    def age(self, now: int) -> None:
        """It is that time on site."""
        edge = now - self._behind
        self._leave(edge, edge)
        self._wait()

    def _leave(self, edge: int, received_edge: int) -> None:
        """A point that promises readings ages by them alone, one that holds its value by the site's clock as well."""
        entries = self._entries
        if not self._held:
            received_edge = 0
        while len(entries) > 1 and (entries[1][0] <= edge or entries[1][1] <= received_edge):
            entries.popleft()
        self._known = entries[0][0] <= edge or entries[0][1] <= received_edge

    def _wait(self) -> None:
        if self._held:
            entries = self._entries
            if not self._known:
                self.arm(entries[0][1] + self._behind)
            elif len(entries) > 1:
                self.arm(entries[1][1] + self._behind)

    def so_far(self) -> float:
        """What is known to have been counted; no less than the truth once it is `known`."""
        return self._tally.total - self._entries[0][2] if self._entries else 0.0

    def known(self) -> bool:
        """Whether the counter has been heard for the whole span."""
        return self._known

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        return {"entries": [list(entry) for entry in self._entries], "tally": self._tally.save(), "known": self._known}

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self._entries = deque((at, received, total) for at, received, total in saved["entries"])
        self._tally.load(saved["tally"])
        self._known = saved["known"]
        if self._entries:
            self._wait()


def _nothing(_due: int) -> None:
    """Until the site gives it a timer."""


def at_least_so_much(
    number: float, comparator: str, low: float, high: float, slack: float, *, known: bool
) -> bool | None:
    """Whether a number that can only turn out greater meets a limit; None when that decides it."""
    found = met(number, comparator, low, high, slack)
    if known:
        return found
    if comparator in ("above", "at_least"):
        return True if found else None
    if comparator in ("below", "at_most"):
        return None if found else False
    beyond = number > high + slack
    return comparator == "outside" if beyond else None
