"""`precomplaint rules …`: what engineers do with rules before a site sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from daemon import settings
from daemon.backtest.rule_test import run_file
from daemon.cli.backtest import backtest
from daemon.cli.terminal import FAILED, Output, OutputOption, err, print_json, print_line
from daemon.model import ConfigError

app = typer.Typer(no_args_is_help=True, help="Work on rules: test them, play histories through them.")
app.command("backtest")(backtest)


@app.callback()
def _group() -> None:
    """Work on rules: test them, play histories through them."""


@app.command("test")
def run_tests(
    places: Annotated[
        list[Path] | None, typer.Argument(help="*.test.yaml files, or directories of them; default: the shipped ones")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run the tests that lie beside rules; an alarm or order that nobody listed fails. Exit 1 when one failed."""
    files = [file for place in places or [settings.shipped() / "rules"] for file in _test_files(place)]
    results = [(file, outcome) for file in files for outcome in run_file(file)]
    failed = [(file, outcome) for file, outcome in results if outcome.failures]
    if output is Output.JSON:
        rows = [{"file": str(f), "title": o.title, "failures": list(o.failures)} for f, o in results]
        print_json({"passed": len(results) - len(failed), "failed": len(failed), "tests": rows})
    else:
        for file, outcome in failed:
            print_line(f"{file}: {outcome.title}")
            for line in outcome.failures:
                print_line(f"    {line}")
        print_line(f"{len(results) - len(failed)} passed 通过, {len(failed)} failed 失败")
    if not results:
        err.print("没有找到测试 no tests found", highlight=False)
    if failed or not results:
        raise typer.Exit(FAILED)


def _test_files(place: Path) -> list[Path]:
    if not place.exists():
        raise ConfigError([f"{place}: does not exist; name a .test.yaml file or a directory"])
    return sorted(place.glob("**/*.test.yaml")) if place.is_dir() else [place]
