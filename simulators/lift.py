"""A lift as a machine: traffic, runs, doors, levelling, heat and wear. Knows no wire and no wall clock.

      call            at the landing       dwell over       closed
IDLE ──────> RUNNING ───────────────> OPENING ─> OPEN ─> CLOSING ─> IDLE
               │ chain open, or made to stop between landings
               └──> BRAKING ─> HALTED ── put right ──> RUNNING (creeps to a landing)
"""

from __future__ import annotations

import enum
import math
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.motion import Travel

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds of one step. Fixed, so that a run does not depend on how often it is looked at.
STEP = 0.05
#: A car counts as levelled within this many metres of a landing (unlocking zone, GB/T 7588.1: at most 0.2 m).
DOOR_ZONE = 0.2
_BRAKING = 2.5  # m/s², an emergency stop by the machine brake
_CREEP = 0.3  # m/s, releveling to a landing after a stop
_FAULT_HEATS_IN = 20.0  # s, time constant of a heat fault: a script cannot wait for a real machine room
#: Share of the daily mean of calls in each hour: people leave at 8 and come home at 18.
TRAFFIC = (
    *(0.1, 0.05, 0.05, 0.05, 0.1, 0.4, 1.1, 2.6, 2.4, 1.2, 0.9, 1.1),
    *(1.4, 1.1, 0.8, 0.8, 1.1, 2.0, 2.5, 1.9, 1.2, 0.7, 0.4, 0.2),
)


class Phase(enum.Enum):
    """What the car is doing."""

    IDLE = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    RUNNING = "running"
    BRAKING = "braking"
    HALTED = "halted"


_DOOR = {Phase.OPENING: "opening", Phase.OPEN: "open", Phase.CLOSING: "closing"}


@dataclass(frozen=True, slots=True)
class LiftParams:
    """One lift. All numbers may be set per device in a scenario."""

    floors: int = 18
    floor_height: float = 3.0  # m
    rated_speed: float = 1.75  # m/s
    acceleration: float = 0.9  # m/s², peak; GB/T 10058 allows 1.5
    calls_per_hour: float = 30.0  # mean over the day
    door_time: float = 2.8  # s; GB/T 10058: at most 3.2 for an 800 mm centre-opening door
    dwell: float = 4.0  # s with the door open
    rope_ratio: float = 98.2  # % of the nominal diameter at the start
    rope_wear_per_million: float = 4.0  # % lost in a million bends
    level_bias: float = 1.5  # mm
    level_sigma: float = 1.2  # mm
    vibration: float = 0.16  # m/s² peak to peak on a new rail at rated speed
    outside_mean: float = 22.0  # °C over the day
    outside_swing: float = 5.0  # °C above and below the mean


@dataclass(frozen=True, slots=True)
class LiftState:
    """What can be seen of a lift at one moment."""

    mode: str
    floor: int
    #: 0 stop, 1 up, 2 down.
    direction: int
    speed: float
    door: str
    in_zone: bool
    safety_chain: str
    #: GB/T 24476-2017 codes.
    faults: tuple[int, ...]
    #: m above the lowest landing.
    height: float
    room_temp: float
    motor_temp: float
    #: Of the latest stop, mm.
    level_mm: float
    #: Of the latest run, m/s².
    vibration_pp: float
    rope_ratio: float
    starts: int
    #: Runs that have ended at a landing.
    stops: int
    door_cycles: int
    bends: int


