"""`precomplaint demo`: the main job, live, against simulators started as child processes.

simulators (children)                      this process
broker <── lifts, leak contact             App, exactly as `precomplaint run` runs it
pump room (Modbus TCP)                     a view that looks at the file, as anybody may
InfluxDB stand-in, ticketing stand-in
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import structlog
from rich.console import Console
from rich.live import Live

from daemon import settings
from daemon.app import App
from daemon.cli.demo_view import render
from daemon.model import ConfigError
from daemon.store import ledger
from daemon.store.db import FILE, reader

log = structlog.get_logger(__name__)

_START_WITHIN = 20.0
_END_WITHIN = 5.0


@dataclass(slots=True)
class Outcome:
    """What the demo showed, and what of it was not as promised."""

    result: dict[str, Any]
    shortcomings: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """At least one Level-I order from each wire, and every reading where it belongs."""
        return not self.shortcomings

    def show(self, console: Console) -> None:
        """A closing line for people."""
        r = self.result
        console.print(
            f"收到 received {r['readings_received']}, 写入 written {r['readings_written']}, "
            f"拒收 rejected {r['readings_rejected']}, 告警 alarms {r['alarms']}",
            highlight=False,
        )
        for order in r["orders"]:
            console.print(f"  {order['level']}  {order['asset']}  {order['rule']}  {order['status']}", highlight=False)
        for shortcoming in self.shortcomings:
            console.print(f"不符合预期 not as promised: {shortcoming}", highlight=False)


class Child:
    """One simulator: started with a pipe as its life line, stopped by handle."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        self._process = process
        self.ready = ready

    @classmethod
    async def start(cls, *arguments: str) -> Child:
        """Start `python -m simulators …` and wait for the line in which it says that it is ready.

        Raises:
            ConfigError: it ended or stayed silent.
        """
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators", *arguments),
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.DEVNULL,
            # a terminal's Ctrl-C goes to its whole group; we still have to ask them what came of it
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101  it was asked for
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _START_WITHIN)
            return cls(process, orjson.loads(line))
        except (TimeoutError, orjson.JSONDecodeError) as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            command = "python -m simulators " + " ".join(arguments)
            raise ConfigError([f"a simulator did not start; run it by hand to see why: {command}"]) from error

    async def stop(self) -> None:
        """Close the life line, and insist when that is not enough."""
        assert self._process.stdin is not None  # noqa: S101  it was asked for
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the children listen."""

    broker: int
    water: int
    influx: str
    ticketing: str


async def demonstrate(seconds: float, *, live: bool) -> Outcome:
    """Run the demo for `seconds` (0: until interrupted) and tell what came of it.

    Raises:
        ConfigError: the simulators are not installed, or one of them did not start.
    """
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise ConfigError(["the demo needs the simulators; install them: pip install 'precomplaint[sim]'"])
    directory = Path(tempfile.mkdtemp(prefix="precomplaint-demo-"))
    try:
        async with surroundings() as around:
            configuration = settings.load(_write_configuration(directory, around))
            return await _run(App(configuration, directory), around, seconds, live=live)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.asynccontextmanager
async def surroundings() -> AsyncIterator[Surroundings]:
    """The children, started together and stopped in any case."""
    scenario = str(settings.shipped() / "scenarios" / "demo.yaml")
    async with contextlib.AsyncExitStack() as stack:

        async def start(*arguments: str) -> dict[str, Any]:
            child = await Child.start(*arguments)
            stack.push_async_callback(child.stop)
            return child.ready

        broker, influx, ticketing = await asyncio.gather(
            start("broker", "--port", "0"), start("influx", "--port", "0"), start("ticketing", "--port", "0")
        )
        # the embedded broker has a listener of its own for version 5, Mosquitto one for both
        peer = f"127.0.0.1:{broker['v5_port']}"
        water = await start("water", "--port", "0", "--scenario", scenario)
        await start("lift", "--broker", peer, "--scenario", scenario, "--leaks")
        yield Surroundings(
            broker["v5_port"],
            water["port"],
            f"http://127.0.0.1:{influx['port']}",
            f"http://127.0.0.1:{ticketing['port']}",
        )


def _write_configuration(directory: Path, around: Surroundings) -> Path:
    shutil.copytree(settings.shipped() / "demo", directory, dirs_exist_ok=True)
    template = directory / "gateway.yaml"
    places = {
        "@mqtt_port@": str(around.broker),
        "@modbus_port@": str(around.water),
        "@influx_url@": around.influx,
        "@ticketing_url@": around.ticketing,
    }
    text = template.read_text(encoding="utf-8")
    for mark, value in places.items():
        text = text.replace(mark, value)
    template.write_text(text, encoding="utf-8")
    return template


async def _run(app: App, around: Surroundings, seconds: float, *, live: bool) -> Outcome:
    loop = asyncio.get_running_loop()
    began = loop.time()
    running = loop.create_task(app.run(), name="app")
    viewing = loop.create_task(_view(app, around, seconds), name="view") if live else None
    try:
        await asyncio.wait(
            {running, *([viewing] if viewing else [])}, timeout=seconds or None, return_when="FIRST_COMPLETED"
        )
    finally:
        if viewing is not None:
            viewing.cancel()
        app.stop()
        await running
    return await _judge(app, around, round(loop.time() - began, 1))


async def _view(app: App, around: Surroundings, seconds: float) -> None:
    with Live(console=Console(stderr=True), refresh_per_second=2, transient=True) as view:
        while True:
            await asyncio.sleep(0.5)  # noqa: TID251  a screen's rhythm
            if not app.ready:
                continue
            view.update(
                render(
                    app.configuration,
                    app.intake.received,
                    app.forwarder.status().values_written,
                    around.ticketing,
                    seconds,
                )
            )


async def _judge(app: App, around: Surroundings, seconds: float) -> Outcome:
    site = app.configuration.catalogue.site.id
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{around.ticketing}/v1/orders", params={"site": site}) as response:
            tickets = (await response.json())["orders"]
        async with http.get(f"{around.influx}/_tally") as response:
            tally = await response.json()
    with reader(app.configuration.state_dir / FILE) as db:
        alarms = sum(ledger.counts(db)["alarms"].values())
    orders = [{name: t[name] for name in ("key", "level", "asset", "rule", "status")} for t in tickets]
    written = app.forwarder.status().values_written
    result = {
        "readings_received": app.intake.received,
        "readings_written": written,
        "readings_rejected": app.intake.rejected,
        "alarms": alarms,
        "orders": orders,
        "seconds": seconds,
    }
    outcome = Outcome(result)
    for wire in ("mqtt", "modbus"):
        assets = _assets_of(app, wire)
        if not any(o["level"] == "I" and o["asset"] in assets for o in orders):
            outcome.shortcomings.append(f"no Level-I order from a {wire} sensor is in the ticketing service")
    if tally["field_values_distinct"] != written:
        outcome.shortcomings.append(f"{written} readings written, the store holds {tally['field_values_distinct']}")
    return outcome


def _assets_of(app: App, wire: str) -> set[str]:
    sources = app.configuration.gateway.sources
    return {
        binding.device.asset
        for name, bindings in app.configuration.bindings.items()
        for binding in bindings
        if getattr(sources[name], wire) is not None
    }
