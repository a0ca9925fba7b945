"""A backtest: history through the production pipeline, alarms and orders out.

    history ──> Run.feed ──> [Tick at each deadline between two inputs] ──> Pipeline.process ──> ledger ──> Result

The file is SQLite's own temporary one and holds what the rules concluded, never what they were fed: memory does not
grow with the length of a history. What is concluded follows from the inputs alone, as in production.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import NamedTuple, Self

from daemon.backtest.journal_history import Recording
from daemon.model import EPOCH, Disposition, Input, Level, Observation, Rejection, Reload, Text, Tick
from daemon.pipeline import Pipeline
from daemon.rules.schema import Ruleset
from daemon.store import ledger
from daemon.store.db import connect, set_fact

#: Between inputs that follow each other more closely nobody needs to be told that time goes on: production looks every
#: tenth of a second whether a deadline has run out.
_CLOSE = timedelta(milliseconds=100)
#: Inputs in one batch: enough to make its fixed cost small.
_BATCH = 512
#: Inputs in one transaction; on a temporary file it costs nothing to lose one.
_TRANSACTION = 100_000
#: SQLite's word for no limit.
_ALL = -1
#: Alarms of a backtest are nobody else's; the same in every run, so that runs can be compared.
_LEDGER = "backtest"
#: Rejections that are kept to be shown.
_SHOWN = 20


class Interval(NamedTuple):
    """One alarm from its activation to its end, in the readings' own time.

    `start` is a reading's timestamp, or that plus the hold; so is `end`. A reading at `t` lies in the alarm when
    start <= t < end.
    """

    no: int
    rule: str
    #: What the alarm is about: an asset, or with `per: device` or `per: source` one of these.
    asset: str
    #: The most urgent level that it came to.
    level: Level
    first_level: Level
    start: datetime
    #: None: it is still open when the history ends.
    end: datetime | None
    disposition: Disposition
    #: The key of its own work order.
    order: str | None
    #: What its order is, or would be: `pre_complaint`, `incident` or `instrument`.
    type: str = "pre_complaint"

    @property
    def has_order(self) -> bool:
        """Whether somebody would have been sent."""
        return self.order is not None


class OrderMade(NamedTuple):
    """One work order."""

    key: str
    alarm_no: int
    rule: str
    asset: str
    #: At the end of the history; it may have gone up since the order was made.
    level: Level
    #: `pre_complaint`, `incident` or `instrument`.
    type: str
    title: Text
    #: When it would have gone out.
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a history."""

    intervals: tuple[Interval, ...]
    orders: tuple[OrderMade, ...]
    #: Of the history's first and last input; None when there was none.
    first_at: datetime | None
    last_at: datetime | None
    inputs: int
    readings: int
    #: What stood in the history and was no reading, and the first of these.
    rejected: int
    rejections: tuple[Rejection, ...]
    #: Rules that failed, by (rule, asset).
    faulted: dict[tuple[str, str], str]

    @property
    def span(self) -> timedelta:
        """From the first input to the last."""
        return self.last_at - self.first_at if self.first_at is not None and self.last_at is not None else timedelta()


