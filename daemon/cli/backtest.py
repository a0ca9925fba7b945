"""`precomplaint rules backtest`: what rules would have done with a history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from daemon import settings
from daemon.backtest import site as sites
from daemon.backtest.amended import amended
from daemon.backtest.complaints import read_complaints
from daemon.backtest.document import Findings, as_json, interval_table
from daemon.backtest.figures import against, score
from daemon.backtest.histories import History, notes_on, open_history, points_of, together
from daemon.backtest.journal_history import JournalHistory, Recording
from daemon.backtest.mapping import HistoryMap
from daemon.backtest.report import report
from daemon.backtest.run import Result, Run
from daemon.backtest.site import KnownSite
from daemon.cli.backtest_view import show
from daemon.cli.histories import known_site, watched
from daemon.cli.terminal import FAILED, Output, OutputOption, print_json
from daemon.documents import build, parse_span, read
from daemon.model import ConfigError, Input
from daemon.rules.schema import Ruleset

_MINUTE = timedelta(minutes=1)


def backtest(  # noqa: PLR0913, PLR0917  one option each
    more: Annotated[list[str] | None, typer.Argument(help="more histories", metavar="[PATH]...")] = None,
    history: Annotated[
        list[str] | None, typer.Option(help="CSV, Parquet, line protocol, or a state file of the gateway")
    ] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help="YAML: which column is which point")] = None,
    rules: Annotated[list[Path] | None, typer.Option(help="rules instead of the site's: directory or file")] = None,
    changes: Annotated[
        Path | None,
        typer.Option("--with", help="derived points and overrides that --rules need, as suggest writes them"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="the site: gateway.yaml or its directory", envvar="PRECOMPLAINT_CONFIG"),
    ] = None,
    other: Annotated[list[Path] | None, typer.Option("--against", help="rules to compare with")] = None,
    complaints: Annotated[Path | None, typer.Option(help="CSV of time, asset, text: score the orders")] = None,
    horizon: Annotated[str, typer.Option(help="an order counts for complaints up to so long after its alarm")] = "24h",
    intervals: Annotated[Path | None, typer.Option(help="write the alarms as .csv or .json")] = None,
    page: Annotated[Path | None, typer.Option("--html", help="write a report that needs nothing else")] = None,
    *,
    sort: Annotated[bool, typer.Option("--sort", help="the history is not in order of time: put it in order")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Play a history through the rules and tell the alarms and orders; nothing is sent and nothing else is written."""
    places = [*(history or ()), *(more or ())]
    if not places:
        raise ConfigError(["rules backtest: no history; give --history PATH, see docs/backtest.md"])
    try:
        span = parse_span(horizon)
    except ValueError as error:
        raise ConfigError([f"--horizon: {error}"]) from error
    columns = build(HistoryMap, read(mapping)) if mapping is not None else None
    site = _known(places, columns, config, changes, rules)
    said = read_complaints(complaints, site.catalogue.site.timezone) if complaints is not None else None
    histories = [open_history(place, site.catalogue, columns, in_order=not sort) for place in places]
    ruleset, fed = _rules(histories, site, rules)
    results = _play(fed, histories, site, [_heard(site.rules(other), histories)] if other else [])
    result = results[0]
    found = Findings(
        tuple(places),
        site.catalogue,
        ruleset.hash if ruleset is not None else "",
        sum(1 for _ in ruleset.bindings()) if ruleset is not None else 0,
        result,
        tuple(dict.fromkeys(name for one in histories for name in one.ignored)),
        {rule.id: rule.title for rule in ruleset.rules} if ruleset is not None else {},
        tuple(notes_on(histories)),
        against(result, results[1]) if other else None,
        score(result, said, site.catalogue, span) if said is not None else None,
    )
    if intervals is not None:
        _write(intervals, interval_table(result.intervals, as_csv=intervals.suffix != ".json"))
    if page is not None:
        _write(page, report(found))
    if output is Output.JSON:
        print_json(as_json(found))
    else:
        show(found)
    if result.faulted:
        raise typer.Exit(FAILED)


def _known(
    places: Sequence[str],
    columns: HistoryMap | None,
    config: Path | None,
    changes: Path | None,
    rules: list[Path] | None,
) -> KnownSite:
    site = known_site(places, columns, config)
    if changes is None:
        return site
    if rules is None:
        raise ConfigError(["--with: give the rules that it belongs to as --rules"])
    return amended(site, changes)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}"]) from error


def _rules(
    histories: Sequence[History], site: KnownSite, paths: list[Path] | None
) -> tuple[Ruleset | None, Ruleset | Recording]:
    """The rules to be told, and what the pipeline is to go by: a journal alone is played as it was recorded."""
    alone = histories[0]
    if paths is None and len(histories) == 1 and isinstance(alone, JournalHistory):
        return site.ruleset, alone.recording
    wanted = site.ruleset if paths is None else None
    found = _heard(wanted or site.rules(paths or [settings.shipped() / "rules"]), histories)
    return found, found


def _heard(ruleset: Ruleset, histories: Sequence[History]) -> Ruleset:
    points = points_of(histories)
    return ruleset if points is None else sites.heard_by(ruleset, points)


def _play(
    rules: Ruleset | Recording, histories: Sequence[History], site: KnownSite, others: Sequence[Ruleset]
) -> list[Result]:
    with ExitStack() as stack:
        first = stack.enter_context(Run(rules))
        rest = [stack.enter_context(Run(other)) for other in others]
        if isinstance(rules, Recording):
            assert isinstance(histories[0], JournalHistory)  # noqa: S101  that is where a recording comes from
            inputs: Iterator[Input] = histories[0].recorded()
        else:
            inputs = together(histories, site.judges())
        for piece in watched(inputs):
            first.feed(piece)
            for run in rest:
                run.feed(piece)
        return [first.finish(), *(run.finish() for run in rest)]
