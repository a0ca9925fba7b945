from __future__ import annotations

import re
import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from daemon.model import Level, OutboxAction, from_ms
from daemon.store import outbox
from daemon.store.db import connect

T0 = from_ms(1_795_300_000_000)
SECOND = timedelta(seconds=1)


@pytest.fixture
def db() -> sqlite3.Connection:
    return connect(":memory:")


def add(
    db: sqlite3.Connection,
    *keys: str,
    action: OutboxAction = OutboxAction.CREATE,
    level: str = "I",
    **body: Any,  # noqa: ANN401  JSON
) -> None:
    for key in keys:
        outbox.add(db, key, action, {"key": key, "level": level, **body}, T0)


def heads(db: sqlite3.Connection, at: timedelta = timedelta()) -> list[tuple[str, str]]:
    return [(delivery.order_key, delivery.action) for delivery in outbox.due(db, T0 + at, 10)]


def test_an_order_is_created_before_it_is_updated(db: sqlite3.Connection) -> None:
    """Only the head of each order's line is due, and it knows the ticket once there is one."""
    add(db, "a")
    add(db, "a", action=OutboxAction.UPDATE)
    add(db, "b")
    before = heads(db)
    outbox.delivered(db, 1, "T7", T0)

    after = outbox.due(db, T0, 10)

    assert before == [("a", "create"), ("b", "create")]
    assert [(d.id, d.order_key, d.ref) for d in after] == [(2, "a", "T7"), (3, "b", None)]


def test_level_one_goes_first_then_the_oldest(db: sqlite3.Connection) -> None:
    """An entrapment is never behind a hundred pieces of advice."""
    add(db, "advice", level="III")
    add(db, "older", "younger")
    add(db, "normal", level="II")

    found = outbox.due(db, T0, 3)

    assert [(d.order_key, d.level) for d in found] == [("older", Level.I), ("younger", Level.I), ("normal", Level.II)]


def test_a_postponed_delivery_holds_its_order_only(db: sqlite3.Connection) -> None:
    """The update waits behind its create; other orders go on; in time the create is due again."""
    add(db, "a")
    add(db, "a", action=OutboxAction.UPDATE)
    add(db, "b")
    outbox.postponed(db, 1, "503", T0 + SECOND)

    assert heads(db) == [("b", "create")]
    assert [d.order_key for d in outbox.untried(db, 10)] == ["b"]
    assert outbox.next_at(db, T0) == T0 + SECOND
    assert heads(db, SECOND) == [("a", "create"), ("b", "create")]
    assert outbox.due(db, T0 + SECOND, 1)[0].attempts == 1


def test_a_parked_create_holds_its_updates_and_a_parked_update_holds_nothing(db: sqlite3.Connection) -> None:
    """Without a ticket there is nothing to write on; with one, the recovery still reaches it."""
    add(db, "a", "b")
    for key in ("a", "b"):
        add(db, key, action=OutboxAction.UPDATE)
        add(db, key, action=OutboxAction.RECOVER)
    outbox.parked(db, 1, "422", T0)
    outbox.delivered(db, 2, "T2", T0)
    outbox.parked(db, 5, "422", T0)

    assert heads(db) == [("b", "recover")]
    assert outbox.next_at(db, T0) is None


def test_a_chart_holds_up_nothing(db: sqlite3.Connection) -> None:
    """A service that stumbles over pictures for ever still hears of the recovery; charts of one order keep theirs."""
    add(db, "a")
    for action in (OutboxAction.CHART, OutboxAction.CHART, OutboxAction.RECOVER):
        add(db, "a", action=action)
    add(db, "b", level="II")
    first = heads(db)
    outbox.delivered(db, 1, "T1", T0)
    then = heads(db)
    outbox.postponed(db, 4, "503", T0 + SECOND)
    held = heads(db)
    outbox.delivered(db, 4, None, T0)
    outbox.postponed(db, 2, "503", T0 + SECOND)

    assert first == [("a", "create"), ("b", "create")]
    assert then == [("a", "recover"), ("b", "create")]
    assert held == [("b", "create")]
    assert heads(db) == [("b", "create")]
    assert outbox.next_at(db, T0) == T0 + SECOND
    assert [(d.id, d.order_key) for d in outbox.due(db, T0 + SECOND, 10)] == [(5, "b"), (2, "a")]


