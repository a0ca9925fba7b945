"""Where a point's value stands in Modbus registers, and how it is read out of them.

Orders name the bytes of a 32-bit value as they travel, A being the most significant: `ABCD` is the standard's big
end first, `CDAB` has the words exchanged, `BADC` the bytes within each word, `DCBA` both. A 16-bit value knows only
the exchange of bytes (`BADC`, `DCBA`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from daemon.documents import Strict

Table = Literal["holding", "input"]
RawType = Literal["u16", "s16", "u32", "s32", "f32"]
Order = Literal["ABCD", "DCBA", "BADC", "CDAB"]

#: The number as it stands in the registers: before scale and offset, after taking bits out.
Raw = int | float
#: Takes the words of a block and the index of the value's first word.
Reader = Callable[[Sequence[int], int], Raw]

_WIDTH: dict[str, int] = {"u16": 16, "s16": 16, "u32": 32, "s32": 32, "f32": 32}


def _whole_number(key: object) -> object:
    """A key of a map is written `3` or `0x1F`; YAML keys arrive as text."""
    return int(key, 0) if isinstance(key, str) and key.strip() else key


Finite = Annotated[float, Field(allow_inf_nan=False)]
Code = Annotated[int, BeforeValidator(_whole_number)]


class RegisterField(Strict):
    """One value in a device's registers; addresses count from 0, as they travel."""

    address: int = Field(ge=0, le=0xFFFF)
    table: Table = "holding"
    type: RawType = "u16"
    order: Order = "ABCD"
    #: One bit of the value, 0 being the least significant.
    bit: int | None = Field(default=None, ge=0, le=31)
    #: A run of bits, lowest and highest, both included.
    bits: tuple[int, int] | None = None
    scale: Finite = 1.0
    offset: Finite = 0.0
    #: Raw values with which the device says that it has none; `0x8000` means the same pattern in u16 and s16.
    sentinels: tuple[Finite, ...] = ()
    #: Raw value to label, for state and code points.
    map: dict[Code, str] = Field(default_factory=dict)

    @property
    def words(self) -> int:
        """How many registers the value takes."""
        return _WIDTH[self.type] // 16

    @model_validator(mode="after")
    def _fits(self) -> Self:
        width = _WIDTH[self.type]
        if self.address + self.words > 0x10000:
            raise ValueError(f"address {self.address} leaves no room for a {self.type}; the last register is 65535")
        if self.scale == 0:
            raise ValueError("scale 0 makes every value the same; write the factor from the device's manual")
        if self.bit is not None and self.bits is not None:
            raise ValueError("bit and bits exclude each other; keep one")
        if (self.bit is not None or self.bits is not None) and self.type not in {"u16", "u32"}:
            raise ValueError(f"bits can be taken out of u16 and u32 only, not out of {self.type}")
        lowest, highest = self.bits or (self.bit or 0, self.bit or 0)
        if not 0 <= lowest <= highest < width:
            raise ValueError(f"bits {lowest} to {highest} do not fit {self.type}; write the lower first, below {width}")
        if self.map and self.type == "f32":
            raise ValueError("a map needs whole numbers, which f32 has not; remove the map")
        for sentinel in self.sentinels:
            self._pattern(sentinel)
        return self

    def _pattern(self, sentinel: float) -> Raw:
        """A sentinel as the reader would give it."""
        if self.type == "f32":
            try:
                return float(struct.unpack(">f", struct.pack(">f", sentinel))[0])
            except OverflowError:
                raise ValueError(f"sentinel {sentinel} does not fit f32") from None
        width = _WIDTH[self.type]
        whole = int(sentinel)
        signed = self.type.startswith("s")
        lowest = -(1 << (width - 1)) if signed else 0
        if whole != sentinel or not lowest <= whole < 1 << width:
            raise ValueError(f"sentinel {sentinel:g} can never stand in {self.type}")
        return whole - (1 << width) if signed and whole >= 1 << (width - 1) else whole

    def patterns(self) -> frozenset[Raw]:
        """The sentinels as the reader gives them."""
        return frozenset(self._pattern(sentinel) for sentinel in self.sentinels)


def compile_reader(field: RegisterField) -> Reader:
    """The function that takes the field's raw number out of a block's words.

    A 32-bit float may come out as NaN or infinite: judging that is quality's business.
    """
    read = _single(field) if field.words == 1 else _double(field)
    if field.bit is not None:
        return _masked(read, field.bit, field.bit)
    if field.bits is not None:
        return _masked(read, *field.bits)
    return read


def compile_scaling(field: RegisterField) -> Callable[[Raw], float]:
    """The function that makes a raw number a value in the point's unit.

    A factor such as 0.1 has no exact binary form, so that 3 x 0.1 is not 0.3; 3 / 10 is. Such factors divide.
    """
    scale, offset = field.scale, field.offset
    divisor = round(1 / scale) if abs(scale) < 1 else 0
    if divisor and math.isclose(divisor * scale, 1.0, rel_tol=1e-12):
        return lambda raw: raw / divisor + offset
    return lambda raw: raw * scale + offset


def _swap(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


def _single(field: RegisterField) -> Reader:
    swapped = field.order in {"BADC", "DCBA"}
    signed = field.type == "s16"

    def read(words: Sequence[int], at: int) -> Raw:
        raw = _swap(words[at]) if swapped else words[at]
        return raw - 0x10000 if signed and raw & 0x8000 else raw

    return read


def _double(field: RegisterField) -> Reader:
    swapped = field.order in {"BADC", "DCBA"}
    high, low = (1, 0) if field.order in {"CDAB", "DCBA"} else (0, 1)
    kind = field.type

    def read(words: Sequence[int], at: int) -> Raw:
        top, bottom = words[at + high], words[at + low]
        raw = _swap(top) << 16 | _swap(bottom) if swapped else top << 16 | bottom
        if kind == "f32":
            return float(struct.unpack(">f", raw.to_bytes(4, "big"))[0])
        return raw - 0x1_0000_0000 if kind == "s32" and raw & 0x8000_0000 else raw

    return read


def _masked(read: Reader, lowest: int, highest: int) -> Reader:
    mask = (1 << (highest - lowest + 1)) - 1
    return lambda words, at: int(read(words, at)) >> lowest & mask
