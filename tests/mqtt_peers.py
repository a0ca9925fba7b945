"""What the MQTT source meets in tests: bytes of the protocol, a broker that does as it is told, and Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from daemon.clock import SiteClock
from daemon.documents import build, parse
from daemon.model import Device, Input, Observation, Reading, Site, SourceDown, Taken, Text
from daemon.sensors.mqtt import MqttConfig, MqttSource
from daemon.sensors.profile import Binding, Profile, make_points

#: No condition in these tests takes longer on a busy machine.
PATIENCE = 20.0


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; the deadline is the failure, never the measure."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


# --- bytes -------------------------------------------------------------------------------------------------


def length_of(value: int) -> bytes:
    """A variable byte integer."""
    found = bytearray()
    while True:
        value, low = divmod(value, 128)
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)


def publish(
    topic: str,
    payload: bytes,
    *,
    mid: int = 0,
    dup: bool = False,
    v5: bool = True,
    properties: bytes = b"",
) -> bytes:
    """A PUBLISH: QoS 1 with a packet identifier, QoS 0 without."""
    name = topic.encode()
    body = struct.pack("!H", len(name)) + name
    if mid:
        body += struct.pack("!H", mid)
    if v5:
        body += length_of(len(properties)) + properties
    body += payload
    return bytes([0x30 | (2 if mid else 0) | (8 if dup else 0)]) + length_of(len(body)) + body


def connack(code: int = 0, *, session: bool = False, v5: bool = True) -> bytes:
    """A CONNACK."""
    body = bytes([int(session), code]) + (b"\0" if v5 else b"")
    return bytes([0x20, len(body)]) + body


# --- a broker that does as it is told ----------------------------------------------------------------------


@dataclass
class Connection:
    """One connection of a client, seen from the broker."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    v5: bool = True
    #: What the broker says to each filter of a subscription.
    verdict: bytes = b"\1\1\1\1"
    #: Packets received: (first byte, body).
    packets: list[tuple[int, bytes]] = field(default_factory=list)

    async def packet(self) -> tuple[int, bytes]:
        """The next packet."""
        first = (await self.reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await self.reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found = (first, await self.reader.readexactly(length))
        self.packets.append(found)
        return found

    async def greet(self, *, session: bool) -> None:
        """Accept CONNECT and wait for SUBSCRIBE, which is granted."""
        await self.packet()
        self.send(connack(session=session, v5=self.v5))
        while (found := await self.packet())[0] & 0xF0 != 0x80:
            self.answer(*found)
        self.answer(*found)

    def answer(self, first: int, body: bytes) -> None:
        """What a broker says to a packet."""
        match first & 0xF0:
            case 0x80:
                answer = body[:2] + (b"\0" if self.v5 else b"") + self.verdict
                self.send(bytes([0x90, len(answer)]) + answer)
            case 0x30:  # QoS 1, of our own status
                at = 2 + struct.unpack("!H", body[:2])[0]
                self.send(b"\x40\x02" + body[at : at + 2])
            case 0xC0:
                self.send(b"\xd0\x00")
            case _:
                pass

    def send(self, data: bytes) -> None:
        """Write, without waiting for the client to read."""
        self.writer.write(data)

    @property
    def acknowledged(self) -> list[int]:
        """Packet identifiers that the client has acknowledged."""
        return [struct.unpack("!H", body[:2])[0] for first, body in self.packets if first == 0x40]

    def count(self, kind: int) -> int:
        """How many packets of a kind came."""
        return sum(first & 0xF0 == kind for first, _ in self.packets)

    async def serve(self) -> None:
        """Read and answer until the client goes away."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.answer(*await self.packet())

    def drop(self) -> None:
        """Break the connection."""
        self.writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


@contextlib.asynccontextmanager
async def scripted(*scripts: Script, v5: bool = True) -> AsyncIterator[tuple[int, list[Connection]]]:
    """A broker that plays one script a connection, the last one for all that follow; gives its port and connections."""
    connections: list[Connection] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, v5)
        connections.append(connection)
        script = scripts[min(len(connections), len(scripts)) - 1]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await script(connection)
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], connections
    finally:
        server.close()
        for connection in connections:
            connection.drop()


# --- the spine, as a source sees it ------------------------------------------------------------------------


@dataclass
class Spine:
    """Takes what is emitted; while `gate` is clear, nothing is committed."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    observations: list[Observation] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    urgent: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with everything committed at once."""
        self.gate.set()

    async def __call__(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        """Commit."""
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        assert taken is not None
        self.observations += [entry for entry in inputs if isinstance(entry, Observation)]
        self.taken.append(taken)
        self.urgent.append(urgent)

    @property
    def readings(self) -> list[Reading]:
        """All readings committed."""
        return [reading for observation in self.observations for reading in observation.readings]

    @property
    def values(self) -> list[float | str]:
        """Their values."""
        return [reading.value for reading in self.readings]

    @property
    def packets(self) -> dict[int, int]:
        """What a journal would remember."""
        return dict(packet for taken in self.taken for packet in taken.packets)


# --- the source under test ---------------------------------------------------------------------------------

PROFILE = build(
    Profile,
    parse(
        """
version: 1
profile: counter
title: {zh: 计, en: Counter}
alive_within: 30s
mqtt: {topics: ["c/{id}"], presence: {topic: "c/{id}/online"}}
points:
  n: {json: {path: n}}
""",
        "counter.yaml",
    ),
)


def counter_source(
    port: int,
    *,
    host: str = "127.0.0.1",
    remembered: Mapping[int, int] | None = None,
    session: str = "",
    subscribed: Sequence[str] = (),
    **config: Any,  # noqa: ANN401
) -> MqttSource:
    """A source that hears one device, which counts: `c/1` carries {"n": …}. `config` goes into MqttConfig."""
    device = Device("d", "A", "m", timedelta(seconds=30))
    return MqttSource(
        MqttConfig.model_validate({"host": host, "port": port, **config}),
        [Binding(device, PROFILE, {"id": "1"}, make_points(PROFILE, device))],
        SiteClock(),
        site=Site("s1", Text("一号", "One")),
        name="m",
        remembered=remembered,
        session=session,
        subscribed=subscribed,
    )


@contextlib.asynccontextmanager
async def running(heard: MqttSource, spine: Spine) -> AsyncIterator[asyncio.Task[None]]:
    """Run a source inside the block."""
    task = asyncio.create_task(heard.run(spine))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceDown):
            await task


async def down(heard: MqttSource, spine: Spine | None = None) -> str:
    """Run a source that is to go down, and tell why it did."""
    with pytest.raises(SourceDown) as caught:
        async with asyncio.timeout(PATIENCE):
            await heard.run(spine or Spine())
    return str(caught.value)


# --- Mosquitto ---------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def need(program: str) -> str:
    """Path of a Debian program: missing in CI is a failure, elsewhere a reason to skip."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing: install Debian's package")
        pytest.skip(f"{program} is not installed")
    return path


class Mosquitto:
    """A real broker on a free port."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self._program = need("mosquitto")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        text = "\n".join(
            [
                f"listener {self.port} 127.0.0.1",
                "user root",  # started by root it would drop its rights, and could not read our files
                "max_queued_messages 0",
                "max_inflight_messages 0",
                *([] if any(line.startswith("password_file") for line in lines) else ["allow_anonymous true"]),
                *lines,
                "",
            ]
        )
        self._config.write_text(text)

    def start(self) -> None:
        """Start, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        for _ in range(1000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if self._process.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.01)
        pytest.fail(f"Mosquitto did not start: {self._log.read_text()}")

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