def test_a_chart_goes_behind_every_order(db: sqlite3.Connection) -> None:
    """However urgent its own is: people can go without a picture for a while."""
    add(db, "urgent")
    outbox.delivered(db, 1, "T1", T0)
    add(db, "urgent", action=OutboxAction.CHART)
    add(db, "later", level="II")

    assert [order for order, _ in heads(db)] == ["later", "urgent"]


def test_everything_added_is_counted_somewhere(db: sqlite3.Connection) -> None:
    """Added = pending + parked + delivered, at any time."""
    add(db, "a", "b", "c", "d")
    outbox.delivered(db, 1, "T1", T0)
    outbox.parked(db, 2, "422", T0)
    outbox.postponed(db, 3, "503", T0 + SECOND)

    assert outbox.counts(db) == outbox.Counts(pending=2, oldest_pending_at=T0, parked=1, delivered=1)
    assert outbox.waiting(db) == (2, T0)


def test_a_receipt_moves_the_work_order(db: sqlite3.Connection) -> None:
    """Sent with its create's receipt, parked with its create; a status told meanwhile by the service stays."""
    db.execute(
        "INSERT INTO alarm VALUES (1, 'r', 'L1', 'active', 1, 'good', 'own_order', 0,NULL,NULL,NULL,NULL,NULL,0,1)"
    )
    for key, status in (("a", "pending"), ("b", "pending"), ("c", "accepted")):
        row = (key, 1, "L1", "r", 1, status, 0, 0, 0, "", "", b"{}", b"{}", None)
        db.execute("INSERT INTO work_order VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    add(db, "a", "b", "c")

    outbox.delivered(db, 1, "T1", T0)
    outbox.parked(db, 2, "422", T0)
    outbox.delivered(db, 3, "T3", T0)

    assert dict(db.execute("SELECT key, status FROM work_order")) == {"a": "sent", "b": "parked", "c": "accepted"}


def test_the_body_is_the_same_bytes_each_time(db: sqlite3.Connection) -> None:
    """A service that compares bodies sees no difference in a repeat."""
    add(db, "a", title={"zh": "电梯困人", "en": "entrapment"})

    first, second = (outbox.due(db, T0, 1)[0].body for _ in range(2))

    assert first == second == '{"key":"a","level":"I","title":{"zh":"电梯困人","en":"entrapment"}}'.encode()


def test_the_waiting_are_found_by_their_indexes(db: sqlite3.Connection) -> None:
    """Delivered rows stay in the table for years: no query walks through them."""
    for name, arguments in (("due", (0, 1)), ("untried", (1,)), ("next_at", (0,)), ("pending", ())):
        plan = " ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + outbox._SQL[name], arguments))

        assert re.search(r"(given|outbox) USING (COVERING )?INDEX outbox_(waiting|untried)", plan), name
        assert "TEMP B-TREE" not in plan


def test_tickets_of_orders_in_hand_are_followed(db: sqlite3.Connection) -> None:
    """Not those without a ticket yet, and not those that are over."""
    for n, status in enumerate(("sent", "verifying", "verified", "pending")):
        db.execute(
            "INSERT INTO alarm (no, rule, asset, state, level, data, disposition, active_at, decided_at, ordinary)"
            " VALUES (?, 'r', ?, 'active', 1, 'good', 'own', 0, 0, 1)",
            (n, f"a{n}"),
        )
        db.execute(
            "INSERT INTO work_order (key, alarm_no, asset, rule, level, status, created_at, respond_by, changed_at,"
            " body, course) VALUES (?, ?, 'a', 'r', 1, ?, ?, 0, 0, x'', x'')",
            (f"k{n}", n, status, 1_795_300_000_000 + n),
        )
    add(db, "k0", "k1", "k2", "k3")
    for n in (1, 2, 3):
        outbox.delivered(db, n, f"T{n}", T0)

    found = outbox.followed(db)

    assert [(f.ref, f.key) for f in found] == [("T1", "k0"), ("T2", "k1")]
    assert found[0].created_at == T0
