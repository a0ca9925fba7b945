"""A history that is not in order of time, put in order in a temporary file: memory does not grow with it."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from daemon.model import Input, Observation, to_ms


class _Unsorted(Protocol):
    @property
    def points(self) -> frozenset[str] | None: ...

    @property
    def ignored(self) -> Sequence[str]: ...

    @property
    def is_raw(self) -> bool: ...

    def __iter__(self) -> Iterator[Input]: ...


class Sorted:
    """The same inputs by time; what one device says in one moment becomes one message."""

    def __init__(self, history: _Unsorted) -> None:
        self._history = history
        self.points = history.points
        self.ignored = history.ignored
        self.is_raw = history.is_raw

    def __iter__(self) -> Iterator[Input]:
        """All of them, once they have been put in order."""
        db = sqlite3.connect("", isolation_level=None)
        try:
            db.execute("PRAGMA temp_store = FILE")
            db.execute("CREATE TABLE item (at INTEGER, device TEXT, body BLOB)")
            db.execute("BEGIN")
            db.executemany("INSERT INTO item VALUES (?, ?, ?)", map(_row, self._history))
            db.execute("COMMIT")
            rows = db.execute("SELECT body FROM item ORDER BY at, device, rowid")
            items: Iterator[Input] = (pickle.loads(body) for (body,) in rows)  # noqa: S301  our own, a moment ago
            for _, group in groupby(items, key=_speaker):
                yield from _joined(list(group))
        finally:
            db.close()


def _row(item: Input) -> tuple[int, str, bytes]:
    device = item.device if type(item) is Observation else ""
    return to_ms(item.at), device, pickle.dumps(item, pickle.HIGHEST_PROTOCOL)


def _speaker(item: Input) -> tuple[int, str | None]:
    return to_ms(item.at), item.device if type(item) is Observation else None


def _joined(group: list[Input]) -> Iterator[Input]:
    said = [item for item in group if type(item) is Observation]
    if len(said) > 1:
        readings = tuple(reading for item in said for reading in item.readings)
        rejections = tuple(rejection for item in said for rejection in item.rejections)
        yield said[0]._replace(readings=readings, rejections=rejections)
    else:
        yield from group
