import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.sockets import listen

Child = asyncio.subprocess.Process
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[tuple[Child, dict[str, Any]]]:
    """A stand-in as a process, and what it announced."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators", *arguments,
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            ready: dict[str, Any] = json.loads(await process.stdout.readline())
        yield process, ready
    finally:
        if process.returncode is None:
            process.kill()
        process.stdin.close()
        await process.wait()


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


SERVICES = [["ticketing"], ["erp"], ["influx"], ["broker", "--engine", "iotcore"], ["proxy", "--target", "1"]]


@pytest.mark.parametrize("arguments", SERVICES, ids=lambda arguments: arguments[0])
async def test_it_says_ready_and_ends_with_its_stdin(arguments: list[str]) -> None:
    """One line of JSON, an open port, and an orderly end when the parent's pipe closes."""
    async with child(*arguments) as (process, ready):
        assert ready["ready"] is True
        assert await answers(ready["port"])
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert not await answers(ready["port"])


@pytest.mark.parametrize("arguments", SERVICES, ids=lambda arguments: arguments[0])
async def test_it_ends_when_told(arguments: list[str]) -> None:
    """SIGTERM is an orderly end too."""
    async with child(*arguments) as (process, ready):
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert not await answers(ready["port"])


async def test_a_broker_dies_with_a_killed_parent() -> None:
    """Even SIGKILL leaves no broker behind."""
    async with child("broker", "--engine", "iotcore") as (process, ready):
        process.kill()
        await process.wait()
        async with asyncio.timeout(20):
            while await answers(ready["port"]):
                await asyncio.sleep(0.02)


async def test_a_broker_that_dies_ends_its_command() -> None:
    """Status 2 when the engine ended by itself: a parent sees it."""
    async with child("broker", "--engine", "iotcore") as (process, _):
        (broker,) = _children(process.pid)
        os.kill(broker, signal.SIGKILL)
        async with asyncio.timeout(20):
            assert await process.wait() == 2


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_taken_port_is_status_2() -> None:
    """A stand-in that cannot serve says so instead of ready."""
    with listen(0) as taken:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "simulators", "influx", "--port", str(taken.getsockname()[1]),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()

    assert process.returncode == 2
    assert out == b""
    assert b"Address already in use" in err


async def test_services_take_their_options(tmp_path: Path) -> None:
    """Token, file and script reach the service."""
    script = tmp_path / "script.yaml"
    script.write_text("- {match: write, kind: status, status: 503}\n")
    log = tmp_path / "influx.log"
    async with (
        child("influx", "--token", "t", "--file", str(log), "--script", str(script)) as (_, ready),
        aiohttp.ClientSession(headers={"Authorization": "Token t"}) as http,
    ):
        statuses = []
        for _ in range(2):
            async with http.post(f"{ready['url']}/api/v2/write?org=o&bucket=b", data="m f=1 1") as answer:
                statuses.append(answer.status)

    assert statuses == [503, 204]
    assert log.read_text() == "m f=1 1\n"


async def test_a_proxy_is_told_by_lines() -> None:
    """Each order is answered by one line, a wrong one with an error."""
    async with child("influx") as (_, influx), child("proxy", "--target", str(influx["port"])) as (process, ready):
        assert process.stdin is not None
        assert process.stdout is not None
        said = []
        for line in (b'{"do": "refuse"}\n', b'{"do": "explode"}\n', b"[1\n", b"[1]\n"):
            process.stdin.write(line)
            said.append(json.loads(await process.stdout.readline()))

        assert said[0] == {"done": "refuse"}
        assert ["error" in answer for answer in said[1:]] == [True, True, True]
        assert not await answers(ready["port"])
