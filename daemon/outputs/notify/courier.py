"""From notices to channels: Level I first, within each peer's rate, bursts as one digest, never in anybody's way.

    notice ─> address (job) ─> per channel: due ─> [one message | digest] ─> delivered · postponed · parked

Peers have no idempotency keys, so a message that timed out is sent again and may come twice: better twice than never.
A delivery that may have arrived is tried `_MOST_UNSURE` times, one that cannot `_MOST_ATTEMPTS` times: a day without
the internet loses nothing. Then it is parked, counted and logged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from daemon import telemetry
from daemon.clock import Clock
from daemon.commitpoints import reached
from daemon.model import Level, Reject, Retry
from daemon.outputs.notify.channel import Channel, Message
from daemon.outputs.notify.pictures import PictureChannel, Pictures, share
from daemon.store import notices
from daemon.store.db import reader
from daemon.store.jobs import RunJob
from daemon.store.notices import Pending
from daemon.supervisor import Backoff

log = structlog.get_logger(__name__)

_SENT = telemetry.counter("notices_sent_total", "Messages that a channel's peer took.", "channel")
_GIVEN_UP = telemetry.counter("notices_parked_total", "Notices given up: a person must look.", "channel")
_MOST_UNSURE = 12
#: At the longest wait between two tries that is about a day.
_MOST_ATTEMPTS = 300
#: More than that many waiting of one urgency become one message.
_DIGEST_OVER = 3
_MOST_IN_DIGEST = 40


@dataclass(frozen=True, slots=True)
class Route:
    """One channel and whom it serves."""

    channel: Channel
    roles: tuple[str, ...]
    #: `zh`, `en`, or `both`.
    language: str = "both"
    #: What the peer allows; WeCom and DingTalk 20.
    per_minute: int = 20


class Courier:
    """Serves every channel by a task of its own, so that a dead one holds up no other."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        store: Path,
        *,
        run_job: RunJob,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self._routes = routes
        self._store = store
        self._run_job = run_job
        self._clock = clock
        self._backoff = backoff or Backoff(2.0, 300.0)
        self._new = asyncio.Event()
        self._wakes = {name: asyncio.Event() for name in routes}
        #: By channel, of those that show pictures.
        self._pictures = {
            name: Pictures(name, route.channel, store, clock=clock, per_minute=route.per_minute)
            for name, route in routes.items()
            if isinstance(route.channel, PictureChannel) and route.channel.pictures
        }
        #: Deliveries that may have arrived, and how often each was tried so.
        self._unsure: Counter[int] = Counter()
        #: Until when a peer has shut its channel out: asking sooner would only prolong it.
        self._shut_until: dict[str, datetime] = {}

    def wake(self) -> None:
        """Something may have been added. Cheap; called in the event loop after each commit."""
        self._new.set()

    async def run(self) -> None:
        """Deliver until cancelled. Raises only what ended the writer."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._address(), name="notices-address")
            for name, route in self._routes.items():
                group.create_task(self._serve(name, route), name=f"notices-{name}")
            for name, pictures in self._pictures.items():
                group.create_task(pictures.run(), name=f"pictures-{name}")

    async def _address(self) -> None:
        roles = {name: route.roles for name, route in self._routes.items()}
        known = -1
        with reader(self._store) as db:
            while True:
                self._new.clear()
                newest = notices.newest(db)
                if newest != known:
                    reached("before_address")
                    while await self._run_job(partial(notices.address, channels=roles)):
                        reached("after_address")
                    known = newest
                    for wake in self._wakes.values():
                        wake.set()
                await self._new.wait()

    async def _serve(self, name: str, route: Route) -> None:
        wake, spent = self._wakes[name], list[datetime]()
        most = max(1, route.per_minute - share(route.per_minute)) if name in self._pictures else route.per_minute
        with reader(self._store) as db:
            while True:
                wake.clear()
                now = self._clock.now()
                spent = [at for at in spent if now - at < timedelta(minutes=1)]
                shut = self._shut_until.get(name, now)
                if shut > now:
                    await self._clock.sleep((shut - now).total_seconds())
                    continue
                waiting = notices.due(db, name, now, 200)
                if not waiting:
                    due = notices.next_at(db, name)
                    await self._clock.wait(wake, None if due is None else max(0.0, (due - now).total_seconds()))
                elif len(spent) >= most:
                    await self._clock.sleep(max(0.05, (spent[0] + timedelta(minutes=1) - now).total_seconds()))
                else:
                    spent.append(now)
                    await self._send(name, route, _batch(waiting, route))

    async def _send(self, name: str, route: Route, batch: Sequence[Pending]) -> None:
        ids = [pending.id for pending in batch]
        try:
            reached("before_notice")
            await route.channel.send(compose(batch, route))
            reached("after_notice")
        except Retry as retry:
            await self._postpone(name, route, batch, retry)
        except Reject as reject:
            await self._park(name, route, ids, str(reject))
        else:
            _SENT.labels(name).inc()
            reached("before_notice_receipt")
            await self._run_job(partial(notices.delivered, ids=ids, at=self._clock.now()))
            reached("after_notice_receipt")
            for id_ in ids:
                self._unsure.pop(id_, None)
            if name in self._pictures:
                self._pictures[name].told(batch)

    async def _postpone(self, name: str, route: Route, batch: Sequence[Pending], retry: Retry) -> None:
        """Again later; what was tried often enough is given up, and not what only shared its last message."""
        if retry.ambiguous:
            self._unsure.update(pending.id for pending in batch)
        over = [p for p in batch if p.attempts + 1 >= _MOST_ATTEMPTS or self._unsure[p.id] >= _MOST_UNSURE]
        if over:
            tried = max(pending.attempts for pending in over) + 1
            await self._park(name, route, [pending.id for pending in over], f"{retry} ({tried} tries)")
        rest = [pending for pending in batch if pending not in over]
        if not rest:
            return
        tried, now = max(pending.attempts for pending in rest) + 1, self._clock.now()
        wait = timedelta(seconds=self._backoff.wait(tried))
        until = now + max(wait, retry.after or wait)
        if retry.after is not None:
            self._shut_until[name] = now + retry.after
        if tried == 1:
            log.warning("channel_lost", channel=name, error=str(retry), until=until.isoformat(timespec="seconds"))
        ids = [pending.id for pending in rest]
        reached("before_notice_postpone")
        await self._run_job(partial(notices.postponed, ids=ids, error=str(retry), until=until))
        reached("after_notice_postpone")

    async def _park(self, name: str, route: Route, ids: Sequence[int], error: str) -> None:
        for id_ in ids:
            self._unsure.pop(id_, None)
        _GIVEN_UP.labels(name).inc(len(ids))
        log.error(
            "notices_parked",
            channel=name,
            to=route.roles,
            notices=len(ids),
            error=error,
            advice="these people were not told: call them, then mend the channel",
        )
        reached("before_notice_park")
        await self._run_job(partial(notices.parked, ids=ids, error=error))
        reached("after_notice_park")


def _batch(waiting: Sequence[Pending], route: Route) -> Sequence[Pending]:
    """The next message: the first of the most urgent, or as many of that urgency as one message holds."""
    urgent = waiting[0].level is Level.I
    alike = [pending for pending in waiting if (pending.level is Level.I) is urgent]
    batch = alike[: _MOST_IN_DIGEST if len(alike) > _DIGEST_OVER else 1]
    while len(batch) > 1 and _bytes(compose(batch, route)) > route.channel.most_bytes:
        batch = batch[:-1]  # what would be cut off was never told
    return batch


def _bytes(message: Message) -> int:
    return len(f"{message.title}\n{message.text}".encode())


def compose(batch: Sequence[Pending], route: Route) -> Message:
    """One message of one notice or of many."""
    only_residents = set(route.roles) == {"residents"}
    said = [_words(pending, route.language, residents=only_residents) for pending in batch]
    level = min(pending.level for pending in batch)
    if len(said) == 1:
        return Message(*said[0], level)
    zh, en = f"{len(said)} 条通知", f"{len(said)} notices"
    title = {"zh": zh, "en": en}.get(route.language, f"{zh} {en}")
    lines = [text if only_residents else title for title, text in said]  # residents' titles are all the same
    return Message(title, "\n".join(f"· {line}" for line in lines), level)


def _words(pending: Pending, language: str, *, residents: bool) -> tuple[str, str]:
    if residents:
        text = pending.body["residents"] or {"zh": "", "en": ""}
        return _in("物业通知", "Notice from the property office", language), _in(text["zh"], text["en"], language)
    staff = pending.body["staff"]
    title, text = staff["title"], staff["text"]
    return _in(title["zh"], title["en"], language), _in(text["zh"], text["en"], language)


def _in(zh: str, en: str, language: str) -> str:
    return {"zh": zh, "en": en}.get(language, f"{zh}\n{en}")
