"""Second tickets at a service that is searched, and orders held against its tickets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog

from daemon.clock import SiteClock
from daemon.model import Command
from daemon.outputs.comparing import Comparing
from daemon.outputs.duplicates import Duplicates, oldest
from daemon.outputs.sink import Capability
from daemon.store import outbox
from simulators import erp
from tests.erp_sink import ErpSink
from tests.unit.outputs.conftest import StateFile
from tests.unit.outputs.test_asking import LOST, T0, Bench, until

#: What a search says before it finds what was made.
NOTHING_YET = {"match": "search", "kind": "answer", "body": {"code": "0", "data": {"total": 0, "records": []}}}


@pytest.fixture
async def bench(state: StateFile) -> AsyncIterator[Bench]:
    async with erp.serving(erp.Habits(returns_id=True, token="t")) as service:  # noqa: S106  nobody's
        yield Bench(state, service)


def comparing(bench: Bench, capability: Capability = Capability.SEARCH) -> Comparing:
    sink, clock = ErpSink(bench.service.url, capability), SiteClock()
    path, run_job = bench.state.path, bench.state.run_job
    duplicates = Duplicates(sink, path, run_job=run_job, emit=bench.emit, clock=clock)
    return Comparing(sink, path, run_job, bench.emit, clock, duplicates)


def in_hand(bench: Bench, *keys: str) -> None:
    for n, key in enumerate(keys):
        bench.state.db.execute(
            "INSERT INTO alarm (no, rule, asset, state, level, data, disposition, active_at, decided_at, ordinary)"
            " VALUES (?, ?, 'L1', 'active', 1, 'good', 'own_order', 0, 0, 1)",
            (n + 1, key),
        )
        bench.state.db.execute(
            "INSERT INTO work_order (key, alarm_no, asset, rule, level, status, created_at, respond_by, changed_at,"
            " body, course) VALUES (?, ?, 'L1', 'chain', 1, 'sent', ?, 0, 0, x'', x'')",
            (key, n + 1, n),
        )


async def test_a_second_ticket_that_turns_up_late_is_called_off(bench: Bench) -> None:
    """The search came too early, so there are two: the older counts, the younger says so, people hear of it."""
    bench.service.script.replace([LOST, NOTHING_YET])
    await bench.add("a")
    with structlog.testing.capture_logs() as logs:
        async with bench.dispatcher():
            await until(lambda: bench.counts() == (0, 0, 1))
            first, second = bench.service.tickets.all()
            await until(lambda: bool(second.remarks) and bench.look_at() is None)

    assert bench.refs() == [first.workNo]
    assert first.remarks == []
    assert len(second.remarks) == 1
    assert first.workNo in second.remarks[0]
    (told,) = [entry for entry in logs if entry["event"] == "ticket_duplicate"]
    assert (told["kept"], told["others"]) == (first.workNo, [second.workNo])
    (word,) = bench.emitted
    assert isinstance(word, Command)
    assert (word.name, word.reason) == ("order_duplicate", f"{first.workNo} ← {second.workNo}")


async def test_an_order_follows_the_older_ticket_while_the_younger_cannot_be_told(bench: Bench) -> None:
    """A note that closed the younger, but whose answer was lost, must not be taken for the order's fate."""
    sink = ErpSink(bench.service.url)
    older = await sink.create("a", b'{"title": {"zh": "x"}}')
    younger = await sink.create("a", b'{"title": {"zh": "x"}}')
    bench.service.script.replace([{"match": "remark", "kind": "reset", "times": 1000}])
    await bench.add("a")
    await bench.state.run_job(lambda db: outbox.delivered(db, 1, younger, T0, T0))
    duplicates = Duplicates(sink, bench.state.path, run_job=bench.state.run_job, emit=bench.emit, clock=SiteClock())
    (look,) = outbox.second_looks(bench.state.db, T0, 1)
    await duplicates._look(look)

    assert bench.refs() == [older]
    assert bench.look_at() is not None


