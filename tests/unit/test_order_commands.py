"""What a person may ask about orders and do about them, on a file, with the real spine behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from daemon.clock import SiteClock
from daemon.documents import build, read
from daemon.model import Input, OrderStatus, Taken, TicketUpdate
from daemon.order_commands import OrderCommands, TicketingPeer
from daemon.outputs import illustrator
from daemon.settings import shipped
from daemon.store import charts
from daemon.store.db import RECONCILE, fact
from daemon.workorders.sla import Sla
from tests.many_assets import at, begun, process, rows, ruleset, says, tick

T = TypeVar("T")
SLA = build(Sla, read(shipped() / "sla" / "residential.yaml"))


class Desk:
    """A pipeline on a file, its clock, and the commands that enter it."""

    def __init__(self, directory: Path) -> None:
        self.spine = begun([ruleset(directory)], directory / "state.db")
        self.spine.respond_by(SLA)
        clock = SiteClock(wall=at(20 * 60).timestamp, monotonic=lambda: 0.0)  # it stands still
        self.looked_over = 0
        peer = TicketingPeer(lambda: None, self.look_over, self.compare)
        self.commands = OrderCommands(directory / "state.db", clock, self.emit, self.run_job, peer)

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        assert urgent
        assert taken is None
        process(self.spine, *inputs)

    def look_over(self) -> None:
        self.looked_over += 1

    async def compare(self) -> dict[str, Any]:
        return {"compared": 7}

    def run_job(self, job: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        async def done() -> T:
            return job(self.spine.db)

        return done()

    async def ask(self, name: str, **arguments: object) -> dict[str, Any]:
        return await self.commands.by_name()[name](arguments)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    process(desk.spine, says(0, "L0", state="worse"), tick(10 * 60), tick(16 * 60))
    yield desk
    desk.spine.db.close()


async def test_orders_in_hand_are_listed(desk: Desk) -> None:
    """With what is overdue; finished ones with `all`."""
    listed = await desk.ask("orders")
    key = listed["orders"][0]["key"]
    process(desk.spine, TicketUpdate(at(17 * 60), key, OrderStatus.REJECTED, "li"))

    assert [(row["status"], row["overdue"]) for row in listed["orders"]] == [("pending", ["respond"])]
    assert await desk.ask("orders") == {"orders": []}
    assert [row["status"] for row in (await desk.ask("orders", all=True))["orders"]] == ["rejected"]


async def test_an_order_is_shown_by_its_alarm(desk: Desk) -> None:
    """Promises, timeline and deliveries; by the number or by the key."""
    shown = await desk.ask("order", order="1")

    assert [event["occasion"] for event in shown["timeline"]] == ["created", "warned", "overdue"]
    assert [promise["missed"] for promise in shown["promises"]] == [True, False, False]
    assert [one["action"] for one in shown["deliveries"]] == ["create", "update"]
    assert await desk.ask("order", order=shown["key"]) == shown


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("order", {"order": "7"}, "there is no order '7'"),
        ("order", {"order": "9" * 30}, "there is no order"),
        (
            "order_stamp",
            {"order": "1", "stamp": "plann", "user": "li"},
            "knows accepted, arrived, done, rejected, verified",
        ),
        ("order_cancel", {"order": "1", "user": "li"}, "say why"),
        ("order_cancel", {"order": "1", "reason": "double"}, "say who"),
        ("order_retry", {"order": "1", "user": "li"}, "nothing of this order was given up"),
    ],
)
async def test_what_cannot_be_done_is_said(desk: Desk, name: str, arguments: dict[str, object], says: str) -> None:
    """And nothing is written."""
    with pytest.raises(ValueError, match=says):
        await desk.ask(name, **arguments)

    assert rows(desk.spine, "SELECT count(*) FROM audit WHERE action LIKE 'order%'") == [(0,)]


async def test_how_far_the_work_is_can_be_said_here(desk: Desk) -> None:
    """Where the ticketing service tells nothing back: as it would tell, under a person's name, and once."""
    accepted = await desk.ask("order_stamp", order="1", stamp="accepted", user="li", note="在路上")
    done = await desk.ask("order_stamp", order="1", stamp="done", user="li")
    again = await desk.ask("order_stamp", order="1", stamp="accepted", user="li")
    audit = rows(desk.spine, "SELECT user, action, detail FROM audit WHERE action LIKE 'ticket%' ORDER BY id")

    assert (accepted["status"], done["status"], again["status"]) == ("accepted", "verifying", "verifying")
    assert audit[:2] == [("li", "ticket_accepted", "在路上"), ("li", "ticket_done", "")]
    with pytest.raises(ValueError, match="say who"):
        await desk.ask("order_stamp", order="1", stamp="rejected")
    await desk.ask("order_stamp", order="1", stamp="rejected", user="li")
    with pytest.raises(ValueError, match="this order is rejected; it is over"):
        await desk.ask("order_stamp", order="1", stamp="done", user="li")


