"""Baselines: what they learn, when they are known, that a fault does not become normal."""

from __future__ import annotations

import json
import random
import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon.model import ConfigError, to_ms
from daemon.rules.baseline import Baseline
from daemon.rules.engine import Engine
from daemon.rules.explain import explain
from daemon.rules.pasts import BaselineSpec
from daemon.rules.wording import limit_zh
from tests.rule_bench import Bench

DAY, HOUR = 86_400_000, 3_600_000
START = to_ms(datetime(2026, 1, 1, tzinfo=UTC))


def make(*, robust: bool = True, zone: str = "UTC", **spec: Any) -> Baseline:  # noqa: ANN401  as YAML has it
    return Baseline("k", BaselineSpec.model_validate({"over": "14d", **spec}), zone, None, robust=robust)


def learn(baseline: Baseline, days: range, each: int = 24, mean: float = 0.3, sd: float = 0.01) -> list[list[float]]:
    """So many readings a day; what was learnt, by day."""
    chance = random.Random(days.start)
    found = []
    for day in days:
        values = [chance.gauss(mean, sd) for _ in range(each)]
        for n, value in enumerate(values):
            baseline.push(START + day * DAY + n * DAY // each, value)
        found.append(values)
    return found


def test_mean_and_deviation_of_the_last_days() -> None:
    """Fourteen complete days, today not among them, exact."""
    baseline = make(robust=False)
    days = learn(baseline, range(20))

    norm = baseline.norm()

    assert norm is not None
    counted = [value for day in days[5:19] for value in day]
    assert norm.centre == pytest.approx(statistics.fmean(counted), rel=1e-12)
    assert norm.spread == pytest.approx(statistics.stdev(counted), rel=1e-9)


@pytest.mark.parametrize("each", [4, 16, 24, 1440])
def test_median_and_mad_of_the_last_days(each: int) -> None:
    """Exact up to 16 readings a day; beyond, 16 quantiles a day stand for it: the spread comes out up to 6 % small."""
    baseline = make()
    days = learn(baseline, range(20), each)

    norm = baseline.norm()

    assert norm is not None
    counted = [value for day in days[5:19] for value in day]
    centre = statistics.median(counted)
    spread = statistics.median(abs(value - centre) for value in counted)
    exact = each <= 16
    assert norm.centre == pytest.approx(centre, abs=1e-12 if exact else 0.1 * spread)
    assert norm.spread == pytest.approx(spread, rel=1e-9 if exact else 0.06)


def test_it_is_unknown_until_half_of_its_days_are_there() -> None:
    """Or as many as `after` says; today does not count yet, a day without readings never does."""
    for after, first in ((None, 7), ("3d", 3), ("14d", 14)):
        baseline, known = make(after=after), []
        for day in [0, 1, *range(5, 30)]:
            learn(baseline, range(day, day + 1))
            known.append(baseline.norm() is not None)
        assert known.index(True) == first


def test_twenty_readings_are_the_fewest() -> None:
    """A point that speaks once a day needs twenty days, whatever `after` says."""
    baseline = make(over="30d", after="5d")
    for day in range(20):
        learn(baseline, range(day, day + 1), each=1)
        assert baseline.norm() is None
    learn(baseline, range(20, 21), each=1)

    assert baseline.norm() is not None


def test_each_hour_may_have_its_own() -> None:
    """By the clocks of the site: 00:00 UTC is 08:00 in Shanghai. An hour that was never heard is unknown."""
    baseline = make(by_hour=True, zone="Asia/Shanghai", after="5d")
    for day in range(8):
        for minute in range(0, 600, 5):
            baseline.push(START + day * DAY + minute * 60_000, float(minute // 60))

    assert sorted(baseline.norms) == list(range(8, 18))
    assert {hour: norm.centre for hour, norm in baseline.norms.items()} == {hour: hour - 8.0 for hour in range(8, 18)}
    baseline.push(START + 8 * DAY + 15 * HOUR, 1.0)
    assert baseline.norm() is None


def test_old_days_count_however_long_ago() -> None:
    """A lift that stood still for a year is as calibrated as before."""
    baseline = make(over="4d")
    learn(baseline, range(5), mean=0.3)
    learn(baseline, range(400, 401), mean=0.5)

    norm = baseline.norm()

    assert norm is not None
    assert norm.centre == pytest.approx(0.3, abs=0.01)


def test_what_is_learnt_once_stays() -> None:
    """Until `since` is set anew: what was before that day is not learnt."""
    baseline = make(over="4d", learn="once")
    learn(baseline, range(5), mean=0.3)
    learn(baseline, range(5, 60), mean=0.5)
    norm = baseline.norm()
    assert norm is not None
    assert norm.centre == pytest.approx(0.3, abs=0.01)

    baseline = make(over="4d", learn="once", since="2026-01-06")
    learn(baseline, range(5), mean=0.3)
    learn(baseline, range(5, 60), mean=0.5)
    norm = baseline.norm()
    assert norm is not None
    assert norm.centre == pytest.approx(0.5, abs=0.01)


def test_it_learns_nothing_while_frozen() -> None:
    """And goes on where it was."""
    baseline = make(over="4d")
    learn(baseline, range(5), mean=0.3)
    before = baseline.norm()
    baseline.freeze()
    learn(baseline, range(5, 30), mean=0.9)
    assert baseline.norm() == before
    baseline.resume()
    learn(baseline, range(30, 36), mean=0.5)

    after = baseline.norm()

    assert after is not None
    assert after.centre == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("robust", [True, False])
@pytest.mark.parametrize("by_hour", [True, False])
def test_it_goes_over_a_restart(robust: bool, by_hour: bool) -> None:  # noqa: FBT001
    """Through JSON at any place, to the last digit."""
    whole = make(robust=robust, by_hour=by_hour)
    learn(whole, range(9), 300)
    other = make(robust=robust, by_hour=by_hour)
    other.load(json.loads(json.dumps(whole.save())))

    for one in (whole, other):
        learn(one, range(9, 20), 300)

    assert other.save() == whole.save()
    assert other.norms == whole.norms


def test_its_size_does_not_grow_with_its_span() -> None:
    """Ten years of readings each hour: as large as a hundred days."""
    sizes = {}
    for over, days in (("100d", 120), ("3650d", 4500)):
        baseline = make(over=over)
        learn(baseline, range(days))
        sizes[over] = len(json.dumps(baseline.save()))

    assert sizes["3650d"] < 1.1 * sizes["100d"]
    assert sizes["100d"] < 120_000


def test_where_most_values_are_the_same_the_mean_deviation_serves() -> None:
    """A coarse sensor has a MAD of 0; of a sensor that says one thing only nothing is known."""
    coarse, constant = make(over="2d"), make(over="2d")
    for n in range(3 * 24):
        coarse.push(START + n * HOUR, 0.31 if n % 4 == 0 else 0.3)
        constant.push(START + n * HOUR, 0.3)

    norm, none = coarse.norm(), constant.norm()

    assert norm is not None
    assert norm.centre == 0.3
    assert norm.spread == pytest.approx(0.0025)
    assert none is not None
    assert none.spread == 0


# --- as a condition ----------------------------------------------------------------------------------------

#: Sixteenths of 16 s: readings of whole seconds make a piece each; calibrated after half of them, and 20 readings.
RULE = "r\n levels: [{level: II, when: {point: p, COMPARE, baseline: {over: 16s}}, for: 2s, clear: {for: 3s}}]"


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Its pressure is promised twice a second."""
    half = timedelta(seconds=0.5)
    points = (replace(point, interval=half) if point.name == "p" else point for point in bench.catalogue.points)
    bench.catalogue = replace(bench.catalogue, points=tuple(points))
    return bench


def calibrated(bench: Bench, compare: str, step: float = 0.5) -> None:
    """0.30 MPa, give or take 0.01, for twenty seconds."""
    bench.rules(RULE.replace("COMPARE", compare))
    for n in range(int(20 / step)):
        assert bench.hear(n * step, p=round(0.29 + 0.01 * (n % 3), 2)) == []


@pytest.mark.parametrize(
    ("compare", "inside", "outside"),
    [
        # centre 0.30, MAD 0.01, mean 0.30, sd 0.0083
        ("above: 3 mad", 0.33, 0.331),
        ("at_least: 3 mad", 0.3299, 0.33),
        ("below: -3 mad", 0.27, 0.269),
        ("above: 3 sd", 0.32, 0.33),
        ("outside: [-3 mad, 5 mad]", 0.35, 0.351),
        ("outside: [-3 mad, 5 mad]", 0.27, 0.26),
        ("at_least: 2 x", 0.599, 0.6),
        ("above: +30 %", 0.39, 0.391),
        ("below: -20 %", 0.24, 0.239),
        ("above: +20 kPa", 0.32, 0.321),
        ("below: -0.02 MPa", 0.28, 0.279),
    ],
)
def test_a_value_is_compared_with_its_own_past(bench: Bench, compare: str, inside: float, outside: float) -> None:
    """To the boundary, in each measure."""
    calibrated(bench, compare)

    assert bench.hear(20, p=inside) == []
    assert bench.each([21, 22, 23], p=outside) == [
        "21 normal>pending II condition_met",
        "23 pending>active II condition_held",
    ]


def test_a_window_is_compared_with_windows(bench: Bench) -> None:
    """What is learnt is what is asked for: 0.32 MPa is nothing unusual, a mean of 0.32 over three seconds is."""
    rule = "\n levels: [{level: II, when: {point: p, TAKE above: 3 sd, baseline: {over: 16s}}}]"
    window = rule.replace("TAKE", "take: mean, over: 3s, coverage: 50 %,")
    bench.rules("value" + rule.replace("TAKE", ""), "window" + window)
    for n in range(40):
        assert bench.hear(n / 2, p=0.28 + 0.01 * (n % 5)) == []

    assert bench.each([20, 20.5, 21, 21.5, 22], p=0.32) == ["window 20.5 normal>active II condition_held"]


def test_nothing_is_known_until_it_is_calibrated(bench: Bench) -> None:
    """A burst in the first seconds is no deviation from anything."""
    bench.rules(RULE.replace("COMPARE", "above: 3 mad"))

    assert bench.each([0, 1, 2, 3], p=0.3) == []
    assert bench.each([4, 5, 6, 7], p=0.9) == []


def test_a_fault_does_not_become_normal(bench: Bench) -> None:
    """An alarm that stands for minutes is measured by what was before it; afterwards learning goes on."""
    calibrated(bench, "above: 3 mad")
    bench.each([21, 22, 23], p=0.5)

    assert bench.each(range(24, 300), p=0.5) == []
    assert bench.each([300, 301, 302, 303], p=0.3) == [
        "300 active>clearing II condition_lapsed",
        "303 clearing>cleared II recovered",
    ]


def test_an_edit_of_the_limit_keeps_what_was_learnt(bench: Bench) -> None:
    """And an edit of the baseline itself begins anew."""
    calibrated(bench, "above: 3 mad")
    bench.rules(RULE.replace("COMPARE", "above: 9 mad"), at=20)
    assert bench.hear(21, p=0.4) == ["21 normal>pending II condition_met"]

    bench.rules(RULE.replace("COMPARE", "above: 9 mad").replace("16s", "17s"), at=22)
    assert bench.hear(23, p=0.4) == []


def test_a_rule_that_is_taken_away_takes_its_baseline_along(bench: Bench) -> None:
    """The same id again later calibrates anew."""
    calibrated(bench, "above: 3 mad")
    bench.rules("other\n levels: [{level: I, when: {point: p, above: 1 MPa}}]", at=20)
    bench.rules(RULE.replace("COMPARE", "above: 3 mad"), at=21)

    assert bench.each([22, 23, 24, 25], p=0.5) == []


def test_it_goes_over_a_restart_of_the_engine(bench: Bench) -> None:
    """Also while it stands still."""
    calibrated(bench, "above: 3 mad")
    bench.each([21, 22, 23], p=0.5)
    saved = json.loads(json.dumps(bench.engine.snapshot()))
    bench.engine = Engine()
    bench.engine.reload(bench.ruleset(RULE.replace("COMPARE", "above: 3 mad")), bench.at(23))
    bench.engine.restore(saved)

    assert bench.engine.snapshot() == saved
    assert bench.each(range(24, 300), p=0.5) == []


@pytest.mark.parametrize(
    ("compare", "says"),
    [
        ("above: 3", "is no distance from a baseline; write 3 sd"),
        ("above: 30 %", "write +30 % for more than the baseline"),
        ("above: 0.02 MPa", "write +0.02 MPa for more than"),
        ("above: +2 °C", "°C is a temperature"),
        ("above: 3 sigma", "is it so much more"),
        ("above: +3 sigma", "unknown unit 'sigma'"),
        ("outside: [-3 sd, 4 mad]", "are measured differently"),
        ("outside: [3 sd, -3 sd]", "write the lower end first"),
        ("of: median, over: 1min, above: 3 mad", "`of` compares with a window"),
        ("above: 3 mad, coverage: 50 %", "`coverage` belongs to a window"),
        ("above: 3 mad, below: 1 mad", "found below and above"),
        ("above: 3 mad, bsaeline: {over: 1d}", "unknown key 'bsaeline'; did you mean 'baseline'?"),
    ],
)
def test_a_deviation_that_is_none_is_refused(bench: Bench, compare: str, says: str) -> None:
    """At load, with what to write instead."""
    with pytest.raises(ConfigError) as caught:
        bench.rules(RULE.replace("COMPARE", compare))

    assert says in "\n".join(caught.value.faults)


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        ("{over: 7d, after: 8d}", "it would never be calibrated"),
        ("{over: 0s}", "over must be longer than nothing"),
        ("{over: 7d, of: mean}", "mad goes with `of: median`"),
        ("{over: 7d, since: yesterday}", "'yesterday' is no day"),
        ("{after: 7d}", "'over' is missing"),
        ("{over: 7d, learm: once}", "unknown key 'learm'; did you mean 'learn'?"),
    ],
)
def test_a_baseline_that_is_none_is_refused(bench: Bench, baseline: str, says: str) -> None:
    """At load, with what to write instead."""
    with pytest.raises(ConfigError) as caught:
        bench.rules(RULE.replace("COMPARE", "above: 3 mad").replace("{over: 16s}", baseline))

    assert says in "\n".join(caught.value.faults)


def test_it_is_told_with_its_numbers(bench: Bench) -> None:
    """What is usual, and how far off it is; and how far calibration is."""
    calibrated(bench, "above: 3 mad")
    bench.each([21, 22, 23], p=0.5)
    rule = bench.ruleset(RULE.replace("COMPARE", "above: 3 mad")).rule_for("r", "a1")
    assert rule is not None

    text = explain(bench.seen[-1], rule)

    past = "median 0.3 MPa, mad 0.01 MPa"
    assert text.en.endswith(f"a1.p = 0.5 MPa, above 3 mad against its 16s baseline ({past})")
    assert text.zh.endswith("a1.p = 0.5 MPa，高于自身 16s 基线 3 mad（中位数 0.3 MPa，绝对中位差 0.01 MPa）")
    assert limit_zh(
        "mean over 5min outside -3 sd to 3 sd against its 14d baseline by the hour (calibrating, 3 of 7 days)"
    ) == ("5min 内平均值超出自身 14d 分时基线 -3 sd 至 3 sd（标定中，3/7 天）")


@pytest.mark.parametrize(
    "past",
    ["{point: p, above: 3 mad, baseline: {over: 32s, after: 4s}}", "{point: p, above: 150 %, of: median, over: 30s}"],
    ids=["baseline", "window"],
)
def test_a_fixed_limit_beside_it_does_not_shut_it_out(bench: Bench, past: str) -> None:
    """What the limit has opened before the past was known ends when it is, and the fault has not been learnt."""
    bench.rules(f"r\n levels: [{{level: II, when: {{any: [{{point: p, above: 0.5 MPa}}, {past}]}}}}]")
    opened = [line for n in range(3) for line in bench.hear(n, p=0.6 + 0.001 * (n % 3))]
    during = [line for n in range(3, 200) for line in bench.hear(n, p=0.6 + 0.001 * (n % 3))]

    after = [line for n in range(200, 260) for line in bench.hear(n, p=0.2 + 0.001 * (n % 5))]

    assert opened == ["0 normal>active II condition_held"]
    assert during == []
    assert after[0] == "200 active>active II data_lost?"
    assert after[-1].endswith("cleared II recovered")
    assert len(after) == 2
    # what it has learnt is 0.2: 0.4 is too much now
    assert bench.hear(260, p=0.4) == ["260 normal>active II condition_held"]
