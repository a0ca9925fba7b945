"""Serving the ERP on a loopback port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.erp.api import REQUESTS, build, request_name
from simulators.erp.tickets import Habits, Tickets
from simulators.failing import Failing
from simulators.failures import Script
from simulators.http_server import serving_app
from simulators.sockets import listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class Erp:
    """A running ERP."""

    port: int
    tickets: Tickets
    script: Script

    @property
    def url(self) -> str:
        """Where it is, without a final slash."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(habits: Habits | None = None, *, port: int = 0, script: object = None) -> AsyncIterator[Erp]:
    """Serve on 127.0.0.1 while the context is open.

    Args:
        habits: how it is set up.
        port: 0 takes a free one.
        script: failures to play from the start (simulators/failures.py).

    Raises:
        OSError: the port is taken.
        ValueError: the script is wrong.
    """
    failures, tickets = Script(REQUESTS), Tickets(habits or Habits())
    failures.replace(script or [])
    with listen(port) as listener:
        app = Failing(build(tickets, failures), failures, request_name)
        async with serving_app(app, listener):
            yield Erp(listener.getsockname()[1], tickets, failures)
