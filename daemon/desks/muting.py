"""Shelving and maintenance: persons keep orders back, for a time, with a reason; the alarms themselves go on.

Every wish is audited, also one that cannot be granted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from daemon.desks.known_rules import KnownRules
from daemon.model import Alarm, Command, Disposition, Level
from daemon.store.ledger import Ledger
from daemon.store.mutes import Mute, MuteKind, Mutes
from daemon.workorders import instrument

#: A shelf is for a shift or a long weekend; what lasts longer is a change of the rule.
LONGEST_SHELF = timedelta(days=7)
LONGEST_MAINTENANCE = timedelta(days=30)

#: What the control socket and console ask for, by the name of the Command.
SHELVE, UNSHELVE, MAINTAIN, END_MAINTENANCE = "shelve", "unshelve", "maintain", "end_maintenance"
NAMES = frozenset({SHELVE, UNSHELVE, MAINTAIN, END_MAINTENANCE})


def shelf_target(rule: str, asset: str, level: Level) -> str:
    """The target of a Command to shelve: a rule on an asset, from a level downwards."""
    return f"{rule}|{level.name}|{asset}"


class Muting:
    """Begins and ends mutes; says which alarms are to be decided anew."""

    def __init__(self, ledger: Ledger, mutes: Mutes, known: KnownRules) -> None:
        self._ledger = ledger
        self._mutes = mutes
        self._known = known

    def follow(self, wish: Command) -> list[Alarm]:
        """Do what a person wishes, or audit why not; the alarms that it concerns."""
        if wish.name in {SHELVE, UNSHELVE}:
            rule, level, asset = (*wish.target.split("|", 2), "", "")[:3]
            refused = self._unshelve(wish, rule, asset) if wish.name == UNSHELVE else self._shelve(wish)
            self._audit(wish, refused)
            open_alarm = self._ledger.open_alarm(rule, asset)
            return [open_alarm] if open_alarm is not None and level else []
        refused = self._end_maintenance(wish) if wish.name == END_MAINTENANCE else self._maintain(wish)
        self._audit(wish, refused)
        return self._held_by(Disposition.WITHHELD_MAINTENANCE)

    def run_out(self, due: datetime) -> None:
        """End the mutes that have run out; alarms that they held know it themselves (`held_until`)."""
        for mute in self._mutes.ended_by(due):
            self._mutes.end(mute, mute.until)
            what = mute.asset if mute.kind is MuteKind.MAINTAIN else shelf_target(mute.rule, mute.asset, mute.level)
            self._ledger.audit(mute.until, "gateway", f"{mute.kind}_ended", what, f"of {mute.user}: {mute.reason}")

    def _held_by(self, disposition: Disposition) -> list[Alarm]:
        found = [alarm for alarm in self._ledger.open_alarms() if alarm.disposition is disposition]
        return sorted(found, key=lambda alarm: alarm.no)

    def _shelve(self, wish: Command) -> str:
        rule, level, asset = (*wish.target.split("|", 2), "", "")[:3]
        if level not in Level.__members__ or not asset:
            return "no such alarm"
        if self._known.never_suppressed(rule) or rule == instrument.STORM:
            return "this rule is never suppressed"
        if (refused := _too_long(wish, LONGEST_SHELF)) or wish.until is None:
            return refused
        before = self._mutes.shelf(rule, asset)
        if before is not None:
            self._mutes.end(before, wish.at)
        self._mutes.begin(
            Mute(0, MuteKind.SHELVE, rule, asset, Level[level], wish.at, wish.until, wish.user, wish.reason)
        )
        return ""

    def _unshelve(self, wish: Command, rule: str, asset: str) -> str:
        mute = self._mutes.shelf(rule, asset)
        if mute is None:
            return "it is not shelved"
        self._mutes.end(mute, wish.at)
        return ""

    def _maintain(self, wish: Command) -> str:
        if (refused := _too_long(wish, LONGEST_MAINTENANCE)) or wish.until is None:
            return refused
        for mute in self._own(wish.target):
            self._mutes.end(mute, wish.at)
        self._mutes.begin(
            Mute(0, MuteKind.MAINTAIN, "", wish.target, Level.I, wish.at, wish.until, wish.user, wish.reason)
        )
        return ""

    def _end_maintenance(self, wish: Command) -> str:
        found = self._own(wish.target)
        for mute in found:
            self._mutes.end(mute, wish.at)
        return "" if found else "it is not under maintenance"

    def _own(self, target: str) -> list[Mute]:
        """Maintenance of an asset itself, not of the site around it; of the site as such."""
        return [mute for mute in self._mutes.of(MuteKind.MAINTAIN) if mute.asset == target]

    def _audit(self, wish: Command, refused: str) -> None:
        until = f"until {wish.until.isoformat()}: " if wish.until is not None else ""
        detail = f"refused: {refused}" if refused else f"{until}{wish.reason}"
        self._ledger.audit(wish.at, wish.user, wish.name, wish.target, detail)


def _too_long(wish: Command, most: timedelta) -> str:
    """Why the span of a wish cannot be granted; empty when it can."""
    if wish.until is None or wish.until <= wish.at:
        return "its end must lie ahead"
    if wish.until - wish.at > most:
        return f"at most {most.days} days"
    return ""
