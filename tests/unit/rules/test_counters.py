"""Counters roll over, begin anew, and are set back; what was counted is told all the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import Point, PointKind
from daemon.rules.counters import Tally, counted
from tests.rule_bench import Bench

U16 = 65_536.0


def counter(rollover: float | None = U16) -> Point:
    return Point("a.n", "a", "d", "n", kind=PointKind.COUNTER, rollover=rollover)


@pytest.mark.parametrize(
    ("before", "after", "rollover", "expected"),
    [
        (10, 17, U16, 7),  # it counts on
        (17, 17, U16, 0),  # it stands still
        (65_535, 0, U16, 1),  # one more than the last
        (65_530, 4, U16, 10),  # it rolled over
        (65_530, 4, None, 4),  # nobody says that it rolls over: begun anew
        (40_000, 4, U16, 4),  # too far from its end to have rolled over: begun anew
        (65_530, 20_000, U16, 20_000),  # too much in one step for a roll-over
        (70_000, 4, U16, 4),  # it cannot have that roll-over
        (5000, 0, U16, 0),  # begun anew, nothing counted yet
        (5000, 2500, U16, 2500),  # half and less is about zero
        (5000, 4990, U16, 0),  # a box that came back with what it had saved last
        (5000, -3, None, 0),  # no counter goes below zero
        (6553.0, 0.4, 6553.6, 1.0),  # tenths of 16 bits
    ],
)
def test_what_lies_between_two_readings(before: float, after: float, rollover: float | None, expected: float) -> None:
    """A wrap counts on, a reset counts from zero, and neither is a huge step."""
    assert counted(before, after, counter(rollover)) == pytest.approx(expected)


@given(
    st.sampled_from([256, 65_536, 4_294_967_296]),
    st.integers(0, 2**32),
    st.lists(st.floats(0, 0.2), max_size=50),
)
def test_a_counter_that_rolls_over_loses_nothing(end: int, start: int, shares: list[float]) -> None:
    """However often it rolls over, the tally is what it truly counted, if it is read every quarter of its range."""
    tally, true = Tally(counter(float(end))), start
    tally.push(float(start % end))
    for share in shares:
        true += int(share * end)
        tally.push(float(true % end))

    assert tally.total == true - start


@given(st.lists(st.one_of(st.floats(-1e9, 1e9), st.integers(0, 70_000).map(float)), min_size=2), st.booleans())
def test_no_step_is_negative_or_more_than_it_can_be(values: list[float], known: bool) -> None:  # noqa: FBT001
    """Resets anywhere: never back, never more than the counter shows or half its range."""
    point = counter(U16 if known else None)
    for before, after in pairwise(values):
        step = counted(before, after, point)

        assert step >= 0
        assert step <= max(after - before, after, U16 / 2 if known else 0.0, 0.0)


@given(st.lists(st.integers(0, 65_535).map(float), max_size=30), st.integers(0, 30))
def test_a_tally_goes_on_after_a_restart(values: list[float], cut: int) -> None:
    """Saved and loaded anywhere, it is the same."""
    steady, cut_short = Tally(counter()), Tally(counter())
    for number, value in enumerate(values):
        if number == cut:
            saved, cut_short = cut_short.save(), Tally(counter())
            cut_short.load(saved)

        assert steady.push(value) == cut_short.push(value)


def rolling(bench: Bench) -> Bench:
    points = (replace(p, kind=PointKind.COUNTER, rollover=U16) if p.name == "n" else p for p in bench.catalogue.points)
    bench.catalogue = replace(bench.catalogue, points=tuple(points))
    return bench


def test_a_rise_over_a_span_sees_through_a_roll_over(bench: Bench) -> None:
    """Ten more within five seconds, the counter rolling over in between; then a reset is no fall."""
    rolling(bench).rules("""
        r
        levels: [{level: I, when: {point: n, rises: 10, within: 5s}}]
        """)

    assert bench.each(range(1, 9), n=65_530.0) == []
    assert bench.hear(9, n=3.0) == []
    assert bench.hear(10, n=4.0) == ["10 normal>active I condition_held"]
    bench.each(range(11, 20), n=4000.0)
    assert bench.each(range(20, 26), n=0.0) == []


def test_a_reset_is_no_fall(bench: Bench) -> None:
    """A counter never falls."""
    rolling(bench).rules("""
        r
        levels: [{level: I, when: {point: n, falls: 10, within: 5s}}]
        """)

    assert bench.each(range(1, 9), n=5000.0) == []
    assert bench.each(range(9, 20), n=0.0) == []