class Run:
    """One pipeline that a history is fed to; several may be fed the same."""

    def __init__(self, rules: Ruleset | Recording) -> None:
        """Open the file.

        Args:
            rules: in force from the first input on, whatever Reload stands in the history; or a recording, whose
                inputs are everything that happened: no Tick is added and every Reload counts.
        """
        self._db = connect("")
        self._ruleset = rules if isinstance(rules, Ruleset) else None
        ledger_id = _LEDGER if isinstance(rules, Ruleset) else rules.ledger_id
        set_fact(self._db, "ledger_id", ledger_id)
        self.pipeline = Pipeline(self._db, transient=True)
        bodies = {rules.hash: rules.to_json()} if isinstance(rules, Ruleset) else rules.rulesets
        for name, body in bodies.items():
            self.pipeline.journal.add_ruleset(name, body, EPOCH)
        self._last_at: datetime | None = None
        self._first_at: datetime | None = None
        self._pending: list[Input] = []
        self._since_commit = 0
        self._inputs = self._readings = self._rejected = 0
        self._rejections: list[Rejection] = []
        self._db.execute("BEGIN")

    def feed(self, inputs: Iterable[Input]) -> None:
        """Take in the next inputs; their `at` never goes back."""
        pending, recorded = self._pending, self._ruleset is None
        if self._last_at is None:
            inputs = self._begin(inputs)
        last = self._last_at or EPOCH
        for item in inputs:
            if not recorded:
                if type(item) is Reload:
                    continue
                if item.at - last > _CLOSE or len(pending) >= _BATCH:
                    self._process(pending)
                    self._until(item.at)
            elif len(pending) >= _BATCH:
                self._process(pending)
            last = item.at
            pending.append(item)
            if type(item) is Observation:
                self._readings += len(item.readings)
                if item.rejections:
                    self._reject(item.rejections)
        self._last_at = last

    def _begin(self, inputs: Iterable[Input]) -> Iterable[Input]:
        iterator = iter(inputs)
        for item in iterator:
            self._first_at = self._last_at = item.at
            if self._ruleset is not None:
                self.pipeline.process([Reload(item.at, self._ruleset.hash)])
            yield item
            break
        yield from iterator

    def _process(self, pending: list[Input]) -> None:
        if not pending:
            return
        self.pipeline.process(pending)
        self._inputs += len(pending)
        self._since_commit += len(pending)
        pending.clear()
        if self._since_commit >= _TRANSACTION:
            self._db.execute("COMMIT")
            self._db.execute("BEGIN")
            self._since_commit = 0

    def _until(self, at: datetime) -> None:
        """Let time go on up to, but not to, `at`: what runs out in between is seen then, as in production."""
        pipeline = self.pipeline
        before = None
        while (due := pipeline.next_deadline()) is not None and due < at and due != before:
            pipeline.process([Tick(due)])
            before = due

    def _reject(self, rejections: Sequence[Rejection]) -> None:
        self._rejected += len(rejections)
        self._rejections.extend(rejections[: _SHOWN - len(self._rejections)])

    def finish(self) -> Result:
        """The history is over: what it came to. Nothing can be fed afterwards."""
        self._process(self._pending)
        self._db.execute("COMMIT")
        intervals = tuple(
            Interval(
                s.no,
                s.rule,
                s.asset,
                s.worst_level,
                s.first_level,
                s.active_at,
                s.cleared_at,
                s.disposition,
                s.order_key,
                self.pipeline.known.template(s.rule).type,
            )
            for s in ledger.stretches(self._db)
        )
        return Result(
            intervals,
            tuple(_orders(self._db)),
            self._first_at,
            self._last_at,
            self._inputs,
            self._readings,
            self._rejected,
            tuple(self._rejections),
            dict(self.pipeline.engine.faulted),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


def _orders(db: sqlite3.Connection) -> Iterator[OrderMade]:
    for row in reversed(ledger.orders(db, _ALL)):
        title = row.document["title"]
        kind = str(row.document["type"])
        words = Text(title["zh"], title["en"])
        yield OrderMade(row.key, row.alarm_no, row.rule, row.asset, row.level, kind, words, row.created_at)


def run(rules: Ruleset | Recording, history: Iterable[Input]) -> Result:
    """What these rules make of a history, whose `at` never goes back.

    The rules come into force with the first input. A history that ends leaves alarms open: nothing that would only
    happen later is counted.

    Args:
        rules: the rules, and the catalogue of the site; points that the history does not have should not be in it
            (`mapping.heard_only`), or rules on silence will tell so. Or a recording, see `Run`.
        history: Observations, and whatever else may be an input.
    """
    with Run(rules) as backtest:
        backtest.feed(history)
        return backtest.finish()
