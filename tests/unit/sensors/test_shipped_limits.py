"""The limits that shipped profiles set: a line that stands still, a value that jumps, a loop that is broken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daemon.model import Device, Quality, Reading, Reason
from daemon.sensors.judge import Judge, compile_judge
from daemon.sensors.profile import Binding, Profile, load_profiles, make_points
from daemon.units import convert, parse
from tests.decoding import NOW

PROFILES = load_profiles((Path(__file__).parents[3] / "config/profiles").glob("*.yaml"))
LIMITED = [(model, name, spec) for model, p in PROFILES.items() for name, spec in p.points.items()]
STUCK = [pytest.param(PROFILES[m], name, id=f"{m}: {name}") for m, name, spec in LIMITED if spec.stuck_after]
SPIKE = [pytest.param(PROFILES[m], name, id=f"{m}: {name}") for m, name, spec in LIMITED if spec.spike]


def judged(profile: Profile) -> Judge:
    device = Device("D", "D", "b", profile.alive_within)
    judge = compile_judge(Binding(device, profile, {}, make_points(profile, device)))
    assert judge is not None
    return judge


def read(judge: Judge, name: str, value: float, after: timedelta) -> Reason:
    (reading,) = judge([Reading(f"D.{name}", NOW + after, value, NOW + after, Quality.GOOD)])
    return reading.reason


@pytest.mark.parametrize(("profile", "name"), STUCK)
def test_a_line_that_stands_still_is_flat_after_its_time(profile: Profile, name: str) -> None:
    """One millisecond less is not; the next other value is good again."""
    judge, spec = judged(profile), profile.points[name]
    assert spec.interval is not None
    assert spec.stuck_after is not None
    steps = int(spec.stuck_after / spec.interval)

    before = {read(judge, name, 0.3, n * spec.interval) for n in range(steps)}
    after = read(judge, name, 0.3, spec.stuck_after)

    assert (before, after) == ({Reason.NONE}, Reason.STUCK)
    assert read(judge, name, 0.3001, spec.stuck_after + spec.interval) == Reason.NONE


@pytest.mark.parametrize(("profile", "name"), SPIKE)
def test_a_jump_is_suspect_and_a_burst_is_none(profile: Profile, name: str) -> None:
    """0.08 MPa in 30 s, the burst rule's own limit, is far from a jump; a second reading bears a jump out."""
    judge, spec = judged(profile), profile.points[name]
    assert spec.interval is not None
    assert spec.spike is not None
    jump = convert(parse(spec.spike), spec.unit, difference=True) * 1.01
    assert convert(parse("0.08 MPa"), spec.unit, difference=True) < jump / 5
    read(judge, name, 0.1, timedelta())

    found = [read(judge, name, 0.1 + jump, n * spec.interval) for n in (1, 2)]

    assert found == [Reason.SPIKE, Reason.NONE]


def test_where_limits_are_set() -> None:
    """Floats that always move have a flat line; whole digits, slow reports and tanks have none."""
    stuck = {model for model, _, spec in LIMITED if spec.stuck_after}
    loops = {model for model, _, spec in LIMITED if spec.loop}

    assert stuck == {"pressure-f32-low-first", "pump-room-modbus", "loop-mb210"}
    assert loops == {"loop-mb210", "chirpstack-ps-lb-pressure", "chirpstack-ps-lb-depth"}
