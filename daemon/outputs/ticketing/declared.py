"""A ticketing service that is told in YAML, as a sink. What it can promise is declared there as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import structlog

from daemon.clock import Clock
from daemon.model import Reject, Retry, Site
from daemon.outputs.sink import Ambiguity, Change, Changes, OnAmbiguous, OpenTicket
from daemon.outputs.ticketing import names
from daemon.outputs.ticketing.answers import MISSING, Meaning, look_up, plain, read_json
from daemon.outputs.ticketing.marker import MARKER, stands_in
from daemon.outputs.ticketing.polling import Memory, Reader, entries_by_ref, listed
from daemon.outputs.ticketing.shape import (
    ChangesRequest,
    CreateRequest,
    DeclaredConfig,
    ListRequest,
    Request,
    SearchRequest,
    Step,
    TicketRequest,
)
from daemon.outputs.ticketing.template import Words, named, text
from daemon.outputs.ticketing.wire import Answer, Purpose, Wire
from daemon.store.outbox import Followed
from daemon.workorders.evidence import stamp, words

log = structlog.get_logger(__name__)

_ACTS = Purpose(acts=True)
_NOTES = Purpose(acts=True, about_ticket=True)
_ASKS = Purpose()


class DeclaredSink:
    """A `TicketSink`; use as `async with DeclaredSink(config, site, clock) as sink`."""

    def __init__(self, config: DeclaredConfig, site: Site, clock: Clock, *, name: str = "ticketing") -> None:
        self.url = config.url.rstrip("/")
        self.name = name
        self.capability = config.capability
        self.ambiguity = Ambiguity(
            config.on_ambiguous or OnAmbiguous.REPEAT, config.on_ambiguous_safety, config.settle, config.look_again
        )
        self._config = config
        self._clock = clock
        self._zone = ZoneInfo(config.zone or site.timezone)
        self._maps: Mapping[str, Any] = {name: (given.values, given.default) for name, given in config.maps.items()}
        self._common = names.service(config) | {"site": site.id, "site_name": words(site.name)}
        self._wire = Wire(config, name)
        #: Whose turn it is to be asked about, where tickets are asked for one by one.
        self._turn = 0
        #: The last list of changes was longer than may be read, and began with the newest.
        self._cut_off = False

    async def __aenter__(self) -> Self:
        """Make the HTTP session; no connection yet, so the service need not be there."""
        await self._wire.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._wire.__aexit__(kind, error, trace)

    def _words(self, values: Mapping[str, Any]) -> Words:
        return Words({**self._common, **values}, self._maps, self._zone)

    # --- out -----------------------------------------------------------------------------------------------

    async def create(self, key: str, body: bytes) -> str:
        """See `TicketSink`."""
        request = self._config.requests.create
        values = names.order(key) | names.body(body)
        answer = await self._wire.ask(request, self._words(values), _ACTS)
        ref = _ref(request, answer)
        if ref:
            return ref
        if request.ref.absent == "search":
            return ""
        if request.ref.absent is not None:
            return str(values[request.ref.absent])
        if answer.meaning is Meaning.DUPLICATE and self._config.requests.search is not None:
            found = await self.find(key)
            if found is not None:
                return found
        raise self._wire.strange("the create answers without the ticket's reference", ambiguous=True)

    async def find(self, key: str) -> str | None:
        """See `TicketSink`."""
        request = self._config.requests.search
        if request is None:
            raise Reject(f"{self.url}: no search is told in YAML: nobody can tell whether the ticket is there")
        async for ref in self._matching(request, key):
            return ref
        return None

    async def find_all(self, key: str) -> tuple[str, ...]:
        """See `TicketSink`."""
        request = self._config.requests.search
        if request is None:
            raise Reject(f"{self.url}: no search is told in YAML: nobody can tell which tickets are there")
        return tuple(dict.fromkeys([ref async for ref in self._matching(request, key)]))

    async def _matching(self, request: SearchRequest, key: str) -> AsyncIterator[str]:
        values = self._words(names.order(key))
        wanted = text(request.contains or request.equals or "", values)
        async for entries in self._pages(request, values):
            for path in (request.match, request.ref):
                if all(look_up(entry, path) is MISSING for entry in entries):  # it would be taken for "not there"
                    raise self._wire.strange(f"{request.method} {request.path} answers entries without {path!r}")
            for entry in entries:
                said, ref = plain(look_up(entry, request.match)), plain(look_up(entry, request.ref))
                if ref and (stands_in(wanted, said) if request.contains else wanted == said):
                    yield ref

    async def note(self, ref: str, key: str, body: bytes) -> None:
        """See `TicketSink`. A kind of note that the service has no request for is not sent."""
        values = names.note(ref, key, body)
        requests = self._config.requests
        own: Mapping[str, Request | None] = {
            "update": requests.update,
            "recovery": requests.recovery,
            "reopen": requests.reopen,
            "verified": requests.verified,
            "duplicate": requests.duplicate,
            "chart": requests.chart,
        }
        kind = "chart" if "chart" in values else str(values.get("kind"))
        request = own.get(kind) or requests.note
        if request is not None:
            await self._wire.ask(request, self._words(values), _NOTES)

    # --- back ----------------------------------------------------------------------------------------------

    async def changes(self, since: str, followed: Sequence[Followed] = ()) -> Changes:
        """See `TicketSink`. Without a followed ticket nothing is asked."""
        requests, statuses = self._config.requests, self._config.statuses
        asked = requests.changes or requests.ticket
        if not followed or asked is None or statuses is None:
            return Changes(since, ())
        memory = Memory.read(since)
        reader = Reader(self.url, asked.entry, statuses, self._zone)
        if requests.changes is not None:
            found = await self._from_list(requests.changes, reader, memory, followed)
        else:
            assert requests.ticket is not None  # noqa: S101  asked above
            found = await self._one_by_one(requests.ticket, reader, memory, followed)
        return Changes(memory.cursor(followed), tuple(sorted(found, key=lambda change: change.changed_at)))

    async def _from_list(
        self, request: ChangesRequest, reader: Reader, memory: Memory, followed: Sequence[Followed]
    ) -> list[Change]:
        by_ref = {order.ref: order for order in followed}
        asked = self._words({"since": stamp(memory.ask_from(followed, request.overlap))})
        now, found, since = self._clock.now(), [], memory.since
        newest: list[datetime] = []
        pages = 0
        async for entries in self._pages(request, asked):
            pages += 1
            for ref, entry in entries_by_ref(entries, request.ref).items():
                at = reader.changed_at(entry)
                if at is not None:
                    memory.move_to(at, now)
                    newest.append(at)
                change = reader.change(entry, by_ref[ref], memory, now) if ref in by_ref else None
                if change is not None:
                    found.append(change)
        cut_off = pages == request.most_pages and bool(newest) and newest[0] > newest[-1] and _is_paged(request)
        if cut_off:  # what is missing is older than all that was read: it is not passed over
            memory.since = since
        if cut_off and not self._cut_off:
            advice = "have the service list the oldest first, or set more under requests.changes.most_pages"
            log.warning("ticket_changes_cut_off", url=self.url, pages=pages, advice=advice)
        self._cut_off = cut_off
        return found

    async def _one_by_one(
        self, request: TicketRequest, reader: Reader, memory: Memory, followed: Sequence[Followed]
    ) -> list[Change]:
        """A batch of them each time, in turn. What was learnt before a failure is told; it comes up again by itself."""
        found: list[Change] = []
        for _ in range(min(request.batch, len(followed))):
            order = followed[self._turn % len(followed)]
            self._turn = (self._turn + 1) % len(followed)
            now = self._clock.now()  # before the question: what is told meanwhile is newer than the answer
            try:
                values = self._words(names.order(order.key) | {"ref": order.ref})
                answer = await self._wire.ask(request, values, Purpose(about_ticket=True))
            except (Retry, Reject):
                if found:
                    break
                raise
            change = reader.change(answer.body, order, memory, now)
            if change is not None:
                found.append(change)
        return found

    def told(self, body: bytes, followed: Sequence[Followed]) -> tuple[Change, ...]:
        """See `ToldSink`: entries as `told` says, one or a list of them."""
        config, statuses = self._config.told, self._config.statuses
        if config is None or statuses is None:
            raise ValueError("nothing tells how it reads; add `told` and `statuses` beside `webhook`")
        found = look_up(read_json(body, None), config.entries)
        if not isinstance(found, list | dict):
            raise ValueError(  # noqa: TRY004  what the port raises for a body that cannot be read
                f"there is no entry at {config.entries!r}"
            )
        reader = Reader(self.url, config.entry, statuses, self._zone)
        by_ref, now = {order.ref: order for order in followed}, self._clock.now()
        entries = entries_by_ref(found if isinstance(found, list) else [found], config.ref)
        pairs = ((entry, by_ref[ref]) for ref, entry in entries.items() if ref in by_ref)
        changes = (reader.change(entry, order, Memory(None, {order.ref: ""}), now) for entry, order in pairs)
        return tuple(change for change in changes if change is not None)

    async def open_tickets(self) -> tuple[OpenTicket, ...]:
        """See `TicketSink`."""
        request = self._config.requests.open
        if request is None:
            raise Reject(f"{self.url}: no request for open tickets is told in YAML (requests.open)")
        found: dict[str, OpenTicket] = {}
        async for entries in self._pages(request, self._words({})):
            for ref, entry in entries_by_ref(entries, request.ref).items():
                said = plain(look_up(entry, request.match))
                mark = MARKER.search(said)
                level = plain(look_up(entry, request.level_at)) if request.level_at is not None else ""
                key = mark.group() if mark is not None else said
                found[ref] = OpenTicket(ref, key, request.level.get(level, ""))
        return tuple(found.values())

    # --- lists ---------------------------------------------------------------------------------------------

    async def _pages(self, request: ListRequest, values: Words) -> AsyncIterator[list[Any]]:
        """The pages of a list, until one is empty or says the same as the one before; one page without `{page}`."""
        paged = _is_paged(request)
        before: list[Any] = []
        for page in range(request.first_page, request.first_page + (request.most_pages if paged else 1)):
            here = Words({**values.values, "page": page}, values.maps, values.zone)
            answer = await self._wire.ask(request, here, _ASKS)
            entries = listed(answer.body, request.entries)
            if entries is None:
                raise self._wire.strange(
                    f"{request.method} {request.path} answers without a list at {request.entries!r}"
                )
            if not entries or entries == before:
                return
            yield entries
            before = entries


def _is_paged(request: ListRequest) -> bool:
    return any(place.path == "page" for place in named(_templates(request)))


def _templates(step: Step) -> list[Any]:
    return [step.path, step.query, step.headers, step.tree, step.form]


def _ref(request: CreateRequest, answer: Answer) -> str:
    """The ticket's reference in an answer; empty when it is not there."""
    where = request.ref
    found = answer.headers.get(where.header, "") if where.header is not None else ""
    if where.path is not None:
        found = plain(look_up(answer.body, where.path))
    found = found.strip()
    return (found.rpartition(where.after)[2] if where.after else found)[:200]
