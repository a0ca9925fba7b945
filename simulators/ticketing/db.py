"""The tables of the service, and what every room needs to write to them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    no INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, site TEXT NOT NULL,
    body TEXT NOT NULL, level TEXT NOT NULL, status TEXT NOT NULL, by TEXT NOT NULL, note TEXT NOT NULL,
    changed_at TEXT NOT NULL, team TEXT NOT NULL, rounds INTEGER NOT NULL, respond_by TEXT NOT NULL,
    resolve_by TEXT NOT NULL, UNIQUE (kind, key)
) STRICT;
CREATE TABLE IF NOT EXISTS notes (
    no INTEGER PRIMARY KEY, order_no INTEGER NOT NULL REFERENCES orders, key TEXT NOT NULL, digest TEXT NOT NULL,
    body TEXT NOT NULL, UNIQUE (order_no, key)
) STRICT;
-- stamp: NULL where the status has changed, else what was done, empty for a mere remark
CREATE TABLE IF NOT EXISTS changes (
    no INTEGER PRIMARY KEY AUTOINCREMENT, order_no INTEGER NOT NULL REFERENCES orders, status TEXT NOT NULL,
    by TEXT NOT NULL, note TEXT NOT NULL, changed_at TEXT NOT NULL, stamp TEXT, team TEXT NOT NULL, photos TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS changes_of_order ON changes (order_no);
CREATE TABLE IF NOT EXISTS tally (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
"""

_PREFIX = {"order": "T", "complaint": "C"}


def connect(path: str | Path) -> sqlite3.Connection:
    """The database of the service, with its tables."""
    db = sqlite3.connect(path, isolation_level=None)
    db.row_factory = sqlite3.Row
    # NORMAL outlives a killed process; only a power cut could take the last commits, and this is a stand-in.
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;" + _SCHEMA)
    return db


class Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when something is raised inside."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def write_id(kind: str, no: int) -> str:
    """`T000042` for the gateway's order, `C000043` for a complaint."""
    return f"{_PREFIX[kind]}{no:06d}"


def read_id(order_id: str) -> tuple[str, int]:
    """Kind and number, (`""`, 0) for what is no id."""
    kind = next((kind for kind, letter in _PREFIX.items() if order_id.startswith(letter)), "")
    digits = order_id[1:]
    return (kind, int(digits)) if digits.isascii() and digits.isdigit() and len(digits) <= 12 else ("", 0)


def dump(body: Record) -> str:
    """JSON that is equal for equal values, whatever the order of their members."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def digest_of(body: Record) -> str:
    """Equal for equal JSON values."""
    return hashlib.sha256(dump(body).encode()).hexdigest()


def change_of(row: sqlite3.Row) -> Record:
    """A row of `changes`, with its order's key and kind, as the contract tells it."""
    told = ("key", "status", "by", "note", "changed_at")
    change: Record = {"id": write_id(row["kind"], row["order_no"]), **{name: row[name] for name in told}}
    if row["stamp"] is not None:
        change["stamp"] = row["stamp"]
    return {**change, "team": row["team"]} if row["team"] else change
