"""How a Modbus bus is reached, and how it is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from daemon.documents import Span, Strict
from daemon.sensors.tls import Tls

#: RTU frames are told apart by a silence of 3.5 characters, and of 1.75 ms above 19 200 baud
#: (Modbus over Serial Line V1.02, 2.5.1.1).
_SILENT_CHARACTERS, _SHORTEST_SILENCE = 3.5, 0.00175


class ModbusTcp(Strict):
    """A Modbus TCP server: a device, or a gateway with several units behind it."""

    host: str = Field(min_length=1)
    #: 502, or 802 with TLS, when absent.
    port: int | None = Field(default=None, ge=1, le=65535)
    #: `rtu`: a transparent serial server that passes RTU frames, checksums and all, through a TCP connection.
    framing: Literal["tcp", "rtu"] = "tcp"
    #: Modbus/TCP Security, as the Modbus Organization calls it.
    tls: Tls | None = None

    @model_validator(mode="after")
    def _one_cover(self) -> Self:
        if self.tls is not None and self.framing == "rtu":
            raise ValueError("Modbus over TLS is framed as Modbus TCP; remove framing")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (802 if self.tls else 502)


class ModbusSerial(Strict):
    """A serial line, RS-485 as a rule, with RTU frames on it."""

    #: `/dev/serial/by-id/…` names an adapter for ever; `/dev/ttyUSB0` may be another one after a restart.
    port: str = Field(min_length=1)
    baud: int = Field(default=9600, ge=300, le=4_000_000)
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1

    @property
    def silence(self) -> float:
        """Seconds of silence before each request."""
        bits = 1 + 8 + (self.parity != "none") + self.stop_bits
        return max(_SHORTEST_SILENCE, _SILENT_CHARACTERS * bits / self.baud)


class ModbusConfig(Strict):
    """One bus, and how it is read."""

    #: Exactly one of `tcp` and `serial`.
    tcp: ModbusTcp | None = None
    serial: ModbusSerial | None = None
    #: How long an answer, or a connection, is waited for: so long a silent unit holds up the others.
    timeout: Span = Field(default=timedelta(seconds=1), ge=timedelta(milliseconds=10), le=timedelta(seconds=30))
    #: Repeats at once of a read that was not answered; the next slot comes anyway. A unit that failed gets none.
    retries: int = Field(default=0, ge=0, le=5)
    #: Silence that a slow gateway needs before each request; a serial line keeps what its baud rate asks for anyway.
    pause_between_requests: Span = Field(default=timedelta(0), le=timedelta(seconds=5))
    #: After so many failed polls in a row a unit counts as down, and is tried once per growing interval.
    most_failures: int = Field(default=3, ge=1, le=100)
    #: The longest such interval.
    longest_wait: Span = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.tcp is None) == (self.serial is None):
            raise ValueError("a Modbus source has exactly one of tcp and serial")
        return self

    @property
    def rtu(self) -> bool:
        """Whether frames are RTU's, which carry no number that ties an answer to its request."""
        return self.tcp is None or self.tcp.framing == "rtu"

    @property
    def tls(self) -> Tls | None:
        """How the connection is covered, if it is."""
        return self.tcp.tls if self.tcp is not None else None

    @property
    def units(self) -> range:
        """The unit numbers that can be asked: on a serial line 0 is everybody, and 248 to 255 are reserved."""
        return range(1, 248) if self.rtu else range(256)

    @property
    def place(self) -> str:
        """`host:port`, or the serial port, as messages name it."""
        if self.serial is not None:
            return self.serial.port
        host, port = self.tcp.address if self.tcp is not None else ("", 0)
        return f"{host}:{port}"

    @property
    def pause(self) -> float:
        """Seconds of silence before each request."""
        silence = self.serial.silence if self.serial is not None else 0.0
        return max(self.pause_between_requests.total_seconds(), silence)
