"""What comes back over Modbus TCP: which bytes are the answer, and which are nobody's."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from daemon.model import SourceDown
from daemon.sensors.modbus_config import ModbusConfig
from daemon.sensors.modbus_link import Link, NoAnswer, Refused

#: What the server sends in answer to a request with this number, a segment each.
Script = Callable[[int], Sequence[bytes]]


def frame(number: int, body: bytes, *, unit: int = 1) -> bytes:
    """A frame of Modbus TCP."""
    return struct.pack(">HHHB", number, 0, len(body) + 1, unit) + body


def words(*values: int) -> bytes:
    """The answer to function 3."""
    return struct.pack(f">BB{len(values)}H", 3, 2 * len(values), *values)


@contextlib.asynccontextmanager
async def linked(script: Script) -> AsyncIterator[Link]:
    """A link to a server that says what the script tells it, and closes where it says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while request := await reader.readexactly(12):
                segments = script(int.from_bytes(request[:2], "big"))
                for segment in segments:
                    writer.write(segment)
                    await writer.drain()
                    await asyncio.sleep(0)
                if not segments:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.release()

    ended = asyncio.Semaphore(0)
    connections = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await serve(reader, writer)

    server = await asyncio.start_server(counted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = ModbusConfig.model_validate({"tcp": {"host": "127.0.0.1", "port": port}, "timeout": "200ms"})
    link = Link(config)
    try:
        yield link
    finally:
        link.close()
        for _ in range(connections):
            await ended.acquire()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "script",
    [
        lambda n: [frame(n, words(7, 8))],
        lambda n: [frame(n, words(7, 8))[:5], frame(n, words(7, 8))[5:9], frame(n, words(7, 8))[9:]],
        lambda n: [frame(n + 7, words(1, 1)) + frame(n, words(2, 2), unit=9) + frame(n, words(7, 8))],
        lambda n: [frame(n, words(7, 8)) + frame(n, words(1, 1)) * 30],
        lambda n: [
            (frame(n - 1, words(1, 1))[9:] if n > 1 else b"") + frame(n, words(7, 8)) + frame(n, words(1, 1))[:9]
        ],
        lambda _: [frame(0, words(7, 8))],
    ],
    ids=["whole", "in pieces", "behind others", "many times", "half a copy", "unnumbered"],
)
async def test_the_answer_is_found(script: Script) -> None:
    """However it is cut, and whatever stands before or behind it; and so is the next one."""
    async with linked(script) as link:
        read = [await link.read(1, "holding", 0, 2) for _ in range(3)]

    assert [list(each) for each in read] == [[7, 8]] * 3


@pytest.mark.parametrize("length", [3, 2])
async def test_an_exception_is_a_refusal(length: int) -> None:
    """Also from devices that leave its code out of the length."""
    async with linked(lambda n: [struct.pack(">HHHBBB", n, 0, length, 1, 0x83, 2)]) as link:
        with pytest.raises(Refused) as refused:
            await link.read(1, "holding", 0, 2)

    assert refused.value.code == 2


@pytest.mark.parametrize(
    "script",
    [
        lambda n: [frame(n + 1, words(7, 8))],
        lambda n: [frame(n, words(7, 8), unit=2)],
        lambda n: [frame(n, words(7))],
        lambda n: [frame(n, b"\x04" + words(7, 8)[1:])],
        lambda n: [frame(n, b"\x63\x01\x02")],
        lambda n: [frame(n, words(7, 8)[:4])],
        lambda _: [b"\xff" * 13],
    ],
    ids=["number", "unit", "length", "function", "unknown function", "cut short", "noise"],
)
async def test_anything_else_is_no_answer(script: Script) -> None:
    """Whatever does not match in number, unit, function and length is read as nothing."""
    async with linked(script) as link:
        with pytest.raises(NoAnswer):
            await link.read(1, "holding", 0, 2)


async def test_a_connection_closed_instead_of_an_answer_is_told_at_once() -> None:
    """Nobody waits for the time-out of a connection that is gone."""
    async with linked(lambda _: []) as link:
        with pytest.raises(SourceDown, match="closed the connection"):
            await link.read(1, "holding", 0, 2)
