"""What must hold for any inputs: mixed values around every limit, gaps, late news, boundary times, reloads."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import EPOCH, AlarmState, Cause, Command, Input, Level, Reload, Tick, Transition
from daemon.pipeline import Pipeline
from daemon.rules.engine import RESET, Engine, reset_target
from daemon.rules.schema import Ruleset
from daemon.store.db import connect
from tests.rule_bench import Bench, make_catalogue

_BASE = """
    plain
    levels:
      - {level: I, when: {point: p, below: 0.10 MPa}, for: 5s, clear: {when: {point: p, above: 0.12 MPa}, for: 4s}}
""", """
    ladder
    latch: true
    levels:
      - {level: III, when: {point: p, below: 0.12 MPa}, for: 3s, clear: {for: 2s}}
      - {level: II, when: {point: p, below: 0.10 MPa}, for: 6s}
      - {level: I, when: {point: p, below: 0.05 MPa}}
""", """
    state
    levels: [{level: I, when: {point: chain, equals: open}, for: 5s, clear: {for: 10s}}]
    unless: {point: mode, equals: inspection}
    late: open
""", """
    windowed
    levels: [{level: II, when: {point: p, take: mean, over: 10s, below: 0.11 MPa}, clear: {for: 3s}}]
""", """
    burst
    levels:
      - level: I
        when:
          all:
            - {point: p, falls: 0.05 MPa, within: 5s, remember: 20s}
            - {point: p, below: 80 %, of: median, over: 20s, coverage: 30 %}
        for: 4s
        clear: {when: {point: p, at_least: 95 %, of: median, over: 20s, coverage: 30 %}, for: 3s}
""", """
    silent
    levels: [{level: III, when: {stale: {after: 20s}}, clear: {for: 3s}}]
""", """
    mixed
    levels:
      - {level: II, when: {any: [{not: {point: t, at_most: 40 °C}}, {point: free, outside: [-5 mm, 5 mm]}]}, for: 20s}
    no_data: normal
""", """
    missing
    levels: [{level: II, when: {point: n, above: 3}, for: 8s}]
    no_data: alarm
""", """
    deviates
    levels:
      - {level: I, when: {any: [{point: p, above: 0.25 MPa}, {point: p, outside: [-1 mad, 2 mad],
          baseline: {over: 32s, after: 4s}}]}, clear: {for: 3s}}
      - level: II
        when: {point: p, take: mean, over: 3s, coverage: 30 %, below: +0 MPa, baseline: {over: 32s, after: 4s}}
        for: 2s
""", """
    forecast
    levels:
      - level: II
        when: {point: n, rises_to: 4, within: 1min, history: {over: 64s, after: 6s, days: 3}}
        clear: {when: {point: n, rises_to: 4, beyond: 2min, history: {over: 64s, after: 6s, days: 3}}}
""", """
    statistics
    levels:
      - level: II
        when: {any: [{point: p, take: stddev, over: 10s, above: 0.06 MPa}, {point: n, take: p90, last: 3, above: 3}]}
        clear: {when: {point: p, take: range, over: 5s, coverage: 1 %, below: 0.05 MPa}, for: 3s}
      - level: III
        when: {point: p, take: slope, over: 10s, coverage: 10 %, below: -0.5 MPa/min}
      - level: I
        when: {any: [{point: t, take: rate, above: 2 K/min}, {point: p, take: delta, over: 2s, above: 1 bar}]}
""", """
    strict
    quality: good
    levels:
      - {level: I, when: {point: p, below: 0.10 MPa}, for: 4s,
         clear: {when: {point: p, above: 0.12 MPa, quality: suspect}}}
      - {level: II, when: {any: [{point: chain, equals: open}, {point: n, take: mean, over: 10s, above: 3}]}}
""", """
    repeated
    levels:
      - {level: I, when: {point: p, below: 0.05 MPa, times: 2}, clear: {for: 2s}}
      - {level: II, when: {any: [{point: p, below: 0.12 MPa, times: 3, of_last: 5},
          {point: chain, equals: open, times: 2, of_last: 3}]}}
""", """
    counted
    levels:
      - {level: I, when: {point: chain, count: {into: [open, closed]}, over: 1min, at_least: 2}, clear: {for: 3s}}
      - {level: II, when: {point: mode, count: {runs: inspection, shorter: 30s}, over: 2min, at_least: 1}}
      - {level: III, when: {any: [{point: p, count: {into: {above: 0.1 MPa}}, over: 30s, coverage: 50 %, at_most: 0},
          {point: mode, count: {readings: normal}, over: 10s, at_least: 3}]}, for: 4s}
    unless: {point: n, count: changes, over: 3s, at_least: 1}
