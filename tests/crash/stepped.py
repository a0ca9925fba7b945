"""The daemon as the scenarios start it, through `tests.crash.nursery`: FAULT run -c DIRECTORY.

It is `precomplaint` itself but for its two clocks, which `SiteClock` takes as arguments: both tell what the last line
on stdin said, in whole seconds since 1970. So time stands still until the scenario goes on, and two hours pass in a
moment, exactly. A sleep ends when the stepped time has come; a short one also after a fiftieth of it in real time, so
that what looks after something now and then goes on doing so.

`CRASH_TRACE=file` gets a line `name monotonic-ns` for each moment of `daemon.commitpoints` that is passed, and
`at=seconds monotonic-ns` for each step of time.
`CRASH_KILL_AT=moment:n` ends the process (SIGKILL) at the n-th passage; `moment@after:n` at the first passage of
`moment` after the n-th of `after`. FAULT is one of `faults.FAULTS`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any

from typing_extensions import override

from daemon import clock, commitpoints
from daemon.model import EPOCH
from tests.crash.nursery import serve

#: Seconds that the writer waits for company when little arrives.
_COMPANY = 0.01
#: Real seconds for each second of a short sleep, and what is short: longer ones wait for the scenario.
_SCALE, _SHORT = 0.02, 2.0


@dataclass
class Steps:
    """The time as stdin tells it."""

    at: float = 0.0
    _heard: bytes = b""
    _listening: bool = False
    #: Who sleeps, and until when.
    _asleep: dict[asyncio.Future[None], float] = field(default_factory=dict)

    def read(self) -> float:
        """What both clocks show, in seconds."""
        return self.at

    def begin(self) -> None:
        """Wait for the first line: it was there before the program."""
        while not self.at:
            self._hear()

    def listen(self) -> None:
        """Hear further lines in the running event loop."""
        if not self._listening:
            self._listening = True
            asyncio.get_running_loop().add_reader(0, self._hear)

    def _hear(self) -> None:
        chunk = os.read(0, 4096)
        if not chunk:
            os._exit(1)  # the scenario has ended without us
        *lines, self._heard = (self._heard + chunk).split(b"\n")
        if not lines:
            return
        self.at = float(lines[-1])
        WATCH.note(f"at={lines[-1].decode()}")
        for sleeper, until in list(self._asleep.items()):
            if until <= self.at and not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Until the stepped time has come, or a short sleep's share of real time."""
        loop = asyncio.get_running_loop()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = loop.create_future()
        self._asleep[sleeper] = self.at + seconds
        alarm = loop.call_later(seconds * _SCALE, _awake, sleeper) if seconds <= _SHORT else None
        try:
            await sleeper
        finally:
            del self._asleep[sleeper]
            if alarm is not None:
                alarm.cancel()


def _awake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


STEPS = Steps()


class SteppedClock(clock.SiteClock):
    """The production clock, with other clocks behind it."""

    def __init__(self, *, not_before: datetime = EPOCH, on_step: Callable[[timedelta], None] | None = None) -> None:
        STEPS.listen()
        super().__init__(not_before=not_before, on_step=on_step, wall=STEPS.read, monotonic=STEPS.read)

    @override
    async def sleep(self, seconds: float) -> None:
        await STEPS.sleep(seconds)

    @override
    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        if seconds is None:
            await event.wait()
            return
        waiting = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(STEPS.sleep(seconds))}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()


class Watch:
    """Writes down every moment that is passed, and ends the process at one of them."""

    def __init__(self) -> None:
        self._trace = -1
        self._name = self._after = ""
        self._left = 0

    def begin(self, trace: str, kill_at: str) -> None:
        """Write to `trace`; `kill_at` may be empty."""
        self._trace = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        place, _, count = kill_at.partition(":")
        self._name, _, self._after = place.partition("@")
        self._left = int(count or 1)

    def note(self, name: str) -> None:
        """Write a line."""
        if self._trace >= 0:
            os.write(self._trace, f"{name} {time.monotonic_ns()}\n".encode())

    def reached(self, name: str) -> None:
        """Stands in for `commitpoints.reached`; called from several threads."""
        self.note(name)
        if name == (self._after or self._name) and self._left > 0:
            self._left -= 1
            if self._left or self._after:
                return
        if name == self._name and self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


WATCH = Watch()


def _prepare() -> None:
    """Read the whole program, with our clock and our watch in their places."""
    commitpoints.reached = WATCH.reached  # before anything takes the name into its own namespace
    setattr(clock, "SiteClock", SteppedClock)  # noqa: B010  what stands there is a type
    writer: Any = import_module("daemon.writer")
    writer.Gathering = partial(writer.Gathering, quiet=_COMPANY)  # it waits that long for each commit
    for name in ("daemon.cli", "tests.crash.faults", "uvloop"):
        import_module(name)


def _run() -> None:
    WATCH.begin(os.environ["CRASH_TRACE"], os.environ["CRASH_KILL_AT"])
    STEPS.begin()
    import_module("tests.crash.faults").FAULTS[sys.argv.pop(1)]()
    import_module("daemon.cli").main()


if __name__ == "__main__":
    _prepare()
    serve(socket.socket(fileno=int(sys.argv[1])), _run)
