"""Serving the application on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

from simulators.failures import Script
from simulators.sockets import listen
from simulators.ticketing.api import build
from simulators.ticketing.failing import REQUESTS, ConnectionInScope, Failing
from simulators.ticketing.store import Store

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ticketing:
    """A running service."""

    port: int
    store: Store
    script: Script

    @property
    def url(self) -> str:
        """Where it is, without a final slash."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    *,
    port: int = 0,
    path: str | Path = ":memory:",
    token: str | None = None,
    timezone: str = "Asia/Shanghai",
    script: object = None,
) -> AsyncIterator[Ticketing]:
    """Serve on 127.0.0.1 while the context is open.

    Args:
        port: 0 takes a free one.
        path: the SQLite file.
        token: what `Authorization: Bearer` must carry; None: nobody is asked.
        timezone: IANA zone in which the page shows moments.
        script: failures to play from the start (simulators/failures.py).

    Raises:
        OSError: the port is taken.
        ValueError: the script is wrong.
    """
    failures = Script(REQUESTS)
    failures.replace(script or [])
    with Store(path) as store, listen(port) as listener:
        app = build(store, failures, token=token, timezone=timezone)
        server = _Server(
            uvicorn.Config(
                Failing(app, failures),
                http=ConnectionInScope,
                ws="none",
                lifespan="off",
                access_log=False,
                date_header=False,
                log_level="critical",
                # A held time-out must not hold the service's own end.
                timeout_graceful_shutdown=1,
            )
        )
        task = asyncio.create_task(server.serve(sockets=[listener]), name="ticketing")
        try:
            await server.ready.wait()
            yield Ticketing(listener.getsockname()[1], store, failures)
        finally:
            server.leave.set()
            await task


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the event loop, and waits for events where its parent looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.leave = asyncio.Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @override
    async def main_loop(self) -> None:
        await self.leave.wait()

    @override
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()
