"""What a person asks of a daemon that runs."""

import asyncio
import json
import signal
import time
from datetime import datetime

import pytest

from tests.gateway import LIFT_POINTS, RULES, Gateway, Peers, lift
from tests.mqtt_peers import until

pytestmark = pytest.mark.integration

MORE = """
  - id: warm
    title: {zh: 机房偏热, en: Machine room warm}
    applies_to: {kind: lift}
    levels: [{level: II, when: {point: room_temp, above: 40 °C}}]
    basis: test
    cause: {zh: 风机, en: fan}
    consequence: {zh: 停梯, en: stops}
    work_order: {category: facility, steps: [{zh: 看, en: look}]}
"""


async def test_a_reload_keeps_what_has_not_changed(gateway: Gateway, peers: Peers) -> None:
    """A broken file is refused with its faults; a new rule is in force at once; a hold under way goes on."""
    await peers.start("broker", "ticketing")
    began = round(time.time(), 3)
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(at=began, door="open", room=42.0))
        before = (await daemon.received(LIFT_POINTS))["rules"]["hash"]

        gateway.write("rules/own.yaml", RULES.replace("for: 3s", "fors: 3s"))
        daemon.process.send_signal(signal.SIGHUP)
        by_command = await gateway.command("reload")
        await until(lambda: daemon.logged("reload_refused"))
        assert by_command.status == 1
        assert by_command.out.splitlines() == daemon.logged("reload_refused")[0]["faults"]
        assert "rules/own.yaml:23:60: " in by_command.out
        assert "did you mean 'for'?" in by_command.out
        assert (await daemon.ask())["rules"]["hash"] == before

        gateway.write("rules/own.yaml", RULES + MORE)
        daemon.process.send_signal(signal.SIGHUP)
        await until(lambda: daemon.logged("reloaded"))
        assert (await daemon.ask())["rules"]["hash"] == daemon.logged("reloaded")[0]["hash"] != before
        await until(lambda: len(peers.orders()) == 2)
        opened = {order["rule"]: datetime.fromisoformat(order["active_at"]).timestamp() for order in peers.orders()}
        assert opened.keys() == {"warm", "door"}
        assert opened["door"] == pytest.approx(began + 3, abs=0.0005)


async def test_a_reload_takes_up_rules_only(gateway: Gateway) -> None:
    """Another asset needs a restart, and the answer says so."""
    async with gateway.running() as daemon:
        gateway.replace("assets.yaml", "Lift 1", "Lift one")

        refused = await gateway.command("reload", "-o", "json")

        assert refused.status == 1
        assert "restart" in json.loads(refused.out)["error"]
        assert daemon.process.returncode is None


async def test_status_tells_a_person_and_a_script(gateway: Gateway, peers: Peers) -> None:
    """The same numbers as lines and as one JSON object; the conservation of deliveries among them."""
    await peers.start()
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(chain="open"))
        await until(peers.orders)
        await until(lambda: len(daemon.rows("SELECT 1 FROM outbox WHERE state = 'delivered'")) == 2)  # and its chart

        text, by_script = await asyncio.gather(gateway.command("status"), gateway.command("status", "-o", "json"))

        assert (text.status, by_script.status) == (0, 0)
        found = json.loads(by_script.out)
        assert found["site"] == "here"
        assert found["orders"] == {"sent": 1}
        assert (found["outbox"]["pending"], found["outbox"]["parked"], found["outbox"]["delivered"]) == (0, 0, 2)
        assert found["alarms"] == {"active": 1}
        assert found["dispositions"] == {"own_order": 1}
        lines = dict(line.split(None, 1) for line in text.out.splitlines() if len(line.split()) > 1)
        assert lines["outbox.delivered"].strip() == "2"


async def test_what_a_person_does_with_an_order_comes_back(gateway: Gateway, peers: Peers) -> None:
    """Accepting it in the ticketing service shows in the gateway's ledger, with the name."""
    await peers.start("broker", "ticketing")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(chain="open"))
        await until(peers.orders)
        await until(lambda: daemon.rows("SELECT 1 FROM work_order WHERE status = 'sent'"))

        peers.ticketing.store.act(peers.orders()[0]["id"], "accept", "王师傅", "")

        await until(lambda: daemon.rows("SELECT 1 FROM work_order WHERE status = 'accepted' AND changed_by = '王师傅'"))


async def test_an_alarm_is_handled_from_the_terminal(gateway: Gateway, peers: Peers) -> None:
    """List, acknowledge, shelve, show, unshelve, maintain, figures: each by its command, as text and as JSON."""
    await peers.start("broker", "ticketing")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(room=50.0))
        await until(lambda: bool(daemon.rows("SELECT no FROM alarm WHERE rule = 'hot'")))
        ((no,),) = daemon.rows("SELECT no FROM alarm WHERE rule = 'hot'")

        listed = json.loads((await gateway.command("alarms", "list", "-o", "json")).out)
        acked = await gateway.command("alarms", "ack", str(no), "--user", "wang", "--reason", "seen")
        shelved = await gateway.command("alarms", "shelve", str(no), "--for", "4h", "--reason", "fan ordered")
        mutes = await gateway.command("alarms", "shelved")
        shown = await gateway.command("alarms", "show", str(no))
        explained = await gateway.command("rules", "explain", str(no))
        stands = await gateway.command("rules", "explain", "--asset", "lift-1", "--rule", "hot")
        unshelved = await gateway.command("alarms", "unshelve", str(no))
        begun = await gateway.command("alarms", "maintenance", "begin", "lift-1", "--for", "2h", "--reason", "yearly")
        ended = await gateway.command("alarms", "maintenance", "end", "lift-1")
        figures = await gateway.command("alarms", "kpi", "--days", "1")
        refused = await gateway.command("alarms", "ack", "999")
        too_long = await gateway.command("alarms", "shelve", str(no), "--for", "9d", "--reason", "x")
        nameless = await gateway.command("alarms", "shelve", "--for", "1h", "--reason", "x")

    assert [row["no"] for row in listed["alarms"] if row["rule"] == "hot"] == [no]
    done = (acked, shelved, mutes, shown, explained, stands, unshelved, begun, ended, figures)
    assert [one.err for one in done if one.status] == []
    assert "已搁置" in shelved.out
    assert "fan ordered" in mutes.out
    assert "wang: acknowledge" in shown.out
    assert "room_temp = 50.0 °C, above 45 °C" in shown.out
    assert "报警 alarms" in figures.out
    assert "the condition is met: lift-1.room_temp = 50 °C, above 45 °C" in explained.out
    assert "✓ lift-1.room_temp = 50 °C, above 45 °C" in stands.out
    assert "shelved until" in stands.out
    assert (refused.status, too_long.status, nameless.status) == (1, 1, 2)
    assert "there is no alarm '999'" in refused.err
    assert "9d is too long: at most 7d" in too_long.err
