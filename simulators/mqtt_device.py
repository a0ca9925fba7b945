"""Devices on an MQTT broker: lift boxes and leak contacts. They publish, and count what the broker acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiomqtt

from simulators.lift import Lift, LiftParams, LiftState
from simulators.scenario import Kind, LeakParams
from simulators.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from simulators.scenario import Device, Scenario

_TICK = 0.1  # s between two looks at a device: how soon a change is told
_MOVING = 1.0  # s between two messages of a moving lift
_IDLE = 10.0  # s, heartbeat of a standing lift
_LEAK = 30.0  # s, heartbeat of a leak contact
_KEEP = 10_000  # messages a device keeps while its broker is away; older ones are lost and counted
_RECONNECT = 0.5  # s


@dataclass(slots=True)
class Tally:
    """What became of the messages."""

    made: int = 0
    acknowledged: int = 0
    #: Given up because the broker was away for too long.
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class Run:
    """A running scenario, and what its devices have published."""

    stage: Stage
    #: Seconds between two messages of an idle device; None: as the device does by itself.
    period: float | None = None
    tally: Tally = field(default_factory=Tally)


def status_payload(state: LiftState, unix_ms: int) -> bytes:
    """A lift's status as its box sends it."""
    body = {
        "ts": unix_ms,
        "data": {
            "mode": state.mode,
            "floor": state.floor,
            "direction": state.direction,
            "speed": round(state.speed, 2),
            "door": state.door,
            "in_zone": state.in_zone,
            "safety_chain": state.safety_chain,
            "fault": list(state.faults),
        },
        "machine": {"room_temp": round(state.room_temp, 1), "motor_temp": round(state.motor_temp, 1)},
        "trip": {"level_mm": round(state.level_mm, 1), "vibration_pp": round(state.vibration_pp, 3)},
        "rope": {"dia_ratio": round(state.rope_ratio, 2)},
    }
    return json.dumps(body, separators=(",", ":")).encode()


