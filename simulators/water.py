"""A pump room and the zone it feeds: demand, two pumps under constant-pressure control, tank, city main, faults.

    city main ─> float valve ─> tank ─> pump 1 │ pump 2 ─> valve ─> outlet ─> riser ─> top floor
Knows no wire and no wall clock.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.hydraulics import HEAD, Curve, Load, Supply, equilibrium, hole_flow, speed_for

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds of one step. Fixed, so that a run does not depend on how often it is looked at.
STEP = 0.1
_SETTLES_IN = 0.8  # s, time constant of the zone with its small air vessel
_SPEED_RATE = 0.4  # 1/s, the inverter's ramp
_MIN_RUN = 60.0  # s between two changes of the second pump
_TURN = 8 * 3600.0  # s after which the pumps change places
_DRAINS_IN = 12.0  # s, time constant of a drained tank: a script cannot wait for a real one
_OPENS_IN = 1.5  # s in which a crack becomes a burst
# A pressure that goes astray does so slowly: 0.045 MPa in 30 s is no burst.
_DRIFT = 0.0015  # MPa/s
_VALVE_RATE = 0.02  # 1/s, a motor valve shuts in 50 s
#: Share of the daily mean demand in each hour: up at 7, cooking and washing at 19.
DEMAND = (
    *(0.35, 0.25, 0.2, 0.2, 0.3, 0.7, 1.5, 2.0, 1.5, 1.1, 1.0, 1.1),
    *(1.2, 1.0, 0.8, 0.8, 0.9, 1.2, 1.7, 1.9, 1.7, 1.4, 1.0, 0.6),
)


@dataclass(frozen=True, slots=True)
class PumpRoomParams:
    """One pump room. All numbers may be set per device in a scenario."""

    setpoint: float = 0.31  # MPa at the outlet
    demand: float = 9.0  # m³/h, mean over the day
    top_height: float = 7.5  # m from the outlet sensor to the worst tap
    friction: float = 3.0e-5  # MPa per (m³/h)² from there
    tank_area: float = 8.0  # m²
    tank_height: float = 2.5  # m of water when full
    tank_level: float = 2.1  # m at the start
    inlet: float = 0.25  # MPa of the city main, mean over the day
    inlet_swing: float = 0.03  # MPa
    inlet_flow: float = 40.0  # m³/h through the open float valve
    ambient: float = 18.0  # °C in the pump room
    noise: float = 0.0008  # MPa, sensor


@dataclass(frozen=True, slots=True)
class WaterState:
    """What can be seen of a pump room at one moment. Pressures MPa, flows m³/h."""

    outlet: float
    inlet: float
    top: float
    tank_level: float
    tank_percent: float
    running: tuple[bool, bool]
    pump_fault: tuple[bool, bool]
    leak: bool
    mains: bool
    motor_temp: tuple[float, float]
    flow: float
    #: m³/h into the tank.
    inflow: float
    starts: tuple[int, int]
    #: m³ through the flow meter, into the tank, and out of its drain, since the start.
    delivered: float
    taken_in: float
    drained: float
    valve_percent: float
    seconds: float


class PumpRoom:
    """One pump room; the same seed and the same faults give the same run."""

    def __init__(self, seed: str, params: PumpRoomParams, starts_at: float = 36_000.0, step: float = STEP) -> None:
        """`starts_at` is the time of day in seconds; a coarser `step` serves runs over many days."""
        self._dt = step
        self._random = random.Random(seed)
        self._params = params
        self._curve = Curve()
        self._day = starts_at
        self._owed = 0.0  # simulated seconds not yet stepped through
        self._faults: Mapping[str, float | str] = {}
        self._since_stage = 2 * _MIN_RUN
        self._since_turn = 0.0
        self._lead = 0
        self._burst = 0.0  # cm² open now
        self._setpoint = params.setpoint
        self._excess = 0.0  # MPa of the city main above its usual pressure
        self._valve = 1.0
        self._wander = 0.0  # slow noise of the demand
        self._level = params.tank_level
        self._motors = [params.ambient + 8.0, params.ambient + 8.0]
        self._starts = [0, 0]
        self._delivered = self._taken_in = self._drained = self._seconds = 0.0
        self._inflow = 0.0
        demand = self._demand()
        lag = demand > self._lag_from()
        self._running = [True, lag]
        self._speed = speed_for(params.setpoint, demand, self._curve, 1 + lag)
        self._pressure = params.setpoint
        self._flow = self._taps = self._pumped = demand

    def apply(self, faults: Mapping[str, float | str]) -> None:
        """Set the faults in force from now on: event name → value."""
        self._faults = faults

    def advance(self, seconds: float) -> WaterState:
        """Let time go on and say what can be seen then."""
        self._owed += seconds
        while self._owed >= self._dt - 1e-9:
            self._owed -= self._dt
            self._step(self._dt)
        return self.state()

    def state(self) -> WaterState:
        """What can be seen now. Sensor noise belongs to the moment, so looking twice shows the same."""
        params = self._params
        # A burst is on the main before the riser: only what the taps take rubs along the way up.
        riser = HEAD * params.top_height + params.friction * self._taps**2
        return WaterState(
            outlet=max(0.0, self._pressure + self._wobble(7.3)),
            inlet=max(0.0, self._inlet() + self._wobble(3.1)),
            top=max(0.0, self._pressure - riser + self._wobble(5.7)),
            tank_level=self._level,
            tank_percent=100 * self._level / params.tank_height,
            running=(self._running[0], self._running[1]),
            pump_fault=(self._tripped(0), self._tripped(1)),
            leak="leak" in self._faults,
            mains="mains_lost" not in self._faults,
            motor_temp=(self._motors[0], self._motors[1]),
            flow=self._flow,
            inflow=self._inflow,
            starts=(self._starts[0], self._starts[1]),
            delivered=self._delivered,
            taken_in=self._taken_in,
            drained=self._drained,
            valve_percent=100 * self._valve,
            seconds=self._seconds,
        )

    # --- one step ------------------------------------------------------------------------------------------

    def _step(self, dt: float) -> None:
        self._day += dt
        self._seconds += dt
        self._since_stage += dt
        self._since_turn += dt
        self._wander += -self._wander * dt / 120.0 + self._random.gauss(0.0, 0.05 * math.sqrt(dt / 60.0))
        self._drift(dt)
        self._stage()
        load = Load(self._demand(), self._params.setpoint, self._burst + self._leaking())
        self._regulate(load, dt)
        self._settle(load, dt)
        self._fill(dt)
        self._heat(dt)

    def _drift(self, dt: float) -> None:
        """What a script has changed takes its time."""
        faults = self._faults
        hole = float(faults.get("burst", 0.0))
        self._burst = _toward(self._burst, hole, max(hole, self._burst) * dt / _OPENS_IN)
        self._valve = _toward(self._valve, float(faults.get("valve_close", 100.0)) / 100, _VALVE_RATE * dt)
        setpoint = float(faults.get("low_pressure", self._params.setpoint))
        self._setpoint = _toward(self._setpoint, setpoint, _DRIFT * dt)
        usual = self._usual_inlet()
        excess = float(faults.get("high_pressure", usual)) - usual
        self._excess = _toward(self._excess, excess, _DRIFT * dt)

    def _stage(self) -> None:
        """Which pumps run: the lead, the other one at peaks or when the lead is tripped, none without power."""
        able = [not self._tripped(pump) and self._powered for pump in (0, 1)]
        if self._since_turn >= _TURN and all(able) and not self._both:
            self._lead, self._since_turn = 1 - self._lead, 0.0
        lead = self._lead if able[self._lead] else 1 - self._lead
        wants_lag = self._both
        if self._since_stage >= _MIN_RUN:
            weak = self._pressure < self._setpoint - 0.03 and self._speed > 0.98
            wants_lag = weak or self._flow > self._lag_from() * (0.7 if self._both else 1.0)
        wanted = [able[pump] and (pump == lead or wants_lag) for pump in (0, 1)]
        if wanted == self._running:
            return
        if sum(wanted) != sum(self._running):
            self._since_stage = 0.0
        for pump in (0, 1):
            self._starts[pump] += wanted[pump] and not self._running[pump]
        self._running = wanted

    def _regulate(self, load: Load, dt: float) -> None:
        """The inverter follows the set-point with a small ripple; CJJ 140 allows ±0.01-0.02 MPa."""
        ripple = 0.003 * math.sin(2 * math.pi * self._seconds / 23.0)
        setpoint = max(0.0, self._setpoint + ripple)
        running = sum(self._running)
        target = speed_for(setpoint, load.flow(setpoint), self._curve, running)
        room = _SPEED_RATE * dt
        self._speed += min(max(target - self._speed, -room), room)

    def _settle(self, load: Load, dt: float) -> None:
        bypass = self._inlet() - 0.005 if self._excess > 0.0 else 0.0
        supply = Supply(self._curve, sum(self._running), self._speed, self._valve, bypass)
        goal = equilibrium(supply, load)
        self._pressure += (goal - self._pressure) * (1 - math.exp(-dt / _SETTLES_IN))
        self._flow = load.flow(self._pressure)
        self._taps = self._flow - hole_flow(load.hole, self._pressure)
        self._pumped = min(self._flow, supply.flow(goal)) if bypass else self._flow
        self._delivered += self._flow * dt / 3600.0

    def _fill(self, dt: float) -> None:
        """The float valve closes between 84 % and 92 %. In and out are booked so that the tank's mass closes."""
        params = self._params
        share = self._level / params.tank_height
        opening = min(1.0, max(0.0, (0.92 - share) / 0.08))
        self._inflow = params.inlet_flow * opening * math.sqrt(self._inlet() / params.inlet)
        pumped = self._pumped if any(self._running) else 0.0
        # The drain is a standpipe: what stands below its mouth stays.
        mouth = float(self._faults.get("tank_drain", 1000.0)) / 100 * params.tank_height
        drain = max(0.0, self._level - mouth) * params.tank_area / _DRAINS_IN * 3600.0
        volume = self._level * params.tank_area
        out = min(volume, (pumped + drain) * dt / 3600.0)
        drained = max(0.0, out - pumped * dt / 3600.0)
        self._drained += drained
        self._taken_in += self._inflow * dt / 3600.0
        self._level = (volume - out + self._inflow * dt / 3600.0) / params.tank_area

    def _heat(self, dt: float) -> None:
        for pump in (0, 1):
            load = 14.0 + 26.0 * self._speed**3 if self._running[pump] else 0.0
            goal = self._params.ambient + load
            self._motors[pump] += (goal - self._motors[pump]) * dt / 900.0
            if "motor_heat" in self._faults and pump == self._lead:
                goal = float(self._faults["motor_heat"])
                self._motors[pump] += (goal - self._motors[pump]) * dt / 20.0

    # --- small facts ---------------------------------------------------------------------------------------

    @property
    def _both(self) -> bool:
        return self._running[0] and self._running[1]

    @property
    def _powered(self) -> bool:
        return "mains_lost" not in self._faults and self._level > 0.02 * self._params.tank_height

    def _tripped(self, pump: int) -> bool:
        return int(self._faults.get("pump_fault", 0)) == pump + 1

    def _lag_from(self) -> float:
        """m³/h above which the second pump is wanted: the lead's flow at the set-point, less a margin."""
        return 0.8 * math.sqrt((self._curve.h0 - self._params.setpoint) / self._curve.k)

    def _leaking(self) -> float:
        return float(self._faults.get("slow_leak", 0.0))

    def _demand(self) -> float:
        hour = self._day / 3600 % 24
        first = int(hour)
        share = DEMAND[first] + (DEMAND[(first + 1) % 24] - DEMAND[first]) * (hour - first)
        return max(0.1, self._params.demand * share * (1 + min(max(self._wander, -0.3), 0.3)))

    def _inlet(self) -> float:
        return max(0.0, self._usual_inlet() + self._excess)

    def _usual_inlet(self) -> float:
        """The city main is weakest when everybody draws from it."""
        hour = self._day / 3600 % 24
        swing = math.cos(2 * math.pi * (hour - 3) / 24) + 0.4 * math.cos(4 * math.pi * (hour - 2) / 24)
        return self._params.inlet + self._params.inlet_swing * swing / 1.4

    def _wobble(self, pace: float) -> float:
        """Sensor noise as a fixed function of the moment."""
        return self._params.noise * math.sin(self._seconds * pace + 1.3 * math.sin(self._seconds * pace * 2.7))


def _toward(value: float, goal: float, most: float) -> float:
    """The value moved to its goal by at most this much."""
    return value + min(max(goal - value, -most), most)
