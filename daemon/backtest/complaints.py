"""Complaints of residents from CSV: time, asset, and what else there is. Sent nowhere from here."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.backtest.instants import compile_clock, form_of
from daemon.complaint import Complaint
from daemon.model import ConfigError

#: Column names that are understood. Time is needed, and an asset or its kind.
_COLUMNS = {
    "time": ("time", "at", "timestamp", "datetime", "date", "时间", "投诉时间"),
    "asset": ("asset", "asset_id", "设备", "资产"),
    "text": ("text", "complaint", "内容", "投诉内容"),
    "id": ("id", "no", "编号", "投诉编号"),
    "building": ("building", "楼栋", "楼号"),
    "asset_kind": ("asset_kind", "kind", "设备类型", "资产类型"),
    "category": ("category", "类别"),
    "urgency": ("urgency", "紧急程度"),
    "channel": ("channel", "渠道", "来源"),
}
#: What people write for the known words; anything else counts as not told.
_WORDS = {
    "设施": "facility", "设施类": "facility", "服务": "service", "服务类": "service", "安全": "safety",
    "安全类": "safety", "紧急": "urgent", "一般": "normal", "建议": "suggestion",
    "微信": "wechat", "热线": "hotline", "电话": "hotline", "前台": "desk", "意见箱": "notice_box",
    "社区居委会": "community_office", "居委会": "community_office", "社区": "community_office",
}  # fmt: skip


class Row(NamedTuple):
    """A complaint, and where it stands in its file."""

    place: str
    complaint: Complaint


def read_complaints(path: Path, zone: str) -> list[Complaint]:
    """Every complaint of the file, in its order; `at` is the moment it was made. See `read_rows`."""
    return [row.complaint for row in read_rows(path, zone)]


def read_rows(path: Path, zone: str) -> list[Row]:
    """Every complaint of the file, in its order.

    Where no column names it, a complaint's id follows from what its row says, so that the same file read again gives
    the same ids.

    Args:
        path: the file; commas, semicolons or tabs between its cells.
        zone: of times that name none.

    Raises:
        ConfigError: every row without a time or with too few cells, or the file as a whole.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}; save it as CSV in UTF-8"]) from error
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    found: list[Row] = []
    faults: list[str] = []
    seen: Counter[str] = Counter()
    try:
        places = _places(path, next(reader, []))
        start = reader.line_num + 1
        for row in reader:
            place, start = f"{path}:{start}", reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            try:
                found.append(Row(place, _complaint(row, places, zone, seen)))
            except (ValueError, IndexError):
                faults.append(f"{place}: no complaint: {','.join(row)[:80]!r}; write a time and the id of an asset")
    except csv.Error as error:
        faults.append(f"{path}:{reader.line_num}: no CSV: {error}; save it as CSV in UTF-8")
    if faults:
        raise ConfigError(faults)
    return found


def _places(path: Path, head: Sequence[str]) -> Mapping[str, int]:
    names = [name.strip().lower() for name in head]
    places = {
        what: names.index(name)
        for what, known in _COLUMNS.items()
        if (name := next((n for n in known if n in names), None)) is not None
    }
    if "time" not in places or ("asset" not in places and "asset_kind" not in places):
        needed = "the columns time and asset (or building and asset_kind; and text) are needed"
        raise ConfigError([f"{path}:1: {needed}; found {', '.join(names)}"])
    return places


def _complaint(row: Sequence[str], places: Mapping[str, int], zone: str, seen: Counter[str]) -> Complaint:
    """The complaint of a row; `seen` counts the rows that say the same.

    Raises:
        ValueError: its time is none.
        IndexError: it has no cell for its time or its asset.
    """
    needed = [row[places[name]] for name in ("time", "asset") if name in places]
    cells = {name: row[n].strip() if n < len(row) else "" for name, n in places.items()}
    at = compile_clock(form_of(needed[0]), ZoneInfo(zone))(cells["time"])
    name = cells.get("id", "")
    if not name:
        said = "|".join(cells.get(what, "") for what in ("asset", "building", "asset_kind", "text"))
        digest = hashlib.sha256(f"{at.isoformat()}|{said}".encode()).hexdigest()[:16]
        seen[digest] += 1
        name = f"csv:{digest}" + (f"#{seen[digest]}" if seen[digest] > 1 else "")
    words = {what: cells.get(what, "") for what in ("category", "urgency", "channel")}
    return Complaint(
        at,
        name,
        at,
        cells.get("asset", ""),
        cells.get("building", ""),
        cells.get("asset_kind", ""),
        **{what: _WORDS.get(word, word.lower()) for what, word in words.items()},
        text=cells.get("text", ""),
    )
