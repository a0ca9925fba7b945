"""The response mechanism as data (`config/sla/*.yaml`): what is promised at each level, by when, and who is told.

level ──> promises (respond within 15 min, …) ──> warned before, overdue at, escalated after: each step once
      ──> who is told at which stage
procedure ──> timed steps, for instance of an entrapment
verification ──> how the sensor judges a repair
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from daemon.documents import Span, Strict, format_span, parse_span
from daemon.model import Level, Text
from daemon.workorders.calendars import WorkCalendar

#: Stamps that the gateway or the ticketing service sets, in the order in which they come: a later one keeps what was
#: promised for an earlier one. Procedures may name others, which only a person sets.
MILESTONES = ("created", "sent", "accepted", "arrived", "done", "verified")

#: Moments at which somebody may be told, beside the stamps.
OCCASIONS = (
    *MILESTONES, "warned", "overdue", "raised", "data_lost", "data_back", "recovered", "relapsed", "reopened",
    "undecided", "rejected", "cancelled", "parked", "complained", "unseen",
)  # fmt: skip

#: Who an order concerns, from the one who does the work to the one who answers for it.
ROLES = ("duty", "team", "maintainer", "supervisor", "project_manager", "headquarters", "residents")

_WORKDAYS = re.compile(r"(\d{1,3}) workdays?")


def _within(given: object) -> object:
    """A span, or a number of working days, which no span can say: those stay text."""
    if isinstance(given, str) and _WORKDAYS.fullmatch(given):
        return given
    return parse_span(given)


def _some(span: timedelta) -> timedelta:
    """A span of some length, and no longer than decisions are kept."""
    if not timedelta() < span <= timedelta(days=400):
        raise ValueError("write a span between 1s and 400d")
    return span


#: `15min`, or `5 workdays`.
Within = Annotated[
    timedelta | str,
    BeforeValidator(_within),
    PlainSerializer(lambda within: within if isinstance(within, str) else format_span(within)),
    WithJsonSchema({"type": "string", "examples": ["15min", "5 workdays"]}),
]
Stamp = Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,30}$")]
Role = Literal["duty", "team", "maintainer", "supervisor", "project_manager", "headquarters", "residents"]


class Escalation(Strict):
    """One step up the chain: that long after the deadline was missed, these are told."""

    after: Span = timedelta()
    to: tuple[Role, ...]


class PromiseSpec(Strict):
    """Something that is promised by a deadline."""

    id: Stamp
    title: Text
    within: Within
    #: The stamp from which the time runs.
    since: Stamp = "created"
    #: The stamp that keeps it; a later milestone does too.
    kept_by: Stamp
    #: Another stamp that keeps it: no plan is asked for what is mended.
    or_by: Stamp | None = None
    #: Only for orders of this impact (see a rule's `work_order.impact`); absent: for all.
    impact: tuple[Literal["trading", "equipment", "outside"], ...] = ()
    #: That long before the deadline its lead is warned.
    warn: Span | None = None
    escalate: tuple[Escalation, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since == self.kept_by:
            raise ValueError(f"{self.id}: runs from {self.since!r} to the same; write another `kept_by`")
        afters = [step.after for step in self.escalate]
        if afters != sorted(afters):
            raise ValueError(f"{self.id}: escalation steps must stand in the order of their `after`")
        if self.warn is not None and isinstance(self.within, timedelta) and self.warn >= self.within:
            raise ValueError(f"{self.id}: warns before it begins; write a `warn` shorter than `within`")
        return self

    def due(self, since: datetime, calendar: WorkCalendar) -> datetime:
        """The deadline when the time runs from `since`.

        Raises:
            ValueError: the calendar has no working days in sight.
        """
        if isinstance(self.within, timedelta):
            return since + self.within
        return calendar.after(since, int(self.within.split()[0]))


class Tell(Strict):
    """Who is told, and when."""

    on: tuple[Literal[OCCASIONS], ...]  # type: ignore[valid-type]  # the same words once, above
    to: tuple[Role, ...]


class LevelSla(Strict):
    """What a level of the mechanism means."""

    title: Text
    #: Who leads the work; warned before deadlines, told of what goes wrong.
    lead: tuple[Role, ...]
    promises: Annotated[tuple[PromiseSpec, ...], Field(min_length=1)]
    tell: tuple[Tell, ...] = ()

    @model_validator(mode="after")
    def _respond(self) -> Self:
        ids = [promise.id for promise in self.promises]
        if len(set(ids)) != len(ids):
            raise ValueError("two promises have the same id; ids are unique within a level")
        if "respond" not in ids:
            raise ValueError("a level needs a promise with `id: respond`: it is the order's `respond_by`")
        respond = next(promise for promise in self.promises if promise.id == "respond")
        if respond.since != "created" or respond.impact:
            raise ValueError("`respond` runs from `created` and for every order; remove `since` and `impact`")
        return self


class Procedure(Strict):
    """Timed steps for one kind of incident; a rule's `work_order.procedure` names it."""

    title: Text
    steps: Annotated[tuple[PromiseSpec, ...], Field(min_length=1)]


