"""What a review asks of an order: who had it, how each handling went, what was promised and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from daemon.model import Level, OrderStatus, Text
from daemon.review.words import WHOLE_SITE
from daemon.store.review import Happened, OrderRow
from daemon.workorders.course import Promise
from daemon.workorders.sla import MILESTONES

K = TypeVar("K")
#: Counted as work for the residents; `instrument` and `root_cause` are the house's own.
OF_RESIDENTS = ("pre_complaint", "incident")


class Handling(NamedTuple):
    """One try to mend it: the first, or one after a reopening."""

    level: Level
    stamps: Mapping[str, datetime]
    promises: tuple[Promise, ...]
    #: It is the last one, and somebody still has it to do, or the sensor to judge.
    in_hand: bool

    def reached(self, stamp: str) -> datetime | None:
        """When it came to a milestone; None: nobody said so."""
        return self.stamps.get(stamp)

    def beyond(self, stamp: str) -> bool:
        """Whether it has come to a milestone, or to a later one."""
        return any(name in self.stamps for name in MILESTONES[MILESTONES.index(stamp) :])


@dataclass(frozen=True, slots=True)
class Order:
    """A work order."""

    key: str
    #: Of its alarm: how people name it.
    no: int
    site: str
    asset: str
    asset_name: Text
    kind: str
    building: str
    rule: str
    title: Text
    type: str
    category: str
    #: Where it stands; it only ever goes up.
    level: Level
    status: OrderStatus
    in_hand: bool
    #: A person was asked to decide, and has not.
    undecided: bool
    created_at: datetime
    #: The team that the ticketing service named, or else who accepted it; empty: nobody.
    team: str
    #: Whether `team` is a person, for no team was named.
    by_person: bool
    households: int
    #: The same rule on the same asset had an order within the mechanism's span before it.
    repeat: bool
    handlings: tuple[Handling, ...]
    events: tuple[Happened, ...]

    @property
    def last(self) -> Handling:
        """The handling that it ended with, or is in."""
        return self.handlings[-1]

    @property
    def promises(self) -> list[Promise]:
        """Everything that was promised, of all handlings."""
        return [promise for handling in self.handlings for promise in handling.promises]

    @property
    def overdue(self) -> bool | None:
        """Whether any promise was not kept in time; None: none has come to a verdict."""
        verdicts = [promise.in_time for promise in self.promises if promise.in_time is not None]
        return not all(verdicts) if verdicts else None

    @property
    def place(self) -> Text:
        """Building and asset."""
        name = self.asset_name
        return Text(f"{self.building} {name.zh}".strip(), f"{self.building} {name.en}".strip())

    def times(self, occasion: str) -> int:
        """How often something happened to it."""
        return sum(event.occasion == occasion for event in self.events)


def orders(rows: Iterable[OrderRow]) -> list[Order]:
    """The orders of the rows, in their order."""
    return [_order(row) for row in rows]


def _order(row: OrderRow) -> Order:
    document, course = row.document, row.course
    whole = row.asset == document["site"]  # a storm, or the gateway itself
    taken_by = next((event.by for event in row.events if event.occasion == "accepted" and event.by), "")
    past = tuple(Handling(one.level, one.stamps, one.promises, in_hand=False) for one in course.past)
    return Order(
        key=row.key,
        no=row.alarm_no,
        site=document["site"],
        asset=row.asset,
        asset_name=WHOLE_SITE if whole else _text(document["asset_name"]),
        kind="site" if whole else document["asset_kind"],
        building=document["building"],
        rule=row.rule,
        title=_text(document["title"]),
        type=document["type"],
        category=document["category"],
        level=row.level,
        status=row.status,
        in_hand=course.in_hand,
        undecided=course.undecided and course.in_hand,
        created_at=row.created_at,
        team=row.team or taken_by,
        by_person=not row.team and bool(taken_by),
        households=document["households"],
        repeat=bool(document["previous"]) and document["type"] != "root_cause",
        handlings=(*past, Handling(course.level, course.stamps, course.promises, course.in_hand)),
        events=row.events,
    )


def grouped(items: Iterable[Order], key: Callable[[Order], K]) -> dict[K, list[Order]]:
    """The orders by a key, keys in the order of their first."""
    found: dict[K, list[Order]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def _text(words: Mapping[str, str]) -> Text:
    return Text(words["zh"], words["en"])
