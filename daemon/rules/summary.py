"""One number made of the readings in a window, kept up as readings come and go.

Each entry of a window (a reading, or all the readings of one bucket) has a part in the number. A summary learns the
part of what is new, forgets that of what has fallen out, and never looks at what lies between:

    count, sum, mean, stddev, slope     sums in whole billionths: adding and taking away again leaves no trace
    min, max, range                     the entries that may yet be the extreme; each comes and goes once
    median, p1 … p99.9                  all values in order: a binary search and a move in memory for each reading
    delta, rate                         the first and the last entry

Parts are JSON values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Part = Any
#: Time of its last reading; how much of the time since the entry before, and inside the window, is covered; its part. A
#: bare tuple: one is built for each reading of each window.
Entry = tuple[int, int, Part]


class Summary(Protocol):
    """What a window keeps up."""

    def part(self, at: int, value: float) -> Part:
        """The part of one reading."""
        ...

    def joined(self, one: Part, other: Part) -> Part:
        """The part of a bucket that another reading has come into."""
        ...

    def learn(self, part: Part) -> None:
        """Take in a new last entry."""
        ...

    def forget(self, part: Part) -> None:
        """Drop the first entry."""
        ...

    def change(self, old: Part, new: Part) -> None:
        """The last entry, a bucket, has got another part."""
        ...

    def packed(self, part: Part) -> Any:  # noqa: ANN401  JSON
        """A part as short as it can be saved."""
        ...

    def unpacked(self, at: int, saved: Any) -> Part:  # noqa: ANN401  JSON
        """What was packed; `at` is the time of its entry."""
        ...

    def value(self, entries: Sequence[Entry]) -> float | None:
        """The number; None when so few readings do not have one. There is at least one entry."""
        ...


class Plain:
    """Parts that are saved as they are."""

    __slots__ = ()

    def packed(self, part: Part) -> Any:  # noqa: ANN401  JSON
        """As it is."""
        return list(part) if part.__class__ is tuple else part

    def unpacked(self, _at: int, saved: Any) -> Part:  # noqa: ANN401  JSON
        """As it was."""
        return saved
