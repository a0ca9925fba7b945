"""Windows over the readings of one point: half-open (t-w, t], where t is the source time of its latest reading.

    t-w                                   t
     ( . . . . . ## . . . . . . . . . . . ]      ## a gap longer than the point's freshness: not covered
     └─ outside                           └─ inside

A window is unknown until fresh data covers enough of it. It keeps readings one by one up to an hour's span and in
1/720 of the span beyond, where its edge is exact to one such bucket. Times inside are milliseconds since 1970.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import Any

from daemon.rules.counters import Tally

#: Up to this span readings are kept one by one; 1 Hz makes 3600 of them.
_EXACT_MS = 3_600_000
_BUCKETS = 720
#: More readings than this in a window are thinned out to buckets, so that a fast device cannot grow it.
_MOST = 4096
#: Sums are kept in whole billionths of the unit: adding and taking away again leaves no trace, unlike with floats.
_PARTS = 1_000_000_000
#: Limits made by arithmetic (80 % of 0.3) are met by what prints the same.
_SLACK = 1e-9


class _Sum:
    """For the mean: every reading counts."""

    def __init__(self) -> None:
        self.total = 0
        self.count = 0

    def learn(self, count: int, value: float) -> None:
        self.total += count * round(value * _PARTS)
        self.count += count

    def forget(self, count: int, value: float) -> None:
        self.total -= count * round(value * _PARTS)
        self.count -= count

    def mean(self) -> float:
        return self.total / self.count / _PARTS


class _Order:
    """For minimum, maximum and median: every entry counts once."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def learn(self, _count: int, value: float) -> None:
        insort(self.values, value)

    def forget(self, _count: int, value: float) -> None:
        del self.values[bisect_left(self.values, value)]

    def min(self) -> float:
        return self.values[0]

    def max(self) -> float:
        return self.values[-1]

    def median(self) -> float:
        middle = len(self.values) // 2
        return self.values[middle] if len(self.values) % 2 else (self.values[middle - 1] + self.values[middle]) / 2


#: Time of its last reading; how many readings it stands for; their value; how much of the time since the entry before,
#: and inside the window, is covered. A bare tuple: one is built for each reading of each window.
_Entry = tuple[int, int, float, int]


