"""Peers that are away, come back, or say what they should not: named in the log, and nothing is lost."""

import asyncio
import contextlib
import signal
import socket
import time
from functools import partial
from typing import Any

import aiomqtt
import pytest

from tests.gateway import LIFT_POINTS, Daemon, Gateway, Peers, lift
from tests.mqtt_peers import until

pytestmark = pytest.mark.integration


async def test_it_starts_without_its_peers_and_picks_them_up(gateway: Gateway, peers: Peers) -> None:
    """One line names each address and what to do; what is taken before the stores are there is in them at the end."""
    async with gateway.running() as daemon:
        await until(lambda: len(daemon.logged("source_lost")) == 2 and daemon.logged("ticket_poll_lost"))
        await peers.start("broker", "pump")
        await until(lambda: len(daemon.logged("source_back")) == 2)
        await daemon.listens()
        await peers.say("lifts/L1/status", *[lift(at=time.time() + n, chain="open") for n in range(5)])
        status = await daemon.received(5 * LIFT_POINTS + 19)
        await until(lambda: daemon.logged("sink_lost") and daemon.logged("ticketing_lost"))
        assert status["influx"]["values_written"] == 0

        await peers.start("influx", "ticketing")
        await until(lambda: daemon.logged("sink_back") and peers.orders())

        assert await daemon.end() == 0
        for event, port in (
            ("sink_lost", "influx"),
            ("ticketing_lost", "ticketing"),
            ("ticket_poll_lost", "ticketing"),
        ):
            (line,) = daemon.logged(event)
            assert f":{peers.ports[port]}: cannot be reached: Connection refused; start the" in line["error"]
        for port in ("broker", "pump"):
            (line,) = [line for line in daemon.logged("source_lost") if f":{peers.ports[port]}" in line["error"]]
            assert "; " in line["error"], "what to do stands behind what happened"
        assert daemon.readings() == peers.values() >= 5 * LIFT_POINTS + 19


