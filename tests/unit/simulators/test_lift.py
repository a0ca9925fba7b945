from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.events import Kind
from simulators.lift import DOOR_ZONE, Lift, LiftParams, LiftState
from simulators.motion import Travel
from simulators.scenario import load_scenario

SHIPPED = Path(__file__).parents[3] / "config" / "scenarios"
BUSY = LiftParams(calls_per_hour=150)
EVENTS = ["safety_chain_open", "stop_outside_zone", "door_flap", "level_drift"]


def run(lift: Lift, seconds: float, every: float = 0.5) -> list[LiftState]:
    return [lift.advance(every) for _ in range(int(seconds / every))]


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.3, 4.0), st.floats(0.3, 1.5), st.floats(0.0, 1.0))
def test_travel(start: float, end: float, rated: float, acceleration: float, share: float) -> None:
    """A run stays between its ends, keeps to the rated speed, and ends where it was sent."""
    travel = Travel.plan(start, end, rated, acceleration)
    moment = share * travel.duration

    assert 0.0 <= travel.speed(moment) <= rated + 1e-9
    assert min(start, end) - 1e-6 <= travel.height(moment) <= max(start, end) + 1e-6
    assert travel.height(travel.duration) == pytest.approx(end)


@given(st.floats(5, 60), st.floats(0.5, 4.0), st.floats(0.3, 1.5), st.floats(0.01, 0.99))
def test_travel_is_smooth(distance: float, rated: float, acceleration: float, share: float) -> None:
    """Speed is the slope of height, and its own slope never passes the peak acceleration."""
    travel = Travel.plan(0.0, distance, rated, acceleration)
    moment, dt = share * travel.duration, 1e-4

    slope = (travel.height(moment + dt) - travel.height(moment - dt)) / (2 * dt)
    change = abs(travel.speed(moment + dt) - travel.speed(moment - dt)) / (2 * dt)

    assert slope == pytest.approx(travel.speed(moment), abs=1e-3)
    assert change <= acceleration * 1.001 + 1e-6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(EVENTS), max_size=4), st.floats(0, 86_000))
def test_physical_sense(seed: int, events: list[str], starts_at: float) -> None:
    """Whatever happens, the car never moves with a door not closed, never overspeeds, and no counter falls."""
    lift = Lift(str(seed), BUSY, starts_at)
    states = run(lift, 30)
    for event in events:
        lift.apply({event: 1.0})
        states += run(lift, 40)
        lift.apply({})
        states += run(lift, 40)

    assert all(state.door == "closed" for state in states if state.speed > 0)
    assert all(0 <= state.speed <= BUSY.rated_speed + 1e-9 for state in states)
    assert all(-0.01 <= state.height <= (BUSY.floors - 1) * BUSY.floor_height + 0.01 for state in states)
    for before, after in pairwise(states):
        assert after.starts >= before.starts
        assert after.door_cycles >= before.door_cycles
        assert after.bends >= before.bends
        assert abs(after.height - before.height) <= BUSY.rated_speed * 0.5 + 1e-6


@given(st.lists(st.floats(0.01, 3.0), max_size=30))
@settings(max_examples=20, deadline=None)
def test_same_seed_same_run(looks: list[float]) -> None:
    """A run depends on its seed, not on how often it is looked at."""
    seen, unseen = Lift("7:L1", BUSY), Lift("7:L1", BUSY)
    for seconds in looks:
        seen.advance(seconds)
    unseen.advance(sum(looks))
    seen.advance(1.0 - sum(looks) % 0.05)
    unseen.advance(1.0 - sum(looks) % 0.05)

    assert seen.state().starts == unseen.state().starts
    assert seen.state().height == pytest.approx(unseen.state().height, abs=0.1)


def test_other_seed_other_run() -> None:
    """Two lifts of one scenario do not run in step."""
    heights = {tuple(state.height for state in run(Lift(f"7:L{n}", BUSY), 300)) for n in range(4)}

    assert len(heights) == 4


