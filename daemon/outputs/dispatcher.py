"""Dispatcher: takes deliveries from the outbox to the ticketing service, and brings persons' answers back as inputs.

    outbox ── due, one per order ──> up to 4 at once ──> asking ──> receipt (a job on the writer)
    emit <── polling

The receipt is written after the service has answered: a crash in between has the same asked for again, which is made
harmless as far as the service allows (`asking`). Nothing is dropped: what cannot go waits (1 s, 2 s, … one minute),
what will never go is parked, and people are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from daemon import telemetry
from daemon.clock import Clock, to_whole_ms
from daemon.commitpoints import reached
from daemon.model import EPOCH, Command, Emit, OrderStatus, OutboxAction, Reject, Retry, TicketUpdate
from daemon.outputs.asking import Asking, InDoubt, Unnamed
from daemon.outputs.duplicates import Duplicates
from daemon.outputs.polling import Polling, Rhythm
from daemon.outputs.receipts import Receipts
from daemon.outputs.sink import Capability, TicketSink
from daemon.store import outbox
from daemon.store.db import reader
from daemon.store.jobs import RunJob
from daemon.store.outbox import Delivery
from daemon.supervisor import Backoff
from daemon.workorders.doubt import NOTE_REFUSED

log = structlog.get_logger(__name__)

_DELIVERED = telemetry.counter("deliveries_total", "Deliveries that the ticketing service took.", "sink", "action")
_PARKED = telemetry.counter("deliveries_parked_total", "Deliveries given up: a person must look.", "sink", "action")
_WAITING = telemetry.gauge("outbox_depth", "Deliveries that wait.", "sink")


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard is tried."""

    #: Orders served at once, so that one hanging request holds up no other order.
    at_once: int = 4
    backoff: Backoff = field(default_factory=lambda: Backoff(1.0, 60.0))
    poll_interval: timedelta = timedelta(seconds=10)
    #: Waiting deliveries above which a person is told.
    warn_pending: int = 1000