async def test_a_cancelled_order_is_over(desk: Desk) -> None:
    """The ticket is told, and nothing is due."""
    answer = await desk.ask("order_cancel", order="1", user="li", reason="重复")

    assert (answer["status"], answer["next_at"]) == ("cancelled", None)
    with pytest.raises(ValueError, match="nothing is left to cancel"):
        await desk.ask("order_cancel", order="1", user="li", reason="again")


async def test_what_was_refused_is_tried_again(desk: Desk) -> None:
    """A parked create waits once more."""
    key = (await desk.ask("order", order="1"))["key"]
    process(desk.spine, TicketUpdate(at(17 * 60), key, OrderStatus.PARKED, "gateway"))
    desk.spine.db.execute("UPDATE outbox SET state = 'parked' WHERE action = 'create'")

    answer = await desk.ask("order_retry", order="1", user="li")

    assert answer["status"] == "pending"
    assert rows(desk.spine, "SELECT state, attempts FROM outbox WHERE action = 'create'") == [("pending", 0)]


async def test_reconciling_looks_both_ways(desk: Desk) -> None:
    """Orders against tickets at once; that tickets are held against orders stands in the file, over a restart."""
    assert await desk.ask("orders_reconcile") == {"compared": 7}
    assert fact(desk.spine.db, RECONCILE) != ""
    assert desk.looked_over == 1


async def test_a_ticket_that_was_found_is_told(desk: Desk) -> None:
    """Only of what was given up, with a reference; the order is sent then."""
    with pytest.raises(ValueError, match="still being asked for"):
        await desk.ask("order_found", order="1", ref="WX1", user="li")
    desk.spine.db.execute("UPDATE outbox SET state = 'parked' WHERE action = 'create'")
    with pytest.raises(ValueError, match="give the ticket's reference"):
        await desk.ask("order_found", order="1", ref=" ", user="li")

    answer = await desk.ask("order_found", order="1", ref="WX1", user="li")

    assert answer["status"] == "sent"
    with pytest.raises(ValueError, match="its ticket is WX1"):
        await desk.ask("order_found", order="1", ref="WX2", user="li")


async def test_a_chart_is_given_as_it_was_sent(desk: Desk) -> None:
    """By its occasion, or the newest; what is not there or not read yet is said."""
    file = desk.commands.file
    (asked,) = charts.unread(desk.spine.db, 9)
    with pytest.raises(ValueError, match="ask again in a moment"):
        await desk.ask("order_chart", order="1")
    charts.keep(desk.spine.db, asked, illustrator.look_up(file, asked))
    (kept,) = charts.of_order(desk.spine.db, asked.order_key)
    sent = illustrator.illustrate(file, kept)
    assert sent is not None

    given = await desk.ask("order_chart", order="1")

    assert given["svg"] == sent["chart"]["data"]
    assert given == await desk.ask("order_chart", order="1", occasion="opened")
    assert [one["occasion"] for one in (await desk.ask("order", order="1"))["charts"]] == ["opened"]
    with pytest.raises(ValueError, match="no such chart; it has opened"):
        await desk.ask("order_chart", order="1", occasion="verified")
