"""Scenarios: which devices stand there, what happens to them when, and which orders must come of it.

version: 1
duration: 60s
seed: 7
starts_at: "07:15"            # time of day of the simulated world
time_scale: 1                 # simulated seconds in a real one
devices:
  L1: {kind: lift, rated_speed: 1.75}
  W1: {kind: pump_room}
  P1: {kind: modbus_device, profile: pressure-rs485, unit: 3}
  T1: {kind: mqtt_device, profile: tasmota-temperature, address: {topic: machine-room-1}}
script:                       # spans are simulated time since the start
  - {at: 8s, device: L1, event: safety_chain_open, for: 27s}
  - {at: 10s, device: W1, event: {burst: 6.5}, for: 40s}
expected:
  - {asset: b1-lift-1, rule: elv.safety.chain}
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from simulators.events import CLEAR, EVENTS, MODBUS, EventSpec, Kind
from simulators.lift import LiftParams
from simulators.strict_yaml import Document, DocumentError
from simulators.water import PumpRoomParams

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simulators.strict_yaml import Item


@dataclass(frozen=True, slots=True)
class LeakParams:
    """A leak contact on a battery."""

    battery: float = 98.0  # %


@dataclass(frozen=True, slots=True)
class ProfileParams:
    """A device of any model that there is a profile of."""

    #: Name of a shipped profile, or path of a file.
    profile: str


Params = LiftParams | PumpRoomParams | LeakParams | ProfileParams
_PARAMS: Mapping[Kind, type[Params]] = {
    Kind.LIFT: LiftParams,
    Kind.PUMP_ROOM: PumpRoomParams,
    Kind.LEAK: LeakParams,
    Kind.MODBUS_DEVICE: ProfileParams,
    Kind.MQTT_DEVICE: ProfileParams,
}
#: Keys of a device beside those of its model. What speaks Modbus answers to `unit` (default 1); a device of a profile
#: for MQTT has the parts of its topics as `address` (each is the device's id when left out).
_DEVICE_KEYS = frozenset({"kind", "unit", "address"})


@dataclass(frozen=True, slots=True)
class Device:
    """One simulated device; its id is what it calls itself on the wire, not the asset's id at the gateway."""

    id: str
    kind: Kind
    params: Params
    #: Modbus unit id.
    unit: int = 1
    #: Named parts of its topics.
    address: Mapping[str, str] = field(default_factory=dict)


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


def single(*devices: Device) -> Scenario:
    """A scenario without a script: these devices, for as long as it takes."""
    return Scenario(float("inf"), 1, 1.0, 36_000.0, devices, (), ())


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
        every = frozenset(each.name for model in _PARAMS.values() for each in fields(model))
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
    types = {each.name: each.type for each in fields(model)}
    unit = 1
    address: dict[str, str] = {}
    given: dict[str, Any] = {}
    for key, place, value in body.pairs():
        if key in types:
            given[key] = value.text() if types[key] == "str" else value.number()
            given[key] = int(given[key]) if types[key] == "int" else given[key]
        elif key == "unit" and kind in MODBUS:
            unit = int(value.number(0, 255))
        elif key == "address" and kind is Kind.MQTT_DEVICE:
            address = {part: word.text() for part, _, word in value.pairs()}
        elif key != "kind":
            place.fault(f"a {kind} has no {key!r}; it has {', '.join(sorted(types))}")
    if model is ProfileParams and "profile" not in given:
        body.fault(f"a {kind} needs a profile; write its name or a file's path")
        given["profile"] = ""
    return Device(name, kind, model(**given), unit, address)


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
