"""One connection to a broker: aiomqtt's client with its receiving half replaced.

aiomqtt makes the connection, speaks TLS, logs in and runs paho's state machine. Its message queue stays empty: what it
would put there is acknowledged at once and dropped when the queue is full. Instead

    socket ── 64 KiB reads ──> Packets ──┬─ PUBLISH ──> `receive` of the source
                                         └─ the rest ──> paho, a whole packet at a time

and acknowledgements go out when the source says so. `hold` stops reading, so that TCP holds the broker back; pings
go on. Everything but the connecting runs in the event loop; nothing here raises into it: what goes wrong ends up in
`lost`, and `changed` is set.

It leans on these private parts of aiomqtt 2.x and paho 2.x: `_on_*` callbacks, `_connected`, `_client_connect`; paho's
`_sock`, `_packet_queue`, `_ping_t`, `_sock_close`, `_ssl_wrap_socket`.
tests/contract/test_mqtt_*.py walk over all of them.
"""
# ruff: noqa: SLF001  see above

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from typing_extensions import override

from daemon.clock import Clock
from daemon.sensors.mqtt_config import MqttConfig
from daemon.sensors.mqtt_connection import Connection
from daemon.sensors.mqtt_socket import READ_BYTES
from daemon.sensors.mqtt_wire import Malformed, Packets, Publish, acknowledgements

_PUBACK = 0x40
#: Seconds; half of what the writer waits for company.
_REST = 0.01
#: Reads at the end; a broker in full flood does not keep us.
_MOST_THROWN_AWAY = 1000
_TAKEN_OVER = 0x8E
_PINGS_UNANSWERED = 0x8D


