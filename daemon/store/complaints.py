"""Complaints of residents, each once, with what had come before it.

Functions that write run on the writer, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from daemon.complaint import Complaint
from daemon.model import from_ms, to_ms
from daemon.store.statements import load
from daemon.workorders.complaints import Answer, Episode, Outcome

_SQL = load("complaints")
_MS = timedelta(milliseconds=1)
_INSTRUMENT = "instrument"


class Kept(NamedTuple):
    """A complaint as the ledger holds it."""

    id: str
    made_at: datetime
    #: Site time at which the gateway learnt of it.
    taken_at: datetime
    #: An asset of the site; empty: nobody could tell.
    asset: str
    #: As it was said.
    said_asset: str
    building: str
    asset_kind: str
    category: str
    urgency: str
    channel: str
    text: str
    outcome: Outcome
    #: The order that had come before it, and by how much; empty and None: none had.
    order: str
    lead: timedelta | None
    #: The open order to which it belongs; empty: none.
    noted_on: str


def add(db: sqlite3.Connection, said: Complaint, asset: str, answer: Answer, noted_on: str) -> None:
    """Write down a complaint; one that was kept without an asset is written anew."""
    lead = None if answer.lead is None else answer.lead // _MS
    moments = (to_ms(said.made_at), to_ms(said.at))
    words = (asset, said.asset, said.building, said.asset_kind, said.category, said.urgency, said.channel, said.text)
    db.execute(_SQL["drop"], (said.id,))
    db.execute(_SQL["add"], (said.id, *moments, *words, answer.outcome, answer.order, lead, noted_on))


def find(db: sqlite3.Connection, name: str) -> Kept | None:
    """The complaint of that name."""
    row = db.execute(_SQL["find"], (name,)).fetchone()
    return None if row is None else _kept(row)


def between(db: sqlite3.Connection, start: datetime, end: datetime) -> list[Kept]:
    """Complaints made in [start, end), the oldest first."""
    return [_kept(row) for row in db.execute(_SQL["between"], (to_ms(start), to_ms(end)))]


def newest(db: sqlite3.Connection, limit: int) -> list[Kept]:
    """The newest complaints first."""
    return [_kept(row) for row in db.execute(_SQL["newest"], (limit,))]


def count_on(db: sqlite3.Connection, asset: str, since: datetime, until: datetime) -> int:
    """How many complaints about an asset were made after `since` and no later than `until`."""
    return int(db.execute(_SQL["count_on"], (asset, to_ms(since), to_ms(until))).fetchone()[0])


def count_of_order(db: sqlite3.Connection, key: str) -> int:
    """How many complaints belong to an order."""
    return int(db.execute(_SQL["count_of_order"], (key,)).fetchone()[0])


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many complaints there are by outcome."""
    return dict(db.execute(_SQL["counts"]).fetchall())


def watched_since(db: sqlite3.Connection) -> datetime | None:
    """When rules first came into force, as far as the audit reaches back."""
    (ms,) = db.execute(_SQL["watched_since"]).fetchone()
    return None if ms is None else from_ms(ms)


def episodes(db: sqlite3.Connection, subject: str, at: datetime, horizon: timedelta) -> list[tuple[str, Episode]]:
    """Alarms about an asset or device that may bear on a complaint made at `at`, each with its rule.

    Those whose orders are about an instrument are left out; what has no order must be told apart by its rule.
    """
    found = []
    since = to_ms(at) - horizon // _MS
    for rule, active, cleared, ordered, key, kind in db.execute(_SQL["episodes"], (subject, to_ms(at), since)):
        if kind != _INSTRUMENT:
            ordered_at = None if ordered is None else from_ms(ordered)
            cleared_at = None if cleared is None else from_ms(cleared)
            found.append((rule, Episode(from_ms(active), cleared_at, ordered_at, key or "")))
    return found


def in_hand(db: sqlite3.Connection, subject: str) -> list[str]:
    """Keys of the orders about an asset or device that somebody has in hand, the most urgent and newest first."""
    return [key for key, kind in db.execute(_SQL["in_hand"], (subject,)) if kind in {"pre_complaint", "incident"}]


def _kept(row: Sequence[Any]) -> Kept:
    kept = Kept(*row)
    return kept._replace(
        made_at=from_ms(row[1]),
        taken_at=from_ms(row[2]),
        outcome=Outcome(kept.outcome),
        lead=None if row[13] is None else row[13] * _MS,
    )
