"""The MQTT source against the embedded broker (rumqttd in iotcore), which the demo falls back to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta

import aiomqtt
import iotcore
import orjson
import pytest

from daemon.clock import SiteClock
from daemon.documents import build, parse
from daemon.model import Device, Site, SourceDown, Text
from daemon.sensors.mqtt import MqttConfig, MqttSource
from daemon.sensors.profile import Binding, Profile, make_points
from tests.mqtt_peers import Spine, free_port, until

PROFILE = build(
    Profile,
    parse(
        """
version: 1
profile: counter
title: {zh: 计, en: Counter}
alive_within: 30s
mqtt: {topics: ["c/{id}"]}
points:
  n: {json: {path: n}}
""",
        "counter.yaml",
    ),
)


@pytest.fixture
def port() -> Iterator[int]:
    found = free_port()
    broker = iotcore.Broker(port=found, listen="127.0.0.1")
    broker.start()
    yield found
    broker.stop()


@contextlib.asynccontextmanager
async def running(
    port: int, spine: Spine, remembered: Mapping[int, int] | None = None, session: str = ""
) -> AsyncIterator[MqttSource]:
    device = Device("d", "A", "m", timedelta(seconds=30))
    heard = MqttSource(
        MqttConfig(host="127.0.0.1", port=port, version="3.1.1"),
        [Binding(device, PROFILE, {"id": "1"}, make_points(PROFILE, device))],
        SiteClock(),
        site=Site("s1", Text("一号", "One")),
        name="m",
        remembered=remembered,
        session=session,
    )
    task = asyncio.create_task(heard.run(spine))
    await until(lambda: task.done() or heard.online)
    try:
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceDown):
            await task


async def tell(port: int, first: int, last: int) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as publisher:
        for n in range(first, last):
            await publisher.publish("c/1", orjson.dumps({"n": n}), qos=1)


async def test_what_was_not_committed_comes_again(port: int) -> None:
    """Here too a message is the broker's until it has been committed, and counts once."""
    before, after = Spine(), Spine()
    async with running(port, before) as heard:
        await tell(port, 0, 10)
        await until(lambda: len(before.values) == 10)
        before.gate.clear()
        await tell(port, 10, 20)
        await until(lambda: heard.held == 10)
    await tell(port, 20, 30)

    async with running(port, after, before.packets, before.taken[-1].session):
        await until(lambda: len(after.values) >= 20)

    assert before.values == [float(n) for n in range(10)]
    assert after.values == [float(n) for n in range(10, 30)]
