"""The run itself: start the outside world, kill the daemon as planned, let it drain, count."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from typing_extensions import override

from daemon.commitpoints import NAMES
from tests.crash import site
from tests.crash.children import ROOT, Simulator, simulator
from tests.crash.tally import Tally, acknowledged, compare, expected_orders, orders, stored

#: A kill at no named moment.
RANDOM = "random"
#: What the load passes again and again; the other moments of an order's life are passed by the scenarios.
POINTS = tuple(
    name
    for name in NAMES
    if name.partition("_")[2]
    in {"process", "commit", "ack", "create", "receipt", "mark", "snapshot", "note", "postpone"}
)
#: How often a moment is passed before the kill, at most; orders and snapshots are rarer than commits.
_PASSAGES = {"create": 2, "receipt": 2, "snapshot": 2}
_OTHER_PASSAGES = 25
#: A named moment that does not come within this many seconds becomes a kill at no named moment.
_PATIENCE = 15.0
_STARTS_WITHIN = 30.0
_STOPS_WITHIN = 60.0
#: The longest that the last, undisturbed run may take to deliver everything.
_DRAINS_WITHIN = 300.0
#: A leak this young at the end of the script may not have been polled yet.
_LEAK_SEEN_WITHIN = 15.0


class DaemonEnded(Exception):
    """The daemon ended by itself, which no kill excuses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    kills: int
    #: Where to kill, in turn; every second kill is at a random moment besides.
    points: tuple[str, ...] = POINTS
    with_random: bool = True
    #: Messages a second.
    rate: float = 150.0
    seed: int = 1
    #: See tests/crash/child.py.
    mutation: str = "none"
    #: How long the last run may take before what is there is counted as it is.
    drains_within: float = _DRAINS_WITHIN
    #: `mosquitto`, `iotcore`, or what is installed.
    broker: str = ""


@dataclass(slots=True)
class Result:
    """What came of it."""

    tally: Tally
    kills: int
    #: The broker that was used.
    broker: str = "mosquitto"
    #: Kills by named moment.
    at: Counter[str] = field(default_factory=Counter)
    publisher: dict[str, int] = field(default_factory=dict)

    @property
    def is_as_promised(self) -> bool:
        """Whether every figure is what the daemon promises with this broker.

        rumqttd repeats without the flag DUP and under new packet ids, so nobody can tell a repetition from a new
        message: with it messages may stand there twice, as QoS 1 allows. Nothing else may go wrong.
        """
        tally = self.tally
        return tally.is_exact or (
            self.broker == "iotcore" and not (tally.lost or tally.orders_missing or tally.duplicates)
        )

    @override
    def __str__(self) -> str:
        """As printed: the kills by moment, then the line of figures."""
        moments = " ".join(f"{name}={self.at[name]}" for name in (*NAMES, RANDOM) if self.at[name])
        return f"kills at: {moments}\n{self.tally.line(self.kills)}"


