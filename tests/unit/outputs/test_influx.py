from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr, ValidationError

from daemon.model import Retry
from daemon.outputs.influx import InfluxConfig, InfluxSink
from daemon.outputs.sink import UNTIL_MENDED, Refused, Triage

if TYPE_CHECKING:
    from tests.unit.outputs.conftest import InfluxServer


def lines(count: int, *, poison: tuple[int, ...] = ()) -> list[bytes]:
    return [f"lift,asset={'poison' if i in poison else 'L'}{i} floor={i}.0 {i}".encode() for i in range(count)]


def config(server: InfluxServer, **more: Any) -> InfluxConfig:  # noqa: ANN401  any field of the model
    return InfluxConfig.model_validate({"url": server.url, "timeout": "5s", **more})


@pytest.fixture
async def sink(influx_server: InfluxServer) -> AsyncIterator[InfluxSink]:
    async with InfluxSink(config(influx_server)) as made:
        yield made


async def test_lines_arrive_as_they_were_written(influx_server: InfluxServer) -> None:
    """One request, milliseconds, bucket, organisation and token where the v2 API wants them."""
    async with InfluxSink(
        config(influx_server, org="wuye", bucket="site", token=SecretStr("geheim")), name="test"
    ) as sink:
        triage = await sink.write(lines(3))

    assert triage == Triage(accepted=3)
    assert influx_server.requests == [lines(3)]
    assert influx_server.queries == [{"org": "wuye", "bucket": "site", "precision": "ms"}]
    assert influx_server.headers[0]["Authorization"] == "Token geheim"


async def test_long_sequences_are_cut_into_requests(influx_server: InfluxServer) -> None:
    """No request holds more than batch_lines."""
    async with InfluxSink(config(influx_server, batch_lines=40)) as sink:
        triage = await sink.write(lines(100))

    assert triage.accepted == 100
    assert [len(request) for request in influx_server.requests] == [40, 40, 20]


async def test_the_poison_line_is_found_and_the_rest_accepted(influx_server: InfluxServer, sink: InfluxSink) -> None:
    """Halving isolates each refused line, and says what the server said of it."""
    triage = await sink.write(lines(60, poison=(7, 8, 59)))

    assert triage == Triage(57, tuple(Refused(i, "partial write: poison dropped") for i in (7, 8, 59)))
    assert len(influx_server.stored) == 57
    assert len(influx_server.requests) < 40


async def test_a_body_too_large_is_halved(influx_server: InfluxServer, sink: InfluxSink) -> None:
    """413 costs requests, not lines."""
    influx_server.most_lines = 10

    triage = await sink.write(lines(50))

    assert triage == Triage(50)
    assert len(influx_server.stored) == 50


async def test_a_server_that_refuses_everything_from_the_start_is_the_wrong_one(
    influx_server: InfluxServer, sink: InfluxSink
) -> None:
    """An address that answers 400 to whatever comes costs no data: everything is kept until it took a first line."""
    influx_server.poison = b"lift"

    with pytest.raises(Retry, match="check the address") as caught:
        await sink.write(lines(5000))

    assert caught.value.after == UNTIL_MENDED
    assert len(influx_server.requests) < 200

    influx_server.poison = b"nothing"

    assert await sink.write(lines(5000)) == Triage(5000)


@pytest.mark.parametrize(
    ("status", "headers", "words", "after"),
    [
        (401, {}, "token is refused", UNTIL_MENDED),
        (403, {}, "token is refused", UNTIL_MENDED),
        (404, {}, "no such bucket", UNTIL_MENDED),
        (302, {"Location": "/login"}, "answered 302", UNTIL_MENDED),
        (200, {}, "not as InfluxDB does", UNTIL_MENDED),
        (429, {"Retry-After": "7"}, "throttled", timedelta(seconds=7)),
        (503, {"Retry-After": "86400"}, "unavailable", timedelta(minutes=5)),
        (503, {}, "unavailable", None),
        (500, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "unavailable", None),
    ],
)
async def test_what_is_not_about_a_line_keeps_the_batch(
    influx_server: InfluxServer,
    sink: InfluxSink,
    status: int,
    headers: dict[str, str],
    words: str,
    after: timedelta | None,
) -> None:
    """Each answer says what to do and when to come back; the same lines then pass."""
    influx_server.script.append((status, headers, "x"))

    with pytest.raises(Retry, match=words) as caught:
        await sink.write(lines(3))

    assert caught.value.after == after
    assert influx_server.url in str(caught.value)
    assert await sink.write(lines(3)) == Triage(3)


async def test_no_answer_keeps_the_batch(influx_server: InfluxServer) -> None:
    """A server that hangs costs its time-out, nothing else."""
    influx_server.held = asyncio.Event()
    async with InfluxSink(config(influx_server, timeout="100ms")) as sink:
        with pytest.raises(Retry, match=r"no answer within 0\.1 s"):
            await sink.write(lines(3))
    influx_server.held.set()


async def test_nobody_there_keeps_the_batch() -> None:
    """A refused connection names the address."""
    async with InfluxSink(InfluxConfig(url="http://127.0.0.1:1")) as sink:
        with pytest.raises(Retry, match=r"127\.0\.0\.1:1"):
            await sink.write(lines(1))


async def test_proxies_of_the_environment_are_not_used(
    influx_server: InfluxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data goes where the configuration says, whatever HTTP_PROXY holds."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async with InfluxSink(config(influx_server)) as sink:
        triage = await sink.write(lines(1))

    assert triage == Triage(1)


async def test_bodies_are_compressed_when_asked(influx_server: InfluxServer) -> None:
    """The server sees gzip and gets the same lines."""
    async with InfluxSink(config(influx_server, gzip="always")) as sink:
        await sink.write(lines(3))

    assert influx_server.headers[0]["Content-Encoding"] == "gzip"
    assert influx_server.requests == [lines(3)]


@pytest.mark.parametrize(
    ("url", "compressed"),
    [
        ("http://localhost:8086", False),
        ("http://127.0.0.1:8086", False),
        ("http://[::1]:8086", False),
        ("https://tsdb.example.com", True),
        ("http://10.0.0.5:8086/influx", True),
    ],
)
def test_compression_is_for_servers_that_stand_elsewhere(url: str, compressed: bool) -> None:  # noqa: FBT001  a table
    """On one machine it costs more than it saves."""
    assert InfluxConfig(url=url).compressed is compressed


@pytest.mark.parametrize("url", ["localhost:8086", "ftp://x", "http://", "http://a b"])
def test_an_address_must_be_one(url: str) -> None:
    """A url without its scheme is found by `check`, not at night."""
    with pytest.raises(ValidationError):
        InfluxConfig(url=url)
