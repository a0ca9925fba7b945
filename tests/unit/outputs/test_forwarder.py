from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from daemon.clock import SiteClock
from daemon.model import Asset, Catalogue, Input, Observation, Point, Reading, Site, Text, Tick, from_ms
from daemon.outputs.forwarder import Forwarder, Pace
from daemon.outputs.influx import InfluxConfig, InfluxSink
from daemon.outputs.line import LineProtocol
from daemon.store import marks
from daemon.store.db import reader
from daemon.supervisor import Backoff

if TYPE_CHECKING:
    from tests.unit.outputs.conftest import InfluxServer, StateFile

T0 = from_ms(1_795_300_000_000)
NOBODY = Text("", "")
CATALOGUE = Catalogue(
    Site("hy", NOBODY),
    (Asset("L1", "lift", NOBODY), Asset("poison", "lift", NOBODY)),
    (),
    (Point("L1.floor", "L1", "d", "floor"), Point("poison.floor", "poison", "d", "floor")),
)
QUICK = Pace(flush_interval=timedelta(milliseconds=1), backoff=Backoff(0.001, 0.01))


def floors(first: int, count: int, *, asset: str = "L1") -> list[Input]:
    """One reading a second, its value its number."""
    moments = [(n, T0 + timedelta(seconds=n)) for n in range(first, first + count)]
    return [Observation(at, "d", (Reading(f"{asset}.floor", at, float(n), at),)) for n, at in moments]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


class Bench:
    """A forwarder over a state file and a server, started and killed at will."""

    def __init__(self, state: StateFile, server: InfluxServer) -> None:
        self.state = state
        self.server = server

    @contextlib.asynccontextmanager
    async def forwarder(self, pace: Pace = QUICK) -> AsyncIterator[Forwarder]:
        """A forwarder that runs, and is cancelled at the end as a kill would."""
        async with InfluxSink(InfluxConfig.model_validate({"url": self.server.url, "timeout": "5s"})) as sink:
            made = self.make(sink, pace)
            task = asyncio.create_task(made.run())
            yield made
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def make(self, sink: InfluxSink, pace: Pace = QUICK) -> Forwarder:
        """A forwarder that nobody runs."""
        return Forwarder(
            sink,
            LineProtocol(CATALOGUE),
            self.state.path,
            run_job=self.state.run_job,
            clock=SiteClock(),
            pace=pace,
        )

    def stored(self) -> list[int]:
        """The values that the server holds."""
        return sorted(int(float(value)) for value in self.server.stored.values())

    def mark(self) -> marks.Mark:
        """The mark as it is on disk."""
        with reader(self.state.path) as db:
            return marks.load_mark(db, "influx")

    def offered_floors(self) -> list[list[int]]:
        """The values of each request."""
        return [[int(float(line.split(b"=")[-1].split()[0])) for line in lines] for lines in self.server.requests]


@pytest.fixture
def bench(state: StateFile, influx_server: InfluxServer) -> Bench:
    return Bench(state, influx_server)


async def test_what_is_committed_arrives_and_is_marked(bench: Bench) -> None:
    """The mark names the last row and the values that were accepted; ticks cost nothing."""
    async with bench.forwarder() as forwarder:
        forwarder.offer(bench.state.commit([*floors(0, 5), Tick(T0 + timedelta(seconds=9))]))
        await until(lambda: bench.mark().live_seq == 6)

    assert bench.stored() == list(range(5))
    assert bench.mark() == marks.Mark(6, (), values_written=5)
    assert bench.server.requests[0][0] == b"lift,asset=L1,site=hy floor=0.0 1795300000000"


async def test_rows_committed_while_nobody_forwarded_are_sent_at_the_next_start(bench: Bench) -> None:
    """The backlog survives a restart: what lies behind the mark is a gap."""
    bench.state.commit(floors(0, 30))

    async with bench.forwarder(Pace(backlog_rows=7, backoff=Backoff(0.001, 0.01))):
        await until(lambda: bench.mark() == marks.Mark(30, (), values_written=30))

    assert bench.stored() == list(range(30))
    assert all(len(request) <= 7 for request in bench.server.requests)


async def test_live_rows_go_before_the_backlog(bench: Bench) -> None:
    """A backlog never holds live rows up by more than one batch."""
    bench.state.commit(floors(0, 50))
    bench.server.held = asyncio.Event()
    pace = Pace(flush_interval=timedelta(0), backlog_rows=10)

    async with bench.forwarder(pace) as forwarder:
        forwarder.offer(bench.state.commit(floors(100, 3)))
        bench.server.held.set()
        await until(lambda: len(bench.stored()) == 53 and bench.mark().gaps == ())

    offered = bench.offered_floors()
    assert [100, 101, 102] in offered[:2]
    backlog = [n for request in offered for n in request if n < 100]
    assert backlog == list(range(50))


