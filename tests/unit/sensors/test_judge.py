from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.documents import build, parse
from daemon.model import (
    Asset,
    Catalogue,
    ConfigError,
    Device,
    Observation,
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
from daemon.rules.schema import load
from daemon.sensors.decoder import Decoder
from daemon.sensors.judge import Judge, compile_judge
from daemon.sensors.profile import Binding, PointLimits, Profile, make_points
from daemon.store import ledger
from daemon.store.db import connect

T0 = from_ms(1_795_300_000_000)
GOOD = (Quality.GOOD, Reason.NONE)
STUCK = (Quality.BAD, Reason.STUCK)
SPIKE = (Quality.SUSPECT, Reason.SPIKE)
LOOP = (Quality.BAD, Reason.LOOP_FAULT)

HEAD = """
version: 1
profile: p
title: {zh: 甲, en: A}
alive_within: 30s
mqtt: {topics: ["a/{b}"]}
points:
"""
PRESSURE = "  p: {unit: MPa, range: [0, 2], interval: 60s, stuck_after: 10min, spike: 300 kPa, json: {path: p}}\n"
OWN = "  i: {unit: mA, range: [4, 20], loop: {current: i}, json: {path: i}}\n"
BESIDE = OWN + "  p: {unit: kPa, loop: {current: i, low: 4.0 mA}, json: {path: p}}\n"
SPAN = "  p: {unit: MPa, range: [0, 1.6], loop: {span: [0, 1.6]}, json: {path: p}}\n"


def profile(points: str) -> Profile:
    return build(Profile, parse(HEAD + points, "p.yaml"))


def binding(found: Profile) -> Binding:
    device = Device("d", "a", "m", timedelta(seconds=30))
    return Binding(device, found, {"b": "1"}, make_points(found, device))


def judge(points: str) -> Judge:
    found = compile_judge(binding(profile(points)))
    assert found is not None
    return found


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def said(seconds: float, value: float | str, point: str = "p", *quality: Quality | Reason) -> Reading:
    kind, reason = quality or GOOD
    assert isinstance(kind, Quality)
    assert isinstance(reason, Reason)
    return Reading(f"a.{point}", at(seconds), value, at(seconds), kind, reason)


def flags(by: Judge, *readings: Reading) -> list[tuple[Quality, Reason]]:
    return [(found.quality, found.reason) for reading in readings for found in by([reading])]


# --- flat lines --------------------------------------------------------------------------------------------


def test_a_value_that_stands_still_for_long_enough_is_stuck() -> None:
    """At the very span, not before it; until then the readings stay good."""
    found = flags(judge(PRESSURE), *(said(60 * n, 0.3) for n in range(12)))

    assert found == [GOOD] * 10 + [STUCK] * 2


def test_the_least_change_ends_a_flat_line() -> None:
    """The value moves in its last digit: the sensor lives, at once, and the span begins anew."""
    by = judge(PRESSURE)
    flags(by, *(said(60 * n, 0.3) for n in range(12)))

    found = flags(by, *(said(720 + 60 * n, 0.3001) for n in range(11)))

    assert found == [GOOD] * 10 + [STUCK]


def test_a_gap_longer_than_the_freshness_begins_the_line_anew() -> None:
    """Three intervals apart is a line still, a millisecond more is none: nobody knows what the value did meanwhile."""
    together = flags(judge(PRESSURE), *(said(180 * n, 0.3) for n in range(5)))
    apart = flags(judge(PRESSURE), *(said(180.001 * n, 0.3) for n in range(5)))

    assert together == [GOOD] * 4 + [STUCK]
    assert apart == [GOOD] * 5


def test_two_readings_are_no_line() -> None:
    """Of a point that promises no interval, two equal readings a day apart say nothing."""
    by = judge("  p: {unit: MPa, stuck_after: 1h, json: {path: p}}\n")

    assert flags(by, said(0, 0.3), said(86400, 0.3), said(86401, 0.3)) == [GOOD, GOOD, STUCK]


def test_a_bad_reading_is_no_part_of_a_line_and_no_end_of_it() -> None:
    """What cannot be true says nothing about the value."""
    by = judge(PRESSURE)
    bad = (Quality.BAD, Reason.OUT_OF_RANGE)

    found = flags(by, *(said(60 * n, 0.3) if n != 5 else said(300, 9.0, "p", *bad) for n in range(11)))

    assert found == [GOOD] * 5 + [bad] + [GOOD] * 4 + [STUCK]


# --- jumps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "flag"), [(0.6, GOOD), (0.61, SPIKE), (0.0, GOOD), (1.9, SPIKE)])
def test_a_change_of_more_than_the_limit_is_suspect(to: float, flag: tuple[Quality, Reason]) -> None:
    """Up or down, from the reading before; the limit itself is allowed."""
    assert flags(judge(PRESSURE), said(0, 0.3), said(60, to)) == [GOOD, flag]


def test_one_reading_far_off_is_suspect_and_the_next_is_compared_with_the_one_before_it() -> None:
    """The value back where it was is no second jump."""
    assert flags(judge(PRESSURE), said(0, 0.3), said(60, 1.5), said(120, 0.31)) == [GOOD, SPIKE, GOOD]


def test_a_step_that_lasts_is_suspect_once() -> None:
    """A burst: the second reading on the new level bears the first one out."""
    by = judge(PRESSURE)

    assert flags(by, said(0, 0.5), said(60, 0.01), said(120, 0.02), said(180, 0.01)) == [GOOD, SPIKE, GOOD, GOOD]


def test_the_first_reading_and_the_first_after_a_gap_are_no_jump() -> None:
    """There is nothing to compare them with."""
    assert flags(judge(PRESSURE), said(0, 1.9), said(180.001, 0.1)) == [GOOD, GOOD]


def test_bad_readings_are_not_compared_with() -> None:
    """The previous good value counts."""
    by = judge(PRESSURE)
    bad = (Quality.BAD, Reason.SENTINEL)

    assert flags(by, said(0, 0.3), said(60, 1.9, "p", *bad), said(120, 0.4)) == [GOOD, bad, GOOD]


def test_what_is_older_than_the_latest_is_compared_with_nothing() -> None:
    """Back-filled history neither jumps nor makes what follows jump."""
    assert flags(judge(PRESSURE), said(120, 0.3), said(60, 1.9), said(180, 0.3)) == [GOOD, GOOD, GOOD]


def test_late_stays_late() -> None:
    """Rules must know that news is late: a jump in it does not hide that."""
    late = (Quality.SUSPECT, Reason.LATE)

    assert flags(judge(PRESSURE), said(0, 0.3), said(60, 1.5, "p", *late)) == [GOOD, late]


# --- current loops -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("current", "flag"),
    [(3.6, GOOD), (3.599, LOOP), (0.0, LOOP), (4.0, GOOD), (20.5, GOOD), (21.0, GOOD), (21.001, LOOP)],
)
def test_a_current_that_no_measurement_has_is_a_loop_fault(current: float, flag: tuple[Quality, Reason]) -> None:
    """Below 3.6 mA or above 21 mA (NAMUR NE 43), and whatever range says, the reason is the loop."""
    by = judge("  i: {unit: mA, loop: {current: i}, json: {path: i}}\n")

    assert flags(by, said(0, current, "i")) == [flag]


