"""A site of many small things, for what many alarms at once do: `fault` is ordinary, `trap` is never suppressed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from daemon.desks.muting import shelf_target
from daemon.model import (
    Asset,
    Catalogue,
    Command,
    Device,
    Input,
    Level,
    Observation,
    Point,
    PointKind,
    Reading,
    Reload,
    Site,
    Text,
    Tick,
    from_ms,
)
from daemon.pipeline import Pipeline
from daemon.rules.schema import Ruleset, load
from daemon.store.db import connect

#: Two in the afternoon in Shanghai.
T0 = from_ms(1_795_327_200_000)
COUNT = 14
NAMES = tuple(f"L{n}" for n in range(COUNT))
_KIND = PointKind.STATE

CATALOGUE = Catalogue(
    Site("site", Text("小区", "site")),
    tuple(Asset(name, "lift", Text(f"{name}梯", name), households=10) for name in NAMES),
    tuple(Device(f"{name}/d", name, "m", timedelta(days=2)) for name in NAMES),
    tuple(
        Point(f"{name}.{point}", name, f"{name}/d", point, "", _KIND, on_change=True)
        for name in NAMES
        for point in ("state", "door")
    ),
)

_WORDS = "basis: test\n    cause: {zh: 因, en: cause}\n    consequence: {zh: 果, en: consequence}"
RULES = f"""
version: 1
rules:
  - id: fault
    title: {{zh: 故障, en: Fault}}
    applies_to: {{kind: lift}}
    levels:
      - {{level: II, when: {{point: state, equals: [bad, worse]}}, for: 5s, clear: {{for: 5s}}}}
      - {{level: I, when: {{point: state, equals: worse}}}}
    {_WORDS}
  - id: trap
    title: {{zh: 困人, en: Trapped}}
    applies_to: {{kind: lift}}
    levels: [{{level: I, when: {{point: door, equals: stuck}}}}]
    never_suppress: true
    {_WORDS}
"""


def ruleset(directory: Path, rules: str = RULES) -> Ruleset:
    path = directory / "rules.yaml"
    path.write_text(rules, encoding="utf-8")
    return load([path], CATALOGUE)


def begun(rulesets: Sequence[Ruleset], path: Path | str = ":memory:") -> Pipeline:
    """A pipeline under the first of some rulesets, which may all be reloaded."""
    spine = Pipeline(connect(path))
    for one in rulesets:
        spine.journal.add_ruleset(one.hash, one.to_json(), T0)
    process(spine, Reload(T0, rulesets[0].hash))
    return spine


def process(spine: Pipeline, *inputs: Input) -> None:
    spine.db.execute("BEGIN IMMEDIATE")
    spine.process(inputs)
    spine.db.execute("COMMIT")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def tick(seconds: float) -> Tick:
    return Tick(at(seconds))


def says(seconds: float, asset: str, **values: str) -> Observation:
    moment = at(seconds)
    readings = tuple(Reading(f"{asset}.{name}", moment, value, moment) for name, value in values.items())
    return Observation(moment, f"{asset}/d", readings)


def shelve(seconds: float, asset: str, span: float, rule: str = "fault", level: Level = Level.II) -> Command:
    return Command(at(seconds), "shelve", shelf_target(rule, asset, level), "wang", "noise", at(seconds + span))


def unshelve(seconds: float, asset: str, rule: str = "fault") -> Command:
    return Command(at(seconds), "unshelve", shelf_target(rule, asset, Level.II), "wang", "done")


def maintain(seconds: float, asset: str, span: float) -> Command:
    return Command(at(seconds), "maintain", asset, "li", "yearly", at(seconds + span))


def end_maintenance(seconds: float, asset: str) -> Command:
    return Command(at(seconds), "end_maintenance", asset, "li", "done")


def rows(spine: Pipeline, query: str) -> list[Any]:
    return spine.db.execute(query).fetchall()


def dispositions(spine: Pipeline, rule: str = "fault") -> dict[str, str]:
    """What became of the open alarms of a rule, by asset."""
    query = "SELECT asset, disposition FROM alarm WHERE rule = ? AND state != 'cleared' ORDER BY no"
    return dict(spine.db.execute(query, (rule,)).fetchall())
