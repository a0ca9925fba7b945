"""Public measurements with known faults, through `rules suggest` and the engine: what its limits find, at what cost.

    file ─> calibration rows ─> suggest ─> rules in YAML ─> load ─> run (Pipeline.process) ─> alarm intervals ─> score

One policy for all files, nothing of it made from them; labels are read for the score only.
"""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.closing_valve import make_valve_run
from benchmarks.plant_faults import DECIDED_ON, HELD_OUT, make_plant_run
from benchmarks.slow_series import hourly
from benchmarks.water_loop import (
    CALIBRATION,
    CHANNELS,
    Found,
    LoopRun,
    Made,
    gathered,
    keeping,
    make_run,
    observations,
    site_of,
)
from daemon.backtest.amended import with_derived
from daemon.backtest.csv_history import CsvHistory
from daemon.backtest.mapping import HistoryMap, TimeSpec
from daemon.backtest.run import Interval, run
from daemon.backtest.suggest import DEFAULT_BUDGET, Gathering
from daemon.backtest.suggest_drafts import derived
from daemon.backtest.suggest_patch import rules_yaml
from daemon.backtest.suggested import Suggestion
from daemon.model import Asset, Catalogue, Device, Input, Point, Site, Text
from daemon.rules.derived import DerivedSpec
from daemon.rules.schema import Ruleset, load

#: False orders a week of one asset: the default of `rules suggest`, and the curve around it.
BUDGET = DEFAULT_BUDGET
CURVE = (0.01, 0.1, BUDGET, 1.0, 10.0, 100.0, 1000.0)
_LABELS = ("anomaly", "changepoint")
SKAB_ROWS, NAB_ROWS = 400, 750
#: Alarms of the NAB file within this count once.
_ONCE = timedelta(hours=12)


class MissingDataError(Exception):
    """The public files are not where they were looked for."""


@dataclass(frozen=True, slots=True)
class SkabScore:
    """Rows of all runs together, no point adjustment."""

    budget: float
    true_alarm: int
    false_alarm: int
    true_quiet: int
    missed: int
    #: Runs with at least one row of their fault in an alarm.
    found: int
    runs: int
    #: Alarms that began before the fault did, over all runs, and the hours in which they could.
    early: int
    healthy_hours: float

    @property
    def f1(self) -> float:
        """TP/(TP+(FP+FN)/2); 0.70 for a detector that alarms always, so look at `far` too."""
        return self.true_alarm / (self.true_alarm + (self.false_alarm + self.missed) / 2)

    @property
    def far(self) -> float:
        """False-alarm rate: FP/(FP+TN)."""
        return self.false_alarm / (self.false_alarm + self.true_quiet)

    @property
    def mar(self) -> float:
        """Missed-alarm rate: FN/(FN+TP)."""
        return self.missed / (self.missed + self.true_alarm)


@dataclass(frozen=True, slots=True)
class NabScore:
    """Windows found, and alarms outside them."""

    budget: float
    found: int
    windows: int
    false: int
    #: Of the rows that were tested.
    weeks: float


class Played(NamedTuple):
    """A file through the engine."""

    intervals: tuple[Interval, ...]
    times: list[datetime]

    def in_alarm(self, at: datetime) -> bool:
        """Whether any alarm of the suggested rules is on then; a storm is one of orders."""
        return any(one.start <= at and (one.end is None or at < one.end) for one in self.intervals)

    @classmethod
    def of(cls, ruleset: Ruleset, history: Iterable[Input]) -> Played:
        """Play it."""
        inputs = list(history)
        ours = {rule.id for rule in ruleset.rules}
        intervals = tuple(one for one in run(ruleset, inputs).intervals if one.rule in ours)
        return cls(intervals, [item.at for item in inputs])


