"""Mutes: what persons have silenced for a time, with who and why. They end; nothing is muted for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from daemon.model import Level, from_ms, to_ms
from daemon.store.statements import load

_SQL = load("dispositions")
#: Of a mute: the whole site.
EVERYWHERE = "*"


class MuteKind(StrEnum):
    """What a person has muted."""

    #: One alarm: a rule on an asset.
    SHELVE = "shelve"
    #: An asset, or the site, is being worked on.
    MAINTAIN = "maintain"


class Mute(NamedTuple):
    """One mute."""

    id: int
    kind: MuteKind
    #: Empty: every rule.
    rule: str
    asset: str
    #: What is more urgent is not muted.
    level: Level
    since: datetime
    until: datetime
    user: str
    reason: str


class Mutes:
    """The mutes of one file. Everything that writes runs on the writer, inside its transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # asked for at each alarm and each input, so they are kept at hand; the rows are what counts
        self._in_force = in_force(db)

    def next_end(self) -> datetime | None:
        """When the next mute runs out."""
        return min((mute.until for mute in self._in_force), default=None) if self._in_force else None

    def shelf(self, rule: str, asset: str) -> Mute | None:
        """The mute of one alarm."""
        found = (m for m in self._in_force if m.kind is MuteKind.SHELVE and (m.rule, m.asset) == (rule, asset))
        return next(found, None)

    def maintenance(self, asset: str) -> Mute | None:
        """The mute of an asset, or of the whole site, that lasts longest."""
        found = (m for m in self._in_force if m.kind is MuteKind.MAINTAIN and m.asset in {asset, EVERYWHERE})
        return max(found, key=lambda mute: mute.until, default=None)

    def begin(self, mute: Mute) -> None:
        """Begin a mute (its `id` is given here)."""
        moments = (to_ms(mute.since), to_ms(mute.until))
        row = (mute.kind, mute.rule, mute.asset, int(mute.level), *moments, mute.user, mute.reason)
        self._db.execute(_SQL["mute"], row)
        self._in_force = in_force(self._db)

    def end(self, mute: Mute, at: datetime) -> None:
        """End a mute."""
        self._db.execute(_SQL["end_mute"], (to_ms(at), mute.id))
        self._in_force = in_force(self._db)

    def of(self, kind: MuteKind) -> list[Mute]:
        """Those of a kind, oldest first."""
        return [mute for mute in self._in_force if mute.kind is kind]

    def ended_by(self, at: datetime) -> list[Mute]:
        """Those that have run out at that moment."""
        return [mute for mute in self._in_force if mute.until <= at]


def at_moment(db: sqlite3.Connection, rule: str, asset: str, at: datetime) -> list[Mute]:
    """The mutes that held for an alarm at a moment, ended since or not."""
    return [_mute(row) for row in db.execute(_SQL["mutes_at"], (rule, asset, to_ms(at)))]


def in_force(db: sqlite3.Connection) -> list[Mute]:
    """Every mute that has not ended."""
    return [_mute(row) for row in db.execute(_SQL["mutes"])]


def _mute(row: Sequence[Any]) -> Mute:
    no, kind, rule, asset, level, since, until, user, reason = row
    return Mute(no, MuteKind(kind), rule, asset, Level(level), from_ms(since), from_ms(until), user, reason)