async def test_what_cannot_be_decoded_is_kept_with_its_reason(gateway: Gateway, peers: Peers) -> None:
    """It is counted and quarantined; what is out of range is written with its flag and opens no order."""
    await peers.start("broker", "influx", "ticketing")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", b"\xff{no json", lift(at=time.time() - 1, room=900.0), lift(chain="open"))

        status = await daemon.received(2 * LIFT_POINTS + 1)
        assert status["readings"]["rejected"] == 1
        ((place, reason, payload),) = daemon.rows("SELECT place, reason, payload FROM quarantine")
        assert (place, reason, payload) == ("mqtt:site-mqtt:lifts/L1/status#", "unparsable", b"\xff{no json")
        await until(peers.orders)
        assert await daemon.end() == 0
        assert [order["rule"] for order in peers.orders()] == ["chain"]
        temperatures = [point.fields for point in peers.influx.points.export() if "room_temp" in point.fields]
        assert [(fields["room_temp"], fields.get("room_temp_q")) for fields in temperatures] == [
            (900.0, "bad:out_of_range"),
            (25.0, None),
        ]


PROFILE = """
version: 1
profile: wrong-register
title: {zh: 错, en: wrong}
alive_within: 10s
modbus: {interval: 200ms}
points:
  outlet_pressure: {unit: MPa, register: {address: 0, type: f32}}
  nothing_there: {register: {address: 20, type: u16}}
"""


async def test_a_register_that_is_not_there_is_named(gateway: Gateway, peers: Peers) -> None:
    """Unit, table and address are said once; the registers beside it are read all the same."""
    gateway.write("profiles/wrong.yaml", PROFILE)
    gateway.replace("assets.yaml", "pump-room-modbus", "wrong-register")
    await peers.start("pump")
    async with gateway.running() as daemon:
        await daemon.received(5)

        (line,) = daemon.logged("register_refused")
        assert (line["unit"], line["table"], line["address"]) == (1, "holding", 20)
        assert "wrong-register" in line["todo"]
        assert {point for (point,) in daemon.rows("SELECT DISTINCT place FROM quarantine")} == {"modbus:pump-bus:1:20"}


async def steal(port: int, client_id: str) -> None:
    """Connect as somebody else's client, and leave again."""
    version = aiomqtt.ProtocolVersion.V5
    async with aiomqtt.Client("127.0.0.1", port, identifier=client_id, protocol=version, clean_start=False):
        pass


async def test_a_session_taken_over_is_named_each_time(gateway: Gateway, peers: Peers) -> None:
    """The log names the client id, at the second time too; in between the session is taken back."""
    await peers.start("broker")
    async with gateway.running() as daemon:
        await daemon.listens()
        for n in (1, 2):
            await steal(peers.ports["broker"], "precomplaint-here")
            await until(partial(said, daemon, n))

        for line in lost(daemon):
            assert "'precomplaint-here'" in line["error"]
        await peers.say("lifts/L1/status", lift())
        await daemon.received(LIFT_POINTS)


def said(daemon: Daemon, times: int) -> bool:
    """Whether it was lost and came back so often."""
    return len(lost(daemon)) == len(daemon.logged("source_back")) == times


def lost(daemon: Daemon) -> list[dict[str, Any]]:
    """The losses of the broker."""
    return [line for line in daemon.logged("source_lost") if line["source"] == "site-mqtt"]


async def test_a_broker_that_restarts_is_lost_once_and_back_once(gateway: Gateway, peers: Peers) -> None:
    """However often it is tried in between; what is published afterwards arrives."""
    await peers.start("broker")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.stop("broker")
        await until(lambda: lost(daemon))
        await peers.start("broker")
        await until(lambda: daemon.logged("source_back"))
        await peers.say("lifts/L1/status", lift())

        await daemon.received(LIFT_POINTS)
        assert len(lost(daemon)) == len(daemon.logged("source_back")) == 1


async def test_what_the_devices_said_while_nobody_listened_is_not_lost(gateway: Gateway, peers: Peers) -> None:
    """The broker keeps it for the session, the daemon takes it at its next start, and counts each message once."""
    await peers.start("broker", "influx")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift())
        await daemon.received(LIFT_POINTS)
        assert await daemon.end() == 0

    await peers.say("lifts/L1/status", *[lift(at=time.time() - 50 + n) for n in range(50)])
    async with gateway.running() as daemon:
        await daemon.received(50 * LIFT_POINTS)
        await asyncio.gather(peers.say("lifts/L1/status", lift()), daemon.received(51 * LIFT_POINTS))
        assert await daemon.end() == 0

        assert daemon.readings() == 52 * LIFT_POINTS
        moments = [point.at for point in peers.influx.points.export("lift", "floor")]
        assert len(moments) == len(set(moments)) == 52


async def test_a_device_that_dies_leaves_its_alarm_open_and_unknown(gateway: Gateway, peers: Peers) -> None:
    """Its last will says so; the alarm cannot clear, and a kill of the daemon does not forget it."""
    await peers.start("broker", "ticketing")
    will = aiomqtt.Will("lifts/L1/online", "false", qos=1, retain=True)
    async with gateway.running() as daemon:
        await daemon.listens()
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", peers.ports["broker"], will=will) as device:
                await device.publish("lifts/L1/online", "true", qos=1, retain=True)
                await device.publish("lifts/L1/status", lift(chain="open"), qos=1)
                await until(lambda: daemon.rows("SELECT 1 FROM alarm WHERE state = 'active' AND data = 'good'"))
                device._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

        await until(lambda: daemon.rows("SELECT 1 FROM alarm WHERE state = 'active' AND data = 'unknown'"))
        await daemon.end(signal.SIGKILL)

    async with gateway.running() as daemon:
        await daemon.ask()
        assert daemon.rows("SELECT state, data FROM alarm") == [("active", "unknown")]
        await peers.say("lifts/L1/status", lift(chain="open"))
        await until(lambda: daemon.rows("SELECT 1 FROM alarm WHERE state = 'active' AND data = 'good'"))
