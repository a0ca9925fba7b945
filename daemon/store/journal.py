"""Journal: every input in commit order, and what a restart needs beside it.

The body of a row is JSON. An observation writes the readings that are good and share one moment as a single map, the
rest one by one: nine readings of a lift take about 200 bytes.
"""

from __future__ import annotations

import math
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from daemon import __version__
from daemon.complaint import Complaint
from daemon.model import (
    Command,
    Input,
    Observation,
    OrderStatus,
    Quality,
    Reading,
    Reason,
    Reload,
    Taken,
    Tick,
    TicketUpdate,
    from_ms,
    to_ms,
)
from daemon.store.statements import load

_SQL = load("journal")
_GOOD = Quality.GOOD
_PACKET = struct.Struct("<HQ")
#: Quarantined messages kept, newest; at 4 KiB each the table stays under 40 MiB.
QUARANTINE_ROWS = 10_000
#: At the third start an input that killed two is set aside.
DEATHS = 2
_PRUNE_EVERY = 512
_LONGEST_DESCRIPTION = 200
#: Later than any moment, and what SQLite can hold.
_NEWEST = 2**62


class Snapshot(NamedTuple):
    """Engine state as of journal row `seq`."""

    seq: int
    at: datetime
    rules_hash: str
    #: JSON, unread: what an older program wrote may be anything.
    state: bytes


def encode(item: Input) -> tuple[str, bytes]:
    """Kind and body of an input's row; its `at` is a column of its own."""
    match item:
        case Observation():
            return "o", _encode_observation(item)
        case Tick():
            return "t", b""
        case Command():
            until = [] if item.until is None else [to_ms(item.until)]
            return "c", orjson.dumps([item.name, item.target, item.user, item.reason, *until])
        case TicketUpdate():
            changed_at = None if item.changed_at is None else to_ms(item.changed_at)
            more = [item.stamp, item.team] if item.team else [] if item.stamp is None else [item.stamp]
            return "u", orjson.dumps([item.key, item.status, item.by, item.note, changed_at, *more])
        case Complaint():
            return "p", orjson.dumps([item.id, to_ms(item.made_at), *item[3:]])
        case Reload():
            return "r", item.rules_hash.encode()


def _encode_observation(item: Observation) -> bytes:
    readings = item.readings
    if not readings:
        return orjson.dumps({"d": item.device, **_flags(item)})
    at = readings[0].at
    values = {point: value for point, t, value, _, q, _ in readings if q is _GOOD and (t is at or t == at)}
    document: dict[str, Any] = {"d": item.device, "t": to_ms(at), "v": values}
    if len(values) != len(readings):
        document["r"] = [
            (r.point, to_ms(r.at), r.value, r.quality, r.reason)
            for r in readings
            if not (r.quality is _GOOD and r.at == at)
        ]
    if item.gone or item.retained:
        document |= _flags(item)
    return orjson.dumps(document)


def _flags(item: Observation) -> dict[str, bool]:
    return {key: True for key, flag in (("g", item.gone), ("k", item.retained)) if flag}


def decode(at_ms: int, kind: str, body: bytes) -> Input:
    """The input that `encode` wrote. Rejections live in the quarantine, not in the row."""
    at = from_ms(at_ms)
    match kind:
        case "o":
            return _decode_observation(at, body)
        case "t":
            return Tick(at)
        case "c":
            name, target, user, why, *until = orjson.loads(body)
            return Command(at, name, target, user, why, from_ms(until[0]) if until else None)
        case "u":
            key, status, by, note, changed_at, *more = orjson.loads(body)
            changed = None if changed_at is None else from_ms(changed_at)
            return TicketUpdate(at, key, OrderStatus(status), by, note, changed, *more)
        case "p":
            name, made_at, *said = orjson.loads(body)
            return Complaint(at, name, from_ms(made_at), *said)
        case "r":
            return Reload(at, bytes(body).decode())
        case _:
            raise ValueError(f"journal row of unknown kind {kind!r}")


def _decode_observation(at: datetime, body: bytes) -> Observation:
    document = orjson.loads(body)
    readings: list[Reading] = []
    if "v" in document:
        taken_at = from_ms(document["t"])
        readings = [Reading(point, taken_at, value, at) for point, value in document["v"].items()]
    for point, ms, value, quality, reason in document.get("r", ()):
        number = math.nan if value is None else value  # JSON has no word for it
        readings.append(Reading(point, from_ms(ms), number, at, Quality(quality), Reason(reason)))
    return Observation(at, document["d"], tuple(readings), gone="g" in document, retained="k" in document)


def fingerprint(item: Input) -> int:
    """What an input says, whenever it says it: the same when a broker delivers the message again."""
    text = repr(_said(item)).encode("utf-8", "backslashreplace")  # JSON may be what it dies of
    return zlib.crc32(text) << 31 | zlib.adler32(text) >> 1


