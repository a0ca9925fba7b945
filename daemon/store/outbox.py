"""Outbox: deliveries to the ticketing service, written in the transaction that decided them.

    add ─> pending ─┬─> delivered   a receipt
                    ├─> pending     postponed: attempts + 1, due again later
                    └─> parked      given up; a person must look at it

One order's deliveries go in the order they were written, its create first. Functions that write run on the writer,
inside its transaction.
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


class Followed(NamedTuple):
    """An order in hand whose ticket is known."""

    ref: str
    key: str
    created_at: datetime


class Counts(NamedTuple):
    """The conservation identity: added = pending + parked + delivered."""

    pending: int
    oldest_pending_at: datetime | None
    parked: int
    delivered: int


def add(db: sqlite3.Connection, order_key: str, action: OutboxAction, body: Mapping[str, Any], at: datetime) -> None:
    """Write down a delivery. Its `level` (`I`, `II`, `III`), if it has one, decides who goes first."""
    level = Level[body["level"]] if body.get("level") else Level.I
    db.execute(_SQL["add"], (order_key, action, int(level), orjson.dumps(body), to_ms(at), to_ms(at)))


def due(db: sqlite3.Connection, now: datetime, limit: int) -> list[Delivery]:
    """The deliveries that may go now, at most one per order, Level I first, then oldest."""
    return [_delivery(row) for row in db.execute(_SQL["due"], (to_ms(now), limit)).fetchall()]


def untried(db: sqlite3.Connection, limit: int) -> list[Delivery]:
    """Likewise, only those that were never tried: a new one does not wait for the back-off of the old ones."""
    return [_delivery(row) for row in db.execute(_SQL["untried"], (limit,)).fetchall()]


def _delivery(row: Sequence[Any]) -> Delivery:
    id_, key, action, level, body, attempts, created_at, ref = row
    return Delivery(id_, key, OutboxAction(action), Level(level), bytes(body), attempts, from_ms(created_at), ref)


def followed(db: sqlite3.Connection, limit: int = 10_000) -> list[Followed]:
    """Tickets whose orders are in hand, the oldest first."""
    return [Followed(ref, key, from_ms(at)) for ref, key, at in db.execute(_SQL["followed"], (limit,))]


def newest(db: sqlite3.Connection) -> int:
    """The number of the newest delivery; when it changes, something was added."""
    return int(db.execute(_SQL["newest"]).fetchone()[0])


def next_at(db: sqlite3.Connection, now: datetime) -> datetime | None:
    """When the next delivery after `now` is due; None when none is that could go."""
    (ms,) = db.execute(_SQL["next_at"], (to_ms(now),)).fetchone()
    return None if ms is None else from_ms(ms)


def delivered(db: sqlite3.Connection, delivery_id: int, ref: str | None, at: datetime) -> None:
    """Keep the receipt; the work order counts as sent from then on. `ref` is the ticket's reference of a create."""
    db.execute(_SQL["delivered"], (to_ms(at), ref, delivery_id))
    db.execute(_SQL["order_moved"], (OrderStatus.SENT, to_ms(at), delivery_id))


def postponed(db: sqlite3.Connection, delivery_id: int, error: str, next_at: datetime) -> None:
    """Not now: due again at `next_at`."""
    db.execute(_SQL["postponed"], (to_ms(next_at), error[:_LONGEST_ERROR], delivery_id))


def parked(db: sqlite3.Connection, delivery_id: int, error: str, at: datetime) -> None:
    """Never: a person must look at it. A parked create holds the order's other deliveries."""
    db.execute(_SQL["parked"], (error[:_LONGEST_ERROR], delivery_id))
    db.execute(_SQL["order_moved"], (OrderStatus.PARKED, to_ms(at), delivery_id))


def waiting(db: sqlite3.Connection) -> tuple[int, datetime | None]:
    """How many deliveries wait, and since when the oldest does."""
    count, oldest = db.execute(_SQL["pending"]).fetchone()
    return count, None if oldest is None else from_ms(oldest)


def counts(db: sqlite3.Connection) -> Counts:
    """How many deliveries stand where."""
    pending, oldest, parked_count, delivered_count = db.execute(_SQL["counts"]).fetchone()
    return Counts(pending, None if oldest is None else from_ms(oldest), parked_count, delivered_count)
