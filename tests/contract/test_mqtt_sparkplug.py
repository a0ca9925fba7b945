"""Sparkplug B over a real Mosquitto: an edge node with its last will, a gateway that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import aiomqtt
import pytest

from daemon.clock import SiteClock
from daemon.model import Device, Site, Text
from daemon.sensors.mqtt import MqttConfig, MqttSource
from daemon.sensors.profile import Binding, load_profiles, make_points
from tests.mqtt_peers import Mosquitto, Spine, running, until
from tests.sparkplug import metric, payload

pytestmark = pytest.mark.integration

PROFILE = load_profiles((Path(__file__).parents[2] / "config/profiles").glob("*.yaml"))["sparkplug-pump-room"]
NODE = "spBv1.0/site/{}/gw1"
WILL = payload([metric("bdSeq", 3, "Int64")])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as found:
        yield found


class Gateway:
    """One that keeps over its restarts what the daemon keeps."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self.kept: dict[str, str] = {}
        self.session = ""
        self.subscribed: tuple[str, ...] = ()

    def source(self) -> MqttSource:
        device = Device("D", "D", "m", PROFILE.alive_within)
        address = {"group": "site", "node": "gw1", "device": "pumps"}
        return MqttSource(
            MqttConfig(host="localhost", port=self._broker.port, session_expiry=timedelta(hours=1)),
            [Binding(device, PROFILE, address, make_points(PROFILE, device))],
            SiteClock(),
            site=Site("s1", Text("站", "site")),
            name="m",
            session=self.session,
            subscribed=self.subscribed,
            births=dict(self.kept),
            on_birth=self.kept.__setitem__,
        )


async def test_a_node_lives_and_dies(broker: Mosquitto) -> None:
    """Born, heard by alias, heard by alias after a restart of ours, killed while we are away, told as gone."""
    gateway, first, second, third = Gateway(broker), Spine(), Spine(), Spine()
    will = aiomqtt.Will(NODE.format("NDEATH"), WILL, qos=1)
    node = aiomqtt.Client("localhost", broker.port, identifier="gw1", will=will, keepalive=5)
    await node.__aenter__()
    device = "spBv1.0/site/{}/gw1/pumps"

    heard = gateway.source()
    async with running(heard, first):
        await until(lambda: heard.online)
        await node.publish(NODE.format("NBIRTH"), payload([metric("bdSeq", 3, "Int64")], seq=0))
        await node.publish(device.format("DBIRTH"), payload([metric("Leak", False, "Boolean", alias=9)], seq=1))
        await node.publish(device.format("DDATA"), payload([metric(value=True, kind="Boolean", alias=9)], seq=2), qos=1)
        await until(lambda: len(first.values) == 2)
        gateway.session, gateway.subscribed = heard.session, heard.subscribed
    heard = gateway.source()
    async with running(heard, second):
        await until(lambda: heard.online)
        await node.publish(device.format("DDATA"), payload([metric(value=False, kind="Boolean", alias=9)], seq=3))
        await until(lambda: second.values)
    node._client._sock_close()
    await asyncio.sleep(0)
    heard = gateway.source()
    async with running(heard, third):
        await until(lambda: any(found.gone for found in third.observations))

    assert first.values == ["dry", "wet"]
    assert second.values == ["dry"]
    assert [(found.device, found.gone) for found in third.observations] == [("D", True)]
    assert gateway.kept == {"site/gw1": ""}
