"""A service that can only be told, through real processes: persons speak at the gateway, the sensor judges."""

from __future__ import annotations

import pytest

from simulators import pagerduty
from tests.gateway import Gateway, Peers, lift
from tests.mqtt_peers import until

pytestmark = pytest.mark.integration


async def test_an_order_lives_at_a_service_that_tells_nothing_back(gateway: Gateway, peers: Peers) -> None:
    """Triggered, taken on and done by `orders stamp`, verified by the sensor, resolved; one incident, over a kill."""
    await peers.start("broker")
    async with pagerduty.serving("r0uting-key") as events:
        arrange(gateway, events)
        async with gateway.running() as daemon:
            await daemon.listens()
            await peers.say("lifts/L1/status", lift(chain="open"))
            await until(lambda: events.incidents)
            daemon.process.kill()
        async with gateway.running() as daemon:
            for stage in ("accepted", "done"):
                told = await gateway.command("orders", "stamp", "1", stage, "--user", "li")
                assert told.status == 0, told.err
            await peers.say("lifts/L1/status", lift(chain="closed"))
            await until(lambda: daemon.rows("SELECT status FROM work_order") == [("verified",)])
            await until(lambda: not events.incidents[0].is_open)
            shown = await gateway.command("orders", "show", "1")

            assert len(events.incidents) == 1
            assert {event["dedup_key"] for event in events.taken} == {events.incidents[0].dedup_key}
            assert "已接单" in shown.out
            assert "r0uting-key" not in shown.out
            assert not daemon.logged("order_parked")


def arrange(gateway: Gateway, events: pagerduty.Events) -> None:
    """The few lines that a site writes; a repair is judged at once."""
    (gateway.folder / "key").write_text(events.routing_key, encoding="utf-8")
    text = (gateway.folder / "gateway.yaml").read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("ticketing:")]
    secret = "${file:" + str(gateway.folder / "key") + "}"
    told = f"ticketing: {{preset: pagerduty-v2, url: '{events.url}', secrets: {{routing_key: '{secret}'}}}}"
    gateway.write("gateway.yaml", "\n".join([*kept, told, "sla: sla.yaml", ""]))
    promise = "{id: respond, title: {zh: 响应, en: Respond}, within: 1h, kept_by: accepted}"
    level = f"{{title: {{zh: 级, en: Level}}, lead: [supervisor], promises: [{promise}]}}"
    gateway.write(
        "sla.yaml",
        "version: 1\nsla: quick\ntitle: {zh: 快, en: quick}\nbasis: test\n"
        f"levels: {{I: {level}, II: {level}, III: {level}}}\n"
        "verification: {stay_clear: 1s, give: 1h, timeout: 2h, reopen: 2}\n",
    )