def test_zero_pressure_of_a_broken_wire_is_bad() -> None:
    """A decoder that makes 0 kPa of 4.0 mA and less: the current beside it tells."""
    by = judge(BESIDE)

    broken = by([said(0, 0.0), said(0, 3.9, "i", Quality.BAD, Reason.OUT_OF_RANGE)])
    sound = by([said(60, 0.0), said(60, 4.0, "i")])

    assert [(reading.quality, reading.reason) for reading in broken] == [LOOP, (Quality.BAD, Reason.OUT_OF_RANGE)]
    assert [(reading.quality, reading.reason) for reading in sound] == [GOOD, GOOD]


def test_the_latest_current_judges_a_value_that_comes_alone() -> None:
    """Partial overlays: the current came a message earlier."""
    by = judge(BESIDE)
    by([said(0, 0.5, "i")])

    assert flags(by, said(1, 0.0)) == [LOOP]


def test_history_is_judged_by_the_current_of_its_own_moment() -> None:
    """One message with an older record: each value has its own current."""
    by = judge(BESIDE)

    found = by([said(0, 0.0), said(0, 1.0, "i"), said(600, 50.0), said(600, 8.0, "i")])

    assert [(reading.quality, reading.reason) for reading in found] == [LOOP, LOOP, GOOD, GOOD]


