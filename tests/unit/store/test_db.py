from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.model import Tick, from_ms
from daemon.store.db import FILE, Progress, connect, fact, open_db, reader, set_fact
from daemon.store.journal import Journal

T0 = from_ms(1_795_300_000_000)


def test_a_new_file_has_a_ledger_id_that_stays(tmp_path: Path) -> None:
    """The ledger id is made with the ledger and survives a restart."""
    first = fact(open_db(tmp_path, T0).db, "ledger_id")

    assert first
    assert fact(open_db(tmp_path, T0).db, "ledger_id") == first


def test_a_corrupt_file_is_set_aside_and_a_new_ledger_begun(tmp_path: Path) -> None:
    """Nobody has to delete anything by hand: the old file keeps its bytes, the new one has a new ledger id."""
    opened = open_db(tmp_path, T0)
    before = fact(opened.db, "ledger_id")
    opened.db.close()
    (tmp_path / FILE).write_bytes(b"this is no database at all" * 400)

    again = open_db(tmp_path, T0)

    assert again.set_aside is not None
    assert again.set_aside.read_bytes().startswith(b"this is no database")
    assert fact(again.db, "ledger_id") not in {"", before}


def test_a_lost_tail_is_counted_and_the_ledger_id_renewed(tmp_path: Path) -> None:
    """The progress mark knows of rows that the file no longer holds."""
    opened = open_db(tmp_path, T0)
    before = fact(opened.db, "ledger_id")
    Journal(opened.db).append([Tick(T0)])
    opened.db.close()
    with Progress(tmp_path) as progress:
        progress.advance(8, T0)

    again = open_db(tmp_path, T0)

    assert again.lost_inputs == 7
    assert fact(again.db, "ledger_id") != before


def test_a_file_of_a_newer_program_is_refused_and_kept(tmp_path: Path) -> None:
    """A downgrade must not take a good file for a corrupt one."""
    opened = open_db(tmp_path, T0)
    opened.db.execute("PRAGMA user_version = 99")
    opened.db.close()

    with pytest.raises(sqlite3.DatabaseError, match="upgrade"):
        open_db(tmp_path, T0)
    assert list(tmp_path.glob("*.corrupt-*")) == []


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """Everybody but the writer looks only."""
    open_db(tmp_path, T0)

    with reader(tmp_path / FILE) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM fact")


def test_facts_are_overwritten() -> None:
    """The latest value of a fact counts."""
    db = connect(":memory:")
    set_fact(db, "x", "1")
    set_fact(db, "x", "2")

    assert fact(db, "x") == "2"
    assert fact(db, "y", "none") == "none"


def test_a_reader_that_may_not_write_beside_it_reads_a_file_that_nobody_has_open(tmp_path: Path) -> None:
    """A stopped daemon leaves the file alone; whoever may only read its directory can still look at it."""
    db = open_db(tmp_path, T0).db
    set_fact(db, "x", "1")
    db.close()
    (tmp_path / f"{FILE}-shm").mkdir()  # as if it could not be made

    with reader(tmp_path / FILE) as look:
        assert fact(look, "x") == "1"
