"""Numbers as the words of two registers, in each order, written without the daemon's own readers."""

from __future__ import annotations

import struct


def ordered(octets: bytes, order: str) -> list[int]:
    """Four bytes, the most significant first, as the two words that a device of this order shows."""
    high, low = struct.unpack(">HH", octets)
    if order in ("BADC", "DCBA"):
        high, low = ((word & 0xFF) << 8 | word >> 8 for word in (high, low))
    return [low, high] if order in ("CDAB", "DCBA") else [high, low]


def f32(value: float, order: str = "ABCD") -> list[int]:
    return ordered(struct.pack(">f", value), order)


def u32(value: int, order: str = "ABCD") -> list[int]:
    return ordered(struct.pack(">I", value), order)


def letters(text: str) -> list[int]:
    octets = text.encode() + b"\0" * (len(text) % 2)
    return [word for (word,) in struct.iter_unpack(">H", octets)]
