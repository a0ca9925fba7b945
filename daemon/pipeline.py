"""The spine. One thread runs it, one transaction holds a batch, and nothing else changes state.

emit ─> Writer (gathers, one thread) ─> Pipeline.process ─> journal.append
                                                         ─> engine.step ─> desks ─> ledger, outbox
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
from daemon.desks.alarms import AlarmDesk
from daemon.desks.complaints import ComplaintDesk
from daemon.desks.desk import Desk, Entry
from daemon.desks.known_rules import KnownRules
from daemon.desks.orders import OrderDesk
from daemon.model import Input, Observation, Reload, Taken, Tick, Transition
from daemon.rules.engine import Engine
from daemon.rules.schema import Ruleset
from daemon.store.folds import Folds
from daemon.store.journal import Journal
from daemon.store.ledger import Ledger
from daemon.store.mutes import Mutes
from daemon.workorders.sla import Sla

log = structlog.get_logger(__name__)

SNAPSHOT_EVERY = timedelta(seconds=60)
#: Replayed rows, about a second's work on a slow gateway.
_TELL_EVERY = 10_000


class UnreadableRulesetError(ValueError):
    """A stored ruleset is missing, or this version of the program no longer reads it."""


class Pipeline:
    """Inputs in, durable decisions out; the same for production, rule tests and backtests."""

    def __init__(self, db: sqlite3.Connection, *, not_before_seq: int = 0, transient: bool = False) -> None:
        """Take up where the file left off.

        Args:
            db: the file.
            not_before_seq: the highest sequence number known to have been given away, whatever the file says.
            transient: nobody will ever restart from this file (a backtest): no journal rows and no snapshots are kept,
                all the rest is the same.
        """
        self.db = db
        self.journal = Journal(db, not_before_seq=not_before_seq, transient=transient)
        self._transient = transient
        self.ledger = Ledger(db)
        self.known = KnownRules()
        orders = self._orders = OrderDesk(db, self.ledger, self.known)
        self._alarms = AlarmDesk(self.ledger, self.journal, (Folds(db), Mutes(db)), self.known, orders)
        #: Asked in this order.
        self._desks: tuple[Desk, ...] = (self._alarms, orders, ComplaintDesk(db, self.ledger, self.known, orders))
        #: The input in work: what died, if processing dies.
        self.current: Input | None = None
        self._snapshot_at: datetime | None = None
        #: What is due next at the desks, kept at hand, for each input asks.
        self._due: datetime | None = None
        self._look_ahead()

    @property
    def engine(self) -> Engine:
        """What the rules conclude comes from here."""
        return self.known.engine

    def respond_by(self, sla: Sla) -> None:
        """Have orders from here on follow a response mechanism; open ones keep what was promised."""
        self._orders.sla = sla

    @property
    def ruleset(self) -> Ruleset | None:
        """The rules in force; None before the first Reload."""
        return self.known.ruleset

    def process(self, inputs: Sequence[Input], taken: Iterable[Taken] = ()) -> list[tuple[int, Input]]:
        """Journal the inputs, step the rules, write down what follows. Runs inside the caller's transaction."""
        numbered = self.journal.append(self._noting(inputs), taken)
        charting = self._orders.charting
        for n, (seq, item) in enumerate(numbered):
            self.current = item
            entry = Entry(seq, item)
            charting.seq = seq
            if seq in self.journal.aside:
                self._alarms.report_aside(entry)
            due = self.known.engine.next_deadline()
            if (due is not None and due <= item.at) or (self._due is not None and self._due <= item.at):
                self._run_out(entry)
            if transitions := self._step(item):
                self._decide(entry, transitions)
            if (type(item) is not Observation and type(item) is not Tick) or self._alarms.unsettled:
                for desk in self._desks:
                    desk.heed(entry)
                self._look_ahead()
            if self._orders.judging:
                self._look(item.at)
            if type(item) is Observation and self.known.engine.computed:
                numbered[n] = (seq, self._with_computed(seq, item))
        self.current = None
        if numbered:
            self._snapshot_if_due(numbered[-1][1].at)
        return numbered

    def _with_computed(self, seq: int, item: Observation) -> Observation:
        """With the values of derived points; a replay computes them again, and does not write them again."""
        item = item._replace(computed=tuple(self.engine.computed))
        self.journal.add_computed(seq, item)
        return item

    def _noting(self, inputs: Iterable[Input]) -> Iterator[Input]:
        for self.current in inputs:
            yield self.current

    def _decide(self, entry: Entry, transitions: Iterable[Transition]) -> None:
        for transition in transitions:
            for desk in self._desks:
                desk.decide(entry, transition)
        self._look_ahead()

    def _run_out(self, entry: Entry) -> None:
        """What is due by now with the rules and at the desks, in the order of its moments, the rules first.

        One by one, for what is decided may be due soon itself: so it does not matter which input reveals it.
        """
        until = entry.item.at
        while True:
            due, of_rules = self._due, self.engine.next_deadline()
            if of_rules is not None and of_rules <= until and (due is None or of_rules <= due):
                self._decide(entry, self.engine.catch_up(of_rules, until))
                if self._orders.judging:
                    self._look(of_rules)
                continue
            if due is None or due > until:
                return
            reached("before_deadline")
            for desk in self._desks:
                its = desk.next_deadline()
                if its is not None and its <= due:
                    desk.run_out(due, entry)
            self._look_ahead()
            reached("after_deadline")

    def _look(self, moment: datetime) -> None:
        """What the engine has done may have taken the data of a repair that is judged, or brought it back."""
        self._orders.look(moment)
        self._look_ahead()

    def _look_ahead(self) -> None:
        dues = (desk.next_deadline() for desk in self._desks)
        self._due = min((due for due in dues if due is not None), default=None)

    def next_deadline(self) -> datetime | None:
        """No Tick before this changes anything."""
        dues = (self.engine.next_deadline(), self._due)
        return min((due for due in dues if due is not None), default=None)

    # --- rules -------------------------------------------------------------------------------------------

    def _step(self, item: Input) -> Iterable[Transition]:
        return self.engine.step(item) if type(item) is not Reload else self._take_up(item)

    def _take_up(self, item: Reload) -> Iterator[Transition]:
        """One by one: what has run out by now is decided under the rules under which it ran out."""
        yield from self.engine.step(item)
        ruleset = self._read_ruleset(item.rules_hash)
        self.known.take(ruleset)
        yield from self.engine.reload(ruleset, item.at)

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
        self._alarms.unsettled = self.ruleset is not None
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
                self.known.engine = Engine()
                self.engine.reload(ruleset, kept.at)
                self.engine.restore(orjson.loads(kept.state))
            except ValueError as error:
                log.warning("snapshot_unreadable", seq=kept.seq, reason=str(error))
                continue
            self.known.take(ruleset)
            self._snapshot_at = kept.at
            return kept.seq
        if snapshots:
            self._rebuild(snapshots[-1].rules_hash)
        return 0

    def _rebuild(self, rules_hash: str) -> None:
        """Begin before the oldest row. The Reload that it stood under may be gone: rows before a snapshot make room."""
        log.warning("snapshot_rebuilt", advice="the engine is rebuilt from the journal, as far as it reaches back")
        self.known.engine = Engine()
        try:
            ruleset = self._read_ruleset(rules_hash)
        except UnreadableRulesetError as error:
            log.warning("ruleset_unreadable", error=str(error), advice="timers start anew")
            return
        self.engine.reload(ruleset, self.journal.first_at())
        self.known.take(ruleset)

    def _read_ruleset(self, rules_hash: str) -> Ruleset:
        try:
            return Ruleset.from_json(self.journal.ruleset(rules_hash))
        except (ValueError, LookupError) as error:
            raise UnreadableRulesetError(f"ruleset {rules_hash}: {error}") from error

    def _snapshot_if_due(self, at: datetime) -> None:
        if self._transient:
            return
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
