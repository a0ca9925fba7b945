"""Windows over certain hours only: the nights of a week, the opening hours of a month.

            night 1          night 2          night 3
     ...|== x x x ==|......|== x x x ==|......|== x x t        x  readings that count; at noon nothing moves
        └───────────────── over: 2d ──────────────────┘
                   (t-2d, t] without the days: two nights

`t` is the latest moment inside the hours, so that by day the window stands on whole nights. What must be covered is the
hours inside the span and not the span. Nights in which clocks are changed are as long as they are, and `1d`
before 04:00 is 04:00 by the site's clocks.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from typing_extensions import override

from daemon.model import from_ms, to_ms
from daemon.rules.calendars import Calendar, CalendarSpec
from daemon.rules.counters import Tally
from daemon.rules.daily import LocalTime
from daemon.rules.stretches import Stretches
from daemon.rules.window import MOST, Latest, Window

#: A calendar that does not open for so long is asked again then.
_LONGEST = timedelta(days=400)
_DAY_MS = 86_400_000
_LONGEST_MS = _LONGEST // timedelta(milliseconds=1)


class Schedule:
    """The stretches [begin, end) of a calendar in ms, worked out as they are needed and shared by all who need them."""

    def __init__(self, calendar: Calendar) -> None:
        self.share = calendar.share
        self.zone = calendar.zone
        self._calendar = calendar
        self._begins: list[int] = []
        self._ends: list[int] = []
        #: All that end after this are known, as far as was asked for.
        self._since = 0

    def after(self, at: int) -> tuple[int, int]:
        """The first stretch that ends after `at`; an empty one where none comes for a long time."""
        if not self._ends or at < self._since or at - self._ends[-1] > _LONGEST_MS:
            self._begins, self._ends, self._since = [], [], at
            self._extend(from_ms(at))
        while at >= self._ends[-1]:
            self._extend(from_ms(self._ends[-1]))
        n = bisect_right(self._ends, at)
        return self._begins[n], self._ends[n]

    def _extend(self, at: datetime) -> None:
        calendar, begin, limit = self._calendar, at, at + _LONGEST
        while not calendar.holds(begin) and begin < limit:
            begin = calendar.next_change(begin)
        end = begin
        while calendar.holds(end) and end < limit:
            end = calendar.next_change(end)
        self._begins.append(to_ms(begin))
        self._ends.append(to_ms(end))


@lru_cache(maxsize=64)
def schedule(spec: CalendarSpec, zone: str) -> Schedule:
    """The schedule of a calendar; the same one for all who ask."""
    return Schedule(Calendar(spec, zone))


class Clock:
    """Whether readings, one after another, are taken inside the hours."""

    __slots__ = ("_schedule", "begin", "end")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        #: The first stretch that ends after the latest reading.
        self.begin = self.end = 0

    def set(self, at: int) -> None:
        """Stand at a moment."""
        self.begin, self.end = self._schedule.after(at)

    def inside(self, at: int) -> bool:
        """Whether `at`, which never goes back, is inside."""
        if at >= self.end:
            self.set(at)
        return at >= self.begin


class HourlyWindow(Window):
    """The readings of a span that were taken inside certain hours, and one number made of them."""

    __slots__ = ("_clock", "_coverage", "_days", "_heard", "_seen", "_there", "_until")

    def __init__(
        self,
        key: str,
        statistic: str,
        span_ms: int,
        coverage: float,
        fresh_ms: int | None,
        hours: Schedule,
        *,
        tally: Tally | None = None,
    ) -> None:
        super().__init__(key, statistic, span_ms, coverage, fresh_ms, tally=tally, kept=hours.share)
        self._coverage = coverage
        self._clock = Clock(hours)
        #: Of a span of whole days: the site's clocks at its end and at its beginning.
        self._days = None if span_ms % _DAY_MS else (LocalTime(hours.zone), LocalTime(hours.zone))
        #: The hours inside the window; of them, what was covered.
        self._there = Stretches()
        self._heard = Stretches()
        #: The latest reading, inside or not; up to where the window reaches.
        self._seen: int | None = None
        self._until = 0

    @override
    def push(self, at: int, value: float) -> None:
        if self.tally is not None:
            value = self.tally.push(value)
        clock, seen = self._clock, self._seen
        if seen is None:
            self._until = seen = at - self.span_ms
            clock.set(seen)
            covered = seen
        else:
            covered = at if self.fresh_ms is None else min(at, seen + self.fresh_ms)
        self._seen = at
        while at >= clock.end:  # hours are over: the window stands at their last moment
            self._reach(clock.end - 1, seen, covered)
            clock.set(clock.end)
        if at >= clock.begin:
            self._reach(at, seen, covered)
            self._append((at, 0, self._summary.part(at, value)))
            if len(self.entries) > MOST:
                self._thin()

    def _reach(self, until: int, seen: int, covered: int) -> None:
        """Let the window end at `until`, in the hours at which the clock stands."""
        begin, edge = self._clock.begin, until - self.span_ms
        if self._days is not None:
            now, then = self._days
            edge += now.ms(until) - until - (then.ms(edge) - edge)
        self._there.add(max(begin, self._until), until)
        self._heard.add(max(begin, seen), min(until, covered))
        self._there.leave(edge)
        self._heard.leave(edge)
        self._until = max(until, self._until)
        entries = self.entries
        while entries and entries[0][0] <= edge:
            self._summary.forget(entries.popleft()[2])

    @override
    def value(self) -> float | None:
        there, heard = self._there.total, self._heard.total
        known = self.entries and there and heard >= self._coverage * there
        return self._summary.value(self.entries) if known else None

    @override
    def save(self) -> dict[str, Any]:
        hours = [self._seen, self._until, self._there.save(), self._heard.save()]
        return {**super().save(), "hours": hours}

    @override
    def load(self, saved: dict[str, Any]) -> None:
        super().load(saved)
        self._seen, self._until, there, heard = saved["hours"]
        self._there.load(there)
        self._heard.load(heard)
        if self._seen is not None:
            self._clock.set(self._seen)


class HourlyLatest(Latest):
    """So many last readings that were taken inside certain hours."""

    __slots__ = ("_clock",)

    def __init__(
        self, key: str, statistic: str, most: int, fresh_ms: int | None, hours: Schedule, *, tally: Tally | None = None
    ) -> None:
        super().__init__(key, statistic, most, fresh_ms, tally=tally, unbroken=False)
        self._clock = Clock(hours)

    @override
    def push(self, at: int, value: float) -> None:
        if self._clock.inside(at):
            super().push(at, value)
        elif self.tally is not None:
            self.tally.push(value)
