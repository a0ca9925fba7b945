"""`precomplaint report`: the monthly review, as a page, as sheets and as JSON."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from daemon import settings
from daemon.backtest.complaints import read_complaints
from daemon.backtest.site import rules_in
from daemon.cli.asking import CONFIG, ConfigOption
from daemon.cli.terminal import Output, OutputOption, print_json, print_line
from daemon.complaint import Complaint, tidy
from daemon.desks.complaints import judged
from daemon.desks.known_rules import KnownRules
from daemon.documents import parse_span
from daemon.model import ConfigError
from daemon.review.cells import Reader
from daemon.review.complaints import Voice
from daemon.review.compose import Material, Review, review
from daemon.review.document import as_json
from daemon.review.month import Period, known, parse
from daemon.review.page import page
from daemon.review.sheets import order_sheet, summary_sheet
from daemon.review.summary import summary
from daemon.rules.schema import Ruleset, rule_paths
from daemon.store import complaints, journal
from daemon.store import review as store
from daemon.store.db import FILE, reader


class Language(StrEnum):
    """What the page, the sheets and the summary are written in."""

    ZH = "zh"
    EN = "en"


def report(
    month: Annotated[str, typer.Option(help="YYYY-MM, by the site's clocks")],
    lang: Annotated[Language, typer.Option(help="of the page and the sheets")] = Language.ZH,
    out: Annotated[
        Path | None, typer.Option(help="directory for the page and the sheets; default: here, with -o json: none")
    ] = None,
    config: ConfigOption = CONFIG,
    said: Annotated[
        Path | None,
        typer.Option("--complaints", help="CSV of time, asset, text; default: the complaints that the gateway knows"),
    ] = None,
    horizon: Annotated[
        str, typer.Option(help="with --complaints: an order counts up to so long after its alarm")
    ] = "24h",
    output: OutputOption = Output.TEXT,
) -> None:
    """Review a month: orders, deadlines, teams, false alarms, complaints, advice; the state file is only read.

    Works while the daemon runs and when it is stopped. An order belongs to the month in which it was opened; what
    happened to it later counts there too.
    """
    asked = _Asked(month, config, said, _span(horizon))
    found = review(_material(asked))
    reads = Reader(lang.value, found.period.month.zone)
    written = []
    if out is not None or output is Output.TEXT:
        written = _write(out or Path(), found, reads)
    if output is Output.JSON:
        print_json(as_json(found) | {"written": [str(path) for path in written]})
        return
    for line in summary(found, reads):
        print_line(line)
    for path in written:
        print_line(f"  {path}")


class _Asked(NamedTuple):
    month: str
    config: Path
    complaints: Path | None
    horizon: timedelta


def _span(text: str) -> timedelta:
    try:
        return parse_span(text)
    except ValueError as error:
        raise ConfigError([f"--horizon: {error}"]) from error


# --- reading -----------------------------------------------------------------------------------------------


def _material(asked: _Asked) -> Material:
    file = settings.state_dir(asked.config) / FILE
    if not file.is_file():
        raise ConfigError([f"{file}: there is no state file; has the daemon run? -c names its configuration"])
    try:
        with reader(file) as db:
            db.execute("BEGIN")  # all of one moment, while the daemon goes on
            return _read(db, file, asked)
    except sqlite3.Error as error:
        what = "no state file of this version, or it may not be read; become a member of the group precomplaint"
        raise ConfigError([f"{file}: {error}: {what}"]) from error
    except ValueError as error:
        raise ConfigError([f"{file}: it was written by another version: {error}"]) from error


def _read(db: sqlite3.Connection, file: Path, asked: _Asked) -> Material:
    body = journal.rulesets(db).get(journal.rules_at(db))
    if body is None:
        raise ConfigError([f"{file}: no rules were ever in force; there is nothing to review yet"])
    ruleset = Ruleset.from_json(body)
    period = known(parse(asked.month, ruleset.catalogue.site.timezone), store.life(db), str(file))
    rows = store.read(db, period.span)
    places = _Places(asked.config.resolve(), file.parent.resolve(), asked.complaints and asked.complaints.resolve())
    return Material(
        period,
        ruleset.catalogue,
        {rule.id: rule.title for rule in ruleset.rules},
        {binding.asset.id for binding in ruleset.bindings()},
        rows.orders,
        rows.alarms,
        rows.mutes,
        rows.told,
        rows.kpi,
        _heard(db, ruleset, period, asked),
        _to_try(rows.orders, places, period),
        places.backtest("--complaints", places.complaints or Path("complaints.csv")),
    )


def _heard(db: sqlite3.Connection, ruleset: Ruleset, period: Period, asked: _Asked) -> Sequence[Voice] | None:
    """The complaints of the file, judged by the ledger; or those that the ledger has, as they were judged then."""
    if asked.complaints is None:
        if not complaints.counts(db):
            return None
        return [
            Voice(k.made_at, k.asset, k.said_asset, k.text, k.outcome, k.order, k.lead)
            for k in complaints.between(db, *period.span)
        ]
    known_rules = KnownRules()
    known_rules.take(ruleset)
    found = []
    for at, asset, text in _said(asked.complaints, ruleset, period):
        complaint = tidy(Complaint(at, "", at, asset, text=text))
        place = known_rules.place(complaint)
        answer = judged(db, known_rules, at, place, asked.horizon)
        found.append(Voice(at, place, asset, complaint.text, answer.outcome, answer.order, answer.lead))
    return found


def _said(file: Path, ruleset: Ruleset, period: Period) -> list[tuple[datetime, str, str]]:
    """Moment, asset and text of each complaint of the month, the oldest first."""
    everything = read_complaints(file, ruleset.catalogue.site.timezone)
    return sorted((c.at, c.asset, c.text) for c in everything if period.span.begin <= c.at < period.span.end)


# --- what to try -------------------------------------------------------------------------------------------


class _Places(NamedTuple):
    """Where things lie, for commands that can be pasted into a shell."""

    config: Path
    state: Path
    complaints: Path | None

    def backtest(self, *more: str | Path) -> str:
        """A backtest of the gateway's own journal on its own site."""
        return self._command("rules", "backtest", "--history", self.state, "-c", self.config, *more)

    def explain(self, alarm: int) -> str:
        """Why an alarm had fired."""
        return self._command("rules", "explain", str(alarm), "-c", self.config)

    def suggest(self, period: Period) -> str:
        """Limits from the month."""
        month = period.month
        span = "--from", f"{month.first}", "--until", f"{month.after}"
        where = "--out", f"limits-{month.name}"
        return self._command("rules", "suggest", "--history", self.state, "-c", self.config, *span, *where)

    @staticmethod
    def _command(*words: str | Path) -> str:
        return shlex.join(["precomplaint", *(str(word) for word in words)])


