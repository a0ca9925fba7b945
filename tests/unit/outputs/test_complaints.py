"""Complaints are fetched by a cursor from a service that has them, and asked for seldom of one that has not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from typing_extensions import override

from daemon.clock import SiteClock
from daemon.complaint import Complaint
from daemon.model import Input, Reject, Retry, Taken
from daemon.outputs.complaints import ComplaintPolling
from daemon.outputs.polling import Rhythm
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink
from daemon.store.db import FILE, connect, fact
from daemon.supervisor import Backoff
from simulators import ticketing
from tests.unit.outputs.conftest import serve

T = TypeVar("T")


class Waits(SiteClock):
    """Site time goes on when somebody waits; what was waited for is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    @override
    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await asyncio.sleep(0)


class Gateway:
    """A state file, and what came in."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.db = connect(self.path)
        self.clock = Waits()
        self.came: list[Complaint] = []
        self.calls = 0

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        self.came += [item for item in inputs if isinstance(item, Complaint)]

    def run_job(self, job: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        async def done() -> T:
            return job(self.db)

        return done()

    async def poll(self, sink: TicketingSink, enough: Callable[[], bool]) -> None:
        rhythm = Rhythm(1.0, Backoff(1.0, 60.0))
        polling = ComplaintPolling(
            sink, self.path, run_job=self.run_job, emit=self.emit, clock=self.clock, rhythm=rhythm
        )
        task = asyncio.get_running_loop().create_task(polling.run())
        async with asyncio.timeout(20):
            while not enough() and not task.done():
                await asyncio.sleep(0.005)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def sink_to(url: str) -> TicketingSink:
    return TicketingSink(TicketingConfig.model_validate({"url": url}), "riverside")


@contextlib.asynccontextmanager
async def answering(answer: Callable[[web.Request], web.Response]) -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_get("/v1/complaints", take)
    async with contextlib.asynccontextmanager(serve)(app) as url:
        yield url


async def test_complaints_come_once_and_in_order(gateway: Gateway) -> None:
    """From the stand-in: nothing of the person, received at site time; a restart goes on behind the cursor."""
    async with ticketing.serving() as service, sink_to(service.url) as sink:
        store = service.store
        for n in range(3):
            body = {"key": f"k{n}", "site": "", "level": "I", "type": "complaint", "text": f"停{n}", "room": "1-1-1"}
            moments = {"active_at": "2026-11-21T00:30:00.000Z", "created_at": "2026-11-21T00:30:00.000Z"}
            more = {"respond_by": moments["created_at"], "channel": "wechat", "asset": "lift-1", "asset_name": {}}
            store.create({**body, **moments, **more, "building": "", "asset_kind": ""}, "complaint")
        await gateway.poll(sink, lambda: len(gateway.came) >= 3 and len(gateway.clock.waited) > 3)
        again = Gateway.__new__(Gateway)
        again.__dict__.update(gateway.__dict__, came=[], clock=Waits())
        await again.poll(sink, lambda: len(again.clock.waited) > 3)

    assert [(c.id, c.text, c.channel, c.asset) for c in gateway.came] == [
        (f"C00000{n + 1}", f"停{n}", "wechat", "lift-1") for n in range(3)
    ]
    assert all(c.made_at == datetime(2026, 11, 21, 0, 30, tzinfo=UTC) < c.at for c in gateway.came)
    assert again.came == []
    assert fact(gateway.db, "complaints_cursor:ticketing") == "3"


async def test_pages_without_end_are_followed_for_a_while_only(gateway: Gateway) -> None:
    """A hundred at once, then in the usual rhythm."""
    numbers = count(1)

    def answer(_: web.Request) -> web.Response:
        said = {"id": f"C{(n := next(numbers))}", "at": "2026-11-21T00:30:00Z"}
        return web.Response(text=json.dumps({"cursor": str(n), "complaints": [said]}))

    async with answering(answer) as url, sink_to(url) as sink:
        await gateway.poll(sink, lambda: len(gateway.clock.waited) >= 103)

    assert gateway.clock.waited[:102] == [0.0] * 100 + [1.0, 0.0]


@pytest.mark.parametrize("status", [404, 405, 400])
async def test_a_service_without_complaints_is_asked_once_an_hour(gateway: Gateway, status: int) -> None:
    """And that is said once."""
    asked = []

    def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.Response(status=status, text="no")

    with capture_logs() as logs:
        async with answering(answer) as url, sink_to(url) as sink:
            await gateway.poll(sink, lambda: len(asked) >= 3)

    assert gateway.clock.waited[:3] == [0.0, 3600.0, 3600.0]
    assert [line["event"] for line in logs] == ["complaints_not_offered"]
    assert asked[0] == {"site": "riverside"}


async def test_an_outage_is_waited_out(gateway: Gateway) -> None:
    """Lost and back are said once each; what cannot be read is passed over without its text."""
    bad = [{"at": "2026-11-21T00:30:00Z", "text": "机密"}, {"id": "C2", "at": "soon", "text": "机密"}, "x"]
    good = {"id": "C3", "at": "2026-11-21T00:30:00Z"}
    pages = iter([503, 503, 200])

    def answer(_: web.Request) -> web.Response:
        status = next(pages, 200)
        said = [*bad[:2], good] if status == 200 else []
        return web.Response(status=status, text=json.dumps({"cursor": "9", "complaints": said}))

    with capture_logs() as logs:
        async with answering(answer) as url, sink_to(url) as sink:
            await gateway.poll(sink, lambda: len(gateway.came) >= 1)

    events = [line["event"] for line in logs]
    assert [events.count(name) for name in ("complaint_poll_lost", "complaint_poll_back")] == [1, 1]
    assert events.count("complaint_unreadable") >= 2
    assert "机密" not in json.dumps(logs, default=str, ensure_ascii=False)


@pytest.mark.parametrize(
    "body", ["{}", '{"cursor": "1", "complaints": 3}', '{"cursor": "1", "complaints": ["x"]}', "[]"]
)
async def test_another_shape_is_an_outage(body: str) -> None:
    """Whatever stands there, it is waited for a person to mend it."""
    async with answering(lambda _: web.Response(text=body)) as url, sink_to(url) as sink:
        with pytest.raises(Retry):
            await sink.complaints("")


async def test_not_found_is_no_outage() -> None:
    """Not every service has complaints."""
    async with answering(lambda _: web.Response(status=404)) as url, sink_to(url) as sink:
        with pytest.raises(Reject):
            await sink.complaints("7")
