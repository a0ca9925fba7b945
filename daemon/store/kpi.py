"""How the site does with its alarms, after ANSI/ISA-18.2-2016 (clause 16) and IEC 62682:2022: from the ledger alone.

An alarm counts when it opens (`active_at`) and somebody was told: it has an order, or stands on its parent's. What was
withheld is counted apart.

- flood: begins with the 11th alarm in 10 min, ends when fewer than 5 came in the last 10 min;
- chattering: one rule on one asset opened 3 times or more within a minute;
- stale: standing for more than 24 h;
- top ten: the rules on assets that opened most often, and their share.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from daemon.model import Disposition, Level, from_ms, to_ms
from daemon.store.statements import load

_SQL = load("kpi")
_DAY = 86_400_000
_TEN_MINUTES = 600_000
_FLOOD_BEGINS = 10
_FLOOD_ENDS = 5
_MINUTE = 60_000
_CHATTERS = 3
_TOP = 10


class Row(NamedTuple):
    """An alarm, as far as it counts here; moments in ms."""

    no: int
    rule: str
    asset: str
    level: Level
    disposition: Disposition
    active_at: int
    cleared_at: int | None


def alarm_kpi(db: sqlite3.Connection, now: datetime, span: timedelta) -> dict[str, Any]:
    """The figures of the last `span`, or of the ledger's whole life when it is younger (JSON-able)."""
    end = to_ms(now)
    (born,) = db.execute(_SQL["born"]).fetchone()
    begin = max(end - span // timedelta(milliseconds=1), born if born is not None else end)
    rows = [
        Row(no, rule, asset, Level(level), Disposition(disposition), active_at, cleared_at)
        for no, rule, asset, level, disposition, active_at, cleared_at in db.execute(_SQL["counted"], (begin, end))
    ]
    opened = [row for row in rows if row.active_at > begin]
    told = [row for row in opened if not row.disposition.withheld]
    days = max(end - begin, 1) / _DAY
    moments = sorted(row.active_at for row in told)
    by_source = Counter((row.rule, row.asset) for row in told)
    return {
        "since": from_ms(begin).isoformat(),
        "until": now.isoformat(),
        "days": round(days, 4),
        "alarms": len(told),
        "withheld": len(opened) - len(told),
        "alarms_per_day": round(len(told) / days, 2),
        "flood_percent": round(100 * flood_ms(moments, end) / max(end - begin, 1), 3),
        "peak_in_10min": peak(moments),
        "by_level": {level.name: sum(row.level is level for row in told) for level in Level},
        "by_disposition": {one.value: sum(row.disposition is one for row in opened) for one in Disposition},
        "chattering": [{"rule": rule, "asset": asset, "in_a_minute": n} for rule, asset, n in chattering(told)],
        "stale": [_standing(row, end) for row in rows if row.cleared_at is None and end - row.active_at > _DAY],
        "standing": sum(row.cleared_at is None for row in rows),
        "top_ten": [
            {"rule": rule, "asset": asset, "alarms": n, "percent": round(100 * n / len(told), 1)}
            for (rule, asset), n in sorted(by_source.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOP]
        ],
    }


def flood_ms(moments: Sequence[int], end: int) -> int:
    """For how long a flood was on, up to `end`; `moments` sorted."""
    total, since = 0, None
    for n, at in enumerate(moments):
        if since is not None:
            calm = _calm_at(moments, n - 1)
            if calm < at:  # one that comes at the very moment keeps it on
                total += calm - since
                since = None
        if since is None and n >= _FLOOD_BEGINS and at - moments[n - _FLOOD_BEGINS] < _TEN_MINUTES:
            since = at
    if since is not None:
        total += min(_calm_at(moments, len(moments) - 1), end) - since
    return total


def _calm_at(moments: Sequence[int], last: int) -> int:
    """When fewer than five lie in the ten minutes before, if none comes after number `last`."""
    return moments[last - _FLOOD_ENDS + 1] + _TEN_MINUTES


def peak(moments: Sequence[int]) -> int:
    """The most alarms in any ten minutes; `moments` sorted."""
    return _most_within(moments, _TEN_MINUTES)


def _most_within(moments: Sequence[int], span: int) -> int:
    most = first = 0
    for n, at in enumerate(moments):
        while moments[first] <= at - span:
            first += 1
        most = max(most, n - first + 1)
    return most


def chattering(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    """What opened three times or more within a minute, worst first."""
    moments: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        moments.setdefault((row.rule, row.asset), []).append(row.active_at)
    found = []
    for (rule, asset), times in moments.items():
        times.sort()
        most = _most_within(times, _MINUTE)
        if most >= _CHATTERS:
            found.append((rule, asset, most))
    return sorted(found, key=lambda one: (-one[2], one[:2]))


def _standing(row: Row, end: int) -> dict[str, Any]:
    hours = round((end - row.active_at) / 3_600_000, 1)
    return {"no": row.no, "rule": row.rule, "asset": row.asset, "level": row.level.name, "hours": hours}
