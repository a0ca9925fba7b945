"""After a ledger was lost: every open ticket that no longer has an order here is told so, once.

A sensor that recovers would otherwise never be written on it, and whoever holds it would wait for that. The ticket is
not closed and satisfies no new alarm: that is a person's decision.
"""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime
from functools import partial
from pathlib import Path

import orjson
import structlog

from daemon.clock import Clock
from daemon.model import Reject, Retry, Text, from_ms
from daemon.outputs.sink import OpenTicket, TicketSink
from daemon.store.db import RECONCILE, fact, reader, set_fact
from daemon.store.jobs import RunJob
from daemon.supervisor import Backoff
from daemon.workorders.evidence import stamp, words

log = structlog.get_logger(__name__)

#: In an order's key, see `policy.order_key`.
_BARS = 4
_TEXT = Text(
    "网关更换了账本（磁盘损坏或断电丢失数据），传感器不再跟踪本工单；若问题仍在，将另开新工单。请人工确认现场。",
    "The gateway had to begin a new ledger (disk fault or power cut): sensors no longer follow this order. "
    "If the trouble is still there, a new order will open. Please check on site.",
)


class Reconciling:
    """Looks the site's open tickets over after a ledger was lost, and whenever a person asks for it."""

    def __init__(self, sink: TicketSink, store: Path, *, run_job: RunJob, clock: Clock) -> None:
        self._sink = sink
        self._store = store
        self._run_job = run_job
        self._clock = clock
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """The fact `RECONCILE` was written."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled. Raises only what ended the writer."""
        while True:
            self._wake.clear()
            await reconcile(self._sink, self._store, run_job=self._run_job, clock=self._clock)
            await self._wake.wait()


async def reconcile(
    sink: TicketSink, store: Path, *, run_job: RunJob, clock: Clock, backoff: Backoff | None = None
) -> None:
    """Look the site's open tickets over if a ledger was lost, and return; does nothing otherwise.

    A crash in between begins anew; the notes carry keys, so none is written twice.
    """
    with reader(store) as db:
        lost_at = fact(db, RECONCILE)
        if not lost_at:
            return
        ledger_id = fact(db, "ledger_id")
    backoff = backoff or Backoff(1.0, 60.0)
    attempt, told = 0, -1
    while told < 0:
        try:
            told = await _tell_orphans(sink, store, ledger_id, from_ms(int(lost_at)))
        except Retry as retry:
            attempt += 1
            if attempt == 1:
                log.warning("reconcile_postponed", url=sink.url, error=str(retry))
            await clock.sleep(backoff.wait(attempt) if retry.after is None else retry.after.total_seconds())
        except Reject as reject:
            log.error(  # noqa: TRY400  the message says it all
                "reconcile_refused", url=sink.url, error=str(reject), advice="look the site's open tickets over by hand"
            )
            return
    await run_job(partial(set_fact, name=RECONCILE, value=""))
    log.warning("tickets_reconciled", url=sink.url, told=told)


async def _tell_orphans(sink: TicketSink, store: Path, ledger_id: str, lost_at: datetime) -> int:
    told = 0
    for ticket in await sink.open_tickets():
        with reader(store) as db:
            if not _looks_like_ours(ticket) or _is_ours(db, ticket):
                continue
        body = {"kind": "update", "at": stamp(lost_at), "text": words(_TEXT), "level": ticket.level, "observed": []}
        try:
            await sink.note(ticket.ref, f"{ticket.key}#ledger-{ledger_id}", orjson.dumps(body))
        except Reject as reject:  # this one, perhaps closed meanwhile; the others are told all the same
            log.warning("reconcile_refused", url=sink.url, ticket=ticket.ref, error=str(reject))
            continue
        told += 1
    return told


def _looks_like_ours(ticket: OpenTicket) -> bool:
    """Whether a gateway opened it: `site|asset|rule|ledger|number`. What a person opened was never followed here."""
    return ticket.key.count("|") == _BARS


def _is_ours(db: sqlite3.Connection, ticket: OpenTicket) -> bool:
    return db.execute("SELECT 1 FROM work_order WHERE key = ?", (ticket.key,)).fetchone() is not None
