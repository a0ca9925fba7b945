"""What we write, read back from servers that were written by others."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from daemon.clock import SiteClock
from daemon.model import (
    Asset,
    Catalogue,
    Input,
    Observation,
    Point,
    PointKind,
    Quality,
    Reading,
    Reason,
    Retry,
    Site,
    Text,
    Value,
    from_ms,
    to_ms,
)
from daemon.outputs.forwarder import Forwarder, Pace
from daemon.outputs.influx import InfluxConfig, InfluxSink
from daemon.outputs.line import LineProtocol
from daemon.store.db import FILE, connect
from daemon.store.journal import Journal
from daemon.supervisor import Backoff

if TYPE_CHECKING:
    import sqlite3

    from tests.integration.outputs.conftest import Influx16, Victoria

pytestmark = pytest.mark.integration

T = TypeVar("T")
NOBODY = Text("", "")
#: A day ago: recent enough for any retention, and nothing lies in the future.
START = from_ms(int(time.time() * 1000) - 86_400_000)
BATCH = 1000


def catalogue(*points: tuple[str, PointKind], asset: str = "L1", building: str = "B3", site: str = "hy") -> Catalogue:
    """One lift with these points."""
    declared = tuple(Point(f"{asset}.{name}", asset, "d", name, kind=kind) for name, kind in points)
    return Catalogue(Site(site, NOBODY), (Asset(asset, "lift", NOBODY, building),), (), declared)


LIFT = catalogue(("floor", PointKind.GAUGE), ("door", PointKind.STATE))


def observation(n: int, values: dict[str, Value], *, asset: str = "L1", quality: Quality = Quality.GOOD) -> Observation:
    at = START + timedelta(milliseconds=n)
    reason = Reason.NONE if quality is Quality.GOOD else Reason.OUT_OF_RANGE
    return Observation(
        at, "d", tuple(Reading(f"{asset}.{name}", at, value, at, quality, reason) for name, value in values.items())
    )


def written(cat: Catalogue, *observations: Observation) -> list[bytes]:
    protocol = LineProtocol(cat)
    return [line.text for each in observations for line in protocol.encode(each)]


def config(url: str, **more: object) -> InfluxConfig:
    return InfluxConfig.model_validate({"url": url, "bucket": "precomplaint", **more})


AWKWARD = [
    "closed",
    "门 关,了=是",
    'say "hi"',
    "C:\\lift\\",
    "\\",
    'a\\"b',
    "two\nlines",
    "",
    "🛗",
    " ",
    "#",
    "tab\there",
]


@pytest.mark.parametrize("gzip", ["never", "always"])
async def test_influxdb_reads_back_what_was_written(influx: Influx16, gzip: str) -> None:
    """Names, tags, labels and numbers come back to the last bit; newlines spelt out."""
    cat = catalogue(
        ("开门 次数,a=b", PointKind.GAUGE),
        ("门\\状态", PointKind.STATE),
        asset="电梯 1,=",
        building="B 3=x,",
        site="红\\苑",
    )
    numbers = [0.0, -0.1, 1e22, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, -273.15, 1e-7, 123456789.125, 7.0, 3.0, 2.0]
    readings = [
        observation(n, {"开门 次数,a=b": number, "门\\状态": label}, asset="电梯 1,=")
        for n, (number, label) in enumerate(zip(numbers, AWKWARD, strict=True))
    ]
    async with InfluxSink(config(influx.url, gzip=gzip)) as sink:
        triage = await sink.write(written(cat, *readings))

    rows = await influx.query("SELECT * FROM lift")
    assert triage.rejected == ()
    assert [row["time"] for row in rows] == [to_ms(START) + n for n in range(len(numbers))]
    assert [row["开门 次数,a=b"] for row in rows] == numbers
    assert [row["门\\状态"] for row in rows] == [label.replace("\n", "\\n") for label in AWKWARD]
    assert {(row["asset"], row["building"], row["site"]) for row in rows} == {("电梯 1,=", "B 3=x,", "红\\苑")}


async def test_influxdb_keeps_quality_beside_the_value(influx: Influx16) -> None:
    """A bad value is there with its reason; a good one has no quality field."""
    bad = observation(0, {"floor": 412.0}, quality=Quality.BAD)
    async with InfluxSink(config(influx.url)) as sink:
        await sink.write(written(LIFT, bad, observation(1, {"floor": 7.0})))

    rows = await influx.query('SELECT "floor", "floor_q" FROM lift')
    assert [(row["floor"], row["floor_q"]) for row in rows] == [(412.0, "bad:out_of_range"), (7.0, None)]


async def test_influxdb_refuses_the_poison_lines_and_keeps_the_others(influx: Influx16) -> None:
    """A malformed line and one with the wrong type are found, each with the server's reason."""
    lines = written(LIFT, *(observation(n, {"floor": float(n), "door": "closed"}) for n in range(300)))
    lines[120] = b"lift,asset=L1 broken"
    lines[200] = lines[200].replace(b"floor=200.0", b'floor="two hundred"')
    async with InfluxSink(config(influx.url)) as sink:
        triage = await sink.write(lines)

    rows = await influx.query('SELECT "floor" FROM lift')
    assert triage.accepted == 298
    assert [refused.number for refused in triage.rejected] == [120, 200]
    assert "unable to parse" in triage.rejected[0].reason
    assert "field type conflict" in triage.rejected[1].reason
    assert [row["floor"] for row in rows] == [float(n) for n in range(300) if n not in (120, 200)]


