"""Which alarm becomes which order: a list read top to bottom, that returns its reason."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta

from daemon.model import Alarm, AlarmState, Cause, Disposition, Transition

#: An alarm seen this long after it began says so on its order: the state was found after an outage.
LATE_AFTER = timedelta(seconds=60)


class Action(enum.StrEnum):
    """What is to be done about a transition."""

    NOTHING = "nothing"
    OPEN = "open"
    UPDATE = "update"
    RECOVER = "recover"


class Why(enum.StrEnum):
    """The reason of a decision."""

    NOT_ACTIVE = "not_active"
    ACTIVATED = "activated"
    SHADOW = "shadow"
    SHADOW_ENDED = "shadow_ended"
    FOLDED = "folded"
    UNFOLDED = "unfolded"
    LATE = "late"
    BORNE_OUT = "borne_out"
    ALREADY_OPEN = "already_open"
    WORSE = "worse"
    DATA_CHANGED = "data_changed"
    RECOVERED = "recovered"
    WITHOUT_ORDER = "without_order"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, what becomes of the alarm, and why."""

    action: Action
    disposition: Disposition | None
    why: Why


def plan(  # noqa: C901, PLR0911  a list
    transition: Transition, alarm: Alarm | None, *, shadow: bool, open_late: bool, folded: bool = False
) -> Decision:
    """Decide about one transition.

    Args:
        transition: What the rules concluded.
        alarm: The open alarm of that rule and asset, if there is one.
        shadow: The rule runs in shadow: it is recorded, nobody is sent.
        open_late: News that came late opens an order all the same (safety-class states).
        folded: The alarm of the source over which all of it speaks has an order: this one is its child.
    """
    if alarm is None:
        if transition.after is not AlarmState.ACTIVE:
            return Decision(Action.NOTHING, None, Why.NOT_ACTIVE)
        if shadow:
            return Decision(Action.NOTHING, Disposition.WITHHELD_SHADOW, Why.SHADOW)
        if transition.late and not open_late:
            return Decision(Action.NOTHING, Disposition.WITHHELD_LATE, Why.LATE)
        if folded:
            return Decision(Action.NOTHING, Disposition.CHILD, Why.FOLDED)
        return Decision(Action.OPEN, Disposition.OWN_ORDER, Why.ACTIVATED)
    released = _released(transition, alarm, shadow=shadow, folded=folded)
    if released is not None:
        return Decision(Action.OPEN, Disposition.OWN_ORDER, released)
    kept = alarm.disposition
    if alarm.disposition is not Disposition.OWN_ORDER:
        return Decision(Action.NOTHING, kept, Why.WITHOUT_ORDER)
    if transition.after is AlarmState.CLEARED:
        return Decision(Action.RECOVER, kept, Why.RECOVERED)
    if transition.cause is Cause.LEVEL_RAISED:
        return Decision(Action.UPDATE, kept, Why.WORSE)
    if transition.cause in {Cause.DATA_LOST, Cause.DATA_BACK}:
        return Decision(Action.UPDATE, kept, Why.DATA_CHANGED)
    return Decision(Action.NOTHING, kept, Why.ALREADY_OPEN)


def _released(transition: Transition, alarm: Alarm, *, shadow: bool, folded: bool) -> Why | None:
    """Why an order that was withheld is to go out now; None when it is not."""
    if alarm.disposition is Disposition.WITHHELD_LATE and transition.cause is Cause.CONFIRMED:
        return Why.BORNE_OUT
    if alarm.disposition is Disposition.WITHHELD_SHADOW and not shadow and transition.after is not AlarmState.CLEARED:
        return Why.SHADOW_ENDED
    if alarm.disposition is Disposition.CHILD and not folded and transition.after is not AlarmState.CLEARED:
        return Why.UNFOLDED
    return None


def order_key(site: str, transition: Transition, ledger_id: str, alarm_no: int) -> str:
    """The idempotency key: no value and no time in it, and never the same for two alarms."""
    return f"{site}|{transition.asset}|{transition.rule}|{ledger_id}|{alarm_no}"
