"""One connection to a Modbus TCP server that only reads.

An answer belongs to the request that asked for it, or to none: one request is under way at a time, unit, function,
transaction and length are compared, and after a time-out the connection is given up before anything else is asked,
so that the late answer finds nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ModbusPDU

from daemon.model import SourceDown
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

    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout
        self._client: AsyncModbusTcpClient | None = None

    async def connect(self) -> None:
        """Make sure of a connection.

        Raises:
            SourceDown: nobody takes it.
        """
        if self._client is not None and self._client.connected:
            return
        self.close()
        # A client of its own for each connection: nothing of an old one can reach into the new one. It neither
        # connects again by itself nor asks twice; both are decided here.
        client = AsyncModbusTcpClient(
            self._host, port=self._port, timeout=self._timeout, retries=0, reconnect_delay=0, name="modbus"
        )
        connected = await client.connect()
        _heed_cancellation(client)
        if not connected:
            client.close()
            raise SourceDown(
                f"{self._host}:{self._port} takes no Modbus TCP connection within {self._timeout:g} s; check that the "
                "device is on, the address and port are right, and no other master holds its only connection",
            )
        self._client = client

    def close(self) -> None:
        """Give the connection up, if there is one. May be called at any time."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        """The words of `count` registers from `start` on; of coils and discrete inputs, a 0 or 1 each.

        Raises:
            SourceDown: the connection was lost, or cannot be built.
            NoAnswer: the unit was silent or answered something else; the connection has been given up.
            Refused: it answered with an exception code.
        """
        await self.connect()
        client = self._client
        assert client is not None  # noqa: S101  connect() returned
        ask: dict[Table, Callable[..., Awaitable[ModbusPDU]]] = {
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
        }
        try:
            answer = await ask[table](start, count=count, device_id=unit)
            _heed_cancellation(client)
        except ModbusException as error:
            connected = client.connected
            self.close()
            if connected:
                raise NoAnswer(f"no answer within {self._timeout:g} s") from error
            raise SourceDown(
                f"{self._host}:{self._port} closed the connection while unit {unit} was being read; "
                "check the device and that no other master takes its only connection",
            ) from error
        return self._checked(answer, table, count)

    def _checked(self, answer: ModbusPDU, table: Table, count: int) -> Sequence[int]:
        function, bits = _FUNCTIONS[table], table in BIT_TABLES
        if answer.function_code == function | 0x80:
            raise Refused(answer.exception_code)
        # Bits travel in whole bytes: what fills up the last one is left out.
        words = [int(bit) for bit in answer.bits] if bits else answer.registers
        if answer.function_code != function or len(words) != (-(-count // 8) * 8 if bits else count):
            self.close()
            raise NoAnswer(
                f"answered function {answer.function_code} with {len(words)} {'bits' if bits else 'registers'} "
                f"where function {function} with {count} was asked",
            )
        return words[:count] if bits else words


def _heed_cancellation(client: AsyncModbusTcpClient) -> None:
    """Be cancelled now, if the library was told so and did not pass it on.

    It waits by `asyncio.wait_for`, which up to Python 3.11 drops a cancellation that arrives together with the result.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        client.close()
        raise asyncio.CancelledError
