"""Windows over the readings of one point: half-open (t-w, t], where t is the source time of its latest reading.

    t-w                                   t
     ( . . . . . ## . . . . . . . . . . . ]      ## a gap longer than the point's freshness: not covered
     └─ outside                           └─ inside

A window is unknown until fresh data covers enough of it. It keeps readings one by one up to an hour's span and in
1/720 of the span beyond (1/2048 for percentiles), where its edge is exact to one such bucket: what it costs to keep,
and what a reading costs it, do not grow with the span. Times inside are milliseconds since 1970.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from typing_extensions import override

from daemon.rules.counters import Tally
from daemon.rules.summaries import percentile_of, summary_of
from daemon.rules.summary import Entry

#: Up to this span readings are kept one by one; 1 Hz makes 3600 of them.
_EXACT_MS = 3_600_000
_BUCKETS = 720
#: A bucket has one value among the ranks, so these need more of them.
_RANK_BUCKETS = 2048
#: More readings than this in a window are thinned out to buckets, so that a fast device cannot grow it.
MOST = 4096
#: Limits made by arithmetic (80 % of 0.3) are met by what prints the same.
_SLACK = 1e-9


class Window:
    """Readings of the last `span_ms`, and one number made of them."""

    __slots__ = (
        "_kept_ms", "_summary", "before", "covered", "entries", "fresh_ms", "frozen", "key", "need_ms", "offset",
        "resumed", "span_ms", "statistic", "tally", "width",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        statistic: str,
        span_ms: int,
        coverage: float,
        fresh_ms: int | None,
        *,
        tally: Tally | None = None,
        kept: float = 1.0,
    ) -> None:
        """`kept` is the share of the span whose readings count: what is not kept needs no buckets."""
        #: What makes it the same window over a reload or restart.
        self.key = key
        #: One of `summaries.STATISTICS` or a percentile.
        self.statistic = statistic
        self.span_ms = span_ms
        #: This much of it must be covered by fresh readings, each standing until the next one or its freshness' end.
        self.need_ms = span_ms * coverage
        self.fresh_ms = fresh_ms
        #: For changes of a counter: it goes on where the counter rolls over or begins anew.
        self.tally = tally
        self.entries: deque[Entry] = deque()
        self.covered = 0
        #: Time of the last reading that fell out.
        self.before: int | None = None
        self.width = 0
        self._kept_ms = int(span_ms * kept)
        if self._kept_ms > _EXACT_MS:
            self.width = self._kept_ms // (_BUCKETS if percentile_of(statistic) is None else _RANK_BUCKETS)
        #: It learns nothing meanwhile, and its clock stands still.
        self.frozen = False
        self.resumed = False
        self.offset = 0
        self._summary = summary_of(statistic)

    def push(self, at: int, value: float) -> None:
        """Take in a reading; `at` never goes back."""
        if self.tally is not None:
            value = self.tally.push(value)
        if self.frozen:
            return
        entries = self.entries
        at -= self.offset
        if self.resumed:
            self.resumed = False
            skipped = max(0, at - entries[-1][0] - (self.fresh_ms or 1)) if entries else 0
            self.offset += skipped
            at -= skipped
        cover = self._leave(at)
        self._append((at, cover, self._summary.part(at, value)))
        if len(entries) > MOST:
            self._thin()

    def _thin(self) -> None:
        """Make buckets, or wider ones."""
        self.width = max(2 * self.width, self._kept_ms // (MOST // 2), 1)
        self._rebuild(list(self.entries))

    def _leave(self, at: int) -> int:
        """Drop what a reading at `at` finds too old; how much of the time since the entry before is covered."""
        entries = self.entries
        edge = at - self.span_ms
        while entries and entries[0][0] <= edge:
            self.before, covered, part = entries.popleft()
            self._summary.forget(part)
            self.covered -= covered
        if not entries:
            return 0
        if entries[0][1]:
            self._trim(edge)
        gap = at - entries[-1][0]
        return gap if self.fresh_ms is None or gap < self.fresh_ms else self.fresh_ms

    def _trim(self, edge: int) -> None:
        """Count of the time before the first entry only what lies inside the window."""
        at, cover, part = self.entries[0]
        reach = at
        if self.before is not None and not self.width and self.fresh_ms is not None:
            reach = min(at, self.before + self.fresh_ms)
        inside = max(0, reach - edge)
        if inside < cover:
            self.covered -= cover - inside
            self.entries[0] = (at, inside, part)

    def value(self) -> float | None:
        """The number, or None while too little of the window is covered."""
        return self._summary.value(self.entries) if self.entries and self.covered >= self.need_ms else None

    def raw(self) -> float | None:
        """The number of whatever is there."""
        return self._summary.value(self.entries) if self.entries else None

    @property
    def ready(self) -> bool:
        """Whether enough is covered."""
        return self.value() is not None

    def freeze(self) -> None:
        """Stand still: what comes now is the disturbance that the window is compared with."""
        self.frozen = True

    def resume(self) -> None:
        """Go on, as if hardly any time had passed since the last reading taken in."""
        self.resumed = self.resumed or self.frozen
        self.frozen = False

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        packed = self._summary.packed
        entries = [[at, cover, packed(part)] for at, cover, part in self.entries]
        clock = {"frozen": self.frozen, "resumed": self.resumed, "offset": self.offset}
        tally = None if self.tally is None else self.tally.save()
        return {"entries": entries, "before": self.before, "width": self.width, "tally": tally, **clock}

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self.before, self.width, self.offset = saved["before"], saved["width"], saved["offset"]
        self.frozen, self.resumed = saved["frozen"], saved["resumed"]
        if self.tally is not None:
            self.tally.load(saved["tally"])
        unpacked = self._summary.unpacked
        self._rebuild((at, cover, unpacked(at, part)) for at, cover, part in saved["entries"])

    def _append(self, entry: Entry) -> None:
        """Add an entry, or make it one with the last when both lie in one bucket."""
        self.covered += entry[1]
        entries = self.entries
        if self.width and entries and entries[-1][0] // self.width == entry[0] // self.width:
            _, cover, old = entries[-1]
            new = self._summary.joined(old, entry[2])
            entries[-1] = (entry[0], cover + entry[1], new)
            self._summary.change(old, new)
            return
        entries.append(entry)
        self._summary.learn(entry[2])

    def _rebuild(self, entries: Iterable[Entry]) -> None:
        self.entries.clear()
        self.covered = 0
        self._summary = summary_of(self.statistic)
        for entry in entries:
            self._append(entry)


class Latest(Window):
    """So many last readings, however long ago, and one number made of them."""

    __slots__ = ("most", "unbroken")

    def __init__(
        self, key: str, statistic: str, most: int, fresh_ms: int | None, *, tally: Tally | None = None, unbroken: bool
    ) -> None:
        super().__init__(key, statistic, 0, 0.0, fresh_ms, tally=tally)
        #: All of these must be there.
        self.most = most
        #: A gap longer than the freshness, and it begins anew; of two readings of one moment the later one counts.
        self.unbroken = unbroken

    @override
    def _leave(self, at: int) -> int:
        entries = self.entries
        if self.unbroken and entries and self.fresh_ms is not None and at - entries[-1][0] > self.fresh_ms:
            while entries:
                self._summary.forget(entries.popleft()[2])
        elif self.unbroken and entries and entries[-1][0] == at:
            entries.pop()
        elif len(entries) == self.most:
            self._summary.forget(entries.popleft()[2])
        return 0

    @override
    def value(self) -> float | None:
        """The number, or None while too few readings have come."""
        return self._summary.value(self.entries) if len(self.entries) == self.most else None


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
        extreme = self.window.raw()
        self.now = 0.0 if extreme is None else extreme - value if self.falling else value - extreme
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
