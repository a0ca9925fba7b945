"""Upkeep: what was decided long ago is forgotten, piece by piece, now and then."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from functools import partial

import structlog

from daemon.clock import Clock
from daemon.store.jobs import RunJob
from daemon.store.retention import Bounds, forget

log = structlog.get_logger(__name__)

_EVERY = 3600.0
#: Between pieces, for whoever else wants the writer.
_BREATH = 0.05


class Upkeep:
    """Keeps the ledger within its bounds."""

    def __init__(self, run_job: RunJob, clock: Clock, keep: timedelta) -> None:
        """`keep` is how long decisions are kept."""
        self._run_job = run_job
        self._clock = clock
        self._keep = keep

    async def once(self) -> int:
        """Forget everything that is out of bounds; how much that was."""
        bounds = Bounds(self._clock.now() - self._keep)
        total = 0
        try:
            while rows := await self._run_job(partial(forget, bounds=bounds)):
                total += rows
                await self._clock.sleep(_BREATH)
        except sqlite3.Error as error:  # the job was undone; nothing else depends on it
            log.error("ledger_not_pruned", error=str(error), advice="tell us; the file goes on growing")  # noqa: TRY400
        if total:
            log.info("ledger_pruned", rows=total, older_than=bounds.before.isoformat())
        return total

    async def run(self) -> None:
        """At the start and every hour, until cancelled."""
        while True:
            await self.once()
            await self._clock.sleep(_EVERY)
