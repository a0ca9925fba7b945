"""The dispatcher against the stand-in ticketing service, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import structlog
from pydantic import SecretStr

from daemon.clock import SiteClock
from daemon.model import Input, OrderStatus, OutboxAction, Retry, Taken, TicketUpdate, from_ms
from daemon.outputs.dispatcher import Dispatcher, Effort
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink
from daemon.store import outbox
from daemon.store.db import fact
from daemon.supervisor import Backoff
from simulators import ticketing
from simulators.ticketing.store import Said

if TYPE_CHECKING:
    from tests.unit.outputs.conftest import StateFile

T0 = from_ms(1_795_300_000_000)
QUICK = Effort(backoff=Backoff(0.002, 0.02), poll_interval=timedelta(milliseconds=5))
TEXT = {"zh": "电梯安全回路断开", "en": "Safety chain open"}


def order(key: str, **changed: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    return {
        "key": key, "site": "hy", "building": "B3", "asset": "L1", "asset_name": TEXT, "rule": "chain", "level": "I",
        "category": "safety", "type": "pre_complaint", "title": TEXT, "cause": TEXT, "consequence": TEXT, "steps": [],
        "basis": "GB", "households": 3, "active_at": "2026-11-21T08:00:00.000Z",
        "created_at": "2026-11-21T08:00:00.000Z", "respond_by": "2026-11-21T08:15:00.000Z", "late": False,
        "observed": [], "rules_hash": "0", **changed,
    }  # fmt: skip


def note(kind: str = "recovery") -> dict[str, Any]:
    return {"kind": kind, "at": "2026-11-21T08:09:30.000Z", "text": TEXT, "level": "I", "observed": []}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


class Bench:
    """A dispatcher between a state file and the stand-in service."""

    def __init__(self, state: StateFile, service: ticketing.Ticketing) -> None:
        self.state = state
        self.service = service
        #: What came in, and apart from it what tells orders that the service has them.
        self.emitted: list[Input] = []
        self.receipts: list[TicketUpdate] = []

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        """`Emit`, without a pipeline behind."""
        assert not urgent
        assert taken is None
        receipts = [item for item in inputs if isinstance(item, TicketUpdate) and item.stamp == "sent"]
        self.receipts += receipts
        self.emitted += [item for item in inputs if item not in receipts]

    @contextlib.asynccontextmanager
    async def dispatcher(
        self, *, patience: str = "5s", token: str | None = None, effort: Effort = QUICK
    ) -> AsyncIterator[Dispatcher]:
        """A dispatcher that runs, and is cancelled at the end as a kill would."""
        config = TicketingConfig.model_validate(
            {"url": self.service.url, "timeout": patience, "token": SecretStr(token) if token else None}
        )
        async with TicketingSink(config, "hy") as sink:
            made = Dispatcher(
                sink,
                self.state.path,
                run_job=self.state.run_job,
                emit=self.emit,
                clock=SiteClock(),
                effort=effort,
            )
            task = asyncio.create_task(made.run())
            yield made
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def add(self, *orders: dict[str, Any], key: str = "", action: OutboxAction = OutboxAction.CREATE) -> None:
        for body in orders:
            await self.state.run_job(lambda db, body=body: outbox.add(db, key or body["key"], action, body, T0))  # type: ignore[misc]

    def counts(self) -> tuple[int, int, int]:
        """Pending, parked, delivered."""
        found = outbox.counts(self.state.db)
        return found.pending, found.parked, found.delivered

    def errors(self) -> list[str]:
        return [row[0] for row in self.state.db.execute("SELECT last_error FROM outbox ORDER BY id")]


@pytest.fixture
async def bench(state: StateFile) -> AsyncIterator[Bench]:
    async with ticketing.serving() as service:
        yield Bench(state, service)


async def test_an_order_and_its_recovery_arrive_once_and_in_order(bench: Bench) -> None:
    """The create gives the ticket, the note is written on it, both have their receipts."""
    await bench.add(order("a"))
    await bench.add(note(), key="a", action=OutboxAction.RECOVER)
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 0, 2))

    (record,) = bench.service.store.find()
    assert record["key"] == "a"
    assert [given["kind"] for given in record["notes"]] == ["recovery"]
    assert bench.state.db.execute("SELECT ref FROM outbox WHERE id = 1").fetchone() == (record["id"],)


async def test_what_is_added_later_goes_at_once(bench: Bench) -> None:
    """The commit wakes the dispatcher; nobody polls the outbox."""
    async with bench.dispatcher() as dispatcher:
        assert await dispatcher.idle(timedelta(seconds=5))
        await bench.add(order("a"))
        dispatcher.wake()
        idle = await dispatcher.idle(timedelta(seconds=5))

        assert idle
        assert bench.counts() == (0, 0, 1)


@pytest.mark.parametrize(
    "failure",
    [
        {"kind": "timeout_after_create", "hold": 0.4},
        {"kind": "reset_after_create"},
        {"kind": "timeout_before", "hold": 0.4},
        {"kind": "reset_before"},
        {"kind": "status_5xx", "status": 500},
        {"kind": "status", "status": 504},
    ],
    ids=lambda failure: str(failure["kind"]),
)
async def test_whatever_happens_to_a_create_there_is_one_ticket(bench: Bench, failure: dict[str, Any]) -> None:
    """After a failure that may or may not have created, the same key settles it."""
    bench.service.script.replace([{"match": "create", "times": 2, **failure}])
    await bench.add(order("a"))
    async with bench.dispatcher(patience="200ms"):
        await until(lambda: bench.counts() == (0, 0, 1))

    assert [record["key"] for record in bench.service.store.find()] == ["a"]
    assert bench.state.db.execute("SELECT attempts FROM outbox").fetchone() == (3,)


async def test_a_note_that_is_repeated_stands_once(bench: Bench) -> None:
    """Notes have keys of their own."""
    bench.service.script.replace([{"match": "note", "kind": "reset_after_create", "times": 2}])
    await bench.add(order("a"))
    await bench.add(note("update"), key="a", action=OutboxAction.UPDATE)
    await bench.add(note(), key="a", action=OutboxAction.RECOVER)
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 0, 3))

    (record,) = bench.service.store.find()
    assert [given["kind"] for given in record["notes"]] == ["update", "recovery"]


async def test_a_receipt_lost_in_a_crash_makes_no_second_ticket(bench: Bench) -> None:
    """The service had answered, the receipt was not committed: the next start sends the same create again."""
    await bench.add(order("a"))
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 0, 1))
    bench.state.db.execute("UPDATE outbox SET state = 'pending', ref = NULL")

    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 0, 1))

    assert len(bench.service.store.find()) == 1
    assert bench.service.store.tally()["creates_repeated"] == 1


async def test_what_the_service_will_never_take_is_parked(bench: Bench) -> None:
    """A bad body is told to a person with the service's words; it holds its own notes, and no other order."""
    await bench.add(order("bad", category="nonsense"), order("good"))
    await bench.add(note(), key="bad", action=OutboxAction.RECOVER)
    with structlog.testing.capture_logs() as logs:
        async with bench.dispatcher() as dispatcher:
            await until(lambda: bench.counts() == (1, 1, 1))
            assert await dispatcher.idle(timedelta(seconds=5))

    (parked,) = [entry for entry in logs if entry["event"] == "order_parked"]
    assert parked["order"] == "bad"
    assert "category" in parked["error"]
    assert parked["advice"]


