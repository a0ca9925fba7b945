"""The gateway's own journal as a history: everything that happened, Ticks, commands and reloads among it.

Fed back under the rules of its days it comes to the alarms and orders of those days, exactly; under other rules its
readings are a history like any other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.complaint import Complaint
from daemon.model import ConfigError, Input, Observation, Reload, Tick
from daemon.store import journal
from daemon.store.db import FILE, fact, reader

#: Rows read at once: a reader that stays open for long would keep the gateway's log from being shortened.
_PIECE = 5000


@dataclass(frozen=True, slots=True)
class Recording:
    """What a journal's rows refer to."""

    #: By hash.
    rulesets: Mapping[str, bytes]
    ledger_id: str


class JournalHistory:
    """One state file, of a running gateway or a copy of it; it is only read."""

    #: Every device of the site was listened to, so that one that did not speak was silent.
    points = None
    ignored = ()
    #: Production has judged its values.
    is_raw = False

    def __init__(self, path: Path) -> None:
        """Look what is in it.

        Raises:
            ConfigError: it is no state file, or holds no row.
        """
        self.path = path / FILE if path.is_dir() else path
        try:
            with reader(self.path) as db:
                first = journal.piece(db, 0, 1)
                self.recording = Recording(journal.rulesets(db), fact(db, "ledger_id"))
                #: Whether the beginning is still there; the oldest rows make room for new ones.
                self.whole = bool(first) and first[0][0] == 1
                #: Of the rules in force at its end.
                self.newest = journal.rules_at(db)
                self._before = None if not first else _rules_before(db, first[0][1])
        except (sqlite3.Error, ValueError) as error:
            raise ConfigError([f"{self.path}: no state file of the gateway: {error}"]) from error
        if not first:
            raise ConfigError([f"{self.path}: its journal is empty"])

    def recorded(self) -> Iterator[Input]:
        """Every input, beginning with the rules that were in force."""
        if self._before is not None:
            yield self._before
        yield from self._rows()

    def __iter__(self) -> Iterator[Observation | Tick | Complaint]:
        """What was heard, without what persons, tickets and reloads said: those are about alarms of other rules."""
        for item in self._rows():
            if type(item) is Observation or type(item) is Tick or type(item) is Complaint:
                yield item

    def _rows(self) -> Iterator[Input]:
        seq = 0
        while True:
            with reader(self.path) as db:
                rows = journal.piece(db, seq, _PIECE)
            if not rows:
                return
            for _, item in rows:
                yield item
            seq = rows[-1][0]


def _rules_before(db: sqlite3.Connection, first: Input) -> Reload | None:
    """The rules under which the oldest row that is left stood, when it does not name them itself."""
    known = "" if type(first) is Reload else journal.rules_at(db, first.at)
    return Reload(first.at, known) if known else None
