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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from daemon.backtest.series import Sample, parse_series
from daemon.documents import Span, Strict, build, format_span, parse_span, read
from daemon.model import (
    EPOCH,
    Asset,
    Catalogue,
    Cause,
    ConfigError,
    Device,
    Input,
    Level,
    Observation,
    Point,
    Quality,
    Reading,
    Reason,
    Reload,
    Site,
    Text,
    Tick,
    from_ms,
)
from daemon.pipeline import Pipeline
from daemon.rules.derived import DerivedSpec, declare_all
from daemon.rules.rule import LevelName
from daemon.rules.schema import Ruleset, load
from daemon.sensors.profile import Profile, load_profiles, make_points
from daemon.settings import shipped
from daemon.store import ledger
from daemon.store.db import connect

#: When every test begins; any moment would do.
START = EPOCH + timedelta(days=20454)
_MOST_ALARMS = 10_000
#: What of an alarm's life must be listed besides its beginning and end; empty stands for the level it came to.
_CHANGES = {Cause.LEVEL_RAISED: "", Cause.LEVEL_LOWERED: "", Cause.DATA_LOST: "lost", Cause.DATA_BACK: "back"}


def _series(text: str) -> str:
    parse_series(text)
    return text


def _moment(text: str) -> str:
    parse_span(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]


class AssetSpec(Strict):
    """An asset of the little site that the tests play on."""

    id: str
    kind: str
    #: One device a profile.
    profiles: tuple[str, ...]
    tags: tuple[str, ...] = ()
    derived: dict[str, DerivedSpec] = Field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)


class AlarmSpec(Strict):
    """One alarm, told completely."""

    rule: str
    #: The first asset when absent.
    asset: str | None = None
    level: LevelName
    #: Since the beginning of the test, as are all times here.
    active: Span
    #: Absent when it is still open at the end.
    cleared: Span | None = None
    #: Later changes of its level, by time.
    levels: dict[Moment, LevelName] = Field(default_factory=dict)
    #: When its data was lost, and when it came back, by time.
    data: dict[Moment, Literal["lost", "back"]] = Field(default_factory=dict)
    #: It has an order of its own.
    order: bool = True


class TestSpec(Strict):
    """One test."""

    title: str
    every: Span = timedelta(seconds=1)
    series: dict[str, Annotated[str, AfterValidator(_series)]]
    #: Time goes on until then after the last step.
    lasts: Span | None = None
    alarms: tuple[AlarmSpec, ...] = ()


class TestFile(Strict):
    """One file of tests."""

    version: Literal[1]
    rules: tuple[str, ...]
    #: Directories of profiles beside the shipped ones, as seen from this file.
    profiles: tuple[str, ...] = ()
    assets: Annotated[tuple[AssetSpec, ...], Field(min_length=1)]
    tests: tuple[TestSpec, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test; it passed when nothing failed."""

    title: str
    #: One line each: what was expected and is missing, and what nobody expected.
    failures: tuple[str, ...]


def run_file(path: Path) -> list[Outcome]:
    """Run every test of a file.

    Raises:
        ConfigError: the file, its rules or its profiles have faults.
    """
    document = read(path)
    file = build(TestFile, document)
    folders = [shipped() / "profiles", *(path.parent / folder for folder in file.profiles)]
    profiles = load_profiles(p for folder in folders for p in folder.glob("*.yaml"))
    catalogue = _catalogue(file, profiles, str(path))
    overrides = {(asset.id, rule): change for asset in file.assets for rule, change in asset.overrides.items()}
    ruleset = load([path.parent / name for name in file.rules], catalogue, overrides)
    outcomes = []
    for n, test in enumerate(file.tests):
        try:
            inputs = list(_inputs(test, file.assets[0].id, ruleset))
        except ValueError as error:
            raise ConfigError([f"{document.place(('tests', n, 'series'))}: {error}"]) from error
        expected = {_told(alarm, file.assets[0].id) for alarm in test.alarms}
        happened = play(ruleset, inputs)
        missing = [f"missing: {line}" for line in sorted(expected - happened)]
        surplus = [f"nobody listed: {line}" for line in sorted(happened - expected)]
        outcomes.append(Outcome(test.title, tuple(missing + surplus)))
    return outcomes


def play(ruleset: Ruleset, inputs: list[Input]) -> set[str]:
    """Drive the production pipeline; tell each alarm in one line, as `_told` does."""
    db = connect(":memory:")
    try:
        pipeline = Pipeline(db)
        pipeline.journal.add_ruleset(ruleset.hash, ruleset.to_json(), START)
        pipeline.process(inputs)
        return set(_happened(pipeline))
    finally:
        db.close()


def _catalogue(file: TestFile, profiles: Mapping[str, Profile], name: str) -> Catalogue:
    assets: list[Asset] = []
    devices: list[Device] = []
    points: list[Point] = []
    for spec in file.assets:
        assets.append(Asset(spec.id, spec.kind, Text(spec.id, spec.id), tags=spec.tags))
        for n, wanted in enumerate(spec.profiles):
            if wanted not in profiles:
                raise ConfigError([f"{name}: asset {spec.id!r}: no profile {wanted!r}; known: {', '.join(profiles)}"])
            device = Device(f"{spec.id}.{n}", spec.id, "test", profiles[wanted].alive_within)
            devices.append(device)
            points.extend(make_points(profiles[wanted], device).values())
    measured = Catalogue(Site("test", Text("测试", "test")), tuple(assets), tuple(devices), tuple(points))
    specs = {(asset.id, one): spec for asset in file.assets for one, spec in asset.derived.items()}
    derived, faults = declare_all(specs, measured)
    if faults:
        raise ConfigError([f"{name}: derived {asset}.{one}: {what}" for (asset, one), what in faults.items()])
    return replace(measured, points=(*measured.points, *derived))


def _inputs(test: TestSpec, first: str, ruleset: Ruleset) -> Iterator[Input]:
    """The messages of each step, one a device; a Tick where nothing arrives."""
    known = {point.id: point for point in ruleset.catalogue.points}
    series: dict[str, list[Sample | None]] = {}
    for name, text in test.series.items():
        point = name if name in known else f"{first}.{name}"
        if point not in known:
            raise ValueError(f"no asset here has the point {name!r}")
        if known[point].formula:
            raise ValueError(f"{name!r} is computed; write the series of what it stands on")
        series[point] = parse_series(text)
    yield Reload(START, ruleset.hash)
    steps = max(map(len, series.values()), default=0)
    devices = {point: known[point].device for point in series}
    ordered = sorted(series, key=lambda point: devices[point])
    for n in range(steps):
        at = START + n * test.every
        for device, points in groupby(ordered, key=lambda point: devices[point]):
            samples = {point: series[point][n] if n < len(series[point]) else None for point in points}
            said = {point: sample for point, sample in samples.items() if sample is not None}
            if said:
                yield _message(at, device, said)
        yield Tick(at)
    yield Tick(START + max(test.lasts or timedelta(), (steps - 1) * test.every))


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
