"""What happened to one alarm: its transitions, its children, and what persons did about it."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from daemon.model import AlarmState, Cause, Level, from_ms
from daemon.store.statements import load

_SQL = load("history")


class Change(NamedTuple):
    """One transition of an alarm, as the ledger holds it."""

    at: datetime
    seen_at: datetime
    before: AlarmState
    after: AlarmState
    level: Level
    cause: Cause
    #: Each number as [point, value, unit, at, quality, limit].
    observed: list[list[Any]]


class Done(NamedTuple):
    """One line of the audit."""

    at: datetime
    user: str
    action: str
    target: str
    detail: str


def changes(db: sqlite3.Connection, no: int) -> list[Change]:
    """The transitions of an alarm, oldest first."""
    return [
        Change(
            from_ms(at),
            from_ms(seen),
            AlarmState(before),
            AlarmState(after),
            Level(level),
            Cause(cause),
            orjson.loads(numbers),
        )
        for at, seen, before, after, level, cause, numbers in db.execute(_SQL["changes"], (no,))
    ]


def children(db: sqlite3.Connection, no: int) -> list[int]:
    """The numbers of the alarms that stand on this one's order."""
    return [child for (child,) in db.execute(_SQL["children"], (no,))]


def audited(db: sqlite3.Connection, *targets: str) -> list[Done]:
    """What was done about some targets, oldest first."""
    found = [row for target in targets for row in db.execute(_SQL["audited"], (target,))]
    return [Done(from_ms(at), *rest) for _, at, *rest in sorted(found)]