async def test_an_outage_leaves_a_gap_that_is_drained(bench: Bench) -> None:
    """The lane is bounded: what it cannot hold waits in the journal, and nothing is lost."""
    bench.server.script = [(503, {}, "")] * 6
    pace = Pace(flush_interval=timedelta(0), lane_lines=20, backlog_rows=16, backoff=Backoff(0.005, 0.01))

    async with bench.forwarder(pace) as forwarder:
        for first in range(0, 200, 10):
            forwarder.offer(bench.state.commit(floors(first, 10)))
            assert forwarder.status().lane_lines <= 30
            await asyncio.sleep(0)
        await until(lambda: bench.mark() == marks.Mark(200, (), values_written=200))

        assert forwarder.status().error == ""

    assert bench.stored() == list(range(200))


async def test_an_overflow_keeps_its_place_over_a_restart(bench: Bench) -> None:
    """Rows that were passed over stay a gap on disk while later live rows are forwarded."""
    bench.server.script = [(503, {}, "")]
    pace = Pace(flush_interval=timedelta(0), lane_lines=5, backoff=Backoff(60, 60))
    async with bench.forwarder(pace) as forwarder:
        forwarder.offer(bench.state.commit(floors(0, 3)))
        await until(lambda: forwarder.status().error != "")
        forwarder.offer(bench.state.commit(floors(3, 9)))

        status = forwarder.status()
    assert (status.backlog_rows, status.lane_lines) == (12, 0)
    assert bench.mark() == marks.Mark()

    async with bench.forwarder() as forwarder:
        forwarder.offer(bench.state.commit(floors(12, 1)))
        await until(lambda: bench.mark() == marks.Mark(13, (), values_written=13))

    assert bench.stored() == list(range(13))


async def test_a_crash_between_sink_and_mark_counts_once(bench: Bench) -> None:
    """Rows are sent again under the same timestamps, and values are counted with the mark, not with the request."""
    async with InfluxSink(InfluxConfig(url=bench.server.url)) as sink:
        made = bench.make(sink)
        made.offer(bench.state.commit(floors(0, 4)))
        bench.state.db.execute("BEGIN IMMEDIATE")  # the job cannot begin: the program dies there
        with pytest.raises(Exception, match="transaction within a transaction"):
            await made.finish(timedelta(seconds=5))
        bench.state.db.execute("ROLLBACK")
    assert bench.stored() == list(range(4))
    assert bench.mark().values_written == 0

    async with bench.forwarder():
        await until(lambda: bench.mark() == marks.Mark(4, (), values_written=4))

    assert bench.stored() == list(range(4))
    assert len(bench.server.requests) == 2


async def test_a_cancelled_write_is_not_taken_for_done(bench: Bench) -> None:
    """Stopping in the middle of a request keeps its rows for the final flush."""
    bench.server.held = asyncio.Event()
    async with InfluxSink(InfluxConfig(url=bench.server.url)) as sink:
        made = bench.make(sink)
        task = asyncio.create_task(made.run())
        made.offer(bench.state.commit(floors(0, 4)))
        await until(lambda: made.status().lane_lines == 0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        bench.server.held.set()

        done = await made.finish(timedelta(seconds=5))

    assert done
    assert bench.mark() == marks.Mark(4, (), values_written=4)
    assert bench.stored() == list(range(4))


async def test_the_final_flush_sends_lane_and_backlog(bench: Bench) -> None:
    """At stop everything goes that the deadline allows, live rows first."""
    bench.state.commit(floors(0, 10))
    async with InfluxSink(InfluxConfig(url=bench.server.url)) as sink:
        made = bench.make(sink)
        made.offer(bench.state.commit(floors(10, 2)))

        done = await made.finish(timedelta(seconds=5))

    assert done
    assert bench.offered_floors() == [[10, 11], list(range(10))]
    assert bench.mark() == marks.Mark(12, (), values_written=12)


async def test_the_final_flush_does_not_wait_for_a_dead_sink(bench: Bench) -> None:
    """One refusal ends it; the rows stay in the journal."""
    bench.server.script = [(503, {}, "")]
    async with InfluxSink(InfluxConfig(url=bench.server.url)) as sink:
        made = bench.make(sink)
        made.offer(bench.state.commit(floors(0, 2)))

        done = await made.finish(timedelta(seconds=5))

    assert not done
    assert bench.mark() == marks.Mark()


async def test_a_refused_line_goes_into_the_quarantine(bench: Bench) -> None:
    """The rest of its batch is written; the line is kept with the server's words, and counted."""
    inputs = [*floors(0, 3), *floors(3, 1, asset="poison"), *floors(4, 3)]
    async with bench.forwarder() as forwarder:
        forwarder.offer(bench.state.commit(inputs))
        await until(lambda: bench.mark().live_seq == 7)

    assert bench.mark() == marks.Mark(7, (), values_written=6, lines_rejected=1)
    assert bench.stored() == [0, 1, 2, 4, 5, 6]
    row = bench.state.db.execute("SELECT seq, place, reason, detail, payload FROM quarantine").fetchone()
    assert row == (
        4,
        "sink:influx",
        "refused",
        "partial write: poison dropped",
        b"lift,asset=poison,site=hy floor=3.0 1795300003000",
    )


async def test_rows_offered_twice_are_forwarded_once(bench: Bench) -> None:
    """What was committed while the forwarder was being made lies in its gap already."""
    numbered = bench.state.commit(floors(0, 3))
    async with bench.forwarder() as forwarder:
        forwarder.offer(numbered)
        await until(lambda: bench.mark() == marks.Mark(3, (), values_written=3))
