"""The MQTT source: everything a broker delivers, acknowledged only after it has been committed.

    Link ── receive ──> pending (bounded) ── batch ──> decoder ──> emit ──> committed ──> acknowledge
              │ DUP of something committed: acknowledged and dropped
              │ full: QoS 0 sheds its oldest, else the link stops reading and TCP holds the broker back

The broker repeats what was not acknowledged when we come back, flagged DUP. (packet id, hash of topic and payload) of
what was committed is remembered, over restarts by the journal, so nothing counts twice. An acknowledgement dies with
its connection. A packet id that comes without the flag is a new message: what was remembered of it is forgotten.
Two cases cannot be told apart: a broker that repeats without the flag (the embedded rumqttd does, Mosquitto does not),
and, where packet ids are used again at once, a message that was lost on its way the first time and equals, byte for
byte, the one that had its packet id before.
"""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

from daemon.clock import Clock
from daemon.commitpoints import reached
from daemon.model import Emit, Observation, Reason, Site, SourceDown, Taken
from daemon.sensors.decoder import Decoder
from daemon.sensors.mqtt_config import MqttConfig, MqttTls
from daemon.sensors.mqtt_link import Link
from daemon.sensors.mqtt_wire import Publish
from daemon.sensors.profile import Binding
from daemon.sensors.rate import RateLimit
from daemon.sensors.source import CONNECTED, DUPLICATES, RECEIVED, REJECTED, SHED

__all__ = ["MqttConfig", "MqttSource", "MqttTls"]

log = structlog.get_logger(__name__)

#: Messages decoded in one go, some 5 ms of work: the event loop serves others in between.
_MOST_AT_ONCE = 500
#: A connection that the broker closes sooner than this did not fail by itself.
_SHORT = timedelta(seconds=10)


class _Pending(NamedTuple):
    message: Publish
    received_at: datetime
    #: Hash of topic and payload.
    digest: int


