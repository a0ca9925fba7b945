from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators import ticketing

Order = dict[str, Any]
Http = aiohttp.ClientSession
TOKEN = "a-token"  # noqa: S105  nobody's


async def create(http: Http, service: ticketing.Ticketing, order: Order) -> tuple[int, Order]:
    headers = {"Idempotency-Key": order["key"]}
    async with http.post(f"{service.url}/v1/orders", json=order, headers=headers) as answer:
        return answer.status, await answer.json()


async def post(http: Http, url: str, body: object, key: str = "k") -> tuple[int, Order]:
    async with http.post(url, json=body, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.json()


async def get(http: Http, url: str) -> Order:
    async with http.get(url) as answer:
        assert answer.status == 200
        found: Order = await answer.json()
        return found


async def test_the_same_key_with_the_same_body_is_the_same_order(
    http: Http, service: ticketing.Ticketing, order: Order
) -> None:
    """A repeat is answered 200 with the first record, however its members are ordered."""
    first = await create(http, service, order)
    second = await create(http, service, dict(reversed(order.items())))

    assert first[0] == 201
    assert second[0] == 200
    assert first[1] == second[1]
    assert first[1] == {
        "id": "T000001",
        "key": order["key"],
        "status": "open",
        "url": f"{service.url}/orders/T000001",
    }


async def test_the_same_key_with_another_body_is_refused(
    http: Http, service: ticketing.Ticketing, order: Order
) -> None:
    """Another body under a used key is 409 and leaves the first as it was."""
    await create(http, service, order)
    status, answer = await create(http, service, {**order, "households": 1})

    assert status == 409
    assert order["key"] in answer["error"]
    assert (await get(http, f"{service.url}/v1/orders/T000001"))["households"] == 96
    tally = await get(http, f"{service.url}/_tally")
    assert (tally["orders"], tally["creates_received"], tally["duplicates_refused"]) == (1, 2, 1)


async def test_a_closed_order_still_answers_for_its_key(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """A late repeat of a finished order opens no second one."""
    await create(http, service, order)
    for action in ("accept", "finish"):
        await post(http, f"{service.url}/v1/orders/T000001/{action}", {"by": "张师傅"})
    status, answer = await create(http, service, order)

    assert status == 200
    assert answer["status"] == "done"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"level": "IV"}, "level"),
        ({"households": -1}, "households"),
        ({"households": "many"}, "households"),
        ({"title": {"zh": "断开"}}, "title.en"),
        ({"active_at": "2026-11-21T08:00:00"}, "active_at"),
        ({"key": "another"}, "key"),
        ({"observed": [{"point": "L1.x"}]}, "observed.0.value"),
    ],
)
async def test_a_bad_body_is_refused_with_its_field(
    http: Http, service: ticketing.Ticketing, order: Order, change: Order, field: str
) -> None:
    """422 names the member at fault by its path."""
    status, answer = await post(http, f"{service.url}/v1/orders", {**order, **change}, order["key"])

    assert status == 422
    assert answer["field"] == field
    assert field in answer["error"]


async def test_a_body_that_is_no_json_is_refused(http: Http, service: ticketing.Ticketing) -> None:
    """422 for the body as a whole."""
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    async with http.post(f"{service.url}/v1/orders", data=b'{"key":', headers=headers) as answer:
        assert answer.status == 422
        assert (await answer.json())["field"] == "body"


