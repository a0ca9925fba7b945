"""What a scenario has left behind, in words that are equal for equal outcomes: ledgers, tickets, notices.

Keys and moments are written so that two runs can be compared: ledgers are called A, B, … in the order of their birth,
moments are given since the beginning, and what only tells how often something had to be tried is left out.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from daemon.model import Level, OutboxAction, from_ms
from daemon.store import courses
from daemon.store.courses import Going
from daemon.store.db import FILE, fact, reader
from daemon.workorders.course import Promise
from tests.crash.kept import Kept
from tests.crash.stage import Stage, written

#: What tells one box, alarm or order of many from the others, and the second of ten in which it came.
_NUMBERS = re.compile(r"\bB\d+|(?<=alarm )\d+|(?<=\|)\d+|(?<=[02]:01:)0\d|(?<=lasted 1)[^)]*")


def account(stage: Stage) -> list[str]:
    """Everything, a line each: of each gateway its ledgers, then the ticketing service."""
    names: dict[str, str] = {}
    lines: list[str] = []
    for kept in stage.gateways:
        for file in ledgers(kept):
            with reader(file) as db:
                names[fact(db, "ledger_id")] = name = chr(ord("A") + len(names))
                lines += [f"{kept.name}, ledger {name}", *_alarms(db), *_orders(db)]
    lines += ["tickets", *_tickets(stage, names), *_erp_tickets(stage)]
    return lines


def counted(lines: Iterable[str]) -> list[str]:
    """The same by how often each kind of line occurs, boxes and numbers left out, in the order of the first of each."""
    kinds = Counter(_NUMBERS.sub("…", line.partition(";")[0]) for line in lines)
    return [f"{count:>4} x {line}" for line, count in kinds.items()]


def ledgers(kept: Kept) -> list[Path]:
    """The files of a gateway, the oldest first."""
    return [*(path / FILE for path in sorted(kept.folder.glob("state-*"))), kept.file]


def _alarms(db: sqlite3.Connection) -> Iterator[str]:
    rows = db.execute(
        "SELECT no, asset, rule, level, state, disposition, parent, active_at, cleared_at FROM alarm ORDER BY no"
    )
    for no, asset, rule, level, state, disposition, parent, active, cleared in rows:
        end = f" to {_at(cleared)}" if cleared is not None else ""
        of = f" of {parent}" if parent is not None else ""
        yield f"  alarm {no} {asset} {rule} {Level(level).name} {state} {disposition}{of}: {_at(active)}{end}"


def _orders(db: sqlite3.Connection) -> Iterator[str]:
    keys = db.execute("SELECT key, alarm_no FROM work_order ORDER BY alarm_no, created_at, key").fetchall()
    for key, _ in keys:
        going = courses.find(db, key)
        assert going is not None
        yield f"  order {_title(going)}"
        yield from (f"    promise {_promise(promise)}" for promise in going.course.promises)
        events = courses.events(db, key)
        # which of two orders an answer was lost to, and so came later, is chance: the receipt is there, once
        yield from (f"    {event.occasion} by {event.by}" for event in events if event.occasion == "sent")
        for event in events:
            if event.occasion == "sent":
                continue
            words = [written(event.at), event.occasion, event.promise, f"by {event.by}" if event.by else ""]
            yield f"    {' '.join(filter(None, [*words, 'late' if event.late else '']))}"
        yield from _told(db, key)
        for one in courses.deliveries(db, key):
            if one.action != OutboxAction.CHART:  # drawn in its own time
                yield f"    {one.action} {one.state}"


def _title(going: Going) -> str:
    course, document = going.course, going.document
    undecided = " undecided" if course.undecided else ""
    before = f" after {len(document['previous'])}" if document["previous"] else ""
    return (
        f"{going.asset} {going.rule} {document['type']} {course.level.name} {course.status}{undecided}"
        f" round {course.rounds}{before}"
    )


def _promise(promise: Promise) -> str:
    if promise.due is None:
        return f"{promise.id}: not running"
    kept = f" kept {written(promise.kept_at)}" if promise.kept_at is not None else ""
    missed = f" missed, {promise.climbed} of {len(promise.steps)} steps" if promise.missed else ""
    return f"{promise.id} by {written(promise.due)}{kept}{missed}"


def _told(db: sqlite3.Connection, key: str) -> Iterator[str]:
    rows = db.execute(
        "SELECT n.id, n.occasion, n.roles, n.level, n.at, (SELECT group_concat(channel || ' ' || state, ', ')"
        " FROM (SELECT channel, state FROM notice_delivery WHERE notice_id = n.id ORDER BY channel))"
        " FROM notice AS n WHERE order_key = ? ORDER BY id",
        (key,),
    )
    for _, occasion, roles, level, at, channels in rows:
        told = ", ".join(part.removesuffix(" delivered") for part in (channels or "nobody").split(", "))
        yield f"    told {_at(at)} {occasion} {Level(level).name} to {' '.join(json.loads(roles))} via {told}"


def _tickets(stage: Stage, ledgers: dict[str, str]) -> Iterator[str]:
    found = []
    for record in stage.ticketing.store.find():
        site, asset, rule, ledger, no = record["key"].split("|")
        found.append(((site, asset, rule, ledgers.get(ledger, "?"), int(no)), record))
    for (site, asset, rule, ledger, no), record in sorted(found, key=lambda pair: pair[0]):
        yield f"  {site} {asset} {rule} {ledger}|{no} {record['level']} {record['status']}"
        said = [note for note in record["notes"] if not note.get("chart")]
        yield from (f"    note {note['kind']}: {note['text']['en']}" for note in said)
        # charts come when they are drawn, in between whatever else is written
        charts = sorted((note["at"], note["chart"]["occasion"]) for note in record["notes"] if note.get("chart"))
        yield from (f"    chart {occasion} up to {written_iso(at)}" for at, occasion in charts)
        for change in stage.ticketing.store.history(record["id"]):
            yield f"    {written_iso(change['changed_at'])} {change.get('stamp', change['status'])} by {change['by']}"


def _erp_tickets(stage: Stage) -> Iterator[str]:
    for ticket in sorted(stage.erp.tickets.all(), key=lambda ticket: ticket.title):
        yield f"  ERP: {ticket.title.partition(' [')[0]}, urgency {ticket.urgency}, status {ticket.status}"
        # it knows no keys: a remark whose answer was lost stands there twice
        yield from (
            f"    remark {remark}" for remark in sorted({remark.partition(" ")[0] for remark in ticket.remarks})
        )


def written_iso(text: str) -> str:
    """A moment of the service as `written` does."""
    return written(datetime.fromisoformat(text))


def _at(ms: int) -> str:
    return written(from_ms(ms))
