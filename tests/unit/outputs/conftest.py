"""A store of time series and a state file as small as they can be: fakes at the wire only."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import web

from daemon.model import Input
from daemon.store.db import FILE, connect
from daemon.store.journal import Journal

T = TypeVar("T")


@dataclass
class InfluxServer:
    """Takes lines, keeps them by what identifies them, and answers as it is told."""

    url: str = ""
    #: Bodies as they came, decoded.
    requests: list[list[bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    #: (series, timestamp, field) -> value
    stored: dict[tuple[str, str, str], str] = field(default_factory=dict)
    #: One answer a request, then 204 for ever: status, headers, body.
    script: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    #: Lines holding this are refused, the others kept, as InfluxDB's partial write does.
    poison: bytes = b"poison"
    #: While set, requests wait.
    held: asyncio.Event | None = None
    most_lines: int = 100_000

    async def take(self, request: web.Request) -> web.Response:
        """Answer POST /api/v2/write."""
        if self.held is not None:
            await self.held.wait()
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.split(b"\n")
        self.requests.append(lines)
        self.headers.append(dict(request.headers))
        self.queries.append(dict(request.query))
        if self.script:
            status, headers, text = self.script.pop(0)
            if status != 204:
                return web.Response(status=status, headers=headers, text=text)
        if len(lines) > self.most_lines:
            return web.Response(status=413)
        good = [line for line in lines if self.poison not in line]
        for line in good:
            series, fields, at = line.decode().rsplit(" ", 2)  # these tests write no blanks
            for part in fields.split(","):
                name, value = part.split("=")
                self.stored[series, at, name] = value
        if len(good) == len(lines):
            return web.Response(status=204)
        return web.json_response({"code": "invalid", "message": "partial write: poison dropped"}, status=400)


async def serve(app: web.Application) -> AsyncIterator[str]:
    """Run an application on a free port; yields its address."""
    runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
async def influx_server() -> AsyncIterator[InfluxServer]:
    server = InfluxServer()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/api/v2/write", server.take)
    async for server.url in serve(app):
        yield server


class StateFile:
    """The one SQLite file and a writer of it, without a thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self.db = connect(self.path)
        self.journal = Journal(self.db)

    def commit(self, inputs: Sequence[Input]) -> list[tuple[int, Input]]:
        """Journal the inputs; what the writer would hand to `offer`."""
        return self._transaction(lambda _: self.journal.append(inputs))

    async def run_job(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """`RunJob`."""
        await asyncio.sleep(0)
        return self._transaction(job)

    def _transaction(self, job: Callable[[sqlite3.Connection], T]) -> T:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            result = job(self.db)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return result


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFile]:
    file = StateFile(tmp_path)
    yield file
    file.db.close()
