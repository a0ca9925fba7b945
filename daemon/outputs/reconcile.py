"""After a ledger was lost: every open ticket that no longer has an order here is told so, once.

A sensor that recovers would otherwise never be written on it, and whoever holds it would wait for that. The ticket is
not closed and satisfies no new alarm: that is a person's decision.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import orjson
import structlog

from daemon.clock import Clock
from daemon.model import Reject, Retry, Text, from_ms
from daemon.outputs.sink import OpenTicket, TicketSink
from daemon.outputs.ticketing.marker import MARKER, marker
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

    A crash in between goes on where it was; a note that was being written then is written twice at most where the
    service knows no keys.
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
            told = await _tell_orphans(sink, store, ledger_id, from_ms(int(lost_at)), run_job)
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


async def _tell_orphans(sink: TicketSink, store: Path, ledger_id: str, lost_at: datetime, run_job: RunJob) -> int:
    """Note by note; what was told is written down, for not every service knows the keys of notes."""
    tickets, count, name = await sink.open_tickets(), 0, f"orphans_told:{ledger_id}"
    with reader(store) as db:
        told = fact(db, name).split("\n")
        ours = _ours(db, tickets)
    for ticket in tickets:
        if not _looks_like_ours(ticket) or ticket.key in ours or ticket.ref in told:
            continue
        body = {"kind": "update", "at": stamp(lost_at), "text": words(_TEXT), "level": ticket.level, "observed": []}
        try:
            await sink.note(ticket.ref, f"{ticket.key}#ledger-{ledger_id}", orjson.dumps(body))
        except Reject as reject:  # this one, perhaps closed meanwhile; the others are told all the same
            log.warning("reconcile_refused", url=sink.url, ticket=ticket.ref, error=str(reject))
            continue
        told.append(ticket.ref)
        await run_job(partial(set_fact, name=name, value="\n".join(filter(None, told))))
        count += 1
    return count


def _looks_like_ours(ticket: OpenTicket) -> bool:
    """Whether a gateway opened it: `site|asset|rule|ledger|number`, or the marker of such a key.

    What a person opened was never followed here.
    """
    return ticket.key.count("|") == _BARS or MARKER.fullmatch(ticket.key) is not None


def _ours(db: sqlite3.Connection, tickets: Sequence[OpenTicket]) -> frozenset[str]:
    """What stands for the orders of this ledger on tickets: their keys, and their markers where any is asked for."""
    keys = frozenset(key for (key,) in db.execute("SELECT key FROM work_order"))
    if not any(MARKER.fullmatch(ticket.key) for ticket in tickets):
        return keys
    return keys | {marker(key) for key in keys}
