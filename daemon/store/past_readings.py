"""What points said in a span of the past, from the journal: for charts, beside the writer and in short pieces.

The rows of the span are found by bisection, for they lie in the order of their times; which of them speak of the
points is found by their bytes, so that the many others are never read as JSON.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

from daemon.charts.plan import Panel, Sample, Series
from daemon.charts.thinning import marked, thinned
from daemon.model import Observation, Quality, to_ms
from daemon.store import journal
from daemon.store.statements import load

_SQL = load("charts")
#: Rows looked at in one statement: a reader that stays open long keeps the file from being tidied.
_AT_ONCE = 20_000
#: Rows looked at for one chart, some seconds' work on a slow gateway; of a span that has more, as many pieces as it
#: can show are looked at.
MOST_ROWS = 1_000_000
_PIECES = 200
#: How many rows back the value is looked for with which the span begins.
_LOOK_BACK = 200_000
#: Places for search words in a statement.
_WORDS = 4


class Span(NamedTuple):
    """Source times from `begin` to `end`, in ms, as known at journal row `seq`."""

    begin: int
    end: int
    seq: int


def series(db: sqlite3.Connection, panels: Sequence[Panel], span: Span, most: int) -> Series:
    """At most `most` samples of each panel's point: thinned out, gaps marked, with the value it began with."""
    read = {panel.point: list[Sample]() for panel in panels}
    heard = {panel.device: list[int]() for panel in panels if panel.on_change}
    lead = max((panel.gap_ms for panel in panels), default=0)
    first = _row_at(db, span.begin - lead, span.seq)
    told, computed = [p for p in panels if not p.computed], [p for p in panels if p.computed]
    for begin, end in _pieces(first, span.seq):
        _take(_rows(db, "rows", (begin, end), told), read, heard)
        _take(_rows(db, "computed_rows", (begin, end), computed), read, {})
    for panel in told:
        if panel.on_change and not any(sample.ms <= span.begin for sample in read[panel.point]):
            _take(_before(db, first, panel), read, {})
    return {panel.point: _shown(panel, read[panel.point], heard.get(panel.device, []), span, most) for panel in panels}


def _shown(panel: Panel, read: Sequence[Sample], heard: Sequence[int], span: Span, most: int) -> list[Sample]:
    within = [sample for sample in read if sample.ms <= span.end]
    if panel.on_change:
        # what is held is known for as long as its device speaks
        silent = [Sample(ms, "", Quality.GOOD) for ms in heard if ms <= span.end]
        gaps = [sample for sample in marked(silent, panel.gap_ms, span.end) if sample.value is None]
        samples = _held(within, gaps, heard)
    else:
        samples = marked(within, panel.gap_ms, span.end)
    inside = [sample for sample in samples if sample.ms >= span.begin]
    before = [s for s in samples if s.ms < span.begin and s.quality is not Quality.BAD]
    if before and before[-1].value is not None and (not inside or inside[0].ms > span.begin):
        inside.insert(0, before[-1]._replace(ms=span.begin))
    return thinned(inside, most)


def _held(samples: Sequence[Sample], gaps: Sequence[Sample], heard: Sequence[int]) -> list[Sample]:
    """A state with the gaps in which nothing was heard of its device; it is known again when that speaks again."""
    found = {sample.ms: sample for sample in sorted(samples, key=lambda sample: sample.ms)}
    again = sorted(heard)
    known = [s for s in found.values() if s.value is not None and s.quality is not Quality.BAD]
    moments = [sample.ms for sample in known]
    for gap in gaps:
        after, before = bisect_right(again, gap.ms), bisect_right(moments, gap.ms)
        if after < len(again) and before and again[after] not in found:
            found[again[after]] = known[before - 1]._replace(ms=again[after])
    for gap in gaps:
        found.setdefault(gap.ms, gap)
    return [found[ms] for ms in sorted(found)]


def _take(seen: Iterable[Observation], read: Series, heard: dict[str, list[int]]) -> None:
    for one in seen:
        if one.device in heard and not one.retained:
            ms = to_ms(one.at)
            heard[one.device].append(ms)
        for reading in one.readings:
            if reading.point in read:
                value = reading.value
                number = None if isinstance(value, float) and not math.isfinite(value) else value
                sample = Sample(to_ms(reading.at), number, reading.quality)
                read[reading.point].append(sample if number is not None else sample._replace(quality=Quality.BAD))


def _rows(
    db: sqlite3.Connection, statement: str, between: tuple[int, int], panels: Sequence[Panel]
) -> Iterator[Observation]:
    """Observations of a range of rows that speak of the panels' points, or of the devices of those that hold states."""
    if not panels:
        return
    words = [_word(panel) for panel in panels]
    words += words[:1] * (_WORDS - len(words))
    begin, end = between
    for start in range(begin, end + 1, _AT_ONCE):
        for at, body in db.execute(_SQL[statement], (start, min(start + _AT_ONCE - 1, end), *words)).fetchall():
            item = journal.decode(at, "o", body)
            if isinstance(item, Observation):
                yield item


def _before(db: sqlite3.Connection, first: int, panel: Panel) -> Iterator[Observation]:
    """The latest observation that tells a point before a row."""
    for end in range(first - 1, max(0, first - _LOOK_BACK), -_AT_ONCE):
        word = orjson.dumps(panel.point)
        row = db.execute(_SQL["latest_before"], (end - _AT_ONCE + 1, end, word)).fetchone()
        if row is not None:
            item = journal.decode(row[0], "o", row[1])
            if isinstance(item, Observation):
                yield item
            return


def _word(panel: Panel) -> bytes:
    """What stands in a row that matters for a panel, and nearly nowhere else."""
    if panel.on_change:
        return b'"d":' + orjson.dumps(panel.device)
    return orjson.dumps(panel.point)


def _pieces(first: int, last: int) -> list[tuple[int, int]]:
    """The rows, or of too many as many as may be looked at, evenly; the last are always among them."""
    if last - first < MOST_ROWS:
        return [(first, last)]
    step, size = (last - first + 1) / _PIECES, MOST_ROWS // _PIECES
    return [(max(first, int(last - n * step) - size + 1), int(last - n * step)) for n in reversed(range(_PIECES))]


def _row_at(db: sqlite3.Connection, ms: int, last: int) -> int:
    """The first row up to `last` whose time is `ms` or later."""
    (low,) = db.execute(_SQL["first_seq"]).fetchone()
    low, high = int(low or 1), last
    while low < high:
        middle = (low + high) // 2
        row = db.execute(_SQL["at_or_after"], (middle,)).fetchone()
        if row is None or row[1] >= ms:
            high = middle
        else:
            low = int(row[0]) + 1
    return low
