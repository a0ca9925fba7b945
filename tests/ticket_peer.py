"""A ticketing service that answers as it is told, over a real socket, and remembers what it was asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from daemon.clock import SiteClock
from daemon.model import Site, Text
from daemon.outputs.ticketing.declared import DeclaredSink
from daemon.outputs.ticketing.names import sample_body, sample_order
from daemon.outputs.ticketing.shape import DeclaredConfig

SITE = Site("hy", Text("鸿源小区", "Hongyuan"))
KEY = sample_order(SITE).key
BODY = sample_body(SITE)
NOTE = {"kind": "update", "at": "2026-11-21T08:09:30.000Z", "text": {"zh": "加重", "en": "worse"}, "level": "I"}


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  JSON
        """The body."""
        return orjson.loads(self.body)


Answer = tuple[int, dict[str, str], bytes]


def said(status: int, body: Any = None, **headers: str) -> Answer:  # noqa: ANN401  JSON
    """An answer; a body that is no bytes becomes JSON."""
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, raw


@dataclass
class Peer:
    """The service."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    #: One answer a request, in order; then `usual`.
    script: list[Answer] = field(default_factory=list)
    usual: Callable[[Asked], Answer] = lambda _: said(200, {"id": 7})

    async def take(self, request: web.Request) -> web.Response:
        """Answer."""
        asked = Asked(request.method, request.path, dict(request.query), dict(request.headers), await request.read())
        self.asked.append(asked)
        status, headers, body = self.script.pop(0) if self.script else self.usual(asked)
        return web.Response(status=status, headers={"Content-Type": "application/json", **headers}, body=body)

    def config(self, **more: Any) -> DeclaredConfig:  # noqa: ANN401  YAML
        """The least that can be told about it, and more."""
        create = {"method": "POST", "path": "/create", "json": {"key": "{key}"}, "ref": {"path": "id"}}
        note = {"method": "POST", "path": "/tickets/{ref}/notes", "json": {"text": "{text.zh}"}}
        requests = {"create": create, "note": note} | more.pop("requests", {})
        return DeclaredConfig.model_validate(
            {"url": self.url, "capability": "key", "timeout": "5s", "requests": requests, **more}
        )

    @contextlib.asynccontextmanager
    async def sink(self, **more: Any) -> AsyncIterator[DeclaredSink]:  # noqa: ANN401  YAML
        """As the gateway sees it."""
        async with DeclaredSink(self.config(**more), SITE, SiteClock()) as sink:
            yield sink


@contextlib.asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    """Serve while the context is open."""
    made = Peer()
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{rest:.*}", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
