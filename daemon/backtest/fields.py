"""Fields of an asset at a moment, as our outputs write them, as what its devices said: values and their quality."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from daemon.model import Catalogue, Observation, Point, PointKind, Quality, Reading, Reason, Value
from daemon.sensors.quality import of_value

_LABELLED = (PointKind.STATE, PointKind.CODE)
#: A value as a store hands it out.
Stored = float | str | bool | None


class Fields:
    """Knows which fields are points of the site."""

    def __init__(self, catalogue: Catalogue, *, raw: bool = False) -> None:
        """With `raw` there are no verdicts beside the values: their range is judged here."""
        self._measured = {point.id: point for point in catalogue.points if not point.formula}
        self._computed = {point.id for point in catalogue.points if point.formula}
        self._raw = raw

    def points(self, fields: Iterable[str]) -> tuple[frozenset[str], list[str]]:
        """Of `<asset>.<field>`, the points, and what is neither that nor computed nor a verdict on one."""
        named = dict.fromkeys(fields)
        verdicts = {name for name in named if name.removesuffix("_q") in self._measured and name not in self._measured}
        found = frozenset(named.keys() & self._measured.keys()) | {name.removesuffix("_q") for name in verdicts}
        known = found | verdicts | self._computed
        return found, [name for name in named if name not in known]

    def observations(self, asset: str, values: Mapping[str, Stored], at: datetime) -> Iterator[Observation]:
        """One a device: a line may hold what several of an asset have said."""
        said: dict[str, list[Reading]] = {}
        for name, value in values.items():
            point = self._measured.get(f"{asset}.{name}")
            flag, given = values.get(f"{name}_q"), value
            if point is None and name.endswith("_q") and values.get(name.removesuffix("_q")) is None:
                # a value that the store cannot hold has left its verdict alone
                point, flag, given = self._measured.get(f"{asset}.{name.removesuffix('_q')}"), value, math.nan
            if point is not None and given is not None:
                said.setdefault(point.device, []).append(self._reading(point, given, flag, at))
        for device, readings in said.items():
            yield Observation(at, device, tuple(readings))

    def _reading(self, point: Point, given: float | str | bool, flag: Stored, at: datetime) -> Reading:  # noqa: FBT001
        value = _value(given, point)
        if self._raw and type(value) is float:
            return Reading(point.id, at, value, at, *of_value(value, raw=value, low=point.low, high=point.high))
        return Reading(point.id, at, value, at, *_verdict(flag))


def _value(given: float | str | bool, point: Point) -> Value:  # noqa: FBT001
    """A number or a label, as the point wants; NaN is no value for anybody."""
    if point.kind in _LABELLED:
        return str(given).lower() if type(given) is bool else str(given)
    try:
        return float(given)
    except ValueError:
        return math.nan


def _verdict(flag: Stored) -> tuple[Quality, Reason]:
    if flag is None:
        return Quality.GOOD, Reason.NONE
    quality, _, reason = str(flag).partition(":")
    try:
        return Quality(quality), Reason(reason)
    except ValueError:
        return Quality.SUSPECT, Reason.NONE
