"""Modbus registers: how the words of a device become a value."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daemon.documents import Strict

Table = Literal["holding", "input"]
RegisterType = Literal["u16", "s16", "u32", "s32", "f32"]
WordOrder = Literal["ABCD", "DCBA", "BADC", "CDAB"]


class RegisterField(Strict):
    """Where a point's value lies in a device's registers, and how it is to be read."""

    #: Zero-based address, as it goes over the wire.
    address: int = Field(ge=0, le=65535)
    table: Table = "holding"
    type: RegisterType = "u16"
    #: Order of the four bytes of a 32-bit value; A is the most significant.
    order: WordOrder = "ABCD"
    #: Number of one bit (0 is the least significant) of a u16.
    bit: int | None = Field(default=None, ge=0, le=15)
    scale: float = 1.0
    offset: float = 0.0
    #: Raw values (before scaling) that mean "no measurement".
    sentinels: tuple[float, ...] = ()
    #: Raw value, written as text, to label: a state or code point.
    map: dict[str, str] = Field(default_factory=dict)
