"""All plain points of a block at once: what is the same for a hundred points is done for all of them by one call.

    words ──> bytes ──> numbers (one unpack) ──> scaled ──> all within their ranges? ──> readings
                                            └──> labels    any that is not: that point alone, by its own decoder

Most registers are whole numbers or floats with a range, or bits with labels, and nearly always in order. A Python loop
over them costs some 2 µs a point, this some 0.4. Whatever is special about a point (decimals, a unit register,
sentinels, strings, codes without a map) leaves it to `register_points`.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import repeat
from operator import add, and_, itemgetter, le, mul, rshift, truediv

from daemon.model import Quality, Reading, Reason, Rejection, Value
from daemon.sensors.blocks import Block
from daemon.sensors.register_points import LEAST, Companion, RegisterPoint, Told
from daemon.sensors.register_readers import line
from daemon.sensors.registers import BIT_TABLES, Raw, Table

_FORMS = {
    "u8_high": "Bx",
    "u8_low": "xB",
    "s8_high": "bx",
    "s8_low": "xb",
    "u16": "H",
    "s16": "h",
    "u32": "I",
    "s32": "i",
    "u64": "Q",
    "s64": "q",
    "f32": "f",
    "f64": "d",
}
#: A range for points without one: every number but infinity and NaN lies in it.
_MOST = sys.float_info.max

#: `Reading(*fields)` without the call of a Python function: the fields are counted where they are put together.
_new: Callable[[type[Reading], Iterable[object]], Reading] = tuple.__new__
_GOOD, _NO_REASON = repeat(Quality.GOOD), repeat(Reason.NONE)
_READING = repeat(Reading)


def _readings(ids: Sequence[str], values: Iterable[Value], at: datetime) -> list[Reading]:
    """Good ones, all of one moment."""
    moment = repeat(at)
    return list(map(_new, _READING, zip(ids, moment, values, moment, _GOOD, _NO_REASON, strict=False)))


class _Picked:
    """Takes the raw numbers of some points out of a block's words."""

    def __init__(self, points: Sequence[RegisterPoint], start: int, *, swapped: bool) -> None:
        places = [place - start for point in points for place in _places(point)]
        first, count = places[0], len(places)
        contiguous = places == list(range(first, first + count))
        self._pick: Callable[[Sequence[int]], Sequence[int]] = itemgetter(
            slice(first, first + count) if contiguous else places[0], *([] if contiguous else places[1:])
        )
        self._pack = struct.Struct(f"{'<' if swapped else '>'}{count}H").pack
        self._unpack = struct.Struct(">" + "".join(_form(point) for point in points)).unpack

    def __call__(self, words: Sequence[int]) -> tuple[Raw, ...]:
        return self._unpack(self._pack(*self._pick(words)))


def _places(point: RegisterPoint) -> range:
    """The point's registers, the most significant first."""
    places = range(point.address, point.address + point.words)
    return places[::-1] if point.field.words_apart else places


def _form(point: RegisterPoint) -> str:
    return "H" if point.table in BIT_TABLES else _FORMS[point.field.type]


class _Numbers:
    """Points that are a number times a factor, with a range or without."""

    def __init__(self, points: Sequence[RegisterPoint], start: int, *, swapped: bool) -> None:
        self.points = points
        self._picked = _Picked(points, start, swapped=swapped)
        self._ids = [point.point.id for point in points]
        #: Among them are 32-bit floats, whose least numbers come of a wrong word order.
        self._singles = any(point.field.type == "f32" for point in points)
        lines = [line(point.field.scale, point.field.offset) for point in points]
        #: What has to be done to the raw numbers, in this order; what changes none of them is left out.
        self._steps: list[tuple[Callable[[Raw, Raw], Raw], list[Raw]]] = []
        if any(factor != 1 for factor, _, _ in lines):
            self._steps.append((mul, [factor for factor, _, _ in lines]))
        self._steps.append((truediv, [divisor for _, divisor, _ in lines]))  # it makes a float of every number
        if any(offset != 0 for _, _, offset in lines) or any(point.field.type in ("f32", "f64") for point in points):
            self._steps.append((add, [offset for _, _, offset in lines]))  # of -0.0 it makes 0.0
        self._lows = [-_MOST if point.point.low is None else point.point.low for point in points]
        self._highs = [_MOST if point.point.high is None else point.point.high for point in points]

    def decode(self, words: Sequence[int], at: datetime) -> list[Reading] | None:
        """A good reading of each; None: they are to be looked at one by one."""
        raws = self._picked(words)
        if self._singles and min(filter(None, map(abs, raws)), default=1) < LEAST:
            return None
        numbers: Iterable[Raw] = raws
        for step, terms in self._steps:
            numbers = map(step, numbers, terms)
        values = list(numbers)
        if all(map(le, self._lows, values)) and all(map(le, values, self._highs)):
            return _readings(self._ids, values, at)
        return None


class _Labels:
    """Points that are a few bits, each pattern with its label."""

    def __init__(self, points: Sequence[RegisterPoint], start: int, *, swapped: bool) -> None:
        self.points = points
        self._picked = _Picked(points, start, swapped=swapped)
        self._ids = [point.point.id for point in points]
        bits = [point.bits for point in points]
        self._shifts = [lowest for lowest, _ in bits]
        self._masks = [mask for _, mask in bits]
        self._labels = [dict(point.field.map) for point in points]
        #: One of them was told alone lately, and may remember what it rejected.
        self._doubt = True

    def decode(self, words: Sequence[int], at: datetime) -> list[Reading] | None:
        """A good reading of each; None: they are to be looked at one by one."""
        raws = map(and_, map(rshift, self._picked(words), self._shifts), self._masks)
        labels = [labels.get(raw, "") for labels, raw in zip(self._labels, raws, strict=False)]
        if self._doubt or not all(labels):
            self._doubt = not all(labels)
            return None
        return _readings(self._ids, labels, at)


class BlockDecoder:
    """The points of one block, ready to be read."""

    def __init__(self, block: Block[RegisterPoint | Companion]) -> None:
        self.block = block
        start = block.start
        points = [field for field in block.fields if isinstance(field, RegisterPoint)]
        self._companions = [field for field in block.fields if isinstance(field, Companion)]
        self._groups: list[_Numbers | _Labels] = []
        for swapped in (False, True):
            alike = [point for point in points if point.field.bytes_apart is swapped]
            if numbers := [point for point in alike if point.is_plain_number]:
                self._groups.append(_Numbers(numbers, start, swapped=swapped))
            if labels := [point for point in alike if point.is_plain_label]:
                self._groups.append(_Labels(labels, start, swapped=swapped))
        self._special = [point for point in points if not (point.is_plain_number or point.is_plain_label)]

    def tell(self, words: Sequence[int], told: dict[tuple[Table, int], int]) -> None:
        """Note what the companions say: to be done for all blocks before any is decoded."""
        for field in self._companions:
            told[field.table, field.address] = words[field.address - self.block.start]

    def decode(
        self, words: Sequence[int], at: datetime, told: Told, readings: list[Reading], rejections: list[Rejection]
    ) -> None:
        """Add what the words say to `readings` and `rejections`."""
        alone = self._special
        for group in self._groups:
            found = group.decode(words, at)
            if found is None:
                alone = [*alone, *group.points]
            else:
                readings += found
        for point in alone:
            said = point.decode(words, self.block.start, at, told)
            if isinstance(said, Reading):
                readings.append(said)
            elif said is not None:
                rejections.append(said)
