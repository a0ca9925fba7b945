"""Every scenario, killed at every moment: nothing may come out otherwise than in the run without a kill.

play ── undisturbed ──> account, compared with timelines/NAME.txt; how often each moment is passed
  └──── killed at (moment, n), started again ──> the same account, nothing twice
"""

from __future__ import annotations

import asyncio
import difflib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.commitpoints import NAMES
from tests.crash.account import account, counted
from tests.crash.kept import Kept, Plan
from tests.crash.plays import PLAYS, Play
from tests.crash.stage import Stage

TIMELINES = Path(__file__).with_name("timelines")
#: Where to kill: every named moment, and around the commit in which a deadline runs out.
POINTS = (*NAMES, "before_commit@after_deadline", "after_commit@after_deadline")
#: Lines of a log that are shown when a run fails.
_LAST_WORDS = 12
#: Killed here, a message has surely been taken and its receipt surely not been written.
_COMES_AGAIN = ("after_notice", "before_notice_receipt")


@dataclass(slots=True)
class Outcome:
    """What came of one run."""

    account: list[str]
    #: What is wrong whatever the account says.
    wrong: list[str]
    #: How often each moment was passed.
    passed: Counter[str]
    kills: int = 0
    #: Messages to people that came twice, each of which had to.
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One run that is to be killed."""

    play: str
    point: str
    n: int

    @property
    def kill_at(self) -> str:
        """As `tests.crash.stepped` takes it."""
        return f"{self.point}:{self.n}"


@dataclass(slots=True)
class Result:
    """What the whole matrix gave."""

    cases: int = 0
    kills: int = 0
    repeats: int = 0
    #: Kills by moment.
    at: Counter[str] = field(default_factory=Counter)
    #: Planned kills whose moment did not come in that run.
    missed: list[Case] = field(default_factory=list)
    #: Moments that no play passes, when all were played.
    unpassed: list[str] = field(default_factory=list)
    #: By play: kills, and the moments that it does not pass.
    plays: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_as_promised(self) -> bool:
        """Nothing came out otherwise, and every moment was killed at."""
        return not (self.wrong or self.missed or self.unpassed)

    def table(self, points: Sequence[str]) -> str:
        """As printed: kills by moment and by play, then the totals."""
        rows = [f"{point:<32} {self.at[point]:>5}" for point in points]
        rows += [
            f"{name:<32} {kills:>5}  not passed: {', '.join(absent) or 'none'}"
            for name, (kills, absent) in self.plays.items()
        ]
        rows += [f"not passed by any: {', '.join(self.unpassed)}"] if self.unpassed else []
        rows += [f"missed: {case.play} {case.kill_at}" for case in self.missed]
        rows.append(
            f"cases={self.cases} kills={self.kills} missed={len(self.missed)} differences={len(self.wrong)} "
            f"repeated_notices={self.repeats} (each was to come again)"
        )
        return "\n".join(rows)


async def perform(play: Play, folder: Path, plan: Plan) -> Outcome:
    """Play once, and take account.

    Raises:
        StuckError: it did not go on.
        EndedError: the daemon ended by itself.
    """
    async with Stage(folder, plan) as stage:
        await play.perform(stage)
        await stage.finish()
        first = stage.gateways[0]
        passed = Counter(line.split()[0] for line in first.trace.read_text().splitlines())
        wrong = [fault for kept in stage.gateways for fault in _notices(kept)] + list(_tickets(stage))
        if first.kills and plan.kill_at.partition(":")[0] in _COMES_AGAIN and not first.repeats:
            wrong.append("a message whose receipt was not written did not come again")
        return Outcome(account(stage), wrong, passed, first.kills, first.repeats.total())


def _notices(kept: Kept) -> Iterator[str]:
    """Every notice at least once; twice only what had been taken and not receipted when the process was killed."""
    taken, receipts = kept.taken(), kept.receipts() + kept.past
    for (service, line), count in (receipts - taken).items():
        yield f"{kept.name}: {service} has a receipt and no message, {count} times: {line}"
    for (service, line), count in (taken - receipts - kept.repeats).items():
        yield f"{kept.name}: {service} was told too often, {count} times: {line}"
    for (service, line), count in (kept.repeats - (taken - receipts)).items():
        yield f"{kept.name}: {service} was to be told again, {count} times: {line}"
    if kept.repeats and not kept.open_windows:
        yield f"{kept.name}: {kept.repeats.total()} messages came again though none was on its way"


def _tickets(stage: Stage) -> Iterator[str]:
    tally = stage.ticketing.store.tally()
    for name in ("duplicates_refused", "note_duplicates_refused"):
        if tally[name]:
            yield f"{tally[name]} {name}: the same key came with another body"
    keys = Counter(str(record["key"]) for record in stage.ticketing.store.find())
    yield from (f"{count} tickets for {key}" for key, count in keys.items() if count > 1)


def expected(play: Play) -> list[str]:
    """What is written down of a play."""
    return (TIMELINES / f"{play.name}.txt").read_text("utf-8").splitlines()


def told(play: Play, lines: Sequence[str]) -> Sequence[str]:
    """An account as it is written down."""
    return counted(lines) if play.is_large else lines


def difference(wanted: Iterable[str], found: Iterable[str]) -> str:
    """What was to be and what is, where they differ; empty when they do not."""
    return "\n".join(difflib.unified_diff(list(wanted), list(found), "expected", "found", lineterm="", n=1))


def picks(count: int, most: int) -> list[int]:
    """At most so many of the passages 1 … count: the first, the last, and some evenly between."""
    if count <= most:
        return list(range(1, count + 1))
    if most == 1:
        return [(count + 1) // 2]
    return sorted({1 + round(k * (count - 1) / (most - 1)) for k in range(most)})


def cases(play: Play, passed: Counter[str], points: Iterable[str], most: int) -> Iterator[Case]:
    """Which kills a play is to survive, by how often it passes each moment when it is left alone."""
    for point in points:
        name, _, after = point.partition("@")
        yield from (Case(play.name, point, n) for n in picks(passed[after or name], most))


@dataclass
class Matrix:
    """Runs plays and kills."""

    names: Sequence[str] = tuple(PLAYS)
    points: Sequence[str] = POINTS
    #: Passages of a moment at which it is killed, in one play.
    most: int = 3
    fault: str = "none"
    jobs: int = 1
    report: Callable[[str], None] = lambda _: None
    result: Result = field(default_factory=Result)

    async def run(self) -> Result:
        """Everything; a run that fails is reported and holds up no other."""
        turn = asyncio.Semaphore(self.jobs)
        passed: Counter[str] = Counter()
        for name in self.names:
            calm = await self._try(PLAYS[name], Plan(fault=self.fault), f"{name}, undisturbed")
            if calm is None:
                continue
            passed += calm.passed
            self._judge(f"{name}, undisturbed", calm, expected(PLAYS[name]), told(PLAYS[name], calm.account))
            found = list(cases(PLAYS[name], calm.passed, self.points, self.most)) if PLAYS[name].is_killed else []
            async with asyncio.TaskGroup() as group:
                for case in found:
                    group.create_task(self._kill(case, calm, turn), name=f"{name} {case.kill_at}")
            self.result.plays[name] = (len(found), self._absent(calm.passed))
            self.report(f"{name}: {len(found)} kills, {len(self.result.wrong)} differences so far")
        self.result.unpassed = self._absent(passed) if set(self.names) == set(PLAYS) else []
        return self.result

    def _absent(self, passed: Counter[str]) -> list[str]:
        return [point for point in self.points if not passed[point.partition("@")[2] or point]]

    async def _kill(self, case: Case, calm: Outcome, turn: asyncio.Semaphore) -> None:
        async with turn:
            what = f"{case.play}, killed at {case.kill_at}"
            self.result.cases += 1
            outcome = await self._try(PLAYS[case.play], Plan(case.kill_at, self.fault), what)
            if outcome is None:
                return
            if outcome.kills:
                self.result.kills += 1
                self.result.at[case.point] += 1
            else:
                self.result.missed.append(case)
            self.result.repeats += outcome.repeats
            self._judge(what, outcome, calm.account, outcome.account)

    async def _try(self, play: Play, plan: Plan, what: str) -> Outcome | None:
        with tempfile.TemporaryDirectory(prefix="play-") as folder:
            try:
                return await perform(play, Path(folder), plan)
            except Exception as error:  # noqa: BLE001  one row of the table; the others are still of interest
                logs = [path.read_text("utf-8", "replace") for path in sorted(Path(folder).glob("*/daemon.log"))]
                ends = "\n".join(line for log in logs for line in log.splitlines()[-_LAST_WORDS:])
                self._wrong(f"{what}: {type(error).__name__}: {error}\n{ends}")
                return None

    def _judge(self, what: str, outcome: Outcome, wanted: Sequence[str], there: Sequence[str]) -> None:
        for fault in outcome.wrong:
            self._wrong(f"{what}: {fault}")
        if found := difference(wanted, there):
            self._wrong(f"{what}:\n{found}")

    def _wrong(self, text: str) -> None:
        self.result.wrong.append(text)
        self.report(text)
