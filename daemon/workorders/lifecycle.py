"""The life of a work order, as a pure state machine: facts in, a new course and acts out.

    pending ─> sent ─> accepted ─> arrived ─> done ─> verifying ─┬─> verified
       │         └────────┴──────────┴── rejected (false alarm)  ├─> reopened ─> accepted … (a level up, twice at most)
       └─> parked                        cancelled               └─> undecided: a person decides

A person does the work, the sensor judges it. Promises are frozen when the order opens; their deadlines compare site
time, whether or not the ticketing service can be reached. Each warning, missed deadline and step up comes once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from daemon.model import Level, OrderStatus
from daemon.workorders.calendars import WorkCalendar
from daemon.workorders.course import Act, Course, Judging, Promise, Round
from daemon.workorders.promises import frozen, kept, ring, void
from daemon.workorders.sla import MILESTONES, Sla

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
        promises = (
            *(frozen(spec) for spec in self.sla.promises(level, impact)),
            *(frozen(spec, of_procedure=True) for spec in self.sla.steps(procedure)),
        )
        course = Course(OrderStatus.PENDING, level, judging, impact, procedure, {"created": at}, promises, blind=blind)
        return self._dated(course, at), (Act("created", at),)

    # --- persons and the ticketing service -----------------------------------------------------------------

    def ticket(
        self, course: Course, status: OrderStatus, changed_at: datetime, at: datetime, *, latched: bool = False
    ) -> Moved:
        """The ticket has come to a status. What is told twice, or late and out of order, changes nothing.

        Args:
            course: how the order is going.
            status: as the service tells.
            changed_at: when that happened, as the service tells.
            at: site time at which the gateway learnt it.
            latched: its alarm has ended, and waits for a person to reset it.
        """
        if not course.in_hand:
            return course, ()
        match status:
            case OrderStatus.REJECTED | OrderStatus.CANCELLED:
                voided = tuple(map(void, course.promises))
                return replace(course, status=status, judge_at=None, promises=voided), (Act(status, at),)
            case OrderStatus.PARKED if course.status is OrderStatus.PENDING:
                return replace(course, status=status), (Act("parked", at),)
            case _ if status in _STAMPS:
                return self._worked_on(course, status, changed_at, at, latched=latched)
            case _:
                return course, ()

    def _worked_on(
        self, course: Course, status: OrderStatus, changed_at: datetime, at: datetime, *, latched: bool
    ) -> Moved:
        """A person has brought the ticket a stage further, or back to work."""
        stamp, when = _STAMPS[status], max(min(changed_at, at), course.stamps["created"])
        if course.told_done is not None and changed_at <= course.told_done:
            return course, ()  # word of a round that is over, or of what came before `done`
        if course.status is OrderStatus.VERIFYING and stamp in ("sent", "accepted"):
            return self._again(course, course.level, at), (Act("reopened", at),)
        if stamp in course.stamps or _beyond(course, stamp):
            return course, ()
        if course.status is OrderStatus.REOPENED and stamp == "sent":
            return course, ()  # the ticket is open again, as it was asked to be
        moved = self._stamped(replace(course, status=status), stamp, when, at)
        acts = (Act(stamp, at, by_person=True),)
        if status is OrderStatus.DONE:
            verifying = replace(moved, status=OrderStatus.VERIFYING, told_done=changed_at)
            return self._judge(verifying, at, acts, latched=latched)
        return replace(moved, judge_at=None), acts  # verified by a person: the sensor is asked no more

    def delivered(self, course: Course, when: datetime, at: datetime) -> Moved:
        """The ticketing service has it, as its receipt of `when` says; no word of a person's, so it moves nothing back.

        The caller sees to it that this is said once.
        """
        if not course.in_hand or "sent" in course.stamps:
            return course, ()
        act = Act("sent", when)
        if course.status in {OrderStatus.PENDING, OrderStatus.PARKED}:
            course = replace(course, status=OrderStatus.SENT)
        if _beyond(course, "sent"):
            return course, (act,)
        return self._stamped(course, "sent", max(when, course.stamps["created"]), at), (act,)

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
        relapsed, was_blind = course.clear_since is not None, course.blind
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
            if was_blind and not blind:  # what the data says has its time from now on, as after the repair
                return replace(course, judge_at=max(course.stamps["done"], at) + course.judging.give), told
            return self._judge(course, at, told)
        if relapsed and course.in_hand:
            told += (Act("relapsed", at),)
        return course, told

    # --- time ----------------------------------------------------------------------------------------------

    def run_out(self, course: Course, due: datetime, at: datetime, *, sees: bool, latched: bool = False) -> Moved:
        """Do what is due at `due`.

        Args:
            course: how the order is going; its `next_at` is at or before `due`.
            due: the deadline.
            at: site time of the input that revealed it.
            sees: while the alarm is active, whether the rule watches; afterwards, whether its data says that its
                condition is not true even now.
            latched: its alarm has ended, and waits for a person to reset it: the repair has not failed.
        """
        promises, acts = [], []
        for promise in course.promises:
            moved, told = ring(promise, due, at)
            promises.append(moved)
            acts.extend(told)
        course = replace(course, promises=tuple(promises))
        if course.judge_at is not None and course.judge_at <= due:
            if course.clear_since is None:
                course = replace(course, blind=course.blind or not sees)
            course, judged = self._judge(course, due, (), calm=sees, latched=latched)
            acts.extend(judged)
        return course, tuple(acts)

    # --- the sensor's judgement ----------------------------------------------------------------------------

    def seen(self, course: Course, moment: datetime, *, sees: bool, watched: bool) -> Moved:
        """While a repair is judged whose alarm is over: its data is gone, or good again, since `moment`.

        What was clear before a gap counts for nothing: the time to stay clear begins anew when data is back.

        Args:
            course: how the order is going; see `Course.judged`.
            moment: when its data went or came.
            sees: whether the rule knows, of whatever its condition says.
            watched: whether there is a rule at all: of one that is gone it goes without saying.
        """
        if not course.judged or sees is not course.blind:
            return course, ()
        acts = (Act("unseen", moment),) if watched and not sees else ()
        since = moment if sees else course.clear_since
        return self._judge(replace(course, blind=not sees, clear_since=since), moment, acts)

    def _judge(
        self, course: Course, now: datetime, before: tuple[Act, ...], *, calm: bool = True, latched: bool = False
    ) -> Moved:
        """While verifying: what follows from what the sensor says now, and when to look again.

        `calm`: of an alarm that is over, its condition is not true even now, for less than its hold. `latched`: of one
        that is not over, it has ended and waits for a person: the repair has not failed.
        """
        if course.blind or (latched and course.clear_since is None):
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
        if not calm:
            return _begin_anew(course, now, before)
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
        going_on = tuple(promise for promise in course.promises if promise.of_procedure)
        own = {promise.kept_by for promise in going_on} - set(MILESTONES)
        stamps = {name: when for name, when in course.stamps.items() if name in own or name == "sent"}
        fresh = tuple(frozen(spec) for spec in self.sla.promises(level, course.impact))
        over = tuple(promise for promise in course.promises if not promise.of_procedure)
        past = (*course.past, Round(course.level, course.stamps, over))[-_REMEMBERED:]
        again = replace(course, status=OrderStatus.REOPENED, level=level, judge_at=None, past=past)
        return self._dated(replace(again, stamps={**stamps, "created": at}, promises=(*fresh, *going_on)), at)

    # --- promises ------------------------------------------------------------------------------------------

    def _stamped(self, course: Course, name: str, when: datetime, at: datetime) -> Course:
        """Set a stamp of `when`, known at `at`."""
        course = replace(course, stamps={**course.stamps, name: when})
        return self._dated(replace(course, promises=tuple(kept(course, course.promises))), at)

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
            fresh = frozen(spec)
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
        return replace(raised, promises=tuple(kept(raised, promises)))


def _beyond(course: Course, stamp: str) -> bool:
    """Whether a later milestone was reached: word of an earlier one comes too late to move the order back."""
    later = MILESTONES[MILESTONES.index(stamp) + 1 :]
    return any(name in course.stamps for name in later)


def _wait(course: Course, now: datetime, before: tuple[Act, ...]) -> Moved:
    """Nothing is known: wait for data, in the end hand over."""
    limit = course.stamps["done"] + course.judging.timeout
    return _hand_over(course, now, before) if now >= limit else (replace(course, judge_at=limit), before)


def _begin_anew(course: Course, now: datetime, before: tuple[Act, ...]) -> Moved:
    """Its alarm is over, and its condition is true again for less than its hold: it has to stay clear anew."""
    limit = course.stamps["done"] + course.judging.timeout
    if now >= limit:
        return _hand_over(course, now, before)
    again_at = now + max(course.judging.stay_clear, _LOOK_AGAIN)
    return replace(course, clear_since=now, judge_at=min(limit, again_at)), before


def _hand_over(course: Course, at: datetime, before: tuple[Act, ...]) -> Moved:
    if course.undecided:
        return replace(course, judge_at=None), before
    return replace(course, judge_at=None, undecided=True), (*before, Act("undecided", at))
