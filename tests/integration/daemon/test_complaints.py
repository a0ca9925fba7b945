"""Complaints reach a running gateway, from the ticketing service and from a file, and weigh in the next order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.gateway import Gateway, Peers, lift
from tests.mqtt_peers import until

pytestmark = pytest.mark.integration


def said_on(order: dict[str, Any]) -> list[str]:
    """What its ticket says about complaints; its charts come as notes too."""
    texts = [note["text"]["zh"] for note in order["notes"]]
    return [text for text in texts if text.startswith("住户投诉")]


async def test_complaints_from_both_ways_weigh_in_the_next_order(gateway: Gateway, peers: Peers) -> None:
    """One by HTTP, one by CSV, the first of them again in the CSV: two; then the order, then one that it preempted."""
    await peers.start("broker", "ticketing")
    url = f"http://127.0.0.1:{peers.ports['ticketing']}"
    said = {"text": "电梯又停了，请打 13800138000", "category": "safety", "channel": "wechat", "asset_kind": "lift"}
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    async with gateway.running() as daemon, aiohttp.ClientSession(url) as http:
        await daemon.listens()
        async with http.post("/v1/complaints", json=said) as answer:
            assert answer.status == 201
        await until(lambda: daemon.rows("SELECT 1 FROM complaint"))
        async with http.get("/v1/complaints?format=csv") as answer:
            calls = await answer.text() + f"{yesterday},lift-1,按钮坏,,,,hotline,facility,normal,owner,\r\n"
        gateway.write("calls.csv", calls)
        imported = await gateway.command("complaints", "import", str(gateway.folder / "calls.csv"), "-o", "json")
        again = await gateway.command("complaints", "import", str(gateway.folder / "calls.csv"))
        await peers.say("lifts/L1/status", lift(chain="open"))
        await until(peers.orders)
        async with http.post("/v1/complaints", json={**said, "asset": "lift-1"}) as answer:
            assert answer.status == 201
        await until(lambda: said_on(peers.orders()[0]))
        listed = json.loads((await gateway.command("complaints", "list", "-o", "json")).out)
        text = (await gateway.command("complaints", "list")).out
        shown = (await gateway.command("orders", "show", "1")).out
        await daemon.end()
    refused = await gateway.command("complaints", "import", str(gateway.folder / "calls.csv"))

    assert (imported.status, json.loads(imported.out)["taken"], json.loads(imported.out)["known"]) == (0, 1, 1)
    assert "已导入 taken 0, 已有 known 2" in again.out
    (order,) = peers.orders()
    assert "投诉 1.2（近 30 天投诉 2 次）" in order["priority"]["arithmetic"]["zh"]
    assert said_on(order)[0].startswith("住户投诉（本单第 1 起）：安全，一般，渠道 微信")
    assert "13800138000" not in json.dumps(order) + json.dumps(listed) + text
    assert [row["outcome"] for row in listed["complaints"]] == ["preempted", "missed", "left_out"]
    assert "先于投诉 preempted" in text
    assert "本单投诉 complaints on it: 1" in shown
    assert (refused.status, "is precomplaint running?" in refused.err) == (2, True)


async def test_faults_of_a_file_are_told_by_line(gateway: Gateway, peers: Peers) -> None:
    """None of it is taken; what names nothing of the site is taken, and told."""
    await peers.start("broker")
    async with gateway.running() as daemon:
        gateway.write("bad.csv", "time,asset\nsoon,lift-1\n2099-01-01,lift-1\n")
        bad = await gateway.command("complaints", "import", str(gateway.folder / "bad.csv"))
        gateway.write("future.csv", "time,asset\n2099-01-01,lift-1\n")
        future = await gateway.command("complaints", "import", str(gateway.folder / "future.csv"))
        gateway.write("other.csv", "time,asset\n2026-01-01,lift-9\n")
        other = await gateway.command("complaints", "import", str(gateway.folder / "other.csv"))
        kept = daemon.rows("SELECT said_asset, outcome FROM complaint")

    assert (bad.status, "bad.csv:2: no complaint" in bad.err) == (2, True)
    assert (future.status, "future.csv:2: " in future.err, "in the future" in future.err) == (2, True, True)
    assert (other.status, "other.csv:2: asset 'lift-9' names no one asset" in other.err) == (0, True)
    assert kept == [("lift-9", "left_out")]
