"""From the words of a block to readings: one compiled decoder a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from daemon.model import Point, PointKind, Quality, Reading, Reason, Rejection
from daemon.sensors.profile import Binding
from daemon.sensors.quality import GOOD, of_value
from daemon.sensors.register_readers import compile_conversion, compile_reader, compile_scaling, read_string
from daemon.sensors.registers import Raw, RegisterField, Table

#: The least normal 32-bit float. No device measures less; words in the wrong order do: 0.25 becomes 2e-41.
LEAST = 2.0**-126
#: Decimals beyond this are no setting of a device but something else in the register.
_MOST_DECIMALS = 9

#: What the companions of a unit said in this poll, by table and address.
Told = Mapping[tuple[Table, int], int]


class Companion:
    """A register that tells how to read a point's value: its decimals, or its unit. Read in the same poll."""

    __slots__ = ("address", "place", "point", "table", "words")

    def __init__(self, point: Point, table: Table, address: int, place: str) -> None:
        self.point = point
        self.table: Table = table
        self.address = address
        self.words = 1
        self.place = place


class RegisterPoint:
    """One point of one unit, ready to be read. Counters keep what they show; their roll-over is for rules to see."""

    __slots__ = (
        "_convert",
        "_labels",
        "_read",
        "_refused",
        "_scale",
        "_sentinels",
        "_single",
        "address",
        "field",
        "place",
        "point",
        "table",
        "words",
    )

    def __init__(self, point: Point, field: RegisterField, place: str) -> None:
        #: The first register, the table it stands in, the number of registers.
        self.address = field.address
        self.table: Table = field.table
        self.words = field.words
        self.point = point
        self.place = place
        self.field = field
        self._read = compile_reader(field) if field.numeric else None
        self._scale = compile_scaling(field)
        self._single = field.type == "f32"
        self._sentinels = field.patterns()
        units = field.unit_code.map if field.unit_code is not None else {}
        self._convert = {code: compile_conversion(unit, point.unit) for code, unit in units.items()}
        labelled = point.kind in (PointKind.STATE, PointKind.CODE)
        self._labels = dict(field.map) if labelled else None
        #: What was rejected last, so that a device that keeps saying it is rejected once.
        self._refused: object = None

    @property
    def is_plain_number(self) -> bool:
        """Whether its value is nothing but the raw number times a factor, and more."""
        field = self.field
        special = field.decimals is not None or field.unit_code is not None or field.bit is not None
        special |= field.bits is not None or bool(field.sentinels) or not field.numeric
        return self._labels is None and not special

    @property
    def is_plain_label(self) -> bool:
        """Whether its value is the label of some bits, and nothing else."""
        return bool(self._labels) and not self.field.sentinels

    @property
    def bits(self) -> tuple[int, int]:
        """How far to shift the raw number down, and the mask of what is left; -1 leaves everything."""
        field = self.field
        if field.bit is not None:
            return field.bit, 1
        return (0, -1) if field.bits is None else (field.bits[0], (1 << (field.bits[1] - field.bits[0] + 1)) - 1)

    def companions(self) -> list[Companion]:
        """The registers without which the value cannot be told."""
        field = self.field
        addresses = [field.decimals, field.unit_code.address if field.unit_code is not None else None]
        return [Companion(self.point, self.table, address, self.place) for address in addresses if address is not None]

    def decode(self, words: Sequence[int], start: int, at: datetime, told: Told) -> Reading | Rejection | None:
        """What the words of a block from register `start` on say at `at`; None: nothing new beyond a known rejection.

        A code without a label is rejected when it appears. A number that is none keeps the value NaN.
        """
        first = self.address - start
        if self._read is None:
            return self._string(words[first : first + self.words], at)
        raw = self._read(words, first)
        if self._labels is not None:
            return self._label(raw, words[first : first + self.words], at)
        value = self._scale(raw)
        if self.field.decimals is not None or self._convert:
            finished = self._finished(value, told)
            if not isinstance(finished, float):
                return finished
            value = finished
        point = self.point
        if self._single and 0 < abs(raw) < LEAST:
            return Reading(point.id, at, value, at, Quality.BAD, Reason.NOT_A_NUMBER)
        verdict = of_value(value, raw=raw, low=point.low, high=point.high, sentinels=self._sentinels)
        return Reading(point.id, at, value, at, *verdict)

    def _finished(self, value: float, told: Told) -> float | Rejection | None:
        """The value with its point in place and in the point's unit, as the companions say."""
        field = self.field
        if field.decimals is not None:
            decimals = told.get((self.table, field.decimals))
            if decimals is None:  # it is refused, or its block was not answered: without it there is no value
                return None
            if decimals > _MOST_DECIMALS:
                detail = f"its decimals, {self.table} register {field.decimals}, are {decimals}; 0 to 9 can be"
                return self._rejected(Reason.UNPARSABLE, ("decimals", decimals), detail, [decimals])
            value /= 10**decimals
        if field.unit_code is not None:
            code = told.get((self.table, field.unit_code.address))
            if code is None:
                return None
            if code not in self._convert:
                detail = f"{code} in register {field.unit_code.address} names no unit; add it to the map of unit_code"
                return self._rejected(Reason.UNKNOWN_CODE, ("unit", code), detail, [code])
            value = self._convert[code](value)
        self._refused = None
        return value

    def _string(self, words: Sequence[int], at: datetime) -> Reading | Rejection | None:
        text = read_string(self.field, words)
        if text is None:
            return self._rejected(Reason.UNPARSABLE, tuple(words), "no printable ASCII characters", words)
        self._refused = None
        return Reading(self.point.id, at, text, at)

    def _label(self, raw: Raw, words: Sequence[int], at: datetime) -> Reading | Rejection | None:
        """Without a map a code is its own label."""
        assert self._labels is not None  # noqa: S101  only asked for labelled points
        label = self._labels.get(int(raw), "") if self._labels else str(raw)
        verdict = (Quality.BAD, Reason.SENTINEL) if raw in self._sentinels else GOOD
        if label or verdict is not GOOD:
            self._refused = None
            return Reading(self.point.id, at, label or str(raw), at, *verdict)
        return self._rejected(Reason.UNKNOWN_CODE, raw, f"{raw} has no label; add it to the map of its register", words)

    def _rejected(self, reason: Reason, what: object, detail: str, words: Sequence[int]) -> Rejection | None:
        if what == self._refused:
            return None
        self._refused = what
        octets = b"".join(word.to_bytes(2, "big") for word in words)
        return Rejection(self.place, reason, f"{self.point.id}: {detail}", octets)


