"""What engineers of lifts and water want to say can be said: one sentence for each rule of the starter catalogue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.model import Point, PointKind
from tests.rule_bench import Bench

_GAUGES = {
    "rope_ratio": "%", "broken_wires": "", "level_error": "mm", "door_time": "s", "speed": "m/s", "vibration": "m/s²",
    "room_temp": "°C", "top_pressure": "MPa", "inlet": "MPa", "flow": "m³/h", "tank": "%", "loop": "mA",
}  # fmt: skip
_COUNTERS = ("reopens", "closings", "openings", "runs", "starts")
_STATES = ("door", "fault", "pump", "mode", "stop_outside", "safety_chain")

SENTENCES = {
    "elv.rope.diameter": "{point: rope_ratio, take: median, last: 5, at_most: 90 %}",
    "elv.rope.rul": "{point: rope_ratio, falls_to: 90 %, within: 15d}",
    "elv.rope.wires": "{point: broken_wires, at_least: 12}",
    "elv.level.error": "{point: level_error, outside: [-10 mm, 10 mm], times: 3, of_last: 10}",
    "elv.level.error.now": "{point: level_error, outside: [-20 mm, 20 mm], times: 2}",
    "elv.door.reopen": "{point: reopens, per: closings, over: 1h, above: 10 %, least: 30}",
    "elv.door.flap": "{all: [{point: door, count: {into: open}, over: 15s, at_least: 3}, {point: speed, at_most: 0.3 m/s}]}",  # noqa: E501
    "elv.door.slow": "{point: door_time, take: median, last: 50, above: +20 %, baseline: {over: 14d}}",
    "elv.door.per_run": "{point: openings, per: runs, over: 1h, above: 5, least: 10}",
    "elv.fault.repeat": "{point: fault, count: {into: ['2', '3', '7']}, over: 24h, at_least: 3}",
    "elv.vibration": "{point: vibration, take: median, last: 20, above: 0.30 m/s²}",
    "elv.machine.temp": "{point: room_temp, above: 40 °C}",
    "elv.starts": "{point: starts, take: rate, over: 1h, above: 120 1/h}",
    "elv.slip": "{point: rope_ratio, take: slope, over: 7d, below: -0.01 %/d}",
    "wat.low.top": "{point: top_pressure, below: 0.10 MPa, share: 80 %, over: 3min}",
    "wat.low.top.p80": "{point: top_pressure, take: p80, over: 3min, below: 0.10 MPa}",
    "wat.burst.often": "{count: {becomes: {point: top_pressure, falls: 0.08 MPa, within: 30s}}, over: 10min, at_least: 3}",  # noqa: E501
    "elv.door.held": "{any: [{held: {point: door, equals: open}, for: 120s}, {held: {all: [{point: door, equals: open}, {point: mode, equals: normal}]}, for: 90s}]}",  # noqa: E501
    "wat.pump.restless": "{point: pump, equals: running, share: 90 %, over: 1h}",
    "wat.burst": "{all: [{point: top_pressure, falls: 0.08 MPa, within: 30s, remember: 2min}, {point: top_pressure, below: 80 %, of: median, over: 10min}, {not: {point: pump, count: changes, over: 30s, at_least: 1}}]}",  # noqa: E501
    "wat.night.leak": "{point: top_pressure, take: p20, over: 7d, during: 02:00-04:00, below: -0.02 MPa, baseline: {over: 28d}}",  # noqa: E501
    "wat.pump.cycling": "{any: [{point: pump, count: {into: running}, over: 1h, above: 20}, {point: pump, count: {runs: running, shorter: 60s}, over: 1h, at_least: 5}]}",  # noqa: E501
    "wat.pump.dry": "{all: [{point: pump, equals: running}, {not: {point: top_pressure, rises: 0.02 MPa, within: 30s}}]}",  # noqa: E501
    "wat.prv": "{point: top_pressure, above: {point: inlet, plus: 0.05 MPa}}",
    "wat.tank.level": "{point: tank, outside: [10 %, 98 %]}",
    "sys.flat": "{point: loop, take: stddev, over: 1h, at_most: 0 mA, quality: good}",
    "sys.loop": "{point: loop, below: 3.6 mA}",
    "sys.stale": "{stale: {after: 5min}}",
}


@pytest.mark.parametrize("rule", SENTENCES)
def test_it_can_be_said_and_survives_a_restart(bench: Bench, rule: str) -> None:
    """It loads, binds, steps, and comes back from a snapshot as it was."""
    second = timedelta(seconds=1)
    kinds = [(name, unit, PointKind.GAUGE) for name, unit in _GAUGES.items()]
    kinds += [(name, "", PointKind.COUNTER) for name in _COUNTERS]
    kinds += [(name, "", PointKind.STATE) for name in _STATES]
    points = tuple(
        Point(f"a1.{name}", "a1", "a1.d", name, unit, kind, interval=second, on_change=kind is PointKind.STATE)
        for name, unit, kind in kinds
    )
    bench.catalogue = replace(bench.catalogue, points=points)
    text = f"{rule}\n levels: [{{level: II, when: {SENTENCES[rule]}}}]"
    bench.rules(text)
    assert [binding.rule.id for binding in bench.ruleset(text).bindings()] == [rule]

    for n in range(30):
        numbers = dict.fromkeys(_GAUGES, n % 3 / 10) | {name: float(n) for name in _COUNTERS}
        bench.hear(n, **numbers, **dict.fromkeys(_STATES, "open" if n % 2 else "closed"))
    saved = bench.engine.snapshot()
    bench.engine.restore(saved)

    assert bench.engine.snapshot() == saved
    assert not bench.engine.faulted
