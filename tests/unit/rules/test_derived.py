from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import ConfigError, Point, PointKind
from daemon.rules.counters import counted
from daemon.rules.derived import DerivedSpec, Rise, declare, declare_all
from daemon.rules.engine import Engine
from tests.rule_bench import Bench, make_catalogue

COUNTER = Point("a.n", "a", "d", "n", kind=PointKind.COUNTER)
LOW = """
    r
    levels: [{level: I, when: {point: worst, below: 0.10 MPa}, for: 3s}]
"""
AT_ONCE = """
    r
    levels: [{level: I, when: {point: worst, below: 0.10 MPa}}]
"""
#: A rule that looks at none of them.
ANOTHER = """
    r
    levels: [{level: I, when: {point: free, above: 1 m}}]
"""


def derived(bench: Bench, **formulas: tuple[str, str]) -> Bench:
    """The bench with points computed for asset a1; `n` is a counter here."""
    counted = [replace(p, kind=PointKind.COUNTER) if p.name == "n" else p for p in bench.catalogue.points]
    measured = replace(bench.catalogue, points=tuple(counted))
    specs = {("a1", name): DerivedSpec(unit=unit, value=value) for name, (unit, value) in formulas.items()}
    points, faults = declare_all(specs, measured)
    assert not faults
    bench.catalogue = replace(measured, points=(*measured.points, *points))
    return bench


@pytest.fixture
def worst(bench: Bench) -> Bench:
    return derived(bench, worst=("MPa", "p - 0.0098 MPa/m * 10 m"))


def test_a_rule_on_a_derived_point_fires_by_its_value(worst: Bench) -> None:
    """0.198 MPa at the sensor are 0.10 MPa ten metres up: allowed; a little less is not."""
    worst.rules(LOW)

    assert worst.each(range(1, 10), p=0.198) == []
    assert worst.each(range(10, 14), p=0.197) == [
        "10 normal>pending I condition_met",
        "13 pending>active I condition_held",
    ]
    assert worst.seen[-1].observed[0].point == "a1.worst"
    assert worst.seen[-1].observed[0].value == 0.099


def test_a_gap_of_an_input_breaks_the_stretch(worst: Bench) -> None:
    """As it would for a rule on the input itself: it is known for 3 s after a reading, no longer."""
    worst.rules(LOW.replace("for: 3s", "for: 5s"))

    assert (
        worst.each([1, 2, 5.001], p=0.1)
        == [
            "1 normal>pending I condition_met",
            "4.001 pending>active I condition_held",
        ]
        or worst.seen[0].cause == "condition_met"
    )


def test_without_its_input_it_is_unknown(worst: Bench) -> None:
    """An active alarm stays, and says so; then it clears by good data only."""
    worst.rules(AT_ONCE)
    worst.hear(1, p=0.1)

    lost = worst.tick(10)
    back = worst.hear(11, p=0.5)

    assert lost == ["4.001 active>active I data_lost?"]
    assert back == ["11 active>cleared I recovered"]


def test_bad_readings_do_not_reach_it(worst: Bench) -> None:
    """It keeps the value of the last reading that was usable, until that is too old."""
    worst.rules(AT_ONCE)
    worst.hear(1, p=0.5)

    assert worst.hear(2, bad=True, p=0.0) == []
    assert worst.tick(20) == []


def test_late_readings_open_nothing(worst: Bench) -> None:
    """A late gauge stays late when something is computed from it."""
    worst.rules(AT_ONCE)

    assert worst.hear(100, source=10, late=True, p=0.0) == []


def test_an_input_of_another_asset_counts(tmp_path: Path) -> None:
    """What each asset's device says moves the one rule."""
    bench = Bench(tmp_path)
    bench.catalogue = make_catalogue(assets=2)
    derived(bench, drop=("MPa", "[a2.p] - p"), whole=("MPa", "sum(room, p)"))
    bench.rules(
        """
        r
        levels: [{level: I, when: {point: drop, above: 0.1 MPa}}]
        """,
        """
        s
        levels: [{level: I, when: {point: whole, above: 0.6 MPa}}]
        """,
    )

    assert bench.hear(1, p=0.3) == []
    assert bench.hear(1.5, device="a2.d", p=0.3) == []
    assert bench.hear(2, device="a2.d", p=0.45) == [
        "2 normal>active I condition_held",
        "s 2 normal>active I condition_held",
    ]
    assert bench.hear(2.5, p=0.4) == ["2.5 active>cleared I recovered"]
    assert bench.seen[-1].asset == "a1"


