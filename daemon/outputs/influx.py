"""InfluxDB (or what speaks its v2 write API) as a sink: transport by influxdb-client, lines and triage by us.

    204            accepted
    400, 422       halved until the poison line stands alone: that one is rejected, the others are accepted
    413            halved likewise; a single line that is too large is rejected
    429, 503, 5xx  kept, until Retry-After when the server names it
    401, 403, 404  kept, looked at again each minute: a person must mend token, bucket or address
    no answer      kept

InfluxDB answers a "partial write" with 400 after keeping the good lines of the batch. Halving then sends good lines
twice; they overwrite themselves, so it costs a little and changes nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Annotated, Literal, Self, cast
from urllib.parse import urlsplit

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from pydantic import Field, SecretStr

from daemon.documents import Span, Strict
from daemon.model import Retry
from daemon.outputs.sink import ERRORS, UNTIL_MENDED, PeerUrl, Refused, Triage, retry_after, why_unreachable

#: The library's own name for milliseconds is a plain string that its annotations take for an enum.
_MS = cast("WritePrecision", WritePrecision.MS)


class InfluxConfig(Strict):
    """Where time series go."""

    url: Annotated[PeerUrl, Field(description="http://host:8086 or https://…")]
    org: Annotated[str, Field(min_length=1)] = "precomplaint"
    bucket: Annotated[str, Field(min_length=1)] = "precomplaint"
    token: SecretStr | None = None
    timeout: Span = Field(default=timedelta(seconds=10), ge=timedelta(milliseconds=10))  # 0 would mean: for ever
    gzip: Annotated[
        Literal["auto", "always", "never"],
        Field(description="auto: only when the server stands elsewhere; on one machine it costs more than it saves"),
    ] = "auto"
    batch_lines: Annotated[int, Field(ge=1, le=5000)] = 5000
    flush_interval: Span = timedelta(seconds=1)

    @property
    def compressed(self) -> bool:
        """Whether bodies are compressed."""
        return self.gzip == "always" or (self.gzip == "auto" and not _is_local(self.url))


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


#: Answers that speak of a line in the body, and our words where the server's own say nothing.
_POISON = {400: "", 413: "the server takes no line of this size", 422: ""}
#: Until the server has taken a first line, at most so many are offered at once.
_FIRST_LINES = 64


class _Refused(Exception):
    """The server will not take this body as it is."""


class InfluxSink:
    """A `TimeSeriesSink`; use as `async with InfluxSink(config) as sink`, within the event loop that writes.

    A server that refuses every line from the first on is more likely the wrong address than a stream of poison (some
    answer 400 to an unknown path): until it has taken one line since our start, nothing is rejected but kept.
    """

    def __init__(self, config: InfluxConfig, *, name: str = "influx") -> None:
        self.name = name
        self._config = config
        self._proven = False

    async def __aenter__(self) -> Self:
        """Make the client; no connection yet, so the server need not be there."""
        config = self._config
        # Neither the environment's proxies nor redirects: data goes where the configuration says, or it stays here.
        self._client = InfluxDBClientAsync(
            url=config.url,
            token=config.token.get_secret_value() if config.token else "",
            org=config.org,
            timeout=config.timeout // timedelta(milliseconds=1),
            allow_redirects=False,
            client_session_kwargs={"trust_env": False},
        )
        if config.compressed:  # by ourselves, off the loop: the client's own gzip would stop it for 11 ms a batch
            self._client.api_client.set_default_header("Content-Encoding", "gzip")  # type: ignore[no-untyped-call]
        self._api = self._client.write_api()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def write(self, lines: Sequence[bytes]) -> Triage:
        """See `TimeSeriesSink`. Longer sequences go out in requests of `batch_lines` each."""
        rejected: list[Refused] = []
        start = 0
        while start < len(lines):
            most = self._config.batch_lines if self._proven else min(self._config.batch_lines, _FIRST_LINES)
            end = min(start + most, len(lines))
            await self._decide(lines, start, end, rejected)
            if not self._proven:
                text = f"{self._config.url}: refuses every line, check the address: {rejected[-1].reason}"
                raise self._kept("unexpected", text, UNTIL_MENDED)
            start = end
        return Triage(len(lines) - len(rejected), tuple(rejected))

    async def _decide(self, lines: Sequence[bytes], start: int, end: int, rejected: list[Refused]) -> None:
        """Write lines[start:end]; halve what is refused, so one poison line costs about 2·log2(n) requests."""
        try:
            await self._post(b"\n".join(lines[start:end]))
        except _Refused as refused:
            if end - start == 1:
                rejected.append(Refused(start, str(refused)))
                return
            middle = (start + end) // 2
            await self._decide(lines, start, middle, rejected)
            await self._decide(lines, middle, end, rejected)
        else:
            self._proven = True

    async def _post(self, body: bytes) -> None:
        url, timeout = self._config.url, self._config.timeout
        if self._config.compressed:
            body = await asyncio.to_thread(gzip.compress, body, 1)
        try:
            taken = await self._api.write(
                bucket=self._config.bucket, org=self._config.org, record=body, write_precision=_MS
            )
        except ApiException as error:
            raise self._classify(error) from error
        except TimeoutError as error:
            raise self._kept("timeout", f"{url}: no answer within {timeout.total_seconds():g} s", None) from error
        except aiohttp.ClientError as error:
            raise self._kept("connection", f"{url}: {why_unreachable(error)}", None) from error
        if not taken:
            raise self._kept(
                "unexpected", f"{url}: answers writes, but not as InfluxDB does; check influx.url", UNTIL_MENDED
            )

    def _classify(self, error: ApiException) -> Exception:
        """Name what a refused request means for the lines in it."""
        url, bucket, status = self._config.url, self._config.bucket, int(error.status or 0)
        if status in _POISON:
            return _Refused(_POISON[status] or _said(error))
        if status >= 500 or status == 429:
            kind = "throttled" if status == 429 else "unavailable"
            return self._kept(kind, f"{url}: the server is {kind} ({status})", retry_after(error.retry_after))
        kind, advice = {
            401: ("unauthorized", f"the token is refused (401); set one that may write bucket {bucket}"),
            403: ("unauthorized", f"the token is refused (403); set one that may write bucket {bucket}"),
            404: ("not_found", f"no such bucket, organisation or path (404); create bucket {bucket} or mend the url"),
        }.get(status, ("unexpected", f"answered {status}: {_said(error)}; check the url"))
        return self._kept(kind, f"{url}: {advice}", UNTIL_MENDED)

    def _kept(self, kind: str, message: str, after: timedelta | None) -> Retry:
        ERRORS.labels(self.name, kind).inc()
        return Retry(message, after=after)


def _said(error: ApiException) -> str:
    text = error.message
    return (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).strip()[:500]
