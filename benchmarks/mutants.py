"""How many small faults in `daemon/rules` its tests notice: a random sample of cosmic-ray's mutants, each tested once.

    pip install cosmic-ray==8.7.0
    python -m benchmarks.mutants --json mutants.json
    python -m benchmarks.mutants --again mutants.json      # those that nobody noticed, once more

By hand, on Linux: a run takes half an hour. Every module gets mutants in proportion to its lines; they stand at places
drawn without replacement, and of the changes that cosmic-ray knows for a place one is drawn. Annotations are left
alone: nothing evaluates most of them. No file is touched: each mutant lives in a process of its own, forked from one
that has the libraries and none of the rules.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.machinery
import json
import math
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import hypothesis
import pytest
from typing_extensions import override

ROOT = Path(__file__).parent.parent
RULES = ROOT / "daemon/rules"
#: The quick tests, then the properties of the engine.
TESTS = (
    "tests/unit/rules", "tests/unit/desks/test_arrangements.py", "tests/unit/test_silence.py",
    "tests/unit/test_look_back.py", "tests/properties/test_pasts.py", "tests/properties/test_intervals.py",
    "tests/properties/test_engine.py::test_a_snapshot_at_any_place_changes_nothing",
    "tests/properties/test_engine.py::test_unrelated_points_do_not_matter",
    "tests/properties/test_engine.py::test_a_hold_is_an_unbroken_stretch",
    "tests/properties/test_engine.py::test_an_alarm_is_one_chain_of_states",
)  # fmt: skip
#: Examples of each property, always the same ones.
EXAMPLES = 15
#: What a mutant may take for itself, bytes: some never end.
MEMORY = 1_500_000_000
#: Imported once, for all mutants.
LIBRARIES = ("_pytest.main", "pydantic", "pytest_asyncio.plugin", "hypothesis.strategies", "sqlite3", "daemon.model")


class Place(NamedTuple):
    """One change at one place of a module."""

    module: str
    operator: str
    #: Which of the operator's changes in this module, from 0.
    occurrence: int
    line: int
    column: int


class Verdict(NamedTuple):
    """What became of a mutant."""

    place: Place
    #: `killed`, `timeout` or `survived`.
    fate: str
    #: The line as it was and as the mutant has it.
    change: tuple[str, str]


# --- mutants -------------------------------------------------------------------------------------------------


def _annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From and to, as line and column, of each annotation."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.returns)
    return [
        ((one.lineno, one.col_offset), (one.end_lineno or one.lineno, one.end_col_offset or 0)) for one in found if one
    ]


def _places(path: Path) -> Iterator[Place]:
    """All changes that cosmic-ray would make in a module, but those of annotations."""
    plugins = importlib.import_module("cosmic_ray.plugins")
    parsing = importlib.import_module("cosmic_ray.ast")
    source = path.read_text("utf-8")
    notes = _annotations(source)
    nodes = list(parsing.ast_nodes(parsing.get_ast(source)))
    for name in sorted(plugins.operator_names()):
        kind = plugins.get_operator(name)
        if kind.arguments() or name == "core/NoOp":
            continue  # such as need to be told a variable's name
        at = -1
        for start, _ in (span for node in nodes for span in kind().mutation_positions(node)):
            at += 1
            if not any(first <= start < last for first, last in notes):
                yield Place(path.stem, name, at, *start)


def _lines(path: Path) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in path.read_text("utf-8").split("\n"))


def draw(size: int, seed: int) -> list[Place]:
    """A sample over all modules, in proportion to their lines; always the same for a seed."""
    chance = random.Random(seed)
    modules = {path: _lines(path) for path in sorted(RULES.glob("*.py"))}
    whole = sum(modules.values())
    drawn: list[Place] = []
    for path, lines in modules.items():
        spots: dict[tuple[int, int], list[Place]] = {}
        for place in _places(path):
            spots.setdefault((place.line, place.column), []).append(place)
        wanted = min(len(spots), round(size * lines / whole))
        drawn.extend(chance.choice(spots[spot]) for spot in sorted(chance.sample(sorted(spots), wanted)))
    chance.shuffle(drawn)  # whatever has been tested so far is a sample, too
    return drawn


def mutate(place: Place) -> tuple[str, tuple[str, str]]:
    """The module's source with the change in it; and the first line that differs, as it was and as it is."""
    plugins = importlib.import_module("cosmic_ray.plugins")
    mutating = importlib.import_module("cosmic_ray.mutating")
    source = (RULES / f"{place.module}.py").read_text("utf-8")
    changed: str = mutating.mutate_code(source, plugins.get_operator(place.operator)(), place.occurrence)
    pairs = zip(source.split("\n"), changed.split("\n"), strict=False)
    return changed, next(((old.strip(), new.strip()) for old, new in pairs if old != new), ("", ""))


