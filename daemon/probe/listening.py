"""A visit to a broker: everything that arrives on some topics. Nothing is published, and nothing of us stays there."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from daemon.clock import Clock
from daemon.model import SourceDown
from daemon.probe.messages import Message
from daemon.sensors.mqtt_config import MqttConfig
from daemon.sensors.mqtt_link import Link
from daemon.sensors.mqtt_wire import Publish

_MOST_WAITING = 2000
#: Messages looked at before others have a turn.
_MOST_AT_ONCE = 50


class Listener:
    """Hears a broker until cancelled; use `run` once."""

    def __init__(
        self, config: MqttConfig, filters: Sequence[str], clock: Clock, hear: Callable[[Message], None]
    ) -> None:
        """Connect later.

        Args:
            config: the broker. Our client id is a random one: that of the daemon would end its connection.
            filters: topic filters to subscribe to.
            clock: gives the moment of receipt.
            hear: called with each message, in order. A payload above `max_payload` arrives cut.
        """
        self._config = config
        self._filters = tuple(filters)
        self._clock = clock
        self._hear = hear
        self._changed = asyncio.Event()
        self._waiting: deque[tuple[Publish, datetime]] = deque()
        self._link: Link | None = None
        #: Filters that the broker refused.
        self.refused: tuple[str, ...] = ()

    async def run(self) -> None:
        """Listen.

        Raises:
            SourceDown: no connection, or no longer, or none of the filters may be read.
            ConfigError: a certificate cannot be read.
        """
        if self._config.tls is not None:
            self._config.tls.context()
        link = Link(
            self._config,
            self._clock,
            client_id=f"precomplaint-probe-{secrets.token_hex(4)}",
            status_topic="",
            receive=self._receive,
            changed=self._changed,
        )
        self._link = link
        await link.join()
        try:
            link.ask(self._filters, without=(), replay=True)
            while not link.lost:
                await self._changed.wait()
                self._changed.clear()
                self._note_answers(link)
                await self._pass_on(link)
        finally:
            link.leave()
        raise SourceDown(f"{self._config.place}: {link.lost}")

    def _receive(self, message: Publish) -> None:
        assert self._link is not None  # noqa: S101  nobody else calls
        self._waiting.append((message, self._link.read_at))
        if len(self._waiting) >= _MOST_WAITING:
            self._link.hold()
        self._changed.set()

    async def _pass_on(self, link: Link) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_MOST_AT_ONCE, len(self._waiting)))]
            for message, received_at in batch:
                cut_from = message.size if message.size > len(message.payload) else 0
                self._hear(Message(message.topic, message.payload, received_at, message.retain, cut_from))
            link.acknowledge([message.mid for message, _ in batch if message.qos])
            await self._clock.sleep(0)
        link.go_on()

    def _note_answers(self, link: Link) -> None:
        if not link.answered:
            return
        link.answered = False
        self.refused = tuple(link.refused)
        if link.refused and not link.granted:
            who = f"user {self._config.username!r}" if self._config.username else "a client without username"
            topics = ", ".join(link.refused)
            link.lose(f"the broker lets {who} read none of {topics}; allow it in the broker's access list")
