"""How the columns of a history become points of the site.

version: 1
time: {column: datetime, format: iso, zone: Asia/Shanghai}      all of it may be absent
columns:
  Pressure: zone-1.pressure                                     in the point's own unit
  Flow: {point: zone-1.flow, unit: L/min}
  Mode: {point: zone-1.mode, labels: {"0": normal, "1": fire}}
long: {point: name, value: value, asset: lift}                  one reading a row, instead of one column a point
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from daemon.documents import Span, Strict
from daemon.model import Catalogue, ConfigError, Point, PointKind
from daemon.rules.derived import inputs
from daemon.units import canonical, convert, parse

#: Names under which a history tells its time, the first that is there counts; else the first column of all.
TIMES = ("time", "timestamp", "datetime", "_time", "at", "ts", "date", "时间")
#: Texts that stand where nothing was measured.
NOTHING = frozenset({"", "nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "n/a", "-", "--"})
_MOST = sys.float_info.max


class TimeSpec(Strict):
    """Where the time stands, and in what form."""

    column: str | None = None
    #: `iso`, `unix_s`, `unix_ms`, `unix_us`, `unix_ns` or a pattern of strptime; absent: as the first row looks.
    format: str | None = None
    #: Of texts that name none; absent: the site's.
    zone: str | None = None

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        try:
            ZoneInfo(zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{zone!r} is no IANA time zone; write one such as Asia/Shanghai") from error
        return zone


class ColumnSpec(Strict):
    """The point that a column is."""

    point: str
    #: The unit in the history; absent: the point's own.
    unit: str | None = None
    #: Texts of a state or code in the history, and the labels that they are.
    labels: dict[str, str] = Field(default_factory=dict)


class LongSpec(Strict):
    """The columns of a history with one reading a row."""

    #: The column with the point's name: `<asset>.<name>`, or a key of `columns`, or the name alone beside `asset`.
    point: str = "point"
    value: str = "value"
    #: The column with the asset's id.
    asset: str | None = None


class PaperPoint(Strict):
    """A point of a site on paper; the words are those of a profile."""

    kind: PointKind = PointKind.GAUGE
    unit: str = ""
    range: tuple[float, float] | None = None
    interval: Span | None = None
    report: Literal["interval", "on_change"] = "interval"
    stuck_after: Span | None = None
    spike: str | float | None = None

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        return canonical(unit)


class PaperAsset(Strict):
    """An asset of a site on paper; it has one device."""

    id: str
    kind: str
    tags: tuple[str, ...] = ()
    #: Its device counts as gone when nothing came for longer.
    alive_within: Span = timedelta(minutes=5)
    points: dict[str, PaperPoint] = Field(min_length=1)


class HistoryMap(Strict):
    """What a history's columns are."""

    version: Literal[1] = 1
    time: TimeSpec = TimeSpec()
    #: Absent: found out from the first line.
    delimiter: str | None = None
    #: The sign before the fraction.
    decimal: Literal[".", ","] = "."
    #: By name in the history; a name that is a point's id needs no entry.
    columns: dict[str, str | ColumnSpec] = Field(default_factory=dict)
    long: LongSpec | None = None
    #: Where there is no configuration of a site to look at.
    assets: tuple[PaperAsset, ...] = ()

    @model_validator(mode="after")
    def _one_sign(self) -> Self:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter == self.decimal):
            raise ValueError(f"the delimiter {self.delimiter!r} must be one sign, and not the decimal one")
        return self


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is a point, ready for use."""

    point: str
    device: str
    is_label: bool
    #: What a number is multiplied with, and what is added: from the history's unit to the point's.
    factor: float
    offset: float
    labels: Mapping[str, str]
    #: Plausible range; outside it a reading is bad.
    low: float
    high: float

    @property
    def as_is(self) -> bool:
        """Whether a number needs nothing done to it."""
        return not self.is_label and self.factor == 1.0 and self.offset == 0.0


def resolve(mapping: HistoryMap, catalogue: Catalogue, names: Iterable[str]) -> dict[str, Column]:
    """The columns among `names` that are points of the site.

    Raises:
        ConfigError: an entry of `columns` names no measured point of the site, or a unit that does not fit it.
    """
    points = {point.id: point for point in catalogue.points if not point.formula}
    found: dict[str, Column] = {}
    faults: list[str] = []
    for name in names:
        given = mapping.columns.get(name, name)
        spec = given if isinstance(given, ColumnSpec) else ColumnSpec(point=given)
        point = points.get(spec.point)
        if point is None:
            if name in mapping.columns:
                faults.append(f"column {name!r}: the site has no measured point {spec.point!r}; write <asset>.<point>")
            continue
        try:
            found[name] = column(point, spec)
        except ValueError as error:
            faults.append(f"column {name!r}: {error}")
    if faults:
        raise ConfigError(faults)
    return found


def column(point: Point, spec: ColumnSpec) -> Column:
    """A column of a point.

    Raises:
        ValueError: the unit does not fit the point's, or labels are written for a number.
    """
    is_label = point.kind in (PointKind.STATE, PointKind.CODE)
    if is_label and spec.unit is not None:
        raise ValueError(f"{point.id} has labels and no unit")
    if spec.labels and not is_label:
        raise ValueError(f"{point.id} has numbers and no labels")
    factor, offset = 1.0, 0.0
    if spec.unit is not None:
        offset = convert(parse(f"0 {spec.unit}"), point.unit)
        factor = convert(parse(f"1 {spec.unit}"), point.unit, difference=True)
    return Column(
        point.id,
        point.device,
        is_label,
        factor,
        offset,
        spec.labels,
        -_MOST if point.low is None else point.low,
        _MOST if point.high is None else point.high,
    )


def heard_only(catalogue: Catalogue, heard: Iterable[str]) -> Catalogue:
    """The catalogue with what a history can tell of: points that are in it, what is computed from them, their devices.

    Rules on silence would otherwise take for dead what was never recorded.
    """
    kept = {point.id for point in catalogue.points if not point.formula}.intersection(heard)
    points: list[Point] = []
    for point in catalogue.points:  # a derived one stands behind those it stands on
        if kept.issuperset(inputs(point)) if point.formula else point.id in kept:
            kept.add(point.id)
            points.append(point)
    devices = {point.device for point in points}
    return Catalogue(
        catalogue.site,
        catalogue.assets,
        tuple(device for device in catalogue.devices if device.id in devices),
        tuple(points),
    )