""", """
    counters
    levels:
      - {level: I, when: {point: trips, take: rate, over: 30s, above: 300 1/h}, for: 3s}
      - {level: II, when: {point: starts, per: trips, over: 20s, above: 50 %, least: 2}, clear: {for: 2s}}
      - {level: III, when: {all: [{point: starts, take: delta, over: 20s, at_least: 5},
          {not: {point: p, below: {point: q, share: 50 %, plus: 10 kPa}}}]}}
""", """
    followed
    levels:
      - level: I
        when: {count: {becomes: {all: [{point: p, below: 0.10 MPa}, {not: {point: mode, equals: inspection}}]}},
          over: 1min, coverage: 20 %, at_least: 2}
        clear: {for: 3s}
      - level: II
        when: {any: [{held: {point: chain, equals: open}, for: 20s}, {held: {all: [{point: chain, equals: open},
          {point: p, take: mean, over: 5s, coverage: 20 %, below: 0.11 MPa}]}, for: 5s}]}
      - level: III
        when: {count: {becomes: {held: {point: n, above: 3, quality: good}, for: 2s}}, over: 90s, outside: [0, 2]}
        for: 2s
    unless: {count: {becomes: {stale: {after: 10s}}}, over: 30s, above: 2}
""", """
    shares
    levels:
      - {level: I, when: {point: p, below: 0.10 MPa, share: 60 %, over: 10s, coverage: 30 %}, clear: {for: 3s}}
      - {level: II, when: {point: chain, equals: open, share: 50 %, over: 20s}, for: 2s}
      - {level: III, when: {any: [{point: mode, not_equals: normal, share: 70 %, over: 1min},
          {not: {point: trips, above: 1, share: 40 %, over: 30s}}]}, clear: {for: 1s}}
""", """
    nights
    levels:
      - {level: I, when: {point: p, take: mean, over: 30s, during: 08:00-08:02, coverage: 40 %, below: 0.10 MPa},
         clear: {when: {point: p, take: p90, last: 3, during: {hours: [08:00-08:01, 08:03-08:09]}, above: 0.1 MPa}}}
      - {level: III, when: {any: [
          {point: n, take: slope, over: 1d, during: 08:01-08:03, coverage: 50 %, above: 0 1/h},
          {point: chain, count: {into: open}, over: 1min, during: 08:01-08:10, at_least: 2}]}, for: 4s}
""", """
    hours
    calendar: {hours: [08:01-08:02, 08:03-08:10]}
    levels:
      - {level: I, when: {point: p, below: 0.10 MPa}, for: 5s, clear: {for: 3s}}
      - {level: III, when: {all: [{point: chain, equals: open}, {time: {hours: 08:00-08:04}}]}, for: 2s}
