"""Ledger: durable decisions. Alarms, their transitions, work orders and the audit, exact as committed.

Identity kept by construction: alarms = orders + children + withheld, for an alarm row carries one disposition.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from daemon.model import (
    Alarm,
    AlarmState,
    DataState,
    Disposition,
    Level,
    OrderStatus,
    Transition,
    WorkOrder,
    from_ms,
    to_ms,
)
from daemon.store.db import fact
from daemon.store.statements import load

_SQL = load("ledger")


class OrderRow(NamedTuple):
    """A work order as it stands; `document` is what was sent at its creation."""

    key: str
    alarm_no: int
    asset: str
    rule: str
    level: Level
    status: OrderStatus
    created_at: datetime
    respond_by: datetime
    changed_at: datetime
    changed_by: str
    document: dict[str, Any]


class Stretch(NamedTuple):
    """An alarm from its activation to its end, as a whole."""

    no: int
    rule: str
    asset: str
    disposition: Disposition
    active_at: datetime
    #: None: it is open.
    cleared_at: datetime | None
    order_key: str | None
    first_level: Level
    #: The most urgent level that it came to.
    worst_level: Level


class Fate(NamedTuple):
    """What becomes of an alarm from now on."""

    disposition: Disposition
    #: When it was decided, by the inputs' time.
    at: datetime
    #: Of a child: the alarm on whose order it stands.
    parent: int | None = None
    #: When it is decided anew, if nothing happens before.
    held_until: datetime | None = None
    #: Its order counts towards a storm.
    ordinary: bool = True


def _alarm(row: Sequence[Any]) -> Alarm:
    no, rule, asset, state, level, data, disposition, active_at, cleared_at, order_key, acknowledged_by = row[:11]
    parent, held_until = row[11:]
    return Alarm(
        no=no,
        rule=rule,
        asset=asset,
        state=AlarmState(state),
        level=Level(level),
        data=DataState(data),
        disposition=Disposition(disposition),
        active_at=from_ms(active_at),
        cleared_at=None if cleared_at is None else from_ms(cleared_at),
        order_key=order_key,
        acknowledged_by=acknowledged_by,
        parent=parent,
        held_until=None if held_until is None else from_ms(held_until),
    )


class Ledger:
    """The ledger of one file. Everything that writes runs on the writer, inside its transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.id = fact(db, "ledger_id")
        # every transition asks for it, so it is kept at hand; the rows are what counts
        self._open = {(a.rule, a.asset): a for a in open_alarms(db)}
        self._next_held = self._soonest()

    def open_alarm(self, rule: str, asset: str) -> Alarm | None:
        """The alarm of a rule and asset that is not cleared."""
        return self._open.get((rule, asset))

    def open_alarms(self) -> list[Alarm]:
        """Every alarm that is not cleared."""
        return list(self._open.values())

    def alarm(self, no: int) -> Alarm | None:
        """The alarm of that number, open or not."""
        return find_alarm(self._db, no)

    def next_held(self) -> datetime | None:
        """When the next disposition is to be decided anew."""
        return self._next_held

    def held_until(self, at: datetime) -> list[Alarm]:
        """Alarms whose disposition is to be decided anew at that moment, oldest first."""
        found = [a for a in self._open.values() if a.held_until is not None and a.held_until <= at]
        return sorted(found, key=lambda alarm: alarm.no)

    def add_alarm(self, transition: Transition, fate: Fate) -> Alarm:
        """Number an alarm at its activation."""
        t = transition
        row = (t.rule, t.asset, t.after, int(t.level), t.data, fate.disposition, to_ms(t.at))
        no = self._db.execute(_SQL["add_alarm"], (*row, *_fate(fate)[1:])).lastrowid
        return self._reread(t.rule, t.asset, no)

    def change_alarm(self, alarm: Alarm, transition: Transition, fate: Fate) -> Alarm:
        """Bring an alarm to where the transition leaves it."""
        t = transition
        cleared_at = to_ms(t.at) if t.after is AlarmState.CLEARED else None
        self._db.execute(_SQL["change_alarm"], (t.after, int(t.level), t.data, cleared_at, alarm.no))
        if (fate.disposition, fate.parent) != (alarm.disposition, alarm.parent):
            self._db.execute(_SQL["dispose_alarm"], (*_fate(fate), alarm.no))
        elif fate.held_until != alarm.held_until:
            self._db.execute(_SQL["hold_alarm"], (_ms(fate.held_until), alarm.no))
        return self._reread(alarm.rule, alarm.asset, alarm.no)

    def hold(self, alarm: Alarm, until: datetime | None) -> None:
        """Have an open alarm's disposition decided anew at `until`."""
        self._db.execute(_SQL["hold_alarm"], (_ms(until), alarm.no))
        self._reread(alarm.rule, alarm.asset, alarm.no)

    def _soonest(self) -> datetime | None:
        return min((a.held_until for a in self._open.values() if a.held_until is not None), default=None)

    def _reread(self, rule: str, asset: str, no: int | None) -> Alarm:
        row = self._db.execute(_SQL["open_alarm"], (rule, asset)).fetchone()
        before = self._open.get((rule, asset))
        if row is None:
            alarm = self._open.pop((rule, asset))
        else:
            alarm = self._open[rule, asset] = _alarm(row)
        if alarm.held_until is not None or (before is not None and before.held_until is not None):
            self._next_held = self._soonest()
        if row is None:
            return alarm
        if alarm.no != no:
            raise AssertionError(f"two open alarms of {rule} on {asset}: {alarm.no} and {no}")
        return alarm

    def record(self, seq: int, alarm_no: int, transition: Transition) -> None:
        """Keep a change and the numbers it stood on."""
        t = transition
        observed = orjson.dumps([list(o) for o in t.observed])
        row = (seq, alarm_no, to_ms(t.at), to_ms(t.seen_at), t.before, t.after, int(t.level), t.cause, observed)
        self._db.execute(_SQL["add_transition"], row)

    def add_order(self, order: WorkOrder, document: dict[str, Any], *, own: bool = True) -> None:
        """Write down the intent to have work done; `own`: it is the order of its alarm, and not one beside it."""
        created = to_ms(order.created_at)
        row = (order.key, order.alarm_no, order.asset, order.rule, int(order.level), OrderStatus.PENDING)
        times = (created, to_ms(order.respond_by), created)
        self._db.execute(_SQL["add_order"], (*row, *times, orjson.dumps(document)))
        if own:
            self._db.execute(_SQL["set_order_key"], (order.key, order.alarm_no))
            self._reread(order.rule, order.asset, order.alarm_no)

    def acknowledge(self, number: str, user: str) -> bool:
        """An operator has seen the alarm of that number; False when none that is open has it."""
        for alarm in self._open.values():
            if str(alarm.no) == number:
                self._db.execute(_SQL["acknowledge"], (user, alarm.no))
                self._reread(alarm.rule, alarm.asset, alarm.no)
                return True
        return False

    def audit(self, at: datetime, user: str, action: str, target: str, detail: str) -> None:
        """Append to the audit."""
        self._db.execute(_SQL["audit"], (to_ms(at), user, action, target, detail))


