"""An MQTT broker for demo and tests: Mosquitto when it is installed, else the embedded rumqttd of `iotcore`.

Both are set up so that nothing a client was promised is dropped: Mosquitto's default queue of 1 000 messages drops
silently when it is full. Mosquitto speaks 3.1.1 and 5 on one port; rumqttd has a port for each.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.sockets import free_port, listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENGINES = ("mosquitto", "iotcore")
#: A chosen free port may be gone when the broker binds it.
_TRIES = 5
_READY_WITHIN = 15.0
_STOP_WITHIN = 10.0

_MOSQUITTO = """
# max_queued_messages 0 and max_queued_bytes 0: no limit, so that a full queue never drops a QoS 1 message.
listener {port} 127.0.0.1
{user}
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 1000
persistence true
persistence_location {directory}/
autosave_interval 30
log_dest stderr
log_type error
log_type warning
"""

_RUMQTTD = """
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "v4-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 1000
dynamic_filters = true
[v5.1]
name = "v5-1"
listen = "127.0.0.1:{v5_port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 1000
dynamic_filters = true
"""
#: rumqttd reports each packet as an error; only a failure to start is of interest.
_RUN_RUMQTTD = (
    "import logging, sys; logging.getLogger('rumqttd').setLevel(logging.CRITICAL); from iotcore import Broker; "
    "Broker(config_path=sys.argv[1]).run_forever()"
)


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker."""

    #: Speaks 3.1.1, and 5 too when `v5_port` is the same.
    port: int
    v5_port: int
    engine: str
    process: asyncio.subprocess.Process

    @property
    def protocol(self) -> list[str]:
        """Protocol versions that `port` speaks."""
        return ["3.1.1", "5"] if self.v5_port == self.port else ["3.1.1"]


def installed() -> str:
    """The engine that `serving` takes by default."""
    return "mosquitto" if _mosquitto() else "iotcore"


@asynccontextmanager
async def serving(*, port: int = 0, directory: Path | None = None, engine: str | None = None) -> AsyncIterator[Broker]:
    """Run a broker on 127.0.0.1 while the context is open.

    Args:
        port: 0 takes a free one.
        directory: where Mosquitto keeps sessions and queued messages over a restart (rumqttd forgets them), and where
            configuration and log are written; None: a temporary one.
        engine: one of ENGINES; None: what is installed.

    Raises:
        OSError: the port is taken, or the broker did not come up, with its own words.
    """
    engine = engine or installed()
    with tempfile.TemporaryDirectory(prefix="broker-") as temporary:
        broker = await _started(engine, port, (directory or Path(temporary)).resolve())
        try:
            yield broker
        finally:
            await _stop(broker.process)


async def _started(engine: str, wanted: int, directory: Path) -> Broker:
    # Somebody else on the port could answer in the broker's place; bind it once to see that it is free.
    listen(wanted).close()
    chosen = wanted
    for _ in range(1 if wanted else _TRIES):
        chosen = wanted or free_port()
        v5_port = chosen if engine == "mosquitto" else free_port()
        command = _prepared(engine, chosen, v5_port, directory)
        with (directory / "broker.log").open("w") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(_READY_WITHIN):
                if await _answers(process, chosen, 4) and await _answers(process, v5_port, 5):
                    return Broker(chosen, v5_port, engine, process)
        except TimeoutError:
            pass  # it says why below
        except asyncio.CancelledError:
            await _stop(process)
            raise
        await _stop(process)
    said = (directory / "broker.log").read_text(errors="replace").strip()[-500:]
    raise OSError(f"{engine} did not come up on port {chosen}: {said or 'it said nothing'}")


def _prepared(engine: str, port: int, v5_port: int, directory: Path) -> list[str]:
    """Write the engine's configuration and name the command that runs it."""
    directory.mkdir(parents=True, exist_ok=True)
    if engine == "mosquitto":
        config = directory / "mosquitto.conf"
        # Started by root it would become the user `mosquitto`, who may not write here.
        user = f"user {directory.owner()}"
        config.write_text(_MOSQUITTO.format(port=port, user=user, directory=directory))
        command = [_mosquitto() or "mosquitto", "-c", str(config)]
    elif engine == "iotcore":
        config = directory / "rumqttd.toml"
        config.write_text(_RUMQTTD.format(port=port, v5_port=v5_port))
        command = [sys.executable, "-c", _RUN_RUMQTTD, str(config)]
    else:
        raise ValueError(f"the engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    # With it, the broker dies with us even when we are killed.
    tie = shutil.which("setpriv")
    return [tie, "--pdeathsig", "TERM", *command] if tie else command


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


async def _answers(process: asyncio.subprocess.Process, port: int, level: int) -> bool:
    """Wait until the port accepts an MQTT client of this protocol level (4 is 3.1.1); False when the process ended."""
    while process.returncode is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
            continue
        try:
            writer.write(_connect(level))
            if (await reader.read(4))[:1] == b"\x20" and process.returncode is None:
                writer.write(b"\xe0\x00")
                return True
        finally:
            writer.close()
        await asyncio.sleep(0.02)
    return False


def _connect(level: int) -> bytes:
    """A CONNECT packet with a clean session, 60 s keep-alive and no properties."""
    name = f"ready-{level}".encode()
    properties = b"\x00" if level == 5 else b""
    body = b"\x00\x04MQTT" + bytes([level, 0x02, 0, 60]) + properties + bytes([0, len(name)]) + name
    return bytes([0x10, len(body)]) + body


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
