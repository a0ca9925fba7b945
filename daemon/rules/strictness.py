"""Points of which only good readings count, for rules that say `quality: good`.

Such a rule looks at a twin of the point. Whatever the point hears the twin hears as well, but for it a suspect reading
is a bad one: a point that promises an interval waits for its next reading, one that holds its state no longer knows it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

from daemon.model import Observation, Point, Quality, Reading

_TWIN = "#good"
GOOD = Quality.GOOD
BAD = Quality.BAD


def twin(point: Point) -> Point:
    """The twin of a point; its id is no other point's."""
    return replace(point, id=point.id + _TWIN)


def plain(point: str) -> str:
    """The id of the point whose twin it may be."""
    return point.removesuffix(_TWIN)


def is_twin(point: str) -> bool:
    """Whether that is the id of a twin."""
    return point.endswith(_TWIN)


def with_twins(item: Observation, known: Container[str]) -> Observation:
    """The message as points and their twins hear it.

    Args:
        item: as it came.
        known: the ids of the points that are looked at, twins among them.
    """
    return item._replace(readings=(*item.readings, *_heard(item, known)))


def _heard(item: Observation, known: Container[str]) -> Iterator[Reading]:
    for reading in item.readings:
        name = reading.point + _TWIN
        if name in known:
            yield reading._replace(point=name, quality=GOOD if reading.quality is GOOD else BAD)