class Dispatcher:
    """Serves one ticketing service."""

    def __init__(
        self,
        sink: TicketSink,
        store: Path,
        *,
        run_job: RunJob,
        emit: Emit,
        clock: Clock,
        effort: Effort | None = None,
        name: str = "ticketing",
    ) -> None:
        self.name = name
        self._sink = sink
        self._store = store
        self._run_job = run_job
        self._emit = emit
        self._clock = clock
        self._effort = effort = effort or Effort()
        self._asking = Asking(sink, run_job=run_job, emit=emit, clock=clock, name=name)
        self.duplicates = Duplicates(sink, store, run_job=run_job, emit=emit, clock=clock, name=name)
        self._polling = Polling(
            sink,
            store,
            run_job=run_job,
            emit=emit,
            clock=clock,
            name=name,
            rhythm=Rhythm(effort.poll_interval.total_seconds(), effort.backoff),
        )
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        #: Orders being served.
        self._claimed: set[str] = set()
        #: The newest delivery that was looked at, and whether another reason to look has come up since.
        self._newest = -1
        self._look_again = True
        #: When the next postponed delivery is due.
        self._next_at: datetime | None = None
        self._failures = 0
        self._receipts = Receipts(store, emit, clock)
        #: Until then only deliveries that were never tried go out: the service is down.
        self._patient_until = EPOCH
        self._trouble = ""
        self._full = False

    def wake(self) -> None:
        """Something may have been added to the outbox. Cheap; called in the event loop after each commit."""
        self._idle.clear()
        self._wake.set()

    def look(self) -> None:
        """What was given up may wait again."""
        self._look_again = True
        self.wake()

    async def run(self) -> None:
        """Deliver and poll until cancelled. Raises only what ended the writer."""
        await self._asking.begin()
        await self._receipts.catch_up()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed(group), name=f"{self.name}-feed")
            if self._sink.capability is Capability.SEARCH:
                group.create_task(self.duplicates.run(), name=f"{self.name}-duplicates")
            group.create_task(self._polling.run(), name=f"{self.name}-poll")

    async def idle(self, within: timedelta) -> bool:
        """Before a stop, while `run` goes on: wait until nothing that could go now is left, or the deadline."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                await self._idle.wait()
        return self._idle.is_set()

    # --- out ---------------------------------------------------------------------------------------------

    async def _feed(self, group: asyncio.TaskGroup) -> None:
        with reader(self._store) as db:
            while True:
                self._wake.clear()
                if self._must_look(db):
                    for delivery in self._claim(db):
                        group.create_task(self._deliver(delivery), name=f"{self.name}-{delivery.order_key}")
                    self._report(db)
                if self._claimed or self._wake.is_set():
                    self._idle.clear()
                else:
                    self._idle.set()
                await self._rest()

    def _must_look(self, db: sqlite3.Connection) -> bool:
        """Commits come fifty times a second, deliveries rarely: one number tells whether any was added."""
        newest = outbox.newest(db)
        due = self._next_at is not None and self._clock.now() >= self._next_at
        look = self._look_again or due or newest != self._newest
        self._newest, self._look_again = newest, False
        return look

    def _claim(self, db: sqlite3.Connection) -> list[Delivery]:
        """As many deliveries as there are hands, each of an order that nobody serves."""
        now, free = self._clock.now(), self._effort.at_once - len(self._claimed)
        if free <= 0:
            return []
        patient = now < self._patient_until
        most = self._effort.at_once + free  # those being served are still pending, so they are found again
        found = outbox.untried(db, most) if patient else outbox.due(db, now, most)
        taken = [delivery for delivery in found if delivery.order_key not in self._claimed][:free]
        self._claimed |= {delivery.order_key for delivery in taken}
        if len(taken) < free:  # whatever else waits is not due yet
            self._next_at = self._patient_until if patient else outbox.next_at(db, now)
        return taken

    async def _rest(self) -> None:
        """Until woken, or a postponed delivery is due and a hand is free for it."""
        patience = None
        if self._next_at is not None and len(self._claimed) < self._effort.at_once:
            patience = max(0.0, (self._next_at - self._clock.now()).total_seconds())
        await self._clock.wait(self._wake, patience)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            ref = await self._send(delivery)
        except Retry as retry:
            await self._postpone(delivery, retry)
        except Reject as reject:
            await self._park(delivery, reject)
        else:
            await self._receive(delivery, ref)
        finally:
            self._claimed.discard(delivery.order_key)
            self._look_again = True
            self._wake.set()

    async def _send(self, delivery: Delivery) -> str | None:
        return await self._asking.ask(delivery)

    async def _receive(self, delivery: Delivery, ref: str | None) -> None:
        if self._trouble:
            log.info("ticketing_back", sink=self.name, url=self._sink.url)
        self._failures, self._patient_until, self._trouble = 0, EPOCH, ""
        now = self._clock.now()
        look_at = self._asking.look_again_at(delivery, now)
        reached("before_receipt")
        await self._run_job(lambda db: outbox.delivered(db, delivery.id, ref, now, look_at))
        reached("after_receipt")
        if delivery.action is OutboxAction.CREATE:
            await self._receipts.tell(delivery.order_key, ref, now)
        if look_at is not None:
            self.duplicates.wake()
        log.info(
            "delivered", sink=self.name, order=delivery.order_key, action=delivery.action, ticket=ref or delivery.ref
        )
        _DELIVERED.labels(self.name, delivery.action).inc()

    async def _postpone(self, delivery: Delivery, retry: Retry) -> None:
        """Again later: this delivery by its own count of attempts, and all that were tried if the service is down."""
        if isinstance(retry, Unnamed):
            log.info("ticket_unnamed", sink=self.name, order=delivery.order_key, error=str(retry))
        elif str(retry) != self._trouble:
            self._trouble = str(retry)
            log.warning("ticketing_lost", sink=self.name, error=self._trouble, advice="orders wait and are sent later")
        now, effort = self._clock.now(), self._effort
        wait = timedelta(seconds=effort.backoff.wait(delivery.attempts + 1))
        next_at = to_whole_ms(now + max(wait, retry.after or wait, self._asking.patience(delivery, retry)))
        doubt = self._asking.doubt(delivery, retry)
        self._failures += not isinstance(retry, Unnamed)
        if self._failures >= effort.at_once:
            pause = timedelta(seconds=effort.backoff.wait(self._failures - effort.at_once + 1))
            self._patient_until = now + pause
        self._next_at = next_at if self._next_at is None else min(self._next_at, next_at)
        reached("before_postpone")
        await self._run_job(lambda db: outbox.postponed(db, delivery.id, str(retry), next_at, doubt=doubt))
        reached("after_postpone")

    async def _park(self, delivery: Delivery, reject: Reject) -> None:
        """First people are told, then it is marked: told twice changes nothing."""
        now, key, why = self._clock.now(), delivery.order_key, str(reject)
        tried_at = None if isinstance(reject, InDoubt) else delivery.tried_at
        refused: Command | TicketUpdate = TicketUpdate(now, key, OrderStatus.PARKED, "gateway", why[:500])
        if delivery.action is not OutboxAction.CREATE:
            refused = Command(now, NOTE_REFUSED, key, "gateway", why[:500])
        if delivery.action is not OutboxAction.CHART:  # a picture less is in the log
            reached("before_refusal")
            await self._emit([refused])
            reached("after_refusal")
        reached("before_park")
        await self._run_job(lambda db: outbox.parked(db, delivery.id, why, now, tried_at=tried_at))
        reached("after_park")
        _PARKED.labels(self.name, delivery.action).inc()
        log.error(
            "order_parked",
            order=delivery.order_key,
            action=delivery.action,
            error=why,
            advice=_advice(delivery, reject),
        )

    def _report(self, db: sqlite3.Connection) -> None:
        """The depth as a gauge; a person is told once when too much waits, and once when that is over."""
        count, oldest = outbox.waiting(db)
        _WAITING.labels(self.name).set(count)
        if count > self._effort.warn_pending and not self._full and oldest is not None:
            self._full = True
            log.error(
                "outbox_full",
                url=self._sink.url,
                waiting=count,
                since=oldest.isoformat(timespec="seconds"),
                error=self._trouble,
                advice="nothing is dropped; bring the service back, and look after these orders by hand meanwhile",
            )
        elif self._full and count <= self._effort.warn_pending // 2:
            self._full = False
            log.info("outbox_drained", url=self._sink.url, waiting=count)


def _advice(delivery: Delivery, reject: Reject) -> str:
    if not isinstance(reject, InDoubt):
        return "the service will never take it as it is: tell the people on site by hand, then mend the cause"
    if delivery.action is OutboxAction.CREATE:
        return "look in the service whether it is there: `orders found`, else `orders retry`"
    return "look on the ticket whether it stands there; if not, `orders retry` writes it again"
