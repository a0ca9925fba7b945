"""Asking a running daemon: answers, refusals, and moments by the site's clocks."""

from __future__ import annotations

import asyncio
import getpass
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from daemon import control, settings
from daemon.cli.terminal import FAILED, Output, print_json, print_line

ConfigOption = Annotated[
    Path,
    typer.Option("-c", "--config", help="gateway.yaml, or the directory that holds it", envvar="PRECOMPLAINT_CONFIG"),
]
CONFIG = Path("/etc/precomplaint")
UserOption = Annotated[str, typer.Option(help="who does it", envvar="PRECOMPLAINT_USER", show_default="you")]
ROMAN = {"I": "Ⅰ", "II": "Ⅱ", "III": "Ⅲ"}


def default_user() -> str:
    """Whoever is at the terminal, also behind sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def ask(config: Path, output: Output, command: str, **arguments: object) -> dict[str, Any]:
    """Ask the running daemon; what it refuses is said on standard error, and ends with exit code 1."""
    given = {name: value for name, value in arguments.items() if value is not None}
    answer = asyncio.run(control.ask(settings.control_socket(config), command, **given))
    if output is Output.JSON:
        print_json(answer)
    if "error" in answer:
        if output is Output.TEXT:
            typer.echo(answer["error"], err=True)
        raise typer.Exit(FAILED)
    return answer


def say(output: Output, line: str) -> None:
    """Print a line for people; scripts have their JSON."""
    if output is Output.TEXT:
        print_line(line)


def zone(config: Path) -> ZoneInfo:
    """The zone of the site's clocks, as the running daemon knows it."""
    answer = asyncio.run(control.ask(settings.control_socket(config), "status"))
    return ZoneInfo(answer["timezone"])


def local(stamp: str, at: ZoneInfo) -> str:
    """A moment by the site's clocks."""
    return datetime.fromisoformat(stamp).astimezone(at).strftime("%Y-%m-%d %H:%M:%S")
