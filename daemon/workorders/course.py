"""How a work order is going: a value that the life cycle advances and the ledger keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from daemon.model import Level, OrderStatus, Text, from_ms, to_ms
from daemon.workorders.sla import MILESTONES

_MS = timedelta(milliseconds=1)
#: A page of changes told late is one after the other; so long the rest of it may take.
_TOLD_WHOLE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One step up the chain, that long after a deadline was missed."""

    after: timedelta
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised when the order was opened; a later edit of the mechanism does not move it."""

    id: str
    title: Text
    since: str
    kept_by: str
    #: The time it takes: a span, or a number of working days.
    within: timedelta | int
    warn: timedelta | None
    steps: tuple[Step, ...]
    #: Another stamp that keeps it; empty: there is none.
    or_by: str = ""
    #: Known once the stamp `since` is there.
    due: datetime | None = None
    #: Site time at which that became known: what was due before is not called missed within a minute, for the service
    #: may be about to tell that it was kept.
    known_at: datetime | None = None
    kept_at: datetime | None = None
    warned: bool = False
    missed: bool = False
    #: How many of the steps were taken.
    climbed: int = 0
    #: A step of a procedure, which a second handling goes on with.
    of_procedure: bool = False

    @property
    def running(self) -> bool:
        """Whether its time runs."""
        return self.due is not None and self.kept_at is None

    @property
    def in_time(self) -> bool | None:
        """Whether it was kept in time; None: neither kept nor missed so far, or called off before it was due."""
        if self.kept_at is None:
            return False if self.missed else None
        return self.due is not None and self.kept_at <= self.due

    @property
    def next_at(self) -> datetime | None:
        """When time alone does something next: a warning, the deadline, or a step up."""
        moment = self._next_moment()
        if moment is None or self.known_at is None or moment > self.known_at:
            return moment
        return self.known_at + _TOLD_WHOLE

    def _next_moment(self) -> datetime | None:
        if self.due is None or self.kept_at is not None:
            return None
        if self.warn is not None and not self.warned and not self.missed:
            return self.due - self.warn
        if not self.missed:
            return self.due
        if self.climbed < len(self.steps):
            return self.due + self.steps[self.climbed].after
        return None


@dataclass(frozen=True, slots=True)
class Judging:
    """How the sensor judges a repair, as the mechanism and the rule said when the order was opened."""

    stay_clear: timedelta
    give: timedelta
    timeout: timedelta
    reopen: int
    #: Told in turn when an order fails that cannot go a level up.
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """One handling of an order that did not hold, as it stood when the next began; for the review."""

    level: Level
    stamps: Mapping[str, datetime]
    #: Without the steps of a procedure, which go on.
    promises: tuple[Promise, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """Where an order stands, what was promised, and what the sensor says meanwhile."""

    status: OrderStatus
    level: Level
    judging: Judging
    #: Which of the mechanism's promises hold, see `Sla.promises`.
    impact: str
    procedure: str
    #: First occurrence of each stamp in this round, by name.
    stamps: Mapping[str, datetime]
    promises: tuple[Promise, ...] = ()
    #: How often it was reopened.
    rounds: int = 0
    #: The alarm: since when it is over, None while it is active.
    clear_since: datetime | None = None
    #: The alarm's data is missing, or the rule cannot see.
    blind: bool = False
    #: When the sensor's judgement is due next, while verifying.
    judge_at: datetime | None = None
    #: A person was asked to decide; nothing more is judged.
    undecided: bool = False
    #: When the ticketing service, by its own clock, last had the work done: what it tells of before then is old news.
    told_done: datetime | None = None
    #: The handlings before this one, the oldest first.
    past: tuple[Round, ...] = ()

    @property
    def in_hand(self) -> bool:
        """Whether somebody still has it to do, or the sensor to judge."""
        return self.status not in _ENDED

    @property
    def judged(self) -> bool:
        """Whether a repair is being judged whose alarm is over: its data must be there all along."""
        return self.status is OrderStatus.VERIFYING and self.clear_since is not None and not self.undecided

    @property
    def next_at(self) -> datetime | None:
        """Before this, time alone does nothing to it."""
        dues = [promise.next_at for promise in self.promises]
        return min((due for due in (self.judge_at, *dues) if due is not None), default=None)

    def reached(self, stamp: str) -> datetime | None:
        """When a stamp was reached; a later milestone counts for an earlier one."""
        if stamp in self.stamps:
            return self.stamps[stamp]
        if stamp not in MILESTONES:
            return None
        later = MILESTONES[MILESTONES.index(stamp) :]
        return min((self.stamps[name] for name in later if name in self.stamps), default=None)

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it; `from_json` reads it back."""
        return {
            "version": 1,
            "status": self.status,
            "level": self.level.name,
            "judging": _judging_to(self.judging),
            "impact": self.impact,
            "procedure": self.procedure,
            "stamps": _stamps_to(self.stamps),
            "promises": [_promise_to(promise) for promise in self.promises],
            "rounds": self.rounds,
            "clear_since": _ms(self.clear_since),
            "blind": self.blind,
            "judge_at": _ms(self.judge_at),
            "undecided": self.undecided,
            "told_done": _ms(self.told_done),
            "past": [_round_to(one) for one in self.past],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Course:
        """Read back.

        Raises:
            ValueError: it was written by a program that knew more.
        """
        if kept.get("version") != 1:
            raise ValueError(f"a course of version {kept.get('version')!r}; this program knows 1")
        return cls(
            status=OrderStatus(kept["status"]),
            level=Level[kept["level"]],
            judging=_judging_from(kept["judging"]),
            impact=kept["impact"],
            procedure=kept["procedure"],
            stamps=_stamps_from(kept["stamps"]),
            promises=tuple(_promise_from(promise) for promise in kept["promises"]),
            rounds=kept["rounds"],
            clear_since=_moment(kept["clear_since"]),
            blind=kept["blind"],
            judge_at=_moment(kept["judge_at"]),
            undecided=kept["undecided"],
            told_done=_moment(kept.get("told_done")),
            past=tuple(_round_from(one) for one in kept.get("past", ())),
        )


_ENDED = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.VERIFIED})


