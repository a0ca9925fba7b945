"""A Modbus TCP server that does as a test tells it, written without any Modbus library."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One read, as it arrived. `connection` counts from 1."""

    connection: int
    transaction: int
    unit: int
    function: int
    start: int
    count: int


#: What to send for a request: given the request and the honest answer's bytes after the header.
Act = Callable[[Request, bytes], bytes | None]


def frame(request: Request, body: bytes, *, unit: int | None = None, transaction: int | None = None) -> bytes:
    """An answer with its header; by default to the request it answers."""
    return (
        struct.pack(
            ">HHHB",
            request.transaction if transaction is None else transaction,
            0,
            len(body) + 1,
            request.unit if unit is None else unit,
        )
        + body
    )


def packed(function: int, words: list[int]) -> bytes:
    """The data of an answer: bits from the least significant of the first byte on, or words, big end first."""
    if function in {1, 2}:
        number = sum(bit << place for place, bit in enumerate(words))
        return number.to_bytes((len(words) + 7) // 8, "little")
    return b"".join(word.to_bytes(2, "big") for word in words)


def refuse(code: int) -> Act:
    """Answer with an exception code."""
    return lambda request, _: frame(request, bytes([request.function | 0x80, code]))


@dataclass
class Server:
    """Registers by (unit, function), and what to do instead of answering honestly."""

    registers: dict[tuple[int, int], dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    #: Units that never answer.
    silent: set[int] = field(default_factory=set)
    #: What to do with the next requests to a unit, one each; None in its place closes the connection.
    script: dict[int, deque[Act | None]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    #: Answers held back until `release` sends them, to whom it may concern.
    held: list[tuple[asyncio.StreamWriter, bytes]] = field(default_factory=list)
    hold_next: set[int] = field(default_factory=set)
    #: With it, connections are covered by TLS.
    context: ssl.SSLContext | None = None
    #: Send each answer in two pieces, the second some time after the first.
    in_pieces: bool = False
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def words(self, unit: int, function: int, start: int, *words: int) -> None:
        """Put words into registers."""
        for offset, word in enumerate(words):
            self.registers[unit, function][start + offset] = word

    async def start(self) -> None:
        """Listen; on the same port as before when started again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Close every connection."""
        for writer in list(self._writers):
            writer.close()

    def release(self) -> None:
        """Send the answers that were held back."""
        for writer, answer in self.held:
            writer.write(answer)
        self.held.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                function, start, count = struct.unpack(">BHH", await reader.readexactly(length - 1))
                request = Request(connection, transaction, unit, function, start, count)
                self.requests.append(request)
                answer = self._answer(request)
                if answer is None:
                    break
                if unit in self.hold_next:
                    self.hold_next.discard(unit)
                    self.held.append((writer, answer))
                elif self.in_pieces:
                    writer.write(answer[:20])
                    await writer.drain()
                    await asyncio.sleep(0.01)
                    writer.write(answer[20:])
                else:
                    writer.write(answer)
        self._writers.discard(writer)
        writer.close()

    def _answer(self, request: Request) -> bytes | None:
        """The bytes to send, empty for silence, None to close the connection."""
        if request.unit in self.silent:
            return b""
        known = self.registers[request.unit, request.function]
        wanted = range(request.start, request.start + request.count)
        if all(address in known for address in wanted):
            data = packed(request.function, [known[address] for address in wanted])
            honest = bytes([request.function, len(data)]) + data
        else:
            honest = bytes([request.function | 0x80, 2])
        script = self.script[request.unit]
        if not script:
            return frame(request, honest)
        act = script.popleft()
        return None if act is None else act(request, honest)


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A running server on a free port of 127.0.0.1."""
    server = Server(context=context)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
