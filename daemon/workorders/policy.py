"""Which alarm becomes which order: a list read top to bottom, that returns its reason."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.model import Alarm, AlarmState, Cause, Disposition, Transition

#: An alarm seen this long after it began says so on its order: the state was found after an outage.
LATE_AFTER = timedelta(seconds=60)

#: A storm: at most so many ordinary orders in so long, the parent order among them.
STORM_ORDERS = 10
STORM_SPAN = timedelta(minutes=10)
#: It is over when fewer than so many alarms came in STORM_SPAN, as a flood is (ANSI/ISA-18.2-2016).
STORM_CALM = 5
#: An alarm that has opened so often within the span before flaps: it stays a child of the order there is.
FLAP_OPENINGS = 3
FLAP_SPAN = timedelta(minutes=30)
#: An order that old no longer stands for an alarm that flaps.
FLAP_ORDER_FOR = timedelta(hours=24)
#: Children are gathered for so long before they are written on their parent's order.
NOTE_AFTER = timedelta(minutes=1)


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
    LATE = "late"
    MAINTAINED = "maintained"
    SHELVED = "shelved"
    EXPLAINED = "explained"
    FLAPPING = "flapping"
    CAPPED = "capped"
    STORM = "storm"
    RELEASED = "released"
    ALREADY_OPEN = "already_open"
    WORSE = "worse"
    DATA_CHANGED = "data_changed"
    LATCHED = "latched"
    RECOVERED = "recovered"
    WITHOUT_ORDER = "without_order"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What bears on whether an alarm gets an order of its own now."""

    #: The rule runs in shadow: it is recorded, nobody is sent.
    shadow: bool = False
    #: News that came late opens an order all the same (safety-class states).
    open_late: bool = False
    #: It always gets its own order: nothing below holds for it.
    never_suppress: bool = False
    #: Its asset is being worked on, until then.
    maintained_until: datetime | None = None
    #: A person has shelved it, until then.
    shelved_until: datetime | None = None
    #: The alarm that explains this one, and has an order.
    parent: int | None = None
    #: It opens and clears again and again; the alarm whose order stands for all of that, if there is one.
    flapping: bool = False
    flap_parent: int | None = None
    #: When it is asked again whether it still does.
    flapping_until: datetime | None = None
    #: Its rule has had all orders of that day for that asset; the day's end.
    capped_until: datetime | None = None
    #: There are so many orders that further ones become children of one.
    storm: bool = False


CALM = Circumstances()


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, what becomes of the alarm, and why."""

    action: Action
    disposition: Disposition | None
    why: Why
    #: Of a child: its parent; None for a child of the storm.
    parent: int | None = None
    #: When to decide anew, if nothing happens before.
    held_until: datetime | None = None


def plan(  # noqa: PLR0911  a list
    transition: Transition, alarm: Alarm | None, now: Circumstances = CALM
) -> Decision:
    """Decide about one transition.

    Args:
        transition: What the rules concluded.
        alarm: The open alarm of that rule and asset, if there is one.
        now: What bears on it; asked only when `needs_order` says so.
    """
    if needs_order(transition, alarm):
        return _order(transition, alarm, now)
    if alarm is None:
        return Decision(Action.NOTHING, None, Why.NOT_ACTIVE)
    kept = alarm.disposition
    if kept is not Disposition.OWN_ORDER:
        return Decision(Action.NOTHING, kept, Why.WITHOUT_ORDER, alarm.parent)
    if transition.after is AlarmState.CLEARED:
        return Decision(Action.RECOVER, kept, Why.RECOVERED)
    if transition.cause is Cause.LEVEL_RAISED:
        return Decision(Action.UPDATE, kept, Why.WORSE)
    if transition.cause in {Cause.DATA_LOST, Cause.DATA_BACK, Cause.RULE_FAULTED}:
        return Decision(Action.UPDATE, kept, Why.DATA_CHANGED)
    if transition.cause in {Cause.LATCHED, Cause.RETRIPPED}:
        return Decision(Action.UPDATE, kept, Why.LATCHED)
    return Decision(Action.NOTHING, kept, Why.ALREADY_OPEN, held_until=alarm.held_until)


def needs_order(transition: Transition, alarm: Alarm | None) -> bool:
    """Whether it is to be decided which order an alarm belongs to: it opens, or is open and has none of its own."""
    if alarm is None:
        return transition.after is AlarmState.ACTIVE
    return alarm.disposition is not Disposition.OWN_ORDER and transition.after is not AlarmState.CLEARED


def _order(transition: Transition, alarm: Alarm | None, now: Circumstances) -> Decision:  # noqa: PLR0911  a list
    """The list: the first line that fits decides."""
    if now.shadow:
        return Decision(Action.NOTHING, Disposition.WITHHELD_SHADOW, Why.SHADOW)
    if transition.late and not now.open_late:
        return Decision(Action.NOTHING, Disposition.WITHHELD_LATE, Why.LATE)
    if now.never_suppress:
        return Decision(Action.OPEN, Disposition.OWN_ORDER, Why.ACTIVATED)
    if now.maintained_until is not None:
        held = now.maintained_until
        return Decision(Action.NOTHING, Disposition.WITHHELD_MAINTENANCE, Why.MAINTAINED, held_until=held)
    if now.shelved_until is not None:
        return Decision(Action.NOTHING, Disposition.WITHHELD_SHELVED, Why.SHELVED, held_until=now.shelved_until)
    if now.parent is not None:
        return Decision(Action.NOTHING, Disposition.CHILD, Why.EXPLAINED, now.parent)
    if now.flapping and now.flap_parent is not None:
        return Decision(Action.NOTHING, Disposition.CHILD, Why.FLAPPING, now.flap_parent, now.flapping_until)
    if now.capped_until is not None:
        return Decision(Action.NOTHING, Disposition.WITHHELD_CAP, Why.CAPPED, held_until=now.capped_until)
    if now.storm:
        return Decision(Action.NOTHING, Disposition.CHILD, Why.STORM)
    return Decision(Action.OPEN, Disposition.OWN_ORDER, Why.ACTIVATED if alarm is None else Why.RELEASED)


def order_key(site: str, transition: Transition, ledger_id: str, alarm_no: int) -> str:
    """The idempotency key: no value and no time in it, and never the same for two alarms."""
    return f"{site}|{transition.asset}|{transition.rule}|{ledger_id}|{alarm_no}"