async def test_a_second_look_is_due_after_a_restart_too(bench: Bench) -> None:
    """It stands in the file. One that finds nothing but the ticket says nothing."""
    ref = await ErpSink(bench.service.url).create("a", b'{"title": {"zh": "x"}}')
    await bench.add("a")
    await bench.state.run_job(lambda db: outbox.delivered(db, 1, ref, T0, T0))
    async with bench.dispatcher():
        await until(lambda: bench.look_at() is None)

    assert bench.emitted == []
    assert bench.refs() == [ref]


async def test_a_service_that_refuses_the_second_look_is_not_asked_for_ever(bench: Bench) -> None:
    """Given up, and said."""
    bench.service.script.replace([{"match": "search", "kind": "answer", "body": {"code": "1009", "msg": "无权限"}}])
    await bench.add("a")
    await bench.state.run_job(lambda db: outbox.delivered(db, 1, "WX1", T0, T0))
    with structlog.testing.capture_logs() as logs:
        async with bench.dispatcher():
            await until(lambda: bench.look_at() is None)

    assert "second_look_given_up" in [entry["event"] for entry in logs]


async def test_orders_are_held_against_tickets(state: StateFile) -> None:
    """One is there, one given up is found, one has two, one is gone, one still waits."""
    async with erp.serving(erp.Habits(returns_id=True, token="t")) as service:  # noqa: S106  nobody's
        bench = Bench(state, service)
        sink = ErpSink(service.url)
        body = b'{"title": {"zh": "x"}}'
        refs = {key: await sink.create(f"|{key}|", body) for key in ("fine", "parked", "twice")}
        again = await sink.create("|twice|", body)
        for key in ("fine", "parked", "twice", "gone", "waits"):
            await bench.add(f"|{key}|")
        in_hand(bench, *(f"|{key}|" for key in ("fine", "parked", "twice", "gone", "waits")))
        outbox.delivered(state.db, 1, refs["fine"], T0)
        outbox.parked(state.db, 2, "in doubt", T0)
        outbox.delivered(state.db, 3, again, T0)
        outbox.delivered(state.db, 4, "WX-gone", T0)

        told = await comparing(bench).compare()

    assert told["found"] == [{"order": "|parked|", "ref": refs["parked"]}]
    assert told["duplicates"] == [{"order": "|twice|", "kept": refs["twice"], "others": [again]}]
    assert told["missing"] == [{"order": "|gone|", "ref": "WX-gone"}]
    assert (told["compared"], told["cannot"]) == (5, None)
    assert bench.refs()[2] == refs["twice"]
    assert [word.name for word in bench.emitted if isinstance(word, Command)] == ["order_found", "order_duplicate"]


async def test_what_a_comparison_could_not_finish_is_looked_at_again(bench: Bench) -> None:
    """The note on the younger failed: who looks for second tickets wakes up for it, not at the next start."""
    sink = ErpSink(bench.service.url)
    refs = [await sink.create("a", b'{"title": {"zh": "x"}}') for _ in range(2)]
    bench.service.script.replace([{"match": "remark", "kind": "reset"}])
    in_hand(bench, "a")
    await bench.add("a")
    outbox.delivered(bench.state.db, 1, refs[0], T0)
    comparison = comparing(bench)

    told = await comparison.compare()

    assert told["cannot"].startswith("after 0 of 1 orders:")
    assert bench.look_at() is not None
    assert comparison.duplicates._wake.is_set()


async def test_a_service_that_cannot_be_searched_says_what_is_left_to_do(bench: Bench) -> None:
    """A person compares; nothing is asked."""
    in_hand(bench, "a")
    await bench.add("a")

    told = await comparing(bench, Capability.NEITHER).compare()

    assert told["compared"] == 0
    assert "with the 1 orders in hand" in told["cannot"]
    assert "orders found" in told["cannot"]


async def test_a_service_that_is_down_says_how_far_it_got(bench: Bench) -> None:
    """Nothing is called missing for it."""
    in_hand(bench, "a")
    await bench.add("a")
    bench.service.script.replace([{"match": "search", "kind": "reset"}])

    told = await comparing(bench).compare()

    assert (told["missing"], told["compared"]) == ([], 0)
    assert told["cannot"].startswith("after 0 of 1 orders:")


def test_the_older_ticket_has_the_smaller_number() -> None:
    """Counted as numbers are: 9 before 10."""
    assert oldest(["WX202611220010", "WX20261122009", "WX202611220011"]) == "WX20261122009"
