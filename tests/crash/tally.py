"""What should be there, what is there, and the difference: counted from outside the daemon."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.crash.site import CHAIN_RULE, LEAK_RULE, POOL, Opening


class Sent(NamedTuple):
    """A message whose receipt the broker acknowledged to its publisher."""

    n: int
    #: Its own time stamp in ms; 0 when it has none.
    ts: int
    lift: str


class Stored(NamedTuple):
    """A number found in the InfluxDB stand-in."""

    n: int
    ts: int
    lift: str


def acknowledged(journal: Path) -> list[Sent]:
    """What the publisher wrote down, a line `n ts lift shape` for each acknowledged message."""
    lines = (line.split() for line in journal.read_text("utf-8").splitlines())
    return [Sent(int(n), int(ts), lift) for n, ts, lift, _ in lines]


def stored(influx: str) -> list[Stored]:
    """Every number in the stand-in, of both shapes."""
    return [*_numbers(influx, "n"), *_numbers(influx, "plain_n")]


def _numbers(influx: str, field: str) -> Iterator[Stored]:
    with urllib.request.urlopen(f"{influx}/_export?field={field}") as answer:  # noqa: S310  our own child
        for line in answer:
            point = json.loads(line)
            # A message without a stamp is stored at the moment of its receipt, which nobody outside knows.
            ts = 0 if field == "plain_n" else int(point["ts"])
            yield Stored(int(point["fields"][field]), ts, point["tags"]["asset"])


def orders(database: Path) -> Counter[tuple[str, str]]:
    """How many orders the ticketing service holds, by asset and rule."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        bodies = [json.loads(body) for (body,) in db.execute("SELECT body FROM orders")]
    return Counter((body["asset"], body["rule"]) for body in bodies)


def expected_orders(
    sent: Iterable[Sent], openings: Iterable[Opening], leaks: Iterable[float], until: float
) -> Counter[tuple[str, str]]:
    """One order for each opening of which a message got through, and for each leak that began by then."""
    numbers: dict[str, list[int]] = {}
    for message in sent:
        if message.ts:
            numbers.setdefault(message.lift, []).append(message.n)
    wanted = Counter(
        (opening.lift, CHAIN_RULE)
        for opening in openings
        if any(opening.first <= n < opening.last for n in numbers.get(opening.lift, ()))
    )
    wanted[POOL, LEAK_RULE] = sum(at <= until for at in leaks)
    return wanted


@dataclass(frozen=True, slots=True)
class Tally:
    """The figures of a run."""

    sent: int
    stored: int
    lost: int
    repeated: int
    orders_expected: int
    orders_found: int
    orders_missing: int
    duplicates: int

    @property
    def is_exact(self) -> bool:
        """Nothing lost, nothing twice, every order there once."""
        return not (self.lost or self.repeated or self.orders_missing or self.duplicates)

    def line(self, kills: int) -> str:
        """The figures as they are printed."""
        return (
            f"kills={kills} sent={self.sent} stored={self.stored} lost={self.lost} repeated={self.repeated} "
            f"orders_expected={self.orders_expected} orders_found={self.orders_found} duplicates={self.duplicates}"
        )


def compare(
    sent: Iterable[Sent],
    found: Iterable[Stored],
    wanted: Counter[tuple[str, str]],
    held: Counter[tuple[str, str]],
) -> Tally:
    """Compare exact multisets: what stands there twice or was never sent is repeated, an order too many a duplicate."""
    should, there = Counter(map(tuple, sent)), Counter(map(tuple, found))
    return Tally(
        sent=should.total(),
        stored=there.total(),
        lost=(should - there).total(),
        repeated=(there - should).total(),
        orders_expected=wanted.total(),
        orders_found=held.total(),
        orders_missing=(wanted - held).total(),
        duplicates=(held - wanted).total(),
    )