@dataclass(frozen=True, slots=True)
class Scores:
    """Both sets over the curve."""

    skab: tuple[SkabScore, ...]
    nab: tuple[NabScore, ...]

    def as_json(self) -> dict[str, Any]:
        """One object."""
        skab = [asdict(one) | {"f1": one.f1, "far": one.far, "mar": one.mar} for one in self.skab]
        return {"suggested_budget": BUDGET, "skab": skab, "nab": [asdict(one) for one in self.nab]}

    def as_text(self) -> str:
        """Two tables for people."""
        head = f"{'budget/week':>11}{'F1':>7}{'FAR':>8}{'MAR':>8}{'found':>8}{'early':>7}"
        rows = [f"{head}   SKAB valve1 (always alarming: F1 0.70)"]
        for one in self.skab:
            mark = "  <- suggested" if one.budget == BUDGET else ""
            rows.append(
                f"{one.budget:>11g}{one.f1:>7.3f}{one.far:>8.1%}{one.mar:>8.1%}"
                f"{f'{one.found}/{one.runs}':>8}{one.early:>7}{mark}"
            )
        rows += ["", f"{'budget/week':>11}{'found':>8}{'false':>7}   NAB ambient temperature"]
        for its in self.nab:
            mark = "  <- suggested" if its.budget == BUDGET else ""
            rows.append(f"{its.budget:>11g}{f'{its.found}/{its.windows}':>8}{its.false:>7}{mark}")
        return "\n".join(rows)


def public(data: Path, budgets: Sequence[float] = CURVE) -> Scores:
    """Score both sets.

    Args:
        data: the directory with `skab/` and `nab/`.
        budgets: false orders a week.

    Raises:
        MissingDataError: the files are not there.
    """
    runs = sorted((data / "skab" / "valve1").glob("*.csv"), key=lambda path: int(path.stem))
    ambient, windows = data / "nab" / "ambient_temperature_system_failure.csv", data / "nab" / "windows.json"
    if not runs or not ambient.is_file() or not windows.is_file():
        raise MissingDataError(f"{data}: no skab/valve1/*.csv or nab/*: give --data DIR, see docs/benchmarks.md")
    return Scores(tuple(_skab(runs, b) for b in budgets), tuple(_nab(ambient, windows, b) for b in budgets))


def _skab(runs: Sequence[Path], budget: float) -> SkabScore:
    counts = {(alarm, fault): 0 for alarm in (True, False) for fault in (True, False)}
    found = early = 0
    healthy = timedelta()
    for path in runs:
        faults = [row["anomaly"] == "1.0" for row in _rows(path, ";")]
        played = _play(path, SKAB_ROWS, budget, timedelta(seconds=1))
        rows = list(zip(played.times, faults, strict=True))[SKAB_ROWS:]
        alarms = [played.in_alarm(at) for at, _ in rows]
        for alarm, (_, fault) in zip(alarms, rows, strict=True):
            counts[alarm, fault] += 1
        found += any(alarm and fault for alarm, (_, fault) in zip(alarms, rows, strict=True))
        begins = next(at for at, fault in rows if fault)
        early += sum(rows[0][0] <= one.start < begins for one in played.intervals)
        healthy += begins - rows[0][0]
    hours = healthy / timedelta(hours=1)
    tp, fp, tn, fn = (counts[key] for key in ((True, True), (True, False), (False, False), (False, True)))
    return SkabScore(budget, tp, fp, tn, fn, found, len(runs), early, hours)


def _nab(path: Path, windows: Path, budget: float) -> NabScore:
    played = _play(path, NAB_ROWS, budget, timedelta(hours=1))
    zone = played.times[0].tzinfo
    ((*spans,),) = json.loads(windows.read_text()).values()
    labelled = [[datetime.fromisoformat(end).replace(tzinfo=zone) for end in span] for span in spans]
    hit: set[int] = set()
    false: list[datetime] = []
    last = None
    for at in played.times[NAB_ROWS:]:
        if not played.in_alarm(at):
            continue
        inside = [n for n, (since, until) in enumerate(labelled) if since <= at <= until]
        hit.update(inside)
        if not inside:
            if last is None or at - last > _ONCE:
                false.append(at)
            last = at
    weeks = (played.times[-1] - played.times[NAB_ROWS]) / timedelta(weeks=1)
    return NabScore(budget, len(hit), len(labelled), len(false), weeks)


