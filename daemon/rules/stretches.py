"""How much of a moving span something was so: stretches of time that come in at one end and fall out at the other.

    t-w                                   t
     ( ====......======.........====......]      total: what lies inside (t-w, t]
   ====                                          a stretch that reaches over the edge counts with what is inside

A reading costs the same whatever the span: each stretch comes and goes once. All times are milliseconds.
"""

from __future__ import annotations

from collections import deque

#: More stretches than this are joined two by two, so that a restless point cannot grow the memory of a span.
_MOST = 4096


class Stretches:
    """Stretches of time, in order, and how long they are together."""

    __slots__ = ("entries", "total")

    def __init__(self) -> None:
        #: [begin, end) each; none of them meet.
        self.entries: deque[tuple[int, int]] = deque()
        self.total = 0

    def add(self, begin: int, end: int) -> None:
        """It was so from `begin` to `end`; nothing when that is no time. `begin` lies before no end added already."""
        if end <= begin:
            return
        entries = self.entries
        self.total += end - begin
        if entries and entries[-1][1] >= begin:
            begin = entries.pop()[0]
        entries.append((begin, end))
        if len(entries) > _MOST:
            self._join()

    def leave(self, edge: int) -> None:
        """Drop what lies before `edge`."""
        entries = self.entries
        while entries and entries[0][0] < edge:
            begin, end = entries.popleft()
            if end > edge:
                entries.appendleft((edge, end))
                self.total -= edge - begin
                return
            self.total -= end - begin

    def _join(self) -> None:
        """Make one of each two, as long as both and ending where the second does: exact to the pause between them."""
        kept, self.entries = list(self.entries), deque()
        for n in range(0, len(kept) - 1, 2):
            (begin, until), (since, end) = kept[n : n + 2]
            self.entries.append((since - (until - begin), end))
        if len(kept) % 2:
            self.entries.append(kept[-1])

    def save(self) -> list[list[int]]:
        """What `load` takes, as JSON values."""
        return [list(entry) for entry in self.entries]

    def load(self, saved: list[list[int]]) -> None:
        """Become what was saved."""
        self.entries = deque((begin, end) for begin, end in saved)
        self.total = sum(end - begin for begin, end in self.entries)


class Lasting(Stretches):
    """The same up to the site's clock, while time goes on: when it will have been so for long enough, or no more."""

    __slots__ = ("_need", "_now", "_on", "_span")

    def __init__(self, span: int, need: int) -> None:
        """Whether it was so for at least `need` of the last `span` milliseconds."""
        super().__init__()
        self._span = span
        self._need = need
        self._on = False
        self._now = 0

    @property
    def enough(self) -> bool:
        """It was."""
        return self.total >= self._need

    def turn(self, now: int, *, on: bool) -> None:
        """It is that time, and from now on it is so, or not."""
        if self._on:
            self.add(self._now, now)
        self._now, self._on = now, on
        self.leave(now - self._span)

    def next(self) -> int | None:
        """Nothing changes before this time, if nothing happens; None: nothing ever does."""
        dues = []
        leaving = False
        if self.entries:
            begin, end = self.entries[0]
            leaving = begin + self._span <= self._now
            dues.append((end if leaving else begin) + self._span)
        if self._on and not leaving and not self.enough:
            dues.append(self._now + self._need - self.total)
        elif leaving and not self._on and self.enough:
            dues.append(self._now + self.total - self._need + 1)
        return min((due for due in dues if due > self._now), default=None)

    def saved(self) -> list[object]:
        """What `restore` takes, as JSON values."""
        return [self._now, self._on, self.save()]

    def restore(self, saved: list[object]) -> None:
        """Become what was saved."""
        self._now, self._on, entries = saved  # type: ignore[assignment]
        self.load(entries)  # type: ignore[arg-type]
