"""What a chart shows: frozen when it is asked for, so that it is the same whenever it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import TypeAdapter

from daemon.model import Level, Quality, Text


class Sample(NamedTuple):
    """One reading of a point, or the beginning of a gap."""

    #: Source time, ms since 1970.
    ms: int
    #: None: from here on nothing is known, until the next sample.
    value: float | str | None
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True)
class Line:
    """A limit that lies on the point's own axis."""

    value: float
    #: `trip` opens the alarm, `clear` ends it.
    role: str
    level: Level
    #: As in a rule: `below`, `above`, `at_most`, `at_least`; the far side of a band is `below` and `above` too.
    word: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One point."""

    point: str
    name: str
    unit: str
    #: It has labels or is counted: drawn in steps.
    steps: bool
    #: It says nothing while nothing changes: a state is held while its device is alive.
    on_change: bool
    #: Labels that the rule asks for.
    watched: tuple[str, ...]
    lines: tuple[Line, ...]
    #: What the rule asks of it that no line says.
    asked: tuple[Text, ...]
    #: Readings further apart than this are a gap, in ms; of a point that holds its state: its device's silence.
    gap_ms: int
    #: Computed from other points, and in the journal beside the row that it follows from.
    computed: bool
    #: Who speaks it.
    device: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A chart that was asked for."""

    #: `opened`, `recovered`, `reopened`, `verified`.
    occasion: str
    #: Of the order.
    title: Text
    asset: Text
    rule: str
    level: Level
    alarm_no: int
    #: IANA name of the zone in which times are written.
    zone: str
    #: Readings of source times in [from, to], ms since 1970.
    from_ms: int
    to_ms: int
    #: When the rule's alarm was active; an end of None: it still is.
    active: tuple[tuple[int, int | None], ...]
    panels: tuple[Panel, ...]
    #: Names of points that the rule looks at and that found no room.
    rest: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """As it is kept."""
        return _PLAN.dump_json(self)

    @classmethod
    def from_json(cls, kept: bytes) -> Plan:
        """What `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        return _PLAN.validate_json(kept)


_PLAN = TypeAdapter(Plan)
#: By point id.
Series = dict[str, list[Sample]]
_SERIES = TypeAdapter(Series)


def series_to_json(series: Series) -> bytes:
    """As it is kept."""
    return _SERIES.dump_json(series)


def series_from_json(kept: bytes) -> Series:
    """What `series_to_json` wrote.

    Raises:
        ValueError: it is something else.
    """
    return _SERIES.validate_json(kept)
