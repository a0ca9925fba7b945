"""Scripted failures around the application: it does its work, or not, and the client never hears of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulators.failures import Failure, Kind, Script
from simulators.sockets import reset_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ConnectionInScope(H11Protocol):
    """Hands the application its TCP connection as `scope["state"]["transport"]`: only so can it be reset."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class Failing:
    """An ASGI application that plays the script and else passes on to the one inside.

    Args:
        app: the application inside.
        script: what to play.
        name: what the script calls a request, by method and path; empty for one that never fails.
    """

    def __init__(self, app: ASGIApp, script: Script, name: Callable[[str, str], str]) -> None:
        self._app = app
        self._script = script
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play the failure drawn for this request, if any."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        failure = self._script.draw(self._name(scope["method"], scope["path"]))
        if failure is None:
            await self._app(scope, receive, send)
        else:
            await self._fail(failure, scope, receive, send)

    async def _fail(self, failure: Failure, scope: Scope, receive: Receive, send: Send) -> None:
        if failure.kind is Kind.TWICE:
            body = await _read_body(receive)
            await self._app(scope, _replay(body, receive), _swallow)
            await self._app(scope, _replay(body, receive), send)
            return
        if failure.kind in (Kind.STATUS, Kind.ANSWER):
            await _read_body(receive)
            await _answer(failure, send)
            return
        if failure.kind in (Kind.TIMEOUT_AFTER, Kind.RESET_AFTER):
            await self._app(scope, receive, _swallow)
        else:
            await _read_body(receive)
        transport = scope["state"]["transport"]
        if failure.kind in (Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER):
            await _hold(failure.hold, receive)
            transport.abort()
        else:
            reset_connection(transport)
        # Let the server notice, or it would call the missing answer a fault of ours.
        while (await receive())["type"] != "http.disconnect":
            pass


async def _swallow(_: object) -> None:
    """Send nothing."""


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """What was read already, and then what comes."""
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


async def _hold(seconds: float, receive: Receive) -> None:
    """Keep the socket mute until the client gives up or the seconds have passed."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


async def _answer(failure: Failure, send: Send) -> None:
    said = {"error": "scripted failure", **({"field": "level"} if failure.status == 422 else {})}
    body = json.dumps(said if failure.body is None else failure.body, ensure_ascii=False)
    headers = [(b"content-type", b"application/json")]
    if failure.retry_after is not None:
        headers.append((b"retry-after", str(failure.retry_after).encode()))
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode(), "more_body": False})
