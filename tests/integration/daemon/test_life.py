"""Ends, kills and restarts: what was committed is exact, what was not comes again, and no order twice."""

import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.gateway import LIFT_POINTS, Gateway, Peers, lift, said
from tests.mqtt_peers import until

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_an_orderly_end_leaves_nothing_behind(gateway: Gateway, peers: Peers, by: signal.Signals) -> None:
    """Status 0; every reading and order that was taken has been delivered, and the service manager knows of the end."""
    await peers.start()
    async with gateway.running() as daemon:
        await daemon.listens()
        began = time.time() - 30
        await peers.say("lifts/L1/status", *[lift(at=began + n / 10, chain="open") for n in range(200)])
        await daemon.received(200 * LIFT_POINTS)

        assert await daemon.end(by) == 0
        assert daemon.told("STOPPING=1")
        assert daemon.readings() == peers.values() >= 200 * LIFT_POINTS
        assert [order["rule"] for order in peers.orders()] == ["chain"]
        assert not (gateway.state / "control.sock").exists()


async def test_a_kill_opens_no_second_order(gateway: Gateway, peers: Peers) -> None:
    """After SIGKILL the alarm stands as it stood; its recovery is written on the one order there is."""
    await peers.start("broker", "influx", "ticketing")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(at=time.time() - 3, chain="open"))
        await until(peers.orders)
        before = daemon.rows("SELECT * FROM alarm")
        await daemon.end(signal.SIGKILL)

    async with gateway.running() as daemon:
        await peers.say("lifts/L1/status", lift(at=time.time() - 2, chain="open"))
        await daemon.received(LIFT_POINTS)
        assert daemon.rows("SELECT * FROM alarm") == before
        await peers.say("lifts/L1/status", lift(at=time.time() - 1))
        await until(lambda: said(peers.orders()[0]))

        assert await daemon.end() == 0
        (order,) = peers.orders()
        assert said(order) == ["recovery"]
        assert daemon.rows("SELECT state FROM alarm") == [("cleared",)]
        assert peers.values() == daemon.readings() == 3 * LIFT_POINTS


async def test_a_hold_goes_on_over_a_kill(gateway: Gateway, peers: Peers) -> None:
    """A rule that waits three seconds waits three seconds, though the daemon was killed in the first of them."""
    await peers.start("broker", "ticketing")
    began = round(time.time(), 3)
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(at=began, door="open"))
        await daemon.received(LIFT_POINTS)
        await daemon.end(signal.SIGKILL)

    async with gateway.running():
        await until(peers.orders)

        (order,) = peers.orders()
        assert order["rule"] == "door"
        assert moment(order["active_at"]) == pytest.approx(began + 3, abs=0.0005)


async def test_an_order_waits_for_its_service(gateway: Gateway, peers: Peers) -> None:
    """Opened while the ticketing service was away, delivered when it is back, with the time at which it was due."""
    await peers.start("broker", "ticketing")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.stop("ticketing")
        opened = round(time.time(), 3)
        await peers.say("lifts/L1/status", lift(at=opened, chain="open"))
        await until(lambda: daemon.logged("ticketing_lost"))
        assert (await daemon.ask())["outbox"]["pending"] == 1
        await peers.start("ticketing")
        await until(lambda: daemon.logged("ticketing_back"))

        (order,) = peers.orders()
        assert moment(order["active_at"]) == pytest.approx(opened, abs=0.0005)
        assert moment(order["respond_by"]) == pytest.approx(moment(order["created_at"]) + 15 * 60)


MANY = 1010


