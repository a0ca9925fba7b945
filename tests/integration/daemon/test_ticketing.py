"""The whole program at other ticketing services: one that tells by itself, one that nobody can ask."""

from __future__ import annotations

import json
import re

from simulators import erp
from simulators.hook import Hook, telling
from tests.gateway import Gateway, Peers, lift
from tests.integration.outputs.test_property_erp import told
from tests.mqtt_peers import free_port, until

SECRET = "0123456789abcdef0123"  # noqa: S105  nobody's


async def test_what_a_person_does_is_told_at_once(gateway: Gateway, peers: Peers) -> None:
    """With polling an hour away the webhook brings it; told again after a restart there, it changes nothing."""
    port = free_port()
    gateway.write("secret", SECRET)
    webhook = f"webhook: {{listen: '127.0.0.1:{port}', secret: '${{file:{gateway.folder}/secret}}'}}"
    gateway.replace("gateway.yaml", "poll_interval: 1s", f"poll_interval: 1h, {webhook}")
    await peers.start("broker", "ticketing")
    hook = Hook(f"http://127.0.0.1:{port}/ticketing/changes", SECRET)
    async with gateway.running() as daemon:
        await daemon.listens()
        await peers.say("lifts/L1/status", lift(chain="open"))
        await until(peers.orders)
        await until(lambda: daemon.rows("SELECT 1 FROM work_order WHERE status = 'sent'"))
        happened = "SELECT occasion FROM order_event WHERE by = '王师傅' ORDER BY id"
        for deed, stamps in (("accept", ["accepted"]), ("arrive", ["accepted", "arrived"])):
            async with telling(hook, lambda since: peers.ticketing.store.changes(since, None)):
                peers.ticketing.store.act(peers.orders()[0]["id"], deed, "王师傅", "")
                await until(lambda stamps=stamps: [row[0] for row in daemon.rows(happened)] == stamps)  # type: ignore[misc]


async def test_a_person_decides_where_nobody_can_look(gateway: Gateway, peers: Peers) -> None:
    """No answer from a service that is `neither`: parked, shown, found by a person; safety is repeated all the same."""
    async with erp.serving(erp.Habits(returns_id=True)) as service:
        (gateway.folder / "credentials").mkdir()
        gateway.write("credentials/erp_password", "secret")
        usual = f'ticketing: {{url: "http://127.0.0.1:{peers.ports["ticketing"]}", poll_interval: 1s}}\n'
        gateway.replace("gateway.yaml", usual, blind(service.url))
        service.script.replace([{"match": "create", "kind": "reset_after_create", "times": 2}])
        await peers.start("broker")
        async with gateway.running() as daemon:
            await daemon.listens()
            await peers.say("lifts/L1/status", lift(room=50.0))
            await until(lambda: daemon.rows("SELECT 1 FROM outbox WHERE state = 'parked'"))
            await peers.say("lifts/L1/status", lift(room=50.0, chain="open"))
            await until(lambda: daemon.rows("SELECT 1 FROM outbox WHERE state = 'delivered'"))

            listed = await gateway.command("orders", "list")
            shown = await gateway.command("orders", "show", "1")
            compared = await gateway.command("orders", "reconcile")
            found = await gateway.command("orders", "found", "1", "WX1", "--user", "li")
            after = json.loads((await gateway.command("orders", "show", "1", "-o", "json")).out)

        tickets = [ticket.title for ticket in service.tickets.all()]
    assert "未送达 parked" in listed.out
    assert "工单可能已建" in shown.out
    assert "无法核对 cannot compare" in compared.out
    assert found.status == 0, found.err
    assert (after["status"], after["deliveries"][0]["ref"]) == ("sent", "WX1")
    assert ["【可能重复】" in title for title in tickets] == [False, False, True]


def blind(url: str) -> str:
    """The page's YAML for a service that cannot be searched, and parks."""
    text = told().replace("http://127.0.0.1:8090", url).replace("capability: search", "capability: neither")
    text = text.replace("settle: 5s ", "on_ambiguous: park\n  settle: 1s ")
    text = text.replace("{absent: search}", "{path: data.workNo}")
    for name in ("search", "changes", "open"):
        text = re.sub(rf"    {name}:\n(?:      .*\n)+", "", text)
    return re.sub(r"  statuses:\n(?:    .*\n)+", "", text)
