"""Our lines, and the sink and forwarder that carry them, against the stand-in's strict reader of line protocol."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from daemon.clock import SiteClock
from daemon.model import (
    Asset,
    Catalogue,
    Input,
    Observation,
    Point,
    PointKind,
    Reading,
    Retry,
    Site,
    Text,
    from_ms,
)
from daemon.outputs.forwarder import Forwarder, Pace
from daemon.outputs.influx import InfluxConfig, InfluxSink
from daemon.outputs.line import LineProtocol
from daemon.outputs.sink import Triage
from daemon.store import marks
from daemon.store.db import FILE, connect
from daemon.store.journal import Journal
from daemon.supervisor import Backoff
from simulators import influx
from simulators.line_protocol import Line, Reader

T = TypeVar("T")
T0 = from_ms(1_795_300_000_000)
NOBODY = Text("", "")
#: Kinds come from a list of our own; ids, buildings, points and labels may be anything.
words = st.text(st.one_of(st.sampled_from(' ,="\\\n#电梯'), st.characters(codec="utf-8")), min_size=1, max_size=10)
names = words.filter(lambda text: text.strip("\\") == text and "\n" not in text and "\r" not in text)


def lift(asset: str = "L1", building: str = "B3", number: str = "floor", label: str = "door") -> Catalogue:
    points = (
        Point(f"{asset}.{number}", asset, "d", number),
        Point(f"{asset}.{label}", asset, "d", label, kind=PointKind.STATE),
    )
    return Catalogue(Site("hy", NOBODY), (Asset(asset, "lift", NOBODY, building),), (), points)


def observations(count: int) -> list[Observation]:
    moments = [T0 + timedelta(milliseconds=n) for n in range(count)]
    return [
        Observation(at, "d", (Reading("L1.floor", at, float(n), at), Reading("L1.door", at, "closed", at)))
        for n, at in enumerate(moments)
    ]


@given(
    place=st.tuples(names, names),
    number=names,
    label=names,
    value=st.floats(allow_nan=False, allow_infinity=False),
    state=words,
)
def test_the_stand_in_reads_what_we_write(
    place: tuple[str, str], number: str, label: str, value: float, state: str
) -> None:
    """Two implementations that share nothing agree on every line."""
    number, label = f"n{number}", f"l{label}"
    protocol = LineProtocol(lift(*place, number, label))
    readings = (Reading(f"{place[0]}.{number}", T0, value, T0), Reading(f"{place[0]}.{label}", T0, state, T0))
    (written,) = protocol.encode(Observation(T0, "d", readings))

    (read,) = Reader().read(written.text)

    assert isinstance(read, Line), read
    assert read.series == ("lift", (("asset", place[0]), ("building", place[1]), ("site", "hy")))
    assert read.fields == {number: value, label: state.replace("\n", "\\n").replace("\r", "\\r")}
    assert read.timestamp == 1_795_300_000_000


def config(service: influx.Influx, *, token: str | None = None) -> InfluxConfig:
    return InfluxConfig(url=service.url, timeout=timedelta(milliseconds=300), token=SecretStr(token) if token else None)


def lines(count: int) -> list[bytes]:
    protocol = LineProtocol(lift())
    return [line.text for observation in observations(count) for line in protocol.encode(observation)]


async def test_the_stand_in_keeps_the_good_lines_of_a_poisoned_batch() -> None:
    """Malformed and wrongly typed lines are found one by one."""
    batch = lines(100)
    batch[3] = b"lift,asset=L1 floor= 1"
    batch[90] = batch[90].replace(b'door="closed"', b"door=1.0")
    async with influx.serving() as service, InfluxSink(config(service)) as sink:
        triage = await sink.write(batch)
        tally = service.points.tally()

    assert triage.accepted == 98
    assert [refused.number for refused in triage.rejected] == [3, 90]
    assert tally["points_distinct"] == 98


async def test_a_wrong_token_loses_nothing() -> None:
    """Everything is kept until the token is right."""
    async with influx.serving(token="right") as service:  # noqa: S106  nobody's
        async with InfluxSink(config(service, token="wrong")) as sink:  # noqa: S106  nobody's
            with pytest.raises(Retry, match="token is refused"):
                await sink.write(lines(3))
        async with InfluxSink(config(service, token="right")) as sink:  # noqa: S106  nobody's
            assert await sink.write(lines(3)) == Triage(3)


async def test_a_body_too_large_goes_in_pieces() -> None:
    """413 halves the batch until it fits."""
    async with influx.serving(max_body=2000) as service, InfluxSink(config(service)) as sink:
        triage = await sink.write(lines(200))
        tally = service.points.tally()

    assert triage == Triage(200)
    assert tally["points_distinct"] == 200


class StateFile:
    """A state file and a writer of it, without a thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self.db = connect(self.path)
        self.journal = Journal(self.db)

    def commit(self, inputs: Sequence[Input]) -> list[tuple[int, Input]]:
        """Journal the inputs."""
        self.db.execute("BEGIN IMMEDIATE")
        numbered = self.journal.append(inputs)
        self.db.execute("COMMIT")
        return numbered

    async def run_job(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """`RunJob`."""
        self.db.execute("BEGIN IMMEDIATE")
        result = job(self.db)
        self.db.execute("COMMIT")
        return result


async def test_over_bad_days_and_restarts_the_store_holds_each_value_once(tmp_path: Path) -> None:
    """Errors before and after the work, resets, and a forwarder that is cancelled at any moment: an exact multiset.

    The forwarder's own count equals what the store holds.
    """
    bad_days = [
        {"kind": "status_5xx", "probability": 0.2, "seed": 1},
        {"kind": "reset_after", "probability": 0.15, "seed": 2},
        {"kind": "timeout_after", "probability": 0.03, "seed": 3, "hold": 1},
        {"kind": "status", "status": 429, "retry_after": 0, "probability": 0.1, "seed": 4},
    ]
    state, everything = StateFile(tmp_path), observations(6000)
    pace = Pace(60, timedelta(0), 120, 50, Backoff(0.002, 0.01))

    def mark() -> marks.Mark:
        return marks.load_mark(state.db, "influx")

    async with influx.serving(script=bad_days) as service, InfluxSink(config(service)) as sink:
        for start in range(0, 6000, 1500):
            forwarder = Forwarder(
                sink, LineProtocol(lift()), state.path, run_job=state.run_job, clock=SiteClock(), pace=pace
            )
            task = asyncio.create_task(forwarder.run())
            for first in range(start, start + 1500, 30):
                committed = state.commit(everything[first : first + 30])
                forwarder.offer(committed)
                await asyncio.sleep(0.001)
            if start == 4500:
                async with asyncio.timeout(30):
                    while mark() != marks.Mark(6000, (), values_written=12_000):
                        await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        stored = [(point.at, point.fields) for point in service.points.export()]
        tally = service.points.tally()
        played = set(service.script.played)

    assert {"status", "reset_after"} <= played
    assert sorted(at for at, _ in stored) == [1_000_000 * (1_795_300_000_000 + n) for n in range(6000)]
    assert all(
        fields == {"floor": float(at // 1_000_000 - 1_795_300_000_000), "door": "closed"} for at, fields in stored
    )
    assert tally["field_values_distinct"] == mark().values_written
    assert tally["field_values_changed"] == 0
