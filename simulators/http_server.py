"""An ASGI application on a listening socket, whose connections can be broken on purpose."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

from simulators.failing import ConnectionInScope

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp


@asynccontextmanager
async def serving_app(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve while the context is open."""
    server = _Server(
        uvicorn.Config(
            app,
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
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        await server.ready.wait()
        yield
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
