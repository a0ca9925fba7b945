from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from daemon.model import Input, Taken, Tick
from daemon.pipeline import Pipeline
from daemon.store import ledger
from daemon.store.db import Progress, connect
from daemon.writer import Gathering, Writer, WriterFailedError
from tests.spine import pipeline, process, ruleset, said, tick

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


async def end_at(file: Path, item: Input, monkeypatch: pytest.MonkeyPatch, *, deadly: bool) -> list[Input]:
    """One start at which `item` arrives; what was committed."""
    spine = Pipeline(connect(file))
    spine.restore()
    heard = Heard()
    writer = Writer(spine, on_commit=heard, gathering=QUICK)
    step = Pipeline._step

    def die(self: Pipeline, given: Input) -> object:
        if deadly and given is item:
            raise RuntimeError("boom")
        return step(self, given)

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "_step", die)
        with contextlib.suppress(WriterFailedError):
            await writer.emit([item])
        with contextlib.suppress(RuntimeError, TypeError):
            await writer.close()
    spine.db.close()
    return [given for batch in heard.batches for given in batch]


async def test_what_cannot_even_be_written_down_is_set_aside_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a character that no encoding knows ends the journal itself: twice, and the third time it is a Tick."""
    file = tmp_path / "state.db"
    pipeline(ruleset(tmp_path), file).db.close()
    item = said(1, "lift-1", safety_chain="\ud800")

    taken = [await end_at(file, item, monkeypatch, deadly=False) for _ in range(3)]

    assert taken == [[], [], [Tick(item.at)]]
    with contextlib.closing(connect(file)) as db:
        assert db.execute("SELECT reason FROM quarantine").fetchall() == [("poison",)]


async def test_a_death_is_forgotten_once_the_input_has_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that many devices send each minute is not blamed for two deaths a year apart."""
    file = tmp_path / "state.db"
    pipeline(ruleset(tmp_path), file).db.close()
    item = said(1, "lift-1", safety_chain="closed")

    taken = [await end_at(file, item, monkeypatch, deadly=deadly) for deadly in (True, False, True, False)]

    assert taken == [[], [item], [], [item]]


async def test_an_input_that_was_set_aside_is_told_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line in the log and one order of type instrument, however often it comes; a new program tries it again."""
    file = tmp_path / "state.db"
    pipeline(ruleset(tmp_path), file).db.close()
    item = said(1, "lift-1", safety_chain="open")
    for _ in range(2):
        await end_at(file, item, monkeypatch, deadly=True)

    with structlog.testing.capture_logs() as logs:
        spine = Pipeline(connect(file))
        spine.restore()
        process(spine, [item])
        process(spine, [item])

    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["input_set_aside"]
    assert spine.db.execute("SELECT count(*) FROM quarantine").fetchone() == (2,)
    (order,) = ledger.orders(spine.db, 9)
    assert (order.rule, order.document["type"]) == ("gateway.input_set_aside", "instrument")
    assert "lift-1/d" in str(order.document["observed"])

    spine.db.execute("UPDATE death SET program = 'older'")
    newer = Pipeline(spine.db)
    newer.restore()
    process(newer, [tick(2), said(3, "lift-1", safety_chain="open")])
    assert [alarm.rule for alarm in ledger.open_alarms(spine.db)] == ["chain"]


async def test_whoever_cannot_be_told_of_a_commit_ends_the_spine(tmp_path: Path) -> None:
    """Else everybody who waits would wait for ever, and nothing would be acknowledged or said."""

    def deaf(numbered: Sequence[tuple[int, Input]]) -> None:
        raise ZeroDivisionError(len(numbered))

    writer = Writer(pipeline(ruleset(tmp_path)), on_commit=deaf, gathering=QUICK)

    with pytest.raises(WriterFailedError):
        await asyncio.wait_for(writer.emit([tick(1)]), 10)
    with pytest.raises(ZeroDivisionError):
        await writer.close()


async def test_a_death_that_cannot_be_noted_leaves_nobody_waiting(tmp_path: Path) -> None:
    """Two faults at once: who emitted is told all the same, and the first failure is the one that counts."""
    spine = pipeline(ruleset(tmp_path))
    spine.db.execute("DROP TABLE death")
    writer = Writer(spine, on_commit=Heard(), gathering=QUICK)

    with pytest.raises(WriterFailedError):
        await asyncio.wait_for(writer.emit([said(1, "lift-1", safety_chain="\ud800")]), 10)
    with pytest.raises(TypeError):
        await writer.close()
