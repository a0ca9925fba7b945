"""`precomplaint rules suggest`: limits and holds from a span in which all was well, as a patch that nothing applies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from daemon import settings
from daemon.backtest.histories import History, open_history, together
from daemon.backtest.instants import compile_clock, form_of
from daemon.backtest.mapping import HistoryMap
from daemon.backtest.suggest import DEFAULT_BUDGET, Gathering
from daemon.backtest.suggest_arithmetic import plain
from daemon.backtest.suggest_drafts import derived, difference_unit
from daemon.backtest.suggest_patch import overrides, overrides_yaml, rules_yaml
from daemon.backtest.suggested import Rung, Step, Suggested, Suggestion, Together, Unrest
from daemon.cli.histories import known_site, watched
from daemon.cli.terminal import FAILED, Output, OutputOption, err, print_json, print_line
from daemon.documents import build, format_span, read
from daemon.model import Catalogue, ConfigError, Input

RULES, OVERRIDES = "suggested.yaml", "suggested.overrides.yaml"


def suggest(  # noqa: PLR0913, PLR0917  one option each
    more: Annotated[list[str] | None, typer.Argument(help="more histories", metavar="[PATH]...")] = None,
    history: Annotated[list[str] | None, typer.Option(help="CSV, or a state file of the gateway (read only)")] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help="YAML: which column is which point")] = None,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="the site: gateway.yaml or its directory", envvar="PRECOMPLAINT_CONFIG"),
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="begin of the healthy span, in the site's time")] = None,
    until: Annotated[str | None, typer.Option(help="its end, excluded")] = None,
    first: Annotated[int | None, typer.Option(min=1, help="only the first so many messages of each history")] = None,
    budget: Annotated[float, typer.Option(help="false orders a week that each asset may have")] = DEFAULT_BUDGET,
    out: Annotated[Path | None, typer.Option(help="directory for the patch; existing files stay")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Propose limits and holds from a span in which all was well, with the arithmetic; review them, nothing is applied.

    Exit 1 when no point could be given limits.
    """
    places = [*(history or ()), *(more or ())]
    if not places:
        raise ConfigError(["rules suggest: no history; give --history PATH, see docs/backtest.md"])
    if not 0 < budget < float("inf"):
        raise ConfigError(["--budget: give a number of false orders a week above 0, such as 0.25 for one a month"])
    columns = build(HistoryMap, read(mapping)) if mapping is not None else None
    site = known_site(places, columns, config)
    catalogue = site.catalogue
    if out is not None:
        _refuse(out, config)
    zone = ZoneInfo(catalogue.site.timezone)
    histories = [open_history(place, catalogue, columns) for place in places]
    inputs = together([_First(one, first) for one in histories], site.judges())
    gathering = Gathering(catalogue)
    for piece in watched(_between(inputs, _moment("--from", since, zone), _moment("--until", until, zone))):
        gathering.feed(piece)
    found = gathering.suggest(budget)
    written = _write(out, found, catalogue) if out is not None else []
    if output is Output.JSON:
        print_json(_as_json(found, catalogue, written))
    else:
        _show(found, catalogue, written)
    if not found.suggested:
        err.print("没有可推算的测点 no point could be given limits", highlight=False)
        raise typer.Exit(FAILED)


class _First:
    """The first so many inputs of a history."""

    def __init__(self, history: History, most: int | None) -> None:
        self._history = history
        self._most = most
        self.points, self.ignored, self.is_raw = history.points, history.ignored, history.is_raw

    def __iter__(self) -> Iterator[Input]:
        return islice(iter(self._history), self._most)


