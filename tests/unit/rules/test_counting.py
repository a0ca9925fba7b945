"""What is counted: changes, edges, readings, runs, N of M, one counter per another."""

from __future__ import annotations

import pytest

from daemon.model import ConfigError
from daemon.rules.sights import Verdicts
from tests.rule_bench import Bench


def rule(when: str, more: str = "") -> str:
    return f"r\n levels: [{{level: I, when: {{{when}}}{more}}}]"


def test_changes_of_a_state_are_counted_in_a_half_open_span(bench: Bench) -> None:
    """Three within 15 s; the one that is exactly 15 s old is out, though the point says nothing more."""
    bench.rules(rule("point: chain, count: changes, over: 15s, at_least: 3"))
    bench.hear(0, chain="closed")

    got = bench.hear(1, chain="open") + bench.hear(2, chain="closed") + bench.hear(3, chain="open")
    got += bench.each(range(4, 30), p=0.3)

    assert got == ["3 normal>active I condition_held", "16 active>cleared I recovered"]
    assert bench.seen[0].observed[0][1:3] == (3.0, "")
    assert bench.seen[0].observed[0].limit == "changes over 15s at least 3"


def test_an_edge_leads_into_a_label(bench: Bench) -> None:
    """From one of the codes to another is an edge, to stay in one is none; the first word ever is none."""
    bench.rules(rule("point: mode, count: {into: [b, c]}, over: 1h, at_least: 2"))

    got = [bench.hear(n, mode=label) for n, label in enumerate(["b", "a", "b", "b", "c"])]

    assert got == [[], [], [], [], ["4 normal>active I condition_held"]]


def test_an_edge_leads_above_a_limit(bench: Bench) -> None:
    """To go on rising above it is none."""
    bench.rules(rule("point: p, count: {into: {above: 3 bar}}, over: 1min, at_least: 2"))

    got = [bench.hear(n, p=value) for n, value in enumerate([0.4, 0.3, 0.31, 0.4, 0.2, 0.35])]

    assert got[-1] == ["5 normal>active I condition_held"]
    assert got[:-1] == [[]] * 5
    assert bench.seen[0].observed[0].limit == "into above 3 bar over 1min at least 2"


def test_readings_are_counted_each(bench: Bench) -> None:
    """A code that is said twice is there twice."""
    bench.rules(rule("point: mode, count: {readings: b}, over: 1h, at_least: 2"))

    assert bench.hear(0, mode="b") == []
    assert bench.hear(1, mode="b") == ["1 normal>active I condition_held"]


@pytest.mark.parametrize(("lasts", "counts"), [(0.999, True), (1, False), (30, False)])
def test_a_short_run_is_counted_when_it_ends(bench: Bench, lasts: float, *, counts: bool) -> None:
    """Shorter than the limit, not as long."""
    bench.rules(rule("point: mode, count: {runs: on, shorter: 1s}, over: 1h, at_least: 1"))
    bench.hear(0, mode="off")
    assert bench.hear(10, mode="on") == []

    assert bool(bench.hear(10 + lasts, mode="off")) is counts


@pytest.mark.parametrize(("lasts", "counts"), [(1.999, False), (2, True), (2.999, True), (3, False)])
def test_a_long_run_may_have_both_ends(bench: Bench, lasts: float, *, counts: bool) -> None:
    """So long or longer, and shorter than that."""
    bench.rules(rule("point: p, count: {runs: {above: 0.3 MPa}, longer: 2s, shorter: 3s}, over: 1h, at_least: 1"))
    bench.hear(0, p=0.1)
    bench.hear(1, p=0.4)

    assert bool(bench.hear(1 + lasts, p=0.1)) is counts


