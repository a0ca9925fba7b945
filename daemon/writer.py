"""The one thread that writes to the file: it gathers what is emitted, runs the pipeline, commits, and tells.

      event loop                          writer thread
emit ──> [queue, bounded by sources] ──> gather ──> BEGIN ─ process ─ jobs ─ COMMIT
 ^                                                                            │
 └────────── futures resolved, on_commit called <── call_soon_threadsafe ─────┘
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar, cast

import structlog

from daemon.commitpoints import reached
from daemon.model import Input, Taken
from daemon.pipeline import Pipeline
from daemon.store.db import Progress

log = structlog.get_logger(__name__)
T = TypeVar("T")
Job = Callable[[sqlite3.Connection], object]
OnCommit = Callable[[Sequence[tuple[int, Input]]], None]


@dataclass(frozen=True, slots=True)
class Gathering:
    """How long the writer waits for company before it commits."""

    #: Seconds; measured at 1 000 messages/s: 22 a commit instead of one each, a third of the CPU.
    busy: float = 0.020
    #: Seconds when little arrives: a commit a message wears flash out.
    quiet: float = 0.250
    #: Inputs and jobs in the last commit up to which the site counts as quiet: the receipts of a long outbox hurry.
    quiet_inputs: int = 2
    #: Inputs that end the wait.
    most: int = 2000


@dataclass(slots=True)
class _Work:
    done: asyncio.Future[object]
    inputs: Sequence[Input] = ()
    taken: Taken | None = None
    job: Job | None = None
    result: object = None
    error: Exception | None = field(default=None)


class WriterFailedError(RuntimeError):
    """The writer has ended with an error and refuses further work."""


class Writer:
    """Runs `Pipeline.process` and every other write to the file on one thread of its own."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        on_commit: OnCommit,
        progress: Progress | None = None,
        gathering: Gathering | None = None,
    ) -> None:
        self.pipeline = pipeline
        self._on_commit = on_commit
        self._progress = progress
        self._gathering = gathering or Gathering()
        self._loop = asyncio.get_running_loop()
        #: Resolved with the first error that ended the writer, or with None at an orderly end.
        self.ended: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._lock = threading.Condition()
        self._queue: deque[_Work] = deque()
        self._waiting = 0
        self._urgent = False
        self._closing = False
        self._failure: BaseException | None = None
        #: The next deadline as of the last commit.
        self.next_deadline: datetime | None = pipeline.next_deadline()
        self.commits_total = 0
        self.inputs_total = 0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    # --- called in the event loop ------------------------------------------------------------------------

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        """`model.Emit`: returns when the inputs are durable and the rules have seen them."""
        if inputs or taken:
            await self._submit(_Work(self._loop.create_future(), inputs, taken), urgent=urgent)

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Any other write: `job` runs on the writer, inside a transaction of its own savepoint.

        Raises whatever the job raises; that ends neither the writer nor the batch.
        """
        return cast("T", await self._submit(_Work(self._loop.create_future(), job=job), urgent=False))

    def post(self, job: Job) -> None:
        """Like `run`, for whoever does not wait; the job must not fail."""
        done = self._submit(_Work(self._loop.create_future(), job=job), urgent=False)
        done.add_done_callback(_report)

    def _submit(self, work: _Work, *, urgent: bool) -> asyncio.Future[object]:
        with self._lock:
            if self._failure is not None or self._closing:
                raise WriterFailedError("the writer has ended") from self._failure
            self._queue.append(work)
            self._waiting += len(work.inputs)
            self._urgent = self._urgent or urgent
            self._lock.notify()
        return work.done

    async def close(self) -> None:
        """Commit what is queued, write a last snapshot, end the thread.

        Raises:
            The writer's first failure, whoever may have lost it before.
        """
        with self._lock:
            self._closing = True
            self._lock.notify()
        failure = await asyncio.shield(self.ended)
        self._thread.join()
        if failure is not None:
            raise failure

    # --- the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            last = 0
            while (batch := self._gather(last)) is not None:
                last = self._commit(batch)
            self._last_snapshot()
        except BaseException as error:  # noqa: BLE001  kept and raised again by close(): the spine crashes
            failure = error
        with self._lock:
            self._failure = failure = self._failure or failure
            left = list(self._queue)
            self._queue.clear()
        self._loop.call_soon_threadsafe(self._end, failure, left)

    def _end(self, failure: BaseException | None, left: list[_Work]) -> None:
        for work in left:
            _settle(work, WriterFailedError("the writer has ended"))
        if not self.ended.done():
            self.ended.set_result(failure)

    def _gather(self, last: int) -> list[_Work] | None:
        """Wait for work, then for company; None when closing and nothing is left."""
        wait = self._gathering
        with self._lock:
            self._lock.wait_for(lambda: self._queue or self._closing)
            self._lock.wait_for(
                lambda: self._urgent or self._closing or self._waiting >= wait.most,
                timeout=wait.quiet if last <= wait.quiet_inputs else wait.busy,
            )
            if not self._queue:
                return None
            batch = list(self._queue)
            self._queue.clear()
            self._waiting = 0
            self._urgent = False
        return batch

    def _commit(self, batch: list[_Work]) -> int:
        """One transaction; the number of inputs and jobs in it."""
        inputs: list[Input] = []
        taken: list[Taken] = []
        for work in batch:
            inputs.extend(work.inputs)
            if work.taken is not None:
                taken.append(work.taken)
        db = self.pipeline.db
        try:
            db.execute("BEGIN IMMEDIATE")
            reached("before_process")
            numbered = self.pipeline.process(inputs, taken)
            reached("after_process")
            next_deadline = self.pipeline.next_deadline()
            for work in batch:
                if work.job is not None:
                    _run_job(db, work)
            reached("before_commit")
            db.execute("COMMIT")
        except BaseException as error:
            self._loop.call_soon_threadsafe(_refuse, batch)
            self._died(error)
            raise
        reached("after_commit")
        if numbered and self._progress is not None:
            self._progress.advance(numbered[-1][0], numbered[-1][1].at)
        self.next_deadline = next_deadline
        self.commits_total += 1
        self.inputs_total += len(inputs)
        self._loop.call_soon_threadsafe(self._tell, batch, numbered)
        return len(inputs) + sum(work.job is not None for work in batch)

    def _tell(self, batch: list[_Work], numbered: Sequence[tuple[int, Input]]) -> None:
        try:
            self._on_commit(numbered)
        except Exception as error:  # noqa: BLE001  kept and raised again by close(): the spine crashes
            self._fail(error)
            _refuse(batch)
        for work in batch:
            _settle(work, work.error)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._failure = self._failure or error
            self._closing = True
            self._lock.notify()

    def _died(self, error: BaseException) -> None:
        """Undo the batch; when an input was in work, remember that processing died at it."""
        db = self.pipeline.db
        if db.in_transaction:
            db.execute("ROLLBACK")
        item = self.pipeline.current
        if item is not None and not isinstance(error, sqlite3.Error):
            log.error("processing_died", kind=type(item).__name__, at=item.at.isoformat(), error=repr(error))
            try:
                self.pipeline.journal.died(item, item.at, repr(error))
            except sqlite3.Error as second:  # the first failure is the one to be told
                log.error("death_not_noted", error=repr(second))  # noqa: TRY400  the message says it all

    def _last_snapshot(self) -> None:
        if self._progress is None or self._progress.seq == 0:
            return
        db = self.pipeline.db
        db.execute("BEGIN IMMEDIATE")
        self.pipeline.snapshot(self._progress.at)
        db.execute("COMMIT")


def _run_job(db: sqlite3.Connection, work: _Work) -> None:
    assert work.job is not None  # noqa: S101  the caller looked
    db.execute("SAVEPOINT job")
    try:
        work.result = work.job(db)
    except Exception as error:  # noqa: BLE001  it belongs to whoever asked for the job
        db.execute("ROLLBACK TO job")
        work.error = error
    db.execute("RELEASE job")


def _report(done: asyncio.Future[object]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("job_failed", error=repr(error))


def _refuse(batch: list[_Work]) -> None:
    for work in batch:
        _settle(work, WriterFailedError("the writer has ended in the middle of this batch"))


def _settle(work: _Work, error: Exception | None) -> None:
    if work.done.done():  # whoever waited was cancelled meanwhile
        return
    if error is not None:
        work.done.set_exception(error)
    else:
        work.done.set_result(work.result)
