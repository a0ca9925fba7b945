"""How long each stage took. A second handling counts as a handling of its own, from its reopening on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from daemon.model import Level, Text
from daemon.review.orders import Handling, Order

_ZERO = timedelta()


@dataclass(frozen=True, slots=True)
class Stage:
    """The times between two stamps. counted + waiting + untold are all handlings."""

    key: str
    title: Text
    #: Of handlings at that level; None: of all.
    level: Level | None
    times: tuple[timedelta, ...]
    #: In hand, and not come to its end yet.
    waiting: int
    #: Over, and nobody said when: a ticketing service without that stage, a false alarm, a cancelled order.
    untold: int

    @property
    def counted(self) -> int:
        """Both stamps are known."""
        return len(self.times)

    @property
    def median(self) -> timedelta | None:
        """Half took longer."""
        return middle(self.times)

    @property
    def p90(self) -> timedelta | None:
        """The shortest time in which nine of ten were done (nearest rank)."""
        return percentile(self.times, 90)

    @property
    def longest(self) -> timedelta | None:
        """The longest of all."""
        return max(self.times, default=None)


_STAGES = (
    ("respond", "响应：开单→接单", "Response: opened to accepted", "created", "accepted"),
    ("travel", "到场：接单→到场", "Travel: accepted to on site", "accepted", "arrived"),
    ("work", "处理：到场→完成", "Work: on site to done", "arrived", "done"),
    ("check", "复核：完成→复核通过", "Check: done to verified", "done", "verified"),
    ("whole", "全程：开单→复核通过", "Whole: opened to verified", "created", "verified"),
)


def stages(orders: Iterable[Order]) -> list[Stage]:
    """Every stage over all handlings of the orders, then at each level that there is."""
    handlings = [handling for order in orders for handling in order.handlings]
    groups: list[tuple[Level | None, list[Handling]]] = [(None, handlings)]
    groups += [(level, found) for level in Level if (found := [one for one in handlings if one.level is level])]
    return [_stage(of, level, row) for level, of in groups for row in _STAGES]


def times(handling: Handling) -> list[timedelta | None]:
    """The time of each stage of one handling; None: a stamp is missing."""
    return [_time(handling, since, until) for _, _, _, since, until in _STAGES]


def _time(handling: Handling, since: str, until: str) -> timedelta | None:
    began, ended = handling.reached(since), handling.reached(until)
    if began is None or ended is None:
        return None
    return max(ended - began, _ZERO)  # a service's clock may differ from another's


def _stage(handlings: Sequence[Handling], level: Level | None, row: tuple[str, str, str, str, str]) -> Stage:
    key, zh, en, since, until = row
    found: list[timedelta] = []
    waiting = 0
    for handling in handlings:
        span = _time(handling, since, until)
        if span is not None:
            found.append(span)
        elif handling.in_hand and not handling.beyond(until):
            waiting += 1
    return Stage(key, Text(zh, en), level, tuple(sorted(found)), waiting, len(handlings) - len(found) - waiting)


def middle(spans: Sequence[timedelta]) -> timedelta | None:
    """The median: of an even number the mean of the two in the middle; `spans` sorted."""
    if not spans:
        return None
    half = len(spans) // 2
    return spans[half] if len(spans) % 2 else (spans[half - 1] + spans[half]) / 2


def percentile(spans: Sequence[timedelta], percent: int) -> timedelta | None:
    """By nearest rank: the smallest of them that so many percent do not exceed; `spans` sorted."""
    return spans[max(0, -(-len(spans) * percent // 100) - 1)] if spans else None
