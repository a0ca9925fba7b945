from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.events import Kind
from simulators.hydraulics import Curve, Load, Supply, equilibrium, hole_flow, speed_for
from simulators.scenario import load_scenario
from simulators.water import PumpRoom, PumpRoomParams, WaterState

SHIPPED = Path(__file__).parents[3] / "config" / "scenarios"
PARAMS = PumpRoomParams()
flows = st.floats(0.1, 60.0)
speeds = st.floats(0.3, 1.0)
holes = st.floats(0.0, 20.0)


def run(room: PumpRoom, seconds: float, every: float = 1.0) -> list[WaterState]:
    return [room.advance(every) for _ in range(int(seconds / every))]


@given(flows, flows, speeds, holes)
def test_more_demand_less_pressure(one: float, other: float, speed: float, hole: float) -> None:
    """At one pump speed, pressure never rises with demand."""
    supply = Supply(Curve(), 2, speed, valve=1.0)
    small, large = sorted((one, other))

    assert equilibrium(supply, Load(large, 0.31, hole)) <= equilibrium(supply, Load(small, 0.31, hole)) + 1e-9


@given(flows, speeds, holes, st.floats(0.05, 1.0), st.sampled_from([1, 2]))
def test_supply_meets_load(demand: float, speed: float, hole: float, valve: float, running: int) -> None:
    """At the pressure they agree on, what the pumps give is what leaves."""
    supply, load = Supply(Curve(), running, speed, valve), Load(demand, 0.31, hole)
    pressure = equilibrium(supply, load)
    step = 2e-6  # MPa, the search stops there

    assert supply.flow(pressure + step) <= load.flow(pressure + step) + 1e-6
    assert supply.flow(max(0.0, pressure - step)) >= load.flow(max(0.0, pressure - step)) - 1e-6


@given(st.floats(0.05, 0.35), st.floats(0.1, 20.0))
def test_speed_holds_the_set_point(setpoint: float, flow: float) -> None:
    """The speed asked for gives the set-point, unless the pumps are at their limit."""
    speed = speed_for(setpoint, flow, Curve(), running=2)
    pressure = equilibrium(Supply(Curve(), 2, speed, 1.0), Load(flow, setpoint))

    assert speed == 1.0 or pressure == pytest.approx(setpoint, abs=1e-4)


def test_torricelli() -> None:
    """One square centimetre at 0.2 MPa lets 4.46 m³/h pass (0.62 · 1e-4 m² · 20 m/s)."""
    assert hole_flow(1.0, 0.2) == pytest.approx(4.464, abs=0.001)


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(0, 86_000),
    st.lists(
        st.sampled_from(["burst", "tank_drain", "pump_fault", "valve_close", "slow_leak", "mains_lost"]), max_size=3
    ),
)
def test_tank_mass_closes(seed: int, starts_at: float, events: list[str]) -> None:
    """What came into the tank less what was pumped and drained is what stands in it; no counter falls."""
    room = PumpRoom(str(seed), PARAMS, starts_at)
    states = run(room, 60)
    for event in events:
        room.apply({event: 2.0})
        states += run(room, 120)
        room.apply({})
        states += run(room, 60)
    first, last = states[0], states[-1]
    stored = (last.tank_level - first.tank_level) * PARAMS.tank_area
    booked = (last.taken_in - first.taken_in) - (last.drained - first.drained)

    # A set that stands still lets its pressure out through the taps: that water was pumped before.
    assert stored == pytest.approx(booked - (last.delivered - first.delivered), abs=0.02)
    for before, after in pairwise(states):
        assert after.delivered >= before.delivered
        assert after.starts >= before.starts
        assert after.seconds > before.seconds
        assert 0.0 <= after.tank_percent <= 100.0
        assert after.outlet >= 0.0


def test_same_seed_same_run() -> None:
    """Looked at ten times a second or twice a minute, it is the same run."""
    often, seldom = PumpRoom("7", PARAMS), PumpRoom("7", PARAMS)
    run(often, 120, every=0.1)
    run(seldom, 120, every=30)

    assert often.advance(1.0) == seldom.advance(1.0)


