"""Notices: what people are to be told, written in the transaction that decided it, then handed to channels.

    add ─> unaddressed ─> one delivery a channel: pending ─┬─> delivered
                                                           ├─> pending (postponed)
                                                           └─> parked

Which channels there are is known outside the pipeline and may change, so addressing is a job of its own.
Functions that write run on the writer, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from daemon.model import Level, from_ms, to_ms
from daemon.store.statements import load

_SQL = load("notices")
_LONGEST_ERROR = 1000


class Pending(NamedTuple):
    """One notice for one channel."""

    id: int
    notice_id: int
    order_key: str
    occasion: str
    level: Level
    at: datetime
    attempts: int
    #: {"staff": {"title": {zh, en}, "text": {zh, en}}, "residents": {zh, en} | None}
    body: dict[str, Any]


def add(
    db: sqlite3.Connection,
    order_key: str,
    occasion: str,
    roles: Sequence[str],
    level: Level,
    at: datetime,
    body: Mapping[str, Any],
) -> None:
    """Write down what the people in these roles are to be told."""
    row = (order_key, occasion, orjson.dumps(list(roles)), int(level), to_ms(at), orjson.dumps(body))
    db.execute(_SQL["add"], row)


def address(db: sqlite3.Connection, channels: Mapping[str, Iterable[str]]) -> int:
    """Hand new notices to the channels of their roles; `channels` gives the roles of each. Returns for how many."""
    told = {name: frozenset(roles) for name, roles in channels.items()}
    rows = db.execute(_SQL["unaddressed"]).fetchall()
    for notice_id, roles in rows:
        wanted = frozenset(orjson.loads(roles))
        to = [name for name, served in told.items() if served & wanted]
        for name in to:
            db.execute(_SQL["address"], (name, notice_id))
        db.execute(_SQL["addressed"], (len(to), notice_id))
    return len(rows)


def due(db: sqlite3.Connection, channel: str, now: datetime, limit: int) -> list[Pending]:
    """What a channel may send now, Level I first, then oldest."""
    return [
        Pending(id_, notice_id, key, occasion, Level(level), from_ms(at), attempts, orjson.loads(body))
        for id_, notice_id, key, occasion, level, at, attempts, body in db.execute(
            _SQL["due"], (channel, to_ms(now), limit)
        )
    ]


def next_at(db: sqlite3.Connection, channel: str) -> datetime | None:
    """When a channel has something to send next; None when nothing waits."""
    (ms,) = db.execute(_SQL["next_at"], (channel,)).fetchone()
    return None if ms is None else from_ms(ms)


def newest(db: sqlite3.Connection) -> int:
    """The number of the newest notice."""
    return int(db.execute(_SQL["newest"]).fetchone()[0])


def delivered(db: sqlite3.Connection, ids: Iterable[int], at: datetime) -> None:
    """The peer has taken them, in one message."""
    db.executemany(_SQL["delivered"], [(to_ms(at), id_) for id_ in ids])


def postponed(db: sqlite3.Connection, ids: Iterable[int], error: str, until: datetime) -> None:
    """Not now: due again at `until`."""
    db.executemany(_SQL["postponed"], [(to_ms(until), error[:_LONGEST_ERROR], id_) for id_ in ids])


def parked(db: sqlite3.Connection, ids: Iterable[int], error: str) -> None:
    """Given up; a person must look at it."""
    db.executemany(_SQL["parked"], [(error[:_LONGEST_ERROR], id_) for id_ in ids])


def counts(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """By channel: how many are pending, delivered, parked. `-` counts notices that nobody receives."""
    found: dict[str, dict[str, int]] = {}
    for channel, state, number in db.execute(_SQL["counts"]):
        found.setdefault(channel, {})[state] = number
    (nobody,) = db.execute(_SQL["nobody"]).fetchone()
    return found | ({"-": {"nobody": nobody}} if nobody else {})
