"""Room on the disk: telemetry is what may go, oldest first; alarms, orders, outbox and audit stay."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from daemon.store import journal, marks

_AT_ONCE = 5000


class Evicted(NamedTuple):
    """What was deleted to make room."""

    rows: int = 0
    #: Of those, rows that no sink had taken yet: lost data.
    unforwarded: int = 0


def size(db: sqlite3.Connection) -> int:
    """Bytes in use in the file, free pages left out."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (page,) = db.execute("PRAGMA page_size").fetchone()
    return (int(pages) - int(free)) * int(page)


def keep_below(db: sqlite3.Connection, most: int) -> Evicted:
    """Delete a piece of the oldest telemetry when the file has grown above `most` bytes.

    What was forwarded goes first; only when nothing of that is left, what was not. Called again and again, each
    call stays short. Rows that a restart needs are never touched.
    """
    if size(db) <= most:
        return Evicted()
    rows = journal.evict(db, marks.forwarded_up_to(db), _AT_ONCE)
    if rows:
        return Evicted(rows)
    rows = journal.evict(db, 2**62, _AT_ONCE)
    return Evicted(rows, rows)
