"""The board in a real browser: Debian's Chromium, driven through Playwright; nothing is downloaded."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from playwright.async_api import Browser, Page, async_playwright, expect

from simulators import ticketing
from tests.chart_examples import EXAMPLES

pytestmark = pytest.mark.integration

CONTRACT = Path(__file__).parents[2] / "config" / "ticketing" / "openapi.yaml"
#: The browser of a test talks to nobody but the test.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
)
#: The smallest picture there is: one grey point.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63680000008200816e1b2bd30000000049454e44ae426082"
)
expect.set_options(timeout=30_000)
PHONE = {"width": 390, "height": 844}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("chromium is not installed: apt-get install chromium fonts-noto-cjk")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield running
        await running.close()


@pytest.fixture
async def service() -> AsyncIterator[ticketing.Ticketing]:
    async with ticketing.serving() as running:
        yield running


def moment(from_now: timedelta) -> str:
    return (datetime.now(UTC) + from_now).isoformat(timespec="milliseconds")


async def open_order(service: ticketing.Ticketing, key: str, respond_in: timedelta, **change: Any) -> None:  # noqa: ANN401  any JSON
    """What a gateway sends: the contract's own example, made now."""
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    order: dict[str, Any] = document["components"]["examples"]["LiftOrder"]["value"]
    now = {"active_at": moment(timedelta()), "created_at": moment(timedelta()), "respond_by": moment(respond_in)}
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{service.url}/v1/orders", json={**order, **now, "key": key, **change}, headers={"Idempotency-Key": key}
        ) as answer,
    ):
        assert answer.status == 201


async def watched(browser: Browser, **settings: Any) -> tuple[Page, list[str]]:  # noqa: ANN401  Playwright's own
    """A page, and what its console complains of."""
    page = await browser.new_page(**settings)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    return page, faults


async def test_an_order_goes_its_way_on_the_board(browser: Browser, service: ticketing.Ticketing) -> None:
    """Created by a gateway, accepted on the board, done with a photo, confirmed by the owner: seen on the page."""
    await open_order(service, "k", timedelta(minutes=15))
    page, faults = await watched(browser)
    await page.goto(f"{service.url}/?lang=en")
    column = {name: page.get_by_role("region", name=name) for name in ("Waiting", "Accepted", "To confirm", "Closed")}
    await expect(column["Waiting"].get_by_text(re.compile(r"respond in 1\d:\d\d"))).to_be_visible()
    await page.get_by_role("button", name="Accept").click()
    await expect(column["Accepted"].get_by_role("article")).to_have_count(1)

    await page.get_by_role("link", name="safety chain").click()
    await page.get_by_label("Your name").fill("张师傅")
    await page.get_by_label("Remark").fill("door lock <b>replaced</b>")
    await page.get_by_text("Team, milestone, photos").click()
    await page.get_by_label("Dispatch to team").fill("lift team")
    await page.get_by_label("Milestone done").select_option("called_back")
    await page.get_by_label("Photos").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PNG})
    await page.get_by_role("button", name="Done").click()
    await expect(page.locator("#status")).to_have_text("Done")
    await expect(page.get_by_text("door lock <b>replaced</b>")).to_be_visible()
    photo = page.get_by_role("img", name="Photo 1")
    await expect(photo).to_have_js_property("naturalWidth", 1)

    await expect(page.get_by_label("Your name")).to_have_value("张师傅")
    await page.get_by_role("button", name="Owner confirms").click()
    await expect(page.locator("#status")).to_have_text("Verified")
    await page.get_by_role("link", name="Board").click()
    await expect(column["Closed"].get_by_text("Verified")).to_be_visible()
    await expect(column["Waiting"].get_by_role("article")).to_have_count(0)

    said = [(change["status"], change.get("stamp")) for change in service.store.changes(0, None)[1]]
    assert said == [("accepted", None), ("done", None), ("done", "called_back"), ("verified", None)]
    assert faults == []


