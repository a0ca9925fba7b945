"""Outbox: deliveries to the ticketing service, written in the transaction that decided them.

    add ─> pending ─┬─> delivered   a receipt
                    ├─> pending     postponed: attempts + 1, due again later
                    └─> parked      given up; a person must look at it

One order's deliveries go in the order they were written, its create first and its charts last. Towards a service that
knows no keys what is about to be asked for is marked before (`intend`): a mark that stands says that it may have been
taken.
Functions that write run on the writer, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from daemon.model import Level, OrderStatus, OutboxAction, from_ms, to_ms
from daemon.store.statements import load

_SQL = load("outbox")
_LONGEST_ERROR = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to be asked of the ticketing service."""

    id: int
    order_key: str
    action: OutboxAction
    level: Level
    #: JSON, the same bytes each time.
    body: bytes
    #: How often it was tried.
    attempts: int
    created_at: datetime
    #: The ticket's reference; None for a create.
    ref: str | None
    #: It may have been taken without our knowing: when it was last asked for. None: it was not.
    tried_at: datetime | None = None
    #: How often it was asked for again all the same.
    repeats: int = 0
    #: Of a create: rather two tickets than none.
    insist: bool = False
    #: Of a create: it was taken, and its reference is searched for.
    taken: bool = False


class Doubt(NamedTuple):
    """What is to stand at a delivery of what may have been taken, see `Delivery`."""

    tried_at: datetime | None = None
    repeats: int = 0
    taken: bool = False


NO_DOUBT = Doubt()


class Followed(NamedTuple):
    """An order in hand whose ticket is known."""

    ref: str
    key: str
    created_at: datetime


class SecondLook(NamedTuple):
    """A ticket of which there may be a second one."""

    id: int
    order_key: str
    level: Level
    ref: str


class Asked(NamedTuple):
    """An order in hand, and what became of its create."""

    id: int
    order_key: str
    level: Level
    state: str
    #: The ticket's reference, once there is a receipt.
    ref: str | None


class Counts(NamedTuple):
    """The conservation identity: added = pending + parked + delivered."""

    pending: int
    oldest_pending_at: datetime | None
    parked: int
    delivered: int


def add(
    db: sqlite3.Connection,
    order_key: str,
    action: OutboxAction,
    body: Mapping[str, Any],
    at: datetime,
    *,
    insist: bool = False,
) -> None:
    """Write down a delivery. Its `level` (`I`, `II`, `III`), if it has one, decides who goes first; charts go last."""
    level = Level[body["level"]] if body.get("level") else Level.I
    level = max(Level) if action is OutboxAction.CHART else level
    db.execute(_SQL["add"], (order_key, action, int(level), orjson.dumps(body), to_ms(at), to_ms(at), int(insist)))


def due(db: sqlite3.Connection, now: datetime, limit: int) -> list[Delivery]:
    """The deliveries that may go now, at most one per order, Level I first, then oldest."""
    return [_delivery(row) for row in db.execute(_SQL["due"], (to_ms(now), limit)).fetchall()]


def untried(db: sqlite3.Connection, limit: int) -> list[Delivery]:
    """Likewise, only those that were never tried: a new one does not wait for the back-off of the old ones."""
    return [_delivery(row) for row in db.execute(_SQL["untried"], (limit,)).fetchall()]


def _delivery(row: Sequence[Any]) -> Delivery:
    id_, key, action, level, body, attempts, created_at, tried_at, repeats, insist, taken, ref = row
    return Delivery(
        id_, key, OutboxAction(action), Level(level), bytes(body), attempts, from_ms(created_at), ref,
        None if tried_at is None else from_ms(tried_at), repeats, bool(insist), bool(taken),
    )  # fmt: skip


def knows(db: sqlite3.Connection, order_key: str) -> bool:
    """Whether there is an order of that key."""
    return db.execute(_SQL["knows"], (order_key,)).fetchone() is not None


def followed(db: sqlite3.Connection, limit: int = 10_000) -> list[Followed]:
    """Tickets whose orders are in hand, the oldest first."""
    return [Followed(ref, key, from_ms(at)) for ref, key, at in db.execute(_SQL["followed"], (limit,))]


def in_hand(db: sqlite3.Connection, limit: int) -> list[Asked]:
    """The orders in hand with their creates, the oldest first."""
    rows = db.execute(_SQL["in_hand"], (limit,)).fetchall()
    return [Asked(id_, key, Level(level), state, ref) for id_, key, level, state, ref in rows]