class LiftBox:
    """Turns a lift's states into messages: at once on a change, about 1 Hz while moving, a heartbeat when idle."""

    def __init__(self, device: Device, run: Run) -> None:
        if not isinstance(device.params, LiftParams):
            raise TypeError(f"{device.id} is no lift")
        self._device = device.id
        self._run = run
        scenario = run.stage.scenario
        self._lift = Lift(scenario.seed_of(device.id), device.params, scenario.starts_at)
        self._at = 0.0
        self._told: tuple[object, ...] | None = None
        self._told_at = 0.0
        self._stamp = 0

    @property
    def presence(self) -> str:
        """Topic of the retained presence."""
        return f"lifts/{self._device}/online"

    def look(self) -> Iterator[Message]:
        """Advance to now; the message that is due, if any."""
        now, at = time.monotonic(), self._run.stage.now()
        faults = self._run.stage.scenario.active(self._device, at)
        self._lift.apply(faults)
        state = self._lift.advance(at - self._at)
        self._at = at
        if "sensor_silent" in faults:
            return
        key = (
            *(state.mode, state.floor, state.direction, state.door),
            *(state.in_zone, state.safety_chain, state.faults, state.rope_ratio < 90.0),
        )
        period = _MOVING if state.speed > 0.0 else self._run.period or _IDLE
        if key == self._told and now - self._told_at < period - _TICK / 2:
            return
        self._told, self._told_at = key, now
        # Two messages never carry the same stamp: a box counts its milliseconds on.
        self._stamp = max(self._stamp + 1, time.time_ns() // 1_000_000)
        yield Message(f"lifts/{self._device}/status", status_payload(state, self._stamp))


class LeakContact:
    """A water leak contact on a battery: no clock, so no time stamp."""

    presence = None

    def __init__(self, device: Device, run: Run) -> None:
        if not isinstance(device.params, LeakParams):
            raise TypeError(f"{device.id} is no leak contact")
        self._device = device.id
        self._battery = device.params.battery
        self._run = run
        self._told: bool | None = None
        self._told_at = 0.0

    def look(self) -> Iterator[Message]:
        """The message that is due, if any."""
        now = time.monotonic()
        faults = self._run.stage.scenario.active(self._device, self._run.stage.now())
        wet = "leak" in faults
        period = self._run.period or _LEAK
        if "sensor_silent" in faults or (wet == self._told and now - self._told_at < period - _TICK / 2):
            return
        self._told, self._told_at = wet, now
        body = json.dumps({"leak": wet, "battery": round(self._battery)}, separators=(",", ":"))
        yield Message(f"leak/{self._device}/state", body.encode())


async def _watch(device: LiftBox | LeakContact, run: Run, waiting: asyncio.Queue[Message]) -> None:
    """Look at a device for ever, whether its broker is there or not."""
    while True:
        for message in device.look():
            run.tally.made += 1
            if waiting.qsize() >= _KEEP:
                waiting.get_nowait()
                run.tally.lost += 1
            waiting.put_nowait(message)
        await asyncio.sleep(_TICK)


async def _publish(
    broker: tuple[str, int], name: str, presence: str | None, tally: Tally, waiting: asyncio.Queue[Message]
) -> None:
    """Publish what waits, in order, each until it is acknowledged; reconnect for ever."""
    will = aiomqtt.Will(presence, b"false", qos=1, retain=True) if presence else None
    unacknowledged: Message | None = None
    while True:
        client = aiomqtt.Client(
            *broker, identifier=f"sim-{name}", protocol=aiomqtt.ProtocolVersion.V5, will=will, timeout=5.0
        )
        with contextlib.suppress(aiomqtt.MqttError):
            async with client, _presence(client, presence):
                while True:
                    unacknowledged = unacknowledged or await waiting.get()
                    # Returns with the PUBACK.
                    await client.publish(unacknowledged.topic, unacknowledged.payload, qos=1)
                    tally.acknowledged += 1
                    unacknowledged = None
        await asyncio.sleep(_RECONNECT)


@contextlib.asynccontextmanager
async def _presence(client: aiomqtt.Client, topic: str | None) -> AsyncIterator[None]:
    """Be seen as online; an orderly end says offline itself, because it sends no last will."""
    if topic is None:
        yield
        return
    await client.publish(topic, b"true", qos=1, retain=True)
    try:
        yield
    except asyncio.CancelledError:
        with contextlib.suppress(aiomqtt.MqttError):
            await client.publish(topic, b"false", qos=1, retain=True, timeout=1.0)
        raise


@contextlib.asynccontextmanager
async def playing(
    broker: tuple[str, int], scenario: Scenario, devices: Sequence[Device], period: float | None = None
) -> AsyncIterator[Run]:
    """Play lifts and leak contacts on a broker (host, port) inside the block; the broker may come and go.

    Args:
        broker: Host and port.
        scenario: What happens when; its time starts now.
        devices: Which of its lifts and leak contacts to play.
        period: Seconds between two heartbeats of an idle device, instead of 10 (lift) and 30 (leak contact).

    Yields:
        The run: its `tally` of what has been made, acknowledged and lost so far, its `stage` to `tell` more.
    """
    run = Run(Stage(scenario), period)
    async with asyncio.TaskGroup() as tasks:
        owned = []
        for device in devices:
            box = LiftBox(device, run) if device.kind is Kind.LIFT else LeakContact(device, run)
            waiting: asyncio.Queue[Message] = asyncio.Queue()
            publishing = _publish(broker, device.id, box.presence, run.tally, waiting)
            owned.append(tasks.create_task(_watch(box, run, waiting), name=f"{device.id}-watch"))
            owned.append(tasks.create_task(publishing, name=f"{device.id}-publish"))
        try:
            yield run
        finally:
            for task in owned:
                task.cancel()