async def test_influxdb_without_the_bucket_keeps_the_lines(influx: Influx16) -> None:
    """The words say which bucket to create; once it is there the same lines pass."""
    async with InfluxSink(config(influx.url, bucket="other")) as sink:
        with pytest.raises(Retry, match="create bucket other"):
            await sink.write(written(LIFT, observation(0, {"floor": 1.0})))


async def test_a_repeated_write_changes_nothing(influx: Influx16) -> None:
    """The same series, timestamp and field is the same value: replays overwrite."""
    lines = written(LIFT, *(observation(n, {"floor": float(n)}) for n in range(50)))
    async with InfluxSink(config(influx.url)) as sink:
        for _ in range(3):
            await sink.write(lines)

    assert [row["floor"] for row in await influx.query('SELECT "floor" FROM lift')] == [float(n) for n in range(50)]


async def test_victoriametrics_reads_back_numbers(victoria: Victoria) -> None:
    """Every number of every asset is there with its millisecond, and a repeated batch adds nothing."""
    other = catalogue(("floor", PointKind.GAUGE), asset="二号梯")
    numbers = [0.5, -40.0, 1e-7, 123456.75, 7.0]
    lines = written(LIFT, *(observation(n, {"floor": v, "door": "closed"}) for n, v in enumerate(numbers)))
    lines += written(other, observation(3, {"floor": 9.0}, asset="二号梯"))
    async with InfluxSink(config(victoria.url)) as sink:
        await sink.write(lines)
        await sink.write(lines)

    found = await settled(lambda: victoria.export('{__name__="lift_floor"}'), lambda found: len(found) == 2)
    first = to_ms(START)
    assert found["lift_floor", "L1"] == [(first + n, value) for n, value in enumerate(numbers)]
    assert found["lift_floor", "二号梯"] == [(first + 3, 9.0)]


# --- servers that go away -----------------------------------------------------------------------------------


async def settled(read: Callable[[], Awaitable[T]], done: Callable[[T], bool]) -> T:
    """What is read once it is as expected, or at the deadline."""
    found = await read()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while not done(found):
                await asyncio.sleep(0.1)
                found = await read()
    return found


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


@contextlib.asynccontextmanager
async def forwarding(state: StateFile, url: str) -> AsyncIterator[Forwarder]:
    """A forwarder with a lane so small that an outage overflows it."""
    pace = Pace(
        batch_lines=BATCH,
        flush_interval=timedelta(milliseconds=5),
        lane_lines=2 * BATCH,
        backlog_rows=700,
        backoff=Backoff(0.05, 0.2),
    )
    async with InfluxSink(config(url, timeout="2s")) as sink:
        made = Forwarder(sink, LineProtocol(LIFT), state.path, run_job=state.run_job, clock=SiteClock(), pace=pace)
        task = asyncio.create_task(made.run())
        yield made
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def feed(state: StateFile, forwarder: Forwarder, numbers: range) -> None:
    for first in range(numbers.start, numbers.stop, 50):
        part = range(first, min(first + 50, numbers.stop))
        forwarder.offer(state.commit([observation(n, {"floor": float(n), "door": "closed"}) for n in part]))
        await asyncio.sleep(0)


async def through_an_outage(
    state: StateFile, url: str, stop: Callable[[], Awaitable[None]], start: Callable[[], Awaitable[None]]
) -> None:
    """10,000 rows: the server dies after some, comes back later, and our own process restarts in between."""
    async with forwarding(state, url) as forwarder:
        await feed(state, forwarder, range(3000))
        await stop()
        await feed(state, forwarder, range(3000, 8000))
        assert forwarder.status().backlog_rows > 0
    async with forwarding(state, url) as forwarder:
        await start()
        await feed(state, forwarder, range(8000, 10_000))
        status = await settled(as_async(forwarder.status), lambda status: status.values_written == 20_000)
    assert status.values_written == 20_000
    assert status.backlog_rows == 0


def as_async(read: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    async def reading() -> T:
        return read()

    return reading


async def test_influxdb_killed_and_restarted_loses_nothing(influx: Influx16, tmp_path: Path) -> None:
    """A server that dies without a word gets everything when it is back, once."""
    await through_an_outage(StateFile(tmp_path), influx.url, influx.stop, influx.start)

    rows = await influx.query('SELECT "floor", "door" FROM lift')
    assert [row["floor"] for row in rows] == [float(n) for n in range(10_000)]
    assert {row["door"] for row in rows} == {"closed"}


async def test_victoriametrics_restarted_loses_nothing(victoria: Victoria, tmp_path: Path) -> None:
    """An orderly restart of the server in the middle costs nothing."""
    await through_an_outage(StateFile(tmp_path), victoria.url, lambda: victoria.stop(signal.SIGTERM), victoria.start)

    found = await settled(
        lambda: victoria.export('{__name__="lift_floor"}'),
        lambda found: len(found.get(("lift_floor", "L1"), [])) >= 10_000,
    )
    first = to_ms(START)
    assert found["lift_floor", "L1"] == [(first + n, float(n)) for n in range(10_000)]
