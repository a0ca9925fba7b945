"""Asking a ticketing service for something once, whatever it promises about being asked again.

    key      ask ──no answer──> ask again: the key settles it
    search   mark, ask ──no answer──> settle, look ─┬─ found: that is the receipt; look for a second one later
                                                    └─ not found: mark, ask
    neither  mark, ask ──no answer──> park: a person looks
                                 └──> repeat: mark, ask again, saying on the ticket that it may be the second

The mark is committed before the request goes out, so that a program that was ended in the middle knows at its next
start that the service may have been asked. Notes carry nothing by which they could be found: on a service without keys
one that got no answer is written once more, saying so, and then given up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
import structlog

from daemon import telemetry
from daemon.clock import Clock
from daemon.commitpoints import reached
from daemon.model import Command, Emit, OutboxAction, Reject, Retry
from daemon.outputs.sink import Capability, OnAmbiguous, TicketSink
from daemon.store import outbox
from daemon.store.jobs import RunJob
from daemon.store.outbox import NO_DOUBT, Delivery, Doubt
from daemon.supervisor import Backoff
from daemon.workorders import doubt

log = structlog.get_logger(__name__)

_FOUND = telemetry.counter("deliveries_found_total", "Tickets found after a request without an answer.", "sink")
_REPEATED = telemetry.counter(
    "deliveries_repeated_total", "Requests repeated though the first may have been taken.", "sink", "action"
)
#: A service that takes requests and answers none would otherwise hold a ticket a minute of the same order.
_SLOWEST_REPEAT = 3600.0
_LEAST_SETTLE = timedelta(seconds=1)
#: Searches for what was taken: with the usual settle time about a quarter of an hour.
_MOST_LOOKS = 20
_SLOWEST_LOOK = 60.0


class InDoubt(Reject):
    """It may have been taken, and nobody can look: a person must decide. Tried again, it counts as never asked for."""


class Unnamed(Retry):
    """It was taken, and told no reference: that is searched for, and nothing is created again."""


class Asking:
    """Asks one ticketing service."""

    def __init__(self, sink: TicketSink, *, run_job: RunJob, emit: Emit, clock: Clock, name: str) -> None:
        self._sink = sink
        self._run_job = run_job
        self._emit = emit
        self._clock = clock
        self._name = name
        self._keyed = sink.capability is Capability.KEY

    async def begin(self) -> None:
        """At a start: what was being asked for when the program ended is looked for only once it can be found."""
        if self._sink.capability is Capability.SEARCH:
            until = self._clock.now() + self._sink.ambiguity.settle
            await self._run_job(partial(outbox.settle, until=until))

    async def ask(self, delivery: Delivery) -> str | None:
        """Have it done; of a create, the ticket's reference.

        Raises:
            Retry: not now; `ambiguous` when it may be done all the same.
            InDoubt: it may be done all the same, and a person must look.
            Reject: never.
        """
        if delivery.action is OutboxAction.CREATE:
            return await self._create(delivery)
        await self._note(delivery)
        return None

    def doubt(self, delivery: Delivery, retry: Retry) -> Doubt:
        """What is to stand there after a failure: the mark, or what stood there before it."""
        if self._keyed:
            return NO_DOUBT
        if isinstance(retry, Unnamed):
            return Doubt(self._clock.now(), delivery.repeats, taken=True)
        if not retry.ambiguous:
            return Doubt(delivery.tried_at, delivery.repeats, delivery.taken)
        return Doubt(self._clock.now(), delivery.repeats + (delivery.tried_at is not None))

    def patience(self, delivery: Delivery, retry: Retry) -> timedelta:
        """How long to wait at least after a failure."""
        if self._keyed or not retry.ambiguous or delivery.action is not OutboxAction.CREATE:
            return timedelta()
        settle = self._sink.ambiguity.settle
        if isinstance(retry, Unnamed):
            first = max(settle, _LEAST_SETTLE)
            return timedelta(seconds=min(first.total_seconds() * 2.0 ** min(delivery.attempts, 10), _SLOWEST_LOOK))
        if self._sink.capability is Capability.SEARCH:
            return settle
        first = max(settle, _LEAST_SETTLE)
        slower = Backoff(first.total_seconds(), _SLOWEST_REPEAT).wait(delivery.repeats + 1)
        return max(first, timedelta(seconds=slower))

    def look_again_at(self, delivery: Delivery, now: datetime) -> datetime | None:
        """When a second ticket of what was just created or found is looked for; None: there can be none."""
        if self._sink.capability is not Capability.SEARCH or delivery.action is not OutboxAction.CREATE:
            return None
        return None if delivery.tried_at is None else now + self._sink.ambiguity.look_again

    # --- creates -----------------------------------------------------------------------------------------

    async def _create(self, delivery: Delivery) -> str:
        body = delivery.body
        if delivery.tried_at is not None and self._sink.capability is Capability.SEARCH:
            ref = await self._sink.find(delivery.order_key)
            if ref is not None:
                log.info("ticket_found", sink=self._name, order=delivery.order_key, ticket=ref)
                _FOUND.labels(self._name).inc()
                return ref
            if delivery.taken:
                raise self._unnamed(delivery)
        elif delivery.tried_at is not None:
            body = await self._again(delivery)
        await self._mark(delivery)
        reached("before_create")
        try:
            ref = await self._sink.create(delivery.order_key, body)
        except Retry as retry:
            if retry.ambiguous and self._parks(delivery):
                raise self._unsure(delivery, str(retry)) from retry
            raise
        reached("after_create")
        if not ref:
            raise Unnamed("taken; its reference is searched for", ambiguous=True)
        return ref

    async def _mark(self, delivery: Delivery) -> None:
        if not self._keyed:
            now = self._clock.now()
            await self._run_job(lambda db: outbox.intend(db, delivery.id, now))

    def _parks(self, delivery: Delivery) -> bool:
        if self._sink.capability is not Capability.NEITHER:
            return False
        ambiguity = self._sink.ambiguity
        return (ambiguity.safety if delivery.insist else ambiguity.ordinary) is OnAmbiguous.PARK

    async def _again(self, delivery: Delivery) -> bytes:
        """The body of a repetition, which people are told of before it goes out."""
        if self._parks(delivery):
            raise self._unsure(delivery, "the gateway stopped while it asked for it")
        number = delivery.repeats + 1
        said = (
            f"没有答复，第 {number} 次重发，可能有两张工单 no answer: sent again ({number}), there may be two tickets"
        )
        await self._emit([Command(self._clock.now(), doubt.REPEATED, delivery.order_key, "gateway", said)])
        log.warning(
            "order_repeated",
            sink=self._name,
            order=delivery.order_key,
            repeats=number,
            advice="it may stand there twice: of two tickets with this key keep the older one",
        )
        _REPEATED.labels(self._name, delivery.action).inc()
        return _said(delivery.body, doubt.repeated_order)

    def _unnamed(self, delivery: Delivery) -> Exception:
        if delivery.attempts < _MOST_LOOKS:
            return Unnamed("taken; no search finds it yet", ambiguous=True)
        return self._unsure(delivery, f"it was taken without a reference, and {delivery.attempts} searches found none")

    def _unsure(self, delivery: Delivery, why: str) -> InDoubt:
        return InDoubt(
            f"工单可能已建、无法查询：请在工单系统中查找 {delivery.order_key}，有则 `precomplaint orders found`，"
            f"无则 `precomplaint orders retry`。The ticket may exist: look for it there, then `orders found` or "
            f"`orders retry`. {why}"
        )

    # --- notes -------------------------------------------------------------------------------------------

    async def _note(self, delivery: Delivery) -> None:
        if delivery.ref is None:
            raise Reject("the order it belongs to was never created")
        body = delivery.body
        if delivery.tried_at is not None:
            if delivery.repeats:
                raise InDoubt("sent twice without an answer: the note may stand on the ticket, or not")
            body = _said(body, doubt.repeated_note)
            _REPEATED.labels(self._name, delivery.action).inc()
        await self._mark(delivery)
        # The key follows from the content, so that a note is the same note in whatever row it stands.
        digest = hashlib.sha256(delivery.body).hexdigest()[:16]
        reached("before_note")
        await self._sink.note(delivery.ref, f"{delivery.order_key}#{digest}", body)
        reached("after_note")


def _said(body: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    return orjson.dumps(change(orjson.loads(body)))
