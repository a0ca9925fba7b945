"""Second tickets of one order: looked for where they may be, told to people, and called off in favour of the older.

A service that was asked again because a search found nothing may have taken the first request all the same, and shown
it later than it said. So what was created or found in doubt is searched for once more after a longer time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import orjson
import structlog

from daemon import telemetry
from daemon.clock import Clock
from daemon.model import Command, Emit, Reject, Retry
from daemon.outputs.sink import TicketSink
from daemon.store import outbox
from daemon.store.db import reader
from daemon.store.jobs import RunJob
from daemon.store.outbox import SecondLook
from daemon.supervisor import Backoff
from daemon.workorders import doubt
from daemon.workorders.evidence import stamp

log = structlog.get_logger(__name__)

_DUPLICATES = telemetry.counter("tickets_duplicate_total", "Second tickets of one order that were found.", "sink")
_AT_ONCE = 20
#: A service that cannot be searched for that often is given up.
_MOST_TRIES = 20
_LOOK_EVERY = 60.0


def oldest(refs: Sequence[str]) -> str:
    """The ticket that was made first, as far as references tell: they are counted up in every system we know."""
    return min(refs, key=lambda ref: (len(ref), ref))


class Duplicates:
    """Looks for second tickets at one service."""

    def __init__(
        self,
        sink: TicketSink,
        store: Path,
        *,
        run_job: RunJob,
        emit: Emit,
        clock: Clock,
        name: str = "ticketing",
    ) -> None:
        self._sink = sink
        self._store = store
        self._run_job = run_job
        self._emit = emit
        self._clock = clock
        self._name = name
        self._wake = asyncio.Event()
        self._backoff = Backoff(_LOOK_EVERY, 3600.0)
        self._tries: Counter[int] = Counter()

    def wake(self) -> None:
        """A ticket was created or found in doubt."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled. Raises only what ended the writer."""
        with reader(self._store) as db:
            while True:
                self._wake.clear()
                for look in outbox.second_looks(db, self._clock.now(), _AT_ONCE):
                    await self._look(look)
                due = outbox.next_look(db)
                seconds = None if due is None else max(0.0, (due - self._clock.now()).total_seconds())
                await self._clock.wait(self._wake, seconds)

    async def _look(self, look: SecondLook) -> None:
        ref, again_at = look.ref, None
        try:
            refs = await self._sink.find_all(look.order_key)
            ref = oldest([look.ref, *refs])  # it counts whether or not the others could be told
            await self.settle(look, refs)
        except Retry as retry:
            again_at = self._later(look, str(retry))
        except Reject as reject:
            log.warning("second_look_given_up", sink=self._name, order=look.order_key, error=str(reject))
        if again_at is None:
            del self._tries[look.id]
        await self._run_job(partial(outbox.looked, delivery_id=look.id, ref=ref, again_at=again_at))

    def _later(self, look: SecondLook, error: str) -> datetime | None:
        self._tries[look.id] += 1
        if self._tries[look.id] >= _MOST_TRIES:
            log.warning("second_look_given_up", sink=self._name, order=look.order_key, error=error)
            return None
        return self._clock.now() + timedelta(seconds=self._backoff.wait(self._tries[look.id]))

    async def settle(self, look: SecondLook, refs: Sequence[str]) -> str:
        """The ticket that counts of those found; people hear of the others, and each is told that it is a duplicate.

        Raises:
            Retry: a note cannot be written now.
        """
        found = list(dict.fromkeys([look.ref, *refs]))
        kept = oldest(found)
        others = [ref for ref in found if ref != kept]
        if not others:
            return kept
        now, said = self._clock.now(), f"{kept} ← {', '.join(others)}"
        await self._emit([Command(now, doubt.DUPLICATE, look.order_key, "gateway", said)])
        log.warning(
            "ticket_duplicate",
            sink=self._name,
            order=look.order_key,
            kept=kept,
            others=others,
            advice="work on the older one; close the others in the ticketing service",
        )
        _DUPLICATES.labels(self._name).inc(len(others))
        # The order follows the older one before anything happens to the others: what becomes of those is not its fate.
        again_at = now + timedelta(seconds=_LOOK_EVERY)
        await self._run_job(partial(outbox.looked, delivery_id=look.id, ref=kept, again_at=again_at))
        self.wake()  # whoever has them called off, should it fail here
        for ref in others:
            body = orjson.dumps(doubt.duplicate_note(look.order_key, kept, look.level.name, stamp(now)))
            try:
                await self._sink.note(ref, f"{look.order_key}#duplicate-{ref}", body)
            except Reject as reject:  # the others are told all the same
                log.warning("duplicate_not_noted", sink=self._name, ticket=ref, error=str(reject))
        return kept
