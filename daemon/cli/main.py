"""Commands of `precomplaint`: each has `-o json`, one result on standard output, everything else on standard error."""

from __future__ import annotations

import asyncio
import shutil
import sys
from logging import INFO, WARNING
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvloop

from daemon import __version__, control, settings
from daemon.app import App
from daemon.cli import alarms, complaints, orders, probe, rules
from daemon.cli.decode import decode
from daemon.cli.demo import Outcome, demonstrate
from daemon.cli.report import report
from daemon.cli.schema import write_all
from daemon.cli.terminal import FAILED, LINT, OK, USAGE, Output, OutputOption, err, out, print_json, print_line
from daemon.model import ConfigError
from daemon.telemetry import configure_logging

log = structlog.get_logger(__name__)
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(rules.app, name="rules")
app.add_typer(alarms.app, name="alarms")
app.add_typer(orders.app, name="orders")
app.add_typer(complaints.app, name="complaints")
app.add_typer(probe.app, name="probe")
app.command()(decode)
app.command()(report)

ConfigOption = Annotated[
    Path,
    typer.Option("-c", "--config", help="gateway.yaml, or the directory that holds it", envvar="PRECOMPLAINT_CONFIG"),
]
DEFAULT_CONFIG = Path("/etc/precomplaint")


@app.command()
def version(output: OutputOption = Output.TEXT) -> None:
    """Print the version."""
    if output is Output.JSON:
        print_json({"version": __version__})
    else:
        out.print(f"precomplaint {__version__}", highlight=False)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="an empty or new directory")] = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """Write a commented starter configuration into DIRECTORY; existing files are never overwritten."""
    template = settings.shipped() / "starter"
    files = sorted(f.relative_to(template) for f in template.rglob("*") if f.is_file())
    there = [str(f) for f in files if (directory / f).exists()]
    if there:
        raise ConfigError([f"{directory / f}: already exists; choose another directory" for f in there])
    write_all(directory / "schema")
    for file in files:
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template / file, directory / file)
    if output is Output.JSON:
        print_json({"directory": str(directory), "files": [str(f) for f in files]})
    else:
        out.print(f"{directory}: {', '.join(str(f) for f in files)}", highlight=False)
        out.print(f"下一步 next: edit them, then `precomplaint check -c {directory}`", highlight=False)


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TEXT) -> None:
    """Read the whole configuration and report every fault at once.

    Exit 0: sound; 1: it has faults; 2: there is no such configuration; 3: sound, but something is suspicious.
    """
    if not config.exists():
        raise ConfigError([f"{config}: does not exist; name gateway.yaml or its directory with -c"])
    try:
        found = settings.load(config)
    except ConfigError as error:
        if output is Output.JSON:
            print_json({"ok": False, "faults": error.faults})
        else:
            for fault in error.faults:
                out.print(fault, highlight=False, markup=False, soft_wrap=True)
            err.print(f"{len(error.faults)} 处错误 fault(s)", highlight=False)
        raise typer.Exit(FAILED) from error
    summary = {
        "ok": True,
        "site": found.catalogue.site.id,
        "assets": len(found.catalogue.assets),
        "points": len(found.catalogue.points),
        "rules": len(found.ruleset.rules),
        "rules_hash": found.ruleset.hash,
        "lints": list(found.lints),
    }
    if output is Output.JSON:
        print_json(summary)
    else:
        out.print(
            f"OK: {summary['assets']} assets 资产, {summary['points']} points 测点, {summary['rules']} rules 规则",
            highlight=False,
        )
        for lint in found.lints:
            print_line(lint)
        if found.lints:
            err.print(f"{len(found.lints)} 处可疑 suspicious", highlight=False)
    if found.lints:
        raise typer.Exit(LINT)


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    configure_logging(as_json=not sys.stderr.isatty())
    daemon = App(settings.load(config), config)
    uvloop.run(daemon.run())


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TEXT) -> None:
    """Ask the running daemon how it is."""
    answer = asyncio.run(control.ask(settings.control_socket(config), "status"))
    if output is Output.JSON:
        print_json(answer)
        return
    for name, value in _flat(answer):
        out.print(f"{name:<24} {value}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def reload(config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TEXT) -> None:
    """Have the running daemon read its rules again; a bad file leaves the old rules running (exit 1)."""
    answer = asyncio.run(control.ask(settings.control_socket(config), "reload"))
    if output is Output.JSON:
        print_json(answer)
    else:
        for line in answer.get("faults", []) or [answer.get("error") or f"{answer['rules']} rules, {answer['hash']}"]:
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    if "error" in answer:
        raise typer.Exit(FAILED)


@app.command()
def schema(directory: Annotated[Path, typer.Argument(help="where to write them")] = Path("schema")) -> None:
    """Write the JSON Schemas of the configuration files, for completion in an editor."""
    for path in write_all(directory):
        out.print(str(path), highlight=False)


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="end after so many seconds; 0: until Ctrl-C")] = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the main job, live, on simulated lifts and a pump room; nothing outside this machine is touched."""
    configure_logging(as_json=not sys.stderr.isatty(), level=WARNING if output is Output.TEXT else INFO)
    outcome: Outcome = uvloop.run(demonstrate(seconds, live=output is Output.TEXT))
    if output is Output.JSON:
        print_json(outcome.result)
    else:
        outcome.show(out)
    raise typer.Exit(OK if outcome.passed else FAILED)


def _flat(answer: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in answer.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return rows


def main() -> None:
    """Entry point: errors become one message that says where, what and what to do, and an exit code."""
    try:
        app()
    except ConfigError as error:
        for fault in error.faults:
            sys.stderr.write(fault + "\n")
        raise SystemExit(USAGE) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
