"""From the alarm to the picture: drawn beside the writer, delivered by the real dispatcher, shown by the service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import orjson
import pytest

from daemon.charts.drawing import MOST_BYTES
from daemon.clock import SiteClock
from daemon.model import Level, OrderStatus, OutboxAction, TicketUpdate
from daemon.outputs.dispatcher import Dispatcher, Effort
from daemon.outputs.illustrator import Illustrator
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink
from daemon.pipeline import Pipeline
from daemon.store import charts
from daemon.store.db import FILE
from daemon.supervisor import Backoff
from simulators import ticketing
from tests.spine import RULES, at, pipeline, process, ruleset, said
from tests.unit.outputs.test_dispatcher import until


class Gateway:
    """A pipeline on a file, its jobs run as the writer would."""

    def __init__(self, directory: Path, rules: str = RULES) -> None:
        self.path = directory / FILE
        self.spine: Pipeline = pipeline(ruleset(directory, rules), self.path)
        self.db = self.spine.db

    async def run_job(self, job: Callable[..., Any]) -> Any:  # noqa: ANN401  `RunJob`
        await asyncio.sleep(0)
        self.db.execute("BEGIN IMMEDIATE")
        try:
            result = job(self.db)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return result

    def heat(self, *seconds: float, room_temp: float) -> None:
        for n in seconds:
            process(self.spine, [said(n, "lift-1", room_temp=room_temp)])

    def delivered(self) -> None:
        """The service has taken the order."""
        self.db.execute("UPDATE outbox SET state = 'delivered', ref = 'T1' WHERE action = 'create'")

    def key(self) -> str:
        return str(self.db.execute("SELECT key FROM work_order").fetchone()[0])

    def notes(self) -> list[dict[str, Any]]:
        """Bodies of chart notes in the outbox."""
        rows = self.db.execute("SELECT body FROM outbox WHERE action = ? ORDER BY id", (OutboxAction.CHART,))
        return [orjson.loads(text) for (text,) in rows]

    @contextlib.asynccontextmanager
    async def illustrator(self) -> AsyncIterator[Illustrator]:
        made = Illustrator(self.path, run_job=self.run_job, clock=SiteClock())
        task = asyncio.create_task(made.run())
        yield made
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


async def test_what_was_asked_for_is_drawn_once_with_the_level_of_now(gateway: Gateway) -> None:
    """One note a chart, whenever the illustrator begins and however often."""
    gateway.heat(*range(-600, 0, 10), room_temp=30.0)
    gateway.heat(0, 10, 20, 30, room_temp=50.0)
    gateway.delivered()
    for _ in range(2):
        async with gateway.illustrator():
            await until(lambda: not charts.waiting(gateway.db))
    async with gateway.illustrator() as made:
        gateway.heat(40, 50, 60, 70, room_temp=30.0)
        made.wake()
        await until(lambda: len(gateway.notes()) == 2)

    opened, recovered = gateway.notes()
    assert [note["chart"]["occasion"] for note in (opened, recovered)] == ["opened", "recovered"]
    assert {(note["kind"], note["level"]) for note in (opened, recovered)} == {("update", "I")}
    assert "room_temp 30 °C → 50 °C，最低 30，最高 50" in opened["text"]["zh"]
    assert all(len(note["chart"]["data"].encode()) <= MOST_BYTES for note in (opened, recovered))
    ET.fromstring(recovered["chart"]["data"])  # noqa: S314  our own drawing
    assert "→ 30 °C" in recovered["chart"]["alt"]["en"]


async def test_readings_are_kept_at_once_and_sent_when_the_order_is_there(gateway: Gateway) -> None:
    """While the service is away nothing is added to what waits for it; later rows do not matter."""
    gateway.heat(0, 10, 20, room_temp=50.0)
    async with gateway.illustrator():
        await until(lambda: not charts.unread(gateway.db, 1))
        kept = charts.of_order(gateway.db, gateway.key())[0].series
        gateway.heat(30, 40, room_temp=52.0)
        gateway.db.execute("DELETE FROM journal WHERE seq < 4")
        assert gateway.notes() == []
        gateway.delivered()
        await until(lambda: len(gateway.notes()) == 1)

    assert charts.of_order(gateway.db, gateway.key())[0].series == kept
    assert "→ 50 °C" in gateway.notes()[0]["text"]["en"]


async def test_a_chart_that_cannot_be_drawn_is_none_and_ends_nothing(gateway: Gateway) -> None:
    """It is set aside, and the next one is drawn."""
    gateway.heat(0, 10, 20, room_temp=50.0)
    gateway.delivered()
    plan = bytes(gateway.db.execute("SELECT plan FROM chart").fetchone()[0])
    gateway.db.execute("UPDATE chart SET plan = ?", (plan.replace(b"Asia/Shanghai", b"No/Where"),))
    async with gateway.illustrator() as made:
        await until(lambda: not charts.waiting(gateway.db))
        gateway.db.execute("UPDATE chart SET plan = ?", (plan,))
        gateway.heat(30, 40, 50, 60, room_temp=30.0)
        made.wake()
        await until(lambda: len(gateway.notes()) == 1)

    assert [note["chart"]["occasion"] for note in gateway.notes()] == ["recovered"]


async def test_the_service_keeps_and_shows_it(gateway: Gateway) -> None:
    """Through the real dispatcher: as an image of its own that can do nothing, with its words as alternative text."""
    async with (
        ticketing.serving() as service,
        TicketingSink(TicketingConfig(url=service.url), "site") as sink,
        gateway.illustrator() as made,
        aiohttp.ClientSession() as http,
    ):
        effort = Effort(backoff=Backoff(0.002, 0.02), poll_interval=timedelta(milliseconds=5))
        emitted = _Nowhere()
        dispatcher = Dispatcher(
            sink, gateway.path, run_job=gateway.run_job, emit=emitted.emit, clock=SiteClock(), effort=effort
        )
        task = asyncio.create_task(dispatcher.run())
        gateway.heat(0, 10, 20, 30, room_temp=50.0)
        gateway.heat(40, 50, 60, 70, room_temp=30.0)
        process(gateway.spine, [TicketUpdate(at(71), gateway.key(), OrderStatus.DONE, "li")])
        gateway.heat(*range(80, 4000, 30), room_temp=30.0)
        made.wake()
        await until(lambda: len(gateway.notes()) == 3)
        dispatcher.wake()
        await until(lambda: sum(bool(n.get("chart")) for n in service.store.get("T000001")["notes"]) == 3)
        async with http.get(f"{service.url}/orders/T000001") as answer:
            page = await answer.text()
        paths = [part.split('"')[0] for part in page.split('<img src="')[1:]]
        async with http.get(service.url + paths[0]) as answer:
            picture, headers = await answer.text(), answer.headers
        async with http.get(f"{service.url}/orders/T000001/charts/99.svg") as answer:
            missing = answer.status
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    assert len(paths) == 3
    assert "<svg" not in page
    assert 'alt="开单前走势；' in page
    assert picture == gateway.notes()[0]["chart"]["data"]
    assert (headers["Content-Type"], missing) == ("image/svg+xml", 404)
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


class _Nowhere:
    async def emit(self, inputs: object, *, urgent: bool = False, taken: object = None) -> None:
        """`Emit`, into nothing."""


async def test_a_note_is_as_urgent_as_its_order_has_become(gateway: Gateway) -> None:
    """A chart drawn late does not take an order back to the level it had."""
    gateway.heat(0, 10, 20, room_temp=50.0)
    gateway.delivered()
    gateway.db.execute("UPDATE work_order SET level = ?", (int(Level.II),))
    async with gateway.illustrator():
        await until(lambda: len(gateway.notes()) == 1)

    assert gateway.notes()[0]["level"] == "II"