def test_a_run_of_which_a_part_was_missed_is_not_counted(bench: Bench) -> None:
    """The device was away in between: nobody knows how long it ran. Nor does anyone for one that ran at the start."""
    bench.rules(rule("point: mode, count: {runs: on, shorter: 10min}, over: 1h, at_least: 1"))

    bench.hear(0, mode="on")
    assert bench.hear(10, mode="off") == []
    bench.hear(20, mode="on")
    bench.hear(21, gone=True)
    bench.hear(22, p=0.3)
    assert bench.hear(25, mode="off") == []
    bench.hear(26, mode="on")
    assert bench.hear(27, mode="off") == ["27 normal>active I condition_held"]


def test_what_was_not_seen_is_not_said_not_to_have_happened(bench: Bench) -> None:
    """A count is certain upwards at once, downwards when 80 % of the span have been seen."""
    bench.rules(rule("point: mode, count: changes, over: 100s, at_most: 0"))
    bench.hear(0, mode="on")

    got = bench.each(range(1, 100, 10), p=0.3)

    assert got == ["80 normal>active I condition_held"]


def test_the_time_a_device_was_away_counts_as_not_seen(bench: Bench) -> None:
    """30 of 100 s are missing: it is unknown until they are out of the span."""
    bench.rules(rule("point: mode, count: changes, over: 100s, at_most: 0"))
    bench.hear(0, mode="on")
    bench.each(range(1, 60, 10), p=0.3)
    bench.hear(60, gone=True)
    bench.hear(90, mode="on")

    got = bench.each(range(91, 300, 10), p=0.3)

    assert got == ["190 normal>active I condition_held"]


def test_the_time_without_readings_counts_as_not_seen(bench: Bench) -> None:
    """The same for a point that promises readings; beyond their freshness."""
    bench.rules(rule("point: p, count: {into: {above: 0.3 MPa}}, over: 20s, at_most: 0"))
    bench.each(range(10), p=0.2)
    bench.hear(20, p=0.2)

    assert bench.each(range(21, 60), p=0.2) == ["40 normal>active I condition_held"]


def test_three_of_ten_readings(bench: Bench) -> None:
    """True with the third, whatever is to come; false only when what has come cannot be the end of three."""
    bench.rules(rule("point: p, above: 0.3 MPa, times: 3, of_last: 10", ", clear: {for: 1s}"))

    got = bench.each([0, 3], p=0.4) + bench.each([4, 5], p=0.2) + bench.hear(6, p=0.4)
    got += bench.each(range(7, 20), p=0.2)

    assert got == [
        "6 normal>active I condition_held",
        "12 active>clearing I condition_lapsed",
        "13 clearing>cleared I recovered",
    ]
    assert bench.seen[0].observed[0].limit == "above 0.3 MPa in 3 of 10 readings (now 3)"


def test_two_in_a_row(bench: Bench) -> None:
    """A label or a number; the reading between breaks it."""
    bench.rules(rule("point: mode, equals: [b, c], times: 2"))

    got = [bench.hear(n, mode=label) for n, label in enumerate(["b", "a", "c", "b"])]

    assert got == [[], [], [], ["3 normal>active I condition_held"]]


