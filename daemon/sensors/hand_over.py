"""From a bus to the spine: what is read is emitted by tasks of their own, so that a commit does not hold up the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from daemon.model import Emit, Observation

#: Emits that may wait for their commit before the bus is left alone: minutes of a usual bus.
_MOST_WAITING = 256
#: So long an observation may wait for those read directly after it.
_TOGETHER = timedelta(milliseconds=20)


class HandOver:
    """Emits in the order of reading; units read one directly after the other go together.

    A task for each of them would cost half of what decoding its answer does.
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, emit: Emit, name: str, committed: Callable[[Sequence[Observation]], None]
    ) -> None:
        """`committed` is told what has been committed."""
        self._tasks = tasks
        self._emit = emit
        self._name = f"{name}: emit"
        self._committed = committed
        self._room = asyncio.Semaphore(_MOST_WAITING)
        self._read: list[Observation] = []

    def add(self, observation: Observation) -> None:
        """Keep it for the next `flush`."""
        self._read.append(observation)

    def is_due(self, now: datetime) -> bool:
        """Whether something has waited for long enough."""
        return bool(self._read) and now - self._read[0].at >= _TOGETHER

    async def flush(self, *, urgent: bool = False) -> None:
        """Emit what has been added; waits only while too many emits wait for their commit."""
        if not self._read:
            return
        observations, self._read = self._read, []
        await self._room.acquire()
        self._tasks.create_task(self._hand_over(observations, urgent), name=self._name)

    async def _hand_over(self, observations: Sequence[Observation], urgent: bool) -> None:  # noqa: FBT001  handed on
        try:
            await self._emit(observations, urgent=urgent)
        finally:
            self._room.release()
        self._committed(observations)