def test_normal_day() -> None:
    """In a normal day the outlet keeps to ±0.015 MPa, peaks come at morning and evening, the pumps change places."""
    states = run(PumpRoom("3", PARAMS, starts_at=0.0, step=1.0), 86_400, every=30)
    settled = [state for before, state in pairwise(states) if before.running == state.running]
    hour = 120

    assert all(abs(state.outlet - PARAMS.setpoint) <= 0.015 for state in settled)
    assert all(state.top >= 0.15 for state in settled)
    assert all(25 < state.tank_percent < 98 for state in states)
    assert max(state.inlet for state in states) < 0.33
    assert states[7 * hour].flow > 3 * states[3 * hour].flow
    assert states[19 * hour].flow > 1.5 * states[15 * hour].flow
    assert all(1 <= count <= 12 for count in states[-1].starts)
    assert max(*states[-1].motor_temp) < 70


def test_demo_burst() -> None:
    """In the demo the pressure is steady, falls by 0.1 MPa within five seconds of the burst, stays, and comes back."""
    scenario = load_scenario(SHIPPED / "demo.yaml")
    (device,) = scenario.of_kind(Kind.PUMP_ROOM)
    assert isinstance(device.params, PumpRoomParams)
    room = PumpRoom(scenario.seed_of(device.id), device.params, scenario.starts_at)
    states = []
    for step in range(900):
        room.apply(scenario.active(device.id, step / 10))
        states.append(room.advance(0.1))
    before, during, after = states[:100], states[150:500], states[550:]

    assert all(0.295 < state.outlet < 0.325 and state.top > 0.2 for state in before + after)
    assert all(0.06 < state.outlet < before[-1].outlet - 0.1 for state in during)
    assert all(state.top > 0.1 for state in states)
    assert {state.running for state in states} == {(True, True)}


@pytest.mark.parametrize(
    ("event", "value", "seconds", "seen"),
    [
        ("low_pressure", 0.11, 200, lambda s: s.top < 0.05),
        ("high_pressure", 0.65, 400, lambda s: s.inlet > 0.6 and s.outlet > 0.6),
        ("tank_drain", 5.0, 120, lambda s: 4 < s.tank_percent < 6),
        ("pump_fault", 1.0, 5, lambda s: s.pump_fault == (True, False) and not s.running[0]),
        ("valve_close", 10.0, 120, lambda s: s.valve_percent == pytest.approx(10) and s.outlet < 0.2),
        ("mains_lost", 1.0, 20, lambda s: s.running == (False, False) and not s.mains and s.outlet < 0.01),
        ("leak", 1.0, 1, lambda s: s.leak),
        ("motor_heat", 120.0, 120, lambda s: max(s.motor_temp) > 110),
        ("burst", 6.5, 5, lambda s: s.outlet < 0.21 and s.flow > 40),
    ],
)
def test_events(event: str, value: float, seconds: float, seen: object) -> None:
    """Each scripted event shows in what the sensors see."""
    room = PumpRoom("3", PARAMS, starts_at=7 * 3600)
    room.apply({event: value})
    state = run(room, seconds)[-1]

    assert callable(seen)
    assert seen(state)


@pytest.mark.parametrize("event", ["low_pressure", "high_pressure", "valve_close"])
def test_slow_events_are_no_burst(event: str) -> None:
    """What goes astray slowly never falls by 0.08 MPa in thirty seconds, neither coming nor going."""
    room = PumpRoom("3", PARAMS, starts_at=7 * 3600)
    room.apply({event: {"low_pressure": 0.11, "high_pressure": 0.65, "valve_close": 60.0}[event]})
    states = run(room, 400)
    room.apply({})
    states += run(room, 400)

    assert all(before.outlet - after.outlet < 0.08 for before, after in zip(states, states[30:], strict=False))


def test_slow_leak_at_night() -> None:
    """A slow leak shows in the night flow while the pressure stays."""
    sound, leaking = (PumpRoom("3", PARAMS, starts_at=2 * 3600) for _ in range(2))
    leaking.apply({"slow_leak": 0.3})

    dry, wet = run(sound, 300)[-1], run(leaking, 300)[-1]

    assert wet.flow > 1.3 * dry.flow
    assert wet.outlet == pytest.approx(dry.outlet, abs=0.01)
