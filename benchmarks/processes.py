"""Child processes, and what the kernel says of them.

Everything is asked of exactly one process, at the moments at which a window begins and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

_ROOT = Path(__file__).parent.parent
_READY_WITHIN = 30.0
_END_WITHIN = 20.0


class Usage(NamedTuple):
    """What a process has used since its start."""

    #: User and system time of all its threads, those that have ended too, in seconds.
    cpu: float
    #: Bytes that went to a block device; 0 where the file system has none (tmpfs).
    written: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Ask the kernel."""
        counters = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines())
        # the clock that clock_getcpuclockid(3) names: to the nanosecond, where /proc/PID/stat has steps of 10 ms
        return cls(time.clock_gettime(~pid << 3 | 2), int(counters["write_bytes"]))

    def since(self, before: Usage) -> Usage:
        """What was used in between."""
        return Usage(self.cpu - before.cpu, self.written - before.written)


def resident_mb(pid: int) -> tuple[float, float]:
    """RSS of a process now and at its highest, in MB (10⁶ bytes)."""
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in {"VmRSS", "VmHWM"}:
            found[name] = int(value.split()[0]) * 1024 / 1e6
    return found["VmRSS"], found["VmHWM"]


class Child:
    """A process that says in JSON lines how it goes, and ends with the end of its stdin or at SIGTERM."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def line(self, within: float) -> dict[str, Any]:
        """The next line it prints.

        Raises:
            RuntimeError: it ended instead.
            TimeoutError: it said nothing in time.
        """
        assert self._process.stdout is not None  # noqa: S101  it was asked for
        async with asyncio.timeout(within):
            text = await self._process.stdout.readline()
        if not text:
            raise RuntimeError(f"a child ended early, with status {await self._process.wait()}; its words stand above")
        said: dict[str, Any] = json.loads(text)
        return said

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not enough."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(_END_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._process.wait()


@contextlib.asynccontextmanager
async def running(*command: str, log: Path | None = None) -> AsyncIterator[Child]:
    """Run a command while the context is open; its errors go to `log`, or to ours."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("ab")) if log is not None else None
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=_ROOT,
        )
        child = Child(process)
        try:
            yield child
        finally:
            await child.stop()


@contextlib.asynccontextmanager
async def stand_in(*arguments: str) -> AsyncIterator[dict[str, Any]]:
    """Run `python -m simulators …` while the context is open; gives what it said when it was ready."""
    async with running(sys.executable, "-m", "simulators", *arguments) as child:
        yield await child.line(_READY_WITHIN)


async def load(broker: int, *arguments: str, within: float) -> dict[str, Any]:
    """Publish a load to the end and check that the broker has acknowledged all of it.

    Raises:
        RuntimeError: it has not.
    """
    command = (sys.executable, "-m", "simulators", "load", "--broker", f"127.0.0.1:{broker}", *arguments)
    async with running(*command) as child:
        await child.line(_READY_WITHIN)
        result = await child.line(within)
    if result["unacknowledged"] or result["reconnects"]:
        raise RuntimeError(f"the broker did not take everything: {result}")
    return result
