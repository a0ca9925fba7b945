"""Tests of rules, in YAML beside them: series in, alarms and orders out, through the production pipeline.

    version: 1
    rules: [water.yaml]                        beside this file
    assets:
      - {id: W1, kind: water_zone, profiles: [pump-room-modbus]}
    tests:
      - title: Ten seconds of water are an order
        every: 1s
        series: {leak: "'dry'x4 'wet'x20"}     of the first asset; `W2.leak` names another
        alarms:
          - {rule: wat.leak, level: I, active: 15s}

Strict: an alarm, a change of level or data, a recovery or an order that nobody listed fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from daemon.backtest.coverage import Coverage
from daemon.backtest.rule_test_file import AlarmSpec, ResetSpec, Suite, TestSpec, open_suite
from daemon.backtest.series import Sample, parse_series
from daemon.documents import format_span, parse_span
from daemon.model import (
    EPOCH,
    Cause,
    Command,
    Input,
    Level,
    Observation,
    Quality,
    Reading,
    Reason,
    Reload,
    Tick,
    from_ms,
)
from daemon.pipeline import Pipeline
from daemon.rules.engine import RESET, reset_target
from daemon.rules.schema import Ruleset
from daemon.store import ledger
from daemon.store.db import connect

#: When every test begins; any moment would do.
START = EPOCH + timedelta(days=20454)
_MOST_ALARMS = 10_000
#: What of an alarm's life must be listed besides its beginning and end; empty stands for the level it came to.
_CHANGES = {Cause.LEVEL_RAISED: "", Cause.LEVEL_LOWERED: "", Cause.DATA_LOST: "lost", Cause.DATA_BACK: "back"}
_CHANGES |= {Cause.LATCHED: "latched", Cause.RETRIPPED: "back before its reset"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test; it passed when nothing failed."""

    title: str
    #: One line each: what was expected and is missing, and what nobody expected.
    failures: tuple[str, ...]
    #: `file:line:column` of the test.
    place: str


def run_file(path: Path, wanted: re.Pattern[str] | None = None, coverage: Coverage | None = None) -> list[Outcome]:
    """Run the tests of a file: all, or those whose title has what is wanted.

    Raises:
        ConfigError: the file, its rules or its profiles have faults.
    """
    suite = open_suite(path)
    if coverage is not None:
        coverage.enter(suite)
    outcomes = []
    for n, test in enumerate(suite.tests):
        if wanted is not None and not wanted.search(test.title):
            continue
        expected = {_told(alarm, suite.first) for alarm in test.alarms}
        happened = play(suite.ruleset, list(_inputs(test, suite)), coverage)
        missing = [f"missing: {line}" for line in sorted(expected - happened)]
        surplus = [f"nobody listed: {line}" for line in sorted(happened - expected)]
        outcomes.append(Outcome(test.title, tuple(missing + surplus), suite.place("tests", n)))
    return outcomes


def play(ruleset: Ruleset, inputs: list[Input], coverage: Coverage | None = None) -> set[str]:
    """Drive the production pipeline; tell each alarm in one line, as `_told` does."""
    db = connect(":memory:")
    try:
        pipeline = Pipeline(db, transient=True)
        if coverage is not None:
            pipeline.engine.heard_by(coverage)
        pipeline.journal.add_ruleset(ruleset.hash, ruleset.to_json(), START)
        pipeline.process(inputs)
        if coverage is not None:
            coverage.took_place(db)
        return set(_happened(pipeline))
    finally:
        db.close()


def _inputs(test: TestSpec, suite: Suite) -> Iterator[Input]:
    """The messages of each step, one a device; a Tick where nothing arrives."""
    known = {point.id: point for point in suite.ruleset.catalogue.points}
    series = {suite.point(name): parse_series(text) for name, text in test.series.items()}
    yield Reload(START, suite.ruleset.hash)
    steps = max(map(len, series.values()), default=0)
    devices = {point: known[point].device for point in series}
    ordered = sorted(series, key=lambda point: devices[point])
    resets = sorted(test.resets, key=lambda reset: reset.at)
    for n in range(steps):
        at = START + n * test.every
        while resets and START + resets[0].at <= at:
            yield _reset(resets.pop(0), suite)
        for device, points in groupby(ordered, key=lambda point: devices[point]):
            samples = {point: series[point][n] if n < len(series[point]) else None for point in points}
            said = {point: sample for point, sample in samples.items() if sample is not None}
            if said:
                yield _message(at, device, said)
        yield Tick(at)
    for reset in resets:
        yield _reset(reset, suite)
    yield Tick(START + max(test.lasts or timedelta(), (steps - 1) * test.every, *(reset.at for reset in test.resets)))


def _reset(reset: ResetSpec, suite: Suite) -> Command:
    target = reset_target(0, reset.rule, reset.asset or suite.first)
    return Command(START + reset.at, RESET, target, "test", "a test")


def _message(at: datetime, device: str, said: Mapping[str, Sample]) -> Observation:
    readings = []
    for point, sample in said.items():
        if sample.value is None:
            continue
        late = sample.age > timedelta(minutes=1)
        quality = Quality.BAD if sample.bad else Quality.SUSPECT if late else Quality.GOOD
        reason = Reason.OUT_OF_RANGE if sample.bad else Reason.LATE if late else Reason.NONE
        readings.append(Reading(point, at - sample.age, sample.value, at, quality, reason))
    return Observation(at, device, tuple(readings), gone=any(sample.gone for sample in said.values()))


def _told(alarm: AlarmSpec, first: str) -> str:
    changes = [(parse_span(at), level.name) for at, level in alarm.levels.items()]
    changes += [(parse_span(at), word) for at, word in alarm.data.items()]
    changes += [(at, "latched") for at in alarm.latched]
    changes += [(at, "back before its reset") for at in alarm.retripped]
    return _line(alarm.rule, alarm.asset or first, alarm.active, alarm.level.name, changes, alarm.cleared, alarm.order)


def _line(
    rule: str,
    asset: str,
    active: timedelta,
    level: str,
    changes: list[tuple[timedelta, str]],
    cleared: timedelta | None,
    order: bool,  # noqa: FBT001
) -> str:
    parts = [f"{rule} on {asset} active {format_span(active)} level {level}"]
    parts.extend(f"{what} at {format_span(at)}" for at, what in sorted(changes))
    parts.append("open" if cleared is None else f"cleared {format_span(cleared)}")
    parts.append("with order" if order else "without order")
    return ", ".join(parts)


def _happened(pipeline: Pipeline) -> Iterator[str]:
    with_order = {order.alarm_no for order in ledger.orders(pipeline.db, _MOST_ALARMS)}
    for alarm in ledger.recent_alarms(pipeline.db, _MOST_ALARMS):
        rows = pipeline.db.execute(
            "SELECT at, cause, level FROM transition WHERE alarm_no = ? ORDER BY id", (alarm.no,)
        ).fetchall()
        changes = [
            (from_ms(at) - START, _CHANGES[Cause(cause)] or Level(level).name)
            for at, cause, level in rows
            if cause in _CHANGES
        ]
        cleared = alarm.cleared_at - START if alarm.cleared_at is not None else None
        first = Level(rows[0][2]).name
        yield _line(alarm.rule, alarm.asset, alarm.active_at - START, first, changes, cleared, alarm.no in with_order)
