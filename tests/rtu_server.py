"""Modbus units on an RTU line that do as a test tells them, written without any Modbus library."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from tests.modbus_server import packed


@dataclass(frozen=True, slots=True)
class RtuRequest:
    """One read, as it arrived."""

    unit: int
    function: int
    start: int
    count: int


#: What to send for a request, given the honest frame.
RtuAct = Callable[[RtuRequest, bytes], bytes]


def checksum(octets: bytes) -> bytes:
    """CRC-16 with the polynomial 0xA001, low byte first (Modbus over Serial Line V1.02, 6.2.2), bit by bit."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def rtu(octets: bytes) -> bytes:
    """A frame: unit, function and data, with their checksum."""
    return octets + checksum(octets)


def spoilt(_: RtuRequest, honest: bytes) -> bytes:
    """The answer with one bit turned over on the way."""
    return honest[:3] + bytes([honest[3] ^ 1]) + honest[4:]


def silence(_request: RtuRequest, _honest: bytes) -> bytes:
    """No answer."""
    return b""


@dataclass
class Line:
    """The units on one line: registers by (unit, function), and what to do instead of answering honestly."""

    registers: dict[tuple[int, int], dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    silent: set[int] = field(default_factory=set)
    script: dict[int, deque[RtuAct]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[RtuRequest] = field(default_factory=list)
    #: The honest answers so far, for acts that send one of them late.
    answers: list[bytes] = field(default_factory=list)
    _buffer: bytes = b""

    def words(self, unit: int, function: int, start: int, *words: int) -> None:
        """Put words into registers."""
        for offset, word in enumerate(words):
            self.registers[unit, function][start + offset] = word

    def hear(self, octets: bytes) -> bytes:
        """What the line says after these bytes from the master; a wrong checksum is no request."""
        self._buffer += octets
        said = b""
        while len(self._buffer) >= 8:
            frame, self._buffer = self._buffer[:8], self._buffer[8:]
            assert frame[6:] == checksum(frame[:6]), "the master sent a wrong checksum"
            unit, function = frame[0], frame[1]
            request = RtuRequest(unit, function, int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big"))
            self.requests.append(request)
            said += self._answer(request)
        return said

    def _answer(self, request: RtuRequest) -> bytes:
        if request.unit in self.silent or not self._there(request.unit):
            return b""
        known = self.registers[request.unit, request.function]
        wanted = range(request.start, request.start + request.count)
        head = bytes([request.unit, request.function])
        if all(address in known for address in wanted):
            data = packed(request.function, [known[address] for address in wanted])
            honest = rtu(head + bytes([len(data)]) + data)
        else:
            honest = rtu(bytes([request.unit, request.function | 0x80, 2]))
        self.answers.append(honest)
        script = self.script[request.unit]
        return script.popleft()(request, honest) if script else honest

    def _there(self, unit: int) -> bool:
        return any(known == unit for known, _ in self.registers)


@contextlib.asynccontextmanager
async def on_fd(line: Line, fd: int) -> AsyncIterator[None]:
    """The line answers what is read from a terminal."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)

    def readable() -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            if said := line.hear(os.read(fd, 4096)):
                os.write(fd, said)

    loop.add_reader(fd, readable)
    try:
        yield
    finally:
        loop.remove_reader(fd)


@contextlib.asynccontextmanager
async def on_pty(line: Line) -> AsyncIterator[str]:
    """The line behind a pseudo-terminal, whose path is given: a serial port as far as anybody can tell."""
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        async with on_fd(line, master):
            yield os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)


@contextlib.asynccontextmanager
async def on_tcp(line: Line) -> AsyncIterator[int]:
    """The line behind a transparent serial server on 127.0.0.1, whose port is given."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while octets := await reader.read(4096):
                writer.write(line.hear(octets))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