async def test_a_deadline_runs_out_before_ones_eyes(browser: Browser, service: ticketing.Ticketing) -> None:
    """The clock runs without a reload, and turns red when its time has come."""
    await open_order(service, "k", timedelta(minutes=15))
    page, faults = await watched(browser)
    await page.clock.install()
    await page.goto(service.url)
    clock = page.locator(".due")
    await expect(clock).to_have_class("due")
    await page.clock.fast_forward("16:00")

    await expect(clock).to_have_class("due over")
    await expect(clock).to_contain_text("响应超时")
    await expect(clock).to_have_css("color", "rgb(185, 28, 28)")
    assert faults == []


async def test_a_complaint_comes_by_the_form(browser: Browser, service: ticketing.Ticketing) -> None:
    """Written down on a phone in Chinese, it stands on the board; the owner who is not content gets it reopened."""
    page, faults = await watched(browser, viewport=PHONE, locale="zh-CN")
    await page.goto(service.url)
    await page.get_by_role("link", name="登记投诉").click()
    await page.get_by_label("投诉内容").fill("电梯有异响")
    await page.get_by_label("渠道").select_option("微信")
    await page.get_by_label("房号").fill("3-1-1202")
    await page.get_by_label("设备类别").select_option("电梯")
    await page.get_by_role("button", name="提交").click()
    await expect(page.get_by_role("heading", name="电梯有异响")).to_be_visible()
    for name in ("接单", "完成", "二次处理"):
        await page.get_by_role("button", name=name).click()

    await expect(page.locator(".again")).to_have_text("二次处理 ×1")
    await expect(page.locator(".badge")).to_have_text("Ⅰ 紧急")
    await page.get_by_role("link", name="看板").click()
    await expect(page.get_by_role("region", name="待接单").get_by_role("article")).to_have_count(1)
    assert faults == []


async def test_nothing_hangs_out_of_a_phone(browser: Browser, service: ticketing.Ticketing) -> None:
    """At phone width nothing has to be pushed sideways, in either language, whatever length words have."""
    long = "wat." + "unbroken_" * 20
    await open_order(service, "k", timedelta(minutes=-99), rule=long, asset=long, title={"zh": long, "en": long})
    page, _ = await watched(browser, viewport=PHONE)
    for path in ("/", "/orders/T000001", "/complaints/new"):
        for lang in ("zh", "en"):
            await page.goto(f"{service.url}{path}?lang={lang}")
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

            assert await page.evaluate(wide) == 0, (path, lang)


async def test_a_chart_is_seen_as_a_picture_at_the_width_of_a_telephone(
    browser: Browser, service: ticketing.Ticketing
) -> None:
    """Loaded under the page's policy, as wide as the page, with its words as alternative text; it opens by itself."""
    await open_order(service, "k", timedelta(minutes=15))
    alt = {"zh": "开单前走势；压力下降", "en": "Before the order; the pressure falls"}
    chart = {"occasion": "opened", "media_type": "image/svg+xml", "data": EXAMPLES["pressure"](), "alt": alt}
    note = {"kind": "update", "at": moment(timedelta()), "text": alt, "chart": chart}
    headers = {"Idempotency-Key": "n"}
    async with (
        aiohttp.ClientSession(service.url) as http,
        http.post("/v1/orders/T000001/notes", json=note, headers=headers) as answer,
    ):
        assert answer.status == 201
    page, faults = await watched(browser, viewport=PHONE)
    await page.goto(f"{service.url}/orders/T000001")
    picture = page.get_by_role("img", name="开单前走势；压力下降")
    await expect(picture).to_be_visible()

    assert await picture.evaluate("image => [image.complete, image.naturalWidth]") == [True, 360]
    assert (await picture.bounding_box() or {"width": 0})["width"] > 300
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await picture.click()
    await expect(page.locator("svg[role=img] > title")).to_have_count(1)
    assert faults == []
