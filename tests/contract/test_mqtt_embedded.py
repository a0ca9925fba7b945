"""The MQTT source against the embedded broker (rumqttd in iotcore), which the demo falls back to."""

from __future__ import annotations

from collections.abc import Iterator

import aiomqtt
import iotcore
import orjson
import pytest

from tests.mqtt_peers import Spine, counter_source, free_port, running, until


@pytest.fixture
def port() -> Iterator[int]:
    found = free_port()
    broker = iotcore.Broker(port=found, listen="127.0.0.1")
    broker.start()
    yield found
    broker.stop()


async def tell(port: int, first: int, last: int) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as publisher:
        for n in range(first, last):
            await publisher.publish("c/1", orjson.dumps({"n": n}), qos=1)


async def test_what_was_not_committed_comes_again(port: int) -> None:
    """Here too a message is the broker's until it has been committed, and counts once."""
    before, after = Spine(), Spine()
    first = counter_source(port, version="3.1.1")
    async with running(first, before):
        await until(lambda: first.online)
        await tell(port, 0, 10)
        await until(lambda: len(before.values) == 10)
        before.gate.clear()
        await tell(port, 10, 20)
        await until(lambda: first.held == 10)
    await tell(port, 20, 30)

    session = before.taken[-1].session
    second = counter_source(port, version="3.1.1", remembered=before.packets, session=session)
    async with running(second, after):
        await until(lambda: len(after.values) >= 20)

    assert before.values == [float(n) for n in range(10)]
    assert after.values == [float(n) for n in range(10, 30)]