class Daemon:
    """Starts the daemon on one configuration, again and again."""

    def __init__(self, directory: Path, mutation: str, log: IO[str]) -> None:
        self._command = [sys.executable, "-m", "tests.crash.child", mutation, "run", "-c", str(directory)]
        self._log = log

    @contextlib.contextmanager
    def running(self, kill_at: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """A running daemon; dead after the block."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PRECOMPLAINT_KILL_AT": kill_at}
        with subprocess.Popen(
            self._command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        ) as process:
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def kill_once(self, point: str, chance: random.Random) -> str:
        """One start and one kill; gives where it was killed.

        Raises:
            DaemonEnded: it ended before it was killed, or otherwise.
        """
        if point == RANDOM:
            with self.running() as process:
                self._wait(process, chance.uniform(0.3, 4.0))
                return RANDOM
        most = next((most for word, most in _PASSAGES.items() if word in point), _OTHER_PASSAGES)
        with self.running(f"{point}:{chance.randint(1, most)}") as process:
            return point if self._wait(process, _PATIENCE) else RANDOM

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Whether it was killed from within in that time."""
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if status != -signal.SIGKILL:
            raise DaemonEnded(f"the daemon ended by itself with status {status}; see {self._log.name}")
        return True

    def finish(self, complete: Callable[[], bool], within: float) -> None:
        """A last run, until everything is there or the time is over; then an orderly stop.

        Raises:
            DaemonEnded: it ended by itself, or not with status 0.
        """
        deadline = time.monotonic() + within
        with self.running() as process:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise DaemonEnded(
                        f"the daemon ended by itself with status {process.returncode}; see {self._log.name}"
                    )
                began = time.monotonic()
                if complete():
                    break
                time.sleep(max(0.3, 2 * (time.monotonic() - began)))  # counting loads the machine as well
            process.terminate()
            if process.wait(_STOPS_WITHIN) != 0:
                raise DaemonEnded(f"the daemon stopped with status {process.returncode}; see {self._log.name}")


@dataclass(slots=True)
class World:
    """The outside world, running."""

    directory: Path
    broker: Simulator
    influx: Simulator
    ticketing: Simulator
    water: Simulator
    #: When the pump room's script began.
    began: float
    log: IO[str]

    @property
    def tickets(self) -> Path:
        """The ticketing service's own file."""
        return self.directory / "tickets.db"

    @contextlib.contextmanager
    def load(self, rate: float, journal: Path) -> Iterator[Simulator]:
        """Numbered messages of both shapes, with the openings of the script, until told to finish."""
        with simulator(
            *("load", "--broker", f"127.0.0.1:{self.broker.facts['port']}", "--lifts", site.LIFTS),
            *("--shape", "both", "--rate", rate, "--client-id", "crash-load", "--journal", journal),
            *(part for o in site.openings() for part in ("--chain-open", f"{o.lift}:{o.first}:{o.last}")),
            log=self.log,
        ) as load:
            yield load


@contextlib.contextmanager
def world(directory: Path, broker_engine: str = "") -> Iterator[World]:
    """Everything but the daemon and the load; the daemon's configuration is written."""
    scenario, script = directory / "water.yaml", directory / "ticketing.yaml"
    site.write_scenario(scenario)
    site.write_ticketing_script(script)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((directory / "simulators.log").open("w"))

        def start(*arguments: object) -> Simulator:
            return stack.enter_context(simulator(*arguments, log=log))

        (directory / "broker").mkdir(parents=True)
        engine = ("--engine", broker_engine) if broker_engine else ()
        broker = start("broker", "--directory", directory / "broker", *engine)
        influx = start("influx")
        ticketing = start("ticketing", "--file", directory / "tickets.db", "--script", script)
        water = start("water", "--scenario", scenario)
        began = time.monotonic()
        ports = site.Ports(
            mqtt=broker.facts["v5_port"],
            modbus=water.facts["port"],
            influx=influx.facts["url"],
            ticketing=ticketing.facts["url"],
        )
        site.write_configuration(directory, ports)
        yield World(directory, broker, influx, ticketing, water, began, log)


def broker_limits(directory: Path, engine: str) -> str:
    """The broker's queue limits as it was started with: a limit in force would lose messages before we saw them."""
    lines = [
        line.strip()
        for path in sorted((directory / "broker").iterdir())
        if path.suffix in {".conf", ".toml"}
        for line in path.read_text("utf-8").splitlines()
        if line.startswith(("max_queued", "max_inflight", "max_segment", "max_outgoing"))
    ]
    return f"broker={engine} limits: {'; '.join(dict.fromkeys(lines))}"


def subscribe_once(daemon: Daemon, port: int) -> None:
    """Run the daemon until the broker knows its session: from then on nothing that is published may be lost.

    Raises:
        DaemonEnded: it never came that far.
    """
    online = threading.Event()

    def look(client: paho.Client, *_: object) -> None:
        client.subscribe(f"precomplaint/{site.SITE}/status", qos=1)

    def hear(_client: paho.Client, _user: object, message: paho.MQTTMessage) -> None:
        if message.payload == b"online":
            online.set()

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect, client.on_message = look, hear
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        with daemon.running() as process:
            if not online.wait(_STARTS_WITHIN):
                raise DaemonEnded(f"the daemon (status {process.poll()}) did not subscribe; see daemon.log")
            time.sleep(1.0)  # the subscription is committed with the next batch
    finally:
        client.disconnect()
        client.loop_stop()


def perform(plan: Plan, directory: Path, report: Callable[[str], None]) -> Result:
    """Do a whole run in an empty directory.

    Raises:
        DaemonEnded: the daemon ended by itself.
        RuntimeError: a simulator did not start.
    """
    chance = random.Random(plan.seed)
    at: Counter[str] = Counter()
    journal = directory / "acknowledged.txt"
    with world(directory, plan.broker) as outside, (directory / "daemon.log").open("w") as log:
        report(broker_limits(directory, outside.broker.facts["engine"]))
        daemon = Daemon(directory, plan.mutation, log)
        subscribe_once(daemon, outside.broker.facts["port"])
        with outside.load(plan.rate, journal) as load:
            for number, point in enumerate(itertools.islice(_moments(plan), plan.kills), 1):
                at[daemon.kill_once(point, chance)] += 1
                if number % 10 == 0:
                    report(f"{number} kills")
            _let_leaks_be_seen(daemon, outside)
            publisher = json.loads(load.finish())
            until = time.monotonic() - outside.began
            outside.water.process.terminate()
        sent = acknowledged(journal)
        wanted = expected_orders(sent, site.openings(), site.leaks(), until)
        url = outside.influx.facts["url"]
        report(f"{plan.kills} kills done, {len(sent)} messages acknowledged to their publisher; the daemon drains")

        def complete() -> bool:
            return orders(outside.tickets).total() >= wanted.total() and len(stored(url)) >= len(sent)

        daemon.finish(complete, plan.drains_within)
        tally = compare(sent, stored(url), wanted, orders(outside.tickets))
    numbers = {name: value for name, value in publisher.items() if isinstance(value, int)}
    return Result(tally, plan.kills, outside.broker.facts["engine"], at, numbers)


def _moments(plan: Plan) -> Iterator[str]:
    for point in itertools.cycle(plan.points or (RANDOM,)):
        yield point
        if plan.with_random and plan.points:
            yield RANDOM


def _let_leaks_be_seen(daemon: Daemon, outside: World) -> None:
    """A leak that has begun a moment ago has not been polled yet: run on until its order is sure."""
    now = time.monotonic() - outside.began
    young = [at for at in site.leaks() if at - 1.0 <= now <= at + _LEAK_SEEN_WITHIN]
    if young:
        ends = outside.began + young[-1] + _LEAK_SEEN_WITHIN
        with daemon.running():
            while time.monotonic() < ends:
                time.sleep(0.2)
