"""What tests of rules never exercise: rules, levels, recoveries, conditions that were never true or never false.

level I of wat.burst     never fired            no test drives it that far
all.1 of wat.burst       never false            leaving it out would fail no test
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from daemon.backtest.rule_test_file import Suite
from daemon.documents import Document, Location
from daemon.model import AlarmState, Level
from daemon.rules.compiled import Test
from daemon.rules.predicates import Condition, leaves
from daemon.rules.rule import RuleSpec
from daemon.rules.schema import read_files


@dataclass(slots=True)
class _Question:
    """One condition of a rule, where it stands, and the answers it was heard to give."""

    place: str
    #: In the rule: `levels.0.when.all.1`.
    path: str
    answers: set[bool] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that no test exercises."""

    place: str
    rule: str
    #: What, in words for both kinds of readers.
    what: str


class Coverage:
    """Collects over many files of tests; a rule that several files test is covered by all of them together."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[RuleSpec, Document, Location]] = {}
        self._questions: dict[str, dict[Location, _Question]] = {}
        #: By `rule|asset` and the condition as JSON: which questions of the file that is.
        self._asked: dict[tuple[str, str], list[_Question]] = {}
        #: (rule, level) that fired, and rules that recovered.
        self._fired: set[tuple[str, Level]] = set()
        self._recovered: set[str] = set()

    def enter(self, suite: Suite) -> None:
        """The next file of tests: learn its rules, and as what its assets ask their conditions."""
        self.add_rules(suite.rule_files)
        self._asked.clear()
        for binding in suite.ruleset.bindings():
            owner = f"{binding.rule.id}|{binding.asset.id}"
            for location, leaf in _leaves(binding.rule):
                question = self._questions[binding.rule.id].get(location)
                if question is not None:
                    self._asked.setdefault((owner, _key(leaf)), []).append(question)

    def add_rules(self, files: Sequence[Path]) -> None:
        """Rules that ought to be exercised.

        Raises:
            ConfigError: the files have faults.
        """
        for document, file in read_files(files):
            for n, rule in enumerate(file.rules):
                if rule.id in self._rules:
                    continue
                at: Location = ("rules", n)
                self._rules[rule.id] = (rule, document, at)
                self._questions[rule.id] = {
                    place: _Question(document.place((*at, *place)), ".".join(map(str, place)))
                    for place, _ in _leaves(rule)
                }

    # --- what the pipeline calls ---------------------------------------------------------------------------

    def watch(self, owner: str, question: object, test: Test) -> Test:
        """See `rules.compiled.Witness`."""
        assert isinstance(question, BaseModel)  # noqa: S101  every condition is one
        answers = [found.answers for found in self._asked.get((owner, _key(question)), ())]

        def heard() -> bool | None:
            verdict = test()
            if verdict is not None:
                for one in answers:
                    one.add(verdict)
            return verdict

        return heard if answers else test

    def took_place(self, db: sqlite3.Connection) -> None:
        """Note what fired and recovered in a test."""
        rows = db.execute("SELECT a.rule, t.level, t.after FROM transition t JOIN alarm a ON a.no = t.alarm_no")
        for rule, level, after in rows:
            self._fired.add((rule, Level(level)))
            if after == AlarmState.CLEARED:
                self._recovered.add(rule)

    # --- result --------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """Rules, levels and answers that there are to exercise; each condition has two."""
        levels = sum(len(rule.levels) + 1 for rule, _, _ in self._watched())
        return levels + 2 * sum(len(self._questions[rule.id]) for rule, _, _ in self._watched())

    def gaps(self) -> list[Gap]:
        """Everything that was never exercised, in the order of the files."""
        return [gap for rule, document, at in self._watched() for gap in self._gaps_of(rule, document, at)]

    def _watched(self) -> Iterator[tuple[RuleSpec, Document, Location]]:
        return (entry for entry in self._rules.values() if entry[0].mode != "off")

    def _gaps_of(self, rule: RuleSpec, document: Document, at: Location) -> Iterator[Gap]:
        for n, rung in enumerate(rule.levels):
            if (rule.id, rung.level) not in self._fired:
                place = document.place((*at, "levels", n))
                yield Gap(place, rule.id, f"level {rung.level.name} never fired 从未触发")
        if rule.id not in self._recovered:
            yield Gap(document.place(at), rule.id, "never recovered 从未恢复")
        for question in self._questions[rule.id].values():
            for verdict, words in ((True, "never true 从未为真"), (False, "never false 从未为假")):
                if verdict not in question.answers:
                    yield Gap(question.place, rule.id, f"{question.path} {words}")


def _leaves(rule: RuleSpec) -> Iterator[tuple[Location, BaseModel]]:
    for n, rung in enumerate(rule.levels):
        at: Location = ("levels", n)
        yield from _placed(rung.when, (*at, "when"))
        if rung.clear is not None and rung.clear.when is not None:
            yield from _placed(rung.clear.when, (*at, "clear", "when"))
    if rule.unless is not None:
        yield from _placed(rule.unless, ("unless",))


def _placed(condition: Condition, at: Location) -> Iterator[tuple[Location, BaseModel]]:
    for leaf, place in leaves(condition, at):
        yield place, leaf


def _key(condition: BaseModel) -> str:
    return condition.model_dump_json(by_alias=True)
