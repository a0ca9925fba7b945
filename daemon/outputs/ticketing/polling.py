"""What persons did, from a service that tells states instead of changes: what it says now, against what it said last.

The cursor holds both the moment up to which was asked and the last state of each ticket followed, so that a restart
tells nothing twice and nothing is kept of tickets whose orders are over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import structlog

from daemon.model import OrderStatus
from daemon.outputs.sink import Change
from daemon.outputs.ticketing.answers import MISSING, look_up, plain, read_moment
from daemon.outputs.ticketing.shape import Reading, StatusMap
from daemon.store.outbox import Followed
from daemon.workorders.evidence import stamp

log = structlog.get_logger(__name__)

#: A service whose clock is ahead by more than that does not move our cursor there.
_AHEAD = timedelta(days=1)
_LONGEST = 500


@dataclass(slots=True)
class Memory:
    """What a cursor remembers."""

    since: datetime | None
    #: The service's word for a ticket's state, by reference.
    seen: dict[str, str]

    @classmethod
    def read(cls, cursor: str) -> Memory:
        """The memory in a cursor; an empty one where it cannot be read."""
        try:
            told = orjson.loads(cursor)
            since = None if told["since"] is None else datetime.fromisoformat(told["since"])
            return cls(since, {str(ref): str(state) for ref, state in told["seen"].items()})
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return cls(None, {})

    def cursor(self, followed: Sequence[Followed]) -> str:
        """As a cursor, of tickets still followed only."""
        known = {order.ref for order in followed}
        seen = {ref: state for ref, state in sorted(self.seen.items()) if ref in known}
        return orjson.dumps({"since": None if self.since is None else stamp(self.since), "seen": seen}).decode()

    def ask_from(self, followed: Sequence[Followed], overlap: timedelta) -> datetime:
        """The moment after which changes are asked for."""
        since = min(order.created_at for order in followed) if self.since is None else self.since
        return since - overlap

    def move_to(self, at: datetime, now: datetime) -> None:
        """The service has told of a change at `at`."""
        if at <= now + _AHEAD and (self.since is None or at > self.since):
            self.since = at


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads entries of one service."""

    url: str
    reading: Reading
    statuses: StatusMap
    zone: ZoneInfo

    def changed_at(self, entry: Any) -> datetime | None:  # noqa: ANN401  JSON
        """When the entry says that its ticket changed."""
        if self.reading.changed_at is None:
            return None
        return read_moment(look_up(entry, self.reading.changed_at), self.reading.time, self.zone)

    def change(self, entry: Any, order: Followed, memory: Memory, now: datetime) -> Change | None:  # noqa: ANN401  JSON
        """What is new in an entry about a followed ticket; None when nothing is."""
        found = look_up(entry, self.reading.status)
        state = plain(found)[:_LONGEST]
        before = memory.seen.get(order.ref)
        if state == before:
            return None
        memory.seen[order.ref] = state
        ours = self.statuses.values.get(state, self.statuses.default)
        if state not in self.statuses.values:
            shown = f"nothing at {self.reading.status!r}" if found is MISSING else state
            log.warning("ticket_status_unknown", url=self.url, order=order.key, status=shown, taken_as=ours)
        if ours == "ignore" or (before is None and ours == "sent"):
            return None
        at = self.changed_at(entry) or now
        by, note, team = (self._text(entry, name) for name in ("by", "note", "team"))
        return Change(order.key, OrderStatus(ours), by, note, at, team=team)

    def _text(self, entry: Any, name: str) -> str:  # noqa: ANN401  JSON
        path = getattr(self.reading, name)
        return "" if path is None else plain(look_up(entry, path))[:_LONGEST]


def listed(body: Any, path: str) -> list[Any] | None:  # noqa: ANN401  JSON
    """A list in an answer: an empty one for null, None where there is no list."""
    found = look_up(body, path)
    if found is None:
        return []
    return found if isinstance(found, list) else None


def entries_by_ref(entries: Sequence[Any], path: str) -> Mapping[str, Any]:
    """Entries that have a reference, the last of each."""
    return {ref: entry for entry in entries if (ref := plain(look_up(entry, path)))}
