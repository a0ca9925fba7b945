import re
from typing import Any

import aiohttp

from simulators import ticketing

Order = dict[str, Any]
Http = aiohttp.ClientSession


async def create(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    headers = {"Idempotency-Key": order["key"]}
    async with http.post(f"{service.url}/v1/orders", json=order, headers=headers) as answer:
        assert answer.status == 201


async def page(http: Http, url: str) -> str:
    async with http.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_the_page_speaks_chinese_first(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Chinese by default, English when asked for."""
    await create(http, service, order)
    chinese = await page(http, f"{service.url}/")
    english = await page(http, f"{service.url}/?lang=en")

    assert all(words in chinese for words in ('lang="zh-CN"', "Ⅰ 紧急", "电梯安全回路断开", "接单", "已超时"))
    assert all(words in english for words in ('lang="en"', "Ⅰ Urgent", "safety chain is open", "Accept"))
    assert "到场</button>" not in chinese


async def test_an_empty_page_says_so(http: Http, service: ticketing.Ticketing) -> None:
    """No orders is good news, and an unknown language falls back to Chinese."""
    assert "暂无工单" in await page(http, f"{service.url}/?lang=fr")


async def test_the_buttons_do_what_they_say(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """A person accepts, arrives and finishes by form posts, and the page shows it."""
    await create(http, service, order)
    html = await page(http, f"{service.url}/")
    for action in ("accept", "arrive", "finish"):
        target = re.search(rf'formaction="([^"]*/{action}[^"]*)"', html)
        assert target is not None
        async with http.post(service.url + target[1], data={"note": f"<b>{action}</b>"}) as answer:
            assert answer.status == 200
            html = await answer.text()
            assert f"&lt;b&gt;{action}&lt;/b&gt;" in html

    assert service.store.get("T000001")["status"] == "done"
    assert "<form" not in html


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

    poisoned = {**poison(order), "key": "evil"}  # type: ignore[dict-item]
    await create(http, service, poisoned)
    note = {"kind": "update", "at": order["active_at"], "text": {"zh": evil, "en": evil}}
    async with http.post(
        f"{service.url}/v1/orders/T000001/notes", json=note, headers={"Idempotency-Key": "n"}
    ) as answer:
        assert answer.status == 201
    async with http.get(f"{service.url}/") as answer:
        html = await answer.text()
        policy = answer.headers["Content-Security-Policy"]

    assert "alert(1)" in html
    assert "<script>" not in html
    assert "unsafe" not in policy


async def test_a_form_of_another_page_is_refused(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """A browser says where a form came from; only ours may act."""
    await create(http, service, order)
    url = f"{service.url}/orders/T000001/accept"
    async with http.post(url, headers={"Origin": "https://evil.example"}) as answer:
        assert answer.status == 403
    async with http.post(url, headers={"Origin": service.url}) as answer:
        assert answer.status == 200