def test_all_inputs_of_a_message_are_applied_first(bench: Bench) -> None:
    """Two points that change together are never seen half changed."""
    derived(bench, spread=("°C", "t + p / 1 MPa * 1 K"))
    bench.rules("""
        r
        levels: [{level: I, when: {point: spread, outside: [39 °C, 41 °C]}}]
    """)

    assert bench.hear(1, t=30.0, p=10.0) == []
    assert bench.hear(2, t=10.0, p=30.0) == []
    assert bench.hear(3, p=0.0) != []


def test_windows_take_it_in_once_a_message(bench: Bench) -> None:
    """The mean over a derived point is that of its values; a message that tells other points adds nothing."""
    derived(bench, worst=("MPa", "p - 0.1 MPa"))
    bench.rules("""
        r
        levels: [{level: I, when: {point: worst, take: mean, over: 4s, above: 0.25 MPa}}]
    """)
    bench.each(range(1, 5), p=0.3)
    bench.each([4.2, 4.4, 4.6], free=1.0)

    assert bench.hear(5, p=0.4) == []
    assert bench.hear(6, p=0.4) == []
    assert bench.hear(7, p=0.41) == ["7 normal>active I condition_held"]
    assert bench.seen[-1].observed[0].value == pytest.approx((0.2 + 0.3 + 0.3 + 0.31) / 4)


def test_a_ratio_of_two_counters_over_an_hour(bench: Bench) -> None:
    """Unknown until the counter has been heard for the whole hour; what it counted before that is no matter."""
    derived(bench, per_minute=("1/h", "rise(n, 1min) / 1 min"))
    bench.rules("""
        r
        levels: [{level: I, when: {point: per_minute, above: 60 1/h}}]
    """)

    assert bench.each(range(1, 61), n=1000.0) == []
    assert bench.hear(61, n=1001.0) == []
    assert bench.hear(62, n=1002.0) == ["62 normal>active I condition_held"]
    assert bench.seen[-1].observed[0].value == 120
    assert bench.each(range(63, 122), n=1002.0) == ["121 active>cleared I recovered"]


def test_a_mean_of_a_gauge_over_a_span(bench: Bench) -> None:
    """Half-open as the windows of rules, and unknown until four fifths of it are covered."""
    derived(bench, apart=("", "square((mean(p, 10s) - 0.2 MPa) / 0.1 MPa)")).rules(ANOTHER)
    told = []
    for second in range(20):
        bench.hear(100 + second, p=0.4 if second < 10 else 0.2)
        told += [reading.value for reading in bench.engine.computed]

    assert told[:2] == [4, 4]
    assert len(told) == 20 - 8
    assert told[-11:] == pytest.approx([4, *((n / 5) ** 2 for n in range(9, -1, -1))])


def test_silence_is_asked_of_what_is_measured(worst: Bench) -> None:
    """A derived point is no instrument."""
    with pytest.raises(ConfigError, match="worst is computed; ask for the silence of the points it stands on"):
        worst.rules("""
            r
            levels: [{level: I, when: {stale: {after: 1min}, point: worst}}]
        """)


def test_a_slow_input_makes_a_slow_point(bench: Bench) -> None:
    """The lint judges by the slowest: `t` promises a reading each 10 s."""
    derived(bench, worst=("MPa", "p + (t - 0 °C) / 1 K * 0 MPa"))

    with pytest.raises(ConfigError, match=r"a1.worst over 3s, but that point promises a reading only every 10s"):
        bench.rules(LOW)


def test_another_formula_is_another_point(worst: Bench) -> None:
    """The rule is looked at anew; an unchanged formula keeps timers."""
    worst.rules(LOW)
    worst.hear(1, p=0.15)
    assert worst.rules(LOW, at=1.5) == []
    changed = declare("worst", "a1", DerivedSpec(unit="MPa", value="p"), replace(worst.catalogue, points=tuple(
        point for point in worst.catalogue.points if not point.formula
    )))  # fmt: skip
    worst.catalogue = replace(worst.catalogue, points=(*worst.catalogue.points[:-1], changed))

    assert worst.rules(LOW, at=2) == ["2 pending>normal I rule_changed"]
    assert worst.each(range(3, 9), p=0.15) == []


def computed(bench: Bench) -> list[tuple[str, float, str]]:
    """What the latest message made of derived points."""
    return [(r.point, r.value, f"{r.quality} {r.reason}".strip()) for r in bench.engine.computed]  # type: ignore[misc]


