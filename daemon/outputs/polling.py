"""What persons did on tickets, asked for again and again and brought in as inputs.

emit <── TicketUpdate <── changes since the cursor <── the ticketing service
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from daemon.clock import Clock
from daemon.commitpoints import reached
from daemon.model import Emit, Reject, Retry, TicketUpdate
from daemon.outputs.sink import Change, Changes, TicketSink
from daemon.store import outbox
from daemon.store.db import fact, reader, set_fact
from daemon.store.jobs import RunJob
from daemon.store.outbox import Followed
from daemon.supervisor import Backoff

log = structlog.get_logger(__name__)

#: Pages that are followed at once: a service whose pages never end is asked on in the usual rhythm.
_MOST_PAGES = 100


def updates(changes: Iterable[Change], at: datetime) -> list[TicketUpdate]:
    """Changes as inputs that are learnt at `at`."""
    return [TicketUpdate(at, c.key, c.status, c.by, c.note, c.changed_at, c.stamp, c.team) for c in changes]


class Rhythm(NamedTuple):
    """How often is asked."""

    #: Seconds between two questions that were answered.
    interval: float
    backoff: Backoff

    def after(self, pages: int) -> float:
        """Seconds to wait after so many pages in a row of which each went on."""
        return 0.0 if pages % _MOST_PAGES else self.interval


class Polling:
    """Asks one ticketing service in a rhythm, and follows a page that goes on at once."""

    def __init__(
        self,
        sink: TicketSink,
        store: Path,
        *,
        run_job: RunJob,
        emit: Emit,
        clock: Clock,
        name: str,
        rhythm: Rhythm,
    ) -> None:
        self._sink = sink
        self._store = store
        self._run_job = run_job
        self._emit = emit
        self._clock = clock
        self._name = name
        self._rhythm = rhythm

    async def run(self) -> None:
        """Ask until cancelled. Raises only what ended the writer."""
        with reader(self._store) as db:
            cursor = fact(db, self._cursor_name)
            trouble, attempt, wait, pages = "", 0, 0.0, 0
            while True:
                await self._clock.sleep(wait)
                try:
                    followed = outbox.followed(db)
                    page = await self._sink.changes(cursor, followed)
                except (Retry, Reject) as error:
                    attempt += 1
                    wait = max(self._rhythm.interval, self._rhythm.backoff.wait(attempt))
                    if str(error) != trouble:
                        trouble = str(error)
                        log.warning("ticket_poll_lost", sink=self._name, error=trouble)
                    continue
                if trouble:
                    log.info("ticket_poll_back", sink=self._name, url=self._sink.url)
                trouble, attempt = "", 0
                pages = pages + 1 if page.changes and page.cursor != cursor else 0
                cursor = await self._take(_still(page, followed, outbox.followed(db)), cursor)
                wait = self._rhythm.after(pages)

    @property
    def _cursor_name(self) -> str:
        return f"changes_cursor:{self._name}"

    async def _take(self, page: Changes, cursor: str) -> str:
        """Changes become inputs first, then the cursor moves: a crash in between tells them twice, never not at all."""
        if page.changes:
            reached("before_changes")
            await self._emit(updates(page.changes, self._clock.now()))
            reached("after_changes")
        if page.cursor != cursor:
            reached("before_cursor")
            await self._run_job(lambda db: set_fact(db, self._cursor_name, page.cursor))
            reached("after_cursor")
        return page.cursor


def _still(page: Changes, before: Sequence[Followed], after: Sequence[Followed]) -> Changes:
    """Without what became of a ticket that has meanwhile turned out to be the second of its order."""
    refs = {order.key: order.ref for order in after}
    left = {order.key for order in before if refs.get(order.key, order.ref) != order.ref}
    return Changes(page.cursor, tuple(change for change in page.changes if change.key not in left)) if left else page