def test_a_ratio_of_two_counters(counters: Bench) -> None:
    """More than 10 % in a minute, and at least 30: fewer are not judged, and say no."""
    counters.rules(rule("point: starts, per: trips, over: 1min, above: 10 %, least: 30"))
    got = []
    for n in range(200):
        got += counters.hear(n, trips=float(n), starts=float(max(0, n - 100) // 5))

    assert got == ["135 normal>active I condition_held"]
    assert counters.seen[0].observed[0].limit.startswith("per trips over 1min above 10 % (of at least 30) (7 per 60)")
    assert counters.seen[0].observed[0].value == pytest.approx(700 / 60)
    assert counters.seen[0].observed[0].unit == "%"


def test_a_counter_that_stands_still_has_no_rate_after_the_span(counters: Bench) -> None:
    """A counter that speaks on change says nothing more: the site's clock takes its past away."""
    counters.rules(rule("point: trips, take: rate, over: 1h, above: 120 1/h"))
    got = counters.each([0], trips=0.0)
    for n in range(1, 130):
        got += counters.hear(n * 10, trips=float(n))
    got += counters.each(range(1300, 6000, 20), p=0.3)

    assert got == ["1210 normal>active I condition_held", "4050 active>cleared I recovered"]
    assert counters.seen[0].observed[0][1:3] == (121.0, "1/h")


def test_a_counter_is_followed_through_a_roll_over(counters: Bench) -> None:
    """65 530 and then 4 are ten starts."""
    counters.rules(rule("point: starts, take: delta, over: 30s, at_least: 10"))
    counters.each(range(20), starts=65530.0)

    assert counters.hear(20, starts=4.0) == ["20 normal>active I condition_held"]
    assert counters.seen[0].observed[0].value == 10.0


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("point: p, count: {into: open}, over: 1h, above: 3", "p is a gauge, which has no labels; write a limit"),
        ("point: mode, count: {into: {above: 3}}, over: 1h, above: 3", "which has no numbers"),
        ("point: mode, count: {into: on, shorter: 3s}, over: 1h, above: 3", "are asked of `runs`, not of into"),
        ("point: mode, count: {}, over: 1h, above: 3", "write exactly one of into, readings, runs"),
        ("point: mode, count: changes, over: 1h", "write exactly one of below, above"),
        ("point: mode, count: changes, over: 1h, above: 3 MPa", "MPa is a pressure"),
        ("point: p, per: trips, over: 1h, above: 3", "p is a gauge; a ratio is one counter per another"),
        ("point: starts, per: trip, over: 1h, above: 3", "no asset has a point 'trip'; did you mean 'trips'?"),
        ("point: starts, per: trips, over: 1h, above: 3 MPa", "a share in % or a bare number, not in MPa"),
        ("point: p, above: 1 bar, times: 3, of_last: 2", "the smaller number first"),
        ("point: p, above: 1 bar, of_last: 2", "the smaller number first"),
        ("point: p, take: mean, over: 1min, above: 1 bar, times: 3", "write them as two conditions"),
        ("point: p, above: 1 bar, times: 0", "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_counted_is_refused(counters: Bench, when: str, says: str) -> None:
    """At load, with what to do."""
    with pytest.raises(ConfigError, match=r".") as caught:
        counters.ruleset(rule(when))

    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ("count: {runs: on, shorter: 1s}", "runs of on shorter than 1s over 1h below 1"),
        ("count: {runs: [on, up], longer: 1s}", "runs of on or up of 1s or longer over 1h below 1"),
        ("count: {readings: on}", "readings of on over 1h below 1"),
        ("count: {into: on}", "into on over 1h below 1"),
        ("count: changes", "changes over 1h below 1"),
    ],
)
def test_what_is_counted_is_said_in_words(bench: Bench, count: str, words: str) -> None:
    """An order names what has been counted."""
    bench.rules(rule(f"point: mode, {count}, over: 1h, below: 1, coverage: 1 %"))

    bench.hear(0, mode="off")
    bench.each(range(1, 60), p=0.3)

    assert bench.seen[0].observed[0].limit == words


@pytest.mark.parametrize(
    ("readings", "verdict"),
    [
        ("", None),
        ("0", None),
        ("00", None),
        ("000", False),
        ("100", None),
        ("1000", False),
        ("1001", None),
        ("1011", True),
        ("11000", False),
        ("011000", False),
        ("111000", False),
        ("1100011", False),
    ],
)
def test_enough_of_the_last_readings_may_still_come(readings: str, verdict: bool | None) -> None:  # noqa: FBT001
    """Three of five: unknown only while those that have not come yet, all of them, could make it so."""
    it = Verdicts(bool, 3, 5)
    for n, reading in enumerate(readings):
        it.push(n, int(reading))

    assert it.test() is verdict
