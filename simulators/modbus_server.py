"""A Modbus TCP server of our own (MBAP framing, function codes 1-4, read only), with faults to switch on at run time.

It shares no code with the library the gateway reads with, so a bug in that cannot hide behind the same bug here.

    request  tid(2) 0000 length(2) unit(1) | fc(1) address(2) count(2)
    reply    tid(2) 0000 length(2) unit(1) | fc(1) bytes(1) data          or   fc|0x80 code(1)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_TARGET = 1, 2, 3, 11
_HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")
_LONGEST = 254  # unit and PDU, Modbus application protocol V1.1b3
_MOST_REGISTERS, _MOST_BITS = 125, 2000
COILS, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4
_BITS = frozenset({COILS, DISCRETE})


class Bank(Protocol):
    """The tables of one unit."""

    def read(self, function: int, address: int, count: int) -> list[int] | None:
        """The words (or bits) of a table at this moment; None when any of them does not exist."""


@dataclass(slots=True)
class WireFaults:
    """What goes wrong on the line; may be changed while the server runs."""

    #: Answer nothing at all.
    silent: bool = False
    #: Seconds before each answer.
    delay: float = 0.0
    #: Hold each answer back and send it when the next request comes: the client gets the previous transaction.
    late: bool = False
    #: Answer in the name of another unit.
    wrong_unit: bool = False
    #: Send half of the answer, then close the connection.
    cut: bool = False
    #: Answer everything with this exception code.
    exception: int = 0
    #: Answer with words that mean nothing, well framed: nobody can tell them from a measurement but by their range.
    garbage: bool = False
    #: Answer with bytes that are no frame.
    noise: bool = False
    #: Turn over a bit of the answer after its checksum was made; only RTU frames have one.
    crc: bool = False
    #: Send each answer so many times more.
    again: int = 0


class Mouth:
    """What of an answer goes over one connection, with what is wrong on the line; keeps the one held back."""

    def __init__(self) -> None:
        self._held = b""
        self._noise = random.Random(0)

    def spoken(self, frame: bytes, faults: WireFaults) -> bytes:
        """The bytes to send instead of an honest frame."""
        if faults.noise:
            frame = self._noise.randbytes(len(frame))
        if faults.late:
            frame, self._held = self._held, frame
        else:
            self._held = b""
        return frame * (1 + faults.again)


class ModbusServer:
    """Serves the banks of its units to any number of connections, each answered in turn."""

    def __init__(self, units: Mapping[int, Bank], *, unknown_unit_silent: bool = False) -> None:
        self._units = units
        self._unknown_unit_silent = unknown_unit_silent
        self.faults: dict[int, WireFaults] = {unit: WireFaults() for unit in units}
        self.requests_total = 0
        self.port = 0

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[ModbusServer]:
        """Listen inside the block; `port` 0 takes a free one, told by `self.port`.

        Raises:
            OSError: The port is taken.
        """
        connections: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                connections.add(task)
                task.add_done_callback(connections.discard)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._converse(reader, writer)
            writer.close()

        server = await asyncio.start_server(connected, host, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
            await server.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mouth = Mouth()
        while True:
            transaction, protocol, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if protocol != 0 or not 2 <= length <= _LONGEST:
                return  # not Modbus, or out of step: nothing after this can be trusted
            pdu = await reader.readexactly(length - 1)
            faults = self.faults.get(unit, WireFaults())
            answer = await self.answer(unit, pdu, faults)
            if answer is None:
                continue
            named = unit ^ 0x55 if faults.wrong_unit else unit
            frame = _HEADER.pack(transaction, 0, len(answer) + 1, named) + answer
            if faults.cut:
                writer.write(frame[: len(frame) // 2])
                await writer.drain()
                return
            writer.write(mouth.spoken(frame, faults))
            await writer.drain()

    async def answer(self, unit: int, pdu: bytes, faults: WireFaults) -> bytes | None:
        """The reply's PDU when it is due, however it will be framed; None for silence."""
        self.requests_total += 1
        answer = self._answer(unit, pdu, faults)
        if answer is None or faults.silent:
            return None
        if faults.delay > 0.0:
            await asyncio.sleep(faults.delay)
        return answer

    def _answer(self, unit: int, pdu: bytes, faults: WireFaults) -> bytes | None:
        """The reply's PDU; None for silence."""
        function = pdu[0]
        bank = self._units.get(unit)
        if bank is None:
            return None if self._unknown_unit_silent else _exception(function, NO_TARGET)
        fault = faults.exception or _refusal(pdu)
        if fault:
            return _exception(function, fault)
        _, address, count = _READ.unpack(pdu)
        values = bank.read(function, address, count)
        if values is None:
            return _exception(function, ILLEGAL_ADDRESS)
        if faults.garbage:
            values = [(value * 40_503 + 0x7E57 + place) & 0xFFFF for place, value in enumerate(values)]
        data = _packed_bits(values) if function in _BITS else struct.pack(f">{count}H", *values)
        return bytes((function, len(data))) + data


def _refusal(pdu: bytes) -> int:
    """The exception code of a request that no bank could answer; 0 when it is well formed."""
    if not COILS <= pdu[0] <= INPUT:
        return ILLEGAL_FUNCTION
    if len(pdu) != _READ.size:
        return ILLEGAL_VALUE
    _, _, count = _READ.unpack(pdu)
    most = _MOST_BITS if pdu[0] in _BITS else _MOST_REGISTERS
    return 0 if 1 <= count <= most else ILLEGAL_VALUE


def _exception(function: int, code: int) -> bytes:
    return bytes((function | 0x80, code))


def _packed_bits(values: list[int]) -> bytes:
    """Eight bits a byte, the first one lowest."""
    data = bytearray((len(values) + 7) // 8)
    for place, value in enumerate(values):
        data[place // 8] |= (value & 1) << (place % 8)
    return bytes(data)
