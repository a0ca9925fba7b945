from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from simulators import mqtt_device
from simulators.events import Kind
from simulators.lift import LiftParams
from simulators.load import ChainOpen, Load, Numbering, Plan, Shape
from simulators.scenario import Device, LeakParams, Scenario, Step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.unit.simulators.conftest import Mosquitto

LIFT = Device("L1", Kind.LIFT, LiftParams(calls_per_hour=600))
LEAK = Device("R1", Kind.LEAK, LeakParams())


def scenario(*script: Step) -> Scenario:
    return Scenario(60.0, 1, 1.0, 36_000.0, (LIFT, LEAK), script, ())


@asynccontextmanager
async def listening(address: tuple[str, int], pattern: str = "#") -> AsyncIterator[dict[str, list[str]]]:
    """Everything that arrives, by topic."""
    heard: dict[str, list[str]] = defaultdict(list)

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            heard[str(message.topic)].append(message.payload.decode())

    async with aiomqtt.Client(*address) as client:
        await client.subscribe(pattern, qos=1)
        task = asyncio.create_task(listen(client))
        try:
            yield heard
        finally:
            task.cancel()


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def chains(heard: dict[str, list[str]]) -> list[str]:
    return [json.loads(message)["data"]["safety_chain"] for message in heard["lifts/L1/status"]]


@pytest.mark.integration
async def test_lift_and_leak(mosquitto: Mosquitto) -> None:
    """A lift tells its state and every change, a leak contact its bit without time, both at QoS 1 acknowledged."""
    script = (Step(1.0, "L1", "safety_chain_open", 1.0, until=2.0), Step(1.0, "R1", "leak", 1.0, until=2.0))
    async with (
        listening(mosquitto.address) as heard,
        mqtt_device.playing(mosquitto.address, scenario(*script), (LIFT, LEAK)) as run,
    ):
        await until(lambda: len(heard["leak/R1/state"]) >= 3)
        await until(lambda: len(chains(heard)) >= 3 and chains(heard)[-1] == "closed")
        await until(lambda: run.tally.acknowledged == run.tally.made)
        online = list(heard["lifts/L1/online"])
    bodies = [json.loads(message) for message in heard["lifts/L1/status"]]

    assert online == ["true"]
    assert set(bodies[0]) == {"ts", "data", "machine", "rope"}
    assert bodies[chains(heard).index("open")]["data"]["fault"] == [1]
    stamps = [body["ts"] for body in bodies]
    assert stamps == sorted(set(stamps))
    assert [json.loads(message) for message in heard["leak/R1/state"]][:3] == [
        {"leak": wet, "battery": 98} for wet in (False, True, False)
    ]


@pytest.mark.integration
async def test_presence(mosquitto: Mosquitto) -> None:
    """Online is retained; an orderly end says offline."""
    async with mqtt_device.playing(mosquitto.address, scenario(), (LIFT,)) as run:
        await until(lambda: run.tally.acknowledged)
        async with listening(mosquitto.address, "lifts/+/online") as heard:
            await until(lambda: heard["lifts/L1/online"] == ["true"])
    async with listening(mosquitto.address, "lifts/+/online") as heard:
        await until(lambda: heard["lifts/L1/online"] == ["false"])


@pytest.mark.integration
async def test_lift_without_broker(mosquitto: Mosquitto) -> None:
    """While the broker is away a lift keeps its messages, and tells them in order when it is back."""
    await mosquitto.kill()
    async with mqtt_device.playing(mosquitto.address, scenario(), (LIFT,), 0.2) as run:
        await until(lambda: run.tally.made >= 3)
        assert run.tally.acknowledged == 0

        await mosquitto.start()
        await until(lambda: run.tally.acknowledged >= 5)

    assert run.tally.lost == 0


@pytest.mark.integration
async def test_silent_sensor(mosquitto: Mosquitto) -> None:
    """A silent sensor says nothing, its presence stays."""
    script = Step(0.0, "L1", "sensor_silent", 1.0)
    async with (
        listening(mosquitto.address) as heard,
        mqtt_device.playing(mosquitto.address, scenario(script), (LIFT, LEAK)) as run,
    ):
        await until(lambda: heard["lifts/L1/online"] and heard["leak/R1/state"])

    assert run.tally.made == 1
    assert "lifts/L1/status" not in heard


def test_numbering() -> None:
    """Numbers go round the lifts; stamps of one lift never repeat; the plain shape has none."""
    plan = Plan(("", 0), lifts=2, shape=Shape.BOTH, chains=(ChainOpen.parse("L1:5:6"),))
    numbering = Numbering(plan)
    made = [numbering.message(n, 1_000) for n in range(1, 9)]
    bodies = [json.loads(message.payload) for message in made]

    assert [message.lift for message in made] == ["L1", "L2"] * 4
    assert [body["n"] for body in bodies] == list(range(1, 9))
    assert [body.get("ts") for body in bodies] == [1000, 1000, None, None, 1001, 1001, None, None]
    assert [n for n, body in enumerate(bodies, 1) if body.get("data", {}).get("safety_chain") == "open"] == [5]
    assert made[2].topic == "load/L1/plain"


@pytest.mark.integration
async def test_load_survives_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Killed in the middle, the broker gets every message again when it is back; the journal has each number once."""
    journal = tmp_path / "journal"
    load = Load(Plan(mosquitto.address, rate=1000, count=3000, client_id="load"), journal)
    running = asyncio.create_task(asyncio.to_thread(load.run))
    await until(lambda: load.result.acknowledged > 500)
    await mosquitto.kill()
    await mosquitto.start()
    result = await running

    numbers = [int(line.split()[0]) for line in journal.read_text(encoding="ascii").splitlines()]
    assert (result.sent, result.acknowledged, result.unacknowledged) == (3000, 3000, [])
    assert result.reconnects == 1
    assert sorted(numbers) == list(range(1, 3001))


@pytest.mark.integration
async def test_load_stops(mosquitto: Mosquitto) -> None:
    """Told to stop, a load waits for what is on the way and says what was sent."""
    async with listening(mosquitto.address, "lifts/#") as heard:
        load = Load(Plan(mosquitto.address, lifts=1, rate=500))
        running = asyncio.create_task(asyncio.to_thread(load.run))
        await until(lambda: load.result.sent > 50)
        load.stop()
        result = await running
        await until(lambda: len(heard["lifts/L1/status"]) == result.sent)

    assert result.acknowledged == result.sent