def _moment(option: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    try:
        return compile_clock(form_of(text), zone)(text)
    except ValueError as error:
        raise ConfigError([f"{option}: {text!r} is no time; write it as 2026-03-09 or 2026-03-09T10:14:33"]) from error


def _between(inputs: Iterable[Input], since: datetime | None, until: datetime | None) -> Iterator[Input]:
    for item in inputs:
        if until is not None and item.at >= until:
            return
        if since is None or item.at >= since:
            yield item


# --- the patch ---------------------------------------------------------------------------------------------


def _refuse(out: Path, config: Path | None) -> None:
    """Never where it would come into force by itself, never over what somebody may have edited.

    Raises:
        ConfigError: it would.
    """
    there = [out / name for name in (RULES, OVERRIDES) if (out / name).exists()]
    if there:
        raise ConfigError([f"{path}: already exists; choose another --out, or remove it" for path in there])
    if config is None:
        return
    path = config / "gateway.yaml" if config.is_dir() else config
    gateway = settings.load_gateway(path, secrets=False)
    live = [path.parent / entry for entry in gateway.rules if entry != "shipped"]
    if any(out.resolve() == place.resolve() for place in live):
        what = "the site's own rules lie there and a suggestion would come into force with the next reload"
        raise ConfigError([f"--out {out}: {what}; choose another directory, and move what you have reviewed"])


def _write(out: Path, found: Suggestion, catalogue: Catalogue) -> list[Path]:
    texts = {RULES: rules_yaml(found, catalogue), OVERRIDES: overrides_yaml(found, catalogue)}
    out.mkdir(parents=True, exist_ok=True)
    written = [out / name for name, text in texts.items() if text]
    for path in written:
        path.write_text(texts[path.name], encoding="utf-8")
    return written


# --- what is said ------------------------------------------------------------------------------------------


def _show(found: Suggestion, catalogue: Catalogue, written: list[Path]) -> None:
    if not written:
        print_line(rules_yaml(found, catalogue))
        if more := overrides_yaml(found, catalogue):
            print_line("---\n" + more)
        return
    for one in found.suggested:
        for rung in one.rungs:
            print_line(
                f"{one.point.id:<32} {rung.level.name:<4} mean {format_span(rung.window):>6}, for "
                f"{format_span(rung.hold):>6}: outside {plain(rung.low)} … {plain(rung.high)} {one.point.unit}".rstrip()
            )
        if one.unrest is not None:
            its = one.unrest
            print_line(
                f"{one.point.id:<32} {its.level.name:<4} stddev {format_span(its.window):>4}, for "
                f"{format_span(its.hold):>6}: above {plain(its.above)} {difference_unit(one.point.unit)}".rstrip()
            )
    for both in found.together:
        for step in both.steps:
            print_line(
                f"{both.asset:<32} {step.level.name:<4} {len(step.terms)} points together, mean "
                f"{format_span(step.window):>6}, for {format_span(step.hold):>6}"
            )
    for other in found.unwatched:
        print_line(f"{other.point.id:<32} 不监视 not watched: {other.reason}")
    print_line(f"审核后使用 review before use: {', '.join(str(path) for path in written)}")


def _as_json(found: Suggestion, catalogue: Catalogue, written: list[Path]) -> dict[str, Any]:
    return {
        "budget_a_week_and_asset": found.budget,
        "suggested": [_point(one) for one in found.suggested],
        "unwatched": [{"point": o.point.id, "readings": o.readings, "reason": o.reason} for o in found.unwatched],
        "together": [_together(one) for one in found.together],
        "rules": rules_yaml(found, catalogue),
        "overrides": [
            {"asset": asset, "rule": rule, "change": change}
            for (asset, rule), change in overrides(found, catalogue).items()
        ],
        "derived": [{"asset": asset, "name": name, **spec} for (asset, name), spec in derived(found.together).items()],
        "written": [str(path) for path in written],
    }


def _point(one: Suggested) -> dict[str, Any]:
    return {
        "point": one.point.id,
        "unit": one.point.unit,
        "readings": one.readings,
        "from": one.first_at.isoformat(),
        "until": one.last_at.isoformat(),
        "scatter_of_readings": one.noise,
        "levels": {rung.level.name: _level(rung, one.rounding) for rung in one.rungs},
        "unrest": None if one.unrest is None else _unrest(one.unrest, one.rounding),
    }


def _level(rung: Rung, rounding: float) -> dict[str, Any]:
    return {
        "window": format_span(rung.window),
        "for": format_span(rung.hold),
        "outside": [rung.low, rung.high],
        "clear": {"inside": [rung.clear_low, rung.clear_high], "for": format_span(rung.clear_hold)},
        "budget_a_week": rung.budget,
        "arithmetic": _arithmetic(rung, rounding),
    }


def _unrest(its: Unrest, rounding: float) -> dict[str, Any]:
    return {
        "level": its.level.name,
        "window": format_span(its.window),
        "for": format_span(its.hold),
        "above": its.above,
        "clear": {"below": its.clear_below, "for": format_span(its.clear_hold)},
        "budget_a_week": its.budget,
        "arithmetic": _arithmetic(its, rounding),
    }


def _arithmetic(rung: Rung | Unrest, rounding: float) -> dict[str, Any]:
    its, far = rung.spread, rung.reach
    return {
        "windows": its.windows,
        "independent": its.independent,
        "correlation": its.correlation,
        "centre": its.centre,
        "scatter": its.scatter,
        "one_in": far.one_in,
        "deviations": far.deviations,
        "two_windows": far.two,
        "short_span": far.factor,
        "drift": its.drift,
        "rounding": rounding,
    }


def _together(one: Together) -> dict[str, Any]:
    return {"asset": one.asset, "levels": {step.level.name: _step(step) for step in one.steps}}


def _step(step: Step) -> dict[str, Any]:
    return {
        "window": format_span(step.window),
        "for": format_span(step.hold),
        "above": 1.0,
        "latest_half_above": step.late,
        "clear": {"latest_half_below": step.late, "for": format_span(step.clear_hold)},
        "points": {
            term.point.id: {
                "window": format_span(term.window),
                "centre": term.centre,
                "alone": term.alone,
                "scatter": term.scatter,
            }
            for term in step.terms
        },
        "budget_a_week": step.budget,
        "arithmetic": {
            "one_in": step.one_in,
            "worth": step.worth,
            "limit": step.limit,
            "short_span": step.factor,
        },
    }
