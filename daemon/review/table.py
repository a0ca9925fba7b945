"""A table as it is read by a person, a spreadsheet and a program: the numbers stand once, here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from daemon.model import Level, Text


class Ratio(NamedTuple):
    """So many of so many."""

    n: int
    of: int

    @property
    def percent(self) -> float | None:
        """None: there is nothing to divide by."""
        return None if self.of == 0 else 100 * self.n / self.of


#: What may stand in a table; None: there is no such number.
Cell = str | int | Ratio | Text | Level | datetime | timedelta | None


class Column(NamedTuple):
    """A column; `key` names it to programs."""

    key: str
    title: Text


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the review."""

    key: str
    title: Text
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    #: How it was counted.
    note: Text | None = None

    def column(self, key: str) -> list[Cell]:
        """The cells of a column, from top to bottom."""
        place = [column.key for column in self.columns].index(key)
        return [row[place] for row in self.rows]


def table(
    key: str,
    title: tuple[str, str],
    columns: Sequence[tuple[str, str, str]],
    rows: Iterable[Sequence[Cell]],
    note: Text | None = None,
) -> Table:
    """A table from its words: a column is its key and its title in Chinese and English."""
    heads = tuple(Column(name, Text(zh, en)) for name, zh, en in columns)
    return Table(key, Text(*title), heads, tuple(tuple(row) for row in rows), note)
