"""Complaints: each is kept once, judged by what had come before it, and noted on the order that is open.

It raises nothing: no alarm, no order, no level. What it does is stand in the priority of the orders after it.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from daemon import telemetry
from daemon.complaint import Complaint
from daemon.desks.desk import Entry
from daemon.desks.known_rules import KnownRules
from daemon.desks.orders import OrderDesk
from daemon.model import Command, Text, Transition
from daemon.store import complaints
from daemon.store.courses import Courses, Going
from daemon.store.ledger import Ledger
from daemon.workorders.complaints import Answer, Episode, Outcome, bears, describe, judge
from daemon.workorders.course import Act

_COMPLAINTS = telemetry.counter("complaints_total", "Complaints taken in, by what had come before them.", "outcome")
#: On the timeline.
COMPLAINED = "complained"
#: A person hands complaints in: said by a Command in front of them.
IMPORT = "complaints_import"


def judged(db: sqlite3.Connection, known: KnownRules, made_at: datetime, asset: str, horizon: timedelta) -> Answer:
    """What the ledger says had come before a complaint about an asset of the site; empty: nobody knows which."""
    since = complaints.watched_since(db)
    if not asset or since is None or made_at < since:
        return Answer(Outcome.LEFT_OUT)
    found: list[Episode] = []
    for subject in known.subjects_of(asset):
        for rule, episode in complaints.episodes(db, subject, made_at, horizon):
            if episode.ordered_at is not None or not known.about_instrument(rule):
                found.append(episode)
    return judge(made_at, found, horizon)


class ComplaintDesk:
    """A `Desk` for complaints alone."""

    def __init__(self, db: sqlite3.Connection, ledger: Ledger, known: KnownRules, orders: OrderDesk) -> None:
        self._db = db
        self._ledger = ledger
        self._known = known
        self._orders = orders
        self._courses = Courses(db)

    def next_deadline(self) -> datetime | None:
        """Time alone does nothing to a complaint."""
        return None

    def run_out(self, due: datetime, entry: Entry) -> None:
        """Nothing is ever due."""

    def decide(self, entry: Entry, transition: Transition) -> None:
        """Alarms do not change what was complained of."""

    def heed(self, entry: Entry) -> None:
        """Take in a complaint; one that is known changes nothing, unless it can be placed now and could not before."""
        said = entry.item
        if type(said) is Command and said.name == IMPORT:
            self._ledger.audit(said.at, said.user, IMPORT, said.target, said.reason)
        if type(said) is not Complaint:
            return
        kept, asset = complaints.find(self._db, said.id), self._known.place(said)
        if kept is not None and (kept.asset or not asset):
            return
        said = said._replace(made_at=min(said.made_at, said.at))
        answer = self._judge(said.made_at, asset)
        going = self._order(said.made_at, asset) if asset else None
        complaints.add(self._db, said, asset, answer, going.key if going is not None else "")
        _COMPLAINTS.labels(answer.outcome).inc()
        if going is not None:
            self._note(going, said)

    def _judge(self, made_at: datetime, asset: str) -> Answer:
        return judged(self._db, self._known, made_at, asset, self._orders.sla.complaints.horizon)

    # --- the open order ------------------------------------------------------------------------------------

    def _order(self, made_at: datetime, asset: str) -> Going | None:
        """The order in hand that it belongs to: one about the asset, or one on which the asset's alarm stands."""
        subjects = self._known.subjects_of(asset)
        keys = [key for subject in subjects for key in complaints.in_hand(self._db, subject)]
        for alarm in self._ledger.open_alarms():
            if alarm.asset in subjects and alarm.parent is not None and not self._known.about_instrument(alarm.rule):
                above = self._ledger.alarm(alarm.parent)
                keys += [above.order_key] if above is not None and above.order_key is not None else []
        found = (self._courses.find(key) for key in dict.fromkeys(keys))
        fitting = [going for going in found if going is not None and self._fits(going, made_at)]
        return min(fitting, key=lambda going: going.course.level, default=None)

    def _fits(self, going: Going, made_at: datetime) -> bool:
        """Whether it is about what is the matter now, and not about something long past."""
        opened = datetime.fromisoformat(going.document["created_at"])
        cleared = going.course.clear_since
        horizon = self._orders.sla.complaints.horizon
        return going.course.in_hand and bears(made_at, Episode(opened, cleared, opened), horizon)

    def _note(self, going: Going, said: Complaint) -> None:
        """Say so on the order; after so many of a day the rest is counted only."""
        most = self._orders.sla.complaints.notes
        since, _ = self._known.day(said.at)
        told = self._courses.times(going.key, COMPLAINED, since)
        if told >= most:
            return
        number = complaints.count_of_order(self._db, going.key)
        text = self._words(said, number, last=told + 1 == most)
        detail = f"#{number} {describe(said).zh}"
        self._orders.note_said(going, Act(COMPLAINED, said.at), text, detail)

    def _words(self, said: Complaint, number: int, *, last: bool) -> Text:
        what = describe(said)
        when = f"{said.made_at.astimezone(ZoneInfo(self._known.timezone)):%m-%d %H:%M}"
        zh = f"住户投诉（本单第 {number} 起）：{what.zh}，{when}。"
        en = f"A resident complained (number {number} on this order): {what.en}, {when}."
        if last:
            zh += "今日后续投诉不再逐条备注，只计数。"
            en += " Further complaints of today are counted only."
        return Text(zh, en)
