"""A review as one JSON object: the same tables, with their numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.model import Level, Text
from daemon.review.compose import Review
from daemon.review.table import Cell, Ratio, Table

_MINUTE = timedelta(minutes=1)


def as_json(found: Review) -> dict[str, Any]:
    """The object of `-o json`; spans are minutes, moments ISO in UTC."""
    period, head = found.period, found.headline
    return {
        "month": period.month.name,
        "timezone": period.month.zone.key,
        "from": _stamp(period.span.begin),
        "until": _stamp(period.span.end),
        "so_far": period.so_far,
        "ledger_begins_within": period.partly,
        "site": _cell(found.site),
        "headline": {name: _cell(value) for name, value in head._asdict().items()},
        "complaints": _voices(found),
        "days": [
            {"day": day.isoformat(), **{level.name: n for level, n in levels.items()}} for day, levels in found.days
        ],
        "tables": {table.key: _table(table) for table in found.tables},
        "suggestions": [
            {"key": one.key, "text": _cell(one.text), "commands": list(one.commands)} for one in found.suggestions
        ],
    }


def _voices(found: Review) -> dict[str, Any] | None:
    heard = found.voices
    if heard is None:
        return None
    names = "preempted", "by_incident", "during", "missed", "unwatched", "left_out", "quiet_orders"
    counts = {name: getattr(heard, name) for name in names}
    return {"all": len(heard.all), **counts, "median_lead_minutes": _cell(heard.median_lead), "command": heard.command}


def _table(table: Table) -> list[dict[str, Any]]:
    keys = [column.key for column in table.columns]
    return [{key: _cell(cell) for key, cell in zip(keys, row, strict=True)} for row in table.rows]


def _cell(cell: Cell) -> object:
    match cell:
        case Text():
            return {"zh": cell.zh, "en": cell.en}
        case Level():
            return cell.name
        case Ratio():
            return {"n": cell.n, "of": cell.of, "percent": None if cell.percent is None else round(cell.percent, 1)}
        case datetime():
            return _stamp(cell)
        case timedelta():
            return round(cell / _MINUTE, 2)
        case _:
            return cell


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
