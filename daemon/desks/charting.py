"""What charts an order gets: one of the time before it, one each when it has recovered, was judged, or is over."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from daemon.charts.plan import Panel, Plan
from daemon.desks.known_rules import KnownRules
from daemon.model import Alarm, Level, Text, Transition, to_ms
from daemon.rules.charted import charted
from daemon.store import charts

OPENED = "opened"
#: Occasions of an order's life that show what was before and what has come of it.
_AFTERWARDS = frozenset({"recovered", "reopened", "verified"})
#: Charts of one order: what comes and goes is on record by then.
MOST_CHARTS = 8
_LONGEST = timedelta(hours=24)


class Charting:
    """Asks for charts in the transaction that decided; somebody else draws them."""

    def __init__(self, db: sqlite3.Connection, known: KnownRules) -> None:
        self._db = db
        self._known = known
        #: The journal row of the input in work: a chart shows what was known by then.
        self.seq = 0

    def opened(self, alarm: Alarm, transition: Transition, key: str, title: Text, at: datetime) -> None:
        """An order was opened: show what its rule looked at, from some time before the alarm on."""
        known = self._known
        rule = known.ruleset.rule_for(alarm.rule, alarm.asset) if known.ruleset is not None else None
        about = known.subject(alarm.rule, alarm.asset)
        if rule is None or about is None:
            return  # the gateway's own: it has no readings
        shown = charted(rule, about.points, about.devices, [number.point for number in transition.observed])
        if not shown.panels:
            return
        begin = max(min(at - shown.span, alarm.active_at - shown.span / 2), at - max(_LONGEST, shown.span))
        plan = Plan(
            occasion=OPENED,
            title=title,
            asset=about.asset.name,
            rule=alarm.rule,
            level=transition.level,
            alarm_no=alarm.no,
            zone=known.timezone,
            from_ms=to_ms(begin),
            to_ms=to_ms(at),
            active=((to_ms(alarm.active_at), None),),
            panels=shown.panels,
            rest=shown.rest,
        )
        charts.ask(self._db, key, self.seq, plan)

    def afterwards(self, document: dict[str, Any], occasion: str, level: Level, at: datetime) -> None:
        """Something came of an order: show it, if it has a chart of its beginning."""
        if occasion not in _AFTERWARDS:
            return
        before = charts.of_order(self._db, document["key"])
        if not before or len(before) >= MOST_CHARTS:
            return
        first = before[0].plan
        span = first.to_ms - first.from_ms
        end = to_ms(at)
        begin = max(first.to_ms, end - span)
        about = (document["rule"], document["asset"])
        plan = replace(
            first,
            occasion=occasion,
            level=level,
            from_ms=begin,
            to_ms=end,
            active=charts.active(self._db, about, first.from_ms, end),
            panels=self._panels(first, *about),
        )
        charts.ask(self._db, document["key"], self.seq, plan)

    def _panels(self, first: Plan, rule: str, asset: str) -> tuple[Panel, ...]:
        """The points of the first chart, with the limits that hold by now if the rule still looks at them."""
        known = self._known
        now = known.ruleset.rule_for(rule, asset) if known.ruleset is not None else None
        about = known.subject(rule, asset)
        if now is None or about is None:
            return first.panels
        points = [panel.point for panel in first.panels]
        panels = charted(now, about.points, about.devices, points).panels
        return panels if [panel.point for panel in panels] == points else first.panels
