"""Services without idempotency keys, over real sockets: one ticket by search, none or two by choice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import structlog

from daemon.clock import SiteClock
from daemon.model import Command, Input, OrderStatus, OutboxAction, Taken, TicketUpdate, from_ms
from daemon.outputs.dispatcher import Dispatcher, Effort
from daemon.outputs.sink import Ambiguity, Capability, OnAmbiguous
from daemon.store import outbox
from daemon.supervisor import Backoff
from simulators import erp
from tests.erp_sink import ErpSink
from tests.unit.outputs.conftest import StateFile

T0 = from_ms(1_795_300_000_000)
QUICK = Effort(backoff=Backoff(0.002, 0.02), poll_interval=timedelta(seconds=5))
SOON = timedelta(milliseconds=1)
PARK = Ambiguity(OnAmbiguous.PARK, OnAmbiguous.REPEAT, SOON)
REPEAT = Ambiguity(OnAmbiguous.REPEAT, OnAmbiguous.REPEAT, SOON)
LOST = {"match": "create", "kind": "reset_after_create", "times": 1}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


@dataclass
class Bench:
    """A dispatcher between a state file and the stand-in ERP."""

    state: StateFile
    service: erp.Erp
    #: What came in, and apart from it what tells orders that the service has them.
    emitted: list[Input] = field(default_factory=list)
    receipts: list[TicketUpdate] = field(default_factory=list)

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        """`Emit`, without a pipeline behind."""
        assert not urgent
        assert taken is None
        receipts = [item for item in inputs if isinstance(item, TicketUpdate) and item.stamp == "sent"]
        self.receipts += receipts
        self.emitted += [item for item in inputs if item not in receipts]

    @contextlib.asynccontextmanager
    async def dispatcher(
        self, capability: Capability = Capability.SEARCH, ambiguity: Ambiguity | None = None, patience: float = 2.0
    ) -> AsyncIterator[Dispatcher]:
        """One that runs, and is cancelled at the end as a kill would."""
        sink = ErpSink(self.service.url, capability, patience=patience)
        sink.ambiguity = ambiguity or sink.ambiguity
        made = Dispatcher(
            sink, self.state.path, run_job=self.state.run_job, emit=self.emit, clock=SiteClock(), effort=QUICK
        )
        task = asyncio.create_task(made.run())
        yield made
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def add(self, key: str, *, action: OutboxAction = OutboxAction.CREATE, insist: bool = False) -> None:
        text = {"zh": "水压过低", "en": "Pressure low"}
        body: dict[str, Any] = {"key": key, "level": "I", "title": text, "explanation": text, "text": text}
        await self.state.run_job(lambda db: outbox.add(db, key, action, body, T0, insist=insist))

    def counts(self) -> tuple[int, int, int]:
        """Pending, parked, delivered."""
        found = outbox.counts(self.state.db)
        return found.pending, found.parked, found.delivered

    def refs(self) -> list[str | None]:
        return [row[0] for row in self.state.db.execute("SELECT ref FROM outbox ORDER BY id")]

    def look_at(self) -> int | None:
        ((look_at,),) = self.state.db.execute("SELECT look_at FROM outbox").fetchall()
        return None if look_at is None else int(look_at)

    def titles(self) -> list[str]:
        return [ticket.title for ticket in self.service.tickets.all()]


@pytest.fixture
async def bench(state: StateFile) -> AsyncIterator[Bench]:
    async with erp.serving(erp.Habits(returns_id=True, token="t")) as service:  # noqa: S106  nobody's
        yield Bench(state, service)


@pytest.mark.parametrize("kind", ["timeout_after_create", "reset_after_create", "timeout_before", "reset"])
async def test_what_got_no_answer_is_looked_for_before_it_is_created_again(bench: Bench, kind: str) -> None:
    """Whether or not the service had acted, there is one ticket, and the receipt names it."""
    bench.service.script.replace([{"match": "create", "kind": kind, "times": 2, "hold": 1}])
    await bench.add("a")
    async with bench.dispatcher(patience=0.1):
        await until(lambda: bench.counts() == (0, 0, 1))

    (ticket,) = bench.service.tickets.all()
    assert bench.refs() == [ticket.workNo]


async def test_a_service_that_finds_late_is_asked_late(state: StateFile) -> None:
    """A search within the lag would find nothing, and make a second ticket."""
    habits = erp.Habits(returns_id=True, token="t", lag=0.15)  # noqa: S106  nobody's
    async with erp.serving(habits, script=[LOST]) as service:
        bench = Bench(state, service)
        await bench.add("a")
        async with bench.dispatcher(ambiguity=Ambiguity(settle=timedelta(milliseconds=300))):
            await until(lambda: bench.counts() == (0, 0, 1))

        assert len(service.tickets.all()) == 1


async def test_what_was_being_asked_for_at_the_end_of_the_program_settles_first(state: StateFile) -> None:
    """The mark was committed before the request: the next start waits as after a failure, then looks."""
    habits = erp.Habits(returns_id=True, token="t", lag=0.15)  # noqa: S106  nobody's
    async with erp.serving(habits) as service:
        bench = Bench(state, service)
        await ErpSink(service.url).create("a", b'{"title": {"zh": "x"}}')
        await bench.add("a")
        await state.run_job(lambda db: outbox.intend(db, 1, T0))
        async with bench.dispatcher(ambiguity=Ambiguity(settle=timedelta(milliseconds=300))):
            await until(lambda: bench.counts() == (0, 0, 1))

        assert len(service.tickets.all()) == 1


async def test_a_busy_service_is_asked_again_without_a_search(bench: Bench) -> None:
    """A clear refusal leaves no doubt, and no mark."""
    busy = {"match": "create", "kind": "answer", "body": {"code": "1999", "msg": "系统繁忙"}, "times": 3}
    bench.service.script.replace([busy, {"match": "search", "kind": "status_5xx", "times": 100}])
    await bench.add("a")
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 0, 1))

    assert len(bench.service.tickets.all()) == 1
    assert bench.state.db.execute("SELECT repeats, tried_at, look_at FROM outbox").fetchone() == (0, None, None)


async def test_a_search_that_is_refused_parks_and_keeps_the_doubt(bench: Bench) -> None:
    """When a person has it tried again, it is looked for first."""
    no = {"match": "search", "kind": "answer", "body": {"code": "1009", "msg": "无权限"}, "times": 1}
    bench.service.script.replace([LOST, no])
    await bench.add("a")
    async with bench.dispatcher() as dispatcher:
        await until(lambda: bench.counts() == (0, 1, 0))
        bench.state.db.execute("UPDATE outbox SET state = 'pending'")
        dispatcher.look()
        await until(lambda: bench.counts() == (0, 0, 1))

    assert len(bench.service.tickets.all()) == 1


async def test_with_park_a_person_decides(bench: Bench) -> None:
    """Never two: it waits for a person, who is told what to look for."""
    bench.service.script.replace([LOST])
    await bench.add("hy|L1|r|led|1")
    with structlog.testing.capture_logs() as logs:
        async with bench.dispatcher(Capability.NEITHER, PARK) as dispatcher:
            await until(lambda: bench.counts() == (0, 1, 0))
            assert await dispatcher.idle(timedelta(seconds=5))

    (told,) = bench.emitted
    assert isinstance(told, TicketUpdate)
    assert told.status is OrderStatus.PARKED
    assert "hy|L1|r|led|1" in told.note
    assert "orders found" in told.note
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["order_parked"]
    assert len(bench.service.tickets.all()) == 1


async def test_with_park_a_person_has_it_sent_again(bench: Bench) -> None:
    """Who looked and found none: it goes out as it is, and says nothing of a second one."""
    bench.service.script.replace([{"match": "create", "kind": "reset", "times": 1}])
    await bench.add("a")
    async with bench.dispatcher(Capability.NEITHER, PARK) as dispatcher:
        await until(lambda: bench.counts() == (0, 1, 0))
        bench.state.db.execute("UPDATE outbox SET state = 'pending', repeats = 0")
        dispatcher.look()
        await until(lambda: bench.counts() == (0, 0, 1))

    assert bench.titles() == ["水压过低"]


@pytest.mark.parametrize(("ambiguity", "insist"), [(REPEAT, False), (PARK, True)])
async def test_with_repeat_it_is_sent_again_and_says_so(bench: Bench, ambiguity: Ambiguity, insist: bool) -> None:  # noqa: FBT001
    """Never none: the second says that it may be one, and people are told; safety does so wherever others park."""
    bench.service.script.replace([LOST])
    await bench.add("a", insist=insist)
    async with bench.dispatcher(Capability.NEITHER, ambiguity):
        await until(lambda: bench.counts() == (0, 0, 1))

    first, second = bench.service.tickets.all()
    assert (first.title, second.title) == ("水压过低", "【可能重复】水压过低")
    assert "保留较早的一张" in second.workContent
    assert bench.refs() == [second.workNo]
    (told,) = bench.emitted
    assert isinstance(told, Command)
    assert (told.name, told.target, told.user) == ("order_repeated", "a", "gateway")


async def test_a_site_may_park_safety_too(bench: Bench) -> None:
    """Only where it says so."""
    bench.service.script.replace([LOST])
    await bench.add("a", insist=True)
    async with bench.dispatcher(Capability.NEITHER, replace(PARK, safety=OnAmbiguous.PARK)):
        await until(lambda: bench.counts() == (0, 1, 0))

    assert len(bench.service.tickets.all()) == 1


async def test_after_a_kill_in_the_middle_park_parks_and_repeat_repeats(bench: Bench) -> None:
    """The mark says that it may have been asked for, whether or not the request had gone out."""
    await bench.add("ordinary")
    await bench.add("safety", insist=True)
    await bench.state.run_job(lambda db: outbox.intend(db, 1, T0))
    await bench.state.run_job(lambda db: outbox.intend(db, 2, T0))
    async with bench.dispatcher(Capability.NEITHER, PARK):
        await until(lambda: bench.counts() == (0, 1, 1))

    assert bench.titles() == ["【可能重复】水压过低"]


async def test_a_note_without_an_answer_is_written_once_more_and_no_more(bench: Bench) -> None:
    """The second says that it may be one; then a person is told, and the next note goes on."""
    await bench.add("a")
    await bench.add("a", action=OutboxAction.UPDATE)
    await bench.add("a", action=OutboxAction.RECOVER)
    bench.service.script.replace([{"match": "remark", "kind": "reset_after_create", "times": 2}])
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 1, 2))

    (ticket,) = bench.service.tickets.all()
    assert [remark[:5] for remark in ticket.remarks] == ["水压过低", "（可能重复", "水压过低"]
    assert [type(told) for told in bench.emitted] == [Command]


async def test_a_refused_note_is_told_and_holds_nothing(bench: Bench) -> None:
    """It is parked, people hear of it, and the next goes on."""
    await bench.add("a")
    await bench.add("a", action=OutboxAction.UPDATE)
    await bench.add("a", action=OutboxAction.RECOVER)
    bench.service.script.replace([{"match": "remark", "kind": "answer", "body": {"code": "1006", "msg": "工单已归档"}}])
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 1, 2))

    (told,) = bench.emitted
    assert isinstance(told, Command)
    assert (told.name, told.reason) == ("order_note_refused", "1006 工单已归档")


async def test_a_ticket_that_was_taken_without_a_number_is_searched_for(state: StateFile) -> None:
    """However late the search finds it, nothing is created again, and the service is not called lost."""
    async with erp.serving(erp.Habits(token="t", lag=0.3)) as service:  # noqa: S106  nobody's
        bench = Bench(state, service)
        await bench.add("a")
        with structlog.testing.capture_logs() as logs:
            async with bench.dispatcher():
                await until(lambda: state.db.execute("SELECT taken FROM outbox").fetchone() == (1,))
                state.db.execute("UPDATE outbox SET next_at = 0")
            async with bench.dispatcher():
                await until(lambda: bench.counts() == (0, 0, 1))

        (ticket,) = service.tickets.all()
    assert bench.refs() == [ticket.workNo]
    assert {entry["event"] for entry in logs} == {"ticket_unnamed", "ticket_found", "delivered"}


async def test_what_was_taken_and_is_never_found_is_a_persons(bench: Bench) -> None:
    """After many searches; nothing was created again."""
    await bench.add("a")
    await bench.state.run_job(lambda db: outbox.intend(db, 1, T0))
    bench.state.db.execute("UPDATE outbox SET taken = 1, attempts = 20")
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 1, 0))

    assert bench.service.tickets.all() == []
    assert bench.state.db.execute("SELECT taken, tried_at FROM outbox").fetchone() == (0, None)


async def test_a_refused_picture_wakes_nobody(bench: Bench) -> None:
    """It is parked and logged; the order and its words are there."""
    await bench.add("a")
    await bench.add("a", action=OutboxAction.CHART)
    bench.service.script.replace([{"match": "remark", "kind": "answer", "body": {"code": "1004", "msg": "内容超长"}}])
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 1, 1))

    assert bench.emitted == []