def test_a_current_that_cannot_be_read_judges_nothing() -> None:
    """NaN and sentinels say nothing of the loop."""
    by = judge(BESIDE)

    found = by([said(0, 7.0), said(0, math.nan, "i", Quality.BAD, Reason.NOT_A_NUMBER)])

    assert (found[0].quality, found[0].reason) == GOOD


@pytest.mark.parametrize(
    ("value", "flag"), [(-0.04, GOOD), (-0.041, LOOP), (0.0, GOOD), (1.6, GOOD), (1.7, GOOD), (1.701, LOOP)]
)
def test_with_a_span_the_current_is_worked_out_from_the_value(value: float, flag: tuple[Quality, Reason]) -> None:
    """0 to 1.6 MPa over 4 to 20 mA: 3.6 mA are -0.04 MPa, 21 mA are 1.7 MPa."""
    assert flags(judge(SPAN), said(0, value)) == [flag]


# --- configuration -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ("x: {kind: counter, stuck_after: 1h, json: {path: a}}", "a counter point has no stuck_after"),
        ("x: {kind: state, spike: 3, json: {path: a}}", "a state point has no spike"),
        ("x: {unit: MPa, spike: 3 m, json: {path: a}}", "m is a length, but the point is in MPa"),
        ("x: {unit: MPa, spike: 0 bar, json: {path: a}}", "must be more than zero"),
        ("x: {interval: 20min, stuck_after: 39min, json: {path: a}}", "shorter than two intervals"),
        ("x: {loop: {}, json: {path: a}}", "exactly one of current"),
        ("x: {loop: {current: x}, json: {path: a}}", "its loop's current 'x': mA is a current, but"),
        ("x: {loop: {current: y}, json: {path: a}}", "'y' is no point of this profile"),
        ("x: {loop: {span: [1, 1]}, json: {path: a}}", "no extent"),
        ("x: {unit: mA, loop: {current: x, low: 22 mA}, json: {path: a}}", "must be less than high"),
    ],
)
def test_limits_that_cannot_be_meant_are_faults(points: str, fault: str) -> None:
    """Each says what is wrong, at load."""
    with pytest.raises(ConfigError) as caught:
        profile(f"  {points}\n")

    assert fault in str(caught.value)


def test_a_device_may_have_limits_of_its_own() -> None:
    """What is given replaces the profile's, null takes it away, the rest stays."""
    found = profile(PRESSURE)

    own = found.limited({"p": PointLimits.model_validate({"spike": None, "range": [0, 1], "interval": "5s"})})

    spec = own.points["p"]
    assert (spec.spike, spec.range, spec.interval, spec.stuck_after) == (
        None, (0, 1), timedelta(seconds=5), timedelta(minutes=10)
    )  # fmt: skip
    assert found.points["p"].spike == "300 kPa"


@pytest.mark.parametrize(
    ("name", "limits", "fault"),
    [
        ("q", {}, "has no point 'q'; known: p"),
        ("p", {"spike": "3 m"}, "point 'p': m is a length"),
        ("p", {"stuck_after": "1min"}, "point 'p': stuck_after is shorter than two intervals"),
        ("p", {"loop": {"current": "p"}}, "its loop's current 'p'"),
    ],
)
def test_own_limits_are_checked_like_the_profile(name: str, limits: dict[str, object], fault: str) -> None:
    """Nothing gets past the checks by way of assets.yaml."""
    with pytest.raises(ValueError, match=fault.split("(", maxsplit=1)[0]):
        profile(PRESSURE).limited({name: PointLimits.model_validate(limits)})


def test_a_device_without_limits_has_no_judge() -> None:
    """Nothing is looked at twice."""
    assert compile_judge(binding(profile("  p: {unit: MPa, range: [0, 2], json: {path: p}}\n"))) is None


# --- whatever comes ----------------------------------------------------------------------------------------

ANY = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0.0, 0.3, 0.31, 0.9, 1.9, math.nan, 1e300])), max_size=40)


