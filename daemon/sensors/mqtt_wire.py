"""MQTT bytes into packets: PUBLISH is cut out of the stream here, everything else is handed on whole.

paho reads a packet by several recv calls and builds a dozen objects for it; this reads what the socket has, once,
and makes one tuple of a message. A packet larger than wanted is never held: its head is kept, the rest thrown away
as it comes, so nobody can fill the memory by announcing 256 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

_PUBLISH = 0x30
_QOS_2 = 0x04
#: What is kept of a payload that is too large.
KEPT_BYTES = 4096
#: A topic and its properties may come on top of the largest payload.
_HEAD_BYTES = 70_000


class Publish(NamedTuple):
    """One message as it came, QoS 0 or 1."""

    topic: str
    payload: bytes
    qos: int
    #: Packet identifier; 0 with QoS 0.
    mid: int
    dup: bool
    retain: bool
    #: Length of the payload on the wire; more than `len(payload)` when it was cut for being too large.
    size: int


class Malformed(ValueError):
    """What came is no MQTT."""


class Packets:
    """Cuts one connection's bytes into packets."""

    __slots__ = ("_at", "_data", "_largest", "_skip", "_v5")

    def __init__(self, *, v5: bool, largest_payload: int) -> None:
        self._data = b""
        self._at = 0
        self._skip = 0
        self._v5 = v5
        self._largest = largest_payload

    def feed(self, chunk: bytes) -> None:
        """Take what the socket gave."""
        if self._skip:
            skipped = min(self._skip, len(chunk))
            self._skip -= skipped
            chunk = chunk[skipped:]
        self._data = self._data[self._at :] + chunk if self._at < len(self._data) else chunk
        self._at = 0

    def take(self) -> Publish | bytes | None:
        """The next whole packet: a message, or any other packet's bytes; None when more must be read first.

        Raises:
            Malformed: lengths do not fit into each other.
        """
        data, at = self._data, self._at
        have = len(data)
        if have - at < 2:
            return None
        first, length, body = data[at], data[at + 1], at + 2
        if length > 127:
            long = _varint(data, at + 1, have)
            if long is None:
                return None
            length, body = long
        end = body + length
        plain = first & 0xF0 != _PUBLISH
        if end > have:
            if plain or length <= self._largest + _HEAD_BYTES or have - body < _HEAD_BYTES:
                return None
            self._skip = end - have
            self._at = have
            return self._publish(first, data, body, end)
        self._at = end
        return data[at:end] if plain else self._publish(first, data, body, end)

    def _publish(self, first: int, data: bytes, at: int, end: int) -> Publish:
        if first & _QOS_2:
            raise Malformed("a PUBLISH with QoS 2 or 3, though no more than 1 was asked for")
        here = min(end, len(data))
        if here - at < 2:
            raise Malformed("a PUBLISH without a topic")
        topic_end = at + 2 + (data[at] << 8 | data[at + 1])
        topic = data[at + 2 : topic_end].decode("utf-8", "replace")
        at = topic_end
        qos = first >> 1 & 1
        mid = 0
        if qos:
            if at + 2 > here:
                raise Malformed("a PUBLISH without a packet identifier")
            mid = data[at] << 8 | data[at + 1]
            at += 2
        if self._v5:
            at = _after_properties(data, at, here)
        if at > here:
            raise Malformed("a PUBLISH shorter than its own head")
        size = end - at
        payload = data[at:end] if size <= self._largest else data[at : min(at + KEPT_BYTES, end)]
        return Publish(topic, payload, qos, mid, first & 0x08 != 0, first & 0x01 != 0, size)


def _after_properties(data: bytes, at: int, end: int) -> int:
    if at < end and data[at] < 128:
        return at + 1 + data[at]
    found = _varint(data, at, end)
    if found is None:
        raise Malformed("a PUBLISH without properties")
    return found[0] + found[1]


def _varint(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Value of a variable byte integer and where it ends; None when the rest of it has not come yet."""
    value = shift = 0
    for n in range(at, min(at + 4, end)):
        value |= (data[n] & 127) << shift
        if data[n] < 128:
            return value, n + 1
        shift += 7
    if end - at >= 4:
        raise Malformed("a length of more than four bytes")
    return None


def acknowledgements(mids: Iterable[int]) -> bytes:
    """PUBACK of each packet identifier, in one piece; the short form is the same in 3.1.1 and 5."""
    return b"".join([_PUBACK(0x40, 2, mid) for mid in mids])


_PUBACK = struct.Struct("!BBH").pack
