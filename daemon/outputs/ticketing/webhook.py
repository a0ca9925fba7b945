"""What persons did on tickets, told by the service at once: signed requests become inputs, as polling makes them.

    POST ──> size ──> signature, age ──> sink.told: changes ──> emit: committed ──> 200
               413        401               400 │ 202: of no ticket of ours

The signature is HMAC-SHA256, in hexadecimal, over `<timestamp>.<body>`; without a timestamp header over the body alone.
Polling goes on beside it: what is told twice changes nothing, and what was told while nobody listened comes all the
same. It listens on this machine only unless configured otherwise; TLS is the business of a proxy in front.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import structlog
from aiohttp import web
from pydantic import AfterValidator, ByteSize, Field, SecretStr

from daemon import telemetry
from daemon.clock import Clock
from daemon.documents import Span, Strict
from daemon.model import Emit, from_ms
from daemon.outputs.polling import updates
from daemon.outputs.sink import ToldSink
from daemon.store import outbox
from daemon.store.db import reader
from daemon.supervisor import Backoff

log = structlog.get_logger(__name__)

_TOLD = telemetry.counter("webhook_requests_total", "Requests to the webhook, by what became of them.", "outcome")
#: A request that takes longer to arrive is given up: nobody holds connections open for nothing.
_ARRIVES_WITHIN = 10.0
#: Connections open at once; one more has the oldest closed. Files and memory are for the gateway's own work.
_MOST_CONNECTIONS = 32
_SHORTEST_SECRET = 16
#: Digits of a moment in seconds; what has more is in milliseconds.
_SECONDS = 10
_LONGEST_STAMP = 16


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
        raise ValueError("write address and port, such as 127.0.0.1:8787")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError as error:
        raise ValueError(f"{host!r} is no address; write one such as 127.0.0.1, 0.0.0.0 or [::1]") from error
    return text


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_SECRET and not secret.get_secret_value().startswith("${"):
        raise ValueError(
            f"write a secret of at least {_SHORTEST_SECRET} characters, such as `openssl rand -hex 32` makes"
        )
    return secret


Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]


class WebhookConfig(Strict):
    """Where the ticketing service may tell what persons did."""

    listen: Annotated[str, AfterValidator(_address), Field(description="address and port")] = "127.0.0.1:8787"
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.-]{0,200}$")] = "/ticketing/changes"
    secret: Annotated[SecretStr, AfterValidator(_long_enough), Field(description="known to the service and us alone")]
    scheme: Literal["hmac-sha256"] = "hmac-sha256"
    signature_header: Annotated[Header, Field(description="hexadecimal; `sha256=` may stand before")] = "X-Signature"
    timestamp_header: Annotated[
        Header | None, Field(description="seconds or milliseconds since 1970; null: the body alone is signed")
    ] = "X-Timestamp"
    replay_window: Annotated[Span, Field(description="older and younger requests are refused")] = timedelta(minutes=5)
    most_bytes: Annotated[ByteSize, Field(ge=1024, le=16 * 1024**2)] = ByteSize(256 * 1024)

    @property
    def host(self) -> str:
        """The address alone."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port alone."""
        return int(self.listen.rpartition(":")[2])

    @property
    def beyond_this_machine(self) -> bool:
        """Whether others can reach it."""
        return not ipaddress.ip_address(self.host).is_loopback


class Webhook:
    """Listens for one ticketing service."""

    def __init__(
        self,
        config: WebhookConfig,
        sink: ToldSink,
        store: Path,
        *,
        emit: Emit,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self._config = config
        self._sink = sink
        self._store = store
        self._emit = emit
        self._clock = clock
        self._backoff = backoff or Backoff(1.0, 60.0)
        #: Set while it listens.
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled; where the port is taken, try again and say so once."""
        config, attempt = self._config, 0
        app = web.Application(client_max_size=int(config.most_bytes))
        app.router.add_post(config.path, self._take)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
            keepalive_timeout=_ARRIVES_WITHIN,  # for whoever sends nothing, or half a head, as well
        )
        await runner.setup()
        assert runner.server is not None  # noqa: S101  set up
        accept = partial(_accept, runner.server)
        listener: asyncio.Server | None = None
        try:
            while not self.listening.is_set():
                try:
                    listener = await asyncio.get_running_loop().create_server(accept, config.host, config.port)
                except OSError as error:
                    attempt += 1
                    if attempt == 1:
                        advice = "polling goes on; free the address, or write another under ticketing.webhook.listen"
                        log.warning("webhook_unbound", listen=config.listen, error=str(error), advice=advice)
                    await self._clock.sleep(self._backoff.wait(attempt))
                else:
                    self.listening.set()
            log.info("webhook_listening", listen=config.listen, path=config.path)
            await asyncio.Event().wait()
        finally:
            if listener is not None:
                listener.close()
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        """Answers once what was told is committed; raises only what ended the writer."""
        try:
            async with asyncio.timeout(_ARRIVES_WITHIN):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _answer(413, "too_large", f"more than {int(self._config.most_bytes)} bytes")
        except TimeoutError:
            return _answer(408, "too_slow", "the body did not arrive")
        fault = self._refusal(request.headers, body)
        if fault:
            log.warning("webhook_refused", error=fault, peer=request.remote)
            return _answer(401, "refused", fault)
        with reader(self._store) as db:
            try:
                told = self._sink.told(body, outbox.followed(db))
            except ValueError as error:
                log.warning("webhook_unreadable", error=str(error)[:500], peer=request.remote)
                return _answer(400, "unreadable", str(error)[:500])
            known = [change for change in told if outbox.knows(db, change.key)]
        if not known:
            return _answer(202, "unknown", "of no ticket that is followed here")
        await self._emit(updates(known, self._clock.now()))
        return _answer(200, "taken", "")

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> str:
        """Why a request is not believed; empty when it is."""
        config = self._config
        given = headers.get(config.signature_header, "").strip().removeprefix("sha256=").lower()
        if not given:
            return f"no header {config.signature_header}"
        signed = body
        if config.timestamp_header is not None:
            stamp = headers.get(config.timestamp_header, "").strip()
            at = _moment(stamp)
            if at is None:
                return f"no moment in header {config.timestamp_header}"
            if abs(self._clock.now() - at) > config.replay_window:
                return "too old, or the clocks differ: check NTP"
            signed = stamp.encode() + b"." + body
        right = hmac.new(config.secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
        same = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())
        return "" if same else "the signature is wrong"


def _accept(server: web.Server) -> asyncio.Protocol:
    """The handler of one more connection."""
    for oldest in server.connections[: 1 - _MOST_CONNECTIONS]:
        oldest.force_close()
    return server()


def _moment(stamp: str) -> datetime | None:
    """Seconds or milliseconds since 1970."""
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= _LONGEST_STAMP):
        return None
    number = int(stamp)
    try:
        return from_ms(number if len(stamp) > _SECONDS else number * 1000)
    except OverflowError:
        return None


def _answer(status: int, outcome: str, error: str) -> web.Response:
    _TOLD.labels(outcome).inc()
    return web.json_response({"error": error} if error else {"ok": True}, status=status)
