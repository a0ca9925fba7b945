"""Forwarder: carries the journal's observations to a sink of time series, live data first.

                     ┌─ live lane (bounded, in memory) ──┐
    commit ─ offer ──┤                                   ├─ one live batch, one backlog batch, … ─> sink ─> mark
                     └─ gap (rows stay in the journal) ──┘

While the sink is away the lane fills; when it overflows its rows become a gap, to be read from the journal again,
oldest first, at most one backlog batch between two live ones. The mark moves after the sink accepted, so a crash in
between sends rows twice, which overwrite themselves: timestamps were fixed at intake.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog

from daemon import telemetry
from daemon.clock import Clock
from daemon.commitpoints import reached
from daemon.model import EPOCH, Input, Observation, Retry
from daemon.outputs.line import Line, LineProtocol
from daemon.outputs.sink import TimeSeriesSink, Triage
from daemon.store import marks
from daemon.store.db import reader
from daemon.store.jobs import RunJob
from daemon.store.journal import observations
from daemon.supervisor import Backoff

log = structlog.get_logger(__name__)

_WRITTEN = telemetry.counter("readings_written_total", "Values of points that a sink accepted.", "sink")
_REJECTED = telemetry.counter("lines_rejected_total", "Lines that a sink will never take.", "sink")
_BACKLOG = telemetry.gauge("backlog_rows", "Journal rows that a sink was passed over with.", "sink")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much goes at once, and how often."""

    #: Lines in a live batch.
    batch_lines: int = 5000
    #: The longest that a live row waits for company.
    flush_interval: timedelta = timedelta(seconds=1)
    #: Lines the live lane holds before its rows are left to the backlog; some 300 bytes each.
    lane_lines: int = 10_000
    #: Journal rows in a backlog batch: reading and encoding them takes a tenth of a second, on a thread.
    backlog_rows: int = 2000
    backoff: Backoff = field(default_factory=Backoff)


class ForwarderStatus(NamedTuple):
    """Where a sink stands, for people."""

    #: Journal rows that were passed over, ticks among them.
    backlog_rows: int
    lane_lines: int
    #: Totals since the ledger was begun.
    values_written: int
    lines_rejected: int
    down_since: datetime | None
    error: str


class _Row(NamedTuple):
    seq: int
    lines: list[Line]


