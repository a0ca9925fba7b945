"""Our own line protocol: one line per observation and timestamp, of which `docs/influx.md` is the schema.

    lift,asset=L1,building=B3,site=hongyuan floor=7.0,door="closed",temp_q="bad:out_of_range",temp=412.0 1795300000123
    kind └──────────── tags ──────────────┘ └─────────── fields: point names ──────────────────────────┘ ms since 1970

Everything that does not change with the reading (measurement, tags, field names) is escaped once and kept, which leaves
one dictionary look-up and one number to print for each reading.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Final, NamedTuple

from daemon.model import Asset, Catalogue, Observation, PointKind, Quality, Reading, Value, to_ms

_MOST: Final = sys.float_info.max
_GOOD: Final = Quality.GOOD
#: Line protocol has no newline in names and tags, and peers that split at newlines first would lose the line to one
#: in a quoted label: it is written as the two characters backslash and n everywhere.
_ONE_LINE: Final = str.maketrans({"\n": "\\n", "\r": "\\r"})
_NAME: Final = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_MEASUREMENT: Final = str.maketrans({",": "\\,", " ": "\\ "})
_STRING: Final = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\\\n", "\r": "\\\\r"})
_MOST_LABELS: Final = 4096
#: The measurement of a backlog's readings whose asset is no longer declared.
UNDECLARED: Final = "undeclared"


class Line(NamedTuple):
    """One line without its line end."""

    text: bytes
    #: Values of points in it; quality fields are not counted.
    values: int


class _Series(NamedTuple):
    """What is known of a point before its reading arrives."""

    #: `measurement,tags ` with its blank.
    head: str
    #: The point's name as a field name, with its equals sign.
    field: str
    #: The same of its quality field.
    quality: str
    #: A label for ever, or a number for ever: a field never changes its type.
    is_label: bool


class LineProtocol:
    """Writes observations as lines. Give it the catalogue at start and again at each reload."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._series: dict[str, _Series] = {}
        self._heads: dict[str, str] = {}
        self._labels: dict[Value, str] = {}
        self._site = ""
        self.declare(catalogue)

    def declare(self, catalogue: Catalogue) -> None:
        """Learn points. Those declared before stay known, for rows of theirs may still wait in the backlog."""
        self._site = catalogue.site.id
        for asset in catalogue.assets:
            self._heads[asset.id] = _head(asset, self._site)
        for point in catalogue.points:
            head = self._heads.get(point.asset) or self._undeclared(point.asset)
            label = point.kind is PointKind.STATE or point.kind is PointKind.CODE
            self._series[point.id] = _series(head, point.name, is_label=label)

    def encode(self, observation: Observation) -> list[Line]:
        """The lines of one observation: one, or several when its readings differ in time or asset; maybe none.

        A number that line protocol cannot hold (NaN, infinite, a label where numbers stand) leaves its field away;
        the quality field says why.
        """
        readings = observation.readings
        if observation.computed:
            return self._encode_mixed(readings + observation.computed)
        if not readings:
            return []
        series, labels = self._series, self._labels
        at = readings[0].at
        head = ""
        fields: list[str] = []
        values = 0
        for reading in readings:
            point, moment, value, _, quality, reason = reading
            its_head, field, its_quality, is_label = series.get(point) or self._learn(reading)
            if its_head is not head or moment is not at:
                if head and (its_head != head or moment != at):
                    return self._encode_mixed(readings)
                head = its_head
            if is_label:
                text = labels.get(value) or self._label(value)
            elif type(value) is float and -_MOST <= value <= _MOST:
                text = repr(value)
            else:
                text = _number(value)
            if text:
                fields.append(field + text)
                values += 1
            if quality is not _GOOD:
                fields.append(f'{its_quality}"{quality}:{reason}"')
        return [_line(head, fields, values, at)] if fields else []

    def _encode_mixed(self, readings: tuple[Reading, ...]) -> list[Line]:
        groups: dict[tuple[str, datetime], list[Reading]] = {}
        for reading in readings:
            head = (self._series.get(reading.point) or self._learn(reading)).head
            groups.setdefault((head, reading.at), []).append(reading)
        lines: list[Line] = []
        for (_, at), group in groups.items():
            lines += self.encode(Observation(at, "", tuple(group)))
        return lines

    def _learn(self, reading: Reading) -> _Series:
        """A point that is declared no more still waits in the backlog: nothing that was taken in is dropped."""
        asset, _, name = reading.point.rpartition(".")
        head = self._heads.get(asset) or self._undeclared(asset)
        known = _series(head, name, is_label=isinstance(reading.value, str))
        self._series[reading.point] = known
        return known

    def _label(self, value: Value | None) -> str:
        """A label in quotes. Few differ, so they are kept; what a device invents without end is not."""
        if value is None:
            return ""
        text = f'"{str(value).translate(_STRING)}"'
        if isinstance(value, str) and len(self._labels) < _MOST_LABELS:
            self._labels[value] = text
        return text

    def _undeclared(self, asset: str) -> str:
        return _tagged(UNDECLARED, {"asset": asset, "site": self._site})


def _head(asset: Asset, site: str) -> str:
    return _tagged(asset.kind, {"asset": asset.id, "building": asset.building, "site": site})


def _tagged(measurement: str, tags: dict[str, str]) -> str:
    """Tags in the order of their names, as the servers like them best; an empty tag is left away."""
    parts = [_plain(measurement).translate(_MEASUREMENT), *(f"{k}={_name(v)}" for k, v in tags.items() if _plain(v))]
    return ",".join(parts) + " "


def _plain(text: str) -> str:
    """One line, not ending in a backslash: that would swallow the comma or blank behind it, for every parser."""
    return text.translate(_ONE_LINE).rstrip("\\")


def _name(text: str) -> str:
    return _plain(text).translate(_NAME)


def _series(head: str, name: str, *, is_label: bool) -> _Series:
    return _Series(head, f"{_name(name)}=", f"{_name(name + '_q')}=", is_label)


def _number(value: Value | None) -> str:
    """A number that came as an int; empty for what is none: a journal row holds null where a reading was NaN."""
    if value is None or isinstance(value, str):
        return ""
    number = float(value)
    return repr(number) if -_MOST <= number <= _MOST else ""


def _line(head: str, fields: list[str], values: int, at: datetime) -> Line:
    return Line(f"{head}{','.join(fields)} {to_ms(at)}".encode("utf-8", "replace"), values)
