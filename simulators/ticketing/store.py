"""The orders in one SQLite file: they outlive the service that keeps them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    no INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, site TEXT NOT NULL, body TEXT NOT NULL,
    level TEXT NOT NULL, status TEXT NOT NULL, by TEXT NOT NULL, note TEXT NOT NULL, changed_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS notes (
    no INTEGER PRIMARY KEY, order_no INTEGER NOT NULL REFERENCES orders, key TEXT NOT NULL, digest TEXT NOT NULL,
    body TEXT NOT NULL, UNIQUE (order_no, key)
) STRICT;
CREATE TABLE IF NOT EXISTS changes (
    no INTEGER PRIMARY KEY AUTOINCREMENT, order_no INTEGER NOT NULL REFERENCES orders,
    status TEXT NOT NULL, by TEXT NOT NULL, note TEXT NOT NULL, changed_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tally (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
"""

#: What a person may do, from which status, to which.
_ACTIONS = {
    "accept": (("open",), "accepted"),
    "arrive": (("accepted",), "arrived"),
    "finish": (("accepted", "arrived"), "done"),
    "reject": (("open", "accepted", "arrived"), "rejected"),
    "cancel": (("open", "accepted", "arrived"), "cancelled"),
}
ACTIONS = tuple(_ACTIONS)
#: Where the sensor's judgement brings an order that is done, by the kind of note.
_JUDGED = {"reopen": "open", "verified": "verified"}


def possible(status: str) -> list[str]:
    """The actions that an order of this status still allows."""
    return [action for action, (allowed, _) in _ACTIONS.items() if status in allowed]


#: Changes handed out in one answer.
_PAGE = 500
_TALLIED = (
    "creates_received",
    "creates_repeated",
    "duplicates_refused",
    "notes_received",
    "notes_repeated",
    "note_duplicates_refused",
)

Record = dict[str, Any]


class KeyTaken(Exception):
    """The idempotency key was used before, with another body."""


class NotFound(Exception):
    """There is no such order."""


class NotNow(Exception):
    """The order's status does not allow that action."""


class Kept(NamedTuple):
    """What came of a create or a note."""

    #: False: it had been here before, with the same body.
    new: bool
    record: Record


