"""The ledger is the authority on open alarms: after a restart or reload the watches follow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from daemon.model import Alarm, AlarmState, Cause, DataState, Disposition, Transition
from daemon.rules.watch import Watch


def adopt(watches: Mapping[str, Watch], open_alarms: Iterable[Alarm], at: datetime) -> list[Transition]:
    """Make the open alarms of the watches those of the ledger.

    Returns the closing of alarms whose rule is gone; alarms that only a watch knew are forgotten silently.
    """
    known: set[str] = set()
    orphans: list[Transition] = []
    for alarm in open_alarms:
        watch = watches.get(f"{alarm.rule}|{alarm.asset}")
        if watch is None:
            orphans.append(_orphan(alarm, at))
            continue
        known.add(watch.key)
        if not watch.open:
            watch.reopen(alarm.level, alarm.data, late=alarm.disposition is Disposition.WITHHELD_LATE)
            watch.look_again()
    for watch in watches.values():
        if watch.open and watch.key not in known:
            watch.forget()
            watch.look_again()
    return orphans


def _orphan(alarm: Alarm, at: datetime) -> Transition:
    return Transition(
        rule=alarm.rule,
        asset=alarm.asset,
        before=alarm.state,
        after=AlarmState.CLEARED,
        level=alarm.level,
        data=DataState.UNKNOWN,
        cause=Cause.RULE_REMOVED,
        at=at,
        seen_at=at,
    )
