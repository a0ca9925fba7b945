"""From the words of a block to readings: one compiled decoder a point."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from daemon.model import Point, PointKind, Quality, Reading, Reason, Rejection
from daemon.sensors.profile import Binding
from daemon.sensors.quality import GOOD, of_value
from daemon.sensors.registers import Raw, RegisterField, Table, compile_reader, compile_scaling


class RegisterPoint:
    """One point of one unit, ready to be read. Counters keep what they show; their roll-over is for rules to see."""

    __slots__ = ("_labels", "_place", "_read", "_refused", "_scale", "_sentinels", "address", "point", "table", "words")

    def __init__(self, point: Point, field: RegisterField, place: str) -> None:
        #: The first register, the table it stands in, the number of registers.
        self.address = field.address
        self.table: Table = field.table
        self.words = field.words
        self.point = point
        self._place = place
        self._read = compile_reader(field)
        self._scale = compile_scaling(field)
        self._sentinels = field.patterns()
        labelled = point.kind in (PointKind.STATE, PointKind.CODE)
        self._labels = dict(field.map) if labelled else None
        #: The code without a label that was rejected last, so that a device that keeps saying it is rejected once.
        self._refused: Raw | None = None

    def decode(self, words: Sequence[int], start: int, at: datetime) -> Reading | Rejection | None:
        """What the words of a block from register `start` on say at `at`; None: nothing new beyond a known rejection.

        A code without a label is rejected when it appears. A number that is none keeps the value NaN.
        """
        raw = self._read(words, self.address - start)
        if self._labels is not None:
            return self._label(raw, words[self.address - start : self.address - start + self.words], at)
        value, point = self._scale(raw), self.point
        verdict = of_value(value, raw=raw, low=point.low, high=point.high, sentinels=self._sentinels)
        return Reading(point.id, at, value, at, *verdict)

    def _label(self, raw: Raw, words: Sequence[int], at: datetime) -> Reading | Rejection | None:
        """Without a map a code is its own label."""
        assert self._labels is not None  # noqa: S101  only asked for labelled points
        label = self._labels.get(int(raw), "") if self._labels else str(raw)
        verdict = (Quality.BAD, Reason.SENTINEL) if raw in self._sentinels else GOOD
        if label or verdict is not GOOD:
            self._refused = None
            return Reading(self.point.id, at, label or str(raw), at, *verdict)
        return self._unknown(raw, words)

    def _unknown(self, raw: Raw, words: Sequence[int]) -> Rejection | None:
        if raw == self._refused:
            return None
        self._refused = raw
        detail = f"{self.point.id}: {raw} has no label; add it to the map of its register"
        return Rejection(self._place, Reason.UNKNOWN_CODE, detail, b"".join(word.to_bytes(2, "big") for word in words))

    def illegal(self, cause: str) -> Rejection:
        """The rejection of the point itself, whose registers the unit does not have."""
        detail = (
            f"{self.point.id}: {self.table} register {self.address} was refused with {cause}; "
            "correct its address or table in the profile, or remove the point"
        )
        return Rejection(self._place, Reason.ILLEGAL_ADDRESS, detail)


def compile_points(binding: Binding, bus: str, unit: int) -> list[RegisterPoint]:
    """The decoders of all points of a device on `bus`."""
    fields = ((binding.points[name], spec.register_field) for name, spec in binding.profile.points.items())
    return [
        RegisterPoint(point, field, f"modbus:{bus}:{unit}:{field.address}")
        for point, field in fields
        if field is not None
    ]