@given(ANY)
def test_judging_adds_flags_and_nothing_else(steps: list[tuple[int, float]]) -> None:
    """Same points, moments and values in the same order; a good reading becomes nothing but stuck or a spike."""
    by = judge(PRESSURE)
    nan = (Quality.BAD, Reason.NOT_A_NUMBER)
    given_ = [said(60 * n, value, "p", *(nan if math.isnan(value) else GOOD)) for n, value in steps]

    found = by(given_)

    assert [(r.point, r.at, repr(r.value)) for r in found] == [(r.point, r.at, repr(r.value)) for r in given_]
    for before, after in zip(given_, found, strict=True):
        flag = (after.quality, after.reason)
        assert flag in ((before.quality, before.reason), STUCK, SPIKE)
        assert before.quality is Quality.GOOD or flag == (before.quality, before.reason)


@given(ANY, st.integers(0, 40))
def test_it_does_not_matter_how_readings_are_gathered_into_messages(steps: list[tuple[int, float]], cut: int) -> None:
    """One message or many: the flags are the same."""
    readings = [said(60 * n, value) for n, value in steps]
    together, apart = judge(PRESSURE), judge(PRESSURE)

    assert repr(together(readings)) == repr([*apart(readings[:cut]), *apart(readings[cut:])])


# --- through the pipeline ----------------------------------------------------------------------------------

RULES = """
version: 1
rules:
  - id: low
    title: {zh: 低, en: low}
    applies_to: {kind: zone}
    levels: [{level: I, when: {point: p, below: 10 kPa}, for: 0s}]
    basis: test
    cause: {zh: 甲, en: a}
    consequence: {zh: 乙, en: b}
"""


def play(found: Profile, payloads: list[dict[str, float]], directory: Path, hold: str = "0s") -> int:
    """Payload to alarm through decoder and pipeline, as in production; the number of alarms."""
    bound = binding(found)
    decoder = Decoder([bound], source="m", zone=ZoneInfo("Asia/Shanghai"))
    rules = directory / "rules.yaml"
    rules.write_text(RULES.replace("0s", hold), encoding="utf-8")
    asset = Asset("a", "zone", Text("甲", "A"))
    points = tuple(bound.points.values())
    ruleset = load([rules], Catalogue(Site("s", Text("甲", "A")), (asset,), (bound.device,), points))
    pipeline = Pipeline(connect(":memory:"))
    pipeline.journal.add_ruleset(ruleset.hash, ruleset.to_json(), T0)
    heard: list[Observation] = []
    for n, payload in enumerate(payloads):
        heard += decoder.decode("a/1", orjson.dumps(payload), at(60 * n))
    pipeline.process([Reload(T0, ruleset.hash), *heard, Tick(at(60 * len(payloads)))])
    alarms = len(ledger.recent_alarms(pipeline.db, 10))
    pipeline.db.close()
    return alarms


def test_a_broken_wire_opens_no_order(tmp_path: Path) -> None:
    """0 kPa with 3.9 mA beside it is no empty pipe; 0 kPa with 4.2 mA is one."""
    found = profile(BESIDE)

    assert play(found, [{"p": 200.0, "i": 12.0}, {"p": 0.0, "i": 3.9}, {"p": 0.0, "i": 0.0}], tmp_path) == 0
    assert play(found, [{"p": 200.0, "i": 12.0}, {"p": 0.0, "i": 4.2}], tmp_path) == 1


def test_a_frozen_transmitter_opens_no_order(tmp_path: Path) -> None:
    """From the moment it is stuck its value is unknown to rules: what had begun to be held is given up."""
    points = "  p: {unit: kPa, interval: 60s, stuck_after: 2min, json: {path: p}}\n"

    assert play(profile(points), [{"p": 5.0}] * 20, tmp_path, hold="10min") == 0
    assert play(profile(points), [{"p": 5.0}, {"p": 5.1}] * 10, tmp_path, hold="10min") == 1


def test_a_jump_is_seen_by_rules(tmp_path: Path) -> None:
    """A burst looks like a spike: suspect readings count."""
    points = "  p: {unit: kPa, interval: 60s, spike: 100 kPa, json: {path: p}}\n"

    assert play(profile(points), [{"p": 300.0}, {"p": 0.5}], tmp_path) == 1
