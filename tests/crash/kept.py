"""One gateway of a scenario: its process, started again after a kill as a service manager would.

What cannot be exactly once is counted exactly: group robots know no idempotency, so a message that one of them had
taken, and of which no receipt was committed when the process was killed, comes again. `repeats` holds just those.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon import control
from daemon.model import ConfigError, from_ms, to_ms
from daemon.store import journal, outbox
from daemon.store.db import FILE, fact, reader
from simulators.proxy import FaultProxy
from simulators.robots import Robots
from simulators.ticketing.store import Store
from tests.crash.house import CHANNELS, House
from tests.crash.nursery import Child, spawn

#: No condition takes longer on a busy machine.
PATIENCE = 60.0
_END = from_ms(1 << 45)
Lines = Counter[tuple[str, str]]


class EndedError(Exception):
    """The daemon ended by itself, which no kill excuses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to the gateway's process."""

    #: As `CRASH_KILL_AT` of `tests.crash.stepped`; empty: it is left alone.
    kill_at: str = ""
    #: See `tests.crash.faults`.
    fault: str = "none"


@dataclass
class Kept:
    """The gateway of one folder."""

    name: str
    folder: Path
    house: House
    plan: Plan
    robots: Robots
    #: Between the gateway and the ticketing service.
    proxy: FaultProxy
    service: Store
    #: The scenario's time in seconds since 1970.
    at: int = 0
    #: Whether the ticketing service can be reached, and takes what comes.
    reachable: bool = True
    #: Whether the group robots take what comes.
    heeded: bool = True
    kills: int = 0
    #: Messages to people that had been begun and not receipted at a kill.
    open_windows: int = 0
    #: Messages that robots must get twice, by service and line.
    repeats: Lines = field(default_factory=Counter)
    #: Deliveries with a receipt in ledgers that are no more.
    past: Lines = field(default_factory=Counter)
    process: Child | None = None
    _task: asyncio.Task[None] | None = None
    _leaving: bool = False
    #: By box, the number of the last message to it, and how far the journal was looked through for them.
    _said: dict[str, int] = field(default_factory=dict)
    _heard: dict[str, int] = field(default_factory=dict)
    _looked: int = 0

    @property
    def file(self) -> Path:
        """The ledger."""
        return self.folder / "state" / FILE

    @property
    def trace(self) -> Path:
        """The moments that were passed, one a line."""
        return self.folder / "trace"

    # --- the process -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process, and keep it running."""
        self._leaving = False
        self._task = asyncio.create_task(self._keep(), name=f"gateway {self.name}")

    async def _keep(self) -> None:
        with (self.folder / "daemon.log").open("ab") as log:
            while True:
                self.process = process = await self._spawn(log.fileno())
                status = await process.wait()
                if status == -signal.SIGKILL and self.plan.kill_at and not self.kills:
                    self.kills += 1
                    await self._count_repeats()
                elif self._leaving and status == 0:
                    return
                else:
                    raise EndedError(f"{self.name} ended by itself with status {status}")

    async def _spawn(self, log: int) -> Child:
        kill_at = "" if self.kills else self.plan.kill_at
        environment = {"CRASH_TRACE": str(self.trace), "CRASH_KILL_AT": kill_at}
        child = await spawn([self.plan.fault, "run", "-c", str(self.folder)], environment, log)
        self._tell(child)
        return child

    def pass_to(self, at: int) -> None:
        """Let the process know what time it is; whoever starts later begins with that."""
        self.at = at
        if self.process is not None:
            self._tell(self.process)

    def knows_the_time(self) -> bool:
        """Whether the process that runs now has heard what time it is."""
        if not self.trace.exists():
            return False
        _, _, latest = self.trace.read_text().rpartition("at=")
        return latest.startswith(f"{self.at} ")

    def _tell(self, process: Child) -> None:
        process.write(f"{self.at}\n".encode())

    async def stop(self) -> None:
        """An orderly end; a process that is killed on the way is started and ended once more."""
        if self._task is None:
            return
        self._leaving, told = True, None
        async with asyncio.timeout(PATIENCE):
            while not self._task.done():
                if self.process is not None and self.process is not told and self._answers():
                    told = self.process
                    told.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.01)
            await self._task
        self._task = None

    def _answers(self) -> bool:
        """Whether the process that runs now has come as far as its control socket."""
        if self.process is None or self.process.returncode is not None:
            return False
        with socket.socket(socket.AF_UNIX) as asking:
            return asking.connect_ex(str(self.folder / "state" / "control.sock")) == 0

    def end(self) -> None:
        """Whatever it is doing."""
        if self._task is not None:
            self._task.cancel()
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)

    async def replace(self) -> None:
        """Another gateway takes its place, with the same configuration and an empty disk."""
        await self.stop()
        self.past += self.receipts()
        shutil.move(self.folder / "state", self.folder / f"state-{to_ms(from_ms(self.at * 1000))}")
        self._said.clear()
        self._heard.clear()
        self._looked = 0
        self.start()

    # --- looking -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """One consistent look into the ledger."""
        with reader(self.file) as db:
            db.execute("BEGIN")
            yield db

    def ledger(self) -> str:
        """The ledger's id, which stands in the keys of its orders."""
        with self.looking() as db:
            return fact(db, "ledger_id")

    def said(self, box: str, number: int) -> None:
        """The broker has a message for it."""
        self._said[box] = number

    def unsettled(self) -> str:
        """What is still on its way, in words; empty when everything that was to happen by now has happened."""
        if self._task is not None and self._task.done():
            self._task.result()
            return "" if self._leaving else "it has ended"
        try:
            with self.looking() as db:
                return self._on_its_way(db)
        except sqlite3.OperationalError as error:
            return str(error)  # not made yet

    def _on_its_way(self, db: sqlite3.Connection) -> str:  # noqa: PLR0911  a list
        now = from_ms(self.at * 1000)
        if not db.execute("SELECT 1 FROM fact WHERE name LIKE 'subscribed %'").fetchone():
            return "no subscription"
        if journal.end(db) < now:
            return "nothing was journalled at this time"
        if missing := self._unheard(db):
            return f"messages for {missing}"
        if outbox.due(db, _END if self.reachable else now, 1):
            return "deliveries"
        (told,) = db.execute(
            "SELECT (SELECT count(*) FROM notice WHERE addressed = 0)"
            " + (SELECT count(*) FROM notice_delivery WHERE state = 'pending' AND (?1 OR next_at <= ?2))",
            (self.heeded, to_ms(now)),
        ).fetchone()
        if told:
            return f"{told} notices"
        if self.reachable and not self.house.ticketing:
            cursor = int(fact(db, "changes_cursor:ticketing") or 0)
            if found := self.service.changes(cursor, self.house.site)[1]:
                return f"{len(found)} changes"
        due = db.execute("SELECT key FROM work_order WHERE next_at <= ?", (to_ms(now),)).fetchone()
        return f"what is due to {due[0]}" if due else ""

    def undrawn(self) -> int:
        """Charts that are not on their tickets yet: they take their own time, behind everything else."""
        with self.looking() as db:
            (charts,) = db.execute("SELECT count(*) FROM chart WHERE noted = 0").fetchone()
            return int(charts) + len(outbox.due(db, _END, 1))

    def _unheard(self, db: sqlite3.Connection) -> str:
        for seq, item in journal.observations(db, self._looked + 1, 1 << 62, 1 << 30):
            self._looked = seq
            for reading in item.readings:
                box, _, point = reading.point.rpartition(".")
                if point == "n":
                    self._heard[box] = int(float(reading.value))
        return ", ".join(box for box, number in self._said.items() if self._heard.get(box) != number)

    async def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """Ask over the control socket, of whichever process is there; asked again when it was killed meanwhile."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return await control.ask(self.folder / "state" / "control.sock", command, **arguments)
                except (ConfigError, OSError, json.JSONDecodeError):
                    await asyncio.sleep(0.02)

    # --- what people were told ---------------------------------------------------------------------------

    def taken(self) -> Lines:
        """Every line that the group robots have taken, by service."""
        return Counter((service, line) for service, text, _ in self.robots.taken for line in _lines(service, text))

    def receipts(self) -> Lines:
        """Every line of which the ledger says that it was taken."""
        found: Lines = Counter()
        with self.looking() as db:
            for channel, body in db.execute(
                "SELECT channel, body FROM notice_delivery JOIN notice ON notice.id = notice_id"
                " WHERE state = 'delivered'"
            ):
                service, said = CHANNELS[channel][0], json.loads(body)
                found[service, said["residents"]["en"] if channel == "lobby" else said["staff"]["title"]["en"]] += 1
        return found

    async def _count_repeats(self) -> None:
        """The process is dead; whatever it had sent is on the robots' side by now, or lost."""
        async with asyncio.timeout(PATIENCE):
            while self.robots.connections or self.proxy.connections:
                await asyncio.sleep(0.005)
            for _ in range(20):
                await asyncio.sleep(0)
        passed = Counter(line.split()[0] for line in self.trace.read_text().splitlines())
        self.open_windows = passed["before_notice"] - passed["after_notice_receipt"]
        receipts = self.receipts() if self.file.exists() else Counter()
        self.repeats += self.taken() - (receipts + self.past) - self.repeats


def _lines(service: str, text: str) -> list[str]:
    """The titles in a message, of one notice or of many; of residents' notices the words themselves."""
    first, _, rest = text.partition("\n")
    if first.endswith(" notices"):
        return [line.removeprefix("· ") for line in rest.splitlines()]
    return [rest] if service == "feishu" else [first]
