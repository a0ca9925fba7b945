"""Devices on an MQTT broker: lift boxes, leak contacts, any device of a profile. They count what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiomqtt

from simulators.events import Kind
from simulators.lifetime import heed_cancellation
from simulators.lift import Lift, LiftParams, LiftState
from simulators.line_faults import LineFaults
from simulators.message_shape import Message
from simulators.on_the_way import OnTheWay
from simulators.profile_box import ProfileBox
from simulators.proxy import FaultProxy
from simulators.scenario import LeakParams
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


@dataclass(slots=True)
class Run:
    """A running scenario, and what its devices have published."""

    stage: Stage
    #: Seconds between two messages of an idle device; None: as the device does by itself.
    period: float | None = None
    keepalive: int = 60
    tally: Tally = field(default_factory=Tally)
    #: By device: what each point has said so far, the truth to hold readings against. Devices of profiles only.
    said: dict[str, dict[str, list[float | str]]] = field(default_factory=dict)


def status_payload(state: LiftState, unix_ms: int, *, stopped: bool) -> bytes:
    """A lift's status as its box sends it; `stopped`: a run has ended since the message before."""
    body: dict[str, object] = {
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
        "rope": {"dia_ratio": round(state.rope_ratio, 2)},
    }
    if stopped:
        body["trip"] = {"level_mm": round(state.level_mm, 1), "vibration_pp": round(state.vibration_pp, 3)}
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
        self._step = 0
        self._stops = 0

    def connecting(self) -> None:
        """A connection begins; it makes no difference."""

    def presence(self, *, online: bool) -> list[Message]:
        """Its retained presence."""
        return [Message(f"lifts/{self._device}/online", b"true" if online else b"false", retain=True)]

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
        step = int(1000 * float(faults.get("clock_step", 0.0)))
        if step != self._step:
            self._step, self._stamp = step, 0
        self._stamp = max(self._stamp + 1, time.time_ns() // 1_000_000 + step)
        stopped, self._stops = state.stops > self._stops, state.stops
        yield Message(f"lifts/{self._device}/status", status_payload(state, self._stamp, stopped=stopped))


class LeakContact:
    """A water leak contact on a battery: no clock, so no time stamp."""

    def __init__(self, device: Device, run: Run) -> None:
        if not isinstance(device.params, LeakParams):
            raise TypeError(f"{device.id} is no leak contact")
        self._device = device.id
        self._battery = device.params.battery
        self._run = run
        self._told: bool | None = None
        self._told_at = 0.0

    def connecting(self) -> None:
        """A connection begins; it makes no difference."""

    def presence(self, *, online: bool) -> list[Message]:  # noqa: ARG002  as all devices are asked
        """None."""
        return []

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


Box = LiftBox | LeakContact | ProfileBox


def _box(device: Device, run: Run) -> Box:
    if device.kind is Kind.LIFT:
        return LiftBox(device, run)
    return LeakContact(device, run) if device.kind is Kind.LEAK else ProfileBox(device, run)


async def _watch(box: Box, name: str, run: Run, waiting: asyncio.Queue[Message], line: LineFaults) -> None:
    """Look at a device for ever, whether its broker is there or not."""
    on_the_way = OnTheWay(name)
    while True:
        at = run.stage.now()
        faults = run.stage.scenario.active(name, at)
        await line.follow(faults)
        for message in on_the_way.passed(box.look(), faults, at):
            run.tally.made += 1
            if waiting.qsize() >= _KEEP:
                waiting.get_nowait()
                run.tally.lost += 1
            waiting.put_nowait(message)
        await asyncio.sleep(_TICK)


async def _publish(broker: tuple[str, int], name: str, box: Box, run: Run, waiting: asyncio.Queue[Message]) -> None:
    """Publish what waits, in order, each until it is acknowledged; reconnect for ever."""
    unacknowledged: Message | None = None
    while True:
        box.connecting()
        gone = box.presence(online=False)
        will = aiomqtt.Will(gone[0].topic, gone[0].payload, qos=1, retain=gone[0].retain) if gone else None
        client = aiomqtt.Client(
            *broker,
            identifier=f"sim-{name}",
            protocol=aiomqtt.ProtocolVersion.V5,
            will=will,
            timeout=5.0,
            keepalive=run.keepalive,
        )
        with contextlib.suppress(aiomqtt.MqttError):
            async with client, _presence(client, box):
                while True:
                    unacknowledged = unacknowledged or await waiting.get()
                    # Returns with the PUBACK.
                    await client.publish(unacknowledged.topic, unacknowledged.payload, qos=1)
                    run.tally.acknowledged += 1
                    unacknowledged = None
                    heed_cancellation()
        await asyncio.sleep(_RECONNECT)


@contextlib.asynccontextmanager
async def _presence(client: aiomqtt.Client, box: Box) -> AsyncIterator[None]:
    """Be seen as online; an orderly end says offline itself, because it sends no last will."""
    for message in box.presence(online=True):
        await client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        heed_cancellation()
    try:
        yield
    except asyncio.CancelledError:
        with contextlib.suppress(aiomqtt.MqttError):
            for message in box.presence(online=False):
                await client.publish(message.topic, message.payload, qos=1, retain=message.retain, timeout=1.0)
        raise


@contextlib.asynccontextmanager
async def playing(
    broker: tuple[str, int],
    scenario: Scenario,
    devices: Sequence[Device],
    period: float | None = None,
    keepalive: int = 60,
) -> AsyncIterator[Run]:
    """Play lifts, leak contacts and devices of profiles on a broker inside the block; the broker may come and go.

    Args:
        broker: Host and port.
        scenario: What happens when; its time starts now.
        devices: Which of its devices to play.
        period: Seconds between two heartbeats of an idle device, instead of 10 (lift, profile) and 30 (leak contact).
        keepalive: Seconds after which a broker may wonder; half as much again, and it sends the last will.

    Yields:
        The run: its `tally` of what has been made, acknowledged and lost so far, its `stage` to `tell` more.

    Raises:
        ValueError: A profile cannot be played.
    """
    run = Run(Stage(scenario), period, keepalive)
    boxes = {device.id: _box(device, run) for device in devices}
    async with contextlib.AsyncExitStack() as stack:
        ways = {name: await stack.enter_async_context(FaultProxy(broker[1], target_host=broker[0])) for name in boxes}
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        owned = []
        for name, box in boxes.items():
            waiting: asyncio.Queue[Message] = asyncio.Queue()
            way = ("127.0.0.1", ways[name].port)
            watching = _watch(box, name, run, waiting, LineFaults(ways[name]))
            owned.append(tasks.create_task(watching, name=f"{name}-watch"))
            owned.append(tasks.create_task(_publish(way, name, box, run, waiting), name=f"{name}-publish"))
        try:
            yield run
        finally:
            for task in owned:
                task.cancel()
