"""`precomplaint complaints …`: hand in what residents complained of, and see what had come before it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer

from daemon import control, settings
from daemon.backtest.complaints import Row, read_rows
from daemon.cli.asking import CONFIG, ConfigOption, UserOption, ask, default_user, local, zone
from daemon.cli.progress import Progress
from daemon.cli.terminal import FAILED, Output, OutputOption, err, print_json, print_line
from daemon.complaint import tidy
from daemon.model import ConfigError
from daemon.outputs.told_complaints import as_told

app = typer.Typer(no_args_is_help=True, help="Residents' complaints: import, list.")

#: Bytes of complaints in one request, and how many: the control socket takes 64 KiB.
_PIECE, _MOST = 48_000, 200
_OUTCOME = {
    "preempted": "先于投诉 preempted",
    "during": "告警期间 during",
    "missed": "漏报 missed",
    "left_out": "不计 left out",
}


@app.command("import")
def take(
    file: Annotated[
        Path, typer.Argument(help="CSV of time, asset and more, as `rules backtest --complaints` takes it")
    ],
    config: ConfigOption = CONFIG,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Hand in the complaints of a file; what is known already stays as it is, so a file may be handed in again."""
    socket = settings.control_socket(config)
    status = asyncio.run(control.ask(socket, "status"))
    rows = read_rows(file, status["timezone"])
    _check_times(rows, datetime.fromisoformat(status["at"]))
    total: dict[str, Any] = {"taken": 0, "known": 0, "outcomes": Counter(), "unplaced": []}
    with Progress() as progress:
        for piece in _pieces(rows):
            progress.tell(f"{total['taken'] + total['known']} / {len(rows)}")
            told = [as_told(tidy(row.complaint)) for row in piece]
            request = {"complaints": told, "user": user or default_user(), "file": file.name}
            answer = asyncio.run(control.ask(socket, "complaints_import", **request))
            if "error" in answer:
                err.print(answer["error"], highlight=False, markup=False)
                raise typer.Exit(FAILED)
            total["taken"] += answer["taken"]
            total["known"] += answer["known"]
            total["outcomes"].update(answer["outcomes"])
            total["unplaced"] += answer["unplaced"]
    unplaced = {*total["unplaced"]}
    warnings = [_unplaced(row) for row in rows if row.complaint.id in unplaced]
    if output is Output.JSON:
        print_json({**total, "outcomes": dict(total["outcomes"]), "warnings": warnings})
        return
    for warning in warnings:
        err.print(warning, highlight=False, markup=False, soft_wrap=True)
    outcomes = ", ".join(f"{_OUTCOME[name]} {n}" for name, n in sorted(total["outcomes"].items()))
    print_line(f"已导入 taken {total['taken']}, 已有 known {total['known']}{f'  ({outcomes})' if outcomes else ''}")


@app.command("list")
def list_complaints(
    config: ConfigOption = CONFIG,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    output: OutputOption = Output.TEXT,
) -> None:
    """List complaints, the newest first, each with what had come before it."""
    answer = ask(config, output, "complaints", limit=limit)
    if output is Output.JSON:
        return
    at = zone(config)
    for row in answer["complaints"]:
        print_line(_line(row, at))
    counts = ", ".join(f"{_OUTCOME[name]} {n}" for name, n in sorted(answer["counts"].items()))
    print_line(counts or "没有投诉 no complaints")


def _check_times(rows: Sequence[Row], now: datetime) -> None:
    faults = [
        f"{row.place}: {row.complaint.made_at.isoformat()} lies in the future; correct the time"
        for row in rows
        if row.complaint.made_at > now
    ]
    if faults:
        raise ConfigError(faults)


def _pieces(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """As many in a row as the control socket takes at once."""
    piece: list[Row] = []
    size = 0
    for row in rows:
        bytes_ = len(orjson.dumps(as_told(tidy(row.complaint))))
        if piece and (size + bytes_ > _PIECE or len(piece) >= _MOST):
            yield piece
            piece, size = [], 0
        piece.append(row)
        size += bytes_
    if piece:
        yield piece


def _unplaced(row: Row) -> str:
    said = row.complaint
    what = f"asset {said.asset!r}" if said.asset else f"building {said.building!r} with kind {said.asset_kind!r}"
    return f"{row.place}: {what} names no one asset of the site; kept, counts nowhere; correct it and import again"


def _line(row: dict[str, Any], at: ZoneInfo) -> str:
    where = row["asset"] or f"{row['said_asset'] or row['building']} {row['asset_kind']}".strip() or "?"
    lead = f" {row['lead'] / 60:.0f} min" if row["lead"] is not None else ""
    noted = f"  → {row['noted_on']}" if row["noted_on"] else ""
    words = " ".join(filter(None, (row["category"], row["urgency"], row["channel"])))
    outcome = f"{_OUTCOME[row['outcome']]}{lead}"
    return f"{local(row['made_at'], at)}  {row['id']}  {where}  {outcome}  {words}  {row['text']}{noted}".rstrip()
