"""An InfluxDB v2 to write to: it refuses malformed lines, keeps the rest, and counts everything it receives."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from simulators.failures import Failure, Kind, Script
from simulators.points import PRECISIONS, Points
from simulators.sockets import listen, reset_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simulators.line_protocol import BadLine

#: What a script's `match` may name.
REQUESTS = frozenset({"write"})
_CODES = {401: "unauthorized", 413: "request too large", 429: "too many requests", 503: "unavailable"}
#: Refused lines named in one answer.
_NAMED = 100
#: Exported points between two looks at other requests.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Influx:
    """A running stand-in."""

    port: int
    points: Points
    script: Script

    @property
    def url(self) -> str:
        """Where it is, without a final slash."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    *,
    port: int = 0,
    token: str | None = None,
    max_body: int = 50_000_000,
    keep: int | None = None,
    file: Path | None = None,
    script: object = None,
) -> AsyncIterator[Influx]:
    """Serve on 127.0.0.1 while the context is open.

    Args:
        port: 0 takes a free one.
        token: what `Authorization: Token` must carry; None: nobody is asked.
        max_body: bytes of a request, unpacked; more is 413.
        keep: points held at most; None: all.
        file: a log of the accepted lines that is read again at the next start; None: forgotten at the end.
        script: failures to play from the start (simulators/failures.py).

    Raises:
        OSError: the port is taken.
        ValueError: the script or the log is wrong.
    """
    failures = Script(REQUESTS)
    failures.replace(script or [])
    points = Points(keep=keep, file=file)
    service = _Service(points, failures, token)
    app = web.Application(client_max_size=max_body)
    app.add_routes(
        [
            web.post("/api/v2/write", service.write),
            web.get("/health", service.health),
            web.get("/ping", service.ping),
            web.get("/_tally", service.tally),
            web.get("/_export", service.export),
            web.post("/_script", service.replace_script),
        ]
    )
    # Cancelling lets a held time-out end when its client has gone.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    try:
        await runner.setup()
        with listen(port) as listener:
            await web.SockSite(runner, listener).start()
            try:
                yield Influx(listener.getsockname()[1], points, failures)
            finally:
                await runner.cleanup()
    finally:
        points.close()


class _Service:
    def __init__(self, points: Points, script: Script, token: str | None) -> None:
        self._points = points
        self._script = script
        self._token = token

    async def write(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v2/write: 204, or 400 when some lines were refused; the good ones are kept all the same."""
        failure = self._script.draw("write")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _error(413, "the request body is too large")
        if failure is None:
            return self._write(request, body)
        if failure.kind is Kind.STATUS:
            answer = _error(failure.status, "scripted failure")
            if failure.retry_after is not None:
                answer.headers["Retry-After"] = str(failure.retry_after)
            return answer
        if failure.kind in (Kind.TIMEOUT_AFTER, Kind.RESET_AFTER):
            self._write(request, body)
        return await _break(failure, request)

    def _write(self, request: web.Request, body: bytes) -> web.Response:
        given = request.headers.get("Authorization", "")
        if self._token is not None and not secrets.compare_digest(
            given.encode(errors="replace"), f"Token {self._token}".encode()
        ):
            return _error(401, "unauthorized access")
        for name in ("org", "bucket"):
            if not request.query.get(name):
                return _error(400, f"{name} is required")
        precision = request.query.get("precision", "ns")
        if precision not in PRECISIONS:
            return _error(400, f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        refused = list(self._points.write(body, precision, time.time_ns()))
        return _partial(refused) if refused else web.Response(status=204)

    async def health(self, _: web.Request) -> web.Response:
        """GET /health."""
        return web.json_response({"name": "influxdb", "message": "stand-in", "status": "pass", "checks": []})

    async def ping(self, _: web.Request) -> web.Response:
        """GET /ping."""
        return web.Response(status=204, headers={"X-Influxdb-Version": "v2-stand-in"})

    async def tally(self, _: web.Request) -> web.Response:
        """GET /_tally: the counts of Points.tally, and the failures played."""
        return web.json_response({**self._points.tally(), "failures_played": self._script.played})

    async def export(self, request: web.Request) -> web.StreamResponse:
        """GET /_export?measurement=&field=&precision=ms: one JSON object a point.

        `{"measurement", "tags", "fields", "ts", "received"}`; `received` counts the fields that came more than once.
        """
        step = PRECISIONS.get(request.query.get("precision", "ms"), 1)
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await answer.prepare(request)
        lines: list[str] = []
        query = request.query
        for point in self._points.export(query.get("measurement") or None, query.get("field") or None):
            lines.append(
                json.dumps(
                    {
                        "measurement": point.series.measurement,
                        "tags": dict(point.series.tags),
                        "fields": point.fields,
                        "ts": point.at // step,
                        "received": point.received,
                    },
                    ensure_ascii=False,
                )
            )
            if len(lines) == _CHUNK:
                await answer.write(("\n".join(lines) + "\n").encode())
                lines.clear()
        if lines:
            await answer.write(("\n".join(lines) + "\n").encode())
        await answer.write_eof()
        return answer

    async def replace_script(self, request: web.Request) -> web.Response:
        """POST /_script: failures from now on."""
        try:
            self._script.replace(json.loads(await request.read()))
        except ValueError as error:
            return _error(422, str(error))
        return web.json_response({"ok": True})


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"code": _CODES.get(status, "invalid"), "message": message}, status=status)


def _partial(refused: list[BadLine]) -> web.Response:
    first = refused[0]
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return web.json_response(
        {
            "code": "invalid",
            "message": f"partial write: line {first.number}: {first.message}{more}",
            "line": first.number,
            "lines": [{"line": line.number, "message": line.message} for line in refused[:_NAMED]],
            "refused": len(refused),
        },
        status=400,
    )


async def _break(failure: Failure, request: web.Request) -> web.StreamResponse:
    """Let the client wait, or reset its connection; it gets no answer either way."""
    transport = request.transport
    if transport is not None:
        if failure.kind in (Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER):
            await asyncio.sleep(failure.hold)
            transport.abort()
        else:
            reset_connection(transport)
    return web.Response(status=500)
