"""Charts of orders: asked for in the transaction that decided, read and drawn later from the journal rows before it.

    ask ─> unread ─> (the journal is read) ─> kept ─> unsent ─> (once the service has the order: drawn) ─> noted

Journal rows never change, so it does not matter when a chart is drawn; where rows had to make room, it has a gap. Its
readings are kept at once, and its note written when it can go: an order that nobody has taken yet is enough to carry.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from daemon.charts.plan import Plan
from daemon.model import Level, OutboxAction
from daemon.store import outbox
from daemon.store.statements import load

_SQL = load("charts")
#: Begin and end of a stretch, in ms; an end of None: it goes on.
Stretch = tuple[int, int | None]
#: Stretches shown of an alarm that comes and goes.
_MOST_ACTIVE = 12


class Asked(NamedTuple):
    """A chart of an order."""

    id: int
    order_key: str
    #: The journal row up to which it shows readings.
    seq: int
    plan: Plan
    #: The readings that it shows, as `series_to_json` wrote them; None: not looked up yet. Empty: it failed.
    series: bytes | None


def ask(db: sqlite3.Connection, order_key: str, seq: int, plan: Plan) -> None:
    """Have a chart drawn of what was known at a journal row."""
    db.execute(_SQL["ask"], (order_key, plan.occasion, seq, plan.to_ms, plan.to_json()))


def newest(db: sqlite3.Connection) -> int:
    """The number of the newest chart; when it changes, one was asked for."""
    return int(db.execute(_SQL["newest"]).fetchone()[0])


def unread(db: sqlite3.Connection, limit: int) -> list[Asked]:
    """Charts whose readings are to be looked up, oldest first."""
    return [_asked(row) for row in db.execute(_SQL["unread"], (limit,)).fetchall()]


def unsent(db: sqlite3.Connection, limit: int) -> list[Asked]:
    """Charts that are to be drawn, oldest first: the ticketing service has their order."""
    return [_asked(row) for row in db.execute(_SQL["unsent"], (limit,)).fetchall()]


def waiting(db: sqlite3.Connection) -> bool:
    """Whether any chart has still to be read, drawn or sent."""
    return bool(db.execute(_SQL["waiting"]).fetchone()[0])


def of_order(db: sqlite3.Connection, order_key: str) -> list[Asked]:
    """The charts of an order, oldest first."""
    return [_asked(row) for row in db.execute(_SQL["of_order"], (order_key,)).fetchall()]


def active(db: sqlite3.Connection, about: tuple[str, str], since: int, until: int) -> tuple[Stretch, ...]:
    """When the alarm of a rule on an asset was active between two moments; the newest stretches, oldest first."""
    rows = db.execute(_SQL["active"], (*about, since, until, _MOST_ACTIVE)).fetchall()
    return tuple((begun, ended) for begun, ended in reversed(rows))


def keep(db: sqlite3.Connection, chart: Asked, series: bytes) -> None:
    """Keep the readings of a chart, once; with none it failed, and there will be no note."""
    db.execute(_SQL["keep"], (series, int(not series), chart.id))


def note(db: sqlite3.Connection, chart: Asked, body: Mapping[str, Any] | None, at: datetime) -> bool:
    """Hand a chart's note to the outbox, as urgent as the order is by now; False when that was done before."""
    if not db.execute(_SQL["noted"], (chart.id,)).rowcount:
        return False
    row = db.execute(_SQL["level"], (chart.order_key,)).fetchone()
    if row is not None and body is not None:
        outbox.add(db, chart.order_key, OutboxAction.CHART, {**body, "level": Level(row[0]).name}, at)
    return True


def _asked(row: Sequence[Any]) -> Asked:
    id_, key, seq, plan, series = row
    return Asked(id_, key, seq, Plan.from_json(plan), None if series is None else bytes(series))
