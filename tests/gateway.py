"""A whole gateway for tests: the real program as a child process, between stand-ins that come and go.

Gateway (a folder of configuration)          Peers (in the test's own event loop, each on a port of its own)
   └─ running() ─> Daemon, the child            broker · pump · influx · ticketing
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiomqtt

from daemon import control
from daemon.store import journal
from daemon.store.db import FILE, reader
from simulators import broker, influx, modbus_device, ticketing
from simulators.modbus_server import HOLDING, ModbusServer
from simulators.water import WaterState
from tests.mqtt_peers import free_port, need, until

#: Seconds that a whole process may take on a busy machine.
PATIENCE = 20.0

RULES = """
version: 1
rules:
  - id: chain
    title: {zh: 安全回路断开, en: Safety chain open}
    applies_to: {kind: lift}
    levels: [{level: I, when: {point: safety_chain, equals: open}}]
    basis: test
    cause: {zh: 门, en: door}
    consequence: {zh: 停梯, en: stops}
    work_order: {category: safety, steps: [{zh: 看, en: look}]}
  - id: hot
    title: {zh: 机房过热, en: Machine room hot}
    applies_to: {kind: lift}
    levels: [{level: I, when: {point: room_temp, above: 45 °C}}]
    basis: test
    cause: {zh: 风机, en: fan}
    consequence: {zh: 停梯, en: stops}
    work_order: {category: facility, steps: [{zh: 看, en: look}]}
  - id: door
    title: {zh: 轿门久开, en: Door held open}
    applies_to: {kind: lift}
    levels: [{level: I, when: {point: door, equals: open}, for: 3s}]
    basis: test
    cause: {zh: 门, en: door}
    consequence: {zh: 停梯, en: stops}
    work_order: {category: facility, steps: [{zh: 看, en: look}]}
  - id: low
    title: {zh: 出口压力低, en: Outlet pressure low}
    applies_to: {kind: water_zone}
    levels: [{level: I, when: {point: outlet_pressure, below: 0.10 MPa}}]
    basis: test
    cause: {zh: 泵, en: pump}
    consequence: {zh: 停水, en: no water}
    work_order: {category: facility, steps: [{zh: 看, en: look}]}
"""

ASSETS = """
version: 1
site: {id: here, name: {zh: 小区, en: Gardens}}
assets:
  - id: lift-1
    kind: lift
    name: {zh: 1号梯, en: Lift 1}
    devices: [{profile: lift-status-json, source: site-mqtt, address: {lift: L1}}]
  - id: zone-1
    kind: water_zone
    name: {zh: 高区, en: Zone 1}
    devices: [{profile: pump-room-modbus, source: pump-bus, address: {unit: 1}}]
"""

GATEWAY = """
version: 1
state_dir: state
rules: [rules]
profiles: [profiles]
sources:
  site-mqtt: {{mqtt: {{host: 127.0.0.1, port: {broker}}}}}
  pump-bus: {{modbus: {{tcp: {{host: 127.0.0.1, port: {pump}}}}}}}
influx: {{url: "http://127.0.0.1:{influx}", org: o, bucket: b, flush_interval: 100ms}}
ticketing: {{url: "http://127.0.0.1:{ticketing}", poll_interval: 1s}}
"""


class Finished(NamedTuple):
    """A command that has ended."""

    status: int
    out: str
    err: str


# --- stand-ins ---------------------------------------------------------------------------------------------


_CALM = WaterState(
    outlet=0.31,
    inlet=0.25,
    top=0.21,
    tank_level=2.0,
    tank_percent=80.0,
    running=(True, False),
    pump_fault=(False, False),
    leak=False,
    mains=True,
    motor_temp=(40.0, 20.0),
    flow=9.0,
    inflow=9.0,
    starts=(10, 10),
    delivered=1000.0,
    taken_in=1000.0,
    drained=0.0,
    valve_percent=100.0,
    seconds=1.0,
)


@dataclass
class Registers:
    """What the pump room's controller holds: two pumps that run, everything as it should be."""

    holding: list[int] = field(default_factory=lambda: modbus_device.holding(_CALM))
    input: list[int] = field(default_factory=lambda: modbus_device.inputs(_CALM))

    def read(self, function: int, address: int, count: int) -> list[int] | None:
        """See `Bank`."""
        table = self.holding if function == HOLDING else self.input
        return table[address : address + count] if address + count <= len(table) else None


