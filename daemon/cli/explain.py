"""`precomplaint rules explain`: why an alarm fired, and why a rule did or did not at some moment."""

from __future__ import annotations

import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from daemon import settings
from daemon.backtest.look_back import LookedBack, look_back
from daemon.cli.terminal import Output, OutputOption, print_json, print_line
from daemon.model import Alarm, ConfigError, DataState, Observed, Quality, Text, Transition
from daemon.rules.explain import explain as explained
from daemon.rules.schema import Ruleset
from daemon.rules.why import why
from daemon.store import history, journal, ledger, mutes
from daemon.store.db import FILE, reader
from daemon.store.mutes import Mute, MuteKind
from daemon.workorders import instrument

ConfigOption = Annotated[
    Path,
    typer.Option("-c", "--config", help="gateway.yaml, or the directory that holds it", envvar="PRECOMPLAINT_CONFIG"),
]
_CONFIG = Path("/etc/precomplaint")


def explain(
    alarm: Annotated[int | None, typer.Argument(help="an alarm's number", min=1)] = None,
    asset: Annotated[str | None, typer.Option(help="an asset's id: how its rules stand")] = None,
    rule: Annotated[str | None, typer.Option(help="only this rule")] = None,
    at: Annotated[
        str | None, typer.Option(help="at this moment, by the site's clocks or with a zone; default: now")
    ] = None,
    config: ConfigOption = _CONFIG,
    state: Annotated[Path | None, typer.Option(help="a state file or directory; default: the gateway's")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Explain an alarm, or how the rules of an asset stood at a moment: conditions, numbers, holds, what held them off.

    The state file is only read; a moment that lies further back than the last snapshot is replayed from the journal.
    """
    file = state if state is not None else settings.state_dir(config)
    file = file / FILE if file.is_dir() else file
    if not file.is_file():
        raise ConfigError([f"{file}: there is no state file; name one with --state"])
    if (alarm is None) == (asset is None):
        raise ConfigError(["name an alarm by its number, or an asset with --asset"])
    try:
        found = _alarm(file, alarm) if alarm is not None else _asset(file, asset or "", rule, at)
    except sqlite3.Error as error:
        what = "no state file of this version, or it may not be read; become a member of the group precomplaint"
        raise ConfigError([f"{file}: {error}: {what}"]) from error
    if output is Output.JSON:
        print_json(found)
        return
    for line in found["lines"]:
        print_line(line["zh"])
        print_line(f"{' ' * (len(line['zh']) - len(line['zh'].lstrip()))}  {line['en'].lstrip()}")


def _alarm(file: Path, number: int) -> dict[str, Any]:
    """Each change of an alarm in the words of its order, under the rules of its day."""
    with reader(file) as db:
        alarm = ledger.find_alarm(db, number)
        if alarm is None:
            raise ConfigError([f"there is no alarm {number}; `precomplaint alarms list --all` shows the numbers"])
        told = [(change, journal.rules_at(db, change.seen_at)) for change in history.changes(db, number)]
        bodies = journal.rulesets(db)
    rulesets = {name: Ruleset.from_json(bodies[name]) for _, name in told if name in bodies}
    lines = [_fate(alarm)]
    for change, name in told:
        ruleset = rulesets.get(name)
        zone = ZoneInfo(ruleset.catalogue.site.timezone) if ruleset is not None else UTC
        rule = ruleset.rule_for(alarm.rule, alarm.asset) if ruleset is not None else None
        transition = _transition(alarm, change)
        text = explained(transition, rule) if rule is not None else instrument.explanation(transition)
        when = f"{change.at.astimezone(zone):%Y-%m-%d %H:%M:%S} {change.level.name} {change.after}"
        lines.append(Text(f"{when}：{text.zh}", f"{when}: {text.en}"))
    return {"alarm": number, "rule": alarm.rule, "asset": alarm.asset, "lines": _json(lines)}


def _transition(alarm: Alarm, change: history.Change) -> Transition:
    observed = tuple(
        Observed(point, value, unit, None if at is None else datetime.fromisoformat(at), Quality(quality), limit)
        for point, value, unit, at, quality, limit in change.observed
    )
    return Transition(
        alarm.rule,
        alarm.asset,
        change.before,
        change.after,
        change.level,
        DataState.GOOD,
        change.cause,
        change.at,
        change.seen_at,
        observed,
    )


def _fate(alarm: Alarm) -> Text:
    """What became of an alarm."""
    of = f" #{alarm.parent}" if alarm.parent is not None else ""
    order = f", {alarm.order_key}" if alarm.order_key is not None else ""
    return Text(
        f"报警 #{alarm.no} {alarm.asset} {alarm.rule}：{alarm.disposition}{of}{order}",
        f"alarm #{alarm.no} {alarm.asset} {alarm.rule}: {alarm.disposition}{of}{order}",
    )


def _asset(file: Path, asset: str, rule: str | None, at: str | None) -> dict[str, Any]:
    """How rules stood on an asset."""
    found = _look(file, asset, rule, at)
    zone = ZoneInfo(found.ruleset.catalogue.site.timezone)
    lines = [Text(f"{found.at.astimezone(zone):%Y-%m-%d %H:%M:%S}", f"{found.at.isoformat()}")]
    if found.learned_from is not None:
        since = f"{found.learned_from.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        lines.append(
            Text(
                f"日志始于 {since}，此前的状态从头学习", f"the journal begins at {since}; what was before is not known"
            )
        )
    rows: list[dict[str, Any]] = []
    with reader(file) as db:
        for binding, look in found.looks:
            own = why(look, binding.rule, zone)
            about = sorted({look.asset, asset})  # a device may be shelved, its asset under maintenance
            muted = (mute for one in about for mute in mutes.at_moment(db, look.rule, one, found.at))
            own += [_muted(mute, zone) for mute in muted]
            own += [_fate(one) for one in ledger.alarms_at(db, look.rule, look.asset, found.at)]
            name = f"{look.rule} {look.asset}"
            title = binding.rule.title
            lines += [Text(f"{name} {title.zh}：{own[0].zh}", f"{name} {title.en}: {own[0].en}")]
            lines += [Text(f"  {line.zh}", f"  {line.en}") for line in own[1:]]
            rows.append({"rule": look.rule, "asset": look.asset, "state": look.state, "lines": _json(own)})
    return {"asset": asset, "at": found.at.isoformat(), "rules": rows, "lines": _json(lines)}


def _look(file: Path, asset: str, rule: str | None, at: str | None) -> LookedBack:
    with reader(file) as db:
        newest = journal.end(db)
        body = journal.rulesets(db).get(journal.rules_at(db))
    zone = ZoneInfo(Ruleset.from_json(body).catalogue.site.timezone) if body is not None else ZoneInfo("UTC")
    moment = newest
    if at is not None:
        try:
            given = datetime.fromisoformat(at)
        except ValueError as error:
            raise ConfigError([f"--at {at}: write 2026-11-22 14:05:00 (site's clocks), or with a zone"]) from error
        moment = (given if given.tzinfo is not None else given.replace(tzinfo=zone)).astimezone(UTC)
    tell = _tell if sys.stderr.isatty() else None
    return look_back(file, asset, moment, rule=rule, on_progress=tell)


def _tell(rows: int) -> None:
    sys.stderr.write(f"\r{rows} rows replayed 已回放")


def _muted(mute: Mute, zone: ZoneInfo) -> Text:
    until = f"{mute.until.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    said = f"{mute.user}: {mute.reason}"
    if mute.kind is MuteKind.SHELVE:
        return Text(f"已搁置至 {until}（{said}）", f"shelved until {until} ({said})")
    return Text(f"检修至 {until}（{said}）", f"under maintenance until {until} ({said})")


def _json(lines: list[Text]) -> list[dict[str, str]]:
    return [{"zh": line.zh, "en": line.en} for line in lines]
