"""Readings for a chart: fewer, and nothing that matters lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.charts.plan import Sample, series_from_json, series_to_json
from daemon.charts.thinning import MOST, marked, thinned
from daemon.model import Quality

SAMPLES = st.lists(
    st.builds(
        Sample,
        st.integers(0, 10_000_000),
        st.one_of(st.none(), st.floats(-1e9, 1e9), st.sampled_from(["open", "closed", "慢"])),
        st.sampled_from(Quality),
    ),
    max_size=2000,
    unique_by=lambda sample: sample.ms,
).map(lambda found: sorted(found, key=lambda sample: sample.ms))


def test_extremes_are_kept() -> None:
    """A dip of one reading among a day's is on the chart."""
    samples = [Sample(n * 1000, 0.3) for n in range(86_400)]
    samples[40_000] = Sample(40_000_000, 0.02)
    samples[50_000] = Sample(50_000_000, 0.9)

    kept = thinned(samples)

    assert len(kept) <= MOST
    assert {0.02, 0.9} <= {sample.value for sample in kept}


def test_a_gap_and_a_bad_reading_among_many_are_kept() -> None:
    """What is missing, and what did not count, is not thinned away."""
    samples = [Sample(n * 1000, float(n % 7)) for n in range(5000)]
    samples[2500] = Sample(2_500_000, None)
    samples[3500] = Sample(3_500_000, 65535.0, Quality.BAD)

    kept = thinned(samples)

    assert samples[2500] in kept
    assert samples[3500] in kept


def test_repeated_labels_are_one_step() -> None:
    """A state said each second is kept where it changes."""
    samples = [Sample(n * 1000, "open" if 3000 <= n < 3010 else "closed") for n in range(6000)]

    kept = thinned(samples)

    assert [sample.ms // 1000 for sample in kept] == [0, 2999, 3000, 3009, 3010, 5999]


def test_a_gap_is_marked_where_readings_are_too_far_apart() -> None:
    """Exactly as far apart as allowed is no gap; longer is; and so is nothing up to the end."""
    found = marked([Sample(0, 1.0), Sample(30, 2.0), Sample(61, 3.0)], 30, 200)

    assert [(sample.ms, sample.value) for sample in found] == [(0, 1.0), (30, 2.0), (31, None), (61, 3.0), (62, None)]


def test_a_bad_reading_ends_no_gap() -> None:
    """It says nothing of the value, so the hole around it stays a hole."""
    found = marked([Sample(0, 1.0), Sample(50, 9.0, Quality.BAD), Sample(99, 2.0)], 30)

    assert [(sample.ms, sample.value) for sample in found] == [(0, 1.0), (1, None), (50, 9.0), (99, 2.0)]


@given(samples=SAMPLES, most=st.integers(8, 300))
def test_thinned_is_bounded_ordered_and_made_of_what_was_there(samples: list[Sample], most: int) -> None:
    """Whatever the readings: at most so many, in order, none invented; the same again gives the same."""
    kept = thinned(samples, most)

    assert len(kept) <= most
    assert set(kept) <= set(samples)
    assert [sample.ms for sample in kept] == sorted(sample.ms for sample in kept)
    assert kept == thinned(samples, most)
    numbers = [s.value for s in samples if isinstance(s.value, float) and s.quality is not Quality.BAD]
    if numbers and not any(isinstance(s.value, str) for s in samples):
        shown = [s.value for s in kept if isinstance(s.value, float) and s.quality is not Quality.BAD]
        assert (min(shown), max(shown)) == (min(numbers), max(numbers))


@given(samples=SAMPLES)
def test_series_are_kept_exactly(samples: list[Sample]) -> None:
    """Through JSON and back."""
    assert series_from_json(series_to_json({"a.p": samples})) == {"a.p": samples}
