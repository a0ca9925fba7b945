"""A property ERP served by the YAML of docs/ticketing.md alone: the whole way from an alarm to a ticket, and back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
import yaml

from daemon import settings
from daemon.clock import SiteClock
from daemon.documents import build, read
from daemon.model import Command, Observation, Reading, Reload
from daemon.outputs.dispatcher import Dispatcher, Effort
from daemon.outputs.notify.channels import ChannelConfig, routes
from daemon.outputs.notify.courier import Courier
from daemon.outputs.ticketing.opening import open_sink
from daemon.outputs.ticketing.shape import DeclaredConfig
from daemon.pipeline import Pipeline
from daemon.store import courses, outbox
from daemon.store.db import FILE, connect, reader
from daemon.supervisor import Backoff
from daemon.workorders.sla import Sla
from daemon.writer import Writer
from simulators import erp
from simulators.robots import Robots
from tests.many_assets import CATALOGUE, ruleset
from tests.mqtt_peers import until

PAGE = Path(__file__).parents[3] / "docs" / "ticketing.md"
SLA = build(Sla, read(settings.shipped() / "sla" / "residential.yaml"))


def told() -> str:
    """The YAML of the page."""
    section = PAGE.read_text(encoding="utf-8").partition("## How to fit a property ERP")[2]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The starter configuration, with the page's `ticketing`."""
    folder = tmp_path / "site"
    for name in ("gateway.yaml", "assets.yaml"):
        text = (settings.shipped() / "starter" / name).read_text(encoding="utf-8")
        (folder / name).parent.mkdir(exist_ok=True)
        if name == "gateway.yaml":
            text = re.sub(r"^ticketing:\n(?:[ #].*\n)*", told(), text, flags=re.MULTILINE)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "credentials").mkdir()
    (folder / "credentials" / "erp_password").write_text("secret", encoding="utf-8")
    return folder


def test_the_page_is_sound(site: Path) -> None:
    """`check` finds no fault in it, and takes it as it stands."""
    found = settings.load(site).gateway.ticketing

    assert isinstance(found, DeclaredConfig)
    assert set(yaml.safe_load(told())) == {"ticketing"}


@dataclass
class House:
    """A gateway's spine and outputs, between the ERP and a group robot."""

    erp: erp.Erp
    robots: Robots
    writer: Writer
    dispatcher: Dispatcher
    clock: SiteClock
    file: Path

    async def says(self, asset: str, state: str) -> None:
        now = self.clock.now()
        reading = Reading(f"{asset}.state", now, state, now)
        await self.writer.emit([Observation(now, f"{asset}/d", (reading,))], urgent=True)

    def order(self) -> courses.Going:
        with reader(self.file) as db:
            (going,) = courses.unfinished(db, 9)
        return going

    def deliveries(self) -> list[tuple[str, str, str | None]]:
        with reader(self.file) as db:
            return [(d.action, d.state, d.ref) for d in courses.deliveries(db, self.order().key)]

    def delivered(self) -> bool:
        with reader(self.file) as db:
            counts = outbox.counts(db)
        return counts.delivered > 0 and counts.pending == counts.parked == 0

    @property
    def tickets(self) -> list[Any]:
        return self.erp.tickets.all()


@contextlib.asynccontextmanager
async def living(site: Path, service: erp.Erp) -> AsyncIterator[House]:
    """All of it, with the page's address and spans made a test's."""
    config = settings.load(site).gateway.ticketing
    assert isinstance(config, DeclaredConfig)
    config = config.model_copy(
        update={"url": service.url, "settle": timedelta(milliseconds=200), "timeout": timedelta(seconds=1)}
    )
    file, clock = site / FILE, SiteClock()
    spine = Pipeline(connect(file))
    spine.respond_by(SLA)
    rules = ruleset(site)
    spine.journal.add_ruleset(rules.hash, rules.to_json(), clock.now())
    effort = Effort(backoff=Backoff(0.01, 0.1), poll_interval=timedelta(milliseconds=100))
    async with (
        Robots() as robots,
        aiohttp.ClientSession() as http,
        open_sink(config, CATALOGUE.site, clock) as sink,
    ):
        sink.ambiguity = replace(sink.ambiguity, look_again=timedelta(milliseconds=300))
        channel = ChannelConfig.model_validate(
            {"roles": ["supervisor"], "per_minute": 100, "wecom": {"url": robots.url, "secret": "robot-key"}}
        )
        wakes: list[Callable[[], None]] = []

        def committed(_: object) -> None:
            for wake in wakes:
                wake()

        writer = Writer(spine, on_commit=committed)
        dispatcher = Dispatcher(sink, file, run_job=writer.run, emit=writer.emit, clock=clock, effort=effort)
        courier = Courier(routes({"group": channel}, http, clock), file, run_job=writer.run, clock=clock)
        wakes += [dispatcher.wake, courier.wake]
        await writer.emit([Reload(clock.now(), rules.hash)], urgent=True)
        tasks = [asyncio.create_task(dispatcher.run()), asyncio.create_task(courier.run())]
        yield House(service, robots, writer, dispatcher, clock, file)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await writer.close()
    spine.db.close()


