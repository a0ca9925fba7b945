"""What the life cycle asks for, done: a line in the order's timeline, notices for people, a note on the ticket."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from daemon.desks.charting import Charting
from daemon.desks.known_rules import KnownRules
from daemon.model import OutboxAction, Text
from daemon.store import notices as notice_store
from daemon.store import outbox
from daemon.store.courses import Courses, Event
from daemon.workorders import doubt, evidence, notices
from daemon.workorders.course import Act, Course
from daemon.workorders.sla import ROLES, Sla

#: Occasions that are written on the ticket, and the kind of note; others are on it already, or nobody's news there.
_NOTED = {
    "overdue": "update",
    "undecided": "update",
    "relapsed": "update",
    "cancelled": "update",
    "reopened": "reopen",
    "verified": "verified",
}
#: Occasions that the mechanism knows under another name: whoever hears of a refused order hears of these.
_HEARD_AS = dict.fromkeys(doubt.TOLD.values(), "parked")
#: Roles that hear of the gateway's own troubles.
_INSTRUMENT = ("duty", "supervisor")
#: Of an order: so often a day its data's coming and going is told (three gaps); afterwards it is counted only.
MOST_DATA = 6
_DATA = ("data_lost", "data_back")
#: After that many relapses of one alarm on one order its coming and going is no news.
_MOST_RELAPSES = 3


class Telling:
    """Writes to timeline, notices and outbox, and asks for charts."""

    def __init__(self, db: sqlite3.Connection, courses: Courses, known: KnownRules, charting: Charting) -> None:
        self._db = db
        self._courses = courses
        self._known = known
        self._charting = charting

    def tell(
        self, document: dict[str, Any], course: Course, act: Act, sla: Sla, *, by: str = "", detail: str = ""
    ) -> None:
        """Do all that one act asks for; `by` and `detail` are what a person said."""
        key = document["key"]
        if act.occasion in {"recovered", "relapsed"} and self._courses.times(key, "relapsed") >= _MOST_RELAPSES:
            return
        if act.occasion in _DATA and self.data_told(key, act.at) >= MOST_DATA:
            return
        if act.occasion == "unseen" and self._times_today(key, "unseen", act.at) >= MOST_DATA:
            return
        if act.occasion == "verified" and not act.by_person:
            by = notices.SENSOR
        self._courses.note(key, Event(act.at, act.occasion, act.promise, by, detail, act.late))
        self._notify(document, course, act, sla, detail)
        kind = _NOTED.get(act.occasion)
        if kind is not None and not act.by_person:  # what a person did stands on the ticket
            self._note(document, course, act, kind)
        self._charting.afterwards(document, act.occasion, course.level, act.at)

    def data_told(self, key: str, at: datetime) -> int:
        """How often it was told that day, by the site's clocks, that an order's data has gone or come back."""
        return sum(self._times_today(key, occasion, at) for occasion in _DATA)

    def _times_today(self, key: str, occasion: str, at: datetime) -> int:
        return self._courses.times(key, occasion, self._known.day(at)[0])

    def _notify(self, document: dict[str, Any], course: Course, act: Act, sla: Sla, detail: str) -> None:
        roles = {*sla.told(course.level, _HEARD_AS.get(act.occasion, act.occasion)), *act.to}
        if document["type"] == "instrument":
            roles &= {*_INSTRUMENT}
        zone = self._known.timezone
        public = notices.to_residents(document, act.occasion, _promised(course), zone)
        if public is None or not self._residents_hear(document, course, act):
            roles -= {"residents"}
        elif act.occasion == "created":
            roles |= {"residents"}  # the rule opted in
        if not roles:
            return
        title, text = notices.to_staff(document, act, course.level, zone, detail)
        body = {
            "staff": {"title": evidence.words(title), "text": evidence.words(text)},
            "residents": None if public is None else evidence.words(public),
        }
        ordered = [role for role in ROLES if role in roles]
        notice_store.add(self._db, document["key"], act.occasion, ordered, course.level, act.at, body)

    def _residents_hear(self, document: dict[str, Any], course: Course, act: Act) -> bool:
        """Residents are told once a person has accepted, or at once where the rule opts in."""
        if document["type"] not in {"pre_complaint", "incident"}:
            return False  # the gateway's troubles and inquiries are the house's own
        rule = self._known.rule(document["rule"])
        wish = rule.work_order.residents if rule is not None else "accepted"
        if wish == "never":
            return False
        return wish == "at_once" or (act.occasion != "created" and course.reached("accepted") is not None)

    def _note(self, document: dict[str, Any], course: Course, act: Act, kind: str) -> None:
        words = notices.words_for(act)
        about = act.title or Text("", "")
        zh = f"{words.zh}{f'：{about.zh}' if about.zh else ''}"
        en = f"{words.en}{f': {about.en}' if about.en else ''}"
        body = {
            "kind": kind,
            "at": evidence.stamp(act.at),
            "text": {"zh": zh, "en": en},
            "level": course.level.name,
            "observed": [],
        }
        outbox.add(self._db, document["key"], OutboxAction.UPDATE, body, act.at)


def _promised(course: Course) -> datetime | None:
    """Until when the work is promised to be done."""
    dues = [p.due for p in course.promises if p.kept_by == "done" and p.due is not None and p.kept_at is None]
    return min(dues, default=None)
