from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from daemon.clock import SiteClock
from daemon.outputs.influx import InfluxConfig
from daemon.outputs.ticketing.contract import TicketingConfig
from daemon.probe.influx_checks import check_influx
from daemon.probe.peers import Check
from daemon.probe.ticketing_checks import check_ticketing
from simulators import influx, ticketing
from tests.papers import Papers

Handler = Callable[[web.Request], Awaitable[web.Response]]
SECRET = "s3cret-t0ken"  # noqa: S105  nobody's


@contextlib.asynccontextmanager
async def answering(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A service on a free port that answers everything by `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        scheme = "https" if context is not None else "http"
        yield f"{scheme}://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def always(status: int, body: object = b"", **headers: str) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        sent = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(status=status, body=sent, headers=headers)

    return handle


async def look_at_influx(url: str, **more: Any) -> dict[str, Check]:  # noqa: ANN401  any setting
    config = InfluxConfig.model_validate({"url": url, "timeout": "2s", **more})
    return {check.name: check for check in await check_influx(config, SiteClock())}


async def look_at_tickets(url: str, **more: Any) -> dict[str, Check]:  # noqa: ANN401  any setting
    config = TicketingConfig.model_validate({"url": url, "timeout": "2s", **more})
    return {check.name: check for check in await check_ticketing(config, "hy", SiteClock())}


def verdicts(checks: dict[str, Check]) -> dict[str, str]:
    return {name: str(check.verdict) for name, check in checks.items()}


# --- time series -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (always(204, **{"X-Influxdb-Version": "v2.7.6"}), ("ok", "ok")),
        (always(400, {"message": "writing requires points"}, **{"X-Influxdb-Version": "2.0.9"}), ("ok", "ok")),
        (always(204, **{"X-Influxdb-Version": "3.0.1"}), ("ok", "unknown")),
        (always(204), ("ok", "unknown")),
        (always(400, {"error": "something else"}), ("unknown", "unknown")),
        (always(401), ("ok", "failed")),
        (always(403), ("ok", "failed")),
        (always(503), ("failed", None)),
        (always(429), ("failed", None)),
        (always(404, b"not found"), ("failed", None)),
        (always(418, b"tea"), ("failed", None)),
    ],
)
async def test_what_an_empty_write_tells(handler: Handler, expected: tuple[str, str | None]) -> None:
    """The endpoint and the permission, as far as this server lets them be known without a line."""
    async with answering(handler) as url:
        found = verdicts(await look_at_influx(url))

    assert (found["write"], found.get("permission")) == expected


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (
            always(404, b"404 page not found", **{"X-Influxdb-Version": "1.6.7~rc0"}),
            "which came with 1.8: upgrade to 1.8",
        ),
        (always(404, {"message": 'bucket "b" not found'}), "create org o and bucket b there"),
        (always(404, b"<html>"), "under this address (404): correct influx.url"),
        (always(301, Location="https://elsewhere"), "redirects to https://elsewhere"),
        (always(500), "answers 500: the service is not well"),
    ],
)
async def test_what_is_wrong_with_the_address_is_told(handler: Handler, words: str) -> None:
    """An old version, a missing bucket, another service, a redirect, a broken one: each with what to do."""
    async with answering(handler) as url:
        found = await look_at_influx(url, org="o", bucket="b")

    assert words in found["write"].text.en


@pytest.mark.parametrize(
    ("token", "words"), [(None, "none is written: influx.token"), (SECRET, "the token is refused")]
)
async def test_a_refused_token_is_told_and_not_shown(token: str | None, words: str) -> None:
    """None written and a wrong one are two things to do."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(status=401, text=request.headers.get("Authorization", ""))

    async with answering(echo) as url:
        found = await look_at_influx(url, token=token)

    assert words in found["permission"].text.en
    assert SECRET not in str(found)


async def test_no_line_is_written() -> None:
    """Our own stand-in is asked, and holds nothing afterwards."""
    async with influx.serving() as server, aiohttp.ClientSession() as http:
        found = verdicts(await look_at_influx(server.url))
        async with http.get(f"{server.url}/_tally") as answer:
            tally = await answer.json()

    assert found["write"] == "ok"
    assert tally["field_values_distinct"] == 0


@pytest.mark.parametrize(
    ("away", "verdict", "words"),
    [(0, "ok", "agree within 2 s"), (-5, "ok", "differs from ours by -"), (90, "failed", "check NTP")],
)
async def test_a_clock_that_is_wrong_is_told(away: int, verdict: str, words: str) -> None:
    """Seconds are nothing to a header of whole seconds; a minute is."""

    async def handle(_: web.Request) -> web.Response:
        at = SiteClock().now() + timedelta(seconds=away)
        return web.Response(status=204, headers={"Date": format_datetime(at, usegmt=True)})

    async with answering(handle) as url:
        found = (await look_at_influx(url))["clock"]

    assert (str(found.verdict), words in found.text.en) == (verdict, True)


@pytest.mark.parametrize("look", [look_at_influx, look_at_tickets])
async def test_nobody_there_is_told(look: Callable[[str], Awaitable[dict[str, Check]]]) -> None:
    """One check, and what to do."""
    found = await look("http://127.0.0.1:1")

    assert verdicts(found) == {"reach": "failed"}
    assert "Connection refused; start the service there, or correct the url" in found["reach"].text.zh


@pytest.mark.parametrize("look", [look_at_influx, look_at_tickets])
async def test_a_peer_that_hangs_is_told(look: Callable[..., Awaitable[dict[str, Check]]]) -> None:
    """Its time-out is ours."""

    async def hang(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.pause_reading()
        await SiteClock().sleep(3)
        return web.Response()

    async with answering(hang) as url:
        found = await look(url, timeout="200ms")

    assert "no answer within 0.2 s" in found["reach"].text.zh


async def test_a_wrong_certificate_is_told(tmp_path: Path) -> None:
    """No errno of an operating system stands in the way of the reason; nor does plain HTTP on an https address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*Papers(tmp_path).broker)
    async with answering(always(204), context) as url:
        untrusted = await look_at_influx(url)
    async with answering(always(204)) as url:
        plain = await look_at_influx(url.replace("http:", "https:"))

    assert "its certificate is not trusted: unable to get local issuer certificate" in untrusted["reach"].text.zh
    assert "TLS failed" in plain["reach"].text.zh


# --- ticketing ---------------------------------------------------------------------------------------------


async def test_a_service_that_is_well() -> None:
    """Token, search and changes are as the contract says; nothing was created."""
    async with ticketing.serving(token=SECRET) as service:
        found = await look_at_tickets(service.url, token=SECRET)
        orders = service.store.find()

    assert verdicts(found) == {
        "reach": "ok",
        "token": "ok",
        "search": "ok",
        "open": "ok",
        "changes": "ok",
        "clock": "unknown",  # our stand-in tells no time
        "beyond": "unknown",
    }
    assert orders == []
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("token", "words"), [(None, "none is written: ticketing.token"), ("wr0ng", "the token is refused (401)")]
)
async def test_a_service_that_refuses_the_token(token: str | None, words: str) -> None:
    """Nothing further is asked."""
    async with ticketing.serving(token=SECRET) as service:
        found = await look_at_tickets(service.url, token=token)

    assert words in found["token"].text.en
    assert verdicts(found) == {"reach": "ok", "token": "failed", "clock": "unknown"}


async def test_a_service_that_asks_for_no_token() -> None:
    """Whether one is written or not: it is told, and no failure."""
    async with ticketing.serving() as service:
        without = await look_at_tickets(service.url)
        needless = await look_at_tickets(service.url, token=SECRET)

    assert without["token"].text.en == "no token is written, and it asks for none"
    assert "it does not look at tokens" in needless["token"].text.en
    assert {verdicts(without)["token"], verdicts(needless)["token"]} == {"unknown"}


@pytest.mark.parametrize(
    ("handler", "name", "words"),
    [
        (always(200, {"orders": [{"id": "1"}]}), "search", "it does not look at `key`"),
        (always(200, b"<html>hello"), "search", "it does not answer as the contract says"),
        (always(404), "search", "ticketing.url is what stands before it"),
        (always(302, Location="https://login"), "search", "redirects to https://login"),
        (always(503), "search", "answers 503: the service is not well"),
        (always(422, b"no"), "search", "the contract is docs/ticketing.md"),
        (always(200, {"orders": []}), "changes", "answers otherwise than the contract says"),
    ],
)
async def test_a_service_that_is_not_well(handler: Handler, name: str, words: str) -> None:
    """Each with what to do."""
    async with answering(handler) as url:
        found = await look_at_tickets(url)

    assert str(found[name].verdict) == "failed"
    assert words in found[name].text.en + found[name].text.zh


async def test_only_questions_are_asked() -> None:
    """GET for tickets; one POST for time series, and its body is empty."""
    asked: list[tuple[str, str, bytes]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, await request.read()))
        return web.Response(status=200, body=b'{"orders":[],"changes":[],"cursor":"0"}')

    async with answering(handle) as url:
        await look_at_tickets(url, token=SECRET)
        await look_at_influx(url, token=SECRET)

    assert {(method, path, body) for method, path, body in asked} == {
        ("GET", "/v1/orders", b""),
        ("GET", "/v1/changes", b""),
        ("GET", "/ping", b""),
        ("POST", "/api/v2/write", b""),
    }
