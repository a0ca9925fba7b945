"""A real tracker by YAML alone: Roundup 2.6, its template `classic`, served by its own server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon import settings
from daemon.clock import SiteClock
from daemon.model import Reject, Site, Text
from daemon.outputs.ticketing.declared import DeclaredSink
from daemon.outputs.ticketing.marker import marker
from daemon.outputs.ticketing.names import sample_body, sample_note, sample_order
from daemon.outputs.ticketing.shape import DeclaredConfig
from tests import roundup_tracker
from tests.gateway import Daemon, Gateway, Peers, lift
from tests.mqtt_peers import until
from tests.roundup_tracker import PEOPLE, Tracker

pytestmark = pytest.mark.integration

SITE = Site("here", Text("小区", "Gardens"))
KEY = sample_order(SITE).key
#: Minutes become seconds.
SLA = """
version: 1
sla: quick
title: {zh: 快, en: quick}
basis: test
levels:
  I:
    title: {zh: 紧急, en: Urgent}
    lead: [supervisor]
    promises: [&p {id: respond, title: {zh: 响应, en: Respond}, within: 1h, kept_by: accepted}]
  II: {title: {zh: 一般, en: General}, lead: [supervisor], promises: [*p]}
  III: {title: {zh: 建议, en: Advice}, lead: [supervisor], promises: [*p]}
verification: {stay_clear: 2s, give: 2s, timeout: 1h, reopen: 2}
"""


@pytest.fixture
async def tracker(tmp_path: Path) -> AsyncIterator[Tracker]:
    folder = tmp_path / "roundup"
    folder.mkdir()
    async with roundup_tracker.serving(folder) as made:
        yield made


def arrange(gateway: Gateway, tracker: Tracker) -> None:
    """The few lines that a site writes."""
    gateway.write("sla.yaml", SLA)
    gateway.write("roundup-password", PEOPLE["gateway"])
    secret = "${file:" + str(gateway.folder / "roundup-password") + "}"
    text = (gateway.folder / "gateway.yaml").read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("ticketing:")]
    gateway.write(
        "gateway.yaml",
        "\n".join(kept) + "\nsla: sla.yaml\nticketing:\n  preset: roundup\n  poll_interval: 500ms\n"
        f"  url: {tracker.url}\n  auth: {{basic: {{username: gateway, password: '{secret}'}}}}\n",
    )


async def become(tracker: Tracker, **wanted: str) -> dict[str, Any]:
    """Wait until the only issue is so, for instance `status="resolved"`; the issue."""
    async with asyncio.timeout(60):
        while True:
            issues = await tracker.issues()
            if issues and all(str(issues[0][name]["name"]) == value for name, value in wanted.items()):
                (issue,) = issues
                return issue
            await asyncio.sleep(0.3)


async def said(tracker: Tracker, text: str) -> dict[str, Any]:
    """Wait until a message on the only issue holds a text; the issue."""
    async with asyncio.timeout(60):
        while True:
            (issue,) = await tracker.issues()
            if any(text in message for message in await tracker.said(issue)):
                return issue
            await asyncio.sleep(0.3)


async def stands(daemon: Daemon, status: str) -> None:
    """Wait until the gateway's only order is so."""
    await until(lambda: daemon.rows("SELECT status FROM work_order") == [(status,)])


async def test_an_order_goes_its_whole_way_through_a_real_tracker(
    gateway: Gateway, peers: Peers, tracker: Tracker
) -> None:
    """Opened, taken on, done, found still bad, opened again, done, verified; persons work in the tracker alone."""
    arrange(gateway, tracker)
    await peers.start("broker")
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(chain="open"))
        issue = await become(tracker, status="unread", priority="critical")
        (text,) = await tracker.said(issue)
        key = next(line for line in text.splitlines() if line.count("|") == 4)
        assert issue["title"] == f"1号梯：安全回路断开 {marker(key)}"

        await tracker.set(issue["id"], status="in-progress")
        await stands(daemon, "accepted")
        await tracker.set(issue["id"], status="resolved")
        await become(tracker, status="chatting")  # the sensor says that it is still bad
        await stands(daemon, "reopened")

        await peers.say("lifts/L1/status", lift(chain="closed"))
        await said(tracker, "it has recovered")
        await become(tracker, status="chatting")
        await tracker.set(issue["id"], status="in-progress")
        await stands(daemon, "accepted")
        await tracker.set(issue["id"], status="resolved")
        verified = await said(tracker, "Verified by the sensor")
        await stands(daemon, "verified")

        assert verified["status"]["name"] == "resolved"  # what we write reopens nothing
        assert len(await tracker.issues()) == 1
        assert not daemon.logged("order_parked")
        assert not daemon.logged("ticket_status_unknown")


