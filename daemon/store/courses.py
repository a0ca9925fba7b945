"""How work orders are going: their courses, what is due next, and each one's timeline.

Functions that write run on the writer, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from daemon.model import EPOCH, OrderStatus, from_ms, to_ms
from daemon.store.statements import load
from daemon.workorders.course import Course

_SQL = load("courses")


class Going(NamedTuple):
    """An order and its course; `document` is what was sent at its creation."""

    key: str
    alarm_no: int
    rule: str
    asset: str
    course: Course
    document: dict[str, Any]


class Event(NamedTuple):
    """A line of an order's timeline."""

    at: datetime
    #: One of `sla.OCCASIONS`, or a person's stamp.
    occasion: str
    #: The promise it is about; empty when it is about none.
    promise: str
    by: str
    detail: str
    #: It was due earlier, while the gateway was down.
    late: bool


class Delivered(NamedTuple):
    """A line of what was asked of the ticketing service."""

    id: int
    action: str
    state: str
    attempts: int
    last_error: str
    created_at: datetime
    delivered_at: datetime | None
    ref: str | None
    #: It may have been taken without our knowing: when it was last asked for.
    tried_at: datetime | None = None


class Courses:
    """The courses of one file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._next = self._soonest()
        #: Orders whose repair is being judged while their alarm is over, by key: asked for at each input.
        self.judged = {going.key: going for going in self._verifying() if going.course.judged}

    def next_at(self) -> datetime | None:
        """When time alone does something to an order next."""
        return self._next

    def keep(self, key: str, course: Course) -> None:
        """Write down how an order is going."""
        respond = next((promise.due for promise in course.promises if promise.id == "respond"), None)
        due = respond or course.stamps["created"]
        nxt = course.next_at
        row = (orjson.dumps(course.to_json()), None if nxt is None else to_ms(nxt), course.status, int(course.level))
        self._db.execute(_SQL["keep"], (*row, to_ms(due), key))
        self._next = self._soonest()
        if course.judged:
            going = self.judged.get(key) or find(self._db, key)
            if going is not None:
                self.judged[key] = going._replace(course=course)
        elif key in self.judged:
            del self.judged[key]

    def moved(self, key: str, at: datetime, by: str) -> None:
        """Who moved its ticket last, and when, as the service tells."""
        self._db.execute(_SQL["moved"], (to_ms(at), by, key))

    def assigned(self, key: str, team: str) -> None:
        """The team that has an order now."""
        self._db.execute(_SQL["assigned"], (team, key))

    def find(self, key: str) -> Going | None:
        """An order; None when there is none of that key."""
        return find(self._db, key)

    def due(self, at: datetime) -> list[Going]:
        """Orders for which something is due by `at`, the most overdue first."""
        return [_going(row) for row in self._db.execute(_SQL["due"], (to_ms(at),)).fetchall()]

    def before(self, rule: str, asset: str, since: datetime) -> list[tuple[str, datetime]]:
        """Keys and beginnings of the orders of a rule on an asset since a moment, the newest first.

        They begin when the inputs had them decided, whoever revealed it, and however late.
        """
        return [(key, from_ms(at)) for key, at in self._db.execute(_SQL["before"], (rule, asset, to_ms(since)))]

    def in_hand(self, rule: str, asset: str) -> list[Going]:
        """The orders of a rule on an asset that are not finished, the oldest first."""
        return [_going(row) for row in self._db.execute(_SQL["in_hand"], (rule, asset)).fetchall()]

    def note(self, key: str, event: Event) -> None:
        """Append to an order's timeline."""
        row = (key, to_ms(event.at), event.occasion, event.promise, event.by, event.detail, int(event.late))
        self._db.execute(_SQL["add_event"], row)

    def times(self, key: str, occasion: str, since: datetime = EPOCH) -> int:
        """How often something happened to an order, from a moment on."""
        return int(self._db.execute(_SQL["count_events"], (key, occasion, to_ms(since))).fetchone()[0])

    def knows(self, key: str, occasion: str, detail: str) -> bool:
        """Whether something happened to an order with just these details."""
        return self._db.execute(_SQL["same_event"], (key, occasion, detail)).fetchone() is not None

    def unpark(self, key: str, at: datetime) -> int:
        """Have what was given up of an order tried again; how many deliveries that are."""
        return self._db.execute(_SQL["unpark"], (to_ms(at), key)).rowcount

    def _verifying(self) -> list[Going]:
        return [_going(row) for row in self._db.execute(_SQL["verifying"]).fetchall()]

    def _soonest(self) -> datetime | None:
        (ms,) = self._db.execute(_SQL["soonest"]).fetchone()
        return None if ms is None else from_ms(ms)


def find(db: sqlite3.Connection, key: str) -> Going | None:
    """An order; None when there is none of that key."""
    row = db.execute(_SQL["course"], (key,)).fetchone()
    return None if row is None else _going(row)


def unfinished(db: sqlite3.Connection, limit: int) -> list[Going]:
    """The newest orders that are not finished."""
    keys = [key for (key,) in db.execute(_SQL["unfinished"], (limit,))]
    return [going for key in keys if (going := find(db, key)) is not None]


def data_losses(db: sqlite3.Connection, alarm_no: int) -> int:
    """How often an alarm's data has gone missing, told or not."""
    return int(db.execute(_SQL["data_losses"], (alarm_no,)).fetchone()[0])


def events(db: sqlite3.Connection, key: str) -> list[Event]:
    """An order's timeline, the oldest first."""
    return [
        Event(from_ms(at), occasion, promise, by, detail, bool(late))
        for at, occasion, promise, by, detail, late in db.execute(_SQL["events"], (key,))
    ]


def deliveries(db: sqlite3.Connection, key: str) -> list[Delivered]:
    """What was asked of the ticketing service for an order, the oldest first."""
    return [
        Delivered(id_, action, state, tries, error, from_ms(made), _at(done), ref, _at(tried))
        for id_, action, state, tries, error, made, done, ref, tried in db.execute(_SQL["deliveries"], (key,))
    ]


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _going(row: Sequence[Any]) -> Going:
    key, alarm_no, rule, asset, status, course, body = row
    return Going(key, alarm_no, rule, asset, _as_delivered(orjson.loads(course), status), orjson.loads(body))


def _as_delivered(kept: dict[str, Any], status: str) -> Course:
    """The receipt of a create moves the order on without a word to its course."""
    course = Course.from_json(kept)
    if course.status in {OrderStatus.PENDING, OrderStatus.PARKED} and status == OrderStatus.SENT:
        return Course.from_json(kept | {"status": status})
    return course
