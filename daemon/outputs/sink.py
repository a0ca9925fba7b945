"""The two ports through which anything leaves the house: a store of time series, and a ticketing service.

Both speak with three outcomes, after the triage of a batch: *accepted* (the peer has it), *rejected* (the peer will
never take it) and *kept* (undecided: come back later). Accepted and rejected are returned, kept is raised as `Retry`.
Who calls a sink decides when to come back; a sink itself never waits and never tries twice.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple, Protocol
from urllib.parse import urlsplit

import aiohttp
from pydantic import AfterValidator, Field

from daemon import telemetry
from daemon.model import OrderStatus
from daemon.store.outbox import Followed

#: Counted by the adapters, where the class of an error is known.
ERRORS = telemetry.counter("sink_errors_total", "Requests that a sink's peer did not take, by class.", "sink", "kind")


#: What needs a person is tried again this often, so that it mends itself once the person was there.
UNTIL_MENDED = timedelta(minutes=1)
_LONGEST_RETRY_AFTER = timedelta(minutes=5)


def _without_credentials(url: str) -> str:
    if "@" in urlsplit(url).netloc:  # it would stand in the YAML, and in every log line that names the peer
        raise ValueError("a url must not hold a user or password; remove them and write `token`")
    return url


#: Where a peer is, in configuration.
PeerUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$"), AfterValidator(_without_credentials)]


def some_time(span: timedelta) -> timedelta:
    """A span in which something can happen.

    Raises:
        ValueError: it is none.
    """
    if span < timedelta(milliseconds=10):
        raise ValueError("write a span of at least 10ms")
    return span


async def bounded(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body of an answer, as long as it is no longer than `most` bytes: a broken peer does not fill the memory.

    Raises:
        aiohttp.ClientPayloadError: it is longer, or it broke off.
    """
    raw = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        raw += chunk
        if len(raw) > most:
            answer.close()  # what is still coming is not waited for
            raise aiohttp.ClientPayloadError(f"its answer is longer than {most} bytes")
    return bytes(raw)


def retry_after(text: str | None) -> timedelta | None:
    """What a Retry-After header asks for, cut at five minutes: a peer must not keep us away for a day.

    Seconds only; a date, which our peers do not send, is left to the usual back-off.
    """
    if text is None or not text.isdecimal():
        return None
    if len(text) > 9:  # more than any clock holds
        return _LONGEST_RETRY_AFTER
    return min(timedelta(seconds=int(text)), _LONGEST_RETRY_AFTER)