class Link(Connection):
    """One connection: `join` once, `leave` once."""

    def __init__(
        self,
        config: MqttConfig,
        clock: Clock,
        *,
        client_id: str,
        status_topic: str,
        receive: Callable[[Publish], None],
        changed: asyncio.Event,
    ) -> None:
        """Without a status topic it is a visit: nothing is published, and the broker keeps nothing of us afterwards."""
        will = aiomqtt.Will(status_topic, b"offline", qos=1, retain=True) if status_topic else None
        super().__init__(config, client_id=client_id, will=will)
        self._clock = clock
        self._v5 = config.version == "5"
        self._status_topic = status_topic
        self._receive = receive
        self._changed = changed
        self._packets = Packets(v5=self._v5, largest_payload=config.max_payload)
        self._keeper: asyncio.Task[None] | None = None
        #: Something was read since the last look at the pings.
        self._heard = False
        #: Why the connection is gone; empty while it stands.
        self.lost = ""
        #: The broker ended it without a word.
        self.closed_by_broker = False
        #: The broker said that another client took our session over.
        self.taken_over = False
        #: The broker still had our session.
        self.session_present = False
        #: When the last bytes were read: the time of receipt of every message in them.
        self.read_at: datetime = clock.now()
        #: Asked for, but not answered yet.
        self._asked: dict[int, tuple[str, ...]] = {}
        #: Filters that the broker granted, and those that it refused.
        self.granted: list[str] = []
        self.refused: list[str] = []
        #: Set when one of the two has changed.
        self.answered = False

    @override
    async def join(self) -> None:
        await super().join()
        self._keeper = self._loop.create_task(self._keep(), name="mqtt-keep-alive")

    def leave(self) -> None:
        """Say that we are offline and disconnect, without waiting for a peer that may hang."""
        if self._keeper is not None:
            self._keeper.cancel()
        if not self.lost:
            self._throw_away()
            if self._status_topic:
                self.tell("offline")
            self._client.disconnect()
            self._client.loop_write()
        self._drop()

    def _throw_away(self) -> None:
        """Read to the end: a socket closed on unread bytes resets the connection, and our last words with it."""
        with contextlib.suppress(OSError):
            for _ in range(_MOST_THROWN_AWAY):
                if self._socket is None or not self._socket.read():
                    return

    async def _keep(self) -> None:
        """Ping. The answer is not missed while reading is on hold, nor while it waits behind other packets."""
        while not self.lost:
            await self._clock.sleep(1.0)
            if self._holding or self._heard:
                self._client._ping_t = 0.0
            self._heard = False
            self._client.loop_misc()

    # --- what paho and aiomqtt call back ------------------------------------------------------------------

    @override
    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.session_present = flags.session_present
        super()._on_connect(client, userdata, flags, reason_code, properties)

    @override
    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.taken_over = reason_code.value == _TAKEN_OVER
            self.lose(f"the broker ended the connection: {reason_code} (code {reason_code.value})")
        elif self._socket is not None and self._socket.ended is not None:
            self.lose(str(self._socket.ended))
        elif reason_code.value == _PINGS_UNANSWERED:
            self.lose("the broker does not answer pings any more; check it and the network")
        else:
            self.lose(f"{reason_code}")

    @override
    def _on_subscribe(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        for name, code in zip(self._asked.pop(mid, ()), reason_codes, strict=False):
            (self.refused if code.is_failure else self.granted).append(name)
        self.answered = True
        self._changed.set()

    @override
    def _on_unsubscribe(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        """Nothing waits for it."""

    def lose(self, why: str) -> None:
        """Give the connection up."""
        if not self.lost:
            self.lost = why
            self._changed.set()
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(why))

    # --- reading ------------------------------------------------------------------------------------------

    @override
    def _readable(self) -> None:
        sock = self._socket
        while sock is not None and not self.lost and not self._holding:
            try:
                data = sock.read()
            except OSError as error:
                sock.ended = error
                self.closed_by_broker = isinstance(error, ConnectionResetError)
                self._client.loop_read()  # paho finds out, closes, and calls _on_disconnect
                self.lose(str(error))
                return
            if not data:
                self._rest()
                return
            self.read_at = self._clock.now()
            self._heard = True
            self._packets.feed(data)
            self._pass_on()
            if not sock.by_records:
                if len(data) < READ_BYTES:  # that was all there is
                    self._rest()
                return

    def _rest(self) -> None:
        """Let messages gather before the next look: a wake-up for each costs more than the message itself."""
        if self._socket is not None and self._client._sock is not None and not self._holding:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.call_later(_REST, self._watch)

    def _pass_on(self) -> None:
        sock = self._socket
        assert sock is not None  # noqa: S101  whoever calls has read from it
        try:
            while not self._holding and not self.lost:
                packet = self._packets.take()
                if packet is None:
                    return
                if isinstance(packet, Publish):
                    self._receive(packet)
                else:
                    sock.fed = packet
                    self._client.loop_read()
        except Malformed as error:
            self.lose(f"the broker sent something that is no MQTT: {error}")
            self._drop()

    def hold(self) -> None:
        """Stop reading."""
        if not self._holding and self._socket is not None and self._client._sock is not None:
            self._loop.remove_reader(self._socket.fileno())
        self._holding = True

    def go_on(self) -> None:
        """Read again, beginning with what is here already."""
        if not self._holding or self.lost:
            return
        self._holding = False
        self._pass_on()
        if not self._holding and not self.lost:
            self._watch()
            if self._socket is not None and self._socket.pending():
                self._readable()

    # --- writing ------------------------------------------------------------------------------------------

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Tell the broker that these messages are ours now: one write for all of them."""
        if not mids or self.lost or self._socket is None:
            return
        data = acknowledgements(mids)
        if not self._client.want_write():  # nothing waits before it: spare paho's queue
            data = data[self._socket.send_some(data) :]
        if data:
            self._client._packet_queue(_PUBACK, data, 0, 1)

    def tell(self, status: str) -> None:
        """Publish our own status, retained."""
        self._client.publish(self._status_topic, status.encode(), qos=1, retain=True)

    def ask(self, filters: Sequence[str], *, without: Sequence[str], replay: bool) -> None:
        """Subscribe to filters and unsubscribe from others. `replay`: have retained messages sent again (version 5).

        The answers show up in `granted` and `refused`.
        """
        if without:
            self._client.unsubscribe(list(without))
        if not filters:
            return
        if self._v5:
            when = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if replay else SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            options = SubscribeOptions(qos=1, retainHandling=when)
            _, mid = self._client.subscribe([(name, options) for name in filters])
        else:
            _, mid = self._client.subscribe([(name, 1) for name in filters])
        if mid is not None:
            self._asked[mid] = tuple(filters)
