"""Windows: edges, coverage, bounds; swings; the past that stands still."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable
from itertools import pairwise

import pytest

from daemon.model import ConfigError
from daemon.rules.sums import Slope
from daemon.rules.window import Latest, Swing, Window
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


def test_every_statistic_is_that_of_the_half_open_span() -> None:
    """As the standard library counts them, to the last digit that counts; times in seconds."""
    chance = random.Random(7)
    names = ["range", "stddev", "p5", "p95", "p99.9", "slope", "rate", "delta", "count", "sum"]
    windows = {name: window(name, coverage=0.01) for name in names}
    seen: list[tuple[int, float]] = []
    at = 1_790_000_000_000
    for _ in range(400):
        at += chance.choice([1, 500, 1000, 2000])
        seen.append((at, round(chance.uniform(0, 1), 3)))
        for it in windows.values():
            it.push(*seen[-1])
        inside = [pair for pair in seen if at - 10_000 < pair[0] <= at]
        times = [(moment - at) / 1000 for moment, _ in inside]
        values = [value for _, value in inside]

        if len(inside) > 2:
            ranks = statistics.quantiles(values, n=1000, method="inclusive")
            expected = {
                "range": max(values) - min(values),
                "stddev": statistics.pstdev(values),
                "p5": ranks[49],
                "p95": ranks[949],
                "p99.9": ranks[998],
                "slope": statistics.linear_regression(times, values).slope,
                "rate": (values[-1] - values[0]) / (times[-1] - times[0]),
                "delta": values[-1] - values[0],
                "count": len(values),
                "sum": sum(values),
            }
            assert {name: it.raw() for name, it in windows.items()} == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("statistic", [*OF, "range", "stddev", "p5", "slope", "rate", "delta", "count", "sum"])
def test_any_statistic_goes_through_json_exactly(statistic: str) -> None:
    """In buckets as well: saved and loaded it is the same, and stays the same."""
    for span in (10_000, 4 * 3_600_000):
        one, other = window(statistic, span, 0.01, None), window(statistic, span, 0.01, None)
        step = span // 900
        for n in range(1500):
            one.push(n * step, n % 7 * 0.1)

        other.load(json.loads(json.dumps(one.save())))

        for n in range(1500, 2600):
            assert one.value() == other.value()
            one.push(n * step, n % 5 * 0.3)
            other.push(n * step, n % 5 * 0.3)
        assert one.save() == other.save()


@pytest.mark.parametrize("statistic", ["mean", "stddev", "slope", "sum", "count", "min", "max", "range"])
def test_a_bucket_keeps_every_reading_s_part(statistic: str) -> None:
    """Beyond an hour only the edge is coarser: the number is that of all readings since some moment in its bucket."""
    span = 4 * 3_600_000
    it, seen = window(statistic, span, 0.01, None), []
    for n in range(3000):
        seen.append((n * 10_000, (n * 37 % 101) / 10))
        it.push(*seen[-1])
    inside = [pair for pair in seen if pair[0] > (it.before or 0)]
    edge = seen[-1][0] - span

    plain = window(statistic, span, 0.01, None)
    plain.width = 0
    for pair in inside:
        plain.push(*pair)

    assert it.raw() == pytest.approx(plain.raw(), rel=1e-12)
    assert edge - span / 720 <= inside[0][0] <= edge + span / 720


def test_ranks_of_a_long_span_have_a_reading_of_each_of_2048_stretches() -> None:
    """A day at 1 Hz: the percentile is as near as a sample of 2 048 is."""
    day = 86_400_000
    it = window("p20", day, fresh_ms=None)
    for n in range(90_000):
        it.push(n * 1000, float(n * 7919 % 10_000))

    assert len(it.entries) <= 2050
    assert it.value() == pytest.approx(2000, abs=150)


def test_the_last_readings_however_long_ago() -> None:
    """Unknown until all are there; a gap does not matter."""
    it = Latest("k", "median", 3, 3000, unbroken=False)
    known = []
    for at, value in [(0, 5.0), (1, 1.0), (10**9, 3.0), (10**9, 9.0)]:
        it.push(at, value)
        known.append(it.value())

    assert known == [None, None, 3.0, 3.0]


def test_a_rate_from_reading_to_reading() -> None:
    """Per second; unknown over a gap longer than the freshness; of two readings of one moment the later counts."""
    it = Latest("k", "rate", 2, 3000, unbroken=True)
    found = []
    for at, value in [(0, 1.0), (1000, 2.0), (4000, 2.3), (8000, 9.0), (9000, 8.0), (9000, 10.0), (9500, 10.0)]:
        it.push(at, value)
        found.append(it.value())

    assert found == [None, 1.0, pytest.approx(0.1), None, -1.0, 1.0, 0.0]


def test_a_trend_is_in_units_of_its_limit(bench: Bench) -> None:
    """1 kPa a minute is 0.06 MPa/h, on the order too; the wrong unit is refused."""
    bench.rules("r\n levels: [{level: I, when: {point: p, take: slope, over: 1min, above: 0.5 bar/h}}]")
    for n in range(60):
        bench.hear(n, p=0.3 + n / 60_000)

    observed = bench.seen[0].observed[0]
    assert observed.value == pytest.approx(0.6)
    assert observed.unit == "bar/h"
    assert observed.limit == "slope over 1min above 0.5 bar/h"
    with pytest.raises(ConfigError, match=r"0\.5 bar is no rate of it: the point is in MPa; write one such as"):
        bench.ruleset("r\n levels: [{level: I, when: {point: p, take: slope, over: 1min, above: 0.5 bar}}]")


@pytest.mark.parametrize(
    ("when", "true"),
    [
        ("take: range, over: 10s, above: 0.4 MPa", True),
        ("take: stddev, over: 10s, below: 0.1 MPa", False),
        ("take: p90, over: 10s, at_least: 0.5 MPa", True),
        ("take: delta, over: 10s, at_least: 0.5 MPa", True),
        ("take: delta, above: 0.4 MPa", True),
        ("take: rate, above: 0.49 MPa/s", True),
        ("take: rate, over: 10s, inside: [0 MPa/s, 1 MPa/s]", True),
        ("take: count, over: 10s, at_least: 10", True),
        ("take: count, over: 10s, above: 10", False),
        ("take: sum, over: 10s, above: 2.9 MPa", True),
        ("take: max, last: 5, above: 0.5 MPa", True),
        ("above: 150 %, of: p50, last: 10", True),
    ],
)
def test_a_number_of_a_window_meets_its_limit(bench: Bench, when: str, true: bool) -> None:  # noqa: FBT001
    """0.1 and 0.6 MPa in turn, and 0.6 last."""
    bench.rules(f"r\n levels: [{{level: I, when: {{point: p, {when}}}}}]")
    for n in range(20):
        bench.hear(n, p=0.6 if n % 2 else 0.1)

    assert (bench.engine.snapshot()["watches"] != {}) is true


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("take: meen, over: 1h, above: 3 bar", "there is no statistic 'meen'; did you mean 'mean'?"),
        ("take: p100, over: 1h, above: 3 bar", "there is no statistic 'p100'"),
        ("above: 80 %, of: stddev, over: 1h", "not with 'stddev'"),
        ("take: mean, above: 3 bar", "a window needs both its statistic"),
        ("take: mean, over: 1h, last: 5, above: 3 bar", "exclude each other"),
        ("take: mean, last: 5, coverage: 10 %, above: 3 bar", "`coverage` belongs to a window over a span"),
        ("take: mean, last: 5000, above: 3 bar", "less than or equal to 1000"),
        ("take: count, over: 1h, above: 3 bar", "bar is a pressure"),
        ("take: rate, over: 1h, above: 3", "3 is no rate of it"),
        ("take: slope, over: 1h, inside: [3 bar/h, 1 bar/h]", "write the lower end first"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(bench: Bench, when: str, says: str) -> None:
    """At load, with what to do."""
    with pytest.raises(ConfigError) as caught:
        bench.ruleset(f"r\n levels: [{{level: I, when: {{point: p, {when}}}}}]")

    assert says in str(caught.value)


def test_a_swing_of_a_point_that_never_spoke_is_shown_as_none(bench: Bench) -> None:
    """An order that another condition opens says how far it has fallen: not at all, as far as is known."""
    bench.rules("""
        r
        levels: [{level: I, when: {any: [{point: p, falls: 1 bar, within: 30s}, {point: chain, equals: open}]}}]
        """)

    bench.hear(0, chain="open")

    assert [seen.limit for seen in bench.seen[0].observed] == ["falls by 1 bar within 30s (now 0 MPa)", "equals open"]


def test_a_single_reading_of_a_slope_is_kept_as_one_number() -> None:
    """All else follows from it and its time: a snapshot holds thousands."""
    slope = Slope()

    assert isinstance(slope.packed(slope.part(1000, 0.5)), int)
    assert slope.unpacked(1000, slope.packed(slope.part(1000, 0.5))) == slope.part(1000, 0.5)
