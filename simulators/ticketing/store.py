"""The orders in one SQLite file: they outlive the service that keeps them."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Self

from simulators.ticketing.db import Record, Transaction, change_of, connect, digest_of, dump, read_id, write_id
from simulators.ticketing.photos import Photos
from simulators.ticketing.states import ACTIONS, JUDGED, RESOLVE, RESPOND, earlier, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

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


class Said(NamedTuple):
    """What a person says about an order besides moving it."""

    by: str
    note: str = ""
    #: What was done, as in `states.STAMPS`; empty for a mere remark.
    stamp: str = ""
    #: The team that it goes to now; empty: no change.
    team: str = ""
    #: Names of photographs that are kept already.
    photos: Sequence[str] = ()


class Store:
    """Orders, complaints, notes and changes. Single-threaded: the service's event loop owns it.

    Args:
        path: the SQLite file, `:memory:` to forget.
        now: gives the time, in UTC; absent: the machine's.
    """

    def __init__(self, path: str | Path = ":memory:", *, now: Callable[[], datetime] | None = None) -> None:
        self._db = connect(path)
        self._now = now or (lambda: datetime.now(UTC))
        self.photos = Photos(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self.photos.close()

    def create(self, body: Record, kind: str = "order") -> Kept:
        """Keep an order or a `complaint`, once for its `key`.

        Raises:
            KeyTaken: the key was used before, with another body.
        """
        key, digest = body["key"], digest_of(body)
        with Transaction(self._db):
            self._count("creates_received")
            row = self._db.execute("SELECT no, digest FROM orders WHERE kind = ? AND key = ?", (kind, key)).fetchone()
            if row is None:
                return Kept(new=True, record=self._record(self._insert(body, kind, digest)))
            if row["digest"] == digest:
                self._count("creates_repeated")
                return Kept(new=False, record=self._record(row["no"]))
            self._count("duplicates_refused")
        raise KeyTaken(key)

    def _insert(self, body: Record, kind: str, digest: str) -> int:
        level, created_at = body["level"], datetime.fromisoformat(body["created_at"])
        resolve_by = written((created_at + RESOLVE[level]).astimezone(UTC))
        now = written(self._now())
        cursor = self._db.execute(
            "INSERT INTO orders (kind, key, digest, site, body, level, status, by, note, changed_at, team, rounds,"
            " respond_by, resolve_by) VALUES (?, ?, ?, ?, ?, ?, 'open', '', '', ?, '', 0, ?, ?)",
            (kind, body["key"], digest, body["site"], dump(body), level, now, body["respond_by"], resolve_by),
        )
        return cursor.lastrowid or 0

    def annotate(self, order_id: str, key: str, body: Record) -> Kept:
        """Keep a note on an order, once for its key; it may bring another level, or the sensor's judgement.

        Raises:
            NotFound: there is no such order.
            KeyTaken: the key was used on this order before, with another body.
        """
        no = self._no(order_id)
        digest = digest_of(body)
        with Transaction(self._db):
            self._count("notes_received")
            row = self._db.execute("SELECT digest FROM notes WHERE order_no = ? AND key = ?", (no, key)).fetchone()
            if row is None:
                self._db.execute(
                    "INSERT INTO notes (order_no, key, digest, body) VALUES (?, ?, ?, ?)",
                    (no, key, digest, dump(body)),
                )
                self._heed(no, body)
                return Kept(new=True, record={"id": order_id, "key": key})
            if row["digest"] == digest:
                self._count("notes_repeated")
                return Kept(new=False, record={"id": order_id, "key": key})
            self._count("note_duplicates_refused")
        raise KeyTaken(key)

    def _heed(self, no: int, note: Record) -> None:
        if note.get("level"):
            self._set_level(no, note["level"])
        after = JUDGED.get(note["kind"])
        if after is not None and self._record(no)["status"] == "done":
            self._move(no, after, "gateway", note["text"]["zh"])

    def act(self, order_id: str, action: str, by: str, note: str) -> Record:
        """Do what a person says; doing it again changes nothing. An owner's complaint comes back a level higher.

        Raises:
            NotFound: there is no such order.
            NotNow: its status does not allow it.
        """
        no = self._no(order_id)
        allowed, after = ACTIONS[action]
        with Transaction(self._db):
            record = self._record(no)
            status = record["status"]
            if status not in (*allowed, after):
                raise NotNow(f"{order_id} is {status}: {action} needs {' or '.join(allowed)}")
            if status != after:
                if action == "reopen" and record["type"] == "complaint":
                    self._set_level(no, record["level"].removesuffix("I") or "I")
                self._move(no, after, by, note)
            return self._record(no)

    def say(self, order_id: str, said: Said) -> Record:
        """Keep what a person says; the same said again at once changes nothing.

        Raises:
            NotFound: there is no such order.
        """
        no = self._no(order_id)
        words = (said.by, said.note, said.stamp, said.team, " ".join(said.photos))
        with Transaction(self._db):
            last = self._db.execute(
                "SELECT by, note, stamp, team, photos FROM changes WHERE order_no = ? ORDER BY no DESC LIMIT 1", (no,)
            ).fetchone()
            if last is None or tuple(last) != words:
                self._db.execute(
                    "INSERT INTO changes (by, note, stamp, team, photos, order_no, status, changed_at)"
                    " SELECT ?1, ?2, ?3, ?4, ?5, no, status, ?7 FROM orders WHERE no = ?6",
                    (*words, no, written(self._now())),
                )
                if said.team:
                    self._db.execute("UPDATE orders SET team = ? WHERE no = ?", (said.team, no))
            return self._record(no)

    def _move(self, no: int, status: str, by: str, note: str) -> None:
        change = (status, by, note, written(self._now()), no)
        self._db.execute("UPDATE orders SET status = ?, by = ?, note = ?, changed_at = ? WHERE no = ?", change)
        self._db.execute(
            "INSERT INTO changes (status, by, note, changed_at, order_no, team, photos) VALUES (?, ?, ?, ?, ?, '', '')",
            change,
        )
        if status == "open":  # a second handling: its time runs anew
            level, now = self._record(no)["level"], self._now()
            self._db.execute(
                "UPDATE orders SET rounds = rounds + 1, respond_by = ?, resolve_by = ? WHERE no = ?",
                (written(now + RESPOND[level]), written(now + RESOLVE[level]), no),
            )

    def _set_level(self, no: int, level: str) -> None:
        """The level's times hold from now on, and never later than before."""
        record, now = self._record(no), self._now()
        deadlines = record["deadlines"]
        if level < record["level"]:
            respond = earlier(deadlines["respond"], now + RESPOND[level])
            resolve = earlier(deadlines["resolve"], now + RESOLVE[level])
            self._db.execute("UPDATE orders SET respond_by = ?, resolve_by = ? WHERE no = ?", (respond, resolve, no))
        self._db.execute("UPDATE orders SET level = ? WHERE no = ?", (level, no))

    # --- reading -------------------------------------------------------------------------------------------

    def get(self, order_id: str) -> Record:
        """One order's record with its notes.

        Raises:
            NotFound: there is no such order.
        """
        return self._record(self._no(order_id))

    def find(
        self,
        *,
        key: str | None = None,
        site: str | None = None,
        is_open: bool | None = None,
        kind: str = "order",
        limit: int = 10_000,
    ) -> list[Record]:
        """Records that fit all that is given, newest first."""
        rows = self._db.execute(
            "SELECT no FROM orders WHERE (?1 IS NULL OR key = ?1) AND (?2 IS NULL OR site = ?2)"
            " AND (?3 IS NULL OR (status IN ('open', 'accepted', 'arrived')) = ?3)"
            " AND kind = ?4 ORDER BY no DESC LIMIT ?5",
            (key, site, is_open, kind, limit),
        ).fetchall()
        return [self._record(row["no"]) for row in rows]

    def board(self, limit: int) -> list[Record]:
        """Orders and complaints: first all that are not closed, then those that are, each newest first."""
        rows = self._db.execute(
            "SELECT no FROM orders ORDER BY status IN ('verified', 'rejected', 'cancelled'), no DESC LIMIT ?", (limit,)
        ).fetchall()
        return [self._record(row["no"]) for row in rows]

    def changes(self, since: int, site: str | None) -> tuple[int, list[Record]]:
        """What persons did to gateways' orders after the cursor, oldest first, and the cursor to come back with."""
        rows = self._db.execute(
            "SELECT c.*, o.key, o.kind FROM changes c JOIN orders o ON o.no = c.order_no"
            " WHERE c.no > ?1 AND o.kind = 'order' AND (?2 IS NULL OR o.site = ?2) ORDER BY c.no LIMIT ?3",
            (since, site, _PAGE),
        ).fetchall()
        return (rows[-1]["no"] if rows else since), [change_of(row) for row in rows]

    def complaints_after(self, since: int, site: str | None) -> tuple[int, list[Record]]:
        """Complaints taken in after the cursor, oldest first, and the cursor to come back with.

        One that names no site is any site's: people seldom know what their site is called.
        """
        rows = self._db.execute(
            "SELECT no FROM orders WHERE no > ?1 AND kind = 'complaint' AND (?2 IS NULL OR site IN ('', ?2))"
            " ORDER BY no LIMIT ?3",
            (since, site, _PAGE),
        ).fetchall()
        return (rows[-1]["no"] if rows else since), [self._record(row["no"]) for row in rows]

    def history(self, order_id: str) -> list[Record]:
        """All that persons did to one order, oldest first, each with its `photos`."""
        rows = self._db.execute(
            "SELECT c.*, o.key, o.kind FROM changes c JOIN orders o ON o.no = c.order_no"
            " WHERE c.order_no = ? ORDER BY c.no",
            (self._no(order_id),),
        ).fetchall()
        return [{**change_of(row), "photos": row["photos"].split()} for row in rows]

    def assets(self) -> list[Record]:
        """The assets that gateways have told of: `asset`, `asset_kind`, `asset_name`, `building`."""
        rows = self._db.execute(
            "SELECT body FROM orders WHERE no IN (SELECT max(no) FROM orders WHERE kind = 'order'"
            " GROUP BY site, json_extract(body, '$.asset')) ORDER BY no"
        )
        known = ("asset", "asset_kind", "asset_name", "building")
        return [{name: json.loads(row["body"]).get(name, "") for name in known} for row in rows]

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
        kind, no = read_id(order_id)
        if self._db.execute("SELECT 1 FROM orders WHERE kind = ? AND no = ?", (kind, no)).fetchone() is None:
            raise NotFound(order_id)
        return no

    def _record(self, no: int) -> Record:
        with closing(self._db.execute("SELECT * FROM orders WHERE no = ?", (no,))) as found:
            row = found.fetchone()
        notes = self._db.execute("SELECT key, body FROM notes WHERE order_no = ? ORDER BY no", (no,))
        told = ("level", "status", "by", "note", "changed_at", "team", "rounds")
        return {
            **json.loads(row["body"]),
            "id": write_id(row["kind"], no),
            **{name: row[name] for name in told},
            "deadlines": {"respond": row["respond_by"], "resolve": row["resolve_by"]},
            "notes": [{**json.loads(note["body"]), "key": note["key"]} for note in notes],
        }