def test_open_chain_stops_the_car() -> None:
    """With the chain open the car brakes and stands, code 1 is told, mode stays normal; closed again it goes on."""
    lift = Lift("1", BUSY)
    while lift.advance(0.1).speed < 1.0:
        pass
    lift.apply({"safety_chain_open": 1.0})
    first, *_, last = run(lift, 60)
    lift.apply({})
    after = run(lift, 300)

    assert (first.safety_chain, first.faults, first.mode) == ("open", (1,), "normal")
    assert (last.speed, last.direction) == (0.0, 0)
    assert after[0].safety_chain == "closed"
    assert any(state.door == "open" for state in after)


def test_stop_outside_zone() -> None:
    """Made to stop outside a door zone, the car stands between landings with code 4, then creeps to one."""
    lift = Lift("3", BUSY)
    run(lift, 20)
    lift.apply({"stop_outside_zone": 1.0})
    stuck = run(lift, 60)[-1]
    lift.apply({})
    freed = run(lift, 60)

    assert stuck.faults == (4,)
    assert not stuck.in_zone
    assert abs(stuck.height - round(stuck.height / 3) * 3) > DOOR_ZONE
    assert stuck.speed == 0.0
    assert any(state.in_zone and state.door == "open" for state in freed)


def test_door_flap() -> None:
    """A flapping door opens and closes at least three times in fifteen seconds while the car stands."""
    lift = Lift("3", LiftParams(calls_per_hour=0.001))
    lift.apply({"door_flap": 1.0})
    states = run(lift, 60, every=0.1)

    before = next(state for state in states if state.door_cycles >= 2)
    after = states[states.index(before) + 150]

    assert after.door_cycles - before.door_cycles >= 3
    assert after.speed == 0.0


@pytest.mark.parametrize("mode", ["inspection", "stopped", "fire"])
def test_out_of_service(mode: str) -> None:
    """Out of service the car ends its run at a landing and starts no other."""
    lift = Lift("5", BUSY)
    run(lift, 30)
    lift.apply({"mode": mode})
    run(lift, 60)
    first, *_, last = run(lift, 300)

    assert last.mode == mode
    assert last.starts == first.starts
    assert last.in_zone


def test_wear_and_heat() -> None:
    """A script can wear the rope and heat machine room and motor past the limits of the rules."""
    lift = Lift("5", LiftParams())
    lift.apply({"rope_wear": 89.5, "machine_room_heat": 48.0, "motor_heat": 120.0})
    state = run(lift, 180)[-1]

    assert state.rope_ratio == 89.5
    assert state.room_temp > 45
    assert state.motor_temp > 110


def test_normal_day() -> None:
    """A day of normal traffic passes no limit of any rule."""
    lift = Lift("3:L1", LiftParams(), starts_at=0.0)
    states = run(lift, 86_400, every=10)

    assert states[-1].starts > 300
    assert max(state.room_temp for state in states) < 38
    assert max(state.motor_temp for state in states) < 75
    assert max(abs(state.level_mm) for state in states) < 10
    assert max(state.vibration_pp for state in states) < 0.3
    assert not any(state.faults for state in states)


def test_demo_lifts() -> None:
    """In the demo L1 has run and stands in a door zone when its chain opens; L2 stays healthy."""
    scenario = load_scenario(SHIPPED / "demo.yaml")
    seen: dict[str, list[LiftState]] = {}
    for device in scenario.of_kind(Kind.LIFT):
        assert isinstance(device.params, LiftParams)
        lift = Lift(scenario.seed_of(device.id), device.params, scenario.starts_at)
        for step in range(900):
            lift.apply(scenario.active(device.id, step / 10))
            seen.setdefault(device.id, []).append(lift.advance(0.1))
    chain = [state.safety_chain == "open" for state in seen["L1"]]

    assert chain.index(True) == 80
    assert sum(chain) == 270
    assert any(state.speed > 1 for state in seen["L1"][:80])
    assert all(state.in_zone and state.speed == 0 for state in seen["L1"][80:350])
    assert not any(state.faults for state in seen["L2"])
    assert {state.mode for lift_states in seen.values() for state in lift_states} == {"normal"}
