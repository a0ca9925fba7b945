"""`precomplaint demo` as a person runs it: started, interrupted, started again."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.gateway import PATIENCE, environment
from tests.mqtt_peers import until


@contextlib.asynccontextmanager
async def demonstrating(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The demo in a process group of its own, as a shell starts it; its output is piped."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "daemon", "demo", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        env=environment({}),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def descendants(pid: int) -> set[int]:
    """Every process that came from this one and still lives."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(ValueError, OSError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def none_of(pids: set[int]) -> bool:
    """Whether all of them are gone."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_ctrl_c_while_it_starts_leaves_no_process() -> None:
    """The terminal sends it to the whole group: status 130, no traceback, no child."""
    async with demonstrating("--seconds", "0") as process:
        await until(lambda: len(descendants(process.pid)) >= 2)
        children = descendants(process.pid)

        os.killpg(process.pid, signal.SIGINT)

        _, err = await ended(process)
        assert (process.returncode, err) == (130, b"")
        await until(partial(none_of, children))


async def test_ctrl_c_while_it_runs_leaves_no_process() -> None:
    """It still tells what came of it, in one JSON object; another start works as the first did."""
    for _ in range(2):
        async with demonstrating("--seconds", "0", "-o", "json") as process:
            assert process.stderr is not None
            async with asyncio.timeout(PATIENCE):
                while b'"started"' not in await process.stderr.readline():
                    pass
            children = descendants(process.pid)
            assert len(children) >= 6, "five stand-ins and a broker"

            os.killpg(process.pid, signal.SIGINT)

            out, err = await ended(process)
            assert process.returncode == 1, "the orders had no time to come"
            assert b"Traceback" not in err
            assert json.loads(out)["orders"] == []
            await until(partial(none_of, children))


async def test_piped_it_draws_nothing() -> None:
    """No screen codes in a pipe; at the end what came of it as plain lines."""
    async with demonstrating("--seconds", "3") as process:
        out, err = await ended(process)

        assert b"\x1b" not in out + err
        assert out.decode().startswith("收到 received ")
        assert process.returncode == 1


async def ended(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    """Its output, when it has ended."""
    async with asyncio.timeout(PATIENCE):
        return await process.communicate()


@pytest.mark.slow
async def test_the_demo_shows_the_main_job() -> None:
    """One JSON object, status 0: a Level-I order from each wire, and every reading in the store."""
    async with demonstrating("--seconds", "30", "-o", "json") as process:
        async with asyncio.timeout(2 * PATIENCE + 30):
            out, err = await process.communicate()

        assert process.returncode == 0, err.decode()
        result = json.loads(out)
        assert result["readings_received"] == result["readings_written"] + result["readings_rejected"] > 0
        assert {order["level"] for order in result["orders"]} >= {"I"}
