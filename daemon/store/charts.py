"""Charts of orders: asked for in the transaction that decided, drawn later from the journal rows before it.

    ask ─> undrawn ─> (elsewhere: read the journal, draw) ─> drawn: its readings kept, the note in the outbox

Journal rows never change, so it does not matter when a chart is drawn; where rows had to make room, it has a gap.
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
    #: The readings it was drawn from, as `series_to_json` wrote them; None: it is not drawn yet. Empty: it failed.
    series: bytes | None


def ask(db: sqlite3.Connection, order_key: str, seq: int, plan: Plan) -> None:
    """Have a chart drawn of what was known at a journal row."""
    db.execute(_SQL["ask"], (order_key, plan.occasion, seq, plan.to_ms, plan.to_json()))


def newest(db: sqlite3.Connection) -> int:
    """The number of the newest chart; when it changes, one was asked for."""
    return int(db.execute(_SQL["newest"]).fetchone()[0])


def undrawn(db: sqlite3.Connection, limit: int) -> list[Asked]:
    """What is to be drawn, oldest first."""
    return [_asked(row) for row in db.execute(_SQL["undrawn"], (limit,)).fetchall()]


def of_order(db: sqlite3.Connection, order_key: str) -> list[Asked]:
    """The charts of an order, oldest first."""
    return [_asked(row) for row in db.execute(_SQL["of_order"], (order_key,)).fetchall()]


def active(db: sqlite3.Connection, about: tuple[str, str], since: int, until: int) -> tuple[Stretch, ...]:
    """When the alarm of a rule on an asset was active between two moments; the newest stretches, oldest first."""
    rows = db.execute(_SQL["active"], (*about, since, until, _MOST_ACTIVE)).fetchall()
    return tuple((begun, ended) for begun, ended in reversed(rows))


def drawn(db: sqlite3.Connection, chart: Asked, series: bytes, note: Mapping[str, Any] | None, at: datetime) -> bool:
    """Keep the readings of a chart, and hand its note to the outbox; False when that was done before.

    The note is as urgent as the order is by now.
    """
    if not db.execute(_SQL["drawn"], (series, chart.id)).rowcount:
        return False
    row = db.execute(_SQL["level"], (chart.order_key,)).fetchone()
    if row is not None and note is not None:
        body = {**note, "level": Level(row[0]).name}
        outbox.add(db, chart.order_key, OutboxAction.UPDATE, body, at)
    return True


def _asked(row: Sequence[Any]) -> Asked:
    id_, key, seq, plan, series = row
    return Asked(id_, key, seq, Plan.from_json(plan), None if series is None else bytes(series))
