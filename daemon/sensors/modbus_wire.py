"""The library's clients, one for each way to a bus, and why a bus could not be reached."""

from __future__ import annotations

import errno
import ssl
import struct
import termios
from collections.abc import Callable

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse
from pymodbus.transport import CommParams, CommType
from typing_extensions import override

from daemon.model import SourceDown
from daemon.sensors.modbus_config import ModbusConfig, ModbusSerial, ModbusTcp

Client = AsyncModbusTcpClient | AsyncModbusSerialClient
#: Told of each packet: whether we sent it, and its bytes, which it gives back.
Trace = Callable[[bool, bytes], bytes]

_PARITY = {"none": "N", "even": "E", "odd": "O"}


class _TlsClient(AsyncModbusTcpClient):
    """Modbus TCP through TLS. The library's own takes what one segment brings for a whole answer."""

    def __init__(self, tcp: ModbusTcp, context: ssl.SSLContext, timeout: float, trace: Trace) -> None:
        host, port = tcp.address
        self.comm_params = CommParams(
            comm_name="modbus",
            comm_type=CommType.TLS,
            host=host,
            port=port,
            sslctx=context,
            timeout_connect=timeout,
            reconnect_delay=0,
        )
        super().__init__("", framer=FramerType.SOCKET, retries=0, trace_packet=trace)


class _Holding(ReadHoldingRegistersResponse):
    """The library's answer, taken apart by one call instead of one a register: half of what a read costs."""

    @override
    def decode(self, data: bytes) -> None:
        """Take the words out; the first byte tells how many bytes they are."""
        count = data[0]
        if count >= len(data):
            raise ModbusIOException(f"{count} bytes are announced, {len(data) - 1} have come")
        self.registers = list(struct.unpack_from(f">{count // 2}H", data, 1))

    @override
    def __str__(self) -> str:
        """Made for each answer, whether the library logs or not."""
        return f"{type(self).__name__} of {len(self.registers)} registers"


class _Input(_Holding):
    function_code = 4


async def connect(config: ModbusConfig, trace: Trace) -> Client:
    """A connected client, which neither connects again by itself nor asks twice.

    Raises:
        SourceDown: nobody takes the connection, or there is no such port.
        ConfigError: a certificate cannot be read.
    """
    client = _client(config, trace)
    client.register(_Holding)
    client.register(_Input)
    causes: list[Exception] = []
    create = client.ctx.call_create

    async def remembering() -> object:
        try:
            return await create()
        except (OSError, ValueError, termios.error) as error:
            causes.append(error)
            raise OSError(str(error)) from error

    client.ctx.call_create = remembering
    if await client.connect():
        return client
    client.close()
    cause = causes[0] if causes else None
    raise SourceDown(f"{config.place} {_why(config, cause)}") from cause


def _client(config: ModbusConfig, trace: Trace) -> Client:
    timeout = config.timeout.total_seconds()
    tcp, serial = config.tcp, config.serial
    if serial is not None:
        return AsyncModbusSerialClient(
            serial.port,
            framer=FramerType.RTU,
            baudrate=serial.baud,
            parity=_PARITY[serial.parity],
            stopbits=serial.stop_bits,
            timeout=timeout,
            retries=0,
            reconnect_delay=0,
            name="modbus",
            trace_packet=trace,
        )
    assert tcp is not None  # noqa: S101  a configuration has one of the two
    if tcp.tls is not None:
        return _TlsClient(tcp, tcp.tls.context(), timeout, trace)
    host, port = tcp.address
    return AsyncModbusTcpClient(
        host,
        port=port,
        framer=FramerType.RTU if config.rtu else FramerType.SOCKET,
        timeout=timeout,
        retries=0,
        reconnect_delay=0,
        name="modbus",
        trace_packet=trace,
    )


def _why(config: ModbusConfig, cause: Exception | None) -> str:
    """What is wrong, and what to do about it."""
    if config.serial is not None:
        return _why_no_port(config.serial, cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted: {cause.verify_message}; check tls.ca and host"
    if isinstance(cause, ssl.SSLError):
        return f"takes no TLS: {cause.reason or cause}; check that this is a TLS port, and tls.certificate"
    return (
        f"takes no Modbus TCP connection within {config.timeout.total_seconds():g} s"
        + (f" ({getattr(cause, 'strerror', None) or cause})" if cause is not None else "")
        + "; check that the device is on, the address and port are right, and no other master holds its only connection"
    )


def _why_no_port(serial: ModbusSerial, cause: Exception | None) -> str:
    by_id = "" if "/by-id/" in serial.port else "; a path under /dev/serial/by-id stays the same over restarts"
    match getattr(cause, "errno", None):
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"is not there: plug the adapter in, and see `ls -l /dev/serial/by-id` for its name{by_id}"
        case errno.EACCES | errno.EPERM:
            return (
                "may not be opened by this user: add the user to the group that owns the port "
                "(`usermod -aG dialout USER`; in a systemd unit SupplementaryGroups=dialout) and start again"
            )
        case errno.EAGAIN | errno.EBUSY:
            return f"is held by another program: `fuser {serial.port}` names it; one line has one master"
        case _:
            what = cause if cause is not None else "it does not answer"
            return f"cannot be opened as a serial line: {what}; check port, baud, parity and stop_bits{by_id}"
