"""The life of a work order through real processes and sockets: ticketing service, group robot, kill -9."""

from __future__ import annotations

import signal
from collections import Counter
from zoneinfo import ZoneInfo

import aiohttp
import orjson
import pytest

from daemon.model import from_ms
from simulators.robots import Robots
from tests.gateway import Gateway, Peers, lift, said
from tests.mqtt_peers import until

pytestmark = pytest.mark.integration

#: Minutes become seconds.
SLA = """
version: 1
sla: quick
title: {zh: 快, en: quick}
basis: test
levels:
  I: &level
    title: {zh: 紧急, en: Urgent}
    lead: [supervisor]
    promises:
      - id: respond
        title: {zh: 响应, en: Respond}
        within: 3s
        kept_by: accepted
        warn: 1s
        escalate: [{to: [headquarters]}, {after: 2s, to: [headquarters]}]
    tell:
      - {on: [created, warned, overdue, reopened, verified, recovered, undecided], to: [supervisor]}
  II:
    title: {zh: 一般, en: General}
    lead: [supervisor]
    promises: [{id: respond, title: {zh: 响应, en: Respond}, within: 2h, kept_by: accepted}]
  III:
    title: {zh: 建议, en: Advice}
    lead: [supervisor]
    promises: [{id: respond, title: {zh: 响应, en: Respond}, within: 24h, kept_by: accepted}]
verification: {stay_clear: 2s, give: 2s, timeout: 1h, reopen: 2}
""".replace("&level", "")


def arrange(gateway: Gateway, robots: Robots) -> None:
    """One group for the supervisor and one for headquarters."""
    gateway.write("sla.yaml", SLA)
    gateway.write("robot-key", robots.key)
    key = "${file:" + str(gateway.folder / "robot-key") + "}"
    robot = f"language: en, per_minute: 100, wecom: {{secret: '{key}', url: '{robots.url}'}}"
    text = (gateway.folder / "gateway.yaml").read_text("utf-8")
    gateway.write(
        "gateway.yaml",
        f"{text}sla: sla.yaml\nnotify:\n  crew: {{roles: [supervisor], {robot}}}\n"
        f"  hq: {{roles: [headquarters], {robot}}}\n",
    )


def occasions(robots: Robots) -> Counter[str]:
    """What the groups have read, digests taken apart, for instance `New order`, `Overdue (Respond)`."""
    lines = [line for text in robots.texts("wecom") for line in text.splitlines() if "[Pre-complaint" in line]
    return Counter(line.partition("] ")[2].partition(":")[0] for line in lines)


async def test_done_but_still_bad_is_done_again(gateway: Gateway, peers: Peers) -> None:
    """The sensor reopens the ticket; after the second repair it stays clear, and the ticket is verified."""
    await peers.start("broker", "ticketing")
    async with Robots(per_minute=1000) as robots:
        arrange(gateway, robots)
        async with gateway.running() as daemon:
            await daemon.listens()
            await peers.say("lifts/L1/status", lift(chain="open"))
            await until(peers.orders)
            (order,) = peers.orders()
            for action in ("accept", "finish"):
                peers.ticketing.store.act(order["id"], action, "li", "换了门锁")

            await until(lambda: peers.orders()[0]["status"] == "open")
            assert said(peers.orders()[0])[-1] == "reopen"
            await until(lambda: occasions(robots)["Check failed"] == 1)

            await peers.say("lifts/L1/status", lift(chain="closed"))
            await until(lambda: "recovery" in said(peers.orders()[0]))
            for action in ("accept", "finish"):
                peers.ticketing.store.act(order["id"], action, "li", "调整回路")
            await until(lambda: peers.orders()[0]["status"] == "verified")
            await until(lambda: occasions(robots)["Verified by the sensor"] == 1)
            shown = await gateway.command("orders", "show", "1")

            assert shown.status == 0, shown.err
            assert "二次处理" in shown.out
            assert "复核通过 verified" in shown.out
            assert len(peers.orders()) == 1


