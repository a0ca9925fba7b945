from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from daemon.model import Input, Taken, Tick
from daemon.pipeline import Pipeline
from daemon.store.db import Progress
from daemon.writer import Gathering, Writer, WriterFailedError
from tests.spine import pipeline, ruleset, said, tick

QUICK = Gathering(busy=0.001, quiet=0.001)


class Heard:
    """What the writer tells after each commit."""

    def __init__(self) -> None:
        self.batches: list[list[Input]] = []

    def __call__(self, numbered: Sequence[tuple[int, Input]]) -> None:
        self.batches.append([item for _, item in numbered])


async def test_emit_returns_when_the_inputs_are_committed(tmp_path: Path) -> None:
    """A second connection sees the row as soon as emit is back, and whoever forwards was told before."""
    spine, heard = pipeline(ruleset(tmp_path), tmp_path / "state.db"), Heard()
    writer = Writer(spine, on_commit=heard, gathering=QUICK)
    item = said(1, "lift-1", room_temp=20.0)

    await writer.emit([item])

    other = sqlite3.connect(tmp_path / "state.db")
    assert other.execute("SELECT count(*) FROM journal WHERE kind = 'o'").fetchone() == (1,)
    assert heard.batches == [[item]]
    await writer.close()


async def test_those_who_wait_together_commit_together_in_order(tmp_path: Path) -> None:
    """Ten emits at once are one commit, in call order."""
    spine, heard = pipeline(ruleset(tmp_path)), Heard()
    writer = Writer(spine, on_commit=heard, gathering=Gathering(busy=0.2, quiet=0.2))

    await asyncio.gather(*(writer.emit([tick(n)]) for n in range(10)))

    assert heard.batches == [[tick(n) for n in range(10)]]
    await writer.close()


async def test_an_urgent_input_waits_for_nobody(tmp_path: Path) -> None:
    """With an endless gathering time an urgent input still commits."""
    writer = Writer(pipeline(ruleset(tmp_path)), on_commit=Heard(), gathering=Gathering(busy=3600, quiet=3600))

    await asyncio.wait_for(writer.emit([tick(1)], urgent=True), 30)
    await writer.close()


async def test_a_failing_job_is_its_owners_alone(tmp_path: Path) -> None:
    """Its writes are undone, the inputs of the same commit stay, the writer goes on."""
    spine = pipeline(ruleset(tmp_path))
    writer = Writer(spine, on_commit=Heard(), gathering=QUICK)

    def job(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO fact VALUES ('half', 'done')")
        raise ValueError("no")

    emitted = asyncio.gather(writer.emit([tick(1)]), writer.run(job), return_exceptions=True)
    _, error = await emitted

    assert isinstance(error, ValueError)
    assert await writer.run(lambda db: db.execute("SELECT count(*) FROM fact WHERE name = 'half'").fetchone()) == (0,)
    assert spine.journal.last_seq == 2
    await writer.close()


async def test_the_first_failure_is_kept_and_raised_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the batch is committed, nobody is told that it was, later work is refused, close() tells why."""
    spine, heard = pipeline(ruleset(tmp_path)), Heard()

    def die(inputs: object, taken: object) -> list[tuple[int, Input]]:
        spine.db.execute("INSERT INTO fact VALUES ('half', 'done')")
        raise ZeroDivisionError("the spine broke")

    monkeypatch.setattr(spine, "process", die)
    writer = Writer(spine, on_commit=heard, gathering=QUICK)

    with pytest.raises(WriterFailedError):
        await writer.emit([tick(1)])
    with pytest.raises(WriterFailedError):
        await writer.emit([tick(2)])
    with pytest.raises(ZeroDivisionError, match="the spine broke"):
        await writer.close()
    assert spine.db.execute("SELECT count(*) FROM fact WHERE name = 'half'").fetchone() == (0,)
    assert heard.batches == []


async def test_a_cancelled_source_does_not_hide_the_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling whoever waits in the last commit loses their exception, never the writer's."""
    spine = pipeline(ruleset(tmp_path))

    def die(inputs: object, taken: object) -> list[tuple[int, Input]]:
        raise ZeroDivisionError("the spine broke")

    monkeypatch.setattr(spine, "process", die)
    writer = Writer(spine, on_commit=Heard(), gathering=Gathering(busy=0.2, quiet=0.2))
    source = asyncio.get_running_loop().create_task(writer.emit([tick(1)]))
    await asyncio.sleep(0)
    source.cancel()

    with pytest.raises(ZeroDivisionError):
        await writer.close()
    assert source.cancelled()


async def test_an_input_that_kills_is_set_aside_at_the_third_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the writer dies at the same message, delivered again at another time; the third time it is a Tick."""
    file = tmp_path / "state.db"
    pipeline(ruleset(tmp_path), file).db.close()
    step = Pipeline._step

    def die(self: Pipeline, item: Input) -> object:
        if "66.0" in str(item):
            raise RuntimeError("boom")
        return step(self, item)

    monkeypatch.setattr(Pipeline, "_step", die)
    for start in range(3):
        spine = Pipeline(sqlite3.connect(file, isolation_level=None, check_same_thread=False))
        spine.restore()
        heard = Heard()
        writer = Writer(spine, on_commit=heard, gathering=QUICK)
        if start < 2:
            with pytest.raises(WriterFailedError):
                await writer.emit([said(start, "lift-1", room_temp=66.0)])
            with pytest.raises(RuntimeError, match="boom"):
                await writer.close()
        else:
            await writer.emit([said(start, "lift-1", room_temp=66.0)])
            await writer.close()
            assert [type(item) for item in heard.batches[0]] == [Tick]
            assert spine.db.execute("SELECT reason FROM quarantine").fetchall() == [("poison",)]


async def test_an_orderly_end_leaves_a_snapshot_and_the_progress(tmp_path: Path) -> None:
    """The next start replays nothing, and knows how far site time had come."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    with Progress(tmp_path) as progress:
        writer = Writer(spine, on_commit=Heard(), progress=progress, gathering=QUICK)
        await writer.emit([tick(1), tick(2)], taken=Taken("m", "s", ((1, 2),)))
        await writer.close()

        assert (progress.seq, progress.at) == (3, tick(2).at)
    assert Pipeline(spine.db).restore() == 0
