"""Complaints of residents from CSV: time, asset, text."""

from __future__ import annotations

import csv
from pathlib import Path
from zoneinfo import ZoneInfo

from daemon.backtest.figures import Complaint
from daemon.backtest.instants import compile_clock, form_of
from daemon.model import ConfigError

#: Column names that are understood; the text may be missing.
_COLUMNS = {
    "time": ("time", "at", "timestamp", "datetime", "date", "时间"),
    "asset": ("asset", "asset_id", "设备", "资产"),
    "text": ("text", "complaint", "内容", "投诉内容"),
}


def read_complaints(path: Path, zone: str) -> list[Complaint]:
    """Every complaint of the file, in its order.

    Raises:
        ConfigError: every row without a time or an asset, or the file as a whole.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    head = text.partition("\n")[0]
    rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=head.count)))
    names = [name.strip().lower() for name in rows[0]] if rows else []
    places = {what: next((names.index(n) for n in known if n in names), None) for what, known in _COLUMNS.items()}
    when, asset, words = places["time"], places["asset"], places["text"]
    if when is None or asset is None:
        raise ConfigError([f"{path}:1: the columns time and asset (and text) are needed; found {', '.join(names)}"])
    found: list[Complaint] = []
    faults: list[str] = []
    for n, row in enumerate(rows[1:], 2):
        if not row:
            continue
        try:
            at = compile_clock(form_of(row[when]), ZoneInfo(zone))(row[when].strip())
            said = row[words] if words is not None and words < len(row) else ""
            found.append(Complaint(at, row[asset].strip(), said))
        except (ValueError, IndexError):
            faults.append(f"{path}:{n}: no complaint: {','.join(row)[:80]!r}; write a time and the id of an asset")
    if faults:
        raise ConfigError(faults)
    return found
