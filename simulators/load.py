"""A load of numbered messages from many lifts, for crash and speed runs: all that was acknowledged can be counted.

Message n (1, 2, 3, …) comes from lift `L{(n-1) % lifts + 1}`. It carries its number as field `n`, and a time stamp
that no other message of its lift has. The shapes:

    status  `lifts/{lift}/status`  a lift's status as its box sends it, with `"n":n` beside the rest
    nine    `lifts/{lift}/status`  nine fields of it and a time stamp, no number: what speed is measured with
    plain   `load/{lift}/plain`    {"n":n,"a":21.5}, no time stamp
"""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_STATUS = (
    '{"ts":%d,"data":{"mode":"normal","floor":%d,"direction":%d,"speed":%.2f,"door":"closed","in_zone":true,'
    '"safety_chain":"%s","fault":%s},"machine":{"room_temp":%.1f,"motor_temp":%.1f},'
    '"trip":{"level_mm":%.1f,"vibration_pp":0.180},"rope":{"dia_ratio":98.20},"n":%d}'
)
_NINE = (
    '{"ts":%d,"data":{"mode":"normal","floor":%d,"speed":%.2f,"door":"closed","safety_chain":"%s","fault":%s},'
    '"machine":{"room_temp":%.1f,"motor_temp":%.1f},"rope":{"dia_ratio":98.20}}'
)


class Shape(enum.StrEnum):
    """Which messages are sent."""

    STATUS = "status"
    NINE = "nine"
    PLAIN = "plain"
    #: Each lift sends both in turn.
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ChainOpen:
    """In this lift's status messages with first ≤ n < last the safety chain is open."""

    lift: str
    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> ChainOpen:
        """From `L1:100:200`.

        Raises:
            ValueError: It is written otherwise.
        """
        lift, first, last = text.split(":")
        return cls(lift, int(first), int(last))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send."""

    broker: tuple[str, int]
    lifts: int = 10
    #: Messages a second; 0: as fast as they are acknowledged.
    rate: float = 0.0
    #: How many messages; 0: until stopped.
    count: int = 0
    #: The first message's number.
    first: int = 1
    shape: Shape = Shape.STATUS
    #: Messages on the way to the broker at a time.
    window: int = 500
    client_id: str = ""
    chains: tuple[ChainOpen, ...] = ()
    #: Seconds to wait for the last acknowledgements.
    drain: float = 30.0


@dataclass(frozen=True, slots=True)
class Message:
    """One numbered message."""

    n: int
    lift: str
    shape: Shape
    #: Unix ms; 0 when the shape has none.
    ts: int
    topic: str
    payload: str


class Numbering:
    """Makes the messages of a plan. Stamps are wall time, but of one lift never twice the same."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stamps: dict[str, int] = {}

    def message(self, n: int, unix_ms: int) -> Message:
        """Message number n, made at this moment."""
        plan = self._plan
        turn, place = divmod(n - 1, plan.lifts)
        lift = f"L{place + 1}"
        shape = plan.shape if plan.shape is not Shape.BOTH else (Shape.STATUS, Shape.PLAIN)[turn % 2]
        if shape is Shape.PLAIN:
            return Message(n, lift, shape, 0, f"load/{lift}/plain", f'{{"n":{n},"a":{20 + n % 50 / 10:.1f}}}')
        stamp = max(unix_ms, self._stamps.get(lift, 0) + 1)
        self._stamps[lift] = stamp
        is_open = any(chain.lift == lift and chain.first <= n < chain.last for chain in plan.chains)
        moves = n % 3
        floor, speed, warmth = n % 18 + 1, 1.5 if moves else 0.0, (25 + n % 40 / 10, 50 + n % 90 / 10)
        chain = ("open", "[1]") if is_open else ("closed", "[]")
        if shape is Shape.NINE:
            payload = _NINE % (stamp, floor, speed, *chain, *warmth)
        else:
            payload = _STATUS % (stamp, floor, moves, speed, *chain, *warmth, n % 40 / 10, n)
        return Message(n, lift, shape, stamp, f"lifts/{lift}/status", payload)


