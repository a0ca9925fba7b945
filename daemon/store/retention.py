"""How long decisions are kept: alarms that are over, their changes and finished orders; audit, mutes, complaints.

What is open stays whatever its age. So does what has an order in hand, while anything happens to that, is due or waits
to be delivered; one to which nothing has happened for as long as decisions are kept was left by everybody.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import NamedTuple

from daemon.model import to_ms
from daemon.store.statements import load

_SQL = load("retention")
#: Rows of a piece: some ten milliseconds, for the writer has other work.
_AT_ONCE = 500
#: What goes with an order, itself last.
_PARTS = ("drop_deliveries", "drop_told", "drop_notices", "drop_events", "drop_charts", "drop_order")


class Bounds(NamedTuple):
    """What is too old, or too much."""

    before: datetime
    #: Alarms that are kept at most, open ones apart.
    alarms: int = 200_000
    #: Lines of the audit that are kept at most.
    audit: int = 1_000_000
    #: Complaints that are kept at most.
    complaints: int = 200_000


def forget(db: sqlite3.Connection, bounds: Bounds) -> int:
    """Delete a piece of what is out of bounds; the number of alarms, audit lines, complaints, mutes deleted.

    Called again and again until it is 0, each call stays short.
    """
    before = to_ms(bounds.before)
    (boundary,) = db.execute(_SQL["boundary"], (bounds.alarms,)).fetchone() or (0,)
    found = db.execute(_SQL["outdated"], (before, boundary, _AT_ONCE)).fetchall()
    for (no,) in found:
        db.execute(_SQL["drop_transitions"], (no,))
        for (order_key,) in db.execute(_SQL["orders_of"], (no,)).fetchall():
            for part in _PARTS:
                db.execute(_SQL[part], (order_key,))
        db.execute(_SQL["drop_alarm"], (no,))
    audit = db.execute(_SQL["drop_audit"], (before, bounds.audit, _AT_ONCE)).rowcount
    complaints = db.execute(_SQL["drop_complaints"], (before, bounds.complaints, _AT_ONCE)).rowcount
    mutes = db.execute(_SQL["drop_mutes"], (before, _AT_ONCE)).rowcount
    return len(found) + audit + complaints + mutes
