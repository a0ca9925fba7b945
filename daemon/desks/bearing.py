"""What bears on an alarm's order right now: mutes, parents, caps, flapping, storms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from daemon.desks.known_rules import KnownRules
from daemon.model import Alarm, AlarmState, Disposition, Transition
from daemon.rules.schema import RuleSpec
from daemon.store.folds import Folds
from daemon.store.ledger import Ledger
from daemon.store.mutes import Mutes
from daemon.workorders import instrument
from daemon.workorders.policy import (
    FLAP_OPENINGS,
    FLAP_ORDER_FOR,
    FLAP_SPAN,
    STORM_ORDERS,
    STORM_SPAN,
    Circumstances,
)
from daemon.workorders.sla import Sla

#: No alarm has this number.
_NONE = 0


class Bearing:
    """Reads the ledger, by the inputs' time: the same whenever somebody looks."""

    def __init__(
        self, ledger: Ledger, folds: Folds, mutes: Mutes, known: KnownRules, mechanism: Callable[[], Sla]
    ) -> None:
        self._ledger = ledger
        self._folds = folds
        self._mutes = mutes
        self._known = known
        self._mechanism = mechanism

    def ordinary(self, rule: str) -> bool:
        """Whether an order of that rule counts towards a storm, and may be folded, capped or shelved."""
        return not self._known.never_suppressed(rule)

    def on(self, transition: Transition, alarm: Alarm | None, moment: datetime) -> Circumstances:
        """The circumstances in which it is decided, at `moment`, which order an alarm belongs to."""
        rule, asset, level = transition.rule, transition.asset, transition.level
        spec = self._known.rules.get(rule)
        shadow, open_late = (spec.mode == "shadow", spec.late == "open") if spec is not None else (False, True)
        if rule == instrument.STORM or not self.ordinary(rule):
            return Circumstances(shadow=shadow, open_late=open_late, never_suppress=True)
        number = alarm.no if alarm is not None else _NONE
        shelf = self._mutes.shelf(rule, asset)
        openings = self._folds.openings(rule, asset, moment - FLAP_SPAN, number)
        flapping = openings >= FLAP_OPENINGS
        return Circumstances(
            shadow=shadow,
            open_late=open_late,
            maintained_until=self._maintained_until(rule, asset, moment),
            shelved_until=shelf.until if shelf is not None and level >= shelf.level else None,
            parent=self._parent(rule, asset, number) or self._come_back(transition, alarm, moment),
            flapping=flapping,
            flap_parent=self._folds.latest_order(rule, asset, moment - FLAP_ORDER_FOR) if flapping else None,
            flapping_until=moment + FLAP_SPAN,
            capped_until=self._capped_until(spec, transition, moment),
            storm=self._storm(alarm, moment),
        )

    def _maintained_until(self, rule: str, subject: str, moment: datetime) -> datetime | None:
        about = self._known.subject(rule, subject)
        mute = self._mutes.maintenance(about.owner if about is not None else subject)
        ends = (mute.until if mute is not None else None, self._known.maintained_until(rule, subject, moment))
        return max((end for end in ends if end is not None and end > moment), default=None)

    def _parent(self, rule: str, subject: str, number: int) -> int | None:
        """The alarm with an order that explains this one."""
        for of_rule, at in self._known.parents(rule, subject):
            alarm = self._ledger.open_alarm(of_rule, at)
            if alarm is not None and alarm.disposition is Disposition.CHILD and alarm.parent is not None:
                alarm = self._ledger.alarm(alarm.parent)
            if alarm is None or alarm.state is AlarmState.CLEARED or alarm.no == number:
                continue
            if alarm.disposition is Disposition.OWN_ORDER:
                return alarm.no
        return None

    def _come_back(self, transition: Transition, alarm: Alarm | None, moment: datetime) -> int | None:
        """The alarm that this one is again: its order is still in hand, so it stays on that order."""
        if alarm is not None:
            before = self._ledger.alarm(alarm.parent) if alarm.parent is not None else None
            same = before is not None and (before.rule, before.asset) == (alarm.rule, alarm.asset)
            return alarm.parent if same and alarm.parent and self._folds.still_in_hand(alarm.parent) else None
        return self._folds.in_hand(transition.rule, transition.asset, moment - self._mechanism().recurrence.same_order)

    def _capped_until(self, spec: RuleSpec | None, transition: Transition, moment: datetime) -> datetime | None:
        cap = spec.cap if spec is not None else None
        if cap is None:
            return None
        begin, end = self._known.day(moment)
        had = self._folds.orders_of_day(transition.rule, transition.asset, begin, transition.level)
        return end if had >= cap else None

    def _storm(self, alarm: Alarm | None, moment: datetime) -> bool:
        storm = self._ledger.open_alarm(instrument.STORM, self._known.site)
        if storm is not None and (storm.held_until is not None or (alarm is not None and alarm.parent == storm.no)):
            return True
        return self._folds.recent_orders(moment - STORM_SPAN) >= STORM_ORDERS - 1
