"""The reference ticketing contract (`config/ticketing/openapi.yaml`) as a sink.

201, 200             it has the order or note, from now or from before (the same key)
400, 409, 413, 422   it will never take this body: rejected, a person must look
404                  on a note: there is no such ticket, rejected; of complaints: it has none; else the address is wrong
401, 403             kept, looked at again each minute: a person must mend the token
429, 5xx             kept, until Retry-After when the service names it
time-out, reset      kept, and ambiguous: the service may have acted; the same key settles it
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Annotated, Any, Self
from urllib.parse import quote

import aiohttp
import structlog
from pydantic import AfterValidator, Field, SecretStr

from daemon.clock import to_whole_ms
from daemon.complaint import Complaint
from daemon.documents import Span, Strict
from daemon.model import EPOCH, OrderStatus, Reject, Retry
from daemon.outputs.complaints import Page
from daemon.outputs.sink import (
    ERRORS,
    UNTIL_MENDED,
    Ambiguity,
    Capability,
    Change,
    Changes,
    OpenTicket,
    PeerUrl,
    bounded,
    retry_after,
    some_time,
    why_unreachable,
)
from daemon.outputs.ticketing.answers import parse_json
from daemon.outputs.ticketing.webhook import WebhookConfig
from daemon.outputs.told_complaints import heard
from daemon.store.outbox import Followed

log = structlog.get_logger(__name__)

#: Of an answer; ten thousand changes have less.
_MOST_BYTES = 16 * 1024**2
#: Characters of a word that a change tells: it stands in the journal, the timeline and messages.
_LONGEST = 500
_NEVER = frozenset({400, 409, 413, 422})
_STATUS = {
    "open": OrderStatus.SENT,
    "accepted": OrderStatus.ACCEPTED,
    "arrived": OrderStatus.ARRIVED,
    "done": OrderStatus.DONE,
    "verified": OrderStatus.VERIFIED,
    "rejected": OrderStatus.REJECTED,
    "cancelled": OrderStatus.CANCELLED,
}


class TicketingConfig(Strict):
    """Where work orders go."""

    url: Annotated[PeerUrl, Field(description="what stands before /v1/orders")]
    token: SecretStr | None = None
    timeout: Annotated[Span, AfterValidator(some_time)] = timedelta(seconds=10)
    poll_interval: Annotated[Span, AfterValidator(some_time)] = timedelta(seconds=10)
    complaints: Annotated[bool, Field(description="ask the service for residents' complaints, if it has them")] = True
    webhook: Annotated[WebhookConfig | None, Field(description="where the service tells changes at once")] = None


class TicketingSink:
    """A `TicketSink`; use as `async with TicketingSink(config, site) as sink`. `site` limits the changes to our own."""

    capability = Capability.KEY
    ambiguity = Ambiguity()

    def __init__(self, config: TicketingConfig, site: str, *, name: str = "ticketing") -> None:
        self.url = config.url.rstrip("/")
        self.name = name
        self._site = site
        self._config = config

    async def __aenter__(self) -> Self:
        """Make the HTTP session; no connection yet, so the service need not be there."""
        token = self._config.token
        headers = {"Accept-Encoding": "identity"}  # nothing is unpacked that could be a bomb
        headers |= {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        # trust_env stays off: no proxy of the environment comes between. Idle connections are given up before the
        # usual server gives them up (5 s): a request that meets the closing would be ambiguous for nothing.
        self._http = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._config.timeout.total_seconds()),
            connector=aiohttp.TCPConnector(keepalive_timeout=4),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.close()

    async def create(self, key: str, body: bytes) -> str:
        """See `TicketSink`."""
        answer = await self._request("POST", "/v1/orders", key=key, body=body)
        ref = answer.get("id")
        if not isinstance(ref, str) or not ref:
            raise self._kept(
                "unexpected", "answers without the order's id; check the url", UNTIL_MENDED, ambiguous=True
            )
        return ref

    async def find(self, key: str) -> str | None:
        """See `TicketSink`."""
        answer = await self._request("GET", "/v1/orders", query={"key": key})
        try:
            return next((str(order["id"]) for order in answer["orders"] if order["key"] == key), None)
        except (KeyError, TypeError) as error:
            text = f"/v1/orders answers otherwise than the contract says: {error!r}"
            raise self._kept("unexpected", text, UNTIL_MENDED) from error

    async def find_all(self, key: str) -> tuple[str, ...]:
        """See `TicketSink`: a key has one ticket at most."""
        ref = await self.find(key)
        return () if ref is None else (ref,)

    async def note(self, ref: str, key: str, body: bytes) -> None:
        """See `TicketSink`."""
        await self._request("POST", f"/v1/orders/{quote(ref, safe='')}/notes", key=key, body=body)

    async def changes(self, since: str, followed: Sequence[Followed] = ()) -> Changes:  # noqa: ARG002  told by key
        """See `TicketSink`. A status that the contract does not know is reported and passed over."""
        query = {"site": self._site} | ({"since": since} if since else {})
        answer = await self._request("GET", "/v1/changes", query=query)
        try:
            found = tuple(change for entry in answer["changes"] if (change := self._change(entry)) is not None)
            return Changes(str(answer["cursor"]), found)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            text = f"/v1/changes answers otherwise than the contract says: {error!r}"
            raise self._kept("unexpected", text, UNTIL_MENDED) from error

    async def open_tickets(self) -> tuple[OpenTicket, ...]:
        """See `TicketSink`."""
        answer = await self._request("GET", "/v1/orders", query={"site": self._site, "open": "true"})
        try:
            return tuple(OpenTicket(str(o["id"]), str(o["key"]), str(o["level"])) for o in answer["orders"])
        except (KeyError, TypeError) as error:
            text = f"/v1/orders answers otherwise than the contract says: {error!r}"
            raise self._kept("unexpected", text, UNTIL_MENDED) from error

    async def complaints(self, since: str) -> Page:
        """See `ComplaintSink`. A complaint that is none is reported, without its text, and passed over."""
        query = {"site": self._site} | ({"since": since} if since else {})
        answer = await self._request("GET", "/v1/complaints", query=query)
        found: list[Complaint] = []
        try:
            for entry in answer["complaints"]:
                try:
                    found.append(heard(entry, EPOCH))
                except ValueError as error:
                    log.warning("complaint_unreadable", url=self.url, error=str(error))
            return Page(str(answer["cursor"]), tuple(found))
        except (KeyError, TypeError, AttributeError) as error:
            text = f"/v1/complaints answers otherwise than the contract says: {error!r}"
            raise self._kept("unexpected", text, UNTIL_MENDED) from error

    def told(self, body: bytes, followed: Sequence[Followed]) -> tuple[Change, ...]:  # noqa: ARG002  told by key
        """See `ToldSink`: `{"changes": […]}`, each as `/v1/changes` has it."""
        try:
            entries = parse_json(body)["changes"]
            return tuple(change for entry in entries if (change := self._change(entry)) is not None)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(f"the body is otherwise than the contract says: {error!r}") from error

    def _change(self, entry: dict[str, Any]) -> Change | None:
        status = _STATUS.get(entry["status"])
        if status is None:
            log.warning("ticket_status_unknown", url=self.url, order=entry["key"], status=entry["status"])
            return None
        at = datetime.fromisoformat(entry["changed_at"])
        if at.tzinfo is None:
            raise ValueError(f"changed_at {entry['changed_at']} has no offset")
        by, stamp = str(entry.get("by") or "")[:_LONGEST], entry.get("stamp")
        note = " · ".join(str(entry[name])[:_LONGEST] for name in ("team", "note") if entry.get(name))
        progress = None if stamp is None else str(stamp)[:_LONGEST]
        team = str(entry.get("team") or "")[:_LONGEST]
        return Change(str(entry["key"]), status, by, note, to_whole_ms(at.astimezone(UTC)), progress, team)

    # --- one request -------------------------------------------------------------------------------------

    async def _request(
        self, method: str, path: str, *, key: str = "", body: bytes | None = None, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if key else {}
        try:
            async with self._http.request(
                method, self.url + path, data=body, params=query, headers=headers, allow_redirects=False
            ) as answer:
                raw = await bounded(answer, _MOST_BYTES)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._kept("connection", why_unreachable(error), None) from error
        except TimeoutError as error:
            seconds = self._config.timeout.total_seconds()
            raise self._kept("timeout", f"no answer within {seconds:g} s", None, ambiguous=True) from error
        except aiohttp.ClientError as error:
            text = f"the connection broke: {str(error) or type(error).__name__}"
            raise self._kept("connection", text, None, ambiguous=True) from error
        if answer.status in (200, 201):
            return self._json(raw)
        raise self._classify(answer, raw, path)

    def _json(self, raw: bytes) -> dict[str, Any]:
        try:
            answer = parse_json(raw)
        except ValueError as error:
            text = "answers, but no JSON; check the url"
            raise self._kept("unexpected", text, UNTIL_MENDED, ambiguous=True) from error
        return answer if isinstance(answer, dict) else {}

    def _classify(self, answer: aiohttp.ClientResponse, raw: bytes, path: str) -> Exception:
        """Name what a refused request means for what was asked."""
        status, said = answer.status, self._masked(raw)[:_LONGEST].strip()
        if status in _NEVER or (status == 404 and path.endswith("/notes")):
            ERRORS.labels(self.name, "refused").inc()
            return Reject(f"{self.url}: refused ({status}): {said}")
        if status in (404, 405) and path == "/v1/complaints":
            return Reject(f"{self.url}: {status}")  # not every service has them
        if status in (401, 403):
            return self._kept("unauthorized", f"the token is refused ({status}); set a valid one", UNTIL_MENDED)
        if status == 429 or status >= 500:
            kind = "throttled" if status == 429 else "unavailable"
            after = retry_after(answer.headers.get("Retry-After"))
            # a gateway in between that gave up waiting (502, 504) says nothing about what the service did
            return self._kept(kind, f"the service is {kind} ({status})", after, ambiguous=status >= 500)
        return self._kept("unexpected", f"answered {status}; check the url", UNTIL_MENDED)

    def _masked(self, raw: bytes) -> str:
        """What the service said, without our token if it repeats that."""
        words, token = raw.decode("utf-8", "replace"), self._config.token
        return words if token is None else words.replace(token.get_secret_value() or "\0", "***")

    def _kept(self, kind: str, message: str, after: timedelta | None, *, ambiguous: bool = False) -> Retry:
        ERRORS.labels(self.name, kind).inc()
        return Retry(f"{self.url}: {message}", after=after, ambiguous=ambiguous)