def _said(item: Input) -> object:
    match item:
        case Observation():
            return [item.device, [(r.point, r.value, r.quality) for r in item.readings]]
        case Tick():
            return "tick"
        case TicketUpdate():
            return [item.key, item.status, item.stamp]
        case Command():
            return [item.name, item.target]
        case Complaint():
            return ["complaint", item.id]
        case Reload():
            return item.rules_hash


def _entering(item: Input, at: datetime) -> Input:
    """The same input, received at `at`."""
    if type(item) is Observation:
        readings = tuple(reading._replace(received_at=at) for reading in item.readings)
        return item._replace(at=at, readings=readings)
    return item._replace(at=at)


class Journal:
    """The journal of one file. Everything here runs on the writer, inside its transaction."""

    def __init__(self, db: sqlite3.Connection, *, not_before_seq: int = 0, transient: bool = False) -> None:
        self._db = db
        #: Inputs are numbered and put in order, and no rows are kept of them.
        self._transient = transient
        self.last_seq = max(not_before_seq, int(db.execute(_SQL["last"]).fetchone()[0]))
        #: Site time of the newest row: no row lies before the one ahead of it.
        self.last_at = from_ms(int(db.execute(_SQL["last_at"]).fetchone()[0]))
        #: How often this program has died at what, by fingerprint. Nearly always empty.
        self._deaths: dict[int, int] = dict(db.execute(_SQL["deaths"], (__version__,)).fetchall())
        #: Of the last batch: sequence number and description of what was set aside.
        self.aside: dict[int, str] = {}
        self._batches = 0

    def is_poison(self, item: Input) -> bool:
        """Whether processing has died at this input too often to try it again."""
        return bool(self._deaths) and self._deaths.get(fingerprint(item), 0) >= DEATHS

    @property
    def poisoned(self) -> bool:
        """Whether there is anything that is not tried again."""
        return any(count >= DEATHS for count in self._deaths.values())

    def survived(self, item: Input) -> None:
        """Processing has not died at it this time: forget that it did."""
        if self._deaths and self._deaths.pop(fingerprint(item), None) is not None:
            self._db.execute(_SQL["forgive"], (fingerprint(item),))

    def append(self, inputs: Iterable[Input], taken: Iterable[Taken] = ()) -> list[tuple[int, Input]]:
        """Write the inputs and give each its sequence number.

        Sources hand over side by side, so an input may be a few milliseconds older than one before it: it enters at
        the time of the one before. The rules see time run one way, live and in every replay.

        An input at which processing has died twice comes back as a Tick of its moment: kept in the quarantine,
        no longer processed, described in `aside`. Any other counts as survived: what dies yet is undone with its batch.
        """
        rows: list[tuple[int, int, str, bytes]] = []
        numbered: list[tuple[int, Input]] = []
        seq = self.last_seq
        last_at = self.last_at
        if self.aside:
            self.aside = {}
        for given in inputs:
            seq += 1
            item = self._judged(seq, given) if self._deaths else given
            if item.at < last_at:
                item = _entering(item, last_at)
            last_at = item.at
            if not self._transient:
                rows.append((seq, to_ms(item.at), *encode(item)))
            numbered.append((seq, item))
            if type(item) is Observation and item.rejections:
                self._quarantine(seq, item)
        if rows:
            self._db.executemany(_SQL["append"], rows)
        for part in taken:
            self._take(part)
        self.last_seq, self.last_at = seq, last_at
        return numbered

    def add_computed(self, seq: int, item: Observation) -> None:
        """Write down what the rules made of a row of this batch."""
        if self._transient:
            return
        body = _encode_observation(Observation(item.at, "", item.computed))
        self._db.execute(_SQL["compute"], (seq, body))

    def _judged(self, seq: int, item: Input) -> Input:
        if not self.is_poison(item):
            self.survived(item)
            return item
        what = f"{type(item).__name__} {_said(item)!r}"
        self.aside[seq] = what[:_LONGEST_DESCRIPTION]
        payload = what.encode("utf-8", "backslashreplace")[:4096]
        detail = f"processing died {DEATHS} times at this input"
        self._db.execute(_SQL["quarantine"], (seq, to_ms(item.at), "journal", Reason.POISON, detail, payload))
        self._db.execute(_SQL["prune_quarantine"], (QUARANTINE_ROWS,))
        return Tick(item.at)

    def _quarantine(self, seq: int, item: Observation) -> None:
        at = to_ms(item.at)
        self._db.executemany(
            _SQL["quarantine"], [(seq, at, r.place, r.reason, r.detail, r.payload[:4096]) for r in item.rejections]
        )
        self._db.execute(_SQL["prune_quarantine"], (QUARANTINE_ROWS,))

    def _take(self, taken: Taken) -> None:
        blob = b"".join([_PACKET.pack(packet, digest) for packet, digest in taken.packets])
        self._db.execute(_SQL["take"], (taken.source, taken.session, blob, len(taken.packets)))
        self._batches += 1
        if self._batches % _PRUNE_EVERY == 0:
            self._db.execute(_SQL["prune_taken"], (taken.source,))

    def died(self, item: Input, at: datetime, error: str) -> None:
        """Remember that processing ended the program at this input. A Tick says nothing that could be set aside."""
        if type(item) is not Tick:
            self._db.execute(_SQL["die"], (fingerprint(item), __version__, to_ms(at), error))

    def snapshot(self, at: datetime, rules_hash: str, state: Mapping[str, Any]) -> None:
        """Keep the engine's state as of the newest row."""
        body = orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS)
        self._db.execute(_SQL["snapshot"], (self.last_seq, to_ms(at), int(state["version"]), rules_hash, body))
        self._db.execute(_SQL["prune_snapshots"])

    def snapshots(self) -> list[Snapshot]:
        """What a restart may begin with, the newest first."""
        rows = self._db.execute(_SQL["snapshots"])
        return [Snapshot(seq, from_ms(at), rules_hash, bytes(body)) for seq, at, rules_hash, body in rows]

    def first_at(self) -> datetime:
        """Site time of the oldest row that is left; of the newest ever when none is."""
        (ms,) = self._db.execute(_SQL["first_at"]).fetchone()
        return self.last_at if ms is None else from_ms(ms)

    def after(self, seq: int) -> Iterator[tuple[int, Input]]:
        """Every row after `seq`, oldest first."""
        for number, at, kind, body in self._db.execute(_SQL["after"], (seq,)):
            yield number, decode(at, kind, body)

    def add_ruleset(self, rules_hash: str, body: bytes, at: datetime) -> None:
        """Store a ruleset, so that a Reload may name it."""
        self._db.execute(_SQL["add_ruleset"], (rules_hash, to_ms(at), body))

    def ruleset(self, rules_hash: str) -> bytes:
        """The stored ruleset.

        Raises:
            LookupError: no ruleset of that hash was ever stored.
        """
        row = self._db.execute(_SQL["ruleset"], (rules_hash,)).fetchone()
        if row is None:
            raise LookupError(f"no ruleset {rules_hash} in the store")
        return bytes(row[0])