@dataclass(frozen=True, slots=True)
class Act:
    """Something that the life cycle asks for, once."""

    #: One of `sla.OCCASIONS`.
    occasion: str
    at: datetime
    #: The promise it is about, if it is about one.
    promise: str = ""
    title: Text | None = None
    #: Roles to tell beside those whom the mechanism names for the occasion.
    to: tuple[str, ...] = field(default=())
    #: It was due earlier, while the gateway was down.
    late: bool = False
    due: datetime | None = None
    #: A person says so: no sensor has judged it.
    by_person: bool = False


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _stamps_to(stamps: Mapping[str, datetime]) -> dict[str, int]:
    return {name: to_ms(at) for name, at in stamps.items()}


def _stamps_from(kept: Mapping[str, int]) -> dict[str, datetime]:
    return {name: from_ms(at) for name, at in kept.items()}


def _round_to(one: Round) -> list[Any]:
    return [one.level.name, _stamps_to(one.stamps), [_promise_to(promise) for promise in one.promises]]


def _round_from(kept: list[Any]) -> Round:
    level, stamps, promises = kept
    return Round(Level[level], _stamps_from(stamps), tuple(_promise_from(promise) for promise in promises))


def _span_to(span: timedelta) -> int:
    return span // _MS


def _judging_to(judging: Judging) -> list[Any]:
    spans = (judging.stay_clear, judging.give, judging.timeout)
    return [*map(_span_to, spans), judging.reopen, list(judging.chain)]


def _judging_from(kept: list[Any]) -> Judging:
    stay_clear, give, timeout, reopen, chain = kept
    return Judging(stay_clear * _MS, give * _MS, timeout * _MS, reopen, tuple(chain))


def _promise_to(promise: Promise) -> dict[str, Any]:
    return {
        "id": promise.id,
        "title": [promise.title.zh, promise.title.en],
        "since": promise.since,
        "kept_by": promise.kept_by,
        "or_by": promise.or_by,
        "within": {"days": promise.within} if isinstance(promise.within, int) else _span_to(promise.within),
        "warn": None if promise.warn is None else _span_to(promise.warn),
        "steps": [[_span_to(step.after), list(step.to)] for step in promise.steps],
        "due": _ms(promise.due),
        "known_at": _ms(promise.known_at),
        "kept_at": _ms(promise.kept_at),
        "warned": promise.warned,
        "missed": promise.missed,
        "climbed": promise.climbed,
        "of_procedure": promise.of_procedure,
    }


def _promise_from(kept: Mapping[str, Any]) -> Promise:
    within = kept["within"]
    return Promise(
        id=kept["id"],
        title=Text(*kept["title"]),
        since=kept["since"],
        kept_by=kept["kept_by"],
        or_by=kept.get("or_by", ""),
        within=within["days"] if isinstance(within, dict) else within * _MS,
        warn=None if kept["warn"] is None else kept["warn"] * _MS,
        steps=tuple(Step(after * _MS, tuple(to)) for after, to in kept["steps"]),
        due=_moment(kept["due"]),
        known_at=_moment(kept["known_at"]),
        kept_at=_moment(kept["kept_at"]),
        warned=kept["warned"],
        missed=kept["missed"],
        climbed=kept["climbed"],
        of_procedure=kept.get("of_procedure", False),
    )
