"""Modbus RTU around the units of a Modbus server: over a pseudo-terminal, a serial port, or TCP as serial servers do.

    request  unit(1) fc(1) address(2) count(2) crc(2)
    reply    unit(1) fc(1) bytes(1) data crc(2)          or   unit(1) fc|0x80 code(1) crc(2)

One line has one master: requests are answered in turn. Bytes that are no frame are skipped one by one, as a device
does that has come in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import tty
from typing import TYPE_CHECKING

from simulators.modbus_server import ModbusServer, Mouth, WireFaults
from simulators.sockets import listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

_REQUEST = 8  # bytes of a read of function code 1 to 4
_BAUDS = {baud: getattr(termios, f"B{baud}") for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}


def checksum(octets: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first (Modbus over Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


class _Ear:
    """Takes what a master sends and answers it, for one line or one connection."""

    def __init__(self, units: ModbusServer, say: Callable[[bytes], Awaitable[None]]) -> None:
        self._units = units
        self._say = say
        self._heard = b""
        self._mouth = Mouth()

    async def hear(self, octets: bytes) -> bool:
        """Answer every whole request; False when the connection is to be closed."""
        self._heard += octets
        while len(self._heard) >= _REQUEST:
            frame = self._heard[:_REQUEST]
            if checksum(frame[:-2]) != frame[-2:]:
                self._heard = self._heard[1:]
                continue
            self._heard = self._heard[_REQUEST:]
            if not await self._answer(frame[0], frame[1:-2]):
                return False
        return True

    async def _answer(self, unit: int, pdu: bytes) -> bool:
        faults = self._units.faults.get(unit, WireFaults())
        answer = await self._units.answer(unit, pdu, faults)
        if answer is None:
            return True
        body = bytes([unit ^ 0x55 if faults.wrong_unit else unit]) + answer
        frame = body + checksum(body)
        if faults.crc:
            frame = frame[:2] + bytes([frame[2] ^ 0x10]) + frame[3:]
        if faults.cut:
            await self._say(frame[: len(frame) // 2])
            return False
        await self._say(self._mouth.spoken(frame, faults))
        return True


@contextlib.asynccontextmanager
async def on_terminal(units: ModbusServer, port: Path | None = None, baud: int = 9600) -> AsyncIterator[str]:
    """Answer on a serial port inside the block.

    Args:
        units: who is on the line.
        port: of the device's end; None makes a pair of pseudo-terminals.
        baud: of `port`.

    Yields:
        The path that a master opens: the other end of the pair, or `port` itself, whose other end is a cable away.

    Raises:
        OSError: there is no such port.
        ValueError: it has no such speed.
    """
    with contextlib.ExitStack() as ends:
        if port is None:
            fd, theirs = os.openpty()
            ends.callback(os.close, theirs)
            tty.setraw(theirs)
            path = os.ttyname(theirs)
        else:
            fd, path = os.open(port, os.O_RDWR | os.O_NOCTTY), str(port)
            _set_up(fd, baud)
        ends.callback(os.close, fd)
        os.set_blocking(fd, False)
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def readable() -> None:
            with contextlib.suppress(BlockingIOError, OSError):
                arrived.put_nowait(os.read(fd, 4096))

        async def say(octets: bytes) -> None:
            with contextlib.suppress(BlockingIOError):  # nobody reads it: a line has no memory
                os.write(fd, octets)

        loop.add_reader(fd, readable)
        task = loop.create_task(_follow(_Ear(units, say), arrived), name="rtu line")
        try:
            yield path
        finally:
            loop.remove_reader(fd)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _follow(ear: _Ear, arrived: asyncio.Queue[bytes]) -> None:
    while True:
        await ear.hear(await arrived.get())


def _set_up(fd: int, baud: int) -> None:
    if baud not in _BAUDS:
        raise ValueError(f"baud must be one of {', '.join(map(str, _BAUDS))}, not {baud}")
    tty.setraw(fd)
    modes = termios.tcgetattr(fd)
    modes[4] = modes[5] = _BAUDS[baud]
    termios.tcsetattr(fd, termios.TCSANOW, modes)


@contextlib.asynccontextmanager
async def on_tcp(units: ModbusServer, port: int = 0) -> AsyncIterator[int]:
    """Answer RTU frames over TCP inside the block, as a transparent serial server does; gives the port.

    Raises:
        OSError: The port is taken.
    """
    open_ones: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)

        async def say(octets: bytes) -> None:
            writer.write(octets)
            await writer.drain()

        ear = _Ear(units, say)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while octets := await reader.read(4096):
                if not await ear.hear(octets):
                    break
        open_ones.discard(writer)
        writer.close()

    listener = listen(port)
    server = await asyncio.start_server(connected, sock=listener)
    try:
        yield listener.getsockname()[1]
    finally:
        server.close()
        for writer in list(open_ones):
            writer.close()
        await server.wait_closed()
