"""What a person may ask about alarms over the control socket, and do about them: each deed enters by `emit`.

What cannot be done is said before anything is written; what is done is audited with user and reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from daemon import control
from daemon.clock import Clock
from daemon.desks import muting
from daemon.desks.known_rules import KnownRules
from daemon.documents import format_span, parse_span
from daemon.model import Alarm, AlarmState, Command, Emit, Level
from daemon.rules.engine import RESET, reset_target
from daemon.store import history, kpi, ledger, mutes
from daemon.store.db import reader
from daemon.workorders import instrument

_MOST_LISTED = 1000
#: Digits; no ledger has given away that many.
_LONGEST_NUMBER = 18
_LONGEST_KPI = timedelta(days=400)
Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlarmCommands:
    """Reads the file, checks the wish, emits the Command."""

    file: Path
    clock: Clock
    emit: Emit
    known: KnownRules

    def by_name(self) -> Mapping[str, control.Command]:
        """As the control socket takes them."""
        return {
            "alarms": self.alarms,
            "alarm": self.alarm,
            "alarm_kpi": self.kpi,
            "acknowledge": self.acknowledge,
            "reset": self.reset,
            "shelve": self.shelve,
            "unshelve": self.unshelve,
            "maintain": self.maintain,
            "end_maintenance": self.end_maintenance,
            "mutes": self.mutes,
        }

    # --- asking --------------------------------------------------------------------------------------------

    async def alarms(self, arguments: Arguments) -> dict[str, Any]:
        """Open alarms, or with `all` the newest `limit` of any state; of one `asset` only, if given."""
        limit = min(int(arguments.get("limit", 100)), _MOST_LISTED)
        with reader(self.file) as db:
            found = ledger.recent_alarms(db, limit) if arguments.get("all") else ledger.open_alarms(db)
        asset = arguments.get("asset")
        return {"alarms": [self._row(alarm) for alarm in found if asset in {None, alarm.asset}]}

    async def alarm(self, arguments: Arguments) -> dict[str, Any]:
        """Everything about one alarm.

        Raises:
            ValueError: there is no such alarm.
        """
        alarm = self._find(arguments)
        with reader(self.file) as db:
            told, children = history.changes(db, alarm.no), history.children(db, alarm.no)
            targets = {muting.shelf_target(alarm.rule, alarm.asset, level) for level in Level} | {str(alarm.no)}
            done = history.audited(db, *sorted(targets))
        return {
            **self._row(alarm),
            "children": children,
            "changes": [
                {**one._asdict(), "at": _iso(one.at), "seen_at": _iso(one.seen_at), "level": one.level.name}
                for one in told
            ],
            "done": [{**one._asdict(), "at": _iso(one.at)} for one in done],
        }

    async def kpi(self, arguments: Arguments) -> dict[str, Any]:
        """Figures of the last `days` (see `store.kpi`).

        Raises:
            ValueError: the span is none, or longer than the ledger keeps.
        """
        span = timedelta(days=float(arguments.get("days", 7)))
        if not timedelta() < span <= _LONGEST_KPI:
            raise ValueError(f"days must be more than 0 and at most {_LONGEST_KPI.days}")
        return await asyncio.to_thread(self._kpi, span)

    def _kpi(self, span: timedelta) -> dict[str, Any]:
        with reader(self.file) as db:
            return kpi.alarm_kpi(db, self.clock.now(), span)

    async def mutes(self, _: Arguments) -> dict[str, Any]:
        """What is shelved or under maintenance now."""
        with reader(self.file) as db:
            found = mutes.in_force(db)
        return {
            "mutes": [
                {**one._asdict(), "level": one.level.name, "since": _iso(one.since), "until": _iso(one.until)}
                for one in found
            ]
        }

    # --- doing ---------------------------------------------------------------------------------------------

    async def acknowledge(self, arguments: Arguments) -> dict[str, Any]:
        """An operator has seen an alarm.

        Raises:
            ValueError: it is not there or over, or nobody said who.
        """
        user, reason = _who(arguments, reason=False)
        alarm = self._open(arguments)
        await self._do("acknowledge", str(alarm.no), user, reason)
        return {"acknowledged": alarm.no}

    async def reset(self, arguments: Arguments) -> dict[str, Any]:
        """An alarm that latches has ended, and somebody has seen to it: it is over.

        Raises:
            ValueError: it is not there or over, does not latch, has not ended, or nobody said who and why.
        """
        user, reason = _who(arguments)
        alarm = self._open(arguments)
        spec = self.known.rules.get(alarm.rule)
        if spec is None or not spec.latch:
            raise ValueError(f"{alarm.rule} does not latch: alarm {alarm.no} ends by itself")
        if not self.known.engine.latched(alarm.rule, alarm.asset):
            raise ValueError(
                f"alarm {alarm.no} has not ended: its condition is met, or unknown, or not clear for long enough; "
                f"see `precomplaint rules explain {alarm.no}`"
            )
        await self._do(RESET, reset_target(alarm.no, alarm.rule, alarm.asset), user, reason)
        return {"reset": alarm.no}

    async def shelve(self, arguments: Arguments) -> dict[str, Any]:
        """Keep back orders of one alarm, by its number, or of a rule on an asset, for a time.

        What is more urgent than its present level (`level` says otherwise) breaks through.

        Raises:
            ValueError: who, why, what or for how long is missing or not to be had.
        """
        user, reason = _who(arguments)
        until = self._until(arguments, muting.LONGEST_SHELF)
        rule, asset, level = self._shelf(arguments)
        if self.known.never_suppressed(rule) or rule == instrument.STORM:
            raise ValueError(f"{rule} is never suppressed: mend its cause, or change the rule")
        await self._do(muting.SHELVE, muting.shelf_target(rule, asset, level), user, reason, until)
        return {"shelved": rule, "asset": asset, "level": level.name, "until": until.isoformat()}

    async def unshelve(self, arguments: Arguments) -> dict[str, Any]:
        """End a shelf; what is still there gets its order.

        Raises:
            ValueError: it is not shelved, or nobody said who.
        """
        user, reason = _who(arguments, reason=False)
        rule, asset, level = self._shelf(arguments)
        with reader(self.file) as db:
            found = [one for one in mutes.in_force(db) if (one.rule, one.asset) == (rule, asset)]
        if not found:
            raise ValueError(f"{rule} on {asset} is not shelved")
        await self._do(muting.UNSHELVE, muting.shelf_target(rule, asset, level), user, reason)
        return {"unshelved": rule, "asset": asset}

    async def maintain(self, arguments: Arguments) -> dict[str, Any]:
        """Keep back the orders of an asset (`*`: of the whole site) while it is worked on.

        Raises:
            ValueError: who, why, what or for how long is missing or not to be had.
        """
        user, reason = _who(arguments)
        until = self._until(arguments, muting.LONGEST_MAINTENANCE)
        asset = str(arguments.get("asset", ""))
        known = [one.id for one in self.known.ruleset.catalogue.assets] if self.known.ruleset is not None else []
        if asset not in {*known, mutes.EVERYWHERE}:
            raise ValueError(f"no asset is called {asset!r}; name one of assets.yaml, or * for the whole site")
        await self._do(muting.MAINTAIN, asset, user, reason, until)
        return {"maintained": asset, "until": until.isoformat()}

    async def end_maintenance(self, arguments: Arguments) -> dict[str, Any]:
        """The work on an asset is done; what is still there gets its order.

        Raises:
            ValueError: it is not under maintenance, or nobody said who.
        """
        user, reason = _who(arguments, reason=False)
        asset = str(arguments.get("asset", ""))
        with reader(self.file) as db:
            found = [m for m in mutes.in_force(db) if m.kind is mutes.MuteKind.MAINTAIN and m.asset == asset]
        if not found:
            raise ValueError(f"{asset} is not under maintenance")
        await self._do(muting.END_MAINTENANCE, asset, user, reason)
        return {"ended": asset}

    # --- the parts -----------------------------------------------------------------------------------------

    async def _do(self, name: str, target: str, user: str, reason: str, until: datetime | None = None) -> None:
        await self.emit([Command(self.clock.now(), name, target, user, reason, until)], urgent=True)

    def _find(self, arguments: Arguments) -> Alarm:
        given = str(arguments.get("alarm", ""))
        with reader(self.file) as db:
            alarm = ledger.find_alarm(db, int(given)) if given.isdecimal() and len(given) < _LONGEST_NUMBER else None
        if alarm is None:
            raise ValueError(f"there is no alarm {given!r}; `precomplaint alarms list --all` shows the numbers")
        return alarm

    def _open(self, arguments: Arguments) -> Alarm:
        alarm = self._find(arguments)
        if alarm.state is AlarmState.CLEARED:
            raise ValueError(f"alarm {alarm.no} is over since {_iso(alarm.cleared_at)}; nothing is left to do about it")
        return alarm

    def _shelf(self, arguments: Arguments) -> tuple[str, str, Level]:
        """Rule, asset and level: of an alarm's number, or as given."""
        given = arguments.get("level")
        if given is not None and given not in Level.__members__:
            raise ValueError(f"{given!r} is no level; write I, II or III")
        if arguments.get("alarm") is not None:
            alarm = self._find(arguments)
            return alarm.rule, alarm.asset, Level[given] if given else alarm.level
        rule, asset = str(arguments.get("rule", "")), str(arguments.get("asset", ""))
        spec = self.known.rules.get(rule)
        if spec is None or self.known.subject(rule, asset) is None:
            raise ValueError(f"no rule {rule!r} on {asset!r}; name an alarm by its number, or a rule and its asset")
        return rule, asset, Level[given] if given else min(rung.level for rung in spec.levels)

    def _until(self, arguments: Arguments, most: timedelta) -> datetime:
        span = parse_span(arguments.get("for"))
        if not timedelta() < span <= most:
            what = f"{format_span(span)} is too long" if span > most else "the span is empty"
            raise ValueError(f"{what}: at most {format_span(most)}; what is to last is a change of the rule")
        return self.clock.now() + span

    def _row(self, alarm: Alarm) -> dict[str, Any]:
        title = self.known.template(alarm.rule).title
        name = self.known.asset(alarm.rule, alarm.asset).name
        return {
            "no": alarm.no,
            "rule": alarm.rule,
            "title": {"zh": title.zh, "en": title.en},
            "asset": alarm.asset,
            "asset_name": {"zh": name.zh, "en": name.en},
            "state": alarm.state,
            "level": alarm.level.name,
            "data": alarm.data,
            "latched": alarm.state is not AlarmState.CLEARED and self.known.engine.latched(alarm.rule, alarm.asset),
            "disposition": alarm.disposition,
            "active_at": _iso(alarm.active_at),
            "cleared_at": _iso(alarm.cleared_at),
            "held_until": _iso(alarm.held_until),
            "parent": alarm.parent,
            "order": alarm.order_key,
            "acknowledged_by": alarm.acknowledged_by,
        }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _who(arguments: Arguments, *, reason: bool = True) -> tuple[str, str]:
    """User and reason; both must be there where orders are kept back."""
    user, why = (str(arguments.get(name, "")).strip() for name in ("user", "reason"))
    if not user:
        raise ValueError("who does it? give `user`")
    if reason and not why:
        raise ValueError("why? give `reason`: it stands in the audit")
    return user, why
