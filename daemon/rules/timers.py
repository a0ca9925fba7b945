"""Deadlines: what is due at which site time, in one heap.

A timer keeps at most one live entry in the heap. Moving a timer later costs nothing: its entry stays and, when it
comes up too early, is put back at the right time. So a point heard every second costs one heap operation each
time its freshness could have run out, not one a reading.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum


class Rank(IntEnum):
    """Which of two things due at the same millisecond comes first."""

    #: A stretch that ends at t was whole before anything at t could break it.
    HOLD = 0
    FRESHNESS = 1
    SILENCE = 2
    CALENDAR = 3
    #: Something falls out of a window.
    WINDOW = 4


class Timer:
    """Something that happens once its time has come, unless it is disarmed or moved before."""

    __slots__ = ("due", "entered", "fire", "key", "rank")

    def __init__(self, rank: Rank, key: str, fire: Callable[[datetime, datetime], None]) -> None:
        self.rank = rank
        #: Breaks ties, so that the order is the same after a restart.
        self.key = key
        #: Called with the time at which it was due, and the time at which that is seen.
        self.fire = fire
        self.due: datetime | None = None
        #: The time of its live entry in the heap.
        self.entered: datetime | None = None


class Deadlines:
    """The heap. An entry may come up earlier than its timer is due, never later."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, Rank, str, int, Timer]] = []
        self._count = itertools.count()

    def arm(self, timer: Timer, due: datetime) -> None:
        """Let `timer` fire at `due` instead of whenever it was set to."""
        timer.due = due
        if timer.entered is None or due < timer.entered:
            timer.entered = due
            heapq.heappush(self._heap, (due, timer.rank, timer.key, next(self._count), timer))

    def next(self) -> datetime | None:
        """No timer fires before this."""
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        """Forget every timer."""
        for _, _, _, _, timer in self._heap:
            timer.due = timer.entered = None
        self._heap.clear()

    def run(self, until: datetime, seen: datetime) -> None:
        """Fire, in order, everything that is due at `until` or before, and what thereby becomes due.

        `seen` is the site time of the input that reveals it.
        """
        heap = self._heap
        while heap and heap[0][0] <= until:
            entry, _, _, _, timer = heapq.heappop(heap)
            if timer.entered != entry:
                continue  # an older entry of a timer that was moved earlier
            timer.entered = None
            if timer.due is None:
                continue
            if timer.due > entry:
                self.arm(timer, timer.due)
                continue
            timer.due = None
            timer.fire(entry, seen)