class MqttSource:
    """One broker and the devices behind it."""

    def __init__(  # noqa: PLR0913  the app keeps our memory, and gives it back piece by piece
        self,
        config: MqttConfig,
        bindings: Sequence[Binding],
        clock: Clock,
        *,
        site: Site,
        name: str,
        remembered: Mapping[int, int] | None = None,
        session: str = "",
        subscribed: Sequence[str] = (),
        on_subscribed: Callable[[Sequence[str]], None] | None = None,
        births: Mapping[str, str] | None = None,
        on_birth: Callable[[str, str], None] | None = None,
    ) -> None:
        """Build a source that has not connected yet.

        Args:
            config: The broker.
            bindings: The devices heard there.
            clock: Site time.
            site: Names the client id and the status topic; its zone holds for times that name none.
            name: Name of the source.
            remembered: Packet id to hash of what was committed lately in `session`.
            session: Name of the broker session, as the last emit passed it; empty when there was none.
            subscribed: Filters subscribed when we last ran: those no longer wanted are unsubscribed.
            on_subscribed: Told the filters once the broker has granted them, to be kept for the next start.
            births: What Sparkplug births said when we last ran, by edge node.
            on_birth: Told an edge node and what is to be kept of its births, before the commit of the birth itself.

        Raises:
            ConfigError: an address does not fit its profile, or a certificate cannot be read.
        """
        if config.tls is not None:
            config.tls.context()  # a wrong file is told at start; it is read again for every connection
        self.name = name
        self.config = config
        self.session = session
        self.client_id = config.client_id or f"precomplaint-{site.id}"
        self._clock = clock
        zone = ZoneInfo(site.timezone)
        self._decoder = Decoder(bindings, source=name, zone=zone, births=births, remember=on_birth)
        self._rate = RateLimit(config.topic_rate, config.topic_burst) if config.topic_rate else None
        self._status_topic = f"precomplaint/{site.id}/status"
        self._remembered = dict(remembered or {}) if session else {}
        #: Filters that the broker has granted, now or when we last ran.
        self.subscribed = tuple(subscribed)
        self._on_subscribed = on_subscribed
        self._changed = asyncio.Event()
        #: In order of arrival, by a running number.
        self._pending: dict[int, _Pending] = {}
        self._next = 0
        #: Running numbers of the pending messages with QoS 0.
        self._qos0: deque[int] = deque()
        #: What is held: pending, and on its way through emit.
        self._messages = 0
        self._bytes = 0
        #: Packet ids of what is held, to their hashes.
        self._uncommitted: dict[int, int] = {}
        #: Packet ids of repeats of what was committed long ago: acknowledged with the next batch.
        self._repeats: list[int] = []
        self._link: Link | None = None
        self._was_lost = False
        self._short_lives = 0
        self._counts = (
            RECEIVED.labels(name),
            DUPLICATES.labels(name),
            SHED.labels(name),
            CONNECTED.labels(name),
        )

    @property
    def held(self) -> int:
        """Messages received and not committed yet."""
        return self._messages

    @property
    def online(self) -> bool:
        """Connected, and our subscriptions answered."""
        return self._link is not None and not self._link.lost and bool(self._link.granted or self._link.refused)

    # --- the port -----------------------------------------------------------------------------------------

    async def run(self, emit: Emit) -> None:
        """Hear the broker until cancelled; see the port for what it promises.

        Raises:
            SourceDown: no connection, or no longer; everything received has gone through `emit` by then.
        """
        self._changed.clear()
        link = Link(
            self.config,
            self._clock,
            client_id=self.client_id,
            status_topic=self._status_topic,
            receive=self._received,
            changed=self._changed,
        )
        self._link = link
        try:
            await link.join()
        except SourceDown:
            self._was_lost = True
            raise
        connected_at = self._clock.now()
        try:
            self._greet(link)
            await self._hear(link, emit)
        finally:
            self._counts[3].set(0)
            link.leave()
        self._was_lost = True
        raise SourceDown(self._why_lost(link, self._clock.now() - connected_at), was_up=bool(link.granted))

    async def _hear(self, link: Link, emit: Emit) -> None:
        """Until the link is lost and all that it brought has been committed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._note_answers(link)
            while self._pending:
                await self._commit(link, emit)
            self._acknowledge_repeats(link)
            if link.lost:
                return

    async def _commit(self, link: Link, emit: Emit) -> None:
        numbers = list(islice(self._pending, _MOST_AT_ONCE))
        batch = [self._pending.pop(number) for number in numbers]
        observations = self._observe(batch)
        packets = tuple((message.mid, digest) for message, _, digest in batch if message.qos)
        while self._qos0 and self._qos0[0] <= numbers[-1]:
            self._qos0.popleft()
        urgent, self._decoder.urgent = self._decoder.urgent, False

        await emit(observations, urgent=urgent, taken=Taken(self.name, self.session, packets))

        self._messages -= len(batch)
        self._bytes -= sum(len(message.payload) for message, _, _ in batch)
        for mid, digest in packets:
            self._remembered[mid] = digest
            self._uncommitted.pop(mid, None)
        reached("before_ack")
        link.acknowledge([mid for mid, _ in packets])
        reached("after_ack")
        self._counts[0].inc(len(batch))
        for observation in observations:
            for rejection in observation.rejections:
                REJECTED.labels(self.name, rejection.reason).inc()
        if self._messages <= self.config.pending_messages // 2 and self._bytes <= self.config.pending_bytes // 2:
            link.go_on()

    def _observe(self, batch: Sequence[_Pending]) -> list[Observation]:
        observations: list[Observation] = []
        #: By topic, the messages that came too fast: told once for all of them.
        shed: dict[str, list[_Pending]] = {}
        for pending in batch:
            message, received_at, _ = pending
            if self._rate is not None and not self._rate.admit(message.topic, received_at):
                shed.setdefault(message.topic, []).append(pending)
            else:
                observations += self._decode(message, received_at)
        for topic, lost in shed.items():
            self._counts[2].inc(len(lost))
            detail = (
                f"{len(lost)} messages shed: they came faster than {self.config.topic_rate:g} a second; look at the "
                f"device, or raise topic_rate"
            )
            last, received_at, _ = lost[-1]
            observations.append(self._decoder.reject(topic, last.payload, received_at, Reason.TOO_FAST, detail))
        return observations

    def _decode(self, message: Publish, received_at: datetime) -> list[Observation]:
        if message.size > self.config.max_payload:
            detail = f"{message.size} bytes, at most {self.config.max_payload} are taken; see max_payload"
            return [self._decoder.reject(message.topic, message.payload, received_at, Reason.TOO_LARGE, detail)]
        return self._decoder.decode(message.topic, message.payload, received_at, retained=message.retain)

    # --- receiving ----------------------------------------------------------------------------------------

    def _received(self, message: Publish) -> None:
        """Called by the link for every message, in the event loop."""
        link = self._link
        assert link is not None  # noqa: S101  nobody else calls
        digest = 0
        if message.qos:
            digest = zlib.crc32(message.payload, zlib.crc32(message.topic.encode()))
            mid = message.mid
            if message.dup:
                if self._uncommitted.get(mid) == digest:
                    self._counts[1].inc()  # the first of the two is acknowledged once it is committed
                    return
                if self._remembered.get(mid) == digest:
                    self._counts[1].inc()
                    self._repeats.append(mid)
                    self._changed.set()
                    return
            self._remembered.pop(mid, None)
            self._uncommitted[mid] = digest
        else:
            self._qos0.append(self._next)
        self._pending[self._next] = _Pending(message, link.read_at, digest)
        self._next += 1
        self._messages += 1
        self._bytes += len(message.payload)
        while self._messages >= self.config.pending_messages or self._bytes >= self.config.pending_bytes:
            if not self._qos0:
                link.hold()
                break
            self._shed()
        self._changed.set()

    def _shed(self) -> None:
        shed = self._pending.pop(self._qos0.popleft())
        self._messages -= 1
        self._bytes -= len(shed.message.payload)
        self._counts[2].inc()

    def _acknowledge_repeats(self, link: Link) -> None:
        repeats, self._repeats = self._repeats, []
        link.acknowledge(repeats)

    # --- coming and going ---------------------------------------------------------------------------------

    def _greet(self, link: Link) -> None:
        """Tell the broker what we want to hear, and the others that we are here."""
        if not link.session_present or not self.session:
            self.session = secrets.token_hex(8)
            self._remembered.clear()
            self._decoder.forget_births()
        wanted = self._decoder.filters
        gone = [name for name in self.subscribed if name not in wanted] if link.session_present else []
        link.ask(wanted, without=gone, replay=not self.subscribed)
        link.tell("online")
        self._counts[3].set(1)
        if self._was_lost:
            log.info("source_back", source=self.name, broker=self.config.place, session_kept=link.session_present)
            self._was_lost = False

    def _note_answers(self, link: Link) -> None:
        """Look at what the broker said to our subscriptions."""
        if not link.answered:
            return
        link.answered = False
        if link.refused:
            fix = f"allow user {self.config.username or '(none)'} to read them in the broker's access list"
            log.error("subscription_refused", source=self.name, topics=link.refused, fix=fix)
        if not link.granted and link.refused:
            topics = ", ".join(link.refused)
            link.lose(f"not allowed to read any of our topics ({topics}); change the broker's access list")
        self.subscribed = tuple(link.granted)
        if self._on_subscribed is not None:
            self._on_subscribed(self.subscribed)

    def _why_lost(self, link: Link, life: timedelta) -> str:
        place = self.config.place
        if link.taken_over:
            return (
                f"{place}: another client uses client id {self.client_id!r} and took our session over; "
                f"stop it, or give one of the two another client_id"
            )
        if not link.closed_by_broker:
            self._short_lives = 0
            return f"{place}: {link.lost}"
        # 3.1.1 has no word for a session taken over, and Mosquitto keeps quiet about persistent ones in 5 too
        self._short_lives = self._short_lives + 1 if life < _SHORT else 0
        if self._short_lives < 3:
            return (
                f"{place}: {link.lost} without a reason: it was stopped, or another client uses "
                f"client id {self.client_id!r}; see the broker's log"
            )
        return (
            f"{place}: {link.lost} without a reason, {self._short_lives} times within {_SHORT.seconds} s of "
            f"connecting: most likely another client uses client id {self.client_id!r}; stop it, or change client_id"
        )
