"""Peers that answer what no peer should: kept and tried again, never the end of the program."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from daemon.model import Reject, Retry
from daemon.outputs.influx import InfluxConfig, InfluxSink
from daemon.outputs.sink import retry_after
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A peer that says the same whatever it is asked; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def said(status: str, body: str = "", header: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{header}\r\n{body}".encode()


def changed(changed_at: str) -> bytes:
    change = f'{{"key": "k", "status": "done", "changed_at": "{changed_at}"}}'
    return said("200 OK", f'{{"cursor": "1", "changes": [{change}]}}')


STRANGE = {
    "no HTTP": b"\x00\xffhello\r\n\r\n",
    "nothing at all": b"",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    "a body that is not what it is said to be": said("200 OK", "plain", "Content-Encoding: gzip\r\n"),
    "endless headers": said("200 OK", "", f"X: {'a' * 100_000}\r\n"),
    "more than any memory": b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n" + b"[" * 20_000_000,
    "another shape": said("200 OK", "[1]"),
    "a wait beyond all time": said("503 busy", "", f"Retry-After: {'9' * 30}\r\n"),
    "a wait beyond all numbers": said("429 busy", "", f"Retry-After: {'9' * 5000}\r\n"),
    "brackets in brackets": said("200 OK", f'{{"cursor": "1", "changes": [], "id": {"[" * 900}{"]" * 900}}}'),
    "a change before the first year": changed("0001-01-01T00:00:00+08:00"),
    "a change after the last year": changed("9999-12-31T23:59:59-08:00"),
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE.keys())
async def test_a_strange_answer_is_kept_for_later(answer: bytes) -> None:
    """Both sinks raise Retry, which their callers wait out; anything else would end the daemon, start after start."""
    async with (
        answering(answer) as url,
        TicketingSink(TicketingConfig.model_validate({"url": url, "timeout": "5s"}), "hy") as ticketing,
        InfluxSink(InfluxConfig.model_validate({"url": url, "timeout": "5s"})) as influx,
    ):
        with pytest.raises(Retry):
            await ticketing.create("k", b"{}")
        with pytest.raises(Retry):
            await ticketing.changes("")
        with pytest.raises(Retry):
            await influx.write([b"lift floor=1.0 1"])


async def test_a_token_that_is_repeated_is_not_told_on() -> None:
    """It would stand in the log, the timeline and every message about the order."""
    async with (
        answering(said("400 no", "." * 490 + "Bearer t0ken-t0ken")) as url,
        TicketingSink(TicketingConfig.model_validate({"url": url, "token": "t0ken-t0ken"}), "hy") as sink,
    ):
        with pytest.raises(Reject, match="refused") as caught:
            await sink.create("k", b"{}")

    assert "t0k" not in str(caught.value)


async def test_a_change_of_many_words_is_cut() -> None:
    """What persons write stands in the journal and in messages."""
    long = "x" * 2000
    told = f'{{"key": "k", "status": "done", "changed_at": "2026-11-21T08:00:00Z", "by": "{long}", "note": "{long}"}}'
    async with (
        answering(said("200 OK", f'{{"cursor": "1", "changes": [{told}]}}')) as url,
        TicketingSink(TicketingConfig.model_validate({"url": url}), "hy") as sink,
    ):
        (change,) = (await sink.changes("")).changes

    assert (len(change.by), len(change.note)) == (500, 500)


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("7", 7), ("86400", 300), ("9" * 30, 300), ("-1", None), ("²", None)]
)
def test_a_peer_keeps_us_away_for_five_minutes_at_most(text: str | None, seconds: int | None) -> None:
    """What is no number of seconds leaves it to the usual back-off."""
    after = retry_after(text)

    assert (None if after is None else after.total_seconds()) == seconds