@pytest.fixture
async def house(request: pytest.FixtureRequest, site: Path) -> AsyncIterator[House]:
    charset: Literal["utf-8", "gbk"] = getattr(request, "param", "utf-8")
    async with erp.serving(erp.Habits(lag=0.1, charset=charset)) as service, living(site, service) as house:
        yield house


@pytest.mark.parametrize("house", ["utf-8", "gbk"], indirect=True)
async def test_an_order_becomes_a_ticket_with_the_codes_of_the_erp(house: House) -> None:
    """Its number is found by a search, and one ticket is there."""
    await house.says("L1", "worse")
    await until(house.delivered)

    (ticket,) = house.tickets
    assert (ticket.urgency, ticket.workClass, ticket.buildingCode) == ("041001", "050101", "HY-B1")
    assert ticket.title.startswith("L1梯 故障 [预投诉 PC-")
    assert "可能原因：因" in ticket.workContent
    assert house.deliveries() == [("create", "delivered", ticket.workNo)]


@pytest.mark.parametrize("house", ["utf-8", "gbk"], indirect=True)
async def test_a_refusal_in_the_body_parks_and_people_are_told(house: House) -> None:
    """HTTP 200 and a code: nobody has the order, the group hears why; tried again by a person, it goes."""
    refused = {"code": "1003", "msg": "楼栋编码不存在: HY-B1", "data": None}
    house.erp.script.replace([{"match": "create", "kind": "answer", "body": refused}])
    await house.says("L1", "worse")
    await until(lambda: any("请人工派单" in text for text in house.robots.texts("wecom")))

    (text,) = [text for text in house.robots.texts("wecom") if "请人工派单" in text]
    assert "楼栋编码不存在" in text
    await until(lambda: house.deliveries() == [("create", "parked", None)])
    assert house.order().course.status == "parked"
    key = house.order().key
    await house.writer.emit([Command(house.clock.now(), "order_retry", key, "li", "")], urgent=True)
    house.dispatcher.look()
    await until(house.delivered)
    assert len(house.tickets) == 1


async def test_a_busy_code_is_tried_again(house: House) -> None:
    """One ticket in the end, and nobody is told."""
    busy = {"code": "1999", "msg": "系统繁忙", "data": None}
    house.erp.script.replace([{"match": "create", "kind": "answer", "body": busy, "times": 3}])
    await house.says("L1", "worse")
    await until(house.delivered)

    assert len(house.tickets) == 1
    assert not any("请人工派单" in text for text in house.robots.texts("wecom"))


@pytest.mark.parametrize("kind", ["timeout_after_create", "reset_after_create"])
async def test_a_create_without_an_answer_makes_one_ticket(house: House, kind: str) -> None:
    """It is searched for before it is sent again."""
    house.erp.script.replace([{"match": "create", "kind": kind, "hold": 2}])
    await house.says("L1", "worse")
    await until(house.delivered)

    (ticket,) = house.tickets
    assert house.deliveries() == [("create", "delivered", ticket.workNo)]


async def test_what_persons_do_there_comes_back(house: House) -> None:
    """Accepted, then done: the sensor verifies. A token that has expired meanwhile changes nothing."""
    await house.says("L1", "worse")
    await until(house.delivered)
    (ticket,) = house.tickets
    house.erp.tickets.expire()
    house.erp.tickets.act(ticket.workNo, "accept", "张师傅")
    await until(lambda: house.order().course.status == "accepted")
    house.erp.tickets.act(ticket.workNo, "finish", "张师傅", "已更换")
    await until(lambda: house.order().course.status == "verifying")

    with reader(house.file) as db:
        done = [event for event in courses.events(db, house.order().key) if event.occasion == "done"]
    assert [(event.by, event.detail) for event in done] == [("张师傅", "已更换")]


async def test_a_note_stands_on_the_ticket(house: House) -> None:
    """The alarm is over: said there, once."""
    await house.says("L1", "worse")
    await until(house.delivered)
    await house.says("L1", "ok")
    await until(lambda: house.delivered() and bool(house.tickets[0].remarks))

    (remark,) = house.tickets[0].remarks
    assert "已自行恢复" in remark


async def test_two_tickets_for_one_create_are_made_one(house: House) -> None:
    """Something on the way sent it twice: the younger is cancelled there, the older counts, people hear of it."""
    house.erp.script.replace([{"match": "create", "kind": "twice"}])
    await house.says("L1", "worse")
    await until(lambda: len(house.tickets) == 2 and house.tickets[1].status == "5")
    first, second = house.tickets
    await until(lambda: house.deliveries() == [("create", "delivered", first.workNo)])
    await until(lambda: any("两张相同的工单" in text for text in house.robots.texts("wecom")))

    assert first.status == "1"
    assert first.workNo in second.dealResult
    assert house.order().course.status == "sent"