def observations(db: sqlite3.Connection, from_seq: int, to_seq: int, limit: int) -> list[tuple[int, Observation]]:
    """A piece of the backlog: observations with from_seq <= seq <= to_seq, oldest first, at most `limit`."""
    rows = db.execute(_SQL["observations"], (from_seq, to_seq, limit))
    return [(seq, _whole_observation(from_ms(at), body, computed)) for seq, at, body, computed in rows]


def _whole_observation(at: datetime, body: bytes, computed: bytes | None) -> Observation:
    found = _decode_observation(at, body)
    return found if computed is None else found._replace(computed=_decode_observation(at, computed).readings)


def piece(db: sqlite3.Connection, after_seq: int, limit: int) -> list[tuple[int, Input]]:
    """The next rows of whatever kind, oldest first: for whoever must not hold a reader open for long."""
    return [(seq, decode(at, kind, body)) for seq, at, kind, body in db.execute(_SQL["piece"], (after_seq, limit))]


def end(db: sqlite3.Connection) -> datetime:
    """Site time of the newest row."""
    return from_ms(int(db.execute(_SQL["last_at"]).fetchone()[0]))


def rulesets(db: sqlite3.Connection) -> dict[str, bytes]:
    """Every ruleset that a row may name, by hash."""
    return {name: bytes(body) for name, body in db.execute(_SQL["rulesets"])}


def rules_at(db: sqlite3.Connection, at: datetime | None = None) -> str:
    """The hash of the ruleset in force at a moment, as the audit tells, or of the newest; empty when none is known."""
    (found,) = db.execute(_SQL["rules_at"], (_NEWEST if at is None else to_ms(at),)).fetchone()
    return found or ""


def remembered(db: sqlite3.Connection, source: str) -> tuple[str, dict[int, int]]:
    """The broker session of a source and the packets committed in it: packet id -> hash, newest wins."""
    session = ""
    packets: dict[int, int] = {}
    entries = 0
    for name, blob, count in db.execute(_SQL["taken"], (source,)):
        session = session or name
        if name != session or entries > 0xFFFF:
            break
        for packet, digest in reversed(list(_PACKET.iter_unpack(blob))):
            packets.setdefault(packet, digest)
        entries += count
    return session, packets


def evict(db: sqlite3.Connection, up_to_seq: int, limit: int) -> int:
    """Delete the oldest rows with seq <= up_to_seq, never one that a restart needs; the number deleted."""
    rows = db.execute(_SQL["evict"], (up_to_seq, limit)).rowcount
    db.execute(_SQL["evict_computed"])
    return rows
