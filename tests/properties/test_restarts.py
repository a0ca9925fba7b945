"""What the ledger and the outbox hold does not depend on batches, kills and snapshots, whatever arrives."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon import pipeline as spine_module
from daemon.complaint import Complaint
from daemon.model import Command, Input, Observation, Quality, Reason, Reload
from daemon.pipeline import Pipeline
from daemon.rules.derived import DerivedSpec, declare_all
from daemon.rules.engine import RESET, reset_target
from daemon.rules.schema import Ruleset
from daemon.store import charts
from daemon.store.db import connect
from daemon.store.past_readings import Span, series
from tests.spine import CATALOGUE, RULES, T0, at, process, ruleset, said, tick

LADDER = """
  - id: low
    title: {zh: 低, en: low}
    applies_to: {kind: water_zone}
    levels:
      - {level: III, when: {point: pressure, below: 0.3 MPa}, for: 30s, clear: {for: 30s}}
      - {level: I, when: {point: pressure, below: 0.1 MPa}, for: 20s, clear: {for: 20s}}
    basis: test
    cause: {zh: 泵, en: pump}
    consequence: {zh: 停水, en: no water}
  - id: dry
    title: {zh: 断水, en: dry}
    applies_to: {kind: water_zone}
    latch: true
    levels:
      - {level: II, when: {any: [{point: pressure, below: 0.3 MPa, share: 50 %, over: 1min, coverage: 30 %},
          {count: {becomes: {point: pressure, below: 0.1 MPa}}, over: 5min, at_least: 2}]}, clear: {for: 5s}}
    basis: test
    cause: {zh: 泵, en: pump}
    consequence: {zh: 停水, en: no water}
