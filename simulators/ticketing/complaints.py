"""Complaints of residents: from a room to its building and asset, and out again for a backtest."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simulators.ticketing.states import RESPOND, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulators.ticketing.bodies import Complaint
    from simulators.ticketing.db import Record

_LEVELS = {"urgent": "I", "normal": "II", "suggestion": "III"}
#: `3-1-1202`, `3号楼1202`, `A座 1203`, `Building 3, 1202`; a bare room number tells no building.
_ROOM = re.compile(
    r"(?:building|bldg\.?|楼栋)?\s*([A-Za-z]{0,2}\d{0,4})\s*(?:号楼|号院|栋|幢|座|#|[-－—,，、\s])\s*\S", re.IGNORECASE
)
_TITLE = 40
_COLUMNS = ("time", "asset", "text", "building", "room", "asset_kind", "channel", "category", "urgency", "customer")


def ticket_of(complaint: Complaint, key: str, known: Sequence[Record], now: datetime) -> Record:
    """The complaint as the body of an order; `known` are the assets that gateways have told of."""
    told = datetime.fromisoformat(complaint.at).astimezone(UTC) if complaint.at else now
    level = _LEVELS[complaint.urgency]
    text = " ".join(complaint.text.split())
    title = text if len(text) <= _TITLE else f"{text[:_TITLE]}…"
    building = complaint.building or building_of(complaint.room, {asset["building"] for asset in known})
    asset = complaint.asset or asset_of(building, complaint.asset_kind, known)
    name = next((found["asset_name"] for found in known if found["asset"] == asset), {"zh": asset, "en": asset})
    return {
        **complaint.model_dump(exclude={"at"}),
        "said": complaint.model_dump(),
        "key": key,
        "type": "complaint",
        "level": level,
        "building": building,
        "asset": asset,
        "asset_name": name,
        "title": {"zh": title, "en": title},
        "active_at": written(told),
        "created_at": written(now),
        "respond_by": written(now + RESPOND[level]),
    }


def building_of(room: str, known: Iterable[str]) -> str:
    """The building of a room, as gateways call it when they know it; empty when the room does not tell."""
    found = _ROOM.match(room)
    name = found[1] if found else ""
    if not name:
        return ""
    names = sorted(filter(None, known))
    same = [building for building in names if building.lower() == name.lower()]
    alike = [building for building in names if _number(building) == _number(name)]
    return same[0] if same else alike[0] if len(alike) == 1 else name


def _number(building: str) -> str:
    """`1` for `b1`, `1 号楼`, `Building 01`; `a` for `A座`; `a1` stays another than `b1`."""
    name = re.sub(r"building|bldg|号楼|号院|座|栋|幢|楼|[\W_]", "", building.lower())
    digits = re.fullmatch(r"b?0*(\d+)", name)
    return digits[1] if digits else name


def asset_of(building: str, kind: str, known: Sequence[Record]) -> str:
    """The one known asset of that kind in the building; empty when there is none, or more than one."""
    found = [asset["asset"] for asset in known if asset["building"] == building and asset["asset_kind"] == kind]
    return found[0] if kind and len(found) == 1 else ""


def exported(complaints: Iterable[Record], known: Sequence[Record]) -> list[Record]:
    """Complaints as a backtest reads them, the oldest first; an asset that has become known since is put in."""
    rows = [
        {
            **{name: complaint.get(name, "") for name in _COLUMNS},
            "time": complaint["active_at"],
            "asset": complaint["asset"] or asset_of(_now_known(complaint, known), complaint["asset_kind"], known),
            "text": " ".join(complaint["text"].split()),
            "id": complaint["id"],
        }
        for complaint in complaints
    ]
    return sorted(rows, key=lambda row: row["time"])


def told(complaint: Record) -> Record:
    """The complaint as a gateway hears of it: nothing of who made it, or of where that one lives."""
    known = ("asset", "building", "asset_kind", "category", "urgency", "channel", "text")
    return {"id": complaint["id"], "at": complaint["active_at"], **{name: complaint.get(name, "") for name in known}}


def _now_known(complaint: Record, known: Sequence[Record]) -> str:
    """The complaint's building as gateways have called it since."""
    if complaint["said"]["building"]:
        return str(complaint["building"])
    return building_of(complaint["room"], {asset["building"] for asset in known})


def as_csv(rows: Iterable[Record]) -> str:
    """With a mark of UTF-8 in front, which spreadsheets want; no cell begins like a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*_COLUMNS, "id"])
    for row in rows:
        cells = [str(row[name]) for name in (*_COLUMNS, "id")]
        writer.writerow([f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell for cell in cells])
    return "\ufeff" + out.getvalue()