def test_a_derived_point_may_stand_on_another(bench: Bench) -> None:
    """In whatever order they are written; a rule on the upper one hears the reading of the lowest."""
    derived(
        bench,
        margin=("MPa", "worst - floor"),
        worst=("MPa", "p - 0.0098 MPa/m * 10 m"),
        floor=("MPa", "(t - 0 °C) / 1 K * 0.01 MPa"),
    )
    bench.rules("""
        r
        levels: [{level: I, when: {point: margin, below: 0.1 MPa}, for: 20s}]
        """)
    bench.hear(1, p=0.5, t=10.0)

    assert computed(bench) == [("a1.worst", 0.402, "good"), ("a1.floor", 0.1, "good"), ("a1.margin", 0.302, "good")]
    assert bench.hear(2, p=0.2) == ["2 normal>pending I condition_met"]
    assert bench.hear(5.5, p=0.2)[0] == "5.001 pending>normal I data_lost"


def test_what_stands_on_the_unknown_is_unknown(bench: Bench) -> None:
    """A division by zero is no value, and neither is what is computed from it; both come back together."""
    derived(bench, share=("", "n0 / (t - 0 °C) * 1 K"), n0=("", "p / 1 MPa"), double=("", "share * 2"))
    bench.rules("""
        r
        levels: [{level: I, when: {point: double, above: 1}}]
        """)

    assert bench.hear(1, p=1.0, t=1.0) == ["1 normal>active I condition_held"]
    assert bench.hear(2, t=0.0) == ["2 active>active I data_lost?"]
    assert computed(bench) == []
    assert bench.hear(3, t=10.0, p=1.0) == ["3 active>cleared I recovered"]


def test_a_ring_of_derived_points_is_told(bench: Bench) -> None:
    """With its way around, once; what stands beside it is made all the same."""
    specs = {
        ("a1", name): DerivedSpec(unit="MPa", value=value)
        for name, value in {"x": "y + p", "y": "[a1.z] * 2", "z": "x", "itself": "itself", "good": "p * 2"}.items()
    }

    points, faults = declare_all(specs, bench.catalogue)

    assert [point.name for point in points] == ["good"]
    assert sorted(faults.values()) == [
        "it stands on itself: a1.itself -> a1.itself",
        next(f"it stands on itself: {ring}" for ring in RINGS if f"it stands on itself: {ring}" in faults.values()),
    ]


RINGS = ("a1.x -> a1.y -> a1.z -> a1.x", "a1.y -> a1.z -> a1.x -> a1.y", "a1.z -> a1.x -> a1.y -> a1.z")


def test_a_fault_is_told_where_it_is(bench: Bench) -> None:
    """A point that stands on a wrong one is not told: it has no fault of its own."""
    specs = {
        ("a1", "low"): DerivedSpec(unit="m", value="p"),
        ("a1", "upper"): DerivedSpec(unit="MPa", value="low + p"),
        ("a1", "p"): DerivedSpec(unit="MPa", value="p"),
        ("a1", "low_q"): DerivedSpec(unit="MPa", value="p"),
        ("a1", "t_q"): DerivedSpec(unit="MPa", value="p"),
    }

    points, faults = declare_all(specs, bench.catalogue)

    assert [point.name for point in points] == ["low_q"]
    assert {name: what for (_, name), what in faults.items()} == {
        "low": "the result is a pressure, but m is declared",
        "p": "a device of 'a1' gives a point 'p' already",
        "t_q": "'t_q': this field name is the time series' own; choose another",
    }


def test_a_sum_over_assets_takes_derived_points_too(tmp_path: Path) -> None:
    """Each room's own worst pressure, and the lowest room's share of the whole."""
    bench = Bench(tmp_path)
    bench.catalogue = make_catalogue(assets=2)
    specs = {(f"a{n}", "worst"): DerivedSpec(unit="MPa", value=f"p - 0.0{n} MPa") for n in (1, 2)}
    specs["a1", "whole"] = DerivedSpec(unit="MPa", value="sum(room, worst)")
    points, _ = declare_all(specs, bench.catalogue)
    bench.catalogue = replace(bench.catalogue, points=(*bench.catalogue.points, *points))
    bench.rules(ANOTHER)
    bench.hear(1, p=0.3)

    bench.hear(2, device="a2.d", p=0.3)

    assert computed(bench) == [("a2.worst", 0.28, "good"), ("a1.whole", 0.57, "good")]