async def test_another_body_under_a_used_key_is_parked(bench: Bench) -> None:
    """409 never mends itself."""
    bench.service.store.create(order("a", households=99))
    await bench.add(order("a"))
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 1, 0))

    assert "409" in bench.errors()[0]


async def test_a_wrong_token_keeps_everything(state: StateFile) -> None:
    """Orders wait until a person mends the token; the words say so once."""
    async with ticketing.serving(token="right") as service:  # noqa: S106  nobody's
        bench = Bench(state, service)
        await bench.add(order("a"), order("b"))
        with structlog.testing.capture_logs() as logs:
            async with bench.dispatcher(token="wrong"):  # noqa: S106  nobody's
                await until(lambda: all("token is refused" in error for error in bench.errors()))
        assert bench.counts() == (2, 0, 0)
        state.db.execute("UPDATE outbox SET next_at = 0")  # a minute later
        async with bench.dispatcher(token="right"):  # noqa: S106  nobody's
            await until(lambda: bench.counts() == (0, 0, 2))

    assert len([entry for entry in logs if entry["event"] == "ticketing_lost"]) == 1


async def test_a_hanging_order_holds_up_no_other(bench: Bench) -> None:
    """Orders are served side by side."""
    bench.service.script.replace([{"match": "create", "kind": "timeout_before", "hold": 3, "times": 3}])
    await bench.add(*(order(f"o{n}") for n in range(20)))
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (3, 0, 17))


