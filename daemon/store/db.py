"""The one SQLite file: how it is opened, kept in shape, and read by everybody but the writer.

WAL with synchronous=FULL: a commit that returned survives a power cut, as far as the disk tells the truth.
"""

from __future__ import annotations

import contextlib
import mmap
import secrets
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Self

import structlog

from daemon.model import EPOCH, from_ms, to_ms

log = structlog.get_logger(__name__)

FILE = "state.db"
#: A fact that stands while the tickets of a lost ledger have not been looked over: when the loss was seen, in ms.
RECONCILE = "reconcile_tickets"
_PROGRESS = struct.Struct("<qq")


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening the file found; each field that is set is reported to a person."""

    db: sqlite3.Connection
    #: The corrupt file was set aside under this name and a new ledger begun.
    set_aside: Path | None = None
    #: Journal rows known to have been committed that the file no longer holds.
    lost_inputs: int = 0


def connect(path: Path | str) -> sqlite3.Connection:
    """The writer's own connection, migrated to the newest numbered migration.

    Raises:
        sqlite3.DatabaseError: the file is no database, is corrupt, or comes from a newer version.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA cache_size = -8000")
    db.execute("PRAGMA journal_size_limit = 16777216")
    db.execute("PRAGMA wal_autocheckpoint = 1000")
    _migrate(db)
    return db


def _migrate(db: sqlite3.Connection) -> None:
    """Run every `NNNN_*.sql` beside this file whose number lies above the file's user_version, each in one piece."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    found = [f for f in resources.files("daemon.store").iterdir() if f.name[:4].isdigit()]
    scripts = sorted(found, key=lambda f: f.name)
    numbers = [int(script.name[:4]) for script in scripts]
    if version > max(numbers):
        raise sqlite3.DatabaseError(f"the file has version {version}, this program knows {max(numbers)}: upgrade it")
    for number, script in zip(numbers, scripts, strict=True):
        if number > version:
            text = script.read_text(encoding="utf-8")
            db.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;")
    db.execute("INSERT INTO fact (name, value) VALUES ('ledger_id', ?) ON CONFLICT DO NOTHING", (secrets.token_hex(6),))


def open_db(directory: Path, at: datetime) -> Opened:
    """Open the file of a state directory; set a corrupt one aside and begin anew.

    `at` names the file that is set aside. A file whose tail was cut off (power cut) opens by itself; what is known
    to be missing is counted against the progress mark, and the ledger gets a new id so that no order key is used
    twice.
    """
    path = directory / FILE
    set_aside = None
    try:
        db = _checked(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise  # locked, read-only, full: not the file's fault
        if "upgrade" in str(error):
            raise
        set_aside = path.with_name(f"{FILE}.corrupt-{to_ms(at)}")
        log.error(  # noqa: TRY400  the message says it all
            "store_set_aside", file=str(set_aside), error=str(error), advice="a new ledger is begun; keep the file"
        )
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(set_aside.with_name(set_aside.name + suffix))
        db = connect(path)
    lost = _count_lost(db, directory)
    if lost:
        log.error(
            "journal_tail_lost", inputs=lost, advice="the disk lost committed data in a power cut; ledger id renewed"
        )
    if lost or set_aside:
        db.execute("UPDATE fact SET value = ? WHERE name = 'ledger_id'", (secrets.token_hex(6),))
        set_fact(db, RECONCILE, str(to_ms(at)))
    return Opened(db, set_aside, lost)


def _checked(path: Path) -> sqlite3.Connection:
    db = connect(path)
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        db.close()
        raise sqlite3.DatabaseError(verdict)
    return db


def _count_lost(db: sqlite3.Connection, directory: Path) -> int:
    with Progress(directory) as progress:
        known = progress.seq
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()
    (snapshotted,) = db.execute("SELECT coalesce(max(seq), 0) FROM snapshot").fetchone()
    return max(0, known - max(int(last), int(snapshotted)))


class Progress:
    """The last committed sequence number and site time, in a mapped file that costs no flush.

    It outlives a kill, and tells after a power cut how much of the journal the disk has lost. Its time is what site
    time must not fall behind at the next start.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "progress"
        if not path.exists() or path.stat().st_size != _PROGRESS.size:
            path.write_bytes(_PROGRESS.pack(0, 0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _PROGRESS.size)

    @property
    def seq(self) -> int:
        """The highest sequence number ever committed."""
        return int.from_bytes(self._map[:8], "little", signed=True)

    @property
    def at(self) -> datetime:
        """Site time of that commit."""
        return from_ms(_PROGRESS.unpack(self._map[:])[1]) if self.seq else EPOCH

    def advance(self, seq: int, at: datetime) -> None:
        """Note a commit."""
        self._map[:] = _PROGRESS.pack(seq, to_ms(at))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()


def _read_only(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


@contextlib.contextmanager
def reader(path: Path | str) -> Iterator[sqlite3.Connection]:
    """A short read-only look at the file, for everybody who is not the writer."""
    db = _read_only(f"file:{path}?mode=ro")
    try:
        try:
            db.execute("PRAGMA schema_version")
        except sqlite3.OperationalError:
            # nobody has it open, and we may not make the two files beside it through which readers and writer agree
            if Path(f"{path}-wal").exists() or not Path(path).exists():
                raise
            db.close()
            db = _read_only(f"file:{path}?mode=ro&immutable=1")
        db.execute("PRAGMA query_only = ON")
        yield db
    finally:
        db.close()


def fact(db: sqlite3.Connection, name: str, default: str = "") -> str:
    """A small fact by name."""
    row = db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else default


def set_fact(db: sqlite3.Connection, name: str, value: str) -> None:
    """Write a small fact."""
    db.execute("INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))
