"""Room on the disk: the file stays under its bound, and a reserve is left to alarms, orders and their delivery."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from daemon.clock import Clock
from daemon.model import Command, Emit, Input, Taken
from daemon.store import room
from daemon.store.jobs import RunJob

log = structlog.get_logger(__name__)

_LOOK_EVERY = 10.0


def free_bytes(directory: Path) -> int:
    """What the disk under a directory has left."""
    return shutil.disk_usage(directory).free


class DiskGuard:
    """Stands between the sources and the writer: while there is no room, nothing is taken and so nothing acknowledged.

    What is not acknowledged stays with the broker; a Modbus register is read again. Ticks, receipts and deliveries
    do not pass here and go on in the reserve.
    """

    def __init__(
        self,
        directory: Path,
        emit: Emit,
        run_job: RunJob,
        clock: Clock,
        *,
        max_size: int,
        reserve: int,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._directory = directory
        self._emit = emit
        self._run_job = run_job
        self._clock = clock
        #: What was last said: at the first look it is said in any case, since an alarm may be open from before.
        self._told: bool | None = None
        self._max_size = max_size
        self._reserve = reserve
        self._free = free
        self._room = asyncio.Event()
        self._room.set()
        #: Journal rows deleted to make room, and those of them that no sink had taken.
        self.rows_evicted = 0
        self.rows_lost = 0
        self._losing = False

    @property
    def taking(self) -> bool:
        """Whether new inputs are taken."""
        return self._room.is_set()

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        """`model.Emit` for sources."""
        await self._room.wait()
        await self._emit(inputs, urgent=urgent, taken=taken)

    async def look(self) -> None:
        """Make room where the bound is passed, and open or close the way in."""
        await self._evict()
        free = self._free(self._directory)
        taking = free >= self._reserve
        if taking is self._told:
            return
        first, self._told = self._told is None, taking
        if taking:
            self._room.set()
            if not first:
                log.info("disk_has_room", free=free)
        else:
            self._room.clear()
            log.error("disk_full", free=free, reserve=self._reserve, advice="free space; orders still go out")
        wish = "mended" if taking else "fault"
        detail = f"{free >> 20} MiB free, {self._reserve >> 20} MiB are kept in reserve"
        await self._emit([Command(self._clock.now(), wish, "gateway.disk_full", "gateway", detail)], urgent=True)

    async def _evict(self) -> None:
        """Piece by piece until the file is below its bound, or nothing may go: more may have come than one piece."""
        lost = 0
        while (evicted := await self._run_job(partial(room.keep_below, most=self._max_size))).rows:
            self.rows_evicted += evicted.rows
            lost += evicted.unforwarded
        self.rows_lost += lost
        if bool(lost) is not self._losing:
            self._losing = bool(lost)
            if lost:
                advice = "bring the time-series database back, or raise store.max_size"
                log.error("telemetry_lost", rows=lost, reason="evicted before any sink had it", advice=advice)
            else:
                log.info("telemetry_kept", lost=self.rows_lost)

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_LOOK_EVERY)