async def test_an_order_without_a_key_is_refused(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """The Idempotency-Key is no option."""
    async with http.post(f"{service.url}/v1/orders", json=order) as answer:
        assert answer.status == 422
        assert (await answer.json())["field"] == "Idempotency-Key"


async def test_a_note_is_written_once_and_moves_the_level(
    http: Http, service: ticketing.Ticketing, order: Order
) -> None:
    """Notes have keys of their own: repeated 200, changed 409; a level in one becomes the order's."""
    await create(http, service, {**order, "level": "II"})
    url = f"{service.url}/v1/orders/T000001/notes"
    note = {
        "kind": "update",
        "at": order["active_at"],
        "text": {"zh": "升级", "en": "raised"},
        "level": "I",
        "observed": [],
    }
    statuses = [
        (await post(http, url, body, key))[0]
        for body, key in [(note, "n1"), (note, "n1"), ({**note, "level": "III"}, "n1"), (note, "n2")]
    ]

    assert statuses == [201, 200, 409, 201]
    record = await get(http, f"{service.url}/v1/orders/T000001")
    assert record["level"] == "I"
    assert record["notes"] == [{**note, "key": "n1"}, {**note, "key": "n2"}]
    assert (await get(http, f"{service.url}/_tally"))["notes"] == 2


async def test_a_note_on_no_order_is_not_found(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """404 for an order that is not there, whatever its id looks like."""
    note = {"kind": "recovery", "at": order["active_at"], "text": {"zh": "恢复", "en": "recovered"}}
    for order_id in ("T000009", "T", "x", "T9999999999999999999", "T²"):
        assert (await post(http, f"{service.url}/v1/orders/{order_id}/notes", note))[0] == 404


async def test_persons_actions_come_back_by_the_cursor(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """/v1/changes hands out each change once, of the site asked for."""
    await create(http, service, order)
    await create(http, service, {**order, "key": "other", "site": "hillside"})
    orders = f"{service.url}/v1/orders"
    changes = f"{service.url}/v1/changes?site=riverside&since="
    await post(http, f"{orders}/T000001/accept", {"by": "张师傅", "note": "五分钟到"})
    await post(http, f"{orders}/T000001/accept", {"by": "李师傅"})
    await post(http, f"{orders}/T000002/reject", {"by": "王师傅"})
    first = await get(http, f"{changes}0")
    await post(http, f"{orders}/T000001/arrive", {"by": "张师傅"})
    second = await get(http, changes + first["cursor"])
    third = await get(http, changes + second["cursor"])

    assert [(c["key"], c["status"], c["by"], c["note"]) for c in first["changes"]] == [
        (order["key"], "accepted", "张师傅", "五分钟到")
    ]
    assert [c["status"] for c in second["changes"]] == ["arrived"]
    assert third == {"cursor": second["cursor"], "changes": []}


async def test_an_action_out_of_order_is_refused(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Nobody arrives before accepting, and what is finished stays finished."""
    await create(http, service, order)
    url = f"{service.url}/v1/orders/T000001"
    statuses = [
        (await post(http, f"{url}/{action}", {"by": "张师傅"}))[0]
        for action in ("arrive", "accept", "finish", "accept", "explode")
    ]

    assert statuses == [409, 200, 200, 409, 422]


async def test_orders_are_found_by_key_site_and_state(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Each condition narrows the list; the newest comes first."""
    for key, site in [("a", "riverside"), ("b", "riverside"), ("c", "hillside")]:
        await create(http, service, {**order, "key": key, "site": site})
    await post(http, f"{service.url}/v1/orders/T000001/cancel", {"by": "张师傅"})

    async def keys(query: str) -> list[str]:
        found = await get(http, f"{service.url}/v1/orders{query}")
        return [record["key"] for record in found["orders"]]

    assert await keys("") == ["c", "b", "a"]
    assert await keys("?key=b") == ["b"]
    assert await keys("?site=riverside&open=true") == ["b"]
    assert await keys("?open=false") == ["a"]


async def test_orders_outlive_the_service(http: Http, order: Order, tmp_path: Path) -> None:
    """A service started again on its file knows its orders, its changes and its tally."""
    path = tmp_path / "orders.sqlite"
    async with ticketing.serving(path=path) as before:
        await create(http, before, order)
        await post(http, f"{before.url}/v1/orders/T000001/accept", {"by": "张师傅"})
    async with ticketing.serving(path=path) as after:
        status, answer = await create(http, after, order)
        changes = await get(http, f"{after.url}/v1/changes")
        tally = await get(http, f"{after.url}/_tally")

    assert (status, answer["status"]) == (200, "accepted")
    assert len(changes["changes"]) == 1
    assert tally["creates_received"] == 2


async def test_a_wrong_token_is_refused(http: Http, order: Order) -> None:
    """With a token configured, every path of the contract asks for it."""
    async with ticketing.serving(token=TOKEN) as service:
        assert (await create(http, service, order))[0] == 401
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": order["key"]}
        async with http.post(f"{service.url}/v1/orders", json=order, headers=headers) as answer:
            assert answer.status == 201
        async with http.get(f"{service.url}/v1/changes", headers={"Authorization": "Bearer né"}) as answer:
            assert answer.status == 401
            assert "error" in await answer.json()


async def test_the_sensor_reopens_and_verifies(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """A note may bring second handling, with its time anew, or the end; only where the work is said to be done."""
    await create(http, service, {**order, "level": "II"})
    url = f"{service.url}/v1/orders/T000001"
    note = {"at": order["active_at"], "text": {"zh": "复核", "en": "judged"}}
    await post(http, f"{url}/notes", {**note, "kind": "verified"}, "too early")
    early = await get(http, url)
    for action in ("accept", "finish"):
        await post(http, f"{url}/{action}", {"by": "张师傅"})
    await post(http, f"{url}/notes", {**note, "kind": "reopen", "level": "I"}, "n1")
    again = await get(http, url)
    for action in ("accept", "finish"):
        await post(http, f"{url}/{action}", {"by": "张师傅"})
    await post(http, f"{url}/notes", {**note, "kind": "verified"}, "n2")
    over = await get(http, url)

    assert (early["status"], early["rounds"]) == ("open", 0)
    assert (again["status"], again["rounds"], again["level"]) == ("open", 1, "I")
    assert again["deadlines"]["respond"] != order["respond_by"]
    assert over["status"] == "verified"


async def test_a_more_urgent_level_brings_its_time(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """From now on, and never later than before; a lower level leaves the time as it was."""
    far = "2999-01-01T00:00:00.000Z"
    await create(http, service, {**order, "level": "III", "respond_by": far})
    url = f"{service.url}/v1/orders/T000001"
    note = {"kind": "update", "at": order["active_at"], "text": {"zh": "升级", "en": "raised"}}
    await post(http, f"{url}/notes", {**note, "level": "I"}, "n1")
    raised = (await get(http, url))["deadlines"]
    await post(http, f"{url}/notes", {**note, "level": "II"}, "n2")

    assert raised["respond"] < far
    assert (await get(http, url))["deadlines"] == raised


async def test_progress_is_told_to_gateways(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """With its stamp, and the status that is in force; said again at once it is told once."""
    await create(http, service, order)
    url = f"{service.url}/v1/orders/T000001"
    await post(http, f"{url}/accept", {"by": "张师傅"})
    for body in (
        {"by": "张师傅", "stamp": "calmed"},
        {"by": "张师傅", "stamp": "calmed"},
        {"by": "李", "note": "等配件"},
    ):
        status, _ = await post(http, f"{url}/progress", body)
        assert status == 200
    changes = (await get(http, f"{service.url}/v1/changes"))["changes"]

    assert [(change["status"], change.get("stamp")) for change in changes] == [
        ("accepted", None),
        ("accepted", "calmed"),
        ("accepted", ""),
    ]