class Lift:
    """One lift; the same seed and the same faults give the same run."""

    def __init__(self, seed: str, params: LiftParams, starts_at: float = 36_000.0) -> None:
        """`starts_at` is the time of day in seconds."""
        self._random = random.Random(seed)
        self._params = params
        self._day = starts_at
        self._owed = 0.0  # simulated seconds not yet stepped through
        self._faults: Mapping[str, float | str] = {}
        self._phase = Phase.IDLE
        self._elapsed = 0.0  # seconds in this phase
        self._stops: deque[int] = deque()
        self._next_call = 0.0
        self._height = self._random.randrange(params.floors) * params.floor_height
        self._travel = Travel.plan(self._height, self._height, params.rated_speed, params.acceleration)
        self._speed = 0.0
        self._room = self._outside() + 4.0
        self._motor = self._room + 12.0
        self._extra_room = self._extra_motor = 0.0
        self._level = self._random.gauss(params.level_bias, params.level_sigma)
        self._vibration = params.vibration
        self.starts = self.stops = self.door_cycles = self.bends = 0
        self._schedule_call()

    def apply(self, faults: Mapping[str, float | str]) -> None:
        """Set the faults in force from now on: event name → value."""
        self._faults = faults

    def advance(self, seconds: float) -> LiftState:
        """Let time go on and say what can be seen then."""
        self._owed += seconds
        while self._owed >= STEP - 1e-9:
            self._owed -= STEP
            self._step()
        return self.state()

    def state(self) -> LiftState:
        """What can be seen now."""
        lost = self._phase is Phase.HALTED and not self._in_zone and "stop_outside_zone" in self._faults
        codes = {1: self._chain_open, 2: "door_flap" in self._faults, 4: lost}
        going = self._travel.direction if self._speed > 0.0 else 0
        return LiftState(
            mode=str(self._faults.get("mode", "normal")),
            floor=self._nearest + 1,
            direction=2 if going < 0 else going,
            speed=self._speed,
            door=_DOOR.get(self._phase, "closed"),
            in_zone=self._in_zone,
            safety_chain="open" if self._chain_open else "closed",
            faults=tuple(code for code, present in codes.items() if present),
            height=self._height,
            room_temp=self._room + self._extra_room,
            motor_temp=self._motor + self._extra_motor,
            level_mm=self._level,
            vibration_pp=self._vibration,
            rope_ratio=self._rope_ratio(),
            starts=self.starts,
            stops=self.stops,
            door_cycles=self.door_cycles,
            bends=self.bends,
        )

    # --- one step ------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self._day += STEP
        self._elapsed += STEP
        if self._day >= self._next_call:
            self._add_call()
            self._schedule_call()
        match self._phase:
            case Phase.IDLE:
                self._idle()
            case Phase.RUNNING:
                self._run()
            case Phase.BRAKING:
                self._brake()
            case Phase.HALTED:
                self._halted()
            case Phase.OPENING | Phase.OPEN | Phase.CLOSING:
                self._work_door()
        self._heat()

    def _idle(self) -> None:
        if self._blocked:
            return
        if "door_flap" in self._faults:
            if self._elapsed > 0.4:
                self._enter(Phase.OPENING)
        elif "stop_outside_zone" in self._faults:
            self._depart(self._nearest + (1 if self._nearest < self._params.floors // 2 else -1))
        elif self._stops:
            floor = self._stops.popleft()
            if floor == self._nearest:
                self._enter(Phase.OPENING)
            else:
                self._depart(floor)

    def _depart(self, floor: int, rated_speed: float | None = None) -> None:
        params = self._params
        target = floor * params.floor_height
        speed = rated_speed or params.rated_speed
        self._travel = Travel.plan(self._height, target, speed, params.acceleration)
        self.starts += 1
        self.bends += 2  # over the traction sheave and the deflector
        self._enter(Phase.RUNNING)

    def _run(self) -> None:
        if self._chain_open or ("stop_outside_zone" in self._faults and self._would_stop_outside()):
            self._enter(Phase.BRAKING)
            self._brake()
            return
        self._height = self._travel.height(self._elapsed)
        self._speed = self._travel.speed(self._elapsed)
        if self._elapsed >= self._travel.duration:
            self._arrive()

    def _arrive(self) -> None:
        params = self._params
        self._speed = 0.0
        self.stops += 1
        stretch = (98.2 - self._rope_ratio()) * 0.3  # a worn rope is a longer rope, mm
        drift = float(self._faults.get("level_drift", 0.0))
        self._level = self._random.gauss(params.level_bias + stretch + drift, params.level_sigma)
        pace = self._travel.top_speed / params.rated_speed
        wear = 1 + self.bends * params.rope_wear_per_million / 1e7
        self._vibration = params.vibration * wear * (0.4 + 0.6 * pace) * self._random.uniform(0.9, 1.1)
        self._enter(Phase.OPENING)

    def _brake(self) -> None:
        self._speed = max(0.0, self._speed - _BRAKING * STEP)
        self._height += self._travel.direction * self._speed * STEP
        if self._speed <= 0.0:
            self._enter(Phase.HALTED)

    def _halted(self) -> None:
        if not self._chain_open and "stop_outside_zone" not in self._faults:
            self._depart(self._nearest, _CREEP)

    def _work_door(self) -> None:
        flapping = "door_flap" in self._faults
        dwell = 0.6 if flapping else self._params.dwell
        travel = self._params.door_time / (2 if flapping else 1)
        if self._elapsed < (dwell if self._phase is Phase.OPEN else travel):
            return
        if self._phase is Phase.OPENING:
            self._enter(Phase.OPEN)
        elif self._phase is Phase.OPEN:
            self._enter(Phase.CLOSING)
        else:
            self.door_cycles += 1
            self._enter(Phase.IDLE)

    def _heat(self) -> None:
        running = self._phase is Phase.RUNNING
        self._motor += STEP * ((self._room - self._motor) / 1800.0 + (0.035 if running else 0.0))
        outside = self._outside() + 3.0
        self._room += STEP * ((outside - self._room) / 2400.0 + (self._motor - self._room) / 24_000.0)
        room = float(self._faults.get("machine_room_heat", self._room)) - self._room
        motor = float(self._faults.get("motor_heat", self._motor)) - self._motor
        self._extra_room += (room - self._extra_room) * STEP / _FAULT_HEATS_IN
        self._extra_motor += (motor - self._extra_motor) * STEP / _FAULT_HEATS_IN

    # --- small facts ---------------------------------------------------------------------------------------

    @property
    def _chain_open(self) -> bool:
        """The machine gets no power."""
        return "safety_chain_open" in self._faults

    @property
    def _blocked(self) -> bool:
        """It starts no run: no power, or out of service."""
        return self._chain_open or self._faults.get("mode", "normal") != "normal"

    @property
    def _nearest(self) -> int:
        return min(max(round(self._height / self._params.floor_height), 0), self._params.floors - 1)

    @property
    def _in_zone(self) -> bool:
        return abs(self._height - self._nearest * self._params.floor_height) <= DOOR_ZONE

    def _would_stop_outside(self) -> bool:
        end = self._height + self._travel.direction * self._speed**2 / (2 * _BRAKING)
        landing = round(end / self._params.floor_height) * self._params.floor_height
        return abs(end - landing) > 3 * DOOR_ZONE

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._elapsed = 0.0

    def _outside(self) -> float:
        turn = 2 * math.pi * (self._day - 9 * 3600) / 86_400  # warmest at 15:00
        return self._params.outside_mean + self._params.outside_swing * math.sin(turn)

    def _rope_ratio(self) -> float:
        worn = self._params.rope_ratio - self.bends * self._params.rope_wear_per_million / 1e6
        return float(self._faults.get("rope_wear", worn))

    def _schedule_call(self) -> None:
        hourly = self._params.calls_per_hour * TRAFFIC[int(self._day // 3600) % 24]
        self._next_call = self._day + self._random.expovariate(hourly / 3600.0)

    def _add_call(self) -> None:
        """People mostly go between home and the ground floor: out in the morning, in for the rest of the day."""
        home = self._random.randrange(1, self._params.floors)
        hour = self._day / 3600 % 24
        out = self._random.random() < (0.85 if 5 <= hour < 10 else 0.35)
        if len(self._stops) < 8:  # a longer queue walks up the stairs
            self._stops.extend((home, 0) if out else (0, home))
