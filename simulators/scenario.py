"""Scenarios: which devices stand there, what happens to them when, and which orders must come of it.

version: 1
duration: 60s
seed: 7
starts_at: "07:15"            # time of day of the simulated world
time_scale: 1                 # simulated seconds in a real one
devices:
  L1: {kind: lift, rated_speed: 1.75}
  W1: {kind: pump_room}
script:                       # spans are simulated time since the start
  - {at: 8s, device: L1, event: safety_chain_open, for: 27s}
  - {at: 10s, device: W1, event: {burst: 6.5}, for: 40s}
expected:
  - {asset: b1-lift-1, rule: elv.safety.chain}
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from simulators.lift import LiftParams
from simulators.strict_yaml import Document, DocumentError
from simulators.water import PumpRoomParams

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simulators.strict_yaml import Item


class Kind(enum.StrEnum):
    """What a device simulates."""

    LIFT = "lift"
    PUMP_ROOM = "pump_room"
    LEAK = "leak"


@dataclass(frozen=True, slots=True)
class LeakParams:
    """A leak contact on a battery."""

    battery: float = 98.0  # %


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What may be scripted: for which devices, and what its value means."""

    kinds: frozenset[Kind]
    #: Taken when the script names none.
    default: float | str = 1.0
    low: float = 1.0
    high: float = 1.0
    #: The value is one of these words instead of a number.
    words: frozenset[str] = frozenset()


_LIFT = frozenset({Kind.LIFT})
_WATER = frozenset({Kind.PUMP_ROOM})
MODES = frozenset({"normal", "inspection", "stopped", "fire", "earthquake", "emergency_power"})
CLEAR = "clear"
EVENTS: Mapping[str, EventSpec] = {
    "safety_chain_open": EventSpec(_LIFT),
    "stop_outside_zone": EventSpec(_LIFT),
    "door_flap": EventSpec(_LIFT),
    "mode": EventSpec(_LIFT, "inspection", words=MODES),
    "rope_wear": EventSpec(_LIFT, 89.5, 50.0, 105.0),  # % of the nominal diameter
    "machine_room_heat": EventSpec(_LIFT, 48.0, -40.0, 90.0),  # °C
    "level_drift": EventSpec(_LIFT, 25.0, -200.0, 200.0),  # mm
    "motor_heat": EventSpec(_LIFT | _WATER, 120.0, -40.0, 250.0),  # °C
    "burst": EventSpec(_WATER, 6.5, 0.1, 100.0),  # cm² of hole in the main
    "slow_leak": EventSpec(_WATER, 0.3, 0.01, 5.0),  # cm²
    "low_pressure": EventSpec(_WATER, 0.11, 0.0, 0.6),  # MPa, a wrong set-point
    "high_pressure": EventSpec(_WATER, 0.65, 0.0, 2.0),  # MPa of the city main, bypass open
    "tank_drain": EventSpec(_WATER, 5.0, 0.0, 100.0),  # % that remains
    "pump_fault": EventSpec(_WATER, 1.0, 1.0, 2.0),  # which pump
    "valve_close": EventSpec(_WATER, 20.0, 1.0, 100.0),  # % open
    "mains_lost": EventSpec(_WATER),
    "sensor_open": EventSpec(_WATER),  # the motor 2 sensor's sentinel
    "leak": EventSpec(_WATER | frozenset({Kind.LEAK})),
    "sensor_silent": EventSpec(frozenset(Kind)),
    # what may go wrong on a Modbus line
    "reply_delay": EventSpec(_WATER, 2.0, 0.0, 60.0),  # s
    "reply_late": EventSpec(_WATER),
    "reply_wrong_unit": EventSpec(_WATER),
    "reply_cut": EventSpec(_WATER),
    "reply_exception": EventSpec(_WATER, 4.0, 1.0, 255.0),  # exception code
    "reply_garbage": EventSpec(_WATER),
}
_PARAMS = {Kind.LIFT: LiftParams, Kind.PUMP_ROOM: PumpRoomParams, Kind.LEAK: LeakParams}
#: Keys of a device beside those of its model. A pump room answers to `unit` (default 1).
_DEVICE_KEYS = frozenset({"kind", "unit"})


@dataclass(frozen=True, slots=True)
class Device:
    """One simulated device; its id is what it calls itself on the wire, not the asset's id at the gateway."""

    id: str
    kind: Kind
    params: LiftParams | PumpRoomParams | LeakParams
    #: Modbus unit id.
    unit: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    #: Simulated seconds since the start; `until` not included.
    at: float
    device: str
    event: str
    value: float | str
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class Expected:
    """One order that must come of the scenario, by the gateway's ids."""

    asset: str
    rule: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that has been read and found right."""

    duration: float
    seed: int
    time_scale: float
    #: Time of day at the start, in seconds.
    starts_at: float
    devices: tuple[Device, ...]
    script: tuple[Step, ...]
    expected: tuple[Expected, ...]

    def active(self, device: str, at: float) -> dict[str, float | str]:
        """The events in force for a device at a moment: event → value, the latest step wins."""
        steps = (step for step in self.script if step.device == device and step.at <= at < step.until)
        return {step.event: step.value for step in steps}

    def of_kind(self, kind: Kind) -> tuple[Device, ...]:
        """The devices of one kind, in the order of the file."""
        return tuple(device for device in self.devices if device.kind is kind)

    def extended(self, step: Step) -> Scenario:
        """The same with one more thing in its script."""
        return replace(self, script=_cleared([*self.script, step]))

    def seed_of(self, device: str) -> str:
        """Each device draws from its own chance, so that adding one changes no other."""
        return f"{self.seed}:{device}"


_KEYS = frozenset({"version", "duration", "seed", "time_scale", "starts_at", "title", "devices", "script", "expected"})


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        DocumentError: With every fault of the file as `file:line: what to do`.
    """
    document = Document(path)
    top = document.root()
    keys = top.mapping(_KEYS, frozenset({"version", "duration", "seed", "devices"}))
    if "version" in keys and keys["version"].text() != "1":
        keys["version"].fault(f"version {keys['version'].text()!r} is unknown; this program reads version 1")
    devices = tuple(_devices(keys["devices"])) if "devices" in keys else ()
    kinds = {device.id: device.kind for device in devices}
    steps = [_step(item, kinds) for item in (keys["script"].items() if "script" in keys else [])]
    expected = [_expected(item) for item in (keys["expected"].items() if "expected" in keys else [])]
    scenario = Scenario(
        duration=keys["duration"].span() if "duration" in keys else 0.0,
        seed=int(keys["seed"].number()) if "seed" in keys else 0,
        time_scale=keys["time_scale"].number(0.001, 10_000.0) if "time_scale" in keys else 1.0,
        starts_at=keys["starts_at"].time_of_day() if "starts_at" in keys else 36_000.0,
        devices=devices,
        script=_cleared([step for step in steps if step is not None]),
        expected=tuple(expected),
    )
    document.close()
    return scenario


