"""`precomplaint rules …`: what engineers do with rules before a site sees them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from daemon import settings
from daemon.backtest.coverage import Coverage
from daemon.backtest.rule_test import Outcome, run_file
from daemon.cli.backtest import backtest
from daemon.cli.explain import explain
from daemon.cli.junit import write_junit
from daemon.cli.suggest import suggest
from daemon.cli.terminal import FAILED, Output, OutputOption, err, print_json, print_line
from daemon.model import ConfigError
from daemon.rules.schema import rule_paths

app = typer.Typer(no_args_is_help=True, help="Work on rules: test them, play histories through them, suggest limits.")
app.command("backtest")(backtest)
app.command("explain")(explain)
app.command("suggest")(suggest)


@app.callback()
def _group() -> None:
    """Work on rules: test them, play histories through them, suggest limits."""


@app.command("test")
def run_tests(
    places: Annotated[
        list[Path] | None, typer.Argument(help="*.test.yaml files, or directories of them; default: the shipped ones")
    ] = None,
    wanted: Annotated[str | None, typer.Option("--run", help="only tests whose title matches this pattern")] = None,
    junit: Annotated[Path | None, typer.Option(help="write the outcomes as JUnit XML")] = None,
    *,
    coverage: Annotated[bool, typer.Option("--coverage", help="list what no test exercises")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run the tests that lie beside rules; an alarm or order that nobody listed fails. Exit 1 when one failed."""
    files = [file for place in places or [settings.shipped() / "rules"] for file in _test_files(place)]
    seen = Coverage() if coverage else None
    results = _outcomes(files, _pattern(wanted), seen)
    failed = [(file, outcome) for file, outcome in results if outcome.failures]
    if seen is not None:
        seen.add_rules(rule_paths([place for place in places or [settings.shipped() / "rules"] if place.is_dir()]))
    if junit is not None:
        write_junit(junit, results)
    if output is Output.JSON:
        _print_json(results, seen)
    else:
        for _, outcome in failed:
            print_line(f"{outcome.place}: {outcome.title}")
            for line in outcome.failures:
                print_line(f"    {line}")
        if seen is not None:
            _show_coverage(seen)
        print_line(f"{len(results) - len(failed)} passed 通过, {len(failed)} failed 失败")
    if not results:
        err.print("没有找到测试 no tests found", highlight=False)
    if failed or not results:
        raise typer.Exit(FAILED)


def _outcomes(
    files: Sequence[Path], wanted: re.Pattern[str] | None, seen: Coverage | None
) -> list[tuple[Path, Outcome]]:
    results: list[tuple[Path, Outcome]] = []
    faults: list[str] = []
    for file in files:
        try:
            results += [(file, outcome) for outcome in run_file(file, wanted, seen)]
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    return results


def _pattern(wanted: str | None) -> re.Pattern[str] | None:
    try:
        return None if wanted is None else re.compile(wanted, re.IGNORECASE)
    except re.error as error:
        raise ConfigError([f"--run: {wanted!r} is no pattern: {error}"]) from error


def _print_json(results: Sequence[tuple[Path, Outcome]], seen: Coverage | None) -> None:
    failed = sum(bool(outcome.failures) for _, outcome in results)
    rows = [{"file": str(f), "title": o.title, "place": o.place, "failures": list(o.failures)} for f, o in results]
    document: dict[str, object] = {"passed": len(results) - failed, "failed": failed, "tests": rows}
    if seen is not None:
        document["coverage"] = {"total": seen.total, "never": [asdict(gap) for gap in seen.gaps()]}
    print_json(document)


def _show_coverage(seen: Coverage) -> None:
    gaps, total = seen.gaps(), seen.total
    for gap in gaps:
        print_line(f"{gap.place}: {gap.rule}: {gap.what}")
    share = (total - len(gaps)) / total if total else 1.0
    print_line(f"覆盖 coverage: {total - len(gaps)} of {total} ({share:.1%})")


def _test_files(place: Path) -> list[Path]:
    if not place.exists():
        raise ConfigError([f"{place}: does not exist; name a .test.yaml file or a directory"])
    return sorted(place.glob("**/*.test.yaml")) if place.is_dir() else [place]
