"""What a review of a span is made from: rows of orders, alarms, notices and mutes, read and never written.

What is said of an order counts to the span in which the order was created, whenever it happened.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from daemon.model import Disposition, Level, OrderStatus, from_ms, to_ms
from daemon.store.kpi import alarm_kpi
from daemon.store.mutes import Mute, MuteKind
from daemon.store.statements import load
from daemon.workorders.course import Course

_SQL = load("review")
#: Undelivered notices that are named one by one; the rest are counted.
_NAMED = 200
_NEVER = 2**63 - 1
_MS = timedelta(milliseconds=1)


class Span(NamedTuple):
    """From `begin` up to, but not including, `end`."""

    begin: datetime
    end: datetime

    @property
    def ms(self) -> tuple[int, int]:
        """As the file has it."""
        return to_ms(self.begin), to_ms(self.end)


class Happened(NamedTuple):
    """A line of an order's timeline."""

    at: datetime
    occasion: str
    promise: str
    by: str


class OrderRow(NamedTuple):
    """A work order as it stands, and everything that happened to it."""

    key: str
    alarm_no: int
    asset: str
    rule: str
    level: Level
    status: OrderStatus
    created_at: datetime
    changed_by: str
    team: str
    document: dict[str, Any]
    course: Course
    events: tuple[Happened, ...]


class AlarmRow(NamedTuple):
    """An alarm and what became of it."""

    no: int
    rule: str
    asset: str
    level: Level
    disposition: Disposition
    active_at: datetime
    cleared_at: datetime | None
    #: Of a child: the rule of the alarm on whose order it stands.
    parent_rule: str | None


class Undelivered(NamedTuple):
    """A notice that one channel has not delivered."""

    order_key: str
    at: datetime
    occasion: str
    channel: str
    state: str
    error: str


class Told(NamedTuple):
    """What became of notices."""

    #: All of them; those for which no channel is configured; those not handed to channels yet.
    notices: int
    nobody: int
    waiting: int
    #: By channel and state.
    deliveries: tuple[tuple[str, str, int], ...]
    #: The first of those that were not delivered.
    undelivered: tuple[Undelivered, ...]
    #: How many messages of a missed deadline went to each role.
    escalated: dict[str, int]


class Rows(NamedTuple):
    """Everything of a span."""

    orders: list[OrderRow]
    alarms: list[AlarmRow]
    mutes: list[Mute]
    told: Told
    #: See `kpi.alarm_kpi`.
    kpi: dict[str, Any]


def read(db: sqlite3.Connection, span: Span) -> Rows:
    """Everything of a span; in a transaction of the caller it is all of one moment."""
    begin = span.begin - _MS  # figures of ISA-18.2 leave the begin of their span out and take its end in
    figures = alarm_kpi(db, span.end - _MS, span.end - _MS - begin)
    return Rows(orders(db, span), alarms(db, span), mutes(db, span), told(db, span), figures)


def life(db: sqlite3.Connection) -> Span | None:
    """The first and the newest moment of which the ledger tells; None: it is empty."""
    (born,) = db.execute(_SQL["born"]).fetchone()
    (last,) = db.execute(_SQL["last"]).fetchone()
    return None if born == _NEVER or not last else Span(from_ms(born), from_ms(max(born, last)))


def orders(db: sqlite3.Connection, span: Span) -> list[OrderRow]:
    """The orders created in a span, the oldest first."""
    events: dict[str, list[Happened]] = {}
    for order_key, at, occasion, promise, by in db.execute(_SQL["events"], span.ms):
        events.setdefault(order_key, []).append(Happened(from_ms(at), occasion, promise, by))
    return [
        OrderRow(
            key,
            alarm_no,
            asset,
            rule,
            Level(level),
            OrderStatus(status),
            from_ms(created),
            by,
            team,
            orjson.loads(body),
            Course.from_json(orjson.loads(course)),
            tuple(events.get(key, ())),
        )
        for key, alarm_no, asset, rule, level, status, created, by, team, body, course in db.execute(
            _SQL["orders"], span.ms
        )
    ]


def alarms(db: sqlite3.Connection, span: Span) -> list[AlarmRow]:
    """The alarms that opened in a span, the oldest first."""
    return [
        AlarmRow(
            no, rule, asset, Level(level), Disposition(disposition), from_ms(active), _moment(cleared), parent_rule
        )
        for no, rule, asset, level, disposition, active, cleared, parent_rule in db.execute(_SQL["alarms"], span.ms)
    ]


def mutes(db: sqlite3.Connection, span: Span) -> list[Mute]:
    """What was muted at some time of a span; `until` is when it ended."""
    return [
        Mute(no, MuteKind(kind), rule, asset, Level(level), from_ms(since), from_ms(until), user, reason)
        for no, kind, rule, asset, level, since, until, user, reason in db.execute(_SQL["mutes"], span.ms)
    ]


def told(db: sqlite3.Connection, span: Span) -> Told:
    """What became of the notices about the orders created in a span."""
    everything, nobody, waiting = db.execute(_SQL["notices"], span.ms).fetchone()
    undelivered = db.execute(_SQL["undelivered"], (*span.ms, _NAMED))
    return Told(
        everything,
        nobody,
        waiting,
        tuple((channel, state, n) for channel, state, n in db.execute(_SQL["told"], span.ms)),
        tuple(Undelivered(key, from_ms(at), *rest) for key, at, *rest in undelivered),
        dict(db.execute(_SQL["escalated"], span.ms).fetchall()),
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