def why_unreachable(error: aiohttp.ClientError) -> str:
    """What a person does about a peer that takes no connection."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):  # its errno is OpenSSL's, no operating system's
        why = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        trust = "have its authority trusted by this machine (update-ca-certificates), or correct the url"
        return f"its certificate is not trusted: {why}; {trust}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        why = getattr(error.os_error, "reason", "") or error.os_error
        return f"TLS failed: {why}; is it an https port?"
    if not isinstance(error, aiohttp.ClientConnectorError):
        return f"{str(error) or type(error).__name__}; check the url and the network"
    cause = error.os_error
    what = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or str(cause)
    return f"cannot be reached: {what}; start the service there, or correct the url"


class Refused(NamedTuple):
    """One line that the store of time series will never take."""

    #: Its place in the sequence that was written.
    number: int
    #: What the peer said.
    reason: str


class Triage(NamedTuple):
    """What became of a batch of which every line is decided."""

    accepted: int
    rejected: tuple[Refused, ...] = ()


class TimeSeriesSink(Protocol):
    """A store of time series that takes line protocol with timestamps in milliseconds."""

    async def write(self, lines: Sequence[bytes]) -> Triage:
        """Write lines, each without its line end, in any number; return when the peer has decided on every one.

        May be called again with the same lines: series, timestamp and field name identify a value, so a repetition
        writes the same values over themselves. That is why a batch is kept or decided as a whole.

        Raises:
            Retry: at least one line is undecided: the caller keeps the whole batch and writes it again, not before
                `after` when given. Some lines may have been taken all the same.
        """
        ...


class Capability(enum.StrEnum):
    """What a ticketing service can promise about a create that is sent again."""

    #: It knows an idempotency key: the same create again gives the same ticket.
    KEY = "key"
    #: A ticket can be found by a marker in it, so one looks before creating again.
    SEARCH = "search"
    #: Neither: after an ambiguous failure one either parks the order or risks a second ticket.
    NEITHER = "neither"


class OnAmbiguous(enum.StrEnum):
    """What becomes of a create of which nobody can tell whether it made a ticket."""

    #: A person looks, and has it tried again or not.
    PARK = "park"
    #: Created again, at the risk of a second ticket.
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """How a service wants to be asked after a create whose outcome is unknown."""

    #: Where neither a key nor a search can settle it.
    ordinary: OnAmbiguous = OnAmbiguous.REPEAT
    #: The same for what nothing may suppress (entrapment, safety chain, fire main): two tickets rather than none.
    safety: OnAmbiguous = OnAmbiguous.REPEAT
    #: A ticket can be found this long after it was made, not sooner.
    settle: timedelta = timedelta()
    #: That long after a doubt was settled by a search, a second ticket is looked for: it may have turned up since.
    look_again: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Change:
    """What the service tells about one ticket."""

    #: Our order's key.
    key: str
    status: OrderStatus
    by: str
    note: str
    changed_at: datetime
    #: As in `model.TicketUpdate`: None where the status has changed.
    stamp: str | None = None
    #: As there.
    team: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of changes."""

    #: Give this to the next call.
    cursor: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """A ticket of this site that nobody has closed."""

    ref: str
    #: The order's key, or its marker where the service has no place for the key (`ticketing.marker`).
    key: str
    #: `I`, `II` or `III`; empty when the service does not tell.
    level: str


class TicketSink(Protocol):
    """A ticketing service. Bodies are JSON as it was stored, sent byte for byte each time."""

    #: The address, for messages to a person.
    url: str
    capability: Capability
    ambiguity: Ambiguity

    async def create(self, key: str, body: bytes) -> str:
        """Open a ticket and return its reference. With `Capability.KEY` the same call again returns the same one.

        With `Capability.SEARCH` it may return an empty one: the ticket is there, and `find` tells its reference later.

        Raises:
            Retry: not now; `ambiguous` when the ticket may exist all the same.
            Reject: never; a person must look at it.
        """
        ...

    async def find(self, key: str) -> str | None:
        """The ticket that carries this order's key or marker, whatever its state; None when there is none.

        Not with `Capability.NEITHER`, of which one cannot ask.

        Raises:
            Retry: not now.
            Reject: the service does not understand the question.
        """
        ...

    async def find_all(self, key: str) -> tuple[str, ...]:
        """Likewise, every ticket that carries it: more than one where a create was taken twice.

        Raises:
            Retry: not now.
            Reject: the service does not understand the question.
        """
        ...

    async def note(self, ref: str, key: str, body: bytes) -> None:
        """Write a note on a ticket. With `Capability.KEY` the same key again writes nothing more.

        Raises:
            Retry: not now; `ambiguous` when the note may stand there all the same.
            Reject: never, for instance because there is no such ticket.
        """
        ...

    async def changes(self, since: str, followed: Sequence[Followed] = ()) -> Changes:
        """What changed after the cursor `since`, oldest first; empty `since`: from the beginning.

        May be called again with the same cursor. `followed` are the orders in hand: a service that knows tickets by
        their reference only is asked about these, and about nothing when there are none.

        Raises:
            Retry: not now.
            Reject: the service does not understand the question.
        """
        ...

    async def open_tickets(self) -> tuple[OpenTicket, ...]:
        """Every open ticket of this site, whichever ledger it came from.

        Raises:
            Retry: not now.
            Reject: the service does not understand the question.
        """
        ...


class ToldSink(Protocol):
    """A ticketing service that may tell of changes by itself."""

    def told(self, body: bytes, followed: Sequence[Followed]) -> tuple[Change, ...]:
        """The changes in the body of its request; what is about no ticket of ours may be among them or not.

        Raises:
            ValueError: it cannot be read; the words say what is wrong.
        """
        ...
