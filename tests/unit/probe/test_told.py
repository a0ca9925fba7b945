"""`precomplaint probe ticketing` for a service told in YAML: what can be asked is, and nothing is left there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from daemon.clock import SiteClock
from daemon.outputs.ticketing.marker import MARKER
from daemon.probe.told_checks import check_told
from tests.ticket_peer import SITE, Asked, Peer, peer, said

LISTED = {"method": "GET", "list": "rows", "ref": "id", "match": "t"}
SEARCH = {**LISTED, "path": "/search", "query": {"q": "{marker}"}, "contains": "{marker}"}
CHANGES = {
    "method": "GET", "path": "/changes", "query": {"s": "{since}"},
    "list": "rows", "ref": "id", "entry": {"status": "s"},
}  # fmt: skip
TICKET = {"method": "GET", "path": "/t/{ref}", "entry": {"status": "s"}}
STATUSES = {"values": {"2": "done"}, "default": "ignore"}


@pytest.fixture
async def service() -> AsyncIterator[Peer]:
    async with peer() as made:
        yield made


async def look(service: Peer, **requests: Any) -> dict[str, tuple[str, str]]:  # noqa: ANN401  YAML
    config = service.config(statuses=STATUSES, requests=requests)
    return {check.name: (str(check.verdict), check.text.zh) for check in await check_told(config, SITE, SiteClock())}


async def test_every_request_that_only_asks_is_asked(service: Peer) -> None:
    """Search, changes, open tickets; no create and no note."""
    service.usual = lambda _: said(200, {"rows": []})
    found = await look(service, search=SEARCH, changes=CHANGES, open={**LISTED, "path": "/open"})

    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "reach": "ok", "search": "ok", "changes": "ok", "open": "ok", "clock": "ok", "beyond": "unknown",
    }  # fmt: skip
    assert [(heard.method, heard.path) for heard in service.asked] == [
        ("GET", "/"), ("GET", "/search"), ("GET", "/changes"), ("GET", "/open"),
    ]  # fmt: skip


async def test_a_service_that_can_only_be_told_is_told_so(service: Peer) -> None:
    """What cannot be asked is no fault."""
    found = await look(service)

    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "reach": "ok", "search": "unknown", "changes": "unknown", "open": "unknown", "clock": "ok", "beyond": "unknown",
    }  # fmt: skip
    assert "orders stamp" in found["changes"][1]


async def test_a_search_that_holds_nothing_back_is_a_fault(service: Peer) -> None:
    """It would take a stranger's ticket for ours, and the alarm would have none."""

    def echo(heard: Asked) -> Any:  # noqa: ANN401  an answer
        mark = MARKER.search(heard.query.get("q", ""))
        return said(200, {"rows": [{"id": 1, "t": mark.group() if mark else ""}]})

    service.usual = echo
    found = await look(service, search=SEARCH)

    assert found["search"][0] == "failed"
    assert "查询不存在的单却得到 1" in found["search"][1]


@pytest.mark.parametrize("status", [401, 404, 500, 422])
async def test_what_is_refused_is_a_fault(service: Peer, status: int) -> None:
    """With what to do about it."""
    service.usual = lambda _: said(status, b"no")
    found = await look(service, search=SEARCH, changes=CHANGES, open={**LISTED, "path": "/open"})

    assert {found[name][0] for name in ("search", "changes", "open")} == {"failed"}


async def test_a_ticket_that_is_not_there_says_little(service: Peer) -> None:
    """One by one, there is none to ask about before the first order."""
    service.usual = lambda heard: said(404 if heard.path.startswith("/t/") else 200, b"{}")

    assert (await look(service, ticket=TICKET))["changes"][0] == "unknown"


async def test_nobody_there_is_told_first() -> None:
    """And nothing else is asked."""
    async with peer() as service:
        pass

    assert list(await look(service)) == ["reach"]
