"""The life of a work order, as a pure state machine: facts in, a new course and acts out.

    pending ─> sent ─> accepted ─> arrived ─> done ─> verifying ─┬─> verified
       │         └────────┴──────────┴── rejected (false alarm)  ├─> reopened ─> accepted … (a level up, twice at most)
       └─> parked                        cancelled               └─> undecided: a person decides

A person does the work, the sensor judges it. Promises are frozen when the order opens; their deadlines compare site
time, whether or not the ticketing service can be reached. Each warning, missed deadline and step up comes once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from daemon.model import Level, OrderStatus
from daemon.workorders.calendars import WorkCalendar
from daemon.workorders.course import Act, Course, Judging, Promise, Round, Step
from daemon.workorders.sla import MILESTONES, PromiseSpec, Sla

#: A deadline that is noticed that much later was missed while the gateway was down.
_NOTICED_LATE = timedelta(minutes=1)
#: A rule that does not see is asked again no sooner than that.
_LOOK_AGAIN = timedelta(minutes=1)
#: Handlings before the present one that are remembered, the newest: a person may reopen an order again and again.
_REMEMBERED = 50
#: Where a person's work on the ticket brings the order, and the stamp that it sets.
_STAMPS = {
    OrderStatus.SENT: "sent",
    OrderStatus.ACCEPTED: "accepted",
    OrderStatus.ARRIVED: "arrived",
    OrderStatus.DONE: "done",
    OrderStatus.VERIFIED: "verified",
}
Moved = tuple[Course, tuple[Act, ...]]


class LifeCycle:
    """Advances courses by a mechanism; `calendar` counts its working days."""

    def __init__(self, sla: Sla, calendar: WorkCalendar) -> None:
        self.sla = sla
        self.calendar = calendar

    # --- the beginning -------------------------------------------------------------------------------------

    def begin(
        self,
        level: Level,
        at: datetime,
        *,
        impact: str = "",
        procedure: str = "",
        stay_clear: timedelta | None = None,
        blind: bool = False,
    ) -> Moved:
        """A new order, opened at site time `at`.

        Args:
            level: its level.
            at: site time.
            impact: see `Sla.promises`.
            procedure: see `Sla.steps`.
            stay_clear: the rule's own; absent: the mechanism's holds.
            blind: its alarm's data is missing already.
        """
        verification = self.sla.verification
        judging = Judging(
            stay_clear=verification.stay_clear if stay_clear is None else stay_clear,
            give=verification.give,
            timeout=verification.timeout,
            reopen=verification.reopen,
            chain=self.sla.chain,
        )
        specs = (*self.sla.promises(level, impact), *self.sla.steps(procedure))
        promises = tuple(_promise(spec) for spec in specs)
        course = Course(OrderStatus.PENDING, level, judging, impact, procedure, {"created": at}, promises, blind=blind)
        return self._dated(course, at), (Act("created", at),)

    # --- persons and the ticketing service -----------------------------------------------------------------

    def ticket(self, course: Course, status: OrderStatus, changed_at: datetime, at: datetime) -> Moved:
        """The ticket has come to a status. What is told twice, or late and out of order, changes nothing.

        Args:
            course: how the order is going.
            status: as the service tells.
            changed_at: when that happened, as the service tells.
            at: site time at which the gateway learnt it.
        """
        if not course.in_hand:
            return course, ()
        when = max(min(changed_at, at), course.stamps["created"])
        match status:
            case OrderStatus.REJECTED | OrderStatus.CANCELLED:
                voided = tuple(map(_void, course.promises))
                return replace(course, status=status, judge_at=None, promises=voided), (Act(status, at),)
            case OrderStatus.PARKED if course.status is OrderStatus.PENDING:
                return replace(course, status=status), (Act("parked", at),)
            case _ if status in _STAMPS:
                return self._worked_on(course, status, changed_at, when, at)
            case _:
                return course, ()

    def _worked_on(
        self, course: Course, status: OrderStatus, changed_at: datetime, when: datetime, at: datetime
    ) -> Moved:
        """A person has brought the ticket a stage further, or back to work."""
        stamp = _STAMPS[status]
        if course.told_done is not None and changed_at <= course.told_done:
            return course, ()  # word of a round that is over, or of what came before `done`
        if course.status is OrderStatus.VERIFYING and stamp in ("sent", "accepted"):
            return self._again(course, course.level, at), (Act("reopened", at),)
        if stamp in course.stamps or _beyond(course, stamp):
            return course, ()
        if course.status is OrderStatus.REOPENED and stamp == "sent":
            return course, ()  # the ticket is open again, as it was asked to be
        moved = self._stamped(replace(course, status=status), stamp, when, at)
        acts = (Act(stamp, at),) if stamp != "sent" else ()
        if status is OrderStatus.DONE:
            return self._judge(replace(moved, status=OrderStatus.VERIFYING, told_done=changed_at), at, acts)
        return replace(moved, judge_at=None), acts  # verified by a person: the sensor is asked no more

    def stamp(self, course: Course, name: str, when: datetime, at: datetime | None = None) -> Moved:
        """A person says that something was done: `planned`, `replied`, `called_back`, a step of a procedure.

        Raises:
            ValueError: nothing in this order waits for such a stamp.
        """
        known = sorted({p.kept_by for p in course.promises} - set(MILESTONES))
        if name not in known:
            raise ValueError(f"this order has no stamp {name!r}; it knows {', '.join(known) or 'none'}")
        if name in course.stamps:
            return course, ()
        return self._stamped(course, name, max(when, course.stamps["created"]), at or when), ()

    def retried(self, course: Course) -> Course:
        """A person has the ticketing service asked again."""
        return replace(course, status=OrderStatus.PENDING) if course.status is OrderStatus.PARKED else course

    # --- the alarm -----------------------------------------------------------------------------------------

    def raised(self, course: Course, level: Level, at: datetime) -> Moved:
        """The alarm has become worse: the promises of the new level hold from now on, and never later than before."""
        if level >= course.level or not course.in_hand:
            return course, ()
        return self._at_level(course, level, at), (Act("raised", at),)

    def cleared(self, course: Course, since: datetime, at: datetime) -> Moved:
        """The alarm is over since `since`."""
        course = replace(course, clear_since=since, blind=False)
        if course.status is OrderStatus.VERIFYING:
            return (course, ()) if course.undecided else self._judge(course, at, ())
        return course, (Act("recovered", at),) if course.in_hand else ()

    def active(self, course: Course, at: datetime, *, blind: bool = False) -> Moved:
        """The alarm is active (again, or with its data lost or back)."""
        relapsed = course.clear_since is not None
        told: tuple[Act, ...] = ()
        if blind is not course.blind and not relapsed and course.in_hand:
            told = (Act("data_lost" if blind else "data_back", at),)
        course = replace(course, clear_since=None, blind=blind)
        if course.status is OrderStatus.VERIFYING:
            if course.undecided:
                return course, told
            if relapsed:
                reopened, acts = self._failed(course, at)
                return reopened, told + acts
            return self._judge(course, at, told)
        if relapsed and course.in_hand:
            told += (Act("relapsed", at),)
        return course, told

    # --- time ----------------------------------------------------------------------------------------------

    def run_out(self, course: Course, due: datetime, at: datetime, *, sees: bool) -> Moved:
        """Do what is due at `due`.

        Args:
            course: how the order is going; its `next_at` is at or before `due`.
            due: the deadline.
            at: site time of the input that revealed it.
            sees: whether the rule watches, and its data says that its condition is over; while the alarm is active:
                whether the rule watches.
        """
        promises, acts = [], []
        for promise in course.promises:
            moved, told = _ring(promise, due, at)
            promises.append(moved)
            acts.extend(told)
        course = replace(course, promises=tuple(promises))
        if course.judge_at is not None and course.judge_at <= due:
            blind = course.blind or not sees if course.clear_since is None else not sees
            course, judged = self._judge(replace(course, blind=blind), due, ())
            acts.extend(judged)
        return course, tuple(acts)

    # --- the sensor's judgement ----------------------------------------------------------------------------

    def _judge(self, course: Course, now: datetime, before: tuple[Act, ...]) -> Moved:
        """While verifying: what follows from what the sensor says now, and when to look again."""
        if course.blind:
            return _wait(course, now, before)
        done, judging = course.stamps["done"], course.judging
        if course.clear_since is None:
            limit = done + judging.give
            if now < limit:
                return replace(course, judge_at=limit), before
            reopened, acts = self._failed(course, now)
            return reopened, before + acts
        good = max(done, course.clear_since) + judging.stay_clear
        if now < good:
            return replace(course, judge_at=good), before
        verified = self._stamped(replace(course, status=OrderStatus.VERIFIED, judge_at=None), "verified", good, now)
        return verified, (*before, Act("verified", good))

    def _failed(self, course: Course, at: datetime) -> Moved:
        """The repair did not hold: a second handling one level up, or a person decides."""
        if course.rounds >= course.judging.reopen:
            return _hand_over(course, at, ())
        level = Level(max(course.level - 1, Level.I))
        chain = course.judging.chain
        to = chain[:1] if level is not course.level else chain[: course.rounds + 2]
        again = replace(self._again(course, level, at), rounds=course.rounds + 1)
        return again, (Act("reopened", at, to=to),)

    def _again(self, course: Course, level: Level, at: datetime) -> Course:
        """A new round: the level's promises from now on; a procedure's steps go on as they stand."""
        steps = {step.id for step in self.sla.steps(course.procedure)}
        going_on = tuple(promise for promise in course.promises if promise.id in steps)
        own = {promise.kept_by for promise in going_on} - set(MILESTONES)
        stamps = {name: when for name, when in course.stamps.items() if name in own or name == "sent"}
        fresh = tuple(_promise(spec) for spec in self.sla.promises(level, course.impact))
        over = tuple(promise for promise in course.promises if promise.id not in steps)
        past = (*course.past, Round(course.level, course.stamps, over))[-_REMEMBERED:]
        again = replace(course, status=OrderStatus.REOPENED, level=level, judge_at=None, past=past)
        return self._dated(replace(again, stamps={**stamps, "created": at}, promises=(*fresh, *going_on)), at)

    # --- promises ------------------------------------------------------------------------------------------

    def _stamped(self, course: Course, name: str, when: datetime, at: datetime) -> Course:
        """Set a stamp of `when`, known at `at`."""
        course = replace(course, stamps={**course.stamps, name: when})
        return self._dated(replace(course, promises=tuple(_kept(course, course.promises))), at)

    def _dated(self, course: Course, at: datetime) -> Course:
        """Give a deadline to every promise whose time has begun; not of what was called off."""
        if course.status in {OrderStatus.REJECTED, OrderStatus.CANCELLED}:
            return course
        return replace(course, promises=tuple(self._date(course, promise, at) for promise in course.promises))

    def _date(self, course: Course, promise: Promise, at: datetime) -> Promise:
        since = course.reached(promise.since)
        if promise.due is not None or since is None:
            return promise
        due = self.calendar.after(since, promise.within) if isinstance(promise.within, int) else since + promise.within
        return replace(promise, due=due, known_at=at)

    def _at_level(self, course: Course, level: Level, at: datetime) -> Course:
        """Promises of a more urgent level, from now; what was due earlier stays due then."""
        before = {promise.id: promise for promise in course.promises}
        raised = replace(course, level=level)
        promises: list[Promise] = []
        for spec in self.sla.promises(level, course.impact):
            old = before.pop(spec.id, None)
            fresh = _promise(spec)
            if old is not None and (old.kept_at is not None or old.missed):
                promises.append(old)
                continue
            since = at if raised.reached(spec.since) is not None else None
            then = replace(raised, stamps={**raised.stamps, spec.since: since}) if since else raised
            dated = self._date(then, fresh, at) if since else fresh
            if old is not None and old.due is not None and dated.due is not None and old.due < dated.due:
                dated = replace(dated, due=old.due, warned=old.warned)
            promises.append(dated)
        promises.extend(before.values())
        return replace(raised, promises=tuple(_kept(raised, promises)))


def _promise(spec: PromiseSpec) -> Promise:
    within = int(spec.within.split()[0]) if isinstance(spec.within, str) else spec.within
    steps = tuple(Step(step.after, step.to) for step in spec.escalate)
    return Promise(spec.id, spec.title, spec.since, spec.kept_by, within, spec.warn, steps, spec.or_by or "")


def _kept(course: Course, promises: Iterable[Promise]) -> Iterator[Promise]:
    for promise in promises:
        kept_at = promise.kept_at
        if kept_at is None:
            reached = (course.reached(stamp) for stamp in (promise.kept_by, promise.or_by) if stamp)
            kept_at = min((when for when in reached if when is not None), default=None)
        yield promise if kept_at is None else replace(promise, kept_at=kept_at)


def _void(promise: Promise) -> Promise:
    """The order is closed: what was promised is not waited for any more, and was not missed."""
    return promise if promise.kept_at is not None else replace(promise, due=None)


def _beyond(course: Course, stamp: str) -> bool:
    """Whether a later milestone was reached: word of an earlier one comes too late to move the order back."""
    later = MILESTONES[MILESTONES.index(stamp) + 1 :]
    return any(name in course.stamps for name in later)


def _wait(course: Course, now: datetime, before: tuple[Act, ...]) -> Moved:
    """Nothing is known: wait for data, in the end hand over. What is clear but unseen has to stay clear anew."""
    limit = course.stamps["done"] + course.judging.timeout
    if now >= limit:
        return _hand_over(course, now, before)
    if course.clear_since is None:
        return replace(course, judge_at=limit), before
    again_at = now + max(course.judging.stay_clear, _LOOK_AGAIN)
    return replace(course, clear_since=now, judge_at=min(limit, again_at)), before


def _hand_over(course: Course, at: datetime, before: tuple[Act, ...]) -> Moved:
    if course.undecided:
        return replace(course, judge_at=None), before
    return replace(course, judge_at=None, undecided=True), (*before, Act("undecided", at))


def _ring(promise: Promise, due: datetime, at: datetime) -> tuple[Promise, list[Act]]:
    """What of a promise is due by `due`: warning, missed deadline, steps up, each once."""
    acts: list[Act] = []
    deadline = promise.due
    while deadline is not None and (moment := promise.next_at) is not None and moment <= due:
        late = at - moment > _NOTICED_LATE
        about = Act("", moment, promise.id, promise.title, late=late, due=deadline)
        if moment < deadline:
            promise = replace(promise, warned=True)
            if not late or at < deadline:  # a warning after the deadline is noise
                acts.append(replace(about, occasion="warned"))
        elif not promise.missed:
            promise = replace(promise, missed=True)
            acts.append(replace(about, occasion="overdue"))
        else:
            acts.append(replace(about, occasion="overdue", to=promise.steps[promise.climbed].to))
            promise = replace(promise, climbed=promise.climbed + 1)
    return promise, _merged(acts)


def _merged(acts: list[Act]) -> list[Act]:
    """The missed deadline and a step that comes with it at once are one message."""
    merged: list[Act] = []
    for act in acts:
        last = merged[-1] if merged else None
        if last is not None and last.occasion == act.occasion == "overdue" and last.at == act.at:
            merged[-1] = replace(last, to=tuple(dict.fromkeys((*last.to, *act.to))))
        else:
            merged.append(act)
    return merged


def on_time(course: Course) -> Mapping[str, bool]:
    """For each promise that was kept or missed: whether it was kept in time."""
    return {promise.id: promise.in_time for promise in course.promises if promise.in_time is not None}