def _play(path: Path, rows: int, budget: float, interval: timedelta) -> Played:
    """Suggest from the first rows, then run the whole file through the engine under what was suggested."""
    history, catalogue = _history(path, interval)
    gathering = Gathering(catalogue)
    gathering.feed(islice(history, rows))
    ruleset = _loaded(gathering.suggest(budget), catalogue)
    return Played.of(ruleset, history)


def _loaded(found: Suggestion, catalogue: Catalogue) -> Ruleset:
    """What was suggested, through the YAML and the loader that a site has."""
    with tempfile.TemporaryDirectory() as folder:
        patch = Path(folder) / "suggested.yaml"
        patch.write_text(rules_yaml(found, catalogue), encoding="utf-8")
        specs = {key: DerivedSpec(**spec) for key, spec in derived(found.together).items()}
        return load([patch], with_derived(catalogue, specs)[0])


#: Kinds of made-up runs.
KINDS: dict[str, Callable[[int], LoopRun]] = {
    "shifts": make_run,
    "closing valve": make_valve_run,
    **{kind: partial(make_plant_run, kind) for kind in (*DECIDED_ON, *HELD_OUT)},
}


def made(runs: int, calibrations: int) -> Made:
    """The same policy on made-up runs, and how it keeps to its budget while all is well."""
    found = tuple(_found(kind, [make(seed) for seed in range(runs)]) for kind, make in KINDS.items())
    return Made(found, hourly(runs, _played_hourly), tuple(keeping(BUDGET, calibrations)))


def _played_hourly(values: list[float]) -> list[bool]:
    """Suggest from the first readings of a slow sensor, then run all of them."""
    every = timedelta(hours=1)
    catalogue = site_of(("p",), every=every)
    history = list(observations({"p": values}, every=every))
    gathering = Gathering(catalogue)
    gathering.feed(history[:NAB_ROWS])
    found = gathering.suggest(BUDGET)
    if not found.suggested:
        return [False] * len(values)
    played = Played.of(_loaded(found, catalogue), history)
    return [played.in_alarm(at) for at in played.times]


def _found(kind: str, runs: Sequence[LoopRun]) -> Found:
    counts: Counter[tuple[bool, bool]] = Counter()
    found = early = 0
    catalogue = site_of(CHANNELS)
    for one in runs:
        ruleset = _loaded(gathered(one, catalogue).suggest(BUDGET), catalogue)
        played = Played.of(ruleset, observations(one.values))
        alarms = [played.in_alarm(at) for at in played.times]
        begin, end = one.fault
        counts.update((alarm, begin <= n < end) for n, alarm in enumerate(alarms) if n >= CALIBRATION)
        found += any(alarms[begin:end])
        early += any(alarms[CALIBRATION:begin])
    tp, fp, tn, fn = (counts[key] for key in ((True, True), (True, False), (False, False), (False, True)))
    return Found(kind, len(runs), tp / (tp + (fp + fn) / 2), fp / (fp + tn), fn / (fn + tp), found, early)


def _history(path: Path, interval: timedelta) -> tuple[CsvHistory, Catalogue]:
    """The file as a site of one asset; every column but time and labels is a point."""
    with path.open(encoding="utf-8") as file:
        header = file.readline().strip()
    delimiter = ";" if ";" in header else ","
    time, *columns = [name for name in header.split(delimiter) if name not in _LABELS]
    names = {column: re.sub(r"\W+", "_", column) for column in columns}
    asset = Asset(path.stem, "loop", Text(path.stem, path.stem))
    device = Device(f"{asset.id}/d", asset.id, "file", 60 * interval)
    points = tuple(Point(f"{asset.id}.{name}", asset.id, device.id, name, interval=interval) for name in names.values())
    catalogue = Catalogue(Site("public", Text("公开数据", "public data"), "UTC"), (asset,), (device,), points)
    mapping = HistoryMap(
        time=TimeSpec(column=time, zone="UTC"),
        delimiter=delimiter,
        columns={column: f"{asset.id}.{name}" for column, name in names.items()},
    )
    return CsvHistory(path, catalogue, mapping), catalogue


def _rows(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter=delimiter)
