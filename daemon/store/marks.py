"""How far each sink has been served from the journal: everything up to `live_seq` that lies in no gap.

    journal  ────────────┬──────┬───────────────┬─────┬──────────> seq
             forwarded   │ gap  │   forwarded   │ gap │ not yet offered
                         └──────┘               └─────┴ live_seq

Live rows go first, so an outage leaves a gap behind that is drained later, oldest first. The mark is written after the
sink has accepted: a crash in between sends rows again, which overwrite themselves, and counts them once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from daemon.model import Reason, to_ms
from daemon.store.journal import QUARANTINE_ROWS
from daemon.store.statements import load

_SQL = load("marks")
_JOURNAL = load("journal")

#: Both ends are part of it.
Gap = tuple[int, int]


class Mark(NamedTuple):
    """How far one sink was served, and what it took in all."""

    live_seq: int = 0
    gaps: tuple[Gap, ...] = ()
    #: Values of points that the sink accepted.
    values_written: int = 0
    lines_rejected: int = 0


class RefusedLine(NamedTuple):
    """A line that the sink will never take, on its way into the quarantine."""

    seq: int
    reason: str
    line: bytes


def load_mark(db: sqlite3.Connection, sink: str) -> Mark:
    """Where a sink stands; a sink never served stands at zero."""
    row = db.execute(_SQL["mark"], (sink,)).fetchone()
    gaps = tuple((int(low), int(high)) for low, high in db.execute(_SQL["gaps"], (sink,)))
    return Mark(row[0], gaps, row[1], row[2]) if row else Mark()


def last_seq(db: sqlite3.Connection) -> int:
    """The newest row of the journal."""
    return int(db.execute(_JOURNAL["last"]).fetchone()[0])


def advance(
    db: sqlite3.Connection, sink: str, at: datetime, progress: Mark, refused: Sequence[RefusedLine] = ()
) -> None:
    """Write down a sink's progress: `live_seq` and `gaps` as they now are, totals as what was added.

    Refused lines go into the quarantine. Runs on the writer, inside its transaction.
    """
    row = (sink, progress.live_seq, progress.values_written, progress.lines_rejected)
    db.execute(_SQL["advance"], row)
    db.execute(_SQL["forget_gaps"], (sink,))
    db.executemany(_SQL["add_gap"], [(sink, low, high) for low, high in progress.gaps])
    if refused:
        rows = [(r.seq, to_ms(at), f"sink:{sink}", Reason.REFUSED, r.reason, r.line[:4096]) for r in refused]
        db.executemany(_JOURNAL["quarantine"], rows)
        db.execute(_JOURNAL["prune_quarantine"], (QUARANTINE_ROWS,))


def forwarded_up_to(db: sqlite3.Connection) -> int:
    """The row up to which every sink has everything: what may be evicted. 0 when no sink was ever served."""
    return int(db.execute(_SQL["forwarded"]).fetchone()[0] or 0)


def union(gaps: Iterable[Gap]) -> list[Gap]:
    """The same rows as few gaps, oldest first; empty ones (`high < low`) vanish."""
    found: list[Gap] = []
    for low, high in sorted(gap for gap in gaps if gap[0] <= gap[1]):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def without(gaps: Iterable[Gap], done: Gap) -> list[Gap]:
    """The gaps after the rows `done` were drained."""
    pieces = ((low, min(high, done[0] - 1)) for low, high in gaps)
    rest = ((max(low, done[1] + 1), high) for low, high in gaps)
    return union([*pieces, *rest])
