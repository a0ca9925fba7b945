"""Serving the application on a loopback port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.failing import Failing
from simulators.failures import Script
from simulators.hook import Hook, telling
from simulators.http_server import serving_app
from simulators.sockets import listen
from simulators.ticketing.api import build
from simulators.ticketing.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path


#: What a script's `match` may name.
REQUESTS = frozenset({"create", "note", "poll", "action"})


def request_name(method: str, path: str) -> str:
    """The name of a request, empty for pages, complaints and controls, which never fail."""
    if not path.startswith(("/v1/orders", "/v1/changes")):
        return ""
    if method == "GET":
        return "poll"
    if path == "/v1/orders":
        return "create"
    return "note" if path.endswith("/notes") else "action"


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
    now: Callable[[], datetime] | None = None,
    hook: Hook | None = None,
) -> AsyncIterator[Ticketing]:
    """Serve on 127.0.0.1 while the context is open.

    Args:
        port: 0 takes a free one.
        path: the SQLite file.
        token: what `Authorization: Bearer` must carry; None: nobody is asked.
        timezone: IANA zone in which the page shows moments.
        script: failures to play from the start (simulators/failures.py).
        now: gives the time of what persons do to orders, in UTC; absent: the machine's.
        hook: where changes are told at once; None: nowhere.

    Raises:
        OSError: the port is taken.
        ValueError: the script is wrong.
    """
    failures = Script(REQUESTS)
    failures.replace(script or [])
    with Store(path, now=now) as store, listen(port) as listener:
        app = build(store, failures, token=token, timezone=timezone)
        async with (
            serving_app(Failing(app, failures, request_name), listener),
            telling(hook, lambda since: store.changes(since, None)),
        ):
            yield Ticketing(listener.getsockname()[1], store, failures)