class Verification(Strict):
    """The repair is judged by the sensor."""

    #: The rule must stay clear on good data for that long after `done`.
    stay_clear: Span = timedelta(minutes=15)
    #: Still true that long after `done`: the repair has failed.
    give: Span = timedelta(minutes=10)
    #: Nothing known for that long after `done`: a person decides.
    timeout: Span = timedelta(hours=4)
    #: How often an order is reopened before a person decides.
    reopen: Annotated[int, Field(ge=0, le=5)] = 2


class Recurrence(Strict):
    """When the same comes again."""

    #: Orders of the same rule and asset within this span are linked.
    within: Span = timedelta(days=7)
    #: Orders that come sooner one after the other are one occurrence.
    apart: Span = timedelta(hours=1)
    #: The order that is this many-th within the span brings a root-cause order with it.
    root_cause_at: Annotated[int, Field(ge=2, le=20)] = 3
    #: An alarm that comes back that soon after it ended, while a person has its order in hand, stays on that order.
    same_order: Span = timedelta(hours=2)


class Complaints(Strict):
    """What residents' complaints mean for orders on the same asset."""

    #: Complaints of so long before an order count in its priority.
    within: Annotated[Span, AfterValidator(_some)] = timedelta(days=30)
    #: Each of them adds so much to the factor.
    each: Annotated[float, Field(ge=0, le=1)] = 0.1
    #: So many count at most.
    most: Annotated[int, Field(ge=0, le=20)] = 5
    #: An order whose alarm was over for longer than that had nothing to do with a complaint.
    horizon: Annotated[Span, AfterValidator(_some)] = timedelta(hours=24)
    #: Complaints that are noted on an open order in a day; the rest is counted.
    notes: Annotated[int, Field(ge=0, le=100)] = 5


class Calendar(Strict):
    """Which days are worked."""

    base: Literal["china", "weekdays"] = "china"
    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()


class Sla(Strict):
    """One response mechanism."""

    version: Literal[1]
    sla: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    title: Text
    #: Where the numbers are from.
    basis: Annotated[str, Field(min_length=1)]
    calendar: Calendar = Calendar()
    levels: dict[Literal["I", "II", "III"], LevelSla]
    procedures: dict[Stamp, Procedure] = Field(default_factory=dict)
    verification: Verification = Verification()
    recurrence: Recurrence = Recurrence()
    complaints: Complaints = Complaints()
    #: Who is told next when an order of Level I fails its verification.
    chain: Annotated[tuple[Role, ...], Field(min_length=1)] = ("supervisor", "project_manager", "headquarters")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        missing = [level.name for level in Level if level.name not in self.levels]
        if missing:
            raise ValueError(f"level {', '.join(missing)} is missing; write all of I, II and III")
        for promise in self._promises():
            if promise.since not in MILESTONES and promise.since not in self._stamps():
                raise ValueError(
                    f"{promise.id}: nothing sets the stamp {promise.since!r}; known: "
                    f"{', '.join(sorted({*MILESTONES, *self._stamps()}))}"
                )
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        of_levels = {promise.id for level in self.levels.values() for promise in level.promises}
        for name, procedure in self.procedures.items():
            ids = [step.id for step in procedure.steps]
            twice = sorted({step for step in ids if ids.count(step) > 1 or step in of_levels})
            if twice:
                raise ValueError(
                    f"{name}: {', '.join(twice)}: ids of steps are unique, and no promise of a level has one"
                )
        return self

    def _promises(self) -> Iterator[PromiseSpec]:
        for level in self.levels.values():
            yield from level.promises
        for procedure in self.procedures.values():
            yield from procedure.steps

    def _stamps(self) -> set[str]:
        return {promise.kept_by for promise in self._promises()}

    def level(self, level: Level) -> LevelSla:
        """What is promised at a level."""
        return self.levels[level.name]  # type: ignore[index]  # a Level's name is one of the three

    def promises(self, level: Level, impact: str) -> tuple[PromiseSpec, ...]:
        """What is promised at a level for an order of that impact."""
        return tuple(p for p in self.level(level).promises if not p.impact or impact in p.impact)

    def steps(self, procedure: str) -> tuple[PromiseSpec, ...]:
        """The timed steps of a procedure; none when the mechanism does not know it."""
        return self.procedures[procedure].steps if procedure in self.procedures else ()

    def told(self, level: Level, occasion: str) -> tuple[str, ...]:
        """The roles that are told of an occasion at a level, each once, in the order of ROLES."""
        found = {role for tell in self.level(level).tell if occasion in tell.on for role in tell.to}
        return tuple(role for role in ROLES if role in found)

    def calendar_in(self, zone: str) -> WorkCalendar:
        """The working days, counted in a site's zone (IANA name)."""
        calendar = self.calendar
        return WorkCalendar(zone, calendar.base, frozenset(calendar.holidays), frozenset(calendar.workdays))


def _bare(name: str, zh: str, within: str) -> LevelSla:
    respond = PromiseSpec(id="respond", title=Text("响应", "respond"), within=parse_span(within), kept_by="accepted")
    return LevelSla(title=Text(zh, name), lead=("supervisor",), promises=(respond,))


#: Deadlines to respond and nothing else, for where no mechanism is configured, such as in rule tests.
BARE = Sla(
    version=1,
    sla="bare",
    title=Text("仅响应时限", "deadlines to respond only"),
    basis="property management practice",
    levels={
        "I": _bare("urgent", "紧急", "15min"),
        "II": _bare("general", "一般", "2h"),
        "III": _bare("advice", "建议", "24h"),
    },
)