def newest(db: sqlite3.Connection) -> int:
    """The number of the newest delivery; when it changes, something was added."""
    return int(db.execute(_SQL["newest"]).fetchone()[0])


def next_at(db: sqlite3.Connection, now: datetime) -> datetime | None:
    """When the next delivery after `now` is due; None when none is that could go."""
    (ms,) = db.execute(_SQL["next_at"], (to_ms(now),)).fetchone()
    return None if ms is None else from_ms(ms)


def intend(db: sqlite3.Connection, delivery_id: int, at: datetime) -> None:
    """It is about to be asked for: from here on it may have been taken."""
    db.execute(_SQL["intend"], (to_ms(at), delivery_id))


def settle(db: sqlite3.Connection, until: datetime) -> None:
    """What may have been taken is looked for no sooner than `until`: services find late what they took."""
    db.execute(_SQL["settle"], (to_ms(until),))


def delivered(
    db: sqlite3.Connection, delivery_id: int, ref: str | None, at: datetime, look_at: datetime | None = None
) -> None:
    """Keep the receipt; the work order counts as sent from then on.

    Args:
        db: the writer's.
        delivery_id: which.
        ref: of a create, the ticket's reference.
        at: site time.
        look_at: when a second ticket is to be looked for; None: there can be none.
    """
    db.execute(_SQL["delivered"], (to_ms(at), ref, _ms(look_at), delivery_id))
    db.execute(_SQL["order_moved"], (OrderStatus.SENT, to_ms(at), delivery_id))


def untold(db: sqlite3.Connection) -> list[tuple[str, str, datetime]]:
    """Receipts of which the orders themselves do not know yet: order, ticket, and when it was taken."""
    return [(key, ref, from_ms(at)) for key, ref, at in db.execute(_SQL["untold"])]


def postponed(
    db: sqlite3.Connection,
    delivery_id: int,
    error: str,
    next_at: datetime,
    *,
    doubt: Doubt = NO_DOUBT,
) -> None:
    """Not now: due again at `next_at`."""
    row = (to_ms(next_at), error[:_LONGEST_ERROR], _ms(doubt.tried_at), doubt.repeats, int(doubt.taken), delivery_id)
    db.execute(_SQL["postponed"], row)


def parked(
    db: sqlite3.Connection, delivery_id: int, error: str, at: datetime, *, tried_at: datetime | None = None
) -> None:
    """Never: a person must look at it. A parked create holds the order's other deliveries.

    What is still marked as perhaps taken (`tried_at`) is looked for when a person has it tried again.
    """
    db.execute(_SQL["parked"], (error[:_LONGEST_ERROR], _ms(tried_at), delivery_id))
    db.execute(_SQL["order_moved"], (OrderStatus.PARKED, to_ms(at), delivery_id))


def found(db: sqlite3.Connection, order_key: str, ref: str, at: datetime) -> bool:
    """A person has found the ticket of a create that was given up; False when none was."""
    row = db.execute(_SQL["found"], (to_ms(at), ref, order_key)).fetchone()
    if row is None:
        return False
    db.execute(_SQL["order_moved"], (OrderStatus.SENT, to_ms(at), row[0]))
    return True


def second_looks(db: sqlite3.Connection, now: datetime, limit: int) -> list[SecondLook]:
    """Tickets of which a second one is to be looked for now."""
    rows = db.execute(_SQL["second_looks"], (to_ms(now), limit)).fetchall()
    return [SecondLook(id_, key, Level(level), ref) for id_, key, level, ref in rows]


def next_look(db: sqlite3.Connection) -> datetime | None:
    """When a second ticket is to be looked for next."""
    (ms,) = db.execute(_SQL["next_look"]).fetchone()
    return None if ms is None else from_ms(ms)


def looked(db: sqlite3.Connection, delivery_id: int, ref: str, again_at: datetime | None = None) -> None:
    """A second ticket was looked for; `ref` is the one that counts. `again_at`: it is looked for once more."""
    db.execute(_SQL["looked"], (_ms(again_at), ref, delivery_id))


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)


def waiting(db: sqlite3.Connection) -> tuple[int, datetime | None]:
    """How many deliveries wait, and since when the oldest does."""
    count, oldest = db.execute(_SQL["pending"]).fetchone()
    return count, None if oldest is None else from_ms(oldest)


def counts(db: sqlite3.Connection) -> Counts:
    """How many deliveries stand where."""
    pending, oldest, parked_count, delivered_count = db.execute(_SQL["counts"]).fetchone()
    return Counts(pending, None if oldest is None else from_ms(oldest), parked_count, delivered_count)