"""  # fmt: skip
_EDITED = tuple(rule.replace("for: 5s", "for: 6s").replace("40 °C", "41 °C") for rule in _BASE)

with tempfile.TemporaryDirectory() as _folder:
    _bench = Bench(Path(_folder))
    _bench.catalogue = make_catalogue(assets=2, more=True)
    RULESETS = [_bench.ruleset(*rules) for rules in (_BASE, _EDITED, _BASE[:1], _BASE[1:])]

_PRESSURES = [0.0, 0.04, 0.05, 0.09, 0.1, 0.11, 0.12, 0.13, 0.2, 0.3]
_VALUES: dict[str, list[Any]] = {
    "p": _PRESSURES,
    "t": [20.0, 40.0, 41.0, 42.0],
    "free": [-6.0, -5.0, 0.0, 5.0, 6.0],
    "n": [0.0, 3.0, 4.0],
    "mode": ["normal", "inspection"],
    "chain": ["closed", "open"],
    "starts": [0.0, 3.0, 7.0, 65530.0],
    "trips": [0.0, 1.0, 4.0, 10.0],
    "q": [0.0, 1.0, 4.0],
}
#: Around freshness (3 s and 30 s), holds, windows and liveness (30 s), with a millisecond to either side now and then.
_STEPS = [0, 1, 500, 1000, 1000, 1000, 1000, 2000, 2999, 3000, 3001, 4000, 5000, 10_000, 20_000, 30_000, 30_001, 31_000]


class Scene(NamedTuple):
    """Some messages of one asset a second apart, or one of the other inputs."""

    #: Since the scene before.
    delay_ms: int
    kind: str
    device: str
    values: tuple[tuple[str, float | str], ...]
    #: How old a reading is when it arrives; late beyond a minute; negative: a clock that runs ahead.
    age: float
    bad: bool
    suspect: bool
    more: int
    ruleset: int


#: Most rules look at the pressure, so it comes most often.
_OFTEN = [*_VALUES, "p", "p", "p", "mode", "chain"]
_VALUE = st.one_of(*(st.tuples(st.just(name), st.sampled_from(_VALUES[name])) for name in _OFTEN))
_SCENE = st.builds(
    Scene,
    st.sampled_from(_STEPS),
    st.sampled_from(["message"] * 12 + ["tick", "reload", "gone", "kept", "reset"]),
    st.sampled_from(["a1.d", "a1.d", "a2.d"]),
    st.lists(_VALUE, max_size=4, unique_by=lambda pair: pair[0]).map(tuple),
    st.sampled_from([0.0] * 8 + [0.001, 1.0, 3.0, 5.0, 20.0, 90.0, -2.0]),
    st.sampled_from([False] * 15 + [True]),
    st.sampled_from([False] * 5 + [True]),
    st.sampled_from([0, 0, 2, 8, 20]),
    st.sampled_from(range(len(RULESETS))),
)
Script = list[Scene]
SCRIPTS = st.lists(_SCENE, min_size=1, max_size=25)


def expand(script: Script) -> list[Input]:
    """A Reload, then inputs at times that never go back."""
    now = 0.0
    inputs: list[Input] = [Reload(_bench.at(0), RULESETS[0].hash)]
    for scene in script:
        now += scene.delay_ms / 1000
        if scene.kind == "tick":
            inputs.append(Tick(_bench.at(now)))
        elif scene.kind == "reset":
            target = reset_target(1, "ladder", scene.device.partition(".")[0])
            inputs.append(Command(_bench.at(now), RESET, target, "li", "a test"))
        elif scene.kind == "reload":
            inputs.append(Reload(_bench.at(now), RULESETS[scene.ruleset].hash))
        elif scene.kind == "gone":
            inputs.append(_bench.message(now, device=scene.device, gone=True))
        else:
            age, values = scene.age, dict[str, Any](scene.values)
            kept = scene.kind == "kept"
            for n in range(scene.more + 1):
                now += 1.0 if n else 0.0
                source, late = now - age, age > 60
                how = {"late": late, "bad": scene.bad, "suspect": scene.suspect}
                message = _bench.message(now, source=source, **how, device=scene.device, **values)
                inputs.append(message._replace(retained=kept))
    return inputs


def _ruleset(rules_hash: str) -> Ruleset:
    return next(ruleset for ruleset in RULESETS if ruleset.hash == rules_hash)


def feed(engine: Engine, inputs: list[Input]) -> list[Transition]:
    found: list[Transition] = []
    for item in inputs:
        found.extend(engine.step(item))
        if isinstance(item, Reload):
            found.extend(engine.reload(_ruleset(item.rules_hash), item.at))
    return found


def unseen(transitions: list[Transition]) -> list[Transition]:
    """Without the moment at which each was revealed: that may well depend on who looked when."""
    return [replace(t, seen_at=EPOCH) for t in transitions]


@given(SCRIPTS, st.data())
def test_a_snapshot_at_any_place_changes_nothing(script: Script, data: st.DataObject) -> None:
    """P2: stop anywhere, go through JSON, go on: the same transitions to the last number, and the same state."""
    inputs = expand(script)
    cut = data.draw(st.integers(1, len(inputs)), label="cut")
    whole = Engine()
    feed(whole, inputs[:cut])
    saved = json.loads(json.dumps(whole.snapshot()))
    rules = next(item for item in reversed(inputs[:cut]) if isinstance(item, Reload))

    restored = Engine()
    restored.reload(_ruleset(rules.rules_hash), inputs[cut - 1].at)
    restored.restore(saved)

    assert json.loads(json.dumps(restored.snapshot())) == saved
    assert feed(restored, inputs[cut:]) == feed(whole, inputs[cut:])
    assert restored.snapshot() == whole.snapshot()


@given(SCRIPTS, st.lists(st.integers(0, 400_000), max_size=20))
def test_extra_ticks_change_nothing(script: Script, moments: list[int]) -> None:
    """P3: only the moment at which something is seen may differ, never what happened, nor when, nor on what numbers."""
    inputs = expand(script)
    ticks: list[Input] = [Tick(_bench.at(ms / 1000)) for ms in moments if _bench.at(ms / 1000) <= inputs[-1].at]
    merged = sorted(
        [*enumerate(inputs), *((len(inputs), tick) for tick in ticks)], key=lambda pair: (pair[1].at, pair[0])
    )
    more = [item for _, item in merged]

    assert unseen(feed(Engine(), more)) == unseen(feed(Engine(), inputs))


@given(SCRIPTS)
def test_unrelated_points_do_not_matter(script: Script) -> None:
    """P3: what happens at one asset is the same whether or not another one speaks."""
    inputs = expand(script)
    alone = [item for item in inputs if not getattr(item, "device", "").startswith("a2")]
    end = Tick(inputs[-1].at)

    together = [t for t in unseen(feed(Engine(), [*inputs, end])) if t.asset == "a1"]

    assert together == [t for t in unseen(feed(Engine(), [*alone, end])) if t.asset == "a1"]


@given(SCRIPTS)
def test_an_alarm_is_one_chain_of_states(script: Script) -> None:
    """P4: at most one open alarm per rule and asset; each transition begins where the last one ended."""
    inputs = expand(script)
    state: dict[tuple[str, str], Transition] = {}
    for t in feed(Engine(), inputs):
        last = state.get((t.rule, t.asset))
        before = AlarmState.NORMAL if last is None or last.after is AlarmState.CLEARED else last.after
        assert t.before is before
        assert t.cause is not Cause.RULE_FAULTED
        assert last is None or t.at >= last.at
        assert t.at <= t.seen_at
        state[(t.rule, t.asset)] = t


@given(SCRIPTS)
def test_no_deadline_is_left_behind(script: Script) -> None:
    """After each input the next deadline lies ahead."""
    inputs = expand(script)
    engine = Engine()
    for item in inputs:
        feed(engine, [item])
        due = engine.next_deadline()
        assert due is None or due > item.at


@given(SCRIPTS, st.data())
def test_batching_changes_nothing(script: Script, data: st.DataObject) -> None:
    """P1: one by one or all at once, the ledger holds the same alarms, transitions and orders."""
    inputs = expand(script)

    def ledger_of(batches: list[list[Input]]) -> list[Any]:
        db = connect(":memory:")
        pipeline = Pipeline(db)
        for ruleset in RULESETS:
            pipeline.journal.add_ruleset(ruleset.hash, ruleset.to_json(), _bench.at(0))
        for batch in batches:
            pipeline.process(batch)
        tables = ("alarm", "transition", "work_order")
        rows = [db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables]  # noqa: S608  constants
        text = repr(rows).replace(pipeline.ledger.id, "ledger")
        db.close()
        return [text]

    cuts = sorted(data.draw(st.sets(st.integers(0, len(inputs)), max_size=5), label="cuts"))
    edges = [0, *cuts, len(inputs)]
    batches = [inputs[a:b] for a, b in pairwise(edges)]

    assert ledger_of(batches) == ledger_of([inputs])


@given(st.lists(st.tuples(st.sampled_from([500, 1000, 2999, 3000, 3001, 5000]), st.booleans()), max_size=40))
def test_a_hold_is_an_unbroken_stretch(steps: list[tuple[int, bool]]) -> None:
    """Against a model in ten lines: active iff bad readings, none more than 3 s apart, cover five seconds."""
    engine, at = Engine(), 0
    engine.reload(RULESETS[0], _bench.at(0))
    readings: list[tuple[int, bool]] = []
    got: list[int] = []
    for step, bad in steps:
        at += step
        readings.append((at, bad))
        for t in engine.step(_bench.message(at / 1000, p=0.05 if bad else 0.11)):
            got += [_ms(t)] if t.rule == "plain" and t.cause is Cause.CONDITION_HELD else []
    got += [
        _ms(t)
        for t in engine.step(Tick(_bench.at(at / 1000 + 60)))
        if t.rule == "plain" and t.cause is Cause.CONDITION_HELD
    ]

    assert got[:1] == _first_activation(readings)[:1]


def _ms(transition: Transition) -> int:
    return round((transition.at - _bench.start).total_seconds() * 1000)


def _first_activation(readings: list[tuple[int, bool]]) -> list[int]:
    began: int | None = None
    for n, (at, bad) in enumerate(readings):
        following = readings[n + 1][0] if n + 1 < len(readings) else at + 10**6
        if not bad:
            began = None
            continue
        began = at if began is None else began
        until = min(following, at + 3000)
        if until >= began + 5000:
            return [began + 5000]
        if following - at > 3000:
            began = None
    return []


def test_the_generated_histories_make_alarms_at_all() -> None:
    """The properties above are not about nothing: the same kind of histories goes through every common transition."""
    seen: set[Cause] = set()
    opened: set[tuple[str, Level]] = set()

    @settings(derandomize=True, max_examples=500)
    @given(SCRIPTS)
    def collect(script: Script) -> None:
        for t in feed(Engine(), expand(script)):
            seen.add(t.cause)
            if t.after is AlarmState.ACTIVE:
                opened.add((t.rule, t.level))

    collect()

    rare = {Cause.RULE_FAULTED, Cause.CONFIRMED, Cause.SUPPRESSED, Cause.RELAPSED, Cause.RULE_REMOVED}
    rare |= {Cause.RESET, Cause.RETRIPPED}
    of_desks = {Cause.RELEASED, Cause.MUTE_ENDED}
    assert set(Cause) - rare - of_desks <= seen
    assert {rule for rule, _ in opened} >= {rule.id for rule in RULESETS[0].rules} - {"burst", "deviates", "forecast"}