def read_step(text: str, scenario: Scenario, at: float) -> Step:
    """One step of a script without its `at`, happening at this moment of the scenario.

    Raises:
        DocumentError: What is wrong with it.
    """
    document = Document("told", text)
    step = _step(document.root(), {device.id: device.kind for device in scenario.devices}, at)
    document.close()
    if step is None:
        raise DocumentError(["told: no step"])
    return step


def _devices(item: Item) -> list[Device]:
    found: list[Device] = []
    for name, _, body in item.pairs():
        every = frozenset(field.name for model in _PARAMS.values() for field in fields(model))
        kind_item = body.mapping(_DEVICE_KEYS | every, frozenset({"kind"})).get("kind")
        if kind_item is None:
            continue
        if kind_item.text() not in set(Kind):
            kind_item.fault(f"unknown kind {kind_item.text()!r}; known are {', '.join(sorted(Kind))}")
            continue
        found.append(_device(name, Kind(kind_item.text()), body))
    return found


def _device(name: str, kind: Kind, body: Item) -> Device:
    model = _PARAMS[kind]
    types = {field.name: field.type for field in fields(model)}
    unit = 1
    numbers: dict[str, float] = {}
    for key, place, value in body.pairs():
        if key in types:
            numbers[key] = int(value.number()) if types[key] == "int" else value.number()
        elif key == "unit" and kind is Kind.PUMP_ROOM:
            unit = int(value.number(0, 255))
        elif key != "kind":
            place.fault(f"a {kind} has no {key!r}; it has {', '.join(sorted(types))}")
    return Device(name, kind, model(**numbers), unit)


def _step(item: Item, kinds: Mapping[str, Kind], now: float | None = None) -> Step | None:
    needed = frozenset({"device", "event"}) | (frozenset({"at"}) if now is None else frozenset())
    keys = item.mapping(needed | {"for"}, needed)
    if not needed <= keys.keys():
        return None
    at = keys["at"].span() if now is None else now
    until = at + keys["for"].span() if "for" in keys else float("inf")
    device = keys["device"].text()
    if device not in kinds:
        keys["device"].fault(f"unknown device {device!r}; known are {', '.join(sorted(kinds))}")
        return None
    event = _event(keys["event"], kinds[device])
    return None if event is None else Step(at, device, *event, until)


def _event(item: Item, kind: Kind) -> tuple[str, float | str] | None:
    """`burst`, or `{burst: 6.5}` with a value."""
    entries = list(item.pairs()) if item.is_mapping else [(item.text(), item, None)]
    if len(entries) != 1:
        item.fault("one event a step: `event: name` or `event: {name: value}`")
        return None
    name, place, value = entries[0]
    if name == CLEAR:
        return name, value.text() if value else ""
    if name not in EVENTS:
        place.fault(f"unknown event {name!r}; known are {', '.join(sorted([*EVENTS, CLEAR]))}")
        return None
    spec = EVENTS[name]
    if kind not in spec.kinds:
        place.fault(f"{name!r} cannot happen to a {kind}; it happens to {', '.join(sorted(spec.kinds))}")
        return None
    return name, spec.default if value is None else _value(value, spec)


def _value(item: Item, spec: EventSpec) -> float | str:
    if not spec.words:
        return item.number(spec.low, spec.high)
    if item.text() not in spec.words:
        item.fault(f"{item.text()!r} is none of {', '.join(sorted(spec.words))}")
    return item.text()


def _cleared(steps: list[Step]) -> tuple[Step, ...]:
    """Let each `clear` (of one event, or of all) end what its device suffers at that moment."""
    clears = [step for step in steps if step.event == CLEAR]
    out: list[Step] = []
    for step in sorted((step for step in steps if step.event != CLEAR), key=lambda step: step.at):
        ends = [
            clear.at
            for clear in clears
            if clear.device == step.device and clear.at >= step.at and clear.value in ("", step.event)
        ]
        until = min([step.until, *ends])
        out.append(Step(step.at, step.device, step.event, step.value, until))
    return tuple(out)


def _expected(item: Item) -> Expected:
    keys = item.mapping(frozenset({"asset", "rule"}), frozenset({"asset", "rule"}))
    return Expected(*(keys[key].text() if key in keys else "" for key in ("asset", "rule")))
