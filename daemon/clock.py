"""Site time: the one place where clocks are read.

Site time is wall time anchored at start plus monotonic elapsed time: it never runs backwards and never jumps. When the
wall clock drifts away by a little, site time is slewed towards it; when the wall clock steps (NTP on a gateway
without a battery clock, a person), the step is counted and reported, and site time goes on undisturbed until the next
start, which anchors it to the later of what was persisted and the wall clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from daemon.model import EPOCH, from_ms, to_ms

#: adjtime's own rate: half a millisecond a second, too little for any rule to notice.
_SLEW_PER_SECOND = 500e-6
#: Between two looks at the clocks the wall must have moved this much more than the monotonic clock to call it a step.
_STEP_SECONDS = 1.0


class Clock(Protocol):
    """What anything that needs the time is given."""

    def now(self) -> datetime:
        """Site time, aware UTC, whole milliseconds, never backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of monotonic time pass."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Until the event is set or `seconds` of monotonic time have passed; None: for as long as it takes."""
        ...


class SiteClock:
    """The production clock. `wall` gives seconds since 1970, `monotonic` seconds of a clock that never steps."""

    def __init__(
        self,
        *,
        not_before: datetime = EPOCH,
        on_step: Callable[[timedelta], None] | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._on_step = on_step
        self._last_mono = monotonic()
        self._last_wall = wall()
        self._site = max(self._last_wall, (not_before - EPOCH).total_seconds())
        #: Wall-clock steps seen since start.
        self.steps_total = 0
        self._last_ms = 0

    def now(self) -> datetime:
        """Site time; detects a wall-clock step on the way."""
        mono, wall = self._monotonic(), self._wall()
        elapsed = mono - self._last_mono
        stepped = (wall - self._last_wall) - elapsed
        self._last_mono, self._last_wall = mono, wall
        if abs(stepped) >= _STEP_SECONDS:
            self.steps_total += 1
            if self._on_step is not None:
                self._on_step(timedelta(seconds=round(stepped, 3)))
        room = elapsed * _SLEW_PER_SECOND
        self._site += elapsed + max(-room, min(room, wall - (self._site + elapsed)))
        self._last_ms = max(self._last_ms, int(self._site * 1000))
        return from_ms(self._last_ms)

    def offset(self) -> timedelta:
        """How far the wall clock stands ahead of site time."""
        return timedelta(seconds=self._wall()) - (self.now() - EPOCH)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of monotonic time pass."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """See `Clock`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


def to_whole_ms(at: datetime) -> datetime:
    """`at` cut to whole milliseconds: the resolution of every moment in the house."""
    return from_ms(to_ms(at))
