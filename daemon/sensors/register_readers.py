"""From words to a number or a string: one compiled function a field."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal

from daemon.sensors.registers import BIT_TABLES, Raw, RegisterField, width
from daemon.units import Quantity, canonical, convert

#: Takes the words of a block and the index of the value's first word.
Reader = Callable[[Sequence[int], int], Raw]


def compile_reader(field: RegisterField) -> Reader:
    """The function that takes the field's raw number out of a block's words; a coil is a word of 0 or 1.

    A float may come out as NaN or infinite: judging that is quality's business.

    Raises:
        ValueError: the field is a string, which `read_string` reads.
    """
    if field.table in BIT_TABLES:
        return lambda words, at: words[at]
    if not field.numeric:
        raise ValueError(f"register {field.address} holds a string")
    read = _of_width(field)
    if field.bit is not None:
        return _masked(read, field.bit, field.bit)
    if field.bits is not None:
        return _masked(read, *field.bits)
    return read


def read_string(field: RegisterField, words: Sequence[int]) -> str | None:
    """The characters before the first zero, without the blanks around them; None: they are no printable ASCII."""
    octets = b"".join((_swap(word) if field.bytes_apart else word).to_bytes(2, "big") for word in words)
    text = octets.partition(b"\0")[0].decode("ascii", "replace").strip()
    return text if text.isprintable() and text.isascii() else None


def compile_scaling(field: RegisterField) -> Callable[[Raw], float]:
    """The function that makes a raw number a value in the unit that the device measures in."""
    return linear(field.scale, field.offset)


def rollover_of(field: RegisterField) -> float | None:
    """Where a counter in this field begins again at zero, after scaling; None when the type does not tell.

    Floats and signed numbers do not: a maker's counter seldom runs into the negative half.
    """
    whole = field.numeric and field.table not in BIT_TABLES and field.type.startswith("u")
    if not whole or field.offset or field.scale < 0 or field.decimals is not None or field.unit_code is not None:
        return None
    lowest, highest = field.bits or (0, width(field.type) - 1)
    return None if field.bit is not None else compile_scaling(field)(1 << highest - lowest + 1)


def compile_conversion(unit: str, to: str) -> Callable[[Raw], float]:
    """The function that makes a value in one unit a value in another.

    Raises:
        ValueError: a unit is unknown, or the two measure different things.
    """
    one, nothing = Decimal(1), Decimal(0)
    factor = convert(Quantity(one, canonical(unit)), to, difference=True)
    return linear(factor, convert(Quantity(nothing, canonical(unit)), to))


def linear(scale: float, offset: float) -> Callable[[Raw], float]:
    """`scale` times a number and `offset` more, by the terms of `line`."""
    factor, divisor, more = line(scale, offset)
    if divisor != 1:
        return lambda raw: raw / divisor + more
    return lambda raw: raw * factor + more


def line(scale: float, offset: float) -> tuple[float, int, float]:
    """Factor, divisor and summand: a value is raw * factor / divisor + summand, and one of the first two is 1.

    A factor such as 0.1 has no exact binary form, so that 3 x 0.1 is not 0.3; 3 / 10 is. Such factors divide.
    """
    divisor = round(1 / scale) if 1e-18 < abs(scale) < 1 else 0
    if divisor and math.isclose(divisor * scale, 1.0, rel_tol=1e-12):
        return 1, divisor, offset
    return scale, 1, offset


def _of_width(field: RegisterField) -> Reader:
    match width(field.type):
        case 8:
            return _half(field)
        case 16:
            return _single(field)
        case 32:
            return _double(field)
        case _:
            return _quadruple(field)


def _swap(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


def _half(field: RegisterField) -> Reader:
    shift = 8 if field.type.endswith("high") else 0
    signed = field.type.startswith("s")

    def read(words: Sequence[int], at: int) -> Raw:
        raw = words[at] >> shift & 0xFF
        return raw - 0x100 if signed and raw & 0x80 else raw

    return read


def _single(field: RegisterField) -> Reader:
    swapped = field.bytes_apart
    signed = field.type == "s16"

    def read(words: Sequence[int], at: int) -> Raw:
        raw = _swap(words[at]) if swapped else words[at]
        return raw - 0x10000 if signed and raw & 0x8000 else raw

    return read


def _double(field: RegisterField) -> Reader:
    swapped = field.bytes_apart
    high, low = (1, 0) if field.words_apart else (0, 1)
    kind = field.type

    def read(words: Sequence[int], at: int) -> Raw:
        top, bottom = words[at + high], words[at + low]
        raw = _swap(top) << 16 | _swap(bottom) if swapped else top << 16 | bottom
        if kind == "f32":
            return float(struct.unpack(">f", raw.to_bytes(4, "big"))[0])
        return raw - 0x1_0000_0000 if kind == "s32" and raw & 0x8000_0000 else raw

    return read


def _quadruple(field: RegisterField) -> Reader:
    form = struct.Struct({"u64": ">Q", "s64": ">q", "f64": ">d"}[field.type])
    swapped, reverse = field.bytes_apart, field.words_apart

    def read(words: Sequence[int], at: int) -> Raw:
        four = words[at : at + 4]
        if reverse:
            four = four[::-1]
        if swapped:
            four = [_swap(word) for word in four]
        raw: Raw = form.unpack(struct.pack(">4H", *four))[0]
        return raw

    return read


def _masked(read: Reader, lowest: int, highest: int) -> Reader:
    mask = (1 << (highest - lowest + 1)) - 1
    return lambda words, at: int(read(words, at)) >> lowest & mask
