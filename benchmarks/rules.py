"""What a reading costs in the rules: by the number of points on the site, and by the span of a window.

In one process and on one core, without broker, decoding or disk: the engine alone, and `Pipeline.process` with its
journal and ledger in memory, in batches of a hundred messages.
"""

from __future__ import annotations

import gc
import json
import random
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

from benchmarks.backtest import CONDITIONS
from daemon.model import (
    Asset,
    Catalogue,
    Device,
    Observation,
    Point,
    PointKind,
    Reading,
    Reload,
    Site,
    Text,
)
from daemon.pipeline import Pipeline
from daemon.rules.engine import Engine
from daemon.rules.schema import Ruleset, load
from daemon.rules.window import Window
from daemon.store.db import connect

SIZES = (100, 1_000, 10_000)
SPANS = {"1 min": 60, "1 h": 3_600, "1 d": 86_400, "30 d": 30 * 86_400}
STATISTICS = ("mean", "stddev", "slope", "max", "range", "delta", "median", "p95")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_UNITS = {"speed": "m/s", "room_temp": "°C", "motor_temp": "°C", "vibration_pp": "m/s²", "rope_ratio": "%"}
_STATES = {"door": ("closed", "open"), "safety_chain": ("closed",), "mode": ("normal",)}
#: One point of a lift that no rule looks at, as on a real site.
_NAMES = (*_UNITS, *_STATES, "floor")
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Stepped:
    """One size of site."""

    points: int
    rules: int
    #: Microseconds of CPU for each reading.
    engine_us: float
    pipeline_us: float
    #: Rules on assets looked at in a second of CPU, by the pipeline.
    evaluations: float


def stepped(points: int, readings: int) -> Stepped:
    """Ten rules for each lift, each lift one message a second, the same number of readings whatever the size."""
    lifts = max(1, points // len(_NAMES))
    ruleset = _ruleset(lifts)
    rounds = max(2, readings // (lifts * len(_NAMES)))
    warm = _messages(lifts, 0, max(2, rounds // 10))
    messages = _messages(lifts, max(2, rounds // 10), rounds)
    engine = Engine()
    engine.reload(ruleset, _START)
    engine_us = _timed(lambda items: [engine.step(item) for item in items], warm, messages)
    db = connect(":memory:")
    pipeline = Pipeline(db)
    pipeline.journal.add_ruleset(ruleset.hash, ruleset.to_json(), _START)
    pipeline.process([Reload(_START, ruleset.hash)])

    def process(items: list[Observation]) -> None:
        for n in range(0, len(items), _BATCH):
            pipeline.process(items[n : n + _BATCH])

    pipeline_us = _timed(process, warm, messages)
    db.close()
    heard = len(messages) * len(_NAMES)
    seconds = pipeline_us * heard / 1e6
    return Stepped(lifts * len(_NAMES), lifts * len(CONDITIONS), engine_us, pipeline_us, len(messages) * 10 / seconds)


def _timed(work: Callable[[list[Observation]], object], warm: list[Observation], items: list[Observation]) -> float:
    work(warm)
    gc.collect()
    gc.freeze()  # as the daemon does when it has started
    gc.set_threshold(20_000, 20, 20)
    began = process_time()
    work(items)
    return (process_time() - began) / (len(items) * len(_NAMES)) * 1e6


def _ruleset(lifts: int) -> Ruleset:
    names = [f"L{n}" for n in range(lifts)]
    catalogue = Catalogue(
        Site("bench", Text("站", "site")),
        tuple(Asset(name, "lift", Text(name, name)) for name in names),
        tuple(Device(f"{name}/d", name, "bus", timedelta(minutes=1)) for name in names),
        tuple(_point(name, point) for name in names for point in _NAMES),
    )
    words = {"zh": "词", "en": "words"}
    rules = [
        {
            "id": f"bench.r{n}",
            "title": words,
            "applies_to": {"kind": "lift"},
            "levels": [{"level": "II", **condition}],
            "basis": "a benchmark",
            "cause": words,
            "consequence": words,
        }
        for n, condition in enumerate(CONDITIONS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_text(json.dumps({"version": 1, "rules": rules}, ensure_ascii=False), encoding="utf-8")
        return load([path], catalogue)


def _point(asset: str, name: str) -> Point:
    kind = PointKind.STATE if name in _STATES else PointKind.GAUGE
    unit = _UNITS.get(name, "")
    return Point(f"{asset}.{name}", asset, f"{asset}/d", name, unit=unit, kind=kind, interval=_SECOND)


def _messages(lifts: int, first: int, rounds: int) -> list[Observation]:
    chance = random.Random(first)
    found = []
    for n in range(first, first + rounds):
        for lift in range(lifts):
            at = _START + n * _SECOND + timedelta(milliseconds=lift * 1000 // lifts)
            values: dict[str, float | str] = {
                **{name: chance.choice(labels) for name, labels in _STATES.items()},
                "speed": chance.choice((0.0, 1.0)),
                "room_temp": round(chance.gauss(25, 1), 1),
                "motor_temp": round(chance.gauss(55, 2), 1),
                "vibration_pp": round(abs(chance.gauss(0.1, 0.03)), 3),
                "rope_ratio": 99.5,
                "floor": float(chance.randrange(20)),
            }
            readings = tuple(Reading(f"L{lift}.{name}", at, value, at) for name, value in values.items())
            found.append(Observation(at, f"L{lift}/d", readings))
    return found


@dataclass(frozen=True, slots=True)
class Windowed:
    """One statistic over one span."""

    statistic: str
    span: str
    #: Microseconds of CPU to take in a reading and ask for the number, once the window is full.
    us: float
    #: Entries that the window keeps.
    kept: int


def windowed(readings: int) -> Iterable[Windowed]:
    """Every statistic over every span, at one reading a second (a minute over 30 d), with the window full."""
    chance = random.Random(1)
    values = [round(chance.gauss(0.3, 0.02), 4) for _ in range(997)]
    for statistic in STATISTICS:
        for name, span in SPANS.items():
            every = 1 if span <= 86_400 else 60
            window = Window("k", statistic, span * 1000, 0.5, 3 * every * 1000)
            at = 0
            for n in range(span // every + 2):
                at += every * 1000
                window.push(at, values[n % 997])
            began = process_time()
            for n in range(readings):
                at += every * 1000
                window.push(at, values[n % 997])
                window.value()
            yield Windowed(statistic, name, (process_time() - began) / readings * 1e6, len(window.entries))