async def test_what_a_person_says_on_the_ticket_keeps_promises(gateway: Gateway, peers: Peers) -> None:
    """A milestone told to the ticketing service stands in the gateway's timeline, once, over a kill."""
    await peers.start("broker", "ticketing")
    plan = "      - {id: plan, title: {zh: 方案, en: Plan}, within: 1h, since: accepted, kept_by: planned}\n"
    async with Robots(per_minute=1000) as robots:
        arrange(gateway, robots)
        gateway.replace("sla.yaml", "    tell:\n", f"{plan}    tell:\n")
        async with gateway.running() as daemon:
            await daemon.listens()
            await peers.say("lifts/L1/status", lift(chain="open"))
            await until(peers.orders)
            (order,) = peers.orders()
            async with aiohttp.ClientSession(peers.ticketing.url) as http:
                await http.post(f"/v1/orders/{order['id']}/accept", json={"by": "li"})
                said = {"by": "li", "note": "换门锁", "stamp": "planned", "team": "电梯班"}
                await http.post(f"/v1/orders/{order['id']}/progress", json=said)
            await until(lambda: daemon.rows("SELECT 1 FROM audit WHERE action = 'ticket_progress'"))
            await daemon.end(signal.SIGKILL)

        async with gateway.running() as daemon:
            await until(lambda: daemon.rows("SELECT 1 FROM fact WHERE name LIKE 'changes_cursor%' AND value = '2'"))
            shown = await gateway.command("orders", "show", "1")

            assert "[✓] 方案 Plan" in shown.out
            assert shown.out.count("planned") == 1, shown.out
            assert "电梯班 · 换门锁" in shown.out
            assert daemon.rows("SELECT status, team FROM work_order") == [("accepted", "电梯班")]
            ((created,),) = daemon.rows("SELECT created_at FROM work_order")
            month = from_ms(created).astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m")
            review = orjson.loads((await gateway.command("report", "--month", month, "-o", "json")).out)
            assert review["so_far"]
            assert [(row["team"]["zh"], row["orders"]) for row in review["tables"]["teams"]] == [("电梯班", 1)]


async def test_deadlines_pass_while_nobody_can_be_reached(gateway: Gateway, peers: Peers) -> None:
    """Ticketing is down, the gateway is killed twice: overdue and escalated once each, one ticket in the end."""
    await peers.start("broker")
    async with Robots(per_minute=1000) as robots:
        arrange(gateway, robots)
        async with gateway.running() as daemon:
            await daemon.listens()
            await peers.say("lifts/L1/status", lift(chain="open"))
            await until(lambda: occasions(robots)["New order"] == 1)
            await daemon.end(signal.SIGKILL)
        async with gateway.running() as daemon:
            await until(lambda: daemon.rows("SELECT 1 FROM order_event WHERE occasion = 'overdue'"))
            await daemon.end(signal.SIGKILL)
        async with gateway.running() as daemon:
            await until(lambda: len(daemon.rows("SELECT 1 FROM order_event WHERE occasion = 'overdue'")) == 2)
            await until(lambda: not daemon.rows("SELECT 1 FROM notice_delivery WHERE state = 'pending'"))
            await peers.start("ticketing")
            await until(lambda: not daemon.rows("SELECT 1 FROM outbox WHERE state = 'pending'"))

            notices = Counter(occasion for (occasion,) in daemon.rows("SELECT occasion FROM notice"))
            assert notices["overdue"] == 2
            assert notices["created"] == 1
            told = occasions(robots)
            # the robot has no idempotency: what was sent in the moment of a kill may come twice, never not at all
            assert told["Overdue (Respond)"] >= 3
            assert told["New order"] >= 1
            (order,) = peers.orders()
            assert [note["text"]["en"] for note in order["notes"]].count("Overdue: Respond") == 2


async def test_a_refused_order_is_told_and_tried_again(gateway: Gateway, peers: Peers) -> None:
    """The service refuses it for good: parked, visible, and sent once a person says so."""
    await peers.start("broker", "ticketing")
    peers.ticketing.script.replace([{"match": "create", "kind": "refuse_422"}])
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(chain="open"))
        await until(lambda: daemon.rows("SELECT 1 FROM outbox WHERE state = 'parked'"))
        listed = await gateway.command("orders", "list")

        retried = await gateway.command("orders", "retry", "1")
        await until(peers.orders)

        assert "未送达 parked" in listed.out
        assert retried.status == 0, retried.err
        assert daemon.rows("SELECT user, action FROM audit WHERE action = 'order_retry'") != []