async def test_a_ticket_is_found_listed_and_noted_in_a_real_tracker(gateway: Gateway, tracker: Tracker) -> None:
    """Search before create, the list of open ones, a note that leaves the state alone, a ticket that is not there."""
    arrange(gateway, tracker)
    config = settings.load_gateway(gateway.folder / "gateway.yaml").ticketing
    assert isinstance(config, DeclaredConfig)
    note = b'{"kind":"update","at":"2026-11-21T08:09:30.000Z","text":{"zh":"\xe5\x8a\xa0","en":"worse"},"level":"I"}'
    async with DeclaredSink(config, SITE, SiteClock()) as sink:
        assert await sink.find(KEY) is None
        ref = await sink.create(KEY, sample_body(SITE))
        assert await sink.find(KEY) == ref
        assert await sink.find_all(KEY) == (ref,)
        assert await sink.find_all(KEY + "1") == ()
        await tracker.set(ref, status="resolved")
        assert await sink.find(KEY) == ref  # whatever its state
        assert await sink.open_tickets() == ()
        await sink.note(ref, f"{KEY}#1", note)
        (issue,) = await tracker.issues()
        assert issue["status"]["name"] == "resolved"
        assert (await tracker.said(issue))[-1] == "加\nworse"
        await tracker.set(ref, status="in-progress")
        (ticket,) = await sink.open_tickets()
        assert (ticket.ref, ticket.key, ticket.level) == (ref, marker(KEY), "I")
        await sink.note(ref, f"{KEY}#2", note.replace(b"update", b"duplicate"))
        assert (await tracker.issues())[0]["status"]["name"] == "resolved"
        await sink.note(ref, f"{KEY}#3", sample_note(SITE, "chart"))
        files = (await tracker.ask("GET", f"issue/{ref}"))["attributes"]["files"]
        drawn = (await tracker.ask("GET", f"file/{files[0]['id']}?@verbose=3"))["attributes"]
        assert (drawn["name"], drawn["type"], drawn["content"]) == ("chart-created.svg", "image/svg+xml", "<svg/>")
        with pytest.raises(Reject, match="no such issue 99"):
            await sink.note("99", f"{KEY}#1", note)


async def test_a_real_tracker_is_probed_and_leaves_nothing_there(gateway: Gateway, tracker: Tracker) -> None:
    """Every request that only asks is asked; a wrong password is named."""
    arrange(gateway, tracker)
    good = await gateway.command("probe", "ticketing", "-o", "json")
    assert {check["check"]: check["verdict"] for check in json.loads(good.out)["checks"]} == {
        "reach": "ok",
        "search": "ok",
        "changes": "ok",
        "open": "ok",
        "clock": "ok",
        "beyond": "unknown",
    }
    assert await tracker.issues() == []

    gateway.write("roundup-password", "wrong-password")
    bad = await gateway.command("probe", "ticketing")

    assert bad.status == 1
    assert "we are refused (401); set a valid secret under auth" in bad.out
    assert "wrong-password" not in bad.out + bad.err


async def test_an_unknown_priority_is_refused_for_good(gateway: Gateway, tracker: Tracker) -> None:
    """The tracker's own words reach the person who mends the YAML."""
    arrange(gateway, tracker)
    gateway.replace(
        "gateway.yaml", "  preset: roundup\n", "  preset: roundup\n  maps: {priority: {values: {I: hot}}}\n"
    )
    config = settings.load_gateway(gateway.folder / "gateway.yaml").ticketing
    assert isinstance(config, DeclaredConfig)
    async with DeclaredSink(config, SITE, SiteClock()) as sink:
        with pytest.raises(Reject, match=r"refused \(400\): property priority: 'hot' is not a priority"):
            await sink.create(KEY, sample_body(SITE))
