"""Where a point's value stands in a Modbus device.

Orders name the bytes of a 32-bit value as they travel, A being the most significant: `ABCD` is the standard's big
end first, `CDAB` has the words exchanged, `BADC` the bytes within each word, `DCBA` both. A 64-bit value follows the
same rule (`CDAB`: its four words in reverse), a 16-bit value and a string know only the exchange of bytes (`BADC`).
"""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from daemon.documents import Strict
from daemon.units import Quantity, canonical, convert

Table = Literal["coil", "discrete", "holding", "input"]
RawType = Literal[
    "u8_high", "u8_low", "s8_high", "s8_low", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "string"
]
Order = Literal["ABCD", "DCBA", "BADC", "CDAB"]

#: The number as it stands in the registers: before scale and offset, after taking bits out.
Raw = int | float

#: Tables of single bits; an answer about them is no words.
BIT_TABLES: frozenset[Table] = frozenset({"coil", "discrete"})
_FLOATS = {"f32": ">f", "f64": ">d"}
_FOR_BITS_ALONE = ("type", "order", "bit", "bits", "length", "decimals", "unit_code", "sentinels")


def width(kind: RawType) -> int:
    """How many bits a number of this type has."""
    return int(kind[1:3].rstrip("_"))


def _whole_number(key: object) -> object:
    """A key of a map is written `3` or `0x1F`; YAML keys arrive as text."""
    return int(key, 0) if isinstance(key, str) and key.strip() else key


Finite = Annotated[float, Field(allow_inf_nan=False)]
Code = Annotated[int, BeforeValidator(_whole_number)]
Address = Annotated[int, Field(ge=0, le=0xFFFF)]


class UnitCode(Strict):
    """A register that tells in which unit the device was set up to measure; the value is converted to the point's."""

    address: Address
    map: dict[Code, str] = Field(min_length=1)


class RegisterField(Strict):
    """One value in a device's registers, coils or discrete inputs; addresses count from 0, as they travel."""

    address: Address
    table: Table = "holding"
    type: RawType = "u16"
    order: Order = "ABCD"
    #: Registers of a string, two ASCII characters each.
    length: int | None = Field(default=None, ge=1, le=125)
    #: One bit of the value, 0 being the least significant.
    bit: int | None = Field(default=None, ge=0, le=63)
    #: A run of bits, lowest and highest, both included.
    bits: tuple[int, int] | None = None
    scale: Finite = 1.0
    offset: Finite = 0.0
    #: The register of the same table that tells how many digits of the value stand behind the point, 0 to 9.
    decimals: Address | None = None
    #: The register of the same table that tells the value's unit.
    unit_code: UnitCode | None = None
    #: Raw values with which the device says that it has none; `0x8000` means the same pattern in u16 and s16.
    sentinels: tuple[Finite, ...] = ()
    #: Raw value to label, for state and code points.
    map: dict[Code, str] = Field(default_factory=dict)

    @property
    def words(self) -> int:
        """How many registers, coils or discrete inputs the value takes."""
        if self.table in BIT_TABLES:
            return 1
        return self.length or 1 if self.type == "string" else max(1, width(self.type) // 16)

    @property
    def numeric(self) -> bool:
        """Whether it is a number; a string is not."""
        return self.type != "string"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.address + self.words > 0x10000:
            raise ValueError(f"address {self.address} leaves no room for a {self.type}; the last register is 65535")
        if self.scale == 0:
            raise ValueError("scale 0 makes every value the same; write the factor from the device's manual")
        if self.map and self.type in _FLOATS:
            raise ValueError(f"a map needs whole numbers, which {self.type} has not; remove the map")
        self._only_what_fits_the_table()
        self._only_what_fits_the_type()
        self._bits_inside()
        for sentinel in self.sentinels:
            self._pattern(sentinel)
        return self

    def _only_what_fits_the_table(self) -> None:
        if self.table in BIT_TABLES and (found := self.model_fields_set.intersection(_FOR_BITS_ALONE)):
            raise ValueError(f"a {self.table} is a single bit; remove {', '.join(sorted(found))}")

    def _only_what_fits_the_type(self) -> None:
        if (self.type == "string") != (self.length is not None):
            raise ValueError("a string, and nothing else, has a length; write how many registers it takes")
        if self.type == "string":
            idle = {"scale", "offset", "map", "decimals", "unit_code", "sentinels"}.intersection(self.model_fields_set)
            if idle:
                raise ValueError(f"a string is no number; remove {', '.join(sorted(idle))}")
        if self.type[1] == "8" and self.order != "ABCD":
            raise ValueError("half a register has no order; write the other half (u8_high, u8_low)")
        if self.words_apart and self.type == "string":
            raise ValueError("the words of a string are never exchanged; write order ABCD or BADC")

    def _bits_inside(self) -> None:
        if self.bit is not None and self.bits is not None:
            raise ValueError("bit and bits exclude each other; keep one")
        if self.bit is None and self.bits is None:
            return
        if not self.type.startswith("u"):
            raise ValueError(f"bits can be taken out of u8, u16, u32 and u64 only, not out of {self.type}")
        lowest, highest = self.bits or (self.bit or 0, self.bit or 0)
        wide = width(self.type)
        if not 0 <= lowest <= highest < wide:
            raise ValueError(
                f"bits {lowest} to {highest} do not fit {self.type}; write the lower first, both below {wide}"
            )

    @property
    def words_apart(self) -> bool:
        """Whether the least significant word travels first."""
        return self.order in {"CDAB", "DCBA"}

    @property
    def bytes_apart(self) -> bool:
        """Whether the bytes within each word are exchanged."""
        return self.order in {"BADC", "DCBA"}

    def check_point(self, *, numbers: bool, unit: str) -> None:
        """Make sure that a point of this unit, which has numbers or labels, can be read here.

        Raises:
            ValueError: it cannot, with what to write.
        """
        if numbers and not self.numeric:
            raise ValueError("a string is a label, no number; make the point a state")
        if not numbers and (self.decimals is not None or self.unit_code is not None):
            raise ValueError("labels have no decimals and no unit; remove decimals and unit_code, or make it a gauge")
        for told in self.unit_code.map.values() if self.unit_code is not None else ():
            convert(Quantity(Decimal(1), canonical(told)), unit)

    def _pattern(self, sentinel: float) -> Raw:
        """A sentinel as the reader would give it."""
        if self.type in _FLOATS:
            form = _FLOATS[self.type]
            try:
                return float(struct.unpack(form, struct.pack(form, sentinel))[0])
            except OverflowError:
                raise ValueError(f"sentinel {sentinel} does not fit {self.type}") from None
        wide = width(self.type)
        whole = int(sentinel)
        signed = self.type.startswith("s")
        lowest = -(1 << (wide - 1)) if signed else 0
        if whole != sentinel or not lowest <= whole < 1 << wide:
            raise ValueError(f"sentinel {sentinel:g} can never stand in {self.type}")
        return whole - (1 << wide) if signed and whole >= 1 << (wide - 1) else whole

    def patterns(self) -> frozenset[Raw]:
        """The sentinels as the reader gives them."""
        return frozenset(self._pattern(sentinel) for sentinel in self.sentinels)
