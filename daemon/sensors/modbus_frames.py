"""Modbus TCP as it travels: one request out, and of what comes back the frame that answers it.

    request  number(2) 0000 length(2) unit(1) | function(1) start(2) count(2)
    answer   number(2) 0000 length(2) unit(1) | function(1) bytes(1) data      or   function|0x80 code(1)

The library connects, and closes; between the two its way of asking costs more than the answer's meaning does (a lock, a
task's worth of waiting, a log line for each layer), so over its connection we ask ourselves. RTU frames stay with it.
"""

from __future__ import annotations

import asyncio
import struct
from typing import cast

from typing_extensions import override

from daemon.sensors.modbus_wire import Client

_HEADER = struct.Struct(">HHHB")
_REQUEST = struct.Struct(">HHHBBHH")
#: Unit, function and one byte are the least; unit and PDU of 253 bytes the most (Modbus Messaging V1.0b, 3.1.3).
_SHORTEST, _LONGEST = 2, 254
#: Up to here a frame's length does not count its bytes.
_UNCOUNTED = 6


class Frames(asyncio.Protocol):
    """Asks over a connection that the library has built. To be used by one task, one request at a time."""

    def __init__(self, client: Client, timeout: float) -> None:
        """`timeout`: seconds that an answer may take."""
        self._library = client.ctx
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", client.ctx.transport)
        self._transport.set_protocol(self)
        self._number = 0
        self._unit = 0
        self._answer: asyncio.Future[bytes] | None = None
        #: The beginning of a frame whose end has not come.
        self._rest = b""

    async def ask(self, unit: int, function: int, start: int, count: int) -> bytes:
        """What the unit answers, from the function code on.

        Raises:
            TimeoutError: nothing came that belongs to the request. A late answer has another number than the next one.
            ConnectionError: the connection is lost.
        """
        if self._transport.is_closing():
            raise ConnectionError("closed before the request")
        self._number = self._number % 0xFFFF + 1
        self._unit = unit
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._answer = answer
        self._transport.write(_REQUEST.pack(self._number, 0, 6, unit, function, start, count))
        timer = self._loop.call_later(self._timeout, self._fail, TimeoutError)
        try:
            return await answer
        finally:
            timer.cancel()
            self._answer = None

    @override
    def data_received(self, data: bytes) -> None:
        """Cut frames; who waits gets the one that answers, all others go."""
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at > _UNCOUNTED + 1:
            number, protocol, length, unit = _HEADER.unpack_from(data, at)
            if protocol or not _SHORTEST <= length <= _LONGEST:  # no frame, and none can be found behind it
                at = size
                break
            end = at + _UNCOUNTED + length
            if length == _SHORTEST and size - at == _UNCOUNTED + 3:
                end += 1  # some devices leave the code of an exception out of the length
            if end > size:
                break
            # Some devices give no number: the connection is given up after a time-out, so nothing late comes by it.
            waited_for = number in (self._number, 0) and unit == (self._unit or unit)
            if waited_for and self._answer is not None and not self._answer.done():
                self._answer.set_result(data[at + _UNCOUNTED + 1 : end])
            at = end
        self._rest = data[at:]

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the library, and who waits."""
        self._library.connection_lost(exc)
        self._fail(ConnectionError)

    def _fail(self, error: type[OSError]) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error())
