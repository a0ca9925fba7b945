"""What tests of the spine need: a small site, rules from YAML text, a pipeline on `:memory:`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from daemon.model import (
    Asset,
    Catalogue,
    Device,
    Input,
    Observation,
    Point,
    PointKind,
    Reading,
    Reload,
    Site,
    Text,
    Tick,
    Value,
    from_ms,
)
from daemon.pipeline import Pipeline
from daemon.rules.schema import Ruleset, load
from daemon.store.db import connect

T0 = from_ms(1_795_300_000_000)
SITE = Site("site", Text("小区", "site"))
LIFT = Asset("lift-1", "lift", Text("1号梯", "Lift 1"), "b1", 96)
ZONE = Asset("zone-1", "water_zone", Text("高区", "Zone 1"), "b1", 180)


def point(asset: str, name: str, unit: str = "", *, on_change: bool = False, interval: float = 10) -> Point:
    kind = PointKind.STATE if on_change else PointKind.GAUGE
    span = None if on_change else timedelta(seconds=interval)
    device = f"{asset}/d"
    return Point(f"{asset}.{name}", asset, device, name, unit, kind, interval=span, on_change=on_change)


CATALOGUE = Catalogue(
    SITE,
    (LIFT, ZONE),
    (
        Device("lift-1/d", "lift-1", "m", timedelta(seconds=30)),
        Device("zone-1/d", "zone-1", "b", timedelta(seconds=30)),
    ),
    (
        point("lift-1", "room_temp", "°C"),
        point("lift-1", "safety_chain", on_change=True),
        point("lift-1", "mode", on_change=True),
        point("zone-1", "pressure", "MPa"),
    ),
)

RULES = """
version: 1
rules:
  - id: hot
    title: {zh: 机房过热, en: Machine room hot}
    applies_to: {kind: lift}
    levels: [{level: I, when: {point: room_temp, above: 45 °C}, for: 20s, clear: {for: 20s}}]
    basis: test
    cause: {zh: 风机, en: fan}
    consequence: {zh: 停梯, en: stops}
    work_order: {category: facility, steps: [{zh: 看, en: look}]}
  - id: chain
    title: {zh: 安全回路断开, en: Safety chain open}
    applies_to: {kind: lift}
    levels: [{level: I, when: {point: safety_chain, equals: open}}]
    basis: test
    cause: {zh: 门, en: door}
    consequence: {zh: 停梯, en: stops}
    work_order: {category: safety, steps: [{zh: 看, en: look}]}
"""


def ruleset(directory: Path, rules: str = RULES) -> Ruleset:
    path = directory / "rules.yaml"
    path.write_text(rules, encoding="utf-8")
    return load([path], CATALOGUE)


def pipeline(rules: Ruleset, path: Path | str = ":memory:") -> Pipeline:
    """A pipeline in which the rules have been loaded at T0."""
    spine = Pipeline(connect(path))
    spine.journal.add_ruleset(rules.hash, rules.to_json(), T0)
    process(spine, [Reload(T0, rules.hash)])
    return spine


def process(spine: Pipeline, inputs: Sequence[Input]) -> None:
    """One batch, one transaction, as the writer would."""
    spine.db.execute("BEGIN IMMEDIATE")
    spine.process(inputs)
    spine.db.execute("COMMIT")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def said(seconds: float, asset: str, **values: Value) -> Observation:
    """What the device of an asset says `seconds` after T0."""
    moment = at(seconds)
    readings = tuple(Reading(f"{asset}.{name}", moment, value, moment) for name, value in values.items())
    return Observation(moment, f"{asset}/d", readings)


def tick(seconds: float) -> Tick:
    return Tick(at(seconds))