class Window:
    """Readings of the last `span_ms`, and one number made of them."""

    __slots__ = (
        "_tally", "before", "covered", "entries", "fresh_ms", "frozen", "key", "need_ms", "offset", "resumed",
        "span_ms", "statistic", "width",
    )  # fmt: skip

    def __init__(self, key: str, statistic: str, span_ms: int, coverage: float, fresh_ms: int | None) -> None:
        #: What makes it the same window over a reload or restart.
        self.key = key
        #: mean, min, max or median
        self.statistic = statistic
        self.span_ms = span_ms
        #: This much of it must be covered by fresh readings, each standing until the next one or its freshness' end.
        self.need_ms = span_ms * coverage
        self.fresh_ms = fresh_ms
        self.entries: deque[_Entry] = deque()
        self.covered = 0
        #: Time of the last reading that fell out.
        self.before: int | None = None
        self.width = 0 if span_ms <= _EXACT_MS else span_ms // _BUCKETS
        #: It learns nothing meanwhile, and its clock stands still.
        self.frozen = False
        self.resumed = False
        self.offset = 0
        self._tally: _Sum | _Order = _Sum() if statistic == "mean" else _Order()

    def push(self, at: int, value: float) -> None:
        """Take in a reading; `at` never goes back."""
        if self.frozen:
            return
        entries = self.entries
        at -= self.offset
        if self.resumed:
            self.resumed = False
            skipped = max(0, at - entries[-1][0] - (self.fresh_ms or 1)) if entries else 0
            self.offset += skipped
            at -= skipped
        edge = at - self.span_ms
        while entries and entries[0][0] <= edge:
            self.before, readings, old, covered = entries.popleft()
            self._tally.forget(readings, old)
            self.covered -= covered
        cover = 0
        if entries:
            if entries[0][3]:
                self._trim(edge)
            cover = self._fresh(at - entries[-1][0])
        self._append((at, 1, value, cover))
        if len(entries) > _MOST:
            self.width = max(2 * self.width, self.span_ms // (_MOST // 2), 1)
            self._rebuild(list(entries))

    def _trim(self, edge: int) -> None:
        """Count of the time before the first entry only what lies inside the window."""
        at, readings, value, cover = self.entries[0]
        reach = at
        if self.before is not None and not self.width and self.fresh_ms is not None:
            reach = min(at, self.before + self.fresh_ms)
        inside = max(0, reach - edge)
        if inside < cover:
            self.covered -= cover - inside
            self.entries[0] = (at, readings, value, inside)

    def value(self) -> float | None:
        """The number, or None while too little of the window is covered."""
        return self.raw() if self.entries and self.covered >= self.need_ms else None

    def raw(self) -> float:
        """The number of whatever is there, if anything is."""
        found: float = getattr(self._tally, self.statistic)()
        return found

    def freeze(self) -> None:
        """Stand still: what comes now is the disturbance that the window is compared with."""
        self.frozen = True

    def resume(self) -> None:
        """Go on, as if hardly any time had passed since the last reading taken in."""
        self.resumed = self.resumed or self.frozen
        self.frozen = False

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        entries = [list(entry) for entry in self.entries]
        clock = {"frozen": self.frozen, "resumed": self.resumed, "offset": self.offset}
        return {"entries": entries, "before": self.before, "width": self.width, **clock}

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self.before, self.width, self.offset = saved["before"], saved["width"], saved["offset"]
        self.frozen, self.resumed = saved["frozen"], saved["resumed"]
        self._rebuild((at, readings, value, cover) for at, readings, value, cover in saved["entries"])

    def _fresh(self, gap: int) -> int:
        return gap if self.fresh_ms is None else min(gap, self.fresh_ms)

    def _append(self, entry: _Entry) -> None:
        """Add an entry, or make it one with the last when both lie in one bucket."""
        self.covered += entry[3]
        if self.width and self.entries and self.entries[-1][0] // self.width == entry[0] // self.width:
            last = self.entries.pop()
            self._tally.forget(last[1], last[2])
            entry = self._merged(last, entry)
        self.entries.append(entry)
        self._tally.learn(entry[1], entry[2])

    def _merged(self, one: _Entry, other: _Entry) -> _Entry:
        readings = one[1] + other[1]
        if self.statistic in ("min", "max"):
            value = (min if self.statistic == "min" else max)(one[2], other[2])
        else:
            value = one[2] + (other[2] - one[2]) * other[1] / readings
        return (other[0], readings, value, one[3] + other[3])

    def _rebuild(self, entries: Iterable[_Entry]) -> None:
        self.entries, self.covered = deque(), 0
        self._tally = _Sum() if self.statistic == "mean" else _Order()
        for entry in entries:
            self._append(entry)


class Swing:
    """How far the value has come down from its highest (or up from its lowest) within the window's span.

    It remembers when that last reached `reach`, so that a fast fall still counts while a rule waits out its hold.
    """

    __slots__ = ("falling", "hit", "key", "last", "now", "reach", "remember_ms", "tally", "window")

    def __init__(
        self, window: Window, reach: float, remember_ms: int, *, falling: bool, tally: Tally | None = None
    ) -> None:
        self.key = window.key
        self.window = window
        self.reach = reach - _SLACK * abs(reach)
        self.remember_ms = remember_ms
        self.falling = falling
        #: For a counter: it goes on where the counter rolls over or begins anew.
        self.tally = tally
        #: When the reach was last met, and the latest reading's time.
        self.hit: int | None = None
        self.last = 0
        self.now = 0.0

    def push(self, at: int, value: float) -> None:
        """Take in a reading; `at` never goes back."""
        if self.tally is not None:
            value = self.tally.push(value)
        self.window.push(at, value)
        self.last = at
        self.now = self.window.raw() - value if self.falling else value - self.window.raw()
        if self.now >= self.reach:
            self.hit = at

    def test(self) -> bool | None:
        """Whether it has been met now or lately; unknown when it has not, but too little is covered to say so."""
        if self.hit is not None and self.last - self.hit <= self.remember_ms:
            return True
        return False if self.window.value() is not None else None

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        tally = self.tally.save() if self.tally is not None else None
        return {"hit": self.hit, "last": self.last, "now": self.now, "window": self.window.save(), "tally": tally}

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self.hit, self.last, self.now = saved["hit"], saved["last"], saved["now"]
        self.window.load(saved["window"])
        if self.tally is not None:
            self.tally.load(saved["tally"])