class Store:
    """Orders, notes and changes. Single-threaded: the service's event loop owns it.

    Args:
        path: the SQLite file, `:memory:` to forget.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # NORMAL outlives a killed process; only a power cut could take the last commits, and this is a stand-in.
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;" + _SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def create(self, body: Record) -> Kept:
        """Keep an order, once for its `key`.

        Raises:
            KeyTaken: the key was used before, with another body.
        """
        key, digest = body["key"], _digest(body)
        with _Transaction(self._db):
            self._count("creates_received")
            row = self._db.execute("SELECT no, digest FROM orders WHERE key = ?", (key,)).fetchone()
            if row is None:
                cursor = self._db.execute(
                    "INSERT INTO orders (key, digest, site, body, level, status, by, note, changed_at)"
                    " VALUES (?, ?, ?, ?, ?, 'open', '', '', ?)",
                    (key, digest, body["site"], _dump(body), body["level"], _now()),
                )
                return Kept(new=True, record=self._record(cursor.lastrowid or 0))
            if row["digest"] == digest:
                self._count("creates_repeated")
                return Kept(new=False, record=self._record(row["no"]))
            self._count("duplicates_refused")
        raise KeyTaken(key)

    def annotate(self, order_id: str, key: str, body: Record) -> Kept:
        """Keep a note on an order, once for its key; a level in it becomes the order's.

        Raises:
            NotFound: there is no such order.
            KeyTaken: the key was used on this order before, with another body.
        """
        no = self._no(order_id)
        digest = _digest(body)
        with _Transaction(self._db):
            self._count("notes_received")
            row = self._db.execute("SELECT digest FROM notes WHERE order_no = ? AND key = ?", (no, key)).fetchone()
            if row is None:
                self._db.execute(
                    "INSERT INTO notes (order_no, key, digest, body) VALUES (?, ?, ?, ?)",
                    (no, key, digest, _dump(body)),
                )
                if body.get("level"):
                    self._db.execute("UPDATE orders SET level = ? WHERE no = ?", (body["level"], no))
                after = _JUDGED.get(body["kind"])
                if after is not None and self._record(no)["status"] == "done":
                    self._move(no, after, "gateway", body["text"]["zh"])
                return Kept(new=True, record={"id": order_id, "key": key})
            if row["digest"] == digest:
                self._count("notes_repeated")
                return Kept(new=False, record={"id": order_id, "key": key})
            self._count("note_duplicates_refused")
        raise KeyTaken(key)

    def act(self, order_id: str, action: str, by: str, note: str) -> Record:
        """Do what a person says; doing it again changes nothing.

        Raises:
            NotFound: there is no such order.
            NotNow: its status does not allow it.
        """
        no = self._no(order_id)
        allowed, after = _ACTIONS[action]
        with _Transaction(self._db):
            status = self._record(no)["status"]
            if status not in (*allowed, after):
                raise NotNow(f"{order_id} is {status}: {action} needs {' or '.join(allowed)}")
            if status != after:
                self._move(no, after, by, note)
            return self._record(no)

    def _move(self, no: int, status: str, by: str, note: str) -> None:
        change = (status, by, note, _now(), no)
        self._db.execute("UPDATE orders SET status = ?, by = ?, note = ?, changed_at = ? WHERE no = ?", change)
        self._db.execute("INSERT INTO changes (status, by, note, changed_at, order_no) VALUES (?, ?, ?, ?, ?)", change)

    def get(self, order_id: str) -> Record:
        """One order's record with its notes.

        Raises:
            NotFound: there is no such order.
        """
        return self._record(self._no(order_id))

    def find(
        self, *, key: str | None = None, site: str | None = None, is_open: bool | None = None, limit: int = 10_000
    ) -> list[Record]:
        """Records that fit all that is given, newest first."""
        rows = self._db.execute(
            "SELECT no FROM orders WHERE (?1 IS NULL OR key = ?1) AND (?2 IS NULL OR site = ?2)"
            " AND (?3 IS NULL OR (status IN ('open', 'accepted', 'arrived')) = ?3) ORDER BY no DESC LIMIT ?4",
            (key, site, is_open, limit),
        ).fetchall()
        return [self._record(row["no"]) for row in rows]

    def changes(self, since: int, site: str | None) -> tuple[int, list[Record]]:
        """What persons did after the cursor, oldest first, and the cursor to come back with."""
        rows = self._db.execute(
            "SELECT c.*, o.key FROM changes c JOIN orders o ON o.no = c.order_no"
            " WHERE c.no > ?1 AND (?2 IS NULL OR o.site = ?2) ORDER BY c.no LIMIT ?3",
            (since, site, _PAGE),
        ).fetchall()
        found = [
            {
                "id": _id(row["order_no"]),
                "key": row["key"],
                "status": row["status"],
                "by": row["by"],
                "note": row["note"],
                "changed_at": row["changed_at"],
            }
            for row in rows
        ]
        return (rows[-1]["no"] if rows else since), found

    def tally(self) -> dict[str, int]:
        """Counts for a test's arithmetic."""
        counts = dict.fromkeys(_TALLIED, 0)
        counts.update((row["name"], row["n"]) for row in self._db.execute("SELECT name, n FROM tally"))
        for table in ("orders", "notes", "changes"):
            counts[table] = self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  fixed names
        return counts

    def _count(self, name: str) -> None:
        self._db.execute("INSERT INTO tally VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET n = n + 1", (name,))

    def _no(self, order_id: str) -> int:
        digits = order_id.removeprefix("T")
        no = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 12 else 0
        if self._db.execute("SELECT 1 FROM orders WHERE no = ?", (no,)).fetchone() is None:
            raise NotFound(order_id)
        return no

    def _record(self, no: int) -> Record:
        with closing(self._db.execute("SELECT * FROM orders WHERE no = ?", (no,))) as found:
            row = found.fetchone()
        notes = self._db.execute("SELECT key, body FROM notes WHERE order_no = ? ORDER BY no", (no,))
        return {
            **json.loads(row["body"]),
            "id": _id(no),
            "level": row["level"],
            "status": row["status"],
            "by": row["by"],
            "note": row["note"],
            "changed_at": row["changed_at"],
            "notes": [{**json.loads(note["body"]), "key": note["key"]} for note in notes],
        }


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when something is raised inside."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _id(no: int) -> str:
    return f"T{no:06d}"


def _dump(body: Record) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _digest(body: Record) -> str:
    """Equal for equal JSON values, whatever the order of their members."""
    return hashlib.sha256(_dump(body).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
