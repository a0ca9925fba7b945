"""What a person may ask about complaints over the control socket, and hand in: each one enters by `emit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from daemon import control
from daemon.clock import Clock
from daemon.complaint import Complaint
from daemon.desks import complaints as desk
from daemon.model import Command, Emit
from daemon.outputs.told_complaints import heard
from daemon.store import complaints
from daemon.store.complaints import Kept
from daemon.store.db import reader

_MOST_LISTED = 1000
#: In one request; the socket takes 64 KiB.
_MOST_TAKEN = 500
_AHEAD = timedelta(minutes=5)
Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ComplaintCommands:
    """Reads the file, checks what is handed in, emits it."""

    file: Path
    clock: Clock
    emit: Emit

    def by_name(self) -> Mapping[str, control.Command]:
        """As the control socket takes them."""
        return {"complaints": self.complaints, desk.IMPORT: self.take}

    async def complaints(self, arguments: Arguments) -> dict[str, Any]:
        """The newest complaints, newest first, and how many there are by outcome."""
        limit = min(int(arguments.get("limit", 100)), _MOST_LISTED)
        with reader(self.file) as db:
            found, counts = complaints.newest(db, limit), complaints.counts(db)
        return {"complaints": [_row(kept) for kept in found], "counts": counts}

    async def take(self, arguments: Arguments) -> dict[str, Any]:
        """Take complaints in; those that are known and have their asset are left as they are.

        Raises:
            ValueError: one of them is none, or lies in the future, or nobody said who hands them in: none is taken.
        """
        user, given = str(arguments.get("user", "")).strip(), arguments.get("complaints")
        if not user:
            raise ValueError("say who does it, with --user")
        if not isinstance(given, list) or len(given) > _MOST_TAKEN or not all(isinstance(one, dict) for one in given):
            raise ValueError(f"`complaints` is a list of at most {_MOST_TAKEN} objects")
        now = self.clock.now()
        said = list({one.id: one for one in (heard(told, now) for told in given)}.values())
        for one in said:
            if one.made_at > now + _AHEAD:
                raise ValueError(f"complaint {one.id!r} lies in the future; correct its time")
        fresh = self._unknown(said)
        if fresh:
            note = Command(now, desk.IMPORT, str(arguments.get("file", ""))[:256], user, f"{len(fresh)} complaints")
            await self.emit([note, *fresh], urgent=True)
        with reader(self.file) as db:
            kept = [found for one in said if (found := complaints.find(db, one.id)) is not None]
        new = {one.id for one in fresh}
        return {
            "taken": len(fresh),
            "known": len(said) - len(fresh),
            "outcomes": dict(Counter(one.outcome.value for one in kept if one.id in new)),
            "unplaced": [one.id for one in kept if not one.asset],
        }

    def _unknown(self, said: list[Complaint]) -> list[Complaint]:
        with reader(self.file) as db:
            return [one for one in said if (kept := complaints.find(db, one.id)) is None or not kept.asset]


def _row(kept: Kept) -> dict[str, Any]:
    return {
        **kept._asdict(),
        "made_at": _iso(kept.made_at),
        "taken_at": _iso(kept.taken_at),
        "lead": None if kept.lead is None else kept.lead.total_seconds(),
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