async def test_a_full_outbox_hinders_nothing(gateway: Gateway, peers: Peers) -> None:
    """A thousand waiting orders are told once, a start is as usual, and all go out when the service is back."""
    contact = "devices: [{{profile: leak-contact-json, source: site-mqtt, address: {{room: R{n}}}}}]"
    asset = "  - {{id: room-{n}, kind: meter_room, name: {{zh: 间{n}, en: Room {n}}}, " + contact + "}}\n"
    site = "version: 1\nsite: {id: here, name: {zh: 小区, en: Gardens}}\nassets:\n"
    gateway.write("assets.yaml", site + "".join(asset.format(n=n) for n in range(MANY)))
    gateway.replace(
        "gateway.yaml", f"  pump-bus: {{modbus: {{tcp: {{host: 127.0.0.1, port: {peers.ports['pump']}}}}}}}\n", ""
    )
    unfolded = "{kind: meter_room}\n    never_suppress: true"  # or ten orders would stand for all of them
    gateway.replace("rules/own.yaml", "{kind: water_zone}", unfolded)
    gateway.replace("rules/own.yaml", "{point: outlet_pressure, below: 0.10 MPa}", "{point: leak, equals: wet}")
    await peers.start("broker")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say_all((f"leak/R{n}/state", '{"leak": true, "battery": 90}') for n in range(MANY))
        await until(lambda: daemon.logged("outbox_full"))
        assert (await daemon.received(2 * MANY))["outbox"]["pending"] == MANY
        await daemon.end(signal.SIGKILL)

    async with gateway.running() as daemon:
        await until(lambda: daemon.logged("outbox_full"))
        (line,) = daemon.logged("outbox_full")
        assert f":{peers.ports['ticketing']}" in line["url"]
        assert line["waiting"] == MANY
        await peers.start("ticketing")
        await until(lambda: peers.ticketing.store.tally()["orders"] == MANY)
        await until(lambda: daemon.logged("outbox_drained"))

        assert await daemon.end() == 0
        assert daemon.rows("SELECT state, count(*) FROM outbox WHERE action = 'create' GROUP BY state") == [
            ("delivered", MANY)
        ]
        assert {order["asset"] for order in peers.orders()} == {f"room-{n}" for n in range(MANY)}


def moment(text: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


async def test_an_order_brings_its_chart_and_another_when_it_is_over(
    gateway: Gateway, peers: Peers, tmp_path: Path
) -> None:
    """What was heard is on the ticket as a picture, before and after; the same is written to a file by command."""
    await peers.start("broker", "ticketing")
    began = time.time()
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", *[lift(at=began - 60 + n, room=25.0 + n / 10) for n in range(30)])
        await peers.say("lifts/L1/status", lift(at=began - 20, room=52.0))
        await until(lambda: charts(peers) == ["opened"])
        await peers.say("lifts/L1/status", lift(at=began - 10, room=30.0))
        await until(lambda: charts(peers) == ["opened", "recovered"])
        written = await gateway.command("orders", "show", "1", "--chart", str(tmp_path / "one.svg"))

        assert await daemon.end() == 0
    opened, recovered = (note["chart"] for note in peers.orders()[0]["notes"] if note.get("chart"))
    assert "room_temp 25 °C → 52 °C，最低 25，最高 52" in opened["alt"]["zh"]
    assert "→ 30 °C" in recovered["alt"]["zh"]
    assert (written.status, (tmp_path / "one.svg").read_text(encoding="utf-8")) == (0, recovered["data"])


@pytest.mark.parametrize("moment", ["before_chart", "after_chart"])
async def test_a_kill_around_a_chart_makes_no_second_one(
    gateway: Gateway, peers: Peers, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Killed before its note is written or just after: the order has one chart."""
    await peers.start("broker", "ticketing")
    monkeypatch.setenv("PRECOMPLAINT_KILL_AT", f"{moment}:1")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(chain="open"))
        await daemon.process.wait()
    monkeypatch.delenv("PRECOMPLAINT_KILL_AT")

    async with gateway.running() as daemon:
        await until(lambda: charts(peers) == ["opened"])
        await until(lambda: daemon.rows("SELECT noted FROM chart") == [(1,)])
        assert await daemon.end() == 0
    assert charts(peers) == ["opened"]


def charts(peers: Peers) -> list[str]:
    """The occasions of the charts on the only order."""
    return [note["chart"]["occasion"] for order in peers.orders() for note in order["notes"] if note.get("chart")]
