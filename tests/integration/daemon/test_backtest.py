"""A backtest of what a real daemon has lived through."""

import json
import signal
import time
from datetime import datetime

import pytest

from tests.gateway import RULES, Gateway, Peers, lift
from tests.mqtt_peers import until

pytestmark = pytest.mark.integration


async def test_a_backtest_of_the_journal_tells_the_days_alarms_and_orders(gateway: Gateway, peers: Peers) -> None:
    """With holds, a reload, a ticket that goes on, a kill and a recovery: every alarm and order, to the millisecond."""
    await peers.start()
    began = round(time.time(), 3)
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(at=began, door="open", chain="open"))
        peers.registers.holding[0] = 0
        await until(lambda: len(peers.orders()) >= 2)
        await until(lambda: daemon.rows("SELECT 1 FROM work_order WHERE status = 'sent'"))
        peers.ticketing.store.act(peers.orders()[0]["id"], "accept", "王师傅", "")
        await until(lambda: daemon.rows("SELECT 1 FROM work_order WHERE status = 'accepted'"))
        gateway.write("rules/own.yaml", RULES.replace("45 °C", "40 °C"))
        daemon.process.send_signal(signal.SIGHUP)
        await until(lambda: daemon.logged("reloaded"))
        await peers.say("lifts/L1/status", lift(chain="closed", room=42.0))
        await until(lambda: daemon.rows("SELECT 1 FROM alarm WHERE rule = 'hot'"))
        await daemon.end(signal.SIGKILL)
    async with gateway.running() as daemon:
        await until(lambda: daemon.rows("SELECT 1 FROM alarm WHERE state = 'cleared'"))
        while_running = await gateway.command("rules", "backtest", "--history", str(gateway.state), "-o", "json")
        await daemon.end()
        alarms = daemon.rows("SELECT no, rule, asset, active_at, cleared_at, disposition FROM alarm ORDER BY no")
        orders = daemon.rows("SELECT key, created_at FROM work_order ORDER BY created_at, key")

    done = await gateway.command("rules", "backtest", "--history", str(gateway.state), "-o", "json")

    assert (while_running.status, done.status) == (0, 0), done.err + while_running.err
    found = json.loads(done.out)
    assert len(alarms) >= 3
    assert [
        (a["no"], a["rule"], a["asset"], ms(a["start"]), ms(a["end"]), a["disposition"]) for a in found["alarms"]
    ] == alarms
    assert sorted((ms(o["created_at"]), o["key"]) for o in found["orders"]) == [(at, key) for key, at in orders]


def ms(stamp: str | None) -> int | None:
    return None if stamp is None else round(datetime.fromisoformat(stamp).timestamp() * 1000)
