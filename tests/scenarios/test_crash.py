from __future__ import annotations

import itertools
import json
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.model import from_ms
from daemon.store.db import FILE, Progress, open_db
from tests.crash.run import Daemon, Plan, Result, perform, subscribe_once, world
from tests.crash.tally import stored


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def run(tmp_path: Path, plan: Plan) -> Result:
    result = perform(plan, tmp_path, say)
    say(str(result))
    return result


def test_six_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """Killed around a commit, an acknowledgement and the making of an order, every message and order is there once."""
    points = ("after_commit", "before_ack", "after_create", "before_receipt", "after_mark")

    result = run(tmp_path, Plan(6, points=points, with_random=False, seed=2))

    assert result.is_as_promised
    assert result.tally.sent > 500
    assert result.tally.orders_found >= 3
    assert set(result.at) >= set(points)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutation", "points", "figures"),
    [
        ("automatic-ack", ("before_commit", "before_process"), ("lost",)),
        ("ack-before-commit", ("before_commit", "after_process"), ("lost",)),
        ("receipt-before-commit", ("before_create",), ("orders_missing",)),
    ],
)
def test_a_fault_built_in_is_found(
    tmp_path: Path, mutation: str, points: tuple[str, ...], figures: tuple[str, ...]
) -> None:
    """A daemon that acknowledges or takes receipts too early fails the crash run, by the figure it must fail by."""
    plan = Plan(6, points=points, with_random=False, mutation=mutation, drains_within=20.0)

    tally = run(tmp_path, plan).tally

    assert not tally.is_exact
    assert all(getattr(tally, figure) > 0 for figure in figures)


@pytest.mark.slow
def test_the_same_moments_without_a_fault_are_exact(tmp_path: Path) -> None:
    """What the mutations are found by is no fault of the run itself."""
    points = ("before_commit", "before_process", "after_process", "before_create")

    assert run(tmp_path, Plan(6, points=points, with_random=False)).is_as_promised


# --- power cut -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory of a daemon killed under load, the outside world still running."""
    directory = tmp_path_factory.mktemp("power-cut")
    with world(directory) as outside, (directory / "daemon.log").open("w") as log:
        daemon = Daemon(directory, "none", log)
        subscribe_once(daemon, outside.broker.facts["port"])
        with outside.load(300.0, directory / "acknowledged.txt"), daemon.running() as process:
            deadline = time.monotonic() + 30
            while len(stored(outside.influx.facts["url"])) < 300:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield directory


def cut(killed: Path, copy: Path, wal_bytes: int) -> Path:
    """A copy of the state, with the write-ahead log cut off after so many bytes."""
    shutil.copytree(killed / "state", copy, ignore=shutil.ignore_patterns("control.sock"))
    with (copy / f"{FILE}-wal").open("r+b") as wal:
        wal.truncate(wal_bytes)
    return copy


def journal(directory: Path) -> list[tuple[int, int, str, bytes]]:
    with closing(sqlite3.connect(directory / FILE)) as db:
        return db.execute("SELECT seq, at, kind, body FROM journal ORDER BY seq").fetchall()


def ledger_id(directory: Path) -> str:
    with closing(sqlite3.connect(directory / FILE)) as db:
        return str(db.execute("SELECT value FROM fact WHERE name = 'ledger_id'").fetchone()[0])


def test_a_log_cut_anywhere_opens_and_the_loss_is_counted(killed: Path, tmp_path: Path) -> None:
    """What is left is the journal's beginning, the rest is told by number, and no order key can come twice."""
    whole = cut(killed, tmp_path / "whole", (killed / "state" / f"{FILE}-wal").stat().st_size)
    everything, ledger = journal(whole), ledger_id(whole)
    size = (killed / "state" / f"{FILE}-wal").stat().st_size
    chance = random.Random(5)
    losses = []
    for number, length in enumerate([0, 31, size, *(chance.randrange(size) for _ in range(25))]):
        left = journal(cut(killed, tmp_path / f"probe-{number}", length)) if length > 4096 * 120 else None
        directory = cut(killed, tmp_path / f"cut-{number}", length)
        with Progress(directory) as progress:
            known = progress.seq

        opened = open_db(directory, from_ms(1_800_000_000_000))
        opened.db.close()

        assert opened.set_aside is None
        rows = journal(directory)
        assert rows == everything[: len(rows)]
        assert left is None or rows == left
        assert opened.lost_inputs == max(0, known - len(rows))  # a kill may come between a commit and its mark
        assert (ledger_id(directory) != ledger) == (opened.lost_inputs > 0 or not rows)
        losses.append(opened.lost_inputs)

    assert len(set(losses)) > 5
    assert min(losses) == 0


def test_the_daemon_goes_on_after_a_power_cut_and_says_what_it_lost(killed: Path, tmp_path: Path) -> None:
    """It starts by itself on a log cut in half, names the number of lost inputs, and takes messages again."""
    size = (killed / "state" / f"{FILE}-wal").stat().st_size
    left = journal(cut(killed, tmp_path / "probe", size // 2))
    shutil.copytree(killed, tmp_path / "site", ignore=shutil.ignore_patterns("state", "broker"))
    state = cut(killed, tmp_path / "site" / "state", size // 2)
    with Progress(state) as progress:
        known = progress.seq
    log = tmp_path / "daemon.log"
    with log.open("w") as file, Daemon(tmp_path / "site", "none", file).running() as process:
        deadline = time.monotonic() + 30
        while len(journal(state)) <= len(left) + 5:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    lost = next(event for event in events if event["event"] == "journal_tail_lost")
    assert lost["inputs"] == known - len(left) > 0
    numbers = [row[0] for row in journal(state)]
    assert all(later > earlier for earlier, later in itertools.pairwise(numbers))
