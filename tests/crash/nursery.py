"""Where gateways' processes come from: one process that has read the whole program, and forks one for each start.

    scenario ── {arguments, environment} + stdin, log, report ──> nursery ── fork ──> `tests.crash.stepped`
       <──────────────── report: the process's number, then its exit status ────────────────┘

Reading the program takes a second, a fork ten milliseconds; what runs afterwards is the same.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping

from tests.crash.children import ROOT

_LARGEST = 65_536


class Child:
    """One process of the nursery."""

    def __init__(self, pid: int, stdin: int, report: int) -> None:
        self.pid = pid
        #: As of `subprocess`: None while it runs, below zero the signal that ended it.
        self.returncode: int | None = None
        self._stdin = stdin
        self._report = report
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(report, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._report)
        status = os.read(self._report, 64)
        self.returncode = int(status) if status else -signal.SIGKILL  # the nursery is gone, and it with its stdin
        os.close(self._report)
        os.close(self._stdin)
        self._ended.set()

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def write(self, data: bytes) -> None:
        """To its stdin, if it still reads."""
        if self.returncode is None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._stdin, data)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


async def spawn(arguments: list[str], environment: Mapping[str, str], log: int) -> Child:
    """Start `tests.crash.stepped` with these arguments and variables; `log` becomes its stdout and stderr."""
    ours, theirs = os.pipe(), os.pipe()  # stdin; report
    request = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
    socket.send_fds(_nursery(), [request], [ours[0], log, theirs[1]])
    os.close(ours[0])
    os.close(theirs[1])
    await _readable(theirs[0])
    return Child(int(os.read(theirs[0], 64)), ours[1], theirs[0])


async def _readable(file: int) -> None:
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(file, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(file)


@functools.cache
def _nursery() -> socket.socket:
    """Start the nursery; it ends when our end of the pair is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.stepped", str(theirs.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(_close, ours, process)
    return ours


def _close(ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
    ours.close()
    process.wait()


# --- the nursery's own side --------------------------------------------------------------------------------


def serve(pair: socket.socket, run: Callable[[], None]) -> None:
    """Fork for each request until the other side is gone; `run` is what a child does."""
    assert threading.active_count() == 1
    reports: dict[int, int] = {}
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wakes)
    while True:
        ready, _, _ = select.select([pair.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 1024)
            _report_ended(reports)
        if pair.fileno() in ready:
            request, files, _, _ = socket.recv_fds(pair, _LARGEST, 3)
            if not request:
                return
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                for file in (*reports.values(), woken, wakes):
                    os.close(file)
                pair.close()
                _become(json.loads(request), files, run)
            reports[pid] = files[2]
            os.write(files[2], str(pid).encode())
            for file in files[:2]:
                os.close(file)


def _report_ended(reports: dict[int, int]) -> None:
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        report = reports.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(report, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(report)


def _become(request: Mapping[str, object], files: list[int], run: Callable[[], None]) -> None:
    """In the child: never returns."""
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    stdin, log, report = files
    for file, place in ((stdin, 0), (log, 1), (log, 2)):
        os.dup2(file, place)
    for file in (stdin, log, report):
        os.close(file)
    sys.argv[1:] = request["arguments"]  # type: ignore[call-overload]
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    status = 1
    try:
        run()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:  # noqa: BLE001  as the interpreter would
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
