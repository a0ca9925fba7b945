"""What all commands share: how results are printed, and what exit codes mean."""

from __future__ import annotations

import enum
import sys
from typing import Annotated

import orjson
import typer
from rich.console import Console

OK, FAILED, USAGE, LINT = 0, 1, 2, 3

out = Console(emoji=False)
err = Console(stderr=True, emoji=False)


class Output(enum.StrEnum):
    """How a command prints its result."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="text or json")]


def print_json(result: object) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE).decode())


def print_line(line: str) -> None:
    """Text on standard output; what a device sent cannot move the cursor or colour the terminal."""
    line = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in line)
    out.print(line, highlight=False, markup=False, soft_wrap=True)
