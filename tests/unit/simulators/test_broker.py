import asyncio
import os
import shutil
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulators import broker
from simulators.sockets import listen

#: More than Mosquitto's default queue of 1 000 holds.
MANY = 1500


def needs(engine: str) -> None:
    if engine == "mosquitto" and broker.installed() != "mosquitto":
        if os.environ.get("CI"):
            pytest.fail("mosquitto is missing: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed")


def client(running: broker.Broker, version: aiomqtt.ProtocolVersion, name: str) -> aiomqtt.Client:
    if version == aiomqtt.ProtocolVersion.V5:
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        return aiomqtt.Client(
            "127.0.0.1", running.v5_port, identifier=name, protocol=version, clean_start=False, properties=lasting
        )
    return aiomqtt.Client("127.0.0.1", running.port, identifier=name, protocol=version, clean_session=False)


async def publish(running: broker.Broker, version: aiomqtt.ProtocolVersion, count: int) -> None:
    async with client(running, version, "publisher") as publisher, asyncio.TaskGroup() as tasks:
        window = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            async with window:
                await publisher.publish("leak/p1/state", str(number), qos=1)

        for number in range(count):
            tasks.create_task(one(number))


async def subscribe(running: broker.Broker, version: aiomqtt.ProtocolVersion) -> None:
    async with client(running, version, "subscriber") as subscriber:
        await subscriber.subscribe("leak/+/state", qos=1)


async def receive(running: broker.Broker, version: aiomqtt.ProtocolVersion, count: int) -> list[int]:
    found: list[int] = []
    async with client(running, version, "subscriber") as subscriber, asyncio.timeout(20):
        async for message in subscriber.messages:
            assert isinstance(message.payload, bytes)
            found.append(int(message.payload))
            if len(set(found)) == count:
                break
    return found


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
@pytest.mark.parametrize("engine", [pytest.param("mosquitto", marks=pytest.mark.integration), "iotcore"])
async def test_what_comes_while_one_is_away_is_kept(engine: str, version: aiomqtt.ProtocolVersion) -> None:
    """A persistent session misses nothing, however many messages wait for it."""
    needs(engine)
    async with broker.serving(engine=engine) as running:
        await subscribe(running, version)
        await publish(running, version, MANY)

        assert sorted(set(await receive(running, version, MANY))) == list(range(MANY))


@pytest.mark.integration
async def test_mosquitto_keeps_sessions_over_a_restart(tmp_path: Path) -> None:
    """Stopped and started on its directory and port, it still has what was queued."""
    needs("mosquitto")
    version = aiomqtt.ProtocolVersion.V311
    async with broker.serving(engine="mosquitto", directory=tmp_path) as running:
        port = running.port
        assert running.protocol == ["3.1.1", "5"]
        await subscribe(running, version)
        await publish(running, version, 10)
    async with broker.serving(engine="mosquitto", directory=tmp_path, port=port) as running:
        assert sorted(set(await receive(running, version, 10))) == list(range(10))


async def test_a_taken_port_is_refused() -> None:
    """Whoever sits on the port is not mistaken for the broker."""
    with listen(0) as taken, pytest.raises(OSError, match="Address already in use"):
        async with broker.serving(engine="iotcore", port=taken.getsockname()[1]):
            pass


@pytest.mark.integration
async def test_a_broker_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    """The error carries what the program itself said."""
    needs("mosquitto")
    (tmp_path / "mosquitto.db").write_bytes(b"no database")
    with pytest.raises(OSError, match=r"mosquitto did not come up on port \d+: (?s:.*)open database"):
        async with broker.serving(engine="mosquitto", directory=tmp_path):
            pass


async def test_an_unknown_engine_is_refused() -> None:
    """Only the engines that are known."""
    with pytest.raises(ValueError, match="mosquitto, iotcore"):
        async with broker.serving(engine="pigeons"):
            pass


def test_mosquitto_is_preferred() -> None:
    """What Debian installs is found even where sbin is not on the PATH."""
    expected = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")

    assert broker.installed() == ("mosquitto" if expected else "iotcore")
