"""A backtest as one JSON object, and its intervals as a table for others to score."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from daemon.backtest.figures import Difference, Score, by_asset, by_rule
from daemon.backtest.run import Interval, OrderMade, Result
from daemon.complaint import Complaint
from daemon.model import Catalogue, Text


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a backtest was asked."""

    #: Where the history was, in words.
    histories: tuple[str, ...]
    catalogue: Catalogue
    rules_hash: str
    #: Pairs of a rule and what it watches.
    bound: int
    result: Result
    #: What stands in the history and is no point of the site.
    ignored: tuple[str, ...] = ()
    #: Of the rules.
    titles: Mapping[str, Text] = field(default_factory=dict)
    #: What the reader should know before believing it.
    notes: tuple[Text, ...] = ()
    difference: Difference | None = None
    score: Score | None = None


def stamp(at: datetime | None) -> str | None:
    """ISO in UTC, whole milliseconds."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(found: Findings) -> dict[str, Any]:
    """The object of `-o json`."""
    result = found.result
    document: dict[str, Any] = {
        "site": found.catalogue.site.id,
        "rules_hash": found.rules_hash,
        "bound": found.bound,
        "history": {
            "places": list(found.histories),
            "first_at": stamp(result.first_at),
            "last_at": stamp(result.last_at),
            "days": result.span.total_seconds() / 86400,
            "inputs": result.inputs,
            "readings": result.readings,
            "rejected": result.rejected,
            "rejections": [{"place": r.place, "reason": r.reason, "detail": r.detail} for r in result.rejections],
            "ignored": list(found.ignored),
            "notes": [{"zh": note.zh, "en": note.en} for note in found.notes],
        },
        "alarms": [interval(i) for i in result.intervals],
        "orders": [_order(o) for o in result.orders],
        "assets": [asdict(load) for load in by_asset(result)],
        "rules": [asdict(load) for load in by_rule(result)],
        "faulted": [{"rule": r, "asset": a, "error": why} for (r, a), why in result.faulted.items()],
    }
    if found.difference is not None:
        document["against"] = {
            "added": [interval(i) for i in found.difference.added],
            "removed": [interval(i) for i in found.difference.removed],
            "kept": len(found.difference.kept),
        }
    if found.score is not None:
        document["complaints"] = _score(found.score)
    return document


def interval(i: Interval) -> dict[str, Any]:
    """One alarm; these are the columns of the interval table as well."""
    return {
        "no": i.no,
        "asset": i.asset,
        "rule": i.rule,
        "level": i.level.name,
        "first_level": i.first_level.name,
        "start": stamp(i.start),
        "end": stamp(i.end),
        "disposition": i.disposition,
        "order": i.order,
    }


def interval_table(intervals: Iterable[Interval], *, as_csv: bool) -> str:
    """The intervals as CSV or as a JSON array."""
    rows = [interval(i) for i in intervals]
    if not as_csv:
        return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    text = io.StringIO()
    table = csv.DictWriter(text, [name for name in Interval._fields if name != "type"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _order(o: OrderMade) -> dict[str, Any]:
    return {
        "key": o.key,
        "alarm": o.alarm_no,
        "asset": o.asset,
        "rule": o.rule,
        "level": o.level.name,
        "type": o.type,
        "title": {"zh": o.title.zh, "en": o.title.en},
        "created_at": stamp(o.created_at),
    }


def _score(s: Score) -> dict[str, Any]:
    lead = s.median_lead
    return {
        "complaints": len(s.answered),
        "pre_empted": s.hits,
        "missed": s.misses,
        "during": s.during,
        "median_lead_minutes": None if lead is None else lead.total_seconds() / 60,
        "false_orders": len(s.false_orders),
        "false_orders_a_week": s.false_orders_a_week,
        "each": [
            {
                **_complaint(one.complaint),
                "outcome": one.outcome,
                "order": None if one.order is None else one.order.key,
                "rule": None if one.order is None else one.order.rule,
                "lead_minutes": None if one.lead is None else one.lead.total_seconds() / 60,
            }
            for one in s.answered
        ],
        "left_out": [_complaint(complaint) for complaint in s.left_out],
        "false": [_order(order) for order in s.false_orders],
    }


def _complaint(complaint: Complaint) -> dict[str, Any]:
    return {"at": stamp(complaint.made_at), "asset": complaint.asset, "text": complaint.text}
