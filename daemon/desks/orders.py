"""Work orders: opened for an alarm, followed through their life, judged by the sensor in the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from daemon.desks.charting import Charting
from daemon.desks.desk import Entry
from daemon.desks.known_rules import KnownRules
from daemon.desks.telling import MOST_DATA, Telling
from daemon.model import (
    Alarm,
    AlarmState,
    Cause,
    Command,
    DataState,
    Level,
    OrderStatus,
    OutboxAction,
    Text,
    TicketUpdate,
    Transition,
    WorkOrder,
)
from daemon.store import complaints, outbox
from daemon.store.courses import Courses, Event, Going
from daemon.store.ledger import Ledger
from daemon.workorders import doubt, evidence, instrument, root_cause
from daemon.workorders.course import Act
from daemon.workorders.lifecycle import LifeCycle, Moved
from daemon.workorders.priority import Before, Priority, Weight, rank
from daemon.workorders.sla import BARE, Sla

_DATA = frozenset({Cause.DATA_LOST, Cause.DATA_BACK})
#: What persons may ask of an order, by command.
STAMP, CANCEL, RETRY, FOUND = "order_stamp", "order_cancel", "order_retry", doubt.FOUND


class OrderDesk:
    """Writes orders and notes to the ledger and the outbox; a `Desk` as well, for what becomes of them."""

    def __init__(self, db: sqlite3.Connection, ledger: Ledger, known: KnownRules) -> None:
        self._db = db
        self._ledger = ledger
        self._known = known
        self._courses = Courses(db)
        #: Asked for the charts that orders get.
        self.charting = Charting(db, known)
        self._telling = Telling(db, self._courses, known, self.charting)
        #: The response mechanism for orders from here on; those that are open keep what was promised.
        self.sla: Sla = BARE

        self._cycle = LifeCycle(BARE, BARE.calendar_in("UTC"))

    @property
    def _life(self) -> LifeCycle:
        if self._cycle.sla is not self.sla or self._cycle.calendar.zone != self._known.timezone:
            self._cycle = LifeCycle(self.sla, self.sla.calendar_in(self._known.timezone))
        return self._cycle

    # --- asked for by the alarm desk -----------------------------------------------------------------------

    def open(self, alarm: Alarm, transition: Transition, at: datetime) -> None:
        """Draft the order of an alarm and hand it to the outbox; `at` is site time, from which its deadlines run."""
        known, spec = self._known, self._known.rule(transition.rule)
        assert known.ruleset is not None  # noqa: S101  no transition comes before the first Reload
        asset = known.asset(transition.rule, transition.asset)
        origin = evidence.Origin(known.ruleset.catalogue.site, asset, self._ledger.id, known.ruleset.hash)
        template = known.template(transition.rule)
        moved = self._life.begin(
            transition.level,
            at,
            impact=template.impact,
            procedure=template.procedure,
            stay_clear=spec.verify_for if spec is not None else None,
            blind=transition.data is DataState.UNKNOWN,
        )
        recurrence = self.sla.recurrence
        since = transition.at - recurrence.within
        orders = self._courses.before(transition.rule, transition.asset, since)
        before = root_cause.occurrences(orders, transition.at, recurrence.apart)
        history = evidence.History(
            respond_by=next(promise.due or at for promise in moved[0].promises if promise.id == "respond"),
            previous=tuple(before),
            priority=self._rank(transition, asset.households, len(before)),
        )
        order = evidence.draft(transition, template, known.explain(transition), origin, alarm, at, history)
        self._hand_out(order, moved, at)
        self.charting.opened(alarm, transition, order.key, order.title, at)
        asked = self._courses.before(root_cause.rule_of(transition.rule), transition.asset, since)
        if len(before) + 1 == recurrence.root_cause_at and not asked and not instrument.is_own(alarm):
            course, acts = self._life.begin(Level.II, at)
            course, _ = self._life.cleared(course, at, at)  # no alarm is behind it: only persons judge it
            self._hand_out(root_cause.draft(order, course, recurrence.within), (course, acts), at, own=False)

    def _rank(self, transition: Transition, households: int, before: int) -> Priority:
        """Complaints count by the alarm's own moment, so that it does not matter which input reveals it."""
        heard = self.sla.complaints
        about = self._known.subject(transition.rule, transition.asset)
        asset = about.owner if about is not None else transition.asset
        said = complaints.count_on(self._db, asset, transition.at - heard.within, transition.at)
        repeats = Before(before, self.sla.recurrence.within)
        return rank(transition.level, households, repeats, Before(said, heard.within), Weight(heard.each, heard.most))

    def _hand_out(self, order: WorkOrder, moved: Moved, at: datetime, *, own: bool = True) -> None:
        document = evidence.document(order)
        self._ledger.add_order(order, document, own=own)
        insist = order.category == "safety" or self._known.never_suppressed(order.rule)
        outbox.add(self._db, order.key, OutboxAction.CREATE, document, at, insist=insist)
        self._apply(Going(order.key, order.alarm_no, order.rule, order.asset, moved[0], document), moved)

    def update(self, key: str, transition: Transition, at: datetime) -> None:
        """Its alarm has changed: say so on the order, and let it follow up in level."""
        told = self._telling.data_told(key, at) if transition.cause in _DATA else 0
        if told < MOST_DATA:
            text = evidence.update_text(transition, last=told + 1 == MOST_DATA)
            outbox.add(self._db, key, OutboxAction.UPDATE, evidence.note("update", transition, text), at)
        self.follow(key, transition, at)

    def note_children(self, key: str, children: Sequence[Alarm], moment: datetime, at: datetime) -> None:
        """Alarms have become children of an order: list them there; it is as urgent as the worst of them."""
        worst = min(child.level for child in children)
        level = self._raise(key, worst, at)
        lines = [evidence.Line(self._title(child), child.level, child.active_at) for child in children]
        body = evidence.children_note(lines, level, moment, self._known.timezone)
        outbox.add(self._db, key, OutboxAction.UPDATE, body, at)

    def note_said(self, going: Going, act: Act, text: Text, detail: str) -> None:
        """Write on the ticket and the timeline what was said about an order; `detail` stands on the timeline."""
        self._telling.tell(going.document, going.course, act, self.sla, detail=detail)
        body = {
            "kind": "update",
            "at": evidence.stamp(act.at),
            "text": evidence.words(text),
            "level": going.course.level.name,
            "observed": [],
        }
        outbox.add(self._db, going.key, OutboxAction.UPDATE, body, act.at)

    def _raise(self, key: str, level: Level, at: datetime) -> Level:
        going = self._courses.find(key)
        if going is None:
            return level
        self._apply(going, self._life.raised(going.course, level, at))
        return min(level, going.course.level)

    def _title(self, alarm: Alarm) -> Text:
        name, title = self._known.asset(alarm.rule, alarm.asset).name, self._known.template(alarm.rule).title
        return Text(f"{name.zh} {title.zh}", f"{name.en}: {title.en}")

    def recover(self, key: str, transition: Transition, since: datetime, at: datetime) -> None:
        """Its alarm, active `since` then, is over: say so on the order, which a person closes."""
        text = evidence.recovery_text(transition, since)
        outbox.add(self._db, key, OutboxAction.RECOVER, evidence.note("recovery", transition, text), at)
        self.follow(key, transition, at)

    def follow(self, key: str, transition: Transition, at: datetime) -> None:
        """An alarm that the order stands for has changed: its own, or the same one come back."""
        going = self._courses.find(key)
        if going is None:
            return
        if transition.after is AlarmState.CLEARED:
            self._apply(going, self._life.cleared(going.course, transition.at, at))
            return
        if transition.cause is Cause.LEVEL_RAISED:
            self._apply(going, self._life.raised(going.course, transition.level, at))
            return
        blind = transition.data is DataState.UNKNOWN
        back = transition.cause is Cause.RETRIPPED  # while latched it counted as no failure
        if going.course.clear_since is not None or going.course.blind is not blind or back:
            self._apply(going, self._life.active(going.course, at, blind=blind))

    # --- the desk ------------------------------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """When a promise is to be warned of, missed or escalated, or a repair to be judged."""
        return self._courses.next_at()

    def run_out(self, due: datetime, entry: Entry) -> None:
        """Do what is due to each order."""
        for going in self._courses.due(due):
            sees, latched = self._sees(going), self._known.engine.latched(going.rule, going.asset)
            self._apply(going, self._life.run_out(going.course, due, entry.item.at, sees=sees, latched=latched))

    def look(self, moment: datetime) -> None:
        """Whether the data of repairs that are being judged has gone or come back, at `moment`."""
        engine = self._known.engine
        for _, going in sorted(self._courses.judged.items()):
            if instrument.is_own_rule(going.rule):
                continue  # its alarm is all there is to know
            if engine.sees(going.rule, going.asset) is going.course.blind:
                watched = engine.watches(going.rule, going.asset)
                self._apply(going, self._life.seen(going.course, moment, sees=going.course.blind, watched=watched))

    @property
    def judging(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._courses.judged)

    def decide(self, entry: Entry, transition: Transition) -> None:
        """A repair whose fault is back is no repair, whatever becomes of the new alarm; nor does it stay for ever."""
        if transition.cause is Cause.LEVEL_RAISED:
            return
        came = transition.after is AlarmState.ACTIVE and transition.cause is Cause.CONDITION_HELD
        for going in self._courses.in_hand(transition.rule, transition.asset):
            if going.course.clear_since is None:  # its own alarm, or one that came while it was judged
                self.follow(going.key, transition, entry.item.at)
            elif came and going.course.status is OrderStatus.VERIFYING:
                self._apply(going, self._life.active(going.course, entry.item.at))

    def _sees(self, going: Going) -> bool:
        """Whether it is known how things stand with what an order is about."""
        if instrument.is_own_rule(going.rule):
            return True  # its alarm is all there is to know
        engine = self._known.engine
        if going.course.clear_since is None:
            return engine.watches(going.rule, going.asset)
        return engine.calm(going.rule, going.asset)

    def heed(self, entry: Entry) -> None:
        """An order goes where the ticketing service says it stands, or where a person at the gateway wants it."""
        item = entry.item
        if type(item) is TicketUpdate:
            self._move(item)
        elif type(item) is Command and item.name in {STAMP, CANCEL, RETRY, FOUND}:
            self._obey(item)
        elif type(item) is Command and item.name in doubt.TOLD:
            self._hear(item)

    def _move(self, item: TicketUpdate) -> None:
        going = self._courses.find(item.key)
        if going is None:
            return
        changed_at = item.changed_at or item.at
        if item.team:
            self._courses.assigned(item.key, item.team)
        if item.stamp == "sent":
            self._receive(going, item, changed_at)
            return
        if item.stamp is not None:
            done = f"{item.stamp} {item.note}".strip()
            if item.stamp and item.stamp not in going.course.stamps:  # told twice it changes nothing
                done = self._stamp(going, item.stamp, (min(changed_at, item.at), item.at), item.by, item.note)
            self._ledger.audit(item.at, item.by, "ticket_progress", item.key, done)
            return
        latched = self._known.engine.latched(going.rule, going.asset)
        moved = self._life.ticket(going.course, item.status, changed_at, item.at, latched=latched)
        self._courses.moved(item.key, changed_at, item.by)
        self._ledger.audit(item.at, item.by, f"ticket_{item.status}", item.key, item.note)
        self._apply(going, moved, by=item.by, detail=item.note)

    def _receive(self, going: Going, item: TicketUpdate, when: datetime) -> None:
        """The ticketing service has taken it; `note` is its reference. Told twice it changes nothing."""
        if self._courses.times(going.key, "sent"):
            return
        moved = self._life.delivered(going.course, min(when, item.at), item.at)
        self._apply(going, moved, by=item.by, detail=item.note)

    def _obey(self, wish: Command) -> None:
        going = self._courses.find(wish.target)
        done = "no such order"
        if going is not None and wish.name == STAMP:
            name, _, note = wish.reason.partition(" ")
            done = self._stamp(going, name, (wish.at, wish.at), wish.user, note)
        elif going is not None and wish.name == CANCEL:
            done = wish.reason
            moved = self._life.ticket(going.course, OrderStatus.CANCELLED, wish.at, wish.at)
            self._apply(going, moved, by=wish.user, detail=wish.reason)
        elif going is not None and wish.name == FOUND:
            done = wish.reason if outbox.found(self._db, going.key, wish.reason, wish.at) else "nothing was given up"
        elif going is not None:
            done = f"{self._courses.unpark(going.key, wish.at)} deliveries"
            self._apply(going, (self._life.retried(going.course), ()))
        self._ledger.audit(wish.at, wish.user, wish.name, wish.target, done)

    def _hear(self, word: Command) -> None:
        """The gateway tells what became of an order at the ticketing service; told twice it changes nothing."""
        going, occasion = self._courses.find(word.target), doubt.TOLD[word.name]
        if going is None or self._courses.knows(going.key, occasion, word.reason):
            return
        if word.name == doubt.NOTE_REFUSED and self._courses.times(going.key, occasion):
            return  # the first note says what the others would
        self._ledger.audit(word.at, word.user, word.name, word.target, word.reason)
        act = Act(occasion, word.at)
        self._telling.tell(going.document, going.course, act, self.sla, by=word.user, detail=word.reason)

    def _stamp(self, going: Going, name: str, told: tuple[datetime, datetime], by: str, note: str) -> str:
        """A person says that something was done: when, and when we learnt it. Returns what became of it."""
        when, at = told
        try:
            moved = self._life.stamp(going.course, name, when, at)
        except ValueError as error:
            return str(error)
        self._courses.note(going.key, Event(when, name, "", by, note, late=False))
        self._apply(going, moved)
        return f"{name} {note}".rstrip()

    def _apply(self, going: Going, moved: Moved, *, by: str = "", detail: str = "") -> None:
        course, acts = moved
        self._courses.keep(going.key, course)
        for act in acts:
            self._telling.tell(going.document, course, act, self.sla, by=by, detail=detail)