# --- testing one ---------------------------------------------------------------------------------------------


class _Loader(importlib.machinery.SourceFileLoader):
    """Gives a module another source than its file has."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    @override
    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds the mutant in the place of its module."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self._name = name
        self._loader = _Loader(name, path, source)

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self._loader, origin=self._loader.path)


class _Order:
    """Has the tests that are named after a module run first, and each property on few examples, always the same."""

    def __init__(self, module: str) -> None:
        self._first = f"test_{module}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: item.path.stem != self._first)
        for item in items:
            test: Any = getattr(item, "obj", None)
            own = getattr(test, "_hypothesis_internal_use_settings", None)
            if own is not None and not own.derandomize:
                few = hypothesis.settings(own, derandomize=True, database=None, max_examples=EXAMPLES)
                test._hypothesis_internal_use_settings = few  # noqa: SLF001  no public way after decoration


def _test(module: str, source: str) -> int:
    """Run the tests with this source in the place of a module's; return pytest's exit code."""
    os.setsid()
    os.nice(15)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    if module:
        sys.meta_path.insert(0, _Finder(f"daemon.rules.{module}", str(RULES / f"{module}.py"), source))
    #: Its plugins are there before it, with the other libraries.
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return pytest.main([*options, *TESTS], plugins=[_Order(module)])


def _start(module: str, source: str) -> int:
    """Test one in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    code = 3
    try:
        code = int(_test(module, source))
    finally:
        os._exit(code)


def _fate(child: int, until: float) -> str | None:
    """What has become of a mutant, None while it runs; one that does not end in time is ended."""
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
    if time.monotonic() < until:
        return None
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def _passes(timeout: float) -> bool:
    """Whether the tests pass without any mutant."""
    child, until = _start("", ""), time.monotonic() + timeout
    while (fate := _fate(child, until)) is None:
        time.sleep(0.05)
    return fate == "survived"


def test_all(places: Sequence[Place], workers: int, timeout: float) -> Iterator[Verdict]:
    """Test each mutant; a few at a time."""
    waiting = list(reversed(places))
    running: dict[int, tuple[float, Place, tuple[str, str]]] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            place = waiting.pop()
            source, change = mutate(place)
            running[_start(place.module, source)] = (time.monotonic() + timeout, place, change)
        time.sleep(0.05)
        for child, (until, place, change) in list(running.items()):
            fate = _fate(child, until)
            if fate is not None:
                del running[child]
                yield Verdict(place, fate, change)


# --- telling it ----------------------------------------------------------------------------------------------


def interval(share: float, size: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was seen in a sample."""
    z = 1.96
    middle = (share + z * z / 2 / size) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(share * (1 - share) / size + z * z / 4 / size / size)
    return middle - half, middle + half


def _tell(verdicts: Sequence[Verdict]) -> None:
    fates = Counter(verdict.fate for verdict in verdicts)
    dead = fates["killed"] + fates["timeout"]
    low, high = interval(dead / len(verdicts), len(verdicts))
    told = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
    print(f"{len(verdicts)} mutants: {told}; noticed {dead / len(verdicts):.1%} (95 %: {low:.1%} to {high:.1%})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=350, help="about how many mutants (default 350)")
    parser.add_argument("--seed", type=int, default=4, help="of the draw (default 4)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for one mutant (default 120)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="the survivors of an earlier run's --json")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what became of each, as it becomes known")
    return parser.parse_args()


def main() -> int:
    """Draw, test and tell."""
    chosen = _arguments()
    os.chdir(ROOT)
    for library in LIBRARIES:
        importlib.import_module(library)
    if chosen.again is None:
        places = draw(chosen.sample, chosen.seed)
    else:
        kept = json.loads(chosen.again.read_text("utf-8"))
        places = [Place(*one[0]) for one in kept if one[1] == "survived"]
    if not _passes(chosen.timeout):
        print("the tests fail without any mutant", file=sys.stderr)
        return 2
    verdicts: list[Verdict] = []
    for verdict in test_all(places, chosen.workers, chosen.timeout):
        verdicts.append(verdict)
        if chosen.json is not None:
            chosen.json.write_text(json.dumps(verdicts, indent=1, ensure_ascii=False) + "\n", "utf-8")
        if verdict.fate != "killed":
            old, new = verdict.change
            where = f"{verdict.place.module}.py:{verdict.place.line}"
            print(
                f"{verdict.fate} {where} {verdict.place.operator.removeprefix('core/')}\n  - {old}\n  + {new}",
                flush=True,
            )
    _tell(verdicts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
