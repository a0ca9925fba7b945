"""Windows: edges, coverage, bounds; swings; the past that stands still."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable
from itertools import pairwise

import pytest

from daemon.rules.window import Swing, Window
from tests.rule_bench import Bench

OF: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "min": min,
    "max": max,
    "median": statistics.median,
}


def window(
    statistic: str = "mean", span_ms: int = 10_000, coverage: float = 0.8, fresh_ms: int | None = 3000
) -> Window:
    return Window("k", statistic, span_ms, coverage, fresh_ms)


@pytest.mark.parametrize("statistic", OF)
def test_it_is_the_statistic_of_the_half_open_span(statistic: str) -> None:
    """(t-w, t]: the reading that is exactly w old is out."""
    seen: list[tuple[int, float]] = []
    chance = random.Random(statistic)
    it, at = window(statistic), 0
    for _ in range(500):
        at += chance.choice([1, 500, 1000, 2000])
        seen.append((at, round(chance.uniform(0, 1), 3)))
        it.push(*seen[-1])

        inside = [value for moment, value in seen if at - 10_000 < moment <= at]
        assert it.raw() == pytest.approx(OF[statistic](inside), abs=1e-9)


def test_it_is_unknown_until_enough_of_it_is_covered() -> None:
    """80 % of 10 s need 8 s between readings."""
    it = window()
    known = []
    for second in range(10):
        it.push(second * 1000, 1.0)
        known.append(it.value() is not None)

    assert known == [False] * 8 + [True] * 2


def test_a_gap_covers_no_more_than_its_freshness() -> None:
    """Readings 5 s apart, fresh for 3 s: 60 % are covered, and that is not enough."""
    it = window()
    for second in range(0, 60, 5):
        it.push(second * 1000, 1.0)

    assert it.value() is None
    assert it.covered == 6000


@pytest.mark.parametrize("seed", range(5))
def test_what_is_covered_is_what_a_millisecond_count_says(seed: int) -> None:
    """Each reading covers from itself to the next one or its freshness' end, inside (t-w, t] only."""
    chance = random.Random(seed)
    it, at, moments = window(span_ms=100, fresh_ms=30), 0, []
    for _ in range(300):
        at += chance.choice([1, 5, 10, 30, 31, 60, 150])
        moments.append(at)
        it.push(at, 1.0)

        covered = {ms for one, two in pairwise(moments) for ms in range(one, min(two, one + 30))}
        assert it.covered == len(covered & set(range(at - 100, at)))


def test_the_mean_does_not_drift() -> None:
    """A million readings later a mean of 0.1 is 0.1."""
    it = window(coverage=0.1)
    for n in range(20_000):
        it.push(n * 1000, 1e6 if n % 100 == 0 and n < 19_900 else 0.1)

    assert it.raw() == 0.1


def test_a_long_window_keeps_a_bounded_number_of_entries() -> None:
    """A week at 1 Hz is 720 buckets; its mean is that of all readings, its edge exact to one bucket."""
    week = 7 * 86_400_000
    it = window(span_ms=week, fresh_ms=None)
    for n in range(100_000):
        it.push(n * 60_000, float(n))

    assert len(it.entries) <= 722
    assert it.value() == pytest.approx(100_000 - 1 - 10_080 / 2, abs=10_080 / 720)


def test_a_fast_device_cannot_grow_a_window() -> None:
    """100 Hz over a quarter of an hour is thinned out."""
    it = window("max", span_ms=900_000)
    for n in range(30_000):
        it.push(n * 10, float(n % 7))

    assert len(it.entries) <= 4096
    assert it.raw() == 6.0


@pytest.mark.parametrize("statistic", OF)
def test_it_goes_through_json_exactly(statistic: str) -> None:
    """Saved and loaded it is the same, and stays the same."""
    one, other = window(statistic, coverage=0.2), window(statistic, coverage=0.2)
    for n in range(30):
        one.push(n * 700, n * 0.1)
    one.freeze()
    one.push(21_500, 9.0)
    one.resume()

    other.load(json.loads(json.dumps(one.save())))

    for n in range(40, 60):
        one.push(n * 700, 0.3 * n)
        other.push(n * 700, 0.3 * n)
        assert (one.value(), one.covered, one.save()) == (other.value(), other.covered, other.save())


def test_the_past_stands_still_while_it_is_frozen() -> None:
    """What is compared with it meanwhile leaves no trace, and afterwards it goes on as if no time had passed."""
    it = window("median")
    for second in range(10):
        it.push(second * 1000, 0.3)
    it.freeze()
    for second in range(10, 3600):
        it.push(second * 1000, 0.1)
    assert it.value() == 0.3

    it.resume()
    it.push(3_600_000, 0.3)
    assert it.value() == 0.3


def test_a_swing_remembers() -> None:
    """True when the fall is met and for as long as it is remembered; exact sums meet their limit."""
    it = Swing(window("max", span_ms=30_000), 0.08, 5000, falling=True)
    for second in range(30):
        it.push(second * 1000, 0.35)
    assert it.test() is False

    it.push(30_000, 0.27)  # 0.35 - 0.27 is 0.07999999999999996
    assert it.test() is True
    for second in range(31, 70):
        it.push(second * 1000, 0.27)
        # the highest of (t-30, t] is 0.35 up to second 58; then it is remembered for five more
        assert it.test() is (second <= 63)


def test_a_swing_is_unknown_while_too_little_is_known() -> None:
    """A fall is a fall with two readings, but `no fall` needs most of the span."""
    it = Swing(window("max", span_ms=30_000), 0.08, 0, falling=True)
    it.push(0, 0.3)
    assert it.test() is None
    it.push(1000, 0.2)
    assert it.test() is True


def test_a_mean_smooths_what_a_threshold_would_not(bench: Bench) -> None:
    """Every other reading is low; the mean is not."""
    bench.rules("r\n levels: [{level: I, when: {point: p, take: mean, over: 10s, below: 0.10 MPa}}]")

    assert [line for n in range(60) for line in bench.hear(n, p=0.05 if n % 2 else 0.16)] == []
    assert bench.each(range(60, 80), p=0.05)[0].endswith("normal>active I condition_held")
    assert bench.seen[0].observed[0].limit == "mean over 10s below 0.10 MPa"


def test_a_burst_does_not_become_its_own_yardstick(bench: Bench) -> None:
    """The median of the last minute stands still for the hours of the burst."""
    past = "{point: p, PCT, of: median, over: 1min}"
    bench.rules(f"""
        r
        levels:
          - level: I
            when: {past.replace("PCT", "below: 80 %")}
            for: 5s
            clear: {{when: {past.replace("PCT", "at_least: 95 %")}, for: 5s}}
        """)
    bench.each(range(60), p=0.3)

    got = bench.each(range(60, 4000), p=0.2) + bench.each(range(4000, 4010), p=0.29)

    assert got == [
        "60 normal>pending I condition_met",
        "65 pending>active I condition_held",
        "4000 active>clearing I condition_lapsed",
        "4005 clearing>cleared I recovered",
    ]
    assert bench.seen[1].observed[0].limit == "below 80 % of median over 1min (0.3 MPa)"