def _fate(fate: Fate) -> tuple[object, ...]:
    return fate.disposition, fate.parent, _ms(fate.held_until), to_ms(fate.at), int(fate.ordinary)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)


def find_alarm(db: sqlite3.Connection, no: int) -> Alarm | None:
    """The alarm of that number, open or not."""
    row = db.execute(_SQL["alarm"], (no,)).fetchone()
    return None if row is None else _alarm(row)


def alarms_at(db: sqlite3.Connection, rule: str, asset: str, at: datetime) -> list[Alarm]:
    """The alarm of a rule and asset that was open at a moment: none or one."""
    return [_alarm(row) for row in db.execute(_SQL["alarms_at"], (rule, asset, to_ms(at)))]


def open_alarms(db: sqlite3.Connection) -> list[Alarm]:
    """Every alarm that is not cleared, oldest first."""
    return [_alarm(row) for row in db.execute(_SQL["open_alarms"])]


def recent_alarms(db: sqlite3.Connection, limit: int) -> list[Alarm]:
    """The newest alarms first."""
    return [_alarm(row) for row in db.execute(_SQL["recent_alarms"], (limit,))]


def orders(db: sqlite3.Connection, limit: int) -> list[OrderRow]:
    """The newest orders first."""
    return [
        OrderRow(
            key,
            alarm_no,
            asset,
            rule,
            Level(level),
            OrderStatus(status),
            from_ms(created),
            from_ms(respond),
            from_ms(changed),
            by,
            orjson.loads(body),
        )
        for key, alarm_no, asset, rule, level, status, created, respond, changed, by, body in db.execute(
            _SQL["orders"], (limit,)
        )
    ]


def stretches(db: sqlite3.Connection) -> Iterator[Stretch]:
    """Every alarm there ever was, the oldest first."""
    for no, rule, asset, disposition, active_at, cleared_at, order_key, first, worst in db.execute(_SQL["stretches"]):
        yield Stretch(
            no,
            rule,
            asset,
            Disposition(disposition),
            from_ms(active_at),
            None if cleared_at is None else from_ms(cleared_at),
            order_key,
            Level(first),
            Level(worst),
        )


def counts(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Alarms by state, open ones by disposition, orders by status."""
    return {
        "alarms": dict(db.execute(_SQL["count_alarms"]).fetchall()),
        "dispositions": dict(db.execute(_SQL["count_dispositions"]).fetchall()),
        "orders": dict(db.execute(_SQL["count_orders"]).fetchall()),
    }
