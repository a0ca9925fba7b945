import io
import re
from typing import Any

import aiohttp
import pytest

from simulators import ticketing

Order = dict[str, Any]
Http = aiohttp.ClientSession
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


async def create(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    headers = {"Idempotency-Key": order["key"]}
    async with http.post(f"{service.url}/v1/orders", json=order, headers=headers) as answer:
        assert answer.status == 201


async def page(http: Http, url: str) -> str:
    async with http.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def press(http: Http, service: ticketing.Ticketing, action: str, **fields: str) -> str:
    """Send the order's form as a browser does; the page that comes after."""
    form = aiohttp.FormData({"by": "", "note": "", "stamp": "", "team": "", **fields})
    form.add_field("photo", b"", filename="", content_type="application/octet-stream")
    async with http.post(f"{service.url}/orders/T000001/{action}", data=form) as answer:
        assert answer.status == 200
        return await answer.text()


async def upload(http: Http, service: ticketing.Ticketing, *photos: bytes) -> str:
    form = aiohttp.FormData({"by": "张师傅", "note": ""})
    for photo in photos:
        form.add_field("photo", io.BytesIO(photo), filename="a.html", content_type="text/html")
    async with http.post(f"{service.url}/orders/T000001/progress", data=form) as answer:
        assert answer.status == 200
        return await answer.text()


def column(html: str, name: str) -> str:
    found = re.search(rf'<section class="[^"]*" aria-labelledby="column-{name}">.*?</section>', html, re.DOTALL)
    assert found is not None
    return found[0]


async def test_the_pages_speak_chinese_first(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Board and order in Chinese by default, in English when asked for."""
    await create(http, service, order)
    chinese = await page(http, f"{service.url}/") + await page(http, f"{service.url}/orders/T000001")
    english = await page(http, f"{service.url}/?lang=en") + await page(http, f"{service.url}/orders/T000001?lang=en")

    assert all(words in chinese for words in ('lang="zh-CN"', "Ⅰ 紧急", "电梯安全回路断开", "接单", "响应超时"))
    assert all(words in english for words in ('lang="en"', "Ⅰ Urgent", "safety chain is open", "Accept"))
    assert "到场</button>" not in chinese


async def test_an_empty_board_says_so(http: Http, service: ticketing.Ticketing) -> None:
    """No orders is good news, and an unknown language falls back to Chinese."""
    html = await page(http, f"{service.url}/?lang=fr")

    assert "未结 0 · 待接单 0 · 超时 0" in html
    assert html.count("暂无") == 5
    assert 'role="alert"' not in html


async def test_the_buttons_do_what_they_say(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """A person accepts, arrives and finishes, the owner confirms; the page shows who and what was remarked."""
    await create(http, service, order)
    html = ""
    for action in ("accept", "arrive", "finish", "confirm"):
        html = await press(http, service, action, note=f"<b>{action}</b>", by="张师傅")
        assert f"&lt;b&gt;{action}&lt;/b&gt;" in html

    assert service.store.get("T000001")["status"] == "verified"
    assert html.count("张师傅") == 4
    assert "T000001" in column(await page(http, f"{service.url}/"), "closed")


async def test_a_column_for_each_state(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """An order stands in the column of its state, and in no other."""
    await create(http, service, order)
    for action, name in (("", "open"), ("accept", "accepted"), ("arrive", "arrived"), ("finish", "done")):
        if action:
            await press(http, service, action)
        html = await page(http, f"{service.url}/")

        assert 'id="T000001"' in column(html, name)
        assert html.count('id="T000001"') == 1


async def test_no_open_order_makes_room_for_closed_ones(
    http: Http, service: ticketing.Ticketing, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many were closed since, the oldest open order is still on the board."""
    monkeypatch.setattr("simulators.ticketing.page._SHOWN", 2)
    for n in range(4):
        await create(http, service, {**order, "key": f"k{n}"})
        if n:
            service.store.act(f"T00000{n + 1}", "reject", "li", "")

    assert 'id="T000001"' in column(await page(http, f"{service.url}/"), "open")


async def test_overdue_orders_are_warned_of(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """What should have been answered is named on top; what is in time is not."""
    await create(http, service, order)
    await create(http, service, {**order, "key": "k2", "respond_by": "2999-01-01T00:00:00Z"})
    html = await page(http, f"{service.url}/")
    warning = re.search(r'<p class="alarm" role="alert">.*?</p>', html)

    assert warning is not None
    assert "1 张工单已超时" in warning[0]
    assert "T000001" in warning[0]
    assert "T000002" not in warning[0]
    assert html.count("late-card") == 1 + html.count("'late-card'") + html.count(".late-card")


async def test_the_board_is_filtered(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """By building and level; the lists offer what there is."""
    await create(http, service, order)
    await create(http, service, {**order, "key": "k2", "building": "b2", "level": "II"})
    second = await page(http, f"{service.url}/?building=b2&level=II")
    neither = await page(http, f"{service.url}/?building=b2&level=I")

    assert 'id="T000002"' in second
    assert 'id="T000001"' not in second
    assert '<option value="b2" selected>' in second
    assert "<article" not in neither


async def test_progress_is_kept_with_its_photographs(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Team, milestone and photographs stand in the timeline; a photograph is served as what its bytes are."""
    await create(http, service, order)
    html = await press(http, service, "progress", stamp="calmed", team="电梯班", note="通过对讲")
    assert all(words in html for words in ("已安抚 · 派单至 电梯班", "通过对讲"))
    html = await upload(http, service, PNG, b"\xff\xd8\xff" + bytes(9))
    name = re.search(r'<img src="(/photos/[0-9a-f]+\.png)"', html)

    assert name is not None
    assert html.count("<img") == 2
    async with http.get(service.url + name[1]) as answer:
        assert await answer.read() == PNG
        assert answer.content_type == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert service.store.get("T000001")["team"] == "电梯班"
    assert service.store.get("T000001")["status"] == "open"


@pytest.mark.parametrize(
    ("photos", "said"),
    [
        ([b"<script>alert(1)</script>"], "JPEG、PNG 或 WebP"),
        ([PNG + bytes(5 * 1024 * 1024)], "超过 5 MB"),
        ([PNG] * 7, "最多 6 张"),
        ([], "没有可记录的内容"),
    ],
)
async def test_what_is_no_photograph_is_not_kept(
    http: Http, service: ticketing.Ticketing, order: Order, photos: list[bytes], said: str
) -> None:
    """Images only, by their first bytes, of a size, six at once; the page says which."""
    await create(http, service, order)
    html = await upload(http, service, *photos)

    assert said in html
    assert service.store.history("T000001") == []


async def test_a_form_that_would_fill_the_disk_is_not_read(
    http: Http, service: ticketing.Ticketing, order: Order
) -> None:
    """Too long by its own word, or without a word: refused before it is read."""
    await create(http, service, order)
    url = f"{service.url}/orders/T000001/progress"

    async def endless() -> Any:  # noqa: ANN401  an async generator, for aiohttp
        yield b"x"

    async with http.post(url, data=endless()) as answer:
        assert answer.status == 411
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulators.ticketing.page._MOST_FORM", 10)
        async with http.post(url, data={"note": "a long one"}) as answer:
            assert answer.status == 413


@pytest.mark.parametrize("name", ["..%2F..%2Fetc%2Fpasswd", "a.png", f"{'0' * 40}.png", f"{'0' * 40}.svg"])
async def test_only_photographs_are_served(http: Http, service: ticketing.Ticketing, name: str) -> None:
    """No path leads out of the photographs."""
    async with http.get(f"{service.url}/photos/{name}") as answer:
        assert answer.status == 404


async def test_a_button_pressed_too_late_says_so(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Somebody was faster: the page tells, and nothing is done."""
    await create(http, service, order)
    await press(http, service, "reject")
    html = await press(http, service, "accept")

    assert "工单状态已变" in html
    assert service.store.get("T000001")["status"] == "rejected"


async def test_nothing_from_the_wire_becomes_markup(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Every text member full of markup comes out as text; scripts and styles need the page's nonce."""
    evil = "<script>alert(1)</script>\"'&"

    def poison(value: object, name: str = "") -> object:
        if isinstance(value, dict):
            return {key: poison(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [poison(inner) for inner in value]
        fixed = name in {"level", "category", "type", "quality"} or name.endswith(("at", "_by"))
        return evil if isinstance(value, str) and not fixed else value

    poisoned = {**poison(order), "key": "evil", "previous": [evil]}  # type: ignore[dict-item]
    await create(http, service, poisoned)
    note = {"kind": "update", "at": order["active_at"], "text": {"zh": evil, "en": evil}}
    async with http.post(
        f"{service.url}/v1/orders/T000001/notes", json=note, headers={"Idempotency-Key": "n"}
    ) as answer:
        assert answer.status == 201
    complaint = dict.fromkeys(("text", "room", "building", "asset", "site"), evil)
    async with http.post(f"{service.url}/v1/complaints", json=complaint) as answer:
        assert answer.status == 201
    html = await press(http, service, "progress", by=evil, note=evil, team=evil)
    paths = ("/", f"/?building={evil}&level={evil}&kind={evil}", "/orders/C000002", "/complaints/new")
    html += "".join([await page(http, service.url + path) for path in paths])
    async with http.get(f"{service.url}/orders/T000001?problem={evil}") as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert html.count("alert(1)") > 20
    assert "<script>" not in html
    assert "unsafe" not in policy


async def test_a_form_of_another_page_is_refused(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """A browser says where a form came from; only ours may act, and only under this machine's own names."""
    await create(http, service, order)
    url = f"{service.url}/orders/T000001/accept"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://evil.example:{service.port}", "Host": f"evil.example:{service.port}"},
    ):
        for path in (url, f"{service.url}/v1/orders/T000001/accept", f"{service.url}/v1/complaints"):
            async with http.post(path, data={"note": ""}, headers=headers) as answer:
                assert answer.status == 403
    async with http.get(service.url, headers={"Host": "evil.example"}) as answer:
        assert answer.status == 403
    async with http.post(url, data={"by": ""}, headers={"Origin": service.url}) as answer:
        assert answer.status == 200
