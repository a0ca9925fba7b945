"""Residents' complaints, asked of the ticketing service again and again and brought in as inputs.

    emit <── Complaint <── complaints after the cursor <── the ticketing service

Not every service has them to give. One that has not is asked once an hour, and that is said once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import structlog

from daemon.clock import Clock
from daemon.complaint import Complaint
from daemon.model import Emit, Reject, Retry
from daemon.outputs.polling import Rhythm
from daemon.store.db import fact, reader, set_fact
from daemon.store.jobs import RunJob

log = structlog.get_logger(__name__)

#: A service that has no complaints to give is asked again after so many seconds: it may have been upgraded.
_NOT_OFFERED = 3600.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page of complaints."""

    #: Give this to the next call.
    cursor: str
    #: `at` of each is when it was made: whoever takes them in knows the time.
    complaints: tuple[Complaint, ...]


@runtime_checkable
class ComplaintSink(Protocol):
    """A ticketing service that may also take residents' complaints."""

    #: The address, for messages to a person.
    url: str

    async def complaints(self, since: str) -> Page:
        """Complaints taken in after the cursor `since`, oldest first; empty `since`: from the beginning.

        May be called again with the same cursor.

        Raises:
            Retry: not now.
            Reject: the service has none to give.
        """
        ...


class ComplaintPolling:
    """Asks one ticketing service in a rhythm, and follows a page that goes on at once."""

    def __init__(
        self,
        sink: ComplaintSink,
        store: Path,
        *,
        run_job: RunJob,
        emit: Emit,
        clock: Clock,
        rhythm: Rhythm,
        name: str = "ticketing",
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
                page = await self._sink.complaints(cursor)
            except Reject as error:
                wait = _NOT_OFFERED
                if trouble != "none":
                    log.info("complaints_not_offered", sink=self._name, url=self._sink.url, answer=str(error))
                    trouble = "none"
                continue
            except Retry as error:
                attempt += 1
                wait = max(self._rhythm.interval, self._rhythm.backoff.wait(attempt))
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("complaint_poll_lost", sink=self._name, error=trouble)
                continue
            if trouble:
                log.info("complaint_poll_back", sink=self._name, url=self._sink.url)
            trouble, attempt = "", 0
            pages = pages + 1 if page.complaints and page.cursor != cursor else 0
            cursor = await self._take(page, cursor)
            wait = self._rhythm.after(pages)

    @property
    def _cursor_name(self) -> str:
        return f"complaints_cursor:{self._name}"

    async def _take(self, page: Page, cursor: str) -> str:
        """First the inputs, then the cursor: after a crash in between they are told twice, which changes nothing."""
        if page.complaints:
            now = self._clock.now()
            await self._emit([said._replace(at=now) for said in page.complaints])
        if page.cursor != cursor:
            await self._run_job(lambda db: set_fact(db, self._cursor_name, page.cursor))
        return page.cursor
