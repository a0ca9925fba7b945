from __future__ import annotations

import asyncio

import pytest

from daemon.clock import SiteClock
from daemon.model import SourceDown
from daemon.probe.listening import Listener
from daemon.probe.messages import Message
from daemon.sensors.mqtt import MqttConfig
from tests.mqtt_peers import PATIENCE, Connection, publish, scripted


def listener(port: int, *filters: str, heard: list[Message] | None = None, **config: object) -> Listener:
    found = MqttConfig.model_validate({"host": "127.0.0.1", "port": port, "username": "bob", **config})
    return Listener(found, filters, SiteClock(), (heard if heard is not None else []).append)


async def down(visit: Listener) -> str:
    with pytest.raises(SourceDown) as caught:
        async with asyncio.timeout(PATIENCE):
            await visit.run()
    return str(caught.value)


async def test_filters_that_the_broker_refuses_are_named() -> None:
    """One of two: the visit goes on, and the other is told; both: it ends, with what to do."""

    async def some(connection: Connection) -> None:
        connection.verdict = b"\1\x87"
        await connection.greet(session=False)
        connection.drop()

    async def none(connection: Connection) -> None:
        connection.verdict = b"\x87\x87"
        await connection.greet(session=False)
        await connection.serve()

    async with scripted(some, none) as (port, _):
        first, second = listener(port, "a/#", "b/#"), listener(port, "a/#", "b/#")
        await down(first)
        why = await down(second)

    assert first.refused == ("b/#",)
    assert "lets user 'bob' read none of a/#, b/#" in why


async def test_a_flood_is_heard_to_its_end_and_acknowledged() -> None:
    """More at once than may wait: reading pauses, nothing is lost, every packet is acknowledged, nothing published."""
    heard: list[Message] = []

    async def flood(connection: Connection) -> None:
        await connection.greet(session=False)
        connection.send(b"".join(publish("a/1", b"%d" % n, mid=n) for n in range(1, 5001)))
        while len(connection.acknowledged) < 5000:
            connection.answer(*await connection.packet())
        connection.drop()

    async with scripted(flood) as (port, connections):
        await down(listener(port, "a/#", heard=heard))

    assert [int(message.payload) for message in heard] == [*range(1, 5001)]
    assert sorted(connections[0].acknowledged) == [*range(1, 5001)]
    assert connections[0].count(0x30) == 0


async def test_a_payload_that_is_too_large_arrives_cut_and_says_so() -> None:
    """Its length on the wire is kept."""
    heard: list[Message] = []

    async def large(connection: Connection) -> None:
        await connection.greet(session=False)
        connection.send(publish("a/1", b"x" * 5000))
        connection.send(publish("a/2", b"y"))
        while len(heard) < 2:
            await asyncio.sleep(0.005)
        connection.drop()

    async with scripted(large) as (port, _):
        await down(listener(port, "a/#", heard=heard, max_payload=1000))

    assert [(m.topic, m.cut_from) for m in heard] == [("a/1", 5000), ("a/2", 0)]