@dataclass(slots=True)
class Result:
    """What became of a load."""

    sent: int = 0
    acknowledged: int = 0
    #: Numbers that were sent and not acknowledged when waiting for it ended.
    unacknowledged: list[int] = field(default_factory=list)
    reconnects: int = 0
    seconds: float = 0.0


class Load:
    """Sends a plan over one connection. paho keeps what is not acknowledged and repeats it (DUP) on every new one."""

    def __init__(self, plan: Plan, journal: Path | None = None) -> None:
        """`journal` gets a line `n ts lift shape` for each acknowledged message, as it happens."""
        self.result = Result()
        self._plan = plan
        self._journal = journal
        self._numbering = Numbering(plan)
        self._stop = threading.Event()
        self._waiting: dict[int, Message] = {}  # by packet id
        # The network thread only adds here: calling into paho or taking a lock there could deadlock with publish().
        self._acknowledged: deque[int] = deque()
        self._news = threading.Event()
        self._connects = 0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=plan.client_id,
            clean_session=not plan.client_id,
            protocol=paho.MQTTv311,
        )
        self._client.max_inflight_messages_set(plan.window)
        self._client.reconnect_delay_set(min_delay=1, max_delay=2)
        self._client.on_publish = self._on_publish
        self._client.on_connect = self._on_connect

    def stop(self) -> None:
        """Send no more; `run` waits for what is on the way and returns. May be called from any thread."""
        self._stop.set()
        self._news.set()

    def run(self) -> Result:
        """Send until the count is reached or `stop` was called; then wait for the last acknowledgements."""
        self._client.connect_async(*self._plan.broker, keepalive=20)
        self._client.loop_start()
        started = time.monotonic()
        try:
            if self._journal is None:
                self._send_all(None)
            else:
                with self._journal.open("a", encoding="utf-8") as lines:
                    self._send_all(lines)
        finally:
            self._client.disconnect()
            self._client.loop_stop()
        self.result.seconds = time.monotonic() - started
        self.result.reconnects = max(0, self._connects - 1)
        self.result.unacknowledged = sorted(message.n for message in self._waiting.values())
        return self.result

    def _send_all(self, lines: TextIO | None) -> None:
        plan, started = self._plan, time.monotonic()
        while not self._stop.is_set() and not (plan.count and self.result.sent >= plan.count):
            self._take_acknowledged(lines)
            due = self.result.sent / plan.rate - (time.monotonic() - started) if plan.rate else 0.0
            if due <= 0.0 and len(self._waiting) < plan.window:
                self._send(self._numbering.message(plan.first + self.result.sent, time.time_ns() // 1_000_000))
            else:
                self._pause(due if due > 0.0 else 1.0)
        deadline = time.monotonic() + plan.drain
        while self._waiting and time.monotonic() < deadline:
            self._take_acknowledged(lines)
            self._pause(0.2)
        self._take_acknowledged(lines)

    def _send(self, message: Message) -> None:
        # While the broker is away this returns "no connection" and keeps the message all the same.
        info = self._client.publish(message.topic, message.payload, qos=1)
        self._waiting[info.mid] = message
        self.result.sent += 1

    def _pause(self, seconds: float) -> None:
        """Until something was acknowledged, or for this long."""
        if not self._acknowledged:
            self._news.wait(min(seconds, 1.0))
        self._news.clear()

    def _take_acknowledged(self, lines: TextIO | None) -> None:
        wrote = False
        while self._acknowledged:
            message = self._waiting.pop(self._acknowledged.popleft())
            self.result.acknowledged += 1
            if lines is not None:
                lines.write(f"{message.n} {message.ts} {message.lift} {message.shape}\n")
                wrote = True
        if lines is not None and wrote:
            lines.flush()

    def _on_publish(
        self, _client: paho.Client, _user: object, mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        self._acknowledged.append(mid)
        self._news.set()

    def _on_connect(
        self,
        _client: paho.Client,
        _user: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not reason.is_failure:
            self._connects += 1
