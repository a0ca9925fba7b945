"""How rules stood on an asset at a moment: the journal, replayed up to it through the same engine. Nothing is written.

It begins at the newest snapshot before that moment, or at the oldest row of the journal; what the gateway had known
before that row it has to learn anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from daemon.model import ConfigError, Reload, Tick
from daemon.rules.engine import Engine
from daemon.rules.look import WatchLook
from daemon.rules.schema import Binding, Ruleset
from daemon.store import journal, ledger
from daemon.store.db import reader
from daemon.store.journal import Journal

_PIECE = 5000


class LookedBack(NamedTuple):
    """What stood at a moment."""

    at: datetime
    ruleset: Ruleset
    looks: tuple[tuple[Binding, WatchLook], ...]
    #: The moment of the oldest row that was replayed, when there was no snapshot to begin with.
    learned_from: datetime | None


class _Replay:
    """An engine of its own, brought to a moment."""

    def __init__(self, file: Path, at: datetime) -> None:
        self.engine = Engine()
        self.ruleset: Ruleset | None = None
        self.learned_from: datetime | None = None
        self._file = file
        self._at = at
        with reader(file) as db:
            self._rulesets = journal.rulesets(db)
            self._seq = self._begin(db)

    def run(self, on_progress: Callable[[int], None] | None) -> None:
        """Every row up to the moment, piece by piece: a reader that stays open keeps the log from being shortened."""
        done = 0
        while True:
            with reader(self._file) as db:
                rows = journal.piece(db, self._seq, _PIECE)
            for seq, item in rows:
                if item.at > self._at:
                    rows = []
                    break
                self._seq = seq
                self.engine.step(item)
                if type(item) is Reload:
                    self._reload(item.rules_hash, item.at)
            done += len(rows)
            if on_progress is not None:
                on_progress(done)
            if not rows:
                break
        self.engine.step(Tick(self._at))

    def _begin(self, db: sqlite3.Connection) -> int:
        for kept in Journal(db).snapshots():
            if kept.at > self._at:
                continue
            try:
                self._reload(kept.rules_hash, kept.at)
                self.engine.restore(orjson.loads(kept.state))
            except ValueError:
                self.engine = Engine()  # of an older program: learn from the journal instead
                continue
            return kept.seq
        first = journal.piece(db, 0, 1)
        if not first or first[0][1].at > self._at:
            since = first[0][1].at.isoformat() if first else "nothing"
            raise ConfigError([f"{self._at.isoformat()}: the journal begins later ({since}); ask for a later moment"])
        self.learned_from = first[0][1].at
        if type(first[0][1]) is not Reload:
            self._reload(journal.rules_at(db, self.learned_from), self.learned_from)
            open_then = [a for a in ledger.open_alarms(db) if a.active_at <= self.learned_from]
            self.engine.adopt(open_then)
        return 0

    def _reload(self, rules_hash: str, at: datetime) -> None:
        body = self._rulesets.get(rules_hash)
        if body is None:
            raise ConfigError([f"{self._file}: the rules of {at.isoformat()} are not in the store"])
        self.ruleset = Ruleset.from_json(body)
        self.engine.reload(self.ruleset, at)


def look_back(
    file: Path,
    asset: str,
    at: datetime,
    *,
    rule: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> LookedBack:
    """Replay up to `at` and look at the rules of an asset (or device, or source), or at one of them.

    Raises:
        ConfigError: the journal does not reach back to `at`, or no such rule watches that asset.
    """
    replay = _Replay(file, at)
    replay.run(on_progress)
    ruleset = replay.ruleset
    if ruleset is None:
        raise ConfigError([f"{at.isoformat()}: no rules were in force yet"])
    devices = {device.id for device in ruleset.catalogue.devices if device.asset == asset}
    bound = [one for one in ruleset.bindings() if one.asset.id == asset or one.asset.id in devices]
    found = [(one, look) for one in bound if (look := replay.engine.look(one, at)) is not None]
    chosen = tuple((one, look) for one, look in found if rule in {None, one.rule.id})
    if not chosen:
        known = ", ".join(sorted({one.rule.id for one, _ in found})) or "none: is the asset's id right?"
        raise ConfigError([f"no rule {rule or ''} watches {asset!r}; rules that do: {known}"])
    return LookedBack(at, ruleset, chosen, replay.learned_from)
