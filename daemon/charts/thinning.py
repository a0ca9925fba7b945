"""Readings thinned out to what a chart can show, their extremes kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from daemon.charts.plan import Sample
from daemon.model import Quality

#: Samples of one point that are kept.
MOST = 240
#: What one piece of the span may leave at most: lowest, highest, one that does not count, one gap.
_EACH = 4


def marked(samples: Iterable[Sample], gap_ms: int, until_ms: int | None = None) -> list[Sample]:
    """In order of time, one for each moment, and a gap after each that is followed by none for longer than `gap_ms`.

    Args:
        samples: what was read, in any order; of the same moment the last one counts.
        gap_ms: readings further apart do not belong together.
        until_ms: the end of the chart: nothing for so long before it is a gap as well.
    """
    by_time = {sample.ms: sample for sample in samples}
    found: list[Sample] = []
    last: int | None = None
    for ms in sorted(by_time):
        sample = by_time[ms]
        if sample.quality is not Quality.BAD:
            if last is not None and ms - last > gap_ms and found[-1].value is not None:
                found.append(Sample(last + 1, None))
            last = None if sample.value is None else ms
        found.append(sample)
    if last is not None and until_ms is not None and until_ms - last > gap_ms:
        found.append(Sample(last + 1, None))
    return sorted(found, key=lambda sample: sample.ms)


def thinned(samples: Sequence[Sample], most: int = MOST) -> list[Sample]:
    """At most `most` of the samples (in order of time): of each piece of the span the lowest and highest are kept.

    So are one gap and one reading that does not count. Of labels those that are new are kept before those that are not.
    """
    if len(samples) <= most:
        return list(samples)
    runs = list(_changes(samples)) if any(isinstance(s.value, str) for s in samples) else list(samples)
    if len(runs) <= most:
        return runs
    first, span = runs[0].ms, runs[-1].ms - runs[0].ms + 1
    pieces = max(1, most // _each(runs))
    kept: list[Sample] = []
    for _, piece in groupby(runs, key=lambda sample: (sample.ms - first) * pieces // span):
        kept.extend(sorted(_notable(list(piece))))
    return kept


def _changes(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Of labels that are said again and again, the first and the last."""
    for n, sample in enumerate(samples):
        before = samples[n - 1] if n else None
        after = samples[n + 1] if n + 1 < len(samples) else None
        if before is None or after is None or before[1:] != sample[1:] or after[1:] != sample[1:]:
            yield sample


def _each(samples: Sequence[Sample]) -> int:
    """What one piece may have to keep: finer pieces when nothing is missing and all counts."""
    if any(isinstance(sample.value, str) for sample in samples):
        return _EACH
    missing = any(sample.value is None for sample in samples)
    return 2 + missing + any(sample.quality is Quality.BAD for sample in samples)


def _notable(piece: list[Sample]) -> set[Sample]:
    """At most `_EACH` of the samples of one piece."""
    gaps = [sample for sample in piece if sample.value is None]
    bad = [sample for sample in piece if sample.value is not None and sample.quality is Quality.BAD]
    counted = [sample for sample in piece if sample.value is not None and sample.quality is not Quality.BAD]
    kept = {*gaps[-1:], *bad[:1]}
    numbers = [sample for sample in counted if not isinstance(sample.value, str)]
    if numbers:
        kept |= {min(numbers, key=_value), max(numbers, key=_value)}
    labels = [sample for sample in counted if isinstance(sample.value, str)]
    different = list({sample.value: sample for sample in reversed(labels)}.values())
    for sample in (*labels[:1], *labels[-1:], *different):
        if len(kept) < _EACH:
            kept.add(sample)
    return kept


def _value(sample: Sample) -> float:
    return float(sample.value) if sample.value is not None else 0.0