"""
FIRST = RULES + LADDER
#: Another limit, a rule gone, a rule in shadow: what a reload may bring.
OTHERS = (
    FIRST.replace("above: 45 °C", "above: 40 °C"),
    RULES,
    FIRST.replace("applies_to: {kind: lift}", "applies_to: {kind: lift}\n    mode: shadow"),
)

STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0.001, 1, 9, 10, 10, 11, 30, 31, 61]),
        st.sampled_from(
            [
                "hot",
                "cool",
                "open",
                "closed",
                "full",
                "low",
                "empty",
                "kept",
                "tick",
                "gone",
                "reload",
                "ack",
                "reset",
                "complaint",
            ]
        ),
        st.sampled_from([0, 0, 0, 5, 300]),
    ),
    max_size=60,
)
SAYS = {
    "hot": ("lift-1", {"room_temp": 50.0}),
    "cool": ("lift-1", {"room_temp": 30.0}),
    "open": ("lift-1", {"safety_chain": "open"}),
    "closed": ("lift-1", {"safety_chain": "closed"}),
    "full": ("zone-1", {"pressure": 0.4}),
    "low": ("zone-1", {"pressure": 0.2}),
    "empty": ("zone-1", {"pressure": 0.05}),
}


def inputs(steps: Sequence[tuple[float, str, int]], rules: Sequence[Ruleset]) -> list[Input]:
    found: list[Input] = []
    seconds = 0.0
    for n, (pause, what, behind) in enumerate(steps):
        seconds += pause
        match what:
            case "tick":
                found.append(tick(seconds))
            case "gone":
                found.append(Observation(at(seconds), "lift-1/d", (), gone=True))
            case "reload":
                found.append(Reload(at(seconds), rules[n % len(rules)].hash))
            case "ack":
                found.append(Command(at(seconds), "acknowledge", "1", "wang", "seen"))
            case "reset":
                found.append(Command(at(seconds), RESET, reset_target(n % 3, "dry", "zone-1"), "wang", "seen to"))
            case "complaint":  # the same ones again and again, some of them long past, some of nothing that is here
                about, name = ("lift-1", "zone-1", "lift-9")[n % 3], f"C{n % 9}"
                made_at = at(seconds - 86_400 * (n % 4) * behind / 30)
                found.append(Complaint(at(seconds), name, made_at, about, category="safety"))
            case "kept":
                found.append(
                    late(said(seconds, "lift-1", safety_chain="open", room_temp=50.0), behind)._replace(retained=True)
                )
            case _:
                found.append(late(said(seconds, SAYS[what][0], **SAYS[what][1]), behind))  # type: ignore[arg-type]
    return found


def computing(one: Ruleset) -> Ruleset:
    """The same, on a site that computes points from points and has no rule about them."""
    formulas = {
        ("lift-1", "heat"): ("K", "room_temp - 20 °C"),
        ("zone-1", "upper"): ("MPa", "pressure - 0.0098 MPa/m * 8 m"),
        ("zone-1", "apart"): (
            "",
            "square((mean(pressure, 5min) - 0.2 MPa) / 0.1 MPa) + square(mean(upper, 1h) / 1 bar)",
        ),
        ("zone-1", "odd"): ("MPa", "upper * [lift-1.heat] / 10 K"),
    }
    specs = {name: DerivedSpec(unit=unit, value=value) for name, (unit, value) in formulas.items()}
    points, faults = declare_all(specs, CATALOGUE)
    assert not faults
    return replace(one, catalogue=replace(CATALOGUE, points=(*CATALOGUE.points, *points)))


def late(item: Observation, seconds: int) -> Observation:
    more = {"quality": Quality.SUSPECT, "reason": Reason.LATE} if seconds > 60 else {}
    readings = [r._replace(at=r.at - timedelta(seconds=seconds), **more) for r in item.readings]  # type: ignore[arg-type]
    return item._replace(readings=tuple(readings))


def begun(path: Path | str, rules: Sequence[Ruleset]) -> Pipeline:
    spine = Pipeline(connect(path))
    for one in rules:
        spine.journal.add_ruleset(one.hash, one.to_json(), T0)
    process(spine, [Reload(T0, rules[0].hash)])
    return spine


def charted(spine: Pipeline) -> list[str]:
    """The readings that each chart shows, whenever it is drawn."""
    found = []
    for chart in charts.unread(spine.db, 1000):
        span = Span(chart.plan.from_ms, chart.plan.to_ms, chart.seq)
        found.append(repr(series(spine.db, chart.plan.panels, span, 240)))
    return found


def decided(spine: Pipeline) -> list[list[str]]:
    """Alarms, transitions, orders and deliveries, but for the ledger's random name."""
    queries = (
        "SELECT * FROM alarm ORDER BY no",
        "SELECT alarm_no, at, seen_at, before, after, level, cause, observed FROM transition ORDER BY id",
        "SELECT key, alarm_no, level, status, created_at, respond_by FROM work_order ORDER BY key",
        "SELECT order_key, action, level, CAST(body AS TEXT), created_at FROM outbox ORDER BY id",
        "SELECT order_key, occasion, seq, at, CAST(plan AS TEXT) FROM chart ORDER BY id",
        "SELECT * FROM complaint ORDER BY no",
        "SELECT order_key, at, occasion, detail FROM order_event ORDER BY id",
    )
    return [[repr(row).replace(spine.ledger.id, "ID") for row in spine.db.execute(query)] for query in queries]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    batches=st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=20),
    snapshot_every=st.sampled_from([0, 30, 100_000]),
)
def test_batches_kills_and_snapshots_change_no_decision(
    steps: list[tuple[float, str, int]], batches: list[tuple[int, bool]], snapshot_every: int
) -> None:
    """One by one, or in any batches with a kill behind any: the same alarms, orders, deliveries; one create each."""
    usual = spine_module.SNAPSHOT_EVERY
    spine_module.SNAPSHOT_EVERY = timedelta(seconds=snapshot_every)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rules = [computing(ruleset(folder, text)) for text in (FIRST, *OTHERS)]
            script = inputs(steps, rules)
            whole = begun(":memory:", rules)
            for item in script:
                process(whole, [item])

            killed = begun(folder / "state.db", rules)
            done = 0
            for n in range(len(script)):
                size, kill = batches[n % len(batches)]
                process(killed, script[done : done + size])
                done += size
                if kill:
                    killed.db.close()
                    killed = Pipeline(connect(folder / "state.db"))
                    killed.restore()

            assert decided(killed) == decided(whole)
            assert charted(killed) == charted(whole)
            told = "SELECT seq, body FROM computed ORDER BY seq"
            assert killed.db.execute(told).fetchall() == whole.db.execute(told).fetchall()
            counts = (
                "SELECT (SELECT count(*) FROM alarm WHERE disposition = 'own_order'), (SELECT count(*) FROM work_order)"
            )
            creates = killed.db.execute("SELECT count(*) FROM outbox WHERE action = 'create'").fetchone()
            assert killed.db.execute(counts).fetchone() == creates * 2
            killed.db.close()
            whole.db.close()
    finally:
        spine_module.SNAPSHOT_EVERY = usual