def illegal(refused: RegisterPoint | Companion, cause: str) -> Rejection:
    """The rejection of the point itself, whose registers the unit does not have."""
    detail = (
        f"{refused.point.id}: {refused.table} register {refused.address} was refused with {cause}; "
        "correct its address or table in the profile, or remove the point"
    )
    return Rejection(refused.place, Reason.ILLEGAL_ADDRESS, detail)


def compile_points(binding: Binding, bus: str, unit: int) -> list[RegisterPoint | Companion]:
    """The decoders of all points of a device on `bus`, and the registers they need besides their own."""
    fields = ((binding.points[name], spec.register_field) for name, spec in binding.profile.points.items())
    points = [
        RegisterPoint(point, field, f"modbus:{bus}:{unit}:{field.address}")
        for point, field in fields
        if field is not None
    ]
    return [*points, *(companion for point in points for companion in point.companions())]


def decode_blocks(
    answered: Sequence[tuple[Sequence[RegisterPoint | Companion], int, Sequence[int]]], at: datetime
) -> tuple[list[Reading], list[Rejection]]:
    """The readings of a poll, given the fields, the first register and the words of each block that was answered."""
    told: dict[tuple[Table, int], int] = {
        (field.table, field.address): words[field.address - start]
        for fields, start, words in answered
        for field in fields
        if isinstance(field, Companion)
    }
    readings: list[Reading] = []
    rejections: list[Rejection] = []
    for fields, start, words in answered:
        for field in fields:
            if isinstance(field, Companion):
                continue
            decoded = field.decode(words, start, at, told)
            if isinstance(decoded, Reading):
                readings.append(decoded)
            elif decoded is not None:
                rejections.append(decoded)
    return readings, rejections