class Forwarder:
    """Serves one sink. Make it before the writer takes its first input; then everything committed is offered once."""

    def __init__(
        self,
        sink: TimeSeriesSink,
        lines: LineProtocol,
        store: Path,
        *,
        run_job: RunJob,
        clock: Clock,
        pace: Pace | None = None,
        name: str = "influx",
    ) -> None:
        self.name = name
        self._sink = sink
        self._lines = lines
        self._store = store
        self._run_job = run_job
        self._clock = clock
        self._pace = pace or Pace()
        with reader(store) as db:
            mark, last_seq = marks.load_mark(db, name), marks.last_seq(db)
        self._gaps = marks.union([*mark.gaps, (mark.live_seq + 1, last_seq)])
        self._values_written, self._lines_rejected = mark.values_written, mark.lines_rejected
        #: The newest row known, forwarded or not.
        self._end = max(last_seq, mark.live_seq)
        self._lane: deque[_Row] = deque()
        self._lane_lines = 0
        #: The first row of an overflow that goes on; rows from here to the end are left to the backlog.
        self._spill_from: int | None = None
        self._live_due_at = EPOCH
        self._wake = asyncio.Event()
        self._attempt = 0
        self._trouble = ""
        self._down_since: datetime | None = None
        self._rejecting = False

    # --- from the writer ---------------------------------------------------------------------------------

    def offer(self, committed: Sequence[tuple[int, Input]]) -> None:
        """Take note of what was committed; never blocks, never fails. Called in the event loop, in commit order."""
        before = self._lane_lines
        for seq, item in committed:
            if seq <= self._end:
                continue  # committed while we were being made: it lies in a gap already
            self._end = seq
            if type(item) is Observation and self._spill_from is None:
                lines = self._lines.encode(item)
                if lines:
                    self._lane.append(_Row(seq, lines))
                    self._lane_lines += len(lines)
        if self._lane_lines > self._pace.lane_lines:
            self._spill(self._lane[0].seq)
        if self._spill_from is not None or self._lane_lines >= self._pace.batch_lines or (self._lane and not before):
            self._wake.set()

    def _spill(self, from_seq: int) -> None:
        self._spill_from = from_seq
        self._lane.clear()
        self._lane_lines = 0

    # --- the task ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Forward until cancelled. Raises only what ended the writer."""
        while True:
            await self._ready()
            try:
                if self._live_due():
                    await self._send_live()
                if self._backlog():
                    await self._send_backlog()
            except Retry as retry:
                await self._back_off(retry)
            else:
                self._came_back()

    async def finish(self, within: timedelta) -> bool:
        """After `run` was cancelled and the last commit offered: send what is left, live first, until the deadline.

        True when nothing is left. What is left stays in the journal for the next start.
        """
        with contextlib.suppress(TimeoutError, Retry):
            async with asyncio.timeout(within.total_seconds()):
                while self._lane or self._backlog():
                    await (self._send_live() if self._lane else self._send_backlog())
        status = self.status()
        if status.lane_lines or status.backlog_rows:
            log.info("flush_cut_short", sink=self.name, lines=status.lane_lines, backlog=status.backlog_rows)
            return False
        return True

    async def _ready(self) -> None:
        """Return when a live batch is due or a backlog waits."""
        while not (self._live_due() or self._backlog()):
            self._wake.clear()
            patience = (self._live_due_at - self._clock.now()).total_seconds() if self._lane else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._wake.wait()

    def _live_due(self) -> bool:
        full = self._lane_lines >= self._pace.batch_lines
        return full or (bool(self._lane) and self._clock.now() >= self._live_due_at)

    async def _send_live(self) -> None:
        rows: list[_Row] = []
        lines = 0
        while self._lane and lines < self._pace.batch_lines:
            rows.append(self._lane.popleft())
            lines += len(rows[-1].lines)
        self._lane_lines -= lines
        self._live_due_at = self._clock.now() + self._pace.flush_interval
        try:
            triage = await self._sink.write([line.text for row in rows for line in row.lines])
        except BaseException:  # whatever it was, a cancellation too: these rows are undecided
            self._put_back(rows)
            raise
        await self._decided(rows, triage)

    def _put_back(self, rows: Sequence[_Row]) -> None:
        if self._spill_from is not None:
            self._spill(rows[0].seq)
            return
        self._lane.extendleft(reversed(rows))
        self._lane_lines += sum(len(row.lines) for row in rows)

    async def _send_backlog(self) -> None:
        low, high = self._backlog()[0]
        rows, last = await asyncio.to_thread(self._read, low, high)
        lines = [line.text for row in rows for line in row.lines]
        triage = await self._sink.write(lines) if lines else Triage(0)
        self._gaps = marks.without(self._backlog(), (low, last))
        self._spill_from = None
        await self._decided(rows, triage)

    def _read(self, low: int, high: int) -> tuple[list[_Row], int]:
        """The oldest rows of a gap, and the row up to which they are all there are. Runs on a thread of its own."""
        with reader(self._store) as db:
            found = observations(db, low, high, self._pace.backlog_rows)
        last = high if len(found) < self._pace.backlog_rows else found[-1][0]
        return [_Row(seq, self._lines.encode(item)) for seq, item in found], last

    async def _decided(self, rows: Iterable[_Row], triage: Triage) -> None:
        """The sink has these rows, or will never take them: move the mark. A crash before that sends them again."""
        sent = [(row.seq, line) for row in rows for line in row.lines]
        refused = [marks.RefusedLine(sent[r.number][0], r.reason, sent[r.number][1].text) for r in triage.rejected]
        values = sum(line.values for _, line in sent) - sum(sent[r.number][1].values for r in triage.rejected)
        mark = marks.Mark(self._end, tuple(self._undecided()), values, len(refused))
        now = self._clock.now()
        self._values_written += values
        self._lines_rejected += len(refused)
        _WRITTEN.labels(self.name).inc(values)
        _REJECTED.labels(self.name).inc(len(refused))
        _BACKLOG.labels(self.name).set(_rows(self._backlog()))
        self._warn(refused)
        reached("before_mark")
        await self._run_job(lambda db: marks.advance(db, self.name, now, mark, refused))
        reached("after_mark")

    def _backlog(self) -> list[marks.Gap]:
        """What was passed over, an overflow that goes on among it."""
        if self._spill_from is None:
            return self._gaps
        return marks.union([*self._gaps, (self._spill_from, self._end)])

    def _undecided(self) -> list[marks.Gap]:
        return marks.union([*self._backlog(), (self._lane[0].seq, self._end)]) if self._lane else self._backlog()

    # --- trouble -----------------------------------------------------------------------------------------

    async def _back_off(self, retry: Retry) -> None:
        self._attempt += 1
        self._down_since = self._down_since or self._clock.now()
        if str(retry) != self._trouble:
            self._trouble = str(retry)
            log.warning("sink_lost", sink=self.name, error=self._trouble, advice="data is kept and sent later")
        wait = self._pace.backoff.wait(self._attempt)
        await self._clock.sleep(wait if retry.after is None else retry.after.total_seconds() + min(wait, 1.0))

    def _came_back(self) -> None:
        if self._down_since is not None:
            away = (self._clock.now() - self._down_since).total_seconds()
            log.info("sink_back", sink=self.name, seconds=away, backlog=_rows(self._backlog()))
        self._attempt, self._trouble, self._down_since = 0, "", None

    def _warn(self, refused: Sequence[marks.RefusedLine]) -> None:
        """Once when lines begin to be refused, not with each batch."""
        if refused and not self._rejecting:
            first = refused[0]
            text = first.line[:200].decode("utf-8", "replace")
            advice = "kept in the quarantine; mend the profile or the field's type in the server"
            log.error(
                "lines_rejected", sink=self.name, lines=len(refused), reason=first.reason, first=text, advice=advice
            )
        self._rejecting = bool(refused)

    def status(self) -> ForwarderStatus:
        """Where the sink stands."""
        return ForwarderStatus(
            _rows(self._backlog()),
            self._lane_lines,
            self._values_written,
            self._lines_rejected,
            self._down_since,
            self._trouble,
        )


def _rows(gaps: Iterable[marks.Gap]) -> int:
    return sum(high - low + 1 for low, high in gaps)
