import csv
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.backtest.complaints import read_complaints
from simulators import ticketing
from simulators.ticketing.complaints import building_of

Json = dict[str, Any]
Http = aiohttp.ClientSession
SAID = {
    "text": "电梯又停了，\n老人被困过一次",
    "channel": "wechat",
    "category": "safety",
    "urgency": "urgent",
    "customer": "owner",
    "room": "1-2-1202",
    "asset_kind": "lift",
    "at": "2026-11-21T08:30:00+08:00",
}


async def post(http: Http, url: str, body: Json, **headers: str) -> tuple[int, Json]:
    async with http.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def open_order(http: Http, service: ticketing.Ticketing, order: Json) -> None:
    body = {**order, "asset_kind": "lift", "building": "b1"}
    status, _ = await post(http, f"{service.url}/v1/orders", body, **{"Idempotency-Key": order["key"]})
    assert status == 201


async def test_a_complaint_becomes_an_order_of_its_level(http: Http, service: ticketing.Ticketing, order: Json) -> None:
    """Urgency is the level; the room tells the building as the gateway calls it, and that the one lift there."""
    await open_order(http, service, order)
    status, kept = await post(http, f"{service.url}/v1/complaints", SAID)

    assert status == 201
    assert (kept["id"], kept["level"], kept["status"]) == ("C000002", "I", "open")
    assert (kept["building"], kept["asset"]) == ("b1", order["asset"])
    assert kept["channel"] == "wechat"


async def test_complaints_are_no_orders_of_a_gateway(http: Http, service: ticketing.Ticketing) -> None:
    """What a gateway asks for never holds complaints, though persons act on them by the same paths."""
    await post(http, f"{service.url}/v1/complaints", SAID)
    for action in ("accept", "finish", "reopen"):
        status, _ = await post(http, f"{service.url}/v1/orders/C000001/{action}", {"by": "张师傅"})
        assert status == 200
    async with http.get(f"{service.url}/v1/orders") as orders, http.get(f"{service.url}/v1/changes") as changes:
        assert (await orders.json())["orders"] == []
        assert (await changes.json())["changes"] == []


async def test_an_owner_who_is_not_content_raises_the_level(http: Http, service: ticketing.Ticketing) -> None:
    """Second handling: open again, a level up, with that level's time from now on."""
    _, kept = await post(http, f"{service.url}/v1/complaints", {**SAID, "urgency": "normal"})
    after: Json = {}
    for action in ("accept", "finish", "reopen"):
        _, after = await post(http, f"{service.url}/v1/orders/{kept['id']}/{action}", {"by": "李业主"})

    assert (kept["level"], after["level"], after["status"], after["rounds"]) == ("II", "I", "open", 1)
    assert after["deadlines"]["respond"] < kept["deadlines"]["respond"]


async def test_a_complaint_sent_twice_is_one(http: Http, service: ticketing.Ticketing) -> None:
    """The key says that it is the same; another complaint under it is refused."""
    url = f"{service.url}/v1/complaints"
    first = await post(http, url, SAID, **{"Idempotency-Key": "k"})
    again = await post(http, url, SAID, **{"Idempotency-Key": "k"})
    other = await post(http, url, {**SAID, "text": "没水"}, **{"Idempotency-Key": "k"})

    assert (first[0], again[0], other[0]) == (201, 200, 409)
    assert first[1]["id"] == again[1]["id"]


@pytest.mark.parametrize(
    "change", [{"text": " "}, {"channel": "fax"}, {"urgency": "II"}, {"at": "2026-11-21T08:30:00"}, {"phone": "1"}]
)
async def test_a_bad_complaint_is_refused_with_its_field(
    http: Http, service: ticketing.Ticketing, change: Json
) -> None:
    """422 names the member; a telephone number has no place."""
    status, answer = await post(http, f"{service.url}/v1/complaints", {**SAID, **change})

    assert status == 422
    assert answer["field"] in change


async def test_the_export_is_what_a_backtest_reads(
    http: Http, service: ticketing.Ticketing, order: Json, tmp_path: Path
) -> None:
    """Time, asset and text, whatever the text holds; an asset that became known later is put in."""
    await post(http, f"{service.url}/v1/complaints", SAID)
    nasty = '=HYPERLINK("x"),;\t"\u2028水压低'
    await post(http, f"{service.url}/v1/complaints", {"text": nasty, "asset": "zone-high"})
    await open_order(http, service, order)
    async with http.get(f"{service.url}/v1/complaints?format=csv") as answer:
        exported = tmp_path / "complaints.csv"
        exported.write_bytes(await answer.read())
        assert answer.content_type == "text/csv"
    found = read_complaints(exported, "UTC")
    by_asset = {complaint.asset: complaint for complaint in found}

    assert by_asset[order["asset"]].at.isoformat() == "2026-11-21T00:30:00+00:00"
    assert by_asset[order["asset"]].text == "电梯又停了， 老人被困过一次"
    assert by_asset["zone-high"].text == '\'=HYPERLINK("x"),; " 水压低'
    rows = list(csv.DictReader(exported.read_text(encoding="utf-8-sig").splitlines()))
    async with http.get(f"{service.url}/complaints.json") as answer:
        assert {row["id"] for row in (await answer.json())["complaints"]} == {row["id"] for row in rows}


async def test_the_form_takes_a_complaint_once(http: Http, service: ticketing.Ticketing) -> None:
    """Sent twice by an impatient hand it is one; a fault is shown beside what was typed."""
    url = f"{service.url}/complaints"
    form = {"text": "楼道灯不亮", "channel": "hotline", "urgency": "suggestion", "key": "once", "asset": "", "at": ""}
    for _ in range(2):
        async with http.post(url, data=form) as answer:
            html = await answer.text()
            assert answer.url.path == "/orders/C000001"
            assert "投诉 · 热线" in html
    async with http.post(url, data={**form, "channel": "fax", "key": "other"}) as answer:
        assert answer.status == 422
        html = await answer.text()

    assert "填写有误：渠道" in html
    assert "楼道灯不亮</textarea>" in html


@pytest.mark.parametrize(
    ("room", "building"),
    [
        ("1-2-1202", "b1"),
        ("3号楼1202", "3"),
        ("12栋 301", "12 号楼"),
        ("A座1203", "A座"),
        ("Building 1, 1202", "b1"),
        ("A1-1203", "A1"),
        ("1202", ""),
        ("", ""),
    ],
)
def test_a_room_tells_its_building(room: str, building: str) -> None:
    """By the name that gateways use where there is one; a bare room number tells none."""
    assert building_of(room, {"b1", "12 号楼", "A座", ""}) == building
