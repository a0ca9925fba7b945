"""A dispatcher as a process that can be killed: `python -m tests.crash.asking STATE_DIR URL CAPABILITY ON_AMBIGUOUS`.

It serves the outbox of a state file towards the stand-in ERP until nothing waits any more, and ends. Where
`PRECOMPLAINT_KILL_AT` says so it ends before, as `daemon.commitpoints` has it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from daemon.clock import SiteClock
from daemon.model import Input, Taken
from daemon.outputs.dispatcher import Dispatcher, Effort
from daemon.outputs.sink import Ambiguity, Capability, OnAmbiguous
from daemon.store import outbox
from daemon.store.db import FILE, connect
from daemon.supervisor import Backoff
from tests.erp_sink import ErpSink

T = TypeVar("T")


async def _serve(directory: Path, url: str, capability: Capability, on_ambiguous: OnAmbiguous) -> None:
    path = directory / FILE
    with closing(connect(path)) as db:

        async def run_job(job: Callable[[sqlite3.Connection], T]) -> T:
            await asyncio.sleep(0)
            db.execute("BEGIN IMMEDIATE")
            result = job(db)
            db.execute("COMMIT")
            return result

        async def emit(inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
            """Nobody is told here."""

        ambiguity = Ambiguity(on_ambiguous, on_ambiguous, settle=timedelta(milliseconds=1))
        effort = Effort(backoff=Backoff(0.002, 0.02), poll_interval=timedelta(seconds=5))
        sink = ErpSink(url, capability, ambiguity)
        dispatcher = Dispatcher(sink, path, run_job=run_job, emit=emit, clock=SiteClock(), effort=effort)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(dispatcher.run())
            while outbox.counts(db).pending:
                await asyncio.sleep(0.005)
            serving.cancel()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], Capability(sys.argv[3]), OnAmbiguous(sys.argv[4])))