async def test_a_dead_service_is_not_hammered_and_a_new_order_is_tried_at_once(bench: Bench) -> None:
    """Old deliveries share one slow pulse; a new one does not wait for it."""
    bench.service.script.replace([{"kind": "status_5xx", "times": 1_000_000}])
    await bench.add(*(order(f"o{n}") for n in range(8)))
    async with bench.dispatcher(effort=Effort(backoff=Backoff(600, 600))) as dispatcher:
        await until(lambda: all(bench.errors()))
        assert await dispatcher.idle(timedelta(seconds=5))
        before = bench.service.script.played["status"]
        await bench.add(order("new"))
        dispatcher.wake()
        await until(lambda: all(bench.errors()))

        assert await dispatcher.idle(timedelta(seconds=5))
        assert bench.service.script.played["status"] - before <= 2  # the new one, and maybe a poll
    assert bench.counts() == (9, 0, 0)


async def test_a_service_that_comes_back_gets_everything(bench: Bench) -> None:
    """After an outage every order is there once, and both ends of it were logged once."""
    bench.service.script.replace([{"match": "create", "kind": "status_5xx", "times": 30}])
    await bench.add(*(order(f"o{n}") for n in range(12)))
    with structlog.testing.capture_logs() as logs:
        async with bench.dispatcher():
            await until(lambda: bench.counts() == (0, 0, 12))

    assert sorted(record["key"] for record in bench.service.store.find()) == sorted(f"o{n}" for n in range(12))
    events = [entry["event"] for entry in logs]
    assert events.count("ticketing_back") >= 1
    assert events.count("ticketing_lost") == events.count("ticketing_back")


async def test_a_full_outbox_is_told_once_and_loses_nothing(bench: Bench) -> None:
    """The words name the address, how many wait, since when, and what to do."""
    bench.service.script.replace([{"match": "create", "kind": "status_5xx", "times": 10}])
    await bench.add(*(order(f"o{n}") for n in range(10)))
    with structlog.testing.capture_logs() as logs:
        async with bench.dispatcher(effort=replace(QUICK, warn_pending=5)):
            await until(lambda: bench.counts() == (0, 0, 10))

    full = [entry for entry in logs if entry["event"] == "outbox_full"]
    assert len(full) == 1
    assert full[0]["url"] == bench.service.url
    assert full[0]["waiting"] == 10
    assert full[0]["since"].startswith("2026-11-21T22:26")
    assert "outbox_drained" in [entry["event"] for entry in logs]


