"""Work orders: opened for an alarm, told how it goes on, followed where the ticketing service says they stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from daemon.desks.desk import Entry
from daemon.desks.known_rules import KnownRules
from daemon.model import Alarm, OutboxAction, Text, TicketUpdate, Transition
from daemon.store import outbox
from daemon.store.ledger import Ledger
from daemon.workorders import evidence
from daemon.workorders.sla import RESPOND_WITHIN


class OrderDesk:
    """Writes orders and notes to the ledger and the outbox; a `Desk` as well, for what becomes of them."""

    def __init__(self, db: sqlite3.Connection, ledger: Ledger, known: KnownRules) -> None:
        self._db = db
        self._ledger = ledger
        self._known = known

    # --- asked for by the alarm desk -----------------------------------------------------------------------

    def open(self, alarm: Alarm, transition: Transition, at: datetime) -> None:
        """Draft the order of an alarm and hand it to the outbox; `at` is site time, from which its deadlines run."""
        known = self._known
        assert known.ruleset is not None  # noqa: S101  no transition comes before the first Reload
        asset = known.asset(transition.rule, transition.asset)
        origin = evidence.Origin(known.ruleset.catalogue.site, asset, self._ledger.id, known.ruleset.hash)
        template = known.template(transition.rule)
        order = evidence.draft(transition, template, known.explain(transition), origin, alarm, at)
        document = evidence.document(order)
        self._ledger.add_order(order, document)
        outbox.add(self._db, order.key, OutboxAction.CREATE, document, at)

    def update(self, key: str, transition: Transition, at: datetime) -> None:
        """Its alarm has changed: say so on the order, and let it follow up in level."""
        body = evidence.note("update", transition, evidence.update_text(transition))
        self._ledger.raise_order(key, transition.level, at + RESPOND_WITHIN[transition.level])
        outbox.add(self._db, key, OutboxAction.UPDATE, body, at)

    def note_children(self, key: str, children: Sequence[Alarm], moment: datetime, at: datetime) -> None:
        """Alarms have become children of an order: list them there; it is as urgent as the worst of them."""
        worst = min(child.level for child in children)
        level = self._ledger.raise_order(key, worst, at + RESPOND_WITHIN[worst])
        lines = [evidence.Line(self._title(child), child.level, child.active_at) for child in children]
        body = evidence.children_note(lines, level, moment, self._known.timezone)
        outbox.add(self._db, key, OutboxAction.UPDATE, body, at)

    def _title(self, alarm: Alarm) -> Text:
        name, title = self._known.asset(alarm.rule, alarm.asset).name, self._known.template(alarm.rule).title
        return Text(f"{name.zh} {title.zh}", f"{name.en}: {title.en}")

    def recover(self, key: str, transition: Transition, since: datetime, at: datetime) -> None:
        """Its alarm, active `since` then, is over: say so on the order, which a person closes."""
        text = evidence.recovery_text(transition, since)
        outbox.add(self._db, key, OutboxAction.RECOVER, evidence.note("recovery", transition, text), at)

    # --- the desk ------------------------------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """Orders have no deadlines yet."""
        return None

    def run_out(self, due: datetime, entry: Entry) -> None:
        """Orders have no deadlines yet."""

    def decide(self, entry: Entry, transition: Transition) -> None:
        """The alarm desk has done so before."""

    def heed(self, entry: Entry) -> None:
        """An order goes where the ticketing service says it stands."""
        item = entry.item
        if type(item) is TicketUpdate:
            changed_at = item.changed_at or item.at
            if self._ledger.update_order(item.key, item.status, changed_at, item.by):
                self._ledger.audit(item.at, item.by, f"ticket_{item.status}", item.key, item.note)