def _to_try(orders: Sequence[store.OrderRow], places: _Places, period: Period) -> Mapping[str, tuple[str, ...]]:
    """For each rule with a false alarm: why the newest fired, and how to play changed limits against its own."""
    files = _rule_files(places.config)
    newest = {order.rule: order.alarm_no for order in orders if order.status == "rejected"}
    found = {}
    for rule, alarm in newest.items():
        commands = [places.explain(alarm)]
        if rule in files:
            tuned = Path(f"tuned-{files[rule].name}")
            commands.append(shlex.join(["cp", str(files[rule]), str(tuned)]))
            commands.append(places.backtest("--rules", tuned, "--against", files[rule]))
        commands.append(places.suggest(period))
        found[rule] = tuple(commands)
    return found


def _rule_files(config: Path) -> Mapping[str, Path]:
    """In which file each rule stands; none when the configuration has faults now."""
    path = config / "gateway.yaml" if config.is_dir() else config
    try:
        gateway = settings.load_gateway(path, secrets=False)
        entries = [settings.shipped() / "rules" if one == "shipped" else path.parent / one for one in gateway.rules]
        return {rule: file for file in rule_paths(entries) for rule in rules_in(file)}
    except (ConfigError, OSError):
        return {}


# --- writing -----------------------------------------------------------------------------------------------


def _write(directory: Path, found: Review, reads: Reader) -> list[Path]:
    """The page and the sheets; an older report of the same month and language is replaced."""
    stem = f"review-{found.period.month.name}-{reads.language}"
    texts = {
        f"{stem}.html": page(found, reads),
        f"{stem}-orders.csv": order_sheet(found, reads),
        f"{stem}-summary.csv": summary_sheet(found, reads),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            draft = directory / f".{name}.new"
            draft.write_text(text, encoding="utf-8", newline="")
            draft.replace(directory / name)
    except OSError as error:
        raise ConfigError([f"{directory}: cannot be written: {error.strerror}"]) from error
    return [directory / name for name in texts]
