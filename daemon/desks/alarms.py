"""Alarms: each one that is active gets exactly one disposition, and persons may say something about it.

                 ┌─ own order
active alarm ────┼─ child of one parent's order: of its source, of what explains it, of a storm, of its own flapping
                 └─ withheld: shadow, late, maintenance, shelved, cap      (decided again: see `Alarm.held_until`)
"""

from __future__ import annotations

from datetime import datetime

import structlog

from daemon.desks import muting
from daemon.desks.bearing import Bearing
from daemon.desks.desk import Entry
from daemon.desks.known_rules import KnownRules
from daemon.desks.orders import OrderDesk
from daemon.desks.storms import Storms
from daemon.model import Alarm, AlarmState, Cause, Command, Disposition, Reload, Transition
from daemon.rules.engine import RESET, read_reset
from daemon.store.folds import Folds
from daemon.store.journal import Journal
from daemon.store.ledger import Fate, Ledger
from daemon.store.mutes import Mutes
from daemon.workorders import instrument
from daemon.workorders.policy import CALM, NOTE_AFTER, Action, Decision, needs_order, plan

log = structlog.get_logger(__name__)


class AlarmDesk:
    """Writes alarms to the ledger, and asks the order desk for what each needs."""

    def __init__(
        self, ledger: Ledger, journal: Journal, held: tuple[Folds, Mutes], known: KnownRules, orders: OrderDesk
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._known = known
        self._orders = orders
        self._folds, self._mutes = held
        self._bearing = Bearing(ledger, self._folds, self._mutes, known, lambda: orders.sla)
        self._storms = Storms(ledger, self._folds, known, self._dispose)
        self._muting = muting.Muting(ledger, self._mutes, known)
        #: After a restart: alarms of the ledger and of the engine have not been compared yet.
        self.unsettled = False
        self._next: datetime | None = None
        self._look_ahead()

    # --- time ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """When a mute ends, an alarm is decided anew, or children are written on their parent's order."""
        return self._next

    def _look_ahead(self) -> None:
        dues = (self._ledger.next_held(), self._folds.next_note(), self._mutes.next_end())
        self._next = min((due for due in dues if due is not None), default=None)

    def run_out(self, due: datetime, entry: Entry) -> None:
        """Mutes end before what they held is decided anew; children are written once that is done."""
        self._muting.run_out(due)
        for alarm in self._ledger.held_until(due):
            if alarm.rule == instrument.STORM:
                self._storms.look(entry, alarm, due)
            else:
                self._redecide(entry, alarm, Cause.MUTE_ENDED, due)
        for parent in self._folds.parents_due(due):
            self._write_children(entry, parent, due)
        self._look_ahead()

    def _write_children(self, entry: Entry, parent: int, due: datetime) -> None:
        on = self._ledger.alarm(parent)
        children = [alarm for no in self._folds.take_unwritten(parent) if (alarm := self._ledger.alarm(no)) is not None]
        if on is not None and on.order_key is not None and children:
            self._orders.note_children(on.order_key, children, due, entry.item.at)

    # --- dispositions --------------------------------------------------------------------------------------

    def decide(self, entry: Entry, transition: Transition) -> None:
        """Write down what becomes of an alarm, and have its order opened, updated or told of its end."""
        if transition.cause is Cause.RULE_FAULTED:
            log.error("rule_faulted", rule=transition.rule, asset=transition.asset, error=transition.detail)
            self._dispose(entry, transition)  # its own alarm stays open, blind
            transition = instrument.rule_faulted(transition)
        self._dispose(entry, transition)
        self._look_ahead()

    def _dispose(self, entry: Entry, transition: Transition) -> None:
        alarm = self._ledger.open_alarm(transition.rule, transition.asset)
        asked = needs_order(transition, alarm)
        decision = plan(transition, alarm, self._bearing.on(transition, alarm, transition.at) if asked else CALM)
        if decision.disposition is not None:
            self._write(entry, alarm, transition, decision)

    def _write(self, entry: Entry, alarm: Alarm | None, transition: Transition, decision: Decision) -> None:
        at, moment = entry.item.at, transition.at
        assert decision.disposition is not None  # noqa: S101  the caller looked
        parent = decision.parent
        if decision.disposition is Disposition.CHILD and parent is None:
            parent = self._storms.parent(entry, alarm, transition)
        ordinary = self._bearing.ordinary(transition.rule)
        fate = Fate(decision.disposition, moment, parent, decision.held_until, ordinary)
        before = alarm.parent if alarm is not None else None
        if alarm is None:
            alarm = self._ledger.add_alarm(transition, fate)
        else:
            alarm = self._ledger.change_alarm(alarm, transition, fate)
        self._ledger.record(entry.seq, alarm.no, transition)
        match decision.action:
            case Action.OPEN:
                self._orders.open(alarm, transition, at)
            case Action.UPDATE if alarm.order_key is not None:
                self._orders.update(alarm.order_key, transition, at)
            case Action.RECOVER if alarm.order_key is not None:
                self._orders.recover(alarm.order_key, transition, alarm.active_at, at)
            case _:
                pass
        self._tell_parents(entry, alarm, transition, (before, parent))

    def _tell_parents(
        self, entry: Entry, alarm: Alarm, transition: Transition, parents: tuple[int | None, int | None]
    ) -> None:
        """A child has come, has become worse, or is gone; an alarm that is over leaves its own children alone."""
        before, now = parents
        on = self._ledger.alarm(now) if now is not None else None
        if on is not None and on.order_key is not None and (on.rule, on.asset) == (alarm.rule, alarm.asset):
            self._orders.follow(on.order_key, transition, entry.item.at)
        over = transition.after is AlarmState.CLEARED
        if now is not None and not over and (now != before or transition.cause is Cause.LEVEL_RAISED):
            self._folds.leave_unwritten(alarm, now, transition.at + NOTE_AFTER)
            self._storms.has_child(now, transition.at)
        if over:
            self._storms.lost_child(entry, now, transition.at)
            for child in self._ledger.open_alarms():
                if child.parent == alarm.no:
                    self._redecide(entry, child, Cause.RELEASED, transition.at)
        elif before is not None and now != before:
            self._storms.lost_child(entry, before, transition.at)

    def _redecide(self, entry: Entry, alarm: Alarm, cause: Cause, moment: datetime) -> None:
        """Decide again about an open alarm that has no order; what stays as it is leaves no trace but its next time."""
        now = self._ledger.open_alarm(alarm.rule, alarm.asset)
        if now is None or now.no != alarm.no or now.disposition is Disposition.OWN_ORDER:
            return
        alarm = now  # what was decided just before may have changed it
        told = self._known.engine.restate(alarm.rule, alarm.asset, moment, cause)
        if told is None and cause is Cause.RELEASED and self._is_ending(alarm):
            return
        restated = told or instrument.changed(alarm, alarm.state, cause, moment, entry.item.at)
        decision = plan(restated, alarm, self._bearing.on(restated, alarm, moment))
        storm = self._storms.open
        parent = decision.parent or (storm.no if storm is not None else None)
        if decision.disposition is not alarm.disposition or (alarm.parent is not None and parent != alarm.parent):
            self._write(entry, alarm, restated, decision)
        elif decision.held_until != alarm.held_until:
            self._ledger.hold(alarm, decision.held_until)

    def _is_ending(self, alarm: Alarm) -> bool:
        """Whether its own end is among what was concluded at the same instant, and comes next.

        The rules tell one instant at a time: an alarm that is open in the ledger and not with them has just ended.
        """
        with_rules = not instrument.is_own(alarm) and (alarm.rule, alarm.asset) not in self._known.engine.faulted
        return with_rules and not self.unsettled

    # --- commands, reloads, restarts -----------------------------------------------------------------------

    def heed(self, entry: Entry) -> None:
        """A person acknowledges, shelves or maintains, the gateway finds itself at fault, rules come into force."""
        item = entry.item
        if type(item) is Command:
            self._follow(entry, item)
        elif type(item) is Reload or self.unsettled:
            self._settle(entry)
        self._look_ahead()

    def _follow(self, entry: Entry, item: Command) -> None:
        if item.name == "acknowledge":
            done = self._ledger.acknowledge(item.target, item.user)
            self._ledger.audit(item.at, item.user, "acknowledge", item.target, item.reason if done else "no such alarm")
        elif item.name == RESET:
            self._audit_reset(item)
        elif item.name in muting.NAMES:
            for alarm in self._muting.follow(item):
                self._redecide(entry, alarm, Cause.MUTE_ENDED, item.at)
        elif item.name in {"fault", "mended"} and item.target in instrument.GATEWAY and self._known.site:
            self._note_gateway(entry, item)

    def _audit_reset(self, wish: Command) -> None:
        """The rules have followed it already, or not: they know whether the alarm had ended."""
        number, rule, asset = read_reset(wish.target)
        alarm = self._ledger.open_alarm(rule, asset)
        refused = "it has not ended, or does not latch" if alarm is not None and str(alarm.no) == number else ""
        self._ledger.audit(
            wish.at, wish.user, RESET, number, f"{wish.reason}; refused: {refused}" if refused else wish.reason
        )

    def _settle(self, entry: Entry) -> None:
        """After a reload or restart: the ledger says which alarms are open, the engine which are still watched."""
        self.unsettled = False
        item = entry.item
        self._mend_instruments(entry)
        kept = [alarm for alarm in self._ledger.open_alarms() if not instrument.is_own(alarm)]
        for orphan in self._known.engine.adopt(kept):
            self._dispose(entry, orphan)
        if type(item) is Reload:
            self._ledger.audit(item.at, "gateway", "reload", item.rules_hash, "")
            for alarm in self._ledger.open_alarms():
                self._redecide(entry, alarm, Cause.RULE_CHANGED, item.at)

    # --- the gateway itself --------------------------------------------------------------------------------

    def _mend_instruments(self, entry: Entry) -> None:
        """Close what the gateway had found wrong with its rules or its program, and is no longer so."""
        faulted = self._known.engine.faulted
        for alarm in self._ledger.open_alarms():
            watched = instrument.watched_rule(alarm)
            if watched is not None:
                over = (watched, alarm.asset) not in faulted
            else:
                over = alarm.rule == instrument.INPUT_SET_ASIDE and not self._journal.poisoned
            if over:
                self._dispose(entry, instrument.mended(alarm, entry.item.at))

    def _note_gateway(self, entry: Entry, wish: Command) -> None:
        """The gateway says what is wrong with itself, or no longer; saying it twice changes nothing."""
        site = self._known.site
        alarm = self._ledger.open_alarm(wish.target, site)
        if wish.name == "fault" and alarm is None:
            self._dispose(entry, instrument.gateway_fault(wish.target, site, wish.at, wish.reason))
        elif wish.name == "mended" and alarm is not None:
            self._dispose(entry, instrument.mended(alarm, wish.at))

    def report_aside(self, entry: Entry) -> None:
        """An input was set aside: loudly, but once, for whatever it was, it will come again."""
        detail = self._journal.aside[entry.seq]
        site = self._known.site
        if not site or self._ledger.open_alarm(instrument.INPUT_SET_ASIDE, site):
            return
        advice = "read `death` and `quarantine`; upgrade the program"
        log.error("input_set_aside", seq=entry.seq, input=detail, advice=advice)
        self._note_gateway(entry, Command(entry.item.at, "fault", instrument.INPUT_SET_ASIDE, "gateway", detail))
