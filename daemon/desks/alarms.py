"""Alarms: each one that is active gets exactly one disposition, and persons may say something about it."""

from __future__ import annotations

from datetime import datetime

import structlog

from daemon.desks.desk import Entry
from daemon.desks.known_rules import KnownRules
from daemon.desks.orders import OrderDesk
from daemon.model import Alarm, AlarmState, Cause, Command, Disposition, Reload, Transition
from daemon.store.journal import Journal
from daemon.store.ledger import Ledger
from daemon.workorders import instrument
from daemon.workorders.policy import Action, plan

log = structlog.get_logger(__name__)


class AlarmDesk:
    """Writes alarms to the ledger, and asks the order desk for what each needs."""

    def __init__(self, ledger: Ledger, journal: Journal, known: KnownRules, orders: OrderDesk) -> None:
        self._ledger = ledger
        self._journal = journal
        self._known = known
        self._orders = orders
        #: After a restart: alarms of the ledger and of the engine have not been compared yet.
        self.unsettled = False

    def next_deadline(self) -> datetime | None:
        """Alarms have no deadlines of their own yet."""
        return None

    def run_out(self, due: datetime, entry: Entry) -> None:
        """Alarms have no deadlines of their own yet."""

    # --- dispositions --------------------------------------------------------------------------------------

    def decide(self, entry: Entry, transition: Transition) -> None:
        """Write down what becomes of an alarm, and have its order opened, updated or told of its end."""
        at = entry.item.at
        if transition.cause is Cause.RULE_FAULTED and type(entry.item) is not Command:
            log.error("rule_faulted", rule=transition.rule, asset=transition.asset, error=transition.detail)
            transition = instrument.rule_faulted(transition)
        alarm = self._ledger.open_alarm(transition.rule, transition.asset)
        rule = self._known.rules.get(transition.rule)
        shadow, open_late = (rule.mode == "shadow", rule.late == "open") if rule is not None else (False, True)
        folded = self._parent(transition.rule, transition.asset) is not None
        decision = plan(transition, alarm, shadow=shadow, open_late=open_late, folded=folded)
        if decision.disposition is None:
            return
        if alarm is None:
            alarm = self._ledger.add_alarm(transition, decision.disposition)
        else:
            self._ledger.change_alarm(alarm, transition, decision.disposition)
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
        if transition.after is AlarmState.CLEARED:
            self._release(entry)

    def _parent(self, rule: str, subject: str) -> Alarm | None:
        """The alarm with an order about the one source over which all devices of the subject speak, if there is one."""
        spec = self._known.rules.get(rule)
        about = self._known.subject(rule, subject) if spec is not None and spec.child_of else None
        sources = {device.source for device in about.devices} if about is not None else set()
        if spec is None or spec.child_of is None or len(sources) != 1:
            return None
        alarm = self._ledger.open_alarm(spec.child_of, *sources)
        return alarm if alarm is not None and alarm.disposition is Disposition.OWN_ORDER else None

    def _release(self, entry: Entry) -> None:
        """Children whose parent has ended while they have not are decided anew."""
        for alarm in self._ledger.open_alarms():
            if alarm.disposition is Disposition.CHILD and self._parent(alarm.rule, alarm.asset) is None:
                self._restate(entry, alarm, Cause.RELEASED)

    def _restate(self, entry: Entry, alarm: Alarm, cause: Cause) -> None:
        for restated in self._known.engine.restate(alarm.rule, alarm.asset, entry.item.at, cause):
            self.decide(entry, restated)

    # --- commands, reloads, restarts -----------------------------------------------------------------------

    def heed(self, entry: Entry) -> None:
        """A person acknowledges, the gateway finds something wrong with itself, rules come into force."""
        item = entry.item
        if type(item) is Command:
            self._follow(entry, item)
        elif type(item) is Reload or self.unsettled:
            self._settle(entry)

    def _follow(self, entry: Entry, item: Command) -> None:
        if item.name == "acknowledge":
            done = self._ledger.acknowledge(item.target, item.user)
            self._ledger.audit(item.at, item.user, "acknowledge", item.target, item.reason if done else "no such alarm")
        elif item.name in {"fault", "mended"} and item.target in instrument.GATEWAY and self._known.site:
            self._note_gateway(entry, item)

    def _settle(self, entry: Entry) -> None:
        """After a reload or restart: the ledger says which alarms are open, the engine which are still watched."""
        self.unsettled = False
        item = entry.item
        if type(item) is Reload:
            self._ledger.audit(item.at, "gateway", "reload", item.rules_hash, "")
        self._mend_instruments(entry)
        kept = [alarm for alarm in self._ledger.open_alarms() if not instrument.is_own(alarm)]
        for orphan in self._known.engine.adopt(kept):
            self.decide(entry, orphan)
        for alarm in kept:
            rule = self._known.rules.get(alarm.rule)
            if alarm.disposition is Disposition.WITHHELD_SHADOW and rule is not None and rule.mode != "shadow":
                self._restate(entry, alarm, Cause.RULE_CHANGED)
        self._release(entry)

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
                self.decide(entry, instrument.mended(alarm, entry.item.at))

    def _note_gateway(self, entry: Entry, wish: Command) -> None:
        """The gateway says what is wrong with itself, or no longer; saying it twice changes nothing."""
        site = self._known.site
        alarm = self._ledger.open_alarm(wish.target, site)
        as_command = Entry(entry.seq, wish)
        if wish.name == "fault" and alarm is None:
            self.decide(as_command, instrument.gateway_fault(wish.target, site, wish.at, wish.reason))
        elif wish.name == "mended" and alarm is not None:
            self.decide(as_command, instrument.mended(alarm, wish.at))

    def report_aside(self, entry: Entry) -> None:
        """An input was set aside: loudly, but once, for whatever it was, it will come again."""
        detail = self._journal.aside[entry.seq]
        site = self._known.site
        if not site or self._ledger.open_alarm(instrument.INPUT_SET_ASIDE, site):
            return
        advice = "read `death` and `quarantine`; upgrade the program"
        log.error("input_set_aside", seq=entry.seq, input=detail, advice=advice)
        self._note_gateway(entry, Command(entry.item.at, "fault", instrument.INPUT_SET_ASIDE, "gateway", detail))
