"""The spine. One thread runs it, one transaction holds a batch, and nothing else changes state.

emit ─> Writer (gathers, one thread) ─> Pipeline.process ─> journal.append
                                                         ─> engine.step ─> plan ─> ledger, outbox
                                     ─> COMMIT ─> emit returns; forwarder and dispatcher are told
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import orjson
import structlog

from daemon.commitpoints import reached
from daemon.model import (
    Alarm,
    AlarmState,
    Asset,
    Cause,
    Command,
    Disposition,
    Input,
    OutboxAction,
    Reload,
    Taken,
    Text,
    TicketUpdate,
    Transition,
)
from daemon.rules.engine import Engine
from daemon.rules.explain import explain
from daemon.rules.schema import Ruleset, RuleSpec
from daemon.rules.subjects import Subject, subjects
from daemon.store import outbox
from daemon.store.journal import Journal
from daemon.store.ledger import Ledger
from daemon.workorders import evidence, instrument
from daemon.workorders.policy import Action, plan

log = structlog.get_logger(__name__)

SNAPSHOT_EVERY = timedelta(seconds=60)
#: Replayed rows, about a second's work on a slow gateway.
_TELL_EVERY = 10_000


class UnreadableRulesetError(ValueError):
    """A stored ruleset is missing, or this version of the program no longer reads it."""


class Pipeline:
    """Inputs in, durable decisions out; the same for production, rule tests and backtests."""

    def __init__(self, db: sqlite3.Connection, *, not_before_seq: int = 0) -> None:
        self.db = db
        self.journal = Journal(db, not_before_seq=not_before_seq)
        self.ledger = Ledger(db)
        self.engine = Engine()
        self.ruleset: Ruleset | None = None
        #: The input in work: what died, if processing dies.
        self.current: Input | None = None
        #: What alarms may be about, by (per, id): assets, devices and sources.
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._templates: dict[str, evidence.Template] = {}
        self._rules: dict[str, RuleSpec] = {}
        self._snapshot_at: datetime | None = None
        #: After a restart: alarms of the ledger and of the engine have not been compared yet.
        self._unsettled = False

    def process(self, inputs: Sequence[Input], taken: Iterable[Taken] = ()) -> list[tuple[int, Input]]:
        """Journal the inputs, step the rules, write down what follows. Runs inside the caller's transaction."""
        numbered = self.journal.append(self._noting(inputs), taken)
        for seq, item in numbered:
            self.current = item
            if seq in self.journal.aside:
                self._report_aside(seq, item)
            for transition in self._step(item):
                self._decide(seq, item, transition)
            if type(item) is TicketUpdate or type(item) is Command:
                self._follow(seq, item)
            elif type(item) is Reload or self._unsettled:
                self._settle(seq, item)
        self.current = None
        if numbered:
            self._snapshot_if_due(numbered[-1][1].at)
        return numbered

    def _noting(self, inputs: Iterable[Input]) -> Iterator[Input]:
        for self.current in inputs:
            yield self.current

    # --- rules -------------------------------------------------------------------------------------------

    def _step(self, item: Input) -> Iterable[Transition]:
        return self.engine.step(item) if type(item) is not Reload else self._take_up(item)

    def _take_up(self, item: Reload) -> Iterator[Transition]:
        """One by one: what has run out by now is decided under the rules under which it ran out."""
        yield from self.engine.step(item)
        ruleset = self._read_ruleset(item.rules_hash)
        self._use(ruleset)
        yield from self.engine.reload(ruleset, item.at)

    def _use(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self._subjects = {("asset", asset.id): Subject(asset, asset.id, {}, ()) for asset in ruleset.catalogue.assets}
        self._subjects |= {
            (rule.per, subject.asset.id): subject
            for rule in ruleset.rules
            for subject in subjects(rule, ruleset.catalogue)
        }
        self._rules = {rule.id: rule for rule in ruleset.rules}
        self._templates = {rule.id: _template(rule) for rule in ruleset.rules}

    # --- decisions ---------------------------------------------------------------------------------------

    def _decide(self, seq: int, item: Input, transition: Transition) -> None:
        if transition.cause is Cause.RULE_FAULTED and type(item) is not Command:
            log.error("rule_faulted", rule=transition.rule, asset=transition.asset, error=transition.detail)
            transition = instrument.rule_faulted(transition)
        alarm = self.ledger.open_alarm(transition.rule, transition.asset)
        rule = self._rules.get(transition.rule)
        shadow, open_late = (rule.mode == "shadow", rule.late == "open") if rule is not None else (False, True)
        folded = self._parent(transition.rule, transition.asset) is not None
        decision = plan(transition, alarm, shadow=shadow, open_late=open_late, folded=folded)
        if decision.disposition is None:
            return
        if alarm is None:
            alarm = self.ledger.add_alarm(transition, decision.disposition)
        else:
            self.ledger.change_alarm(alarm, transition, decision.disposition)
        self.ledger.record(seq, alarm.no, transition)
        match decision.action:
            case Action.OPEN:
                self._open(alarm, transition, item.at)
            case Action.UPDATE if alarm.order_key is not None:
                body = evidence.note("update", transition, evidence.update_text(transition))
                self.ledger.raise_order(alarm.order_key, transition.level)
                outbox.add(self.db, alarm.order_key, OutboxAction.UPDATE, body, item.at)
            case Action.RECOVER if alarm.order_key is not None:
                text = evidence.recovery_text(transition, alarm.active_at)
                body = evidence.note("recovery", transition, text)
                outbox.add(self.db, alarm.order_key, OutboxAction.RECOVER, body, item.at)
            case _:
                pass
        if transition.after is AlarmState.CLEARED:
            self._release(seq, item)

    def _parent(self, rule: str, subject: str) -> Alarm | None:
        """The alarm with an order about the one source over which all devices of the subject speak, if there is one."""
        spec = self._rules.get(rule)
        about = self._subjects.get((spec.per, subject)) if spec is not None and spec.child_of else None
        sources = {device.source for device in about.devices} if about is not None else set()
        if spec is None or spec.child_of is None or len(sources) != 1:
            return None
        alarm = self.ledger.open_alarm(spec.child_of, *sources)
        return alarm if alarm is not None and alarm.disposition is Disposition.OWN_ORDER else None

    def _release(self, seq: int, item: Input) -> None:
        """Children whose parent has ended while they have not are decided anew."""
        for alarm in self.ledger.open_alarms():
            if alarm.disposition is Disposition.CHILD and self._parent(alarm.rule, alarm.asset) is None:
                for restated in self.engine.restate(alarm.rule, alarm.asset, item.at, Cause.RELEASED):
                    self._decide(seq, item, restated)

    def _open(self, alarm: Alarm, transition: Transition, at: datetime) -> None:
        assert self.ruleset is not None  # noqa: S101  no transition comes before the first Reload
        spec = self._rules.get(transition.rule.partition("!")[0])  # `<rule>!faulted` is about the same thing
        about = self._subjects.get((spec.per if spec is not None else "asset", transition.asset))
        name = Text(transition.asset, transition.asset)
        asset = about.asset if about is not None else Asset(transition.asset, "unknown", name)
        origin = evidence.Origin(self.ruleset.catalogue.site, asset, self.ledger.id, self.ruleset.hash)
        template = self._templates.get(transition.rule) or instrument.template(transition.rule)
        order = evidence.draft(transition, template, self._explain(transition), origin, alarm, at)
        document = evidence.document(order)
        self.ledger.add_order(order, document)
        outbox.add(self.db, order.key, OutboxAction.CREATE, document, at)

    def _explain(self, transition: Transition) -> Text:
        assert self.ruleset is not None  # noqa: S101  as above
        rule = self.ruleset.rule_for(transition.rule, transition.asset)
        return explain(transition, rule) if rule is not None else Text(transition.detail, transition.detail)

    def _settle(self, seq: int, item: Input) -> None:
        """After a reload or restart: the ledger says which alarms are open, the engine which are still watched."""
        self._unsettled = False
        if type(item) is Reload:
            self.ledger.audit(item.at, "gateway", "reload", item.rules_hash, "")
        self._mend_instruments(seq, item)
        kept = [alarm for alarm in self.ledger.open_alarms() if not instrument.is_own(alarm)]
        for orphan in self.engine.adopt(kept):
            self._decide(seq, item, orphan)
        for alarm in kept:
            rule = self._rules.get(alarm.rule)
            if alarm.disposition is Disposition.WITHHELD_SHADOW and rule is not None and rule.mode != "shadow":
                for restated in self.engine.restate(alarm.rule, alarm.asset, item.at):
                    self._decide(seq, item, restated)
        self._release(seq, item)

    def _mend_instruments(self, seq: int, item: Input) -> None:
        """Close what the gateway had found wrong with its rules or its program, and is no longer so."""
        faulted = self.engine.faulted
        for alarm in self.ledger.open_alarms():
            watched = instrument.watched_rule(alarm)
            if watched is not None:
                over = (watched, alarm.asset) not in faulted
            else:
                over = alarm.rule == instrument.INPUT_SET_ASIDE and not self.journal.poisoned
            if over:
                self._decide(seq, item, instrument.mended(alarm, item.at))

    def _follow(self, seq: int, item: TicketUpdate | Command) -> None:
        if type(item) is TicketUpdate:
            changed_at = item.changed_at or item.at
            if self.ledger.update_order(item.key, item.status, changed_at, item.by):
                self.ledger.audit(item.at, item.by, f"ticket_{item.status}", item.key, item.note)
            return
        assert type(item) is Command  # noqa: S101  the caller let nothing else through
        if item.name == "acknowledge":
            done = self.ledger.acknowledge(item.target, item.user)
            self.ledger.audit(item.at, item.user, "acknowledge", item.target, item.reason if done else "no such alarm")
        elif item.name in {"fault", "mended"} and item.target in instrument.GATEWAY and self.ruleset is not None:
            self._note_gateway(seq, item, self.ruleset.catalogue.site.id)

    def _note_gateway(self, seq: int, item: Command, site: str) -> None:
        """The gateway says what is wrong with itself, or no longer; saying it twice changes nothing."""
        alarm = self.ledger.open_alarm(item.target, site)
        if item.name == "fault" and alarm is None:
            self._decide(seq, item, instrument.gateway_fault(item.target, site, item.at, item.reason))
        elif item.name == "mended" and alarm is not None:
            self._decide(seq, item, instrument.mended(alarm, item.at))

    def _report_aside(self, seq: int, item: Input) -> None:
        """Loudly, but once: whatever it was, it will come again."""
        detail = self.journal.aside[seq]
        if self.ruleset is None or self.ledger.open_alarm(instrument.INPUT_SET_ASIDE, self.ruleset.catalogue.site.id):
            return
        log.error("input_set_aside", seq=seq, input=detail, advice="read `death` and `quarantine`; upgrade the program")
        fault = Command(item.at, "fault", instrument.INPUT_SET_ASIDE, "gateway", detail)
        self._note_gateway(seq, fault, self.ruleset.catalogue.site.id)

    # --- restart -----------------------------------------------------------------------------------------

    def restore(self, on_progress: Callable[[int], None] | None = None) -> int:
        """Bring the engine to where the journal ends; the number of rows that were replayed.

        `on_progress` is told now and then how many rows have been replayed: without a snapshot it may take minutes.
        What the replay concludes was committed with its rows long ago, so it is not written again.
        """
        after = self._restore_snapshot()
        replayed = 0
        for seq, item in self.journal.after(after):
            if self.journal.is_poison(item):
                log.error("input_skipped", seq=seq, reason="a replay died at it twice")
                continue
            self._replay(item)
            self.journal.survived(item)
            replayed += 1
            if on_progress is not None and replayed % _TELL_EVERY == 0:
                on_progress(replayed)
        self._unsettled = self.ruleset is not None
        return replayed

    def _replay(self, item: Input) -> None:
        try:
            deque(self._step(item), maxlen=0)
        except UnreadableRulesetError as error:
            log.warning("ruleset_unreadable", error=str(error), advice="timers since then start anew")
        except Exception as error:
            self.journal.died(item, item.at, repr(error))
            raise

    def _restore_snapshot(self) -> int:
        """The journal row up to which the engine's state is there; 0 when no snapshot is usable."""
        snapshots = self.journal.snapshots()
        for kept in snapshots:
            try:
                ruleset = self._read_ruleset(kept.rules_hash)
                self.engine = Engine()
                self.engine.reload(ruleset, kept.at)
                self.engine.restore(orjson.loads(kept.state))
            except ValueError as error:
                log.warning("snapshot_unreadable", seq=kept.seq, reason=str(error))
                continue
            self._use(ruleset)
            self._snapshot_at = kept.at
            return kept.seq
        if snapshots:
            self._rebuild(snapshots[-1].rules_hash)
        return 0

    def _rebuild(self, rules_hash: str) -> None:
        """Begin before the oldest row. The Reload that it stood under may be gone: rows before a snapshot make room."""
        log.warning("snapshot_rebuilt", advice="the engine is rebuilt from the journal, as far as it reaches back")
        self.engine = Engine()
        try:
            ruleset = self._read_ruleset(rules_hash)
        except UnreadableRulesetError as error:
            log.warning("ruleset_unreadable", error=str(error), advice="timers start anew")
            return
        self.engine.reload(ruleset, self.journal.first_at())
        self._use(ruleset)

    def _read_ruleset(self, rules_hash: str) -> Ruleset:
        try:
            return Ruleset.from_json(self.journal.ruleset(rules_hash))
        except (ValueError, LookupError) as error:
            raise UnreadableRulesetError(f"ruleset {rules_hash}: {error}") from error

    def _snapshot_if_due(self, at: datetime) -> None:
        if self._snapshot_at is None or at - self._snapshot_at >= SNAPSHOT_EVERY:
            self.snapshot(at)

    def snapshot(self, at: datetime) -> None:
        """Keep the engine's state beside the newest journal row."""
        if self.ruleset is None:
            return
        reached("before_snapshot")
        self.journal.snapshot(at, self.ruleset.hash, self.engine.snapshot())
        self._snapshot_at = at
        reached("after_snapshot")


def _template(rule: RuleSpec) -> evidence.Template:
    order = rule.work_order
    return evidence.Template(
        title=order.title or rule.title,
        category=order.category,
        type=order.type,
        cause=rule.cause,
        consequence=rule.consequence,
        steps=order.steps,
        basis=rule.basis,
    )
