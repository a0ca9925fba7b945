"""Sparkplug B payloads as an edge node writes them: protobuf by hand, after the specification, not our own reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

#: Data type, field of the value, and how it is written.
TYPES = {"Int16": 2, "Int32": 3, "Int64": 4, "UInt32": 7, "Float": 9, "Double": 10, "Boolean": 11, "String": 12}
VALUES = {"Int16": 10, "Int32": 10, "Int64": 11, "UInt32": 10, "Float": 12, "Double": 13, "Boolean": 14, "String": 15}


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def piece(number: int, octets: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(octets)) + octets


def metric(
    name: str = "",
    value: Any = None,  # noqa: ANN401  as wide as the protocol
    kind: str = "Float",
    *,
    alias: int | None = None,
    at: int | None = None,
    historical: bool = False,
    typed: bool = True,
) -> bytes:
    """A metric; None is null."""
    found = piece(1, name.encode()) if name else b""
    found += whole(2, alias) if alias is not None else b""
    found += whole(3, at) if at is not None else b""
    found += whole(4, TYPES[kind]) if typed else b""
    found += whole(5, 1) if historical else b""
    field = VALUES[kind]
    if value is None:
        return found + whole(7, 1)
    if kind in ("Float", "Double"):
        form, wire = ("<f", 5) if kind == "Float" else ("<d", 1)
        return found + varint(field << 3 | wire) + struct.pack(form, value)
    if kind == "String":
        return found + piece(field, value.encode())
    return found + whole(field, int(value) & (0xFFFF_FFFF if field == 10 else 0xFFFF_FFFF_FFFF_FFFF))


def payload(metrics: Iterable[bytes] = (), *, at: int | None = None, seq: int | None = None) -> bytes:
    head = whole(1, at) if at is not None else b""
    return head + b"".join(piece(2, one) for one in metrics) + (whole(3, seq) if seq is not None else b"")


def sample_payload(message: Mapping[str, Any]) -> bytes:
    """The payload of a message as samples write it: `payload` as text, `json`, or `sparkplug`."""
    if "sparkplug" in message:
        told = message["sparkplug"]
        at = round(datetime.fromisoformat(told["at"]).timestamp() * 1000)
        written = [
            metric(m.get("name", ""), m["value"], m["type"], alias=m.get("alias")) for m in told.get("metrics", ())
        ]
        return payload(written, at=at, seq=told.get("seq"))
    return str(message["payload"]).encode() if "payload" in message else orjson.dumps(message["json"])
