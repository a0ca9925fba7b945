"""Faults to build into the daemon of a scenario, which the matrix must find: the test of the test.

As long as nothing is killed each tells and sends what it should.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson

import daemon.app
from daemon.desks.desk import Entry
from daemon.desks.orders import OrderDesk
from daemon.model import Input
from daemon.outputs import polling
from daemon.outputs.notify import courier
from daemon.outputs.sink import Changes
from daemon.store import courses, notices
from daemon.store.courses import Courses, Going
from daemon.store.db import set_fact
from daemon.workorders.course import Course


def _cursor_before_inputs() -> None:
    """The cursor moves before what it stands behind is durable: a change is never told."""
    real = polling.Polling._take

    async def take(self: polling.Polling, page: Changes, cursor: str) -> str:
        if page.cursor != cursor:
            await self._run_job(lambda db: set_fact(db, self._cursor_name, page.cursor))
        return await real(self, page, cursor)

    polling.Polling._take = take  # type: ignore[method-assign]


def _receipt_before_notice() -> None:
    """A notice counts as delivered before its peer has taken it: it is never told."""
    real = courier.Courier._send

    async def send(self: courier.Courier, name: str, route: courier.Route, batch: Sequence[notices.Pending]) -> None:
        ids, now = [pending.id for pending in batch], self._clock.now()
        await self._run_job(lambda db: notices.delivered(db, ids, now))
        await real(self, name, route, batch)

    courier.Courier._send = send  # type: ignore[method-assign]


def _notice_after_commit() -> None:
    """What people are to be told is written after the commit that decided it, by a transaction of its own."""
    real_add, real_committed = notices.add, daemon.app.App._committed
    later: list[Sequence[Any]] = []

    def add(_: sqlite3.Connection, *row: Any) -> None:  # noqa: ANN401  handed on
        later.append(row)

    def committed(self: daemon.app.App, numbered: Sequence[tuple[int, Input]]) -> None:
        rows, later[:] = list(later), []
        if rows:
            self.writer.post(lambda db: [real_add(db, *row) for row in rows])
        real_committed(self, numbered)

    notices.add = add  # type: ignore[assignment]
    daemon.app.App._committed = committed  # type: ignore[method-assign]


def _step_in_memory() -> None:
    """That a step was taken is noted in the timeline and told, and remembered in memory only."""
    real_keep, real_run_out, real_going = Courses.keep, OrderDesk.run_out, courses._going
    ahead: dict[str, Course] = {}
    running: list[datetime] = []

    def run_out(self: OrderDesk, due: datetime, entry: Entry) -> None:
        running.append(due)
        real_run_out(self, due, entry)
        running.clear()

    def keep(self: Courses, key: str, course: Course) -> None:
        (before,) = self._db.execute("SELECT course FROM work_order WHERE key = ?", (key,)).fetchone()
        real_keep(self, key, course)
        ahead[key] = course
        if running and orjson.loads(before or b"null"):
            self._db.execute("UPDATE work_order SET course = ? WHERE key = ?", (before, key))

    def going(row: Sequence[Any]) -> Going:
        found = real_going(row)
        return found._replace(course=ahead.get(found.key, found.course))

    Courses.keep = keep  # type: ignore[method-assign]
    OrderDesk.run_out = run_out  # type: ignore[method-assign]
    courses._going = going


#: By name.
FAULTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "cursor-before-inputs": _cursor_before_inputs,
    "receipt-before-notice": _receipt_before_notice,
    "notice-after-commit": _notice_after_commit,
    "step-in-memory": _step_in_memory,
}