class Peers:
    """Everything the daemon speaks with. Each keeps its port and what it knows when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("broker", "pump", "influx", "ticketing")}
        self.registers = Registers()
        self.influx: influx.Influx
        self.ticketing: ticketing.Ticketing
        self._running: dict[str, contextlib.AsyncExitStack] = {}

    async def start(self, *names: str) -> None:
        """Start some; without names all that do not run."""
        for name in names or [name for name in self.ports if name not in self._running]:
            stack = self._running[name] = contextlib.AsyncExitStack()
            port = self.ports[name]
            if name == "broker":
                need("mosquitto")  # the embedded broker has two ports, and forgets its sessions
                serving = broker.serving(port=port, directory=self.folder / "broker", engine="mosquitto")
                await stack.enter_async_context(serving)
            elif name == "pump":
                await stack.enter_async_context(ModbusServer({1: self.registers}).serving(port))
            elif name == "influx":
                series = influx.serving(port=port, file=self.folder / "influx.log")
                self.influx = await stack.enter_async_context(series)
            else:
                orders = ticketing.serving(port=port, path=self.folder / "tickets.db")
                self.ticketing = await stack.enter_async_context(orders)

    async def stop(self, *names: str) -> None:
        """Stop some; without names all."""
        for name in names or tuple(self._running):
            await self._running.pop(name).aclose()

    async def say(self, topic: str, *payloads: bytes | str) -> None:
        """Publish; returns when the broker has acknowledged."""
        await self.say_all([(topic, payload) for payload in payloads])

    async def say_all(self, messages: Iterable[tuple[str, bytes | str]]) -> None:
        """Publish on several topics."""
        async with aiomqtt.Client("127.0.0.1", self.ports["broker"]) as client:
            for topic, payload in messages:
                await client.publish(topic, payload, qos=1)

    def orders(self) -> list[dict[str, Any]]:
        """What stands in the ticketing service, newest first."""
        return self.ticketing.store.find()

    def values(self) -> int:
        """Different values of points in the time-series store."""
        return self.influx.points.tally()["field_values_distinct"]


def said(order: dict[str, Any]) -> list[str]:
    """The kinds of the notes on an order, charts left out: these come whenever they are drawn."""
    return [note["kind"] for note in order["notes"] if not note.get("chart")]


def lift(*, at: float | None = None, chain: str = "closed", door: str = "closed", room: float = 25.0) -> str:
    """One status message of a lift with 15 points, `at` in seconds since 1970 (now when absent)."""
    data = {"mode": "normal", "floor": 7, "direction": 0, "speed": 0.0, "door": door, "in_zone": True, "fault": []}
    body = {
        "ts": round((time.time() if at is None else at) * 1000),
        "data": {**data, "safety_chain": chain},
        "machine": {"room_temp": room, "motor_temp": 52.0},
        "trip": {"level_mm": 3.1, "vibration_pp": 0.18},
        "rope": {"dia_ratio": 98.2},
    }
    return json.dumps(body)


#: Points in one such message.
LIFT_POINTS = 15


# --- the program -------------------------------------------------------------------------------------------


class Daemon:
    """`precomplaint run` as a child, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, state: Path, service: socket.socket) -> None:
        self.process = process
        self.state = state
        self._log = log
        self._service = service
        self._told = ""

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event."""
        lines = (
            json.loads(line) for line in self._log.read_text("utf-8").splitlines(keepends=True) if line[-1] == "\n"
        )
        return [line for line in lines if line["event"] == event]

    def told(self, state: str) -> bool:
        """Whether the service manager was told so, e.g. `READY=1`."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._told += self._service.recv(65536).decode() + "\n"
        return state in self._told.splitlines()

    async def ready(self) -> None:
        """Wait until the service manager was told that the daemon is ready."""
        await until(lambda: self.told("READY=1") or self.process.returncode is not None)
        assert self.process.returncode is None, self._log.read_text("utf-8")

    async def ask(self, command: str = "status") -> dict[str, Any]:
        """Ask over the control socket."""
        return await control.ask(self.state / "control.sock", command)

    async def received(self, count: int) -> dict[str, Any]:
        """Wait until so many readings have been committed; the status then."""
        async with asyncio.timeout(PATIENCE):
            while (status := await self.ask())["readings"]["received"] < count:
                await asyncio.sleep(0.02)
        return status

    async def listens(self) -> None:
        """Wait until the broker has granted our subscriptions: from now on nothing is lost."""
        await until(lambda: self.rows("SELECT 1 FROM fact WHERE name LIKE 'subscribed %'"))

    async def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(by)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def readings(self) -> int:
        """Readings in the journal."""
        with reader(self.state / FILE) as db:
            return sum(len(item.readings) for _, item in journal.observations(db, 0, 1 << 62, 1 << 30))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A look into the file."""
        with reader(self.state / FILE) as db:
            return db.execute(query).fetchall()


class Gateway:
    """A folder with a whole configuration, and the command `precomplaint` for it."""

    def __init__(self, folder: Path, peers: Peers) -> None:
        self.folder = folder
        self.state = folder / "state"
        for name in ("rules", "profiles"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.write("gateway.yaml", GATEWAY.format(**peers.ports))
        self.write("assets.yaml", ASSETS)
        self.write("rules/own.yaml", RULES)
        self._starts = 0

    def write(self, name: str, text: str) -> None:
        """Write a file of the configuration."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a file of the configuration."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    async def command(self, *arguments: str) -> Finished:
        """Run a command to its end, on this configuration where it takes one."""
        config = {"PRECOMPLAINT_CONFIG": str(self.folder)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "daemon", *arguments),
            **_PIPES,
            env=environment(config),
        )
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        return Finished(process.returncode or 0, out.decode(), err.decode())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Daemon]:
        """The daemon, ready; killed at the end if it still runs."""
        self._starts += 1
        log = self.folder / f"log-{self._starts}"
        with contextlib.ExitStack() as stack:
            service = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            address = f"\0precomplaint-test-{os.getpid()}-{self.folder}-{self._starts}"
            service.bind(address)
            service.setblocking(False)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "daemon", "run", "-c", str(self.folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stack.enter_context(log.open("wb")),
                env=environment({"NOTIFY_SOCKET": "@" + address[1:]}),
            )
            daemon = Daemon(process, log, self.state, service)
            try:
                await daemon.ready()
                yield daemon
            except BaseException:
                sys.stderr.write(log.read_text("utf-8")[-20_000:])  # pytest shows it with the failure
                raise
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


_PIPES: dict[str, Any] = {
    "stdin": asyncio.subprocess.DEVNULL,
    "stdout": asyncio.subprocess.PIPE,
    "stderr": asyncio.subprocess.PIPE,
}


def environment(more: dict[str, str]) -> dict[str, str]:
    """For a child that is to find this source tree."""
    root = str(Path(__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": root, "COLUMNS": "200", **more}
