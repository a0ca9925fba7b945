"""One connection to a Modbus bus that only reads.

An answer belongs to the request that asked for it, or to none: one request is under way at a time, unit, function and
length are compared, and on Modbus TCP the transaction number too; after a time-out a TCP connection is given up before
anything else is asked, so that the late answer finds nobody.

RTU frames carry no number, and a serial line cannot be given up. There a unit that did not answer owes an answer, which
may arrive as that of a later request. So before it is read again it is asked for another number of registers, whose
answer is thrown away, and after the read silence must follow: a late answer is then the one thrown away, has the wrong
length, or breaks the silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import struct
from collections.abc import Awaitable, Callable, Sequence

from pymodbus import ModbusException
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ModbusPDU

from daemon.model import SourceDown
from daemon.sensors.modbus_config import ModbusConfig
from daemon.sensors.modbus_frames import Frames
from daemon.sensors.modbus_wire import Client, connect
from daemon.sensors.registers import BIT_TABLES, Table

# Each unanswered request is an ERROR to pymodbus. To us it is a count, and one line when a unit goes down.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

_FUNCTIONS: dict[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}

#: Modbus Application Protocol V1.1b3, section 7.
_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge, still working",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}


class NoAnswer(Exception):
    """The unit did not answer in time, or not to what was asked."""


class Refused(Exception):
    """The unit, or the gateway before it, answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code} ({_EXCEPTIONS.get(code, 'not in the standard')})")
        self.code = code


class Link:
    """Connects when first asked to, and anew after `close`. To be used by one task."""

    def __init__(self, config: ModbusConfig) -> None:
        self._config = config
        self._timeout = config.timeout.total_seconds()
        self._client: Client | None = None
        #: The way to ask by Modbus TCP; RTU frames are the library's.
        self._frames: Frames | None = None
        #: Units on RTU that have not answered, and may yet.
        self._owing: set[int] = set()
        self._heard = asyncio.Event()

    async def connect(self) -> None:
        """Make sure of a connection.

        Raises:
            SourceDown: nobody takes it.
        """
        if self._client is not None and self._client.connected:
            return
        self.close()
        # A client of its own for each connection: nothing of an old one can reach into the new one.
        client = await connect(self._config, self._trace)
        _heed_cancellation(client)
        self._client = client
        self._frames = None if self._config.rtu else Frames(client, self._timeout)

    def close(self) -> None:
        """Give the connection up, if there is one. May be called at any time."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        """The words of `count` registers from `start` on; of coils and discrete inputs, a 0 or 1 each.

        Raises:
            SourceDown: the connection was lost, or cannot be built.
            NoAnswer: the unit was silent or answered something else.
            Refused: it answered with an exception code.
        """
        if unit in self._owing:
            return await self._read_of_debtor(unit, table, start, count)
        return await self._read(unit, table, start, count)

    async def _read_of_debtor(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        with contextlib.suppress(Refused):
            await self._read(unit, table, start, count - 1 if count > 1 else min(2, 0x10000 - start))
        words: Sequence[int] | None = None
        with contextlib.suppress(Refused):
            words = await self._read(unit, table, start, count)
        self._heard.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await self._heard.wait()
            raise NoAnswer("answered more often than it was asked: it is slower than timeout, write a longer one")
        self._owing.discard(unit)
        if words is None:  # now that the unit is in step again, the next read tells whether it meant this one
            raise NoAnswer("answered with an exception code")
        return words

    async def _read(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        client = self._client
        if client is None or not client.connected:
            await self.connect()
            client = self._client
            assert client is not None  # noqa: S101  connect() returned
        try:
            if self._frames is None:
                answer = await _ask_library(client, unit, table, start, count)
                _heed_cancellation(client)
            else:
                function = _FUNCTIONS[table]
                octets = await self._frames.ask(unit, function, start, count)
                if octets[:2] == bytes((function, 2 * count & 0xFF)) and len(octets) == 2 * count + 2 and function > 2:
                    return _words(count).unpack_from(octets, 2)  # as nearly all are
                answer = _taken_apart(client, octets)
        except (ModbusException, TimeoutError, ConnectionError) as error:
            if not client.connected:
                self.close()
                raise SourceDown(f"{self._config.place} {self._why_lost(unit)}") from error
            self._give_up(unit)
            raise NoAnswer(f"no answer within {self._timeout:g} s") from error
        return self._checked(unit, answer, table, count)

    def _checked(self, unit: int, answer: ModbusPDU, table: Table, count: int) -> Sequence[int]:
        function, bits = _FUNCTIONS[table], table in BIT_TABLES
        if answer.function_code == function | 0x80:
            raise Refused(answer.exception_code)
        # Bits travel in whole bytes: what fills up the last one is left out.
        words = [int(bit) for bit in answer.bits] if bits else answer.registers
        if answer.function_code != function or len(words) != (-(-count // 8) * 8 if bits else count):
            self._give_up(unit)
            raise NoAnswer(
                f"answered function {answer.function_code} with {len(words)} {'bits' if bits else 'registers'} "
                f"where function {function} with {count} was asked",
            )
        return words[:count] if bits else words

    def _give_up(self, unit: int) -> None:
        """Let nothing more arrive by this connection; a serial line opened anew would be the same wire."""
        if self._config.rtu:
            self._owing.add(unit)
        if self._config.serial is None:
            self.close()

    def _trace(self, sending: bool, packet: bytes) -> bytes:  # noqa: FBT001  the library's signature
        if not sending:
            self._heard.set()
        return packet

    def _why_lost(self, unit: int) -> str:
        if self._config.serial is not None:
            return f"was lost while unit {unit} was being read; check the adapter and its plug"
        untold = self._config.tls is not None and self._config.tls.certificate is None
        return (
            f"closed the connection while unit {unit} was being read; "
            "check the device and that no other master takes its only connection"
            + (", and whether it asks for tls.certificate" if untold else "")
        )


@functools.lru_cache(maxsize=128)  # as many counts as there are
def _words(count: int) -> struct.Struct:
    return struct.Struct(f">{count}H")


def _taken_apart(client: Client, octets: bytes) -> ModbusPDU:
    """An answer from its function code on, as the library reads it."""
    answer: ModbusPDU | None = client.ctx.framer.decoder.decode(octets)
    if answer is None:
        raise ModbusIOException("answered what is no Modbus")
    return answer


async def _ask_library(client: Client, unit: int, table: Table, start: int, count: int) -> ModbusPDU:
    ask: dict[Table, Callable[..., Awaitable[ModbusPDU]]] = {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }
    return await ask[table](start, count=count, device_id=unit)


def _heed_cancellation(client: Client) -> None:
    """Be cancelled now, if the library was told so and did not pass it on.

    It waits by `asyncio.wait_for`, which up to Python 3.11 drops a cancellation that arrives together with the result.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        client.close()
        raise asyncio.CancelledError