async def test_what_persons_do_comes_back_as_inputs(bench: Bench) -> None:
    """Each change is an input once; the cursor survives a restart."""
    await bench.add(order("a"))
    async with bench.dispatcher():
        await until(lambda: bench.counts() == (0, 0, 1))
        bench.service.store.act("T000001", "accept", "张师傅", "五分钟到")
        await until(lambda: len(bench.emitted) == 1 and fact(bench.state.db, "changes_cursor:ticketing") != "")
    bench.service.store.act("T000001", "finish", "张师傅", "")
    bench.service.store.say("T000001", Said("李主管", "已回访", stamp="called_back", team="电梯班"))
    async with bench.dispatcher():
        await until(lambda: len(bench.emitted) == 3)

    first, second, third = bench.emitted
    assert isinstance(first, TicketUpdate)
    assert isinstance(second, TicketUpdate)
    assert isinstance(third, TicketUpdate)
    assert (first.stamp, second.stamp) == (None, None)
    assert (third.status, third.stamp, third.note) == (OrderStatus.DONE, "called_back", "电梯班 · 已回访")
    assert (first.team, third.team) == ("", "电梯班")
    assert (first.key, first.status, first.by, first.note) == ("a", OrderStatus.ACCEPTED, "张师傅", "五分钟到")
    assert first.changed_at is not None
    assert second.status is OrderStatus.DONE


async def test_polling_survives_bad_days(bench: Bench) -> None:
    """A poll that fails is tried again with the same cursor."""
    bench.service.script.replace(
        [{"match": "poll", "kind": "status_5xx", "times": 3}, {"match": "poll", "kind": "reset"}]
    )
    bench.service.store.create(order("a"))
    bench.service.store.act("T000001", "reject", "李工", "误报")
    async with bench.dispatcher():
        await until(lambda: len(bench.emitted) == 1)

    (update,) = bench.emitted
    assert isinstance(update, TicketUpdate)
    assert update.status is OrderStatus.REJECTED


async def test_an_address_that_is_no_ticketing_service_keeps_orders(bench: Bench) -> None:
    """404 is a fault of the configuration, not of the order."""
    config = TicketingConfig(url=f"{bench.service.url}/wrong")
    async with TicketingSink(config, "hy") as sink:
        with pytest.raises(Retry, match=r"answered 404; check the url"):
            await sink.create("a", b"{}")


async def test_a_ticket_is_found_by_its_key(bench: Bench) -> None:
    """After a doubt: the reference of the ticket, or none."""
    config = TicketingConfig(url=bench.service.url)
    async with TicketingSink(config, "hy") as sink:
        ref = await sink.create("hy|L1|chain|led|1", orjson.dumps(order("hy|L1|chain|led|1")))
        found = await sink.find("hy|L1|chain|led|1")
        stranger = await sink.find("hy|L1|chain|led|2")

    assert found == ref
    assert stranger is None


async def test_a_receipt_is_told_to_the_order_also_after_a_kill(bench: Bench) -> None:
    """With the ticket's number; one that is kept and stands on no timeline is told at the next start."""
    await bench.add(order("a"))
    async with bench.dispatcher():
        await until(lambda: len(bench.receipts) == 1)
    (told,) = bench.receipts
    assert (told.key, told.status, told.note, told.by) == ("a", OrderStatus.SENT, "T000001", "gateway")
    bench.state.db.execute("INSERT INTO alarm VALUES (1, 'r', 'x', 'active', 1, 'good', 'own_order', 0, NULL, 'a',"
                           " NULL, NULL, NULL, 0, 1)")  # fmt: skip
    bench.state.db.execute(
        "INSERT INTO work_order (key, alarm_no, asset, rule, level, status, created_at, respond_by, changed_at,"
        " body, course)"
        " VALUES ('a', 1, 'x', 'r', 1, 'sent', 0, 0, 0, x'', x'')"
    )
    async with bench.dispatcher():
        await until(lambda: len(bench.receipts) == 2)

    assert bench.receipts[1].note == "T000001"
    assert bench.receipts[1].changed_at == told.changed_at
