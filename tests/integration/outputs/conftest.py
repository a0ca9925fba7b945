"""Real stores of time series from Debian's packages: InfluxDB 1.6 (it truly refuses bad lines) and VictoriaMetrics."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from typing_extensions import override

BUCKET = "precomplaint"


def binary(name: str, package: str) -> str:
    """Where a Debian program stands; without it a test is skipped, but in CI it fails."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"{name} is not installed: apt-get install {package}")
    return found


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Server:
    """A server process that can be stopped and started again on the same port and folder."""

    #: Answers 2xx when the server is ready.
    health = "/ping"

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Arguments and environment."""
        raise NotImplementedError

    async def start(self) -> None:
        """Return when it answers."""
        arguments, environment = self.command()
        self._process = await asyncio.create_subprocess_exec(
            self.program,
            *arguments,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(self.address + self.health) as answer:
                        if answer.ok:
                            return
                except aiohttp.ClientError:
                    assert self._process.returncode is None, f"{self.program} ended at once"
                await asyncio.sleep(0.05)

    async def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process and wait for its end."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.send_signal(how)
            await self._process.wait()


class Influx16(Server):
    """InfluxDB 1.6 behind a proxy that maps the v2 write path: bucket is the database, `ms` stays `ms`."""

    url = ""

    @override
    def command(self) -> tuple[list[str], dict[str, str]]:
        """Everything in the folder, nothing reported anywhere."""
        return ["-config", "/dev/null"], {
            "INFLUXDB_REPORTING_DISABLED": "true",
            "INFLUXDB_BIND_ADDRESS": "127.0.0.1:0",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "INFLUXDB_META_DIR": str(self.folder / "meta"),
            "INFLUXDB_DATA_DIR": str(self.folder / "data"),
            "INFLUXDB_DATA_WAL_DIR": str(self.folder / "wal"),
        }

    async def forward(self, request: web.Request) -> web.Response:
        """POST /api/v2/write as POST /write; 503 while the server is away."""
        query = {"db": request.query["bucket"], "precision": request.query["precision"]}
        headers = {name: value for name, value in request.headers.items() if name == "Content-Encoding"}
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.post(self.address + "/write", params=query, data=await request.read(), headers=headers) as answer,
            ):
                text = await answer.text()
                if answer.status == 204:
                    return web.Response(status=204)
                return web.json_response({"message": json.loads(text)["error"]}, status=answer.status)
        except aiohttp.ClientError:
            return web.Response(status=503)

    async def query(self, text: str) -> list[dict[str, Any]]:
        """The rows of the first series that a query finds, times in ms."""
        query = {"db": BUCKET, "q": text, "epoch": "ms"}
        async with aiohttp.ClientSession() as http, http.post(self.address + "/query", params=query) as answer:
            (result,) = (await answer.json())["results"]
        assert "error" not in result, result
        if "series" not in result:
            return []
        (series,) = result["series"]
        return [dict(zip(series["columns"], row, strict=True)) for row in series["values"]]


class Victoria(Server):
    """VictoriaMetrics in which a repeated write is one sample."""

    health = "/health"

    @property
    def url(self) -> str:
        """It speaks the v2 write API itself."""
        return self.address

    @override
    def command(self) -> tuple[list[str], dict[str, str]]:
        """Loopback only, little memory."""
        return [
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-dedup.minScrapeInterval=1ms",
            "-memory.allowedBytes=64MB",
        ], {}

    async def export(self, match: str) -> dict[tuple[str, str], list[tuple[int, float]]]:
        """Every sample of the metrics that match, by metric name and asset."""
        async with aiohttp.ClientSession() as http:
            async with http.get(self.address + "/internal/force_flush"):
                pass
            async with http.get(self.address + "/api/v1/export", params={"match[]": match}) as answer:
                text = await answer.text()
        found: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for row in map(json.loads, text.splitlines()):
            metric = row["metric"]
            samples = zip(row["timestamps"], row["values"], strict=True)
            found.setdefault((metric["__name__"], metric.get("asset", "")), []).extend(samples)
        return {name: sorted(samples) for name, samples in found.items()}


@pytest.fixture
async def influx(tmp_path: Path) -> AsyncIterator[Influx16]:
    server = Influx16(binary("influxd", "influxdb"), tmp_path / "influx")
    server.folder.mkdir()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/api/v2/write", server.forward)
    # the body passes as it came, compressed or not
    runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        await server.start()
        await server.query(f"CREATE DATABASE {BUCKET}")
        yield server
    finally:
        await runner.cleanup()
        await server.stop()


@pytest.fixture
async def victoria(tmp_path: Path) -> AsyncIterator[Victoria]:
    server = Victoria(binary("victoria-metrics", "victoria-metrics"), tmp_path / "victoria")
    server.folder.mkdir()
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
