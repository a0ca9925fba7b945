from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from simulators import ticketing

CONTRACT = Path(__file__).parents[3] / "config" / "ticketing" / "openapi.yaml"


@pytest.fixture
def order() -> dict[str, Any]:
    """A work order that the service accepts: the contract's own example."""
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    example: dict[str, Any] = document["components"]["examples"]["LiftOrder"]["value"]
    return example


@pytest.fixture
async def service() -> AsyncIterator[ticketing.Ticketing]:
    async with ticketing.serving() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def binary(name: str) -> str:
    """Where a Debian program stands; without it a test is skipped, but in CI it fails."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"{name} is not installed: apt-get install mosquitto mosquitto-clients mbpoll")
    return found


@pytest.fixture(scope="session")
def mbpoll() -> str:
    return binary("mbpoll")


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(binary("mosquitto"), tmp_path)
    await broker.start()
    yield broker
    await broker.kill()


class Mosquitto:
    """A real broker that can be killed and started again on the same port."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n", encoding="ascii")
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *("-c", str(self._config)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection(*self.address)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._process is not None:
            await self._process.wait()
