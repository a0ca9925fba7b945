"""What the ledger says about orders that many alarms share: storms, flapping, caps, and children not yet written.

Moments are the inputs' own (a transition's `at`), so that nothing here depends on when somebody looked.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from daemon.model import Alarm, Level, from_ms, to_ms
from daemon.store.statements import load

_SQL = load("dispositions")


class Folds:
    """Counts of one file. Everything that writes runs on the writer, inside its transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._next = self._read_next()

    def recent_orders(self, since: datetime) -> int:
        """Ordinary orders decided after `since`."""
        return int(self._one("recent_orders", to_ms(since)) or 0)

    def nth_latest(self, storm: int, nth: int) -> datetime | None:
        """When the nth newest of ordinary orders and children of a storm was decided; None: there are fewer."""
        rows = self._db.execute(_SQL["latest_of_storm"], (storm, storm, nth)).fetchall()
        return from_ms(rows[-1][0]) if len(rows) == nth else None

    def has_children(self, parent: int) -> bool:
        """Whether a child of that alarm is still open."""
        return bool(self._one("count_children", parent))

    def openings(self, rule: str, asset: str, since: datetime, but: int) -> int:
        """How often an alarm has opened after `since`, the alarm `but` left out."""
        return int(self._one("openings", rule, asset, to_ms(since), but) or 0)

    def latest_order(self, rule: str, asset: str, since: datetime) -> int | None:
        """The newest alarm of a rule and asset whose order was opened after `since` and is not finished."""
        found = self._one("latest_order", rule, asset, to_ms(since))
        return None if found is None else int(found)

    def in_hand(self, rule: str, asset: str, since: datetime) -> int | None:
        """The newest alarm of a rule and asset that is over, its order being judged, or in hand if it ended since."""
        found = self._one("in_hand", rule, asset, to_ms(since))
        return None if found is None else int(found)

    def still_in_hand(self, alarm: int) -> bool:
        """Whether an alarm's order is in somebody's hand."""
        return bool(self._one("still_in_hand", alarm))

    def orders_of_day(self, rule: str, asset: str, since: datetime, level: Level) -> int:
        """Orders of a rule on an asset since a moment, at least as urgent as `level`."""
        return int(self._one("orders_of_day", rule, asset, to_ms(since), int(level)) or 0)

    # --- children that are not written on their parent's order yet -----------------------------------------

    def next_note(self) -> datetime | None:
        """When the next children are to be written."""
        return self._next

    def leave_unwritten(self, child: Alarm, parent: int, note_at: datetime) -> None:
        """Have a child written on its parent's order at `note_at`, together with others of that parent."""
        self._db.execute(_SQL["leave_unwritten"], (child.no, parent, to_ms(note_at)))
        self._next = self._read_next()

    def parents_due(self, at: datetime) -> list[int]:
        """Parents on whose orders children are to be written now."""
        return [parent for (parent,) in self._db.execute(_SQL["parents_due"], (to_ms(at),)).fetchall()]

    def take_unwritten(self, parent: int) -> list[int]:
        """The children that are to be written on that parent's order; they count as written from here on."""
        found = [child for (child,) in self._db.execute(_SQL["unwritten_of"], (parent,)).fetchall()]
        self._db.execute(_SQL["written"], (parent,))
        self._next = self._read_next()
        return found

    def _read_next(self) -> datetime | None:
        ms = self._one("next_note")
        return None if ms is None else from_ms(int(ms))

    def _one(self, statement: str, *values: object) -> int | None:
        row = self._db.execute(_SQL[statement], values).fetchone()
        return None if row is None else row[0]
