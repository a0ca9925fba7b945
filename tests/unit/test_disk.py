from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from daemon.clock import SiteClock
from daemon.disk import DiskGuard
from daemon.model import Command, Input, Taken
from daemon.store import marks, room
from daemon.store.db import connect
from daemon.store.journal import Journal
from tests.spine import T0, said, tick

T = TypeVar("T")


class Disk:
    """A disk whose free space is set by hand, and a writer that takes everything."""

    def __init__(self, tmp_path: Path) -> None:
        self.free = 10_000
        self.db = connect(":memory:")
        self.journal = Journal(self.db)
        self.taken: list[Input] = []
        self.guard = DiskGuard(
            tmp_path, self.emit, self.run_job, SiteClock(), max_size=1_000_000, reserve=5_000, free=lambda _: self.free
        )

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        self.taken += inputs

    async def run_job(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return job(self.db)


async def test_without_room_nothing_is_taken_and_nothing_lost(tmp_path: Path) -> None:
    """Below the reserve an emit waits, so nobody acknowledges; with room again it goes through."""
    disk = Disk(tmp_path)
    disk.free = 4_000
    await disk.guard.look()
    waiting = asyncio.get_running_loop().create_task(disk.guard.emit([tick(1)]))
    await asyncio.sleep(0)
    assert not disk.guard.taking
    assert [(c.name, c.target) for c in disk.taken if isinstance(c, Command)] == [("fault", "gateway.disk_full")]
    disk.free = 6_000
    await disk.guard.look()
    await waiting

    assert tick(1) in disk.taken
    assert [c.name for c in disk.taken if isinstance(c, Command)] == ["fault", "mended"]


async def test_above_the_bound_forwarded_telemetry_goes_first(tmp_path: Path) -> None:
    """What a sink has is deleted oldest first, and that is enough: nothing that none has is lost."""
    disk = Disk(tmp_path)
    long = {f"point_{n}": "x" * 50 for n in range(40)}
    disk.journal.append([said(n, "lift-1", **long) for n in range(400)])
    disk.journal.snapshot(T0, "h", {"version": 1})
    marks.advance(disk.db, "influx", T0, marks.Mark(300, (), 0, 0), [])

    await disk.guard.look()

    assert disk.db.execute("SELECT min(seq), count(*) FROM journal").fetchone() == (301, 100)
    assert (disk.guard.rows_evicted, disk.guard.rows_lost) == (300, 0)


async def test_one_look_brings_the_file_below_its_bound(tmp_path: Path) -> None:
    """However much has come since the last look; what no sink had is told as lost, once."""
    disk = Disk(tmp_path)
    long = {f"point_{n}": "x" * 4 for n in range(10)}
    disk.journal.append([said(n, "lift-1", **long) for n in range(12_000)])
    disk.journal.snapshot(T0, "h", {"version": 1})
    marks.advance(disk.db, "influx", T0, marks.Mark(100, (), 0, 0), [])

    with structlog.testing.capture_logs() as logs:
        await disk.guard.look()
        await disk.guard.look()

    assert room.size(disk.db) <= 1_000_000
    assert disk.guard.rows_evicted - disk.guard.rows_lost == 100
    assert [(line["event"], line.get("rows")) for line in logs] == [
        ("telemetry_lost", disk.guard.rows_lost),
        ("telemetry_kept", None),
    ]