def test_its_values_are_told_with_their_quality(worst: Bench) -> None:
    """Without any rule that looks: bad readings make none, a suspect one a suspect one, a late one a late one."""
    worst.rules(ANOTHER)
    worst.hear(100, p=0.5)
    good = computed(worst)
    worst.hear(101, bad=True, p=0.5)
    after_bad = computed(worst)
    worst.hear(102, free=1.0)
    after_another = computed(worst)
    worst.hear(190, source=110, late=True, p=0.5)

    assert good == [("a1.worst", 0.402, "good")]
    assert after_bad == after_another == []
    assert computed(worst) == [("a1.worst", 0.402, "suspect late")]
    assert worst.engine.computed[0].at == worst.at(110)


BUSY = (
    LOW,
    """
    a
    levels: [{level: II, when: {point: apart, above: 1}, for: 20s, clear: {for: 20s}}]
    """,
    """
    m
    levels: [{level: II, when: {point: worst, take: median, over: 5s, below: 0.10 MPa}, clear: {for: 2s}}]
    """,
    """
    c
    levels: [{level: III, when: {point: pace, above: 0.5}}]
    """,
    """
    u
    levels: [{level: III, when: {point: upper, below: 0.5 MPa}, for: 20s}]
    """,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.2, 0.5, 1.0, 3.001, 31.0]),
        st.fixed_dictionaries(
            {},
            optional={
                "p": st.sampled_from([0.15, 0.198, 0.25]),
                "t": st.sampled_from([10.0, 30.0]),
                "n": st.sampled_from([0.0, 3.0, 7.0, 8.0]),
            },
        ),
        st.booleans(),
    ),
    max_size=40,
)


def busy(tmp_path: Path) -> Bench:
    return derived(
        Bench(tmp_path),
        upper=("MPa", "worst * pace"),
        alone=("", "pace / (pace - 20.5)"),
        worst=("MPa", "p - 0.0098 MPa/m * 10 m"),
        pace=("", "rise(n, 4s) / 10 + (t - 30 °C) / 1 K"),
        apart=("", "square((mean(p, 4s) - 0.2 MPa) / 0.05 MPa) + square((mean(t, 1min) - 20 °C) / 10 K)"),
    )


@given(STEPS, st.integers(0, 39))
def test_a_restart_anywhere_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, dict[str, Any], bool]], cut: int
) -> None:
    """Snapshot and restore between any two messages; and a Tick before each of them."""
    directory = tmp_path_factory.mktemp("r")
    steady, cut_short = busy(directory), busy(directory)
    steady.rules(*BUSY)
    cut_short.rules(*BUSY)
    now = 0.0
    for number, (wait, values, bad) in enumerate(steps):
        now += wait
        if number == cut:
            saved = cut_short.engine.snapshot()
            cut_short.engine = Engine()
            cut_short.engine.reload(cut_short.ruleset(*BUSY), cut_short.at(0))
            cut_short.engine.restore(saved)
        said = steady.message(now, bad=bad, **values)
        ticked = cut_short.tick(now)

        assert [*ticked, *cut_short.hear(now, bad=bad, **values)] == steady._note(steady.engine.step(said))
        assert cut_short.engine.computed == steady.engine.computed


@given(st.lists(st.tuples(st.integers(1, 3_600_000), st.floats(0, 1e6)), min_size=1, max_size=60))
def test_a_rise_is_the_sum_of_what_was_counted_in_the_span(steps: list[tuple[int, float]]) -> None:
    """To one part in 720 of the span at its edge; unknown until the span is full; never negative."""
    span = 7_200_000
    rise, at = Rise(span, COUNTER), 0
    heard: list[tuple[int, float]] = []
    for wait, value in steps:
        at += wait
        rise.push(at, value)
        heard.append((at, value))

    found = rise.value()
    if heard[-1][0] - heard[0][0] < span:
        assert found is None
        return
    totals = [0.0]
    for (_, before), (_, after) in pairwise(heard):
        totals.append(totals[-1] + counted(before, after, COUNTER))
    edge = at - span
    inside = [total for (when, _), total in zip(heard, totals, strict=True) if when <= edge]
    early = [total for (when, _), total in zip(heard, totals, strict=True) if when <= edge - span // 720]
    assert found is not None
    assert totals[-1] - inside[-1] - 1e-6 <= found <= totals[-1] - (early[-1] if early else 0.0) + 1e-6
    assert found >= 0


def test_a_rise_stays_small() -> None:
    """A day of readings a second in some 720 entries."""
    rise = Rise(86_400_000, COUNTER)
    for second in range(100_000):
        rise.push(second * 1000, float(second))

    assert rise.value() == pytest.approx(86_400, abs=120)
    assert len(rise.save()["entries"]) < 800
