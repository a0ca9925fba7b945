"""Gaps, bad and late readings, devices that come and go."""

from __future__ import annotations

import pytest

from tests.rule_bench import Bench

LOW = """
    r
    levels: [{level: I, when: {point: p, below: 0.10 MPa}, for: 10s, clear: {for: 5s}}]
    """
CHAIN = """
    r
    levels: [{level: I, when: {point: chain, equals: open}, for: 5s, clear: {for: 10s}}]
    """


def test_readings_as_far_apart_as_their_freshness_make_a_stretch(bench: Bench) -> None:
    """3 s apart where the point is fresh for 3 s: unbroken."""
    bench.rules(LOW)

    assert bench.each([0, 3, 6, 9, 12], p=0.05)[1:] == ["10 pending>active I condition_held"]


def test_a_longer_gap_breaks_the_hold(bench: Bench) -> None:
    """3.001 s apart: the hold is given up, and begins anew with the next reading."""
    bench.rules(LOW)

    got = bench.each([0, 3, 6.002], p=0.05)

    assert got == [
        "0 normal>pending I condition_met",
        "6.001 pending>normal I data_lost",
        "6.002 normal>pending I condition_met",
    ]


def test_a_gap_longer_than_the_hold_never_completes_it(bench: Bench) -> None:
    """An hour without data is no hour of low pressure."""
    bench.rules(LOW)

    got = bench.hear(0, p=0.05) + bench.hear(3600, p=0.05)

    assert [line.split()[-1] for line in got] == ["condition_met", "data_lost", "condition_met"]


def test_an_active_alarm_without_data_stays_and_says_so(bench: Bench) -> None:
    """It cannot clear; when the data is back it goes on where it was."""
    bench.rules(LOW)
    bench.each(range(12), p=0.05)

    got = bench.tick(100) + bench.hear(101, p=0.2) + bench.each(range(102, 107), p=0.2)

    assert got == [
        "14.001 active>active I data_lost?",
        "101 active>active I data_back",
        "101 active>clearing I condition_lapsed",
        "106 clearing>cleared I recovered",
    ]


def test_losing_the_data_breaks_the_clear_hold(bench: Bench) -> None:
    """Clear for 3 s, then silent: not recovered."""
    bench.rules(LOW)
    bench.each(range(11), p=0.05)

    got = bench.each([11, 12], p=0.2) + bench.tick(60) + bench.hear(61, p=0.05)

    assert got == [
        "11 active>clearing I condition_lapsed",
        "15.001 clearing>active I data_lost?",
        "61 active>active I data_back",
    ]


def test_a_bad_reading_reaches_no_rule(bench: Bench) -> None:
    """A single one is bridged like a missing one; a sensor that only says bad is a sensor that says nothing."""
    bench.rules(LOW)
    bench.each(range(5), p=0.05)
    bench.hear(5, p=0.05, bad=True)

    assert bench.each(range(6, 11), p=0.05) == ["10 pending>active I condition_held"]
    assert bench.each(range(11, 20), p=0.9, bad=True) == ["13.001 active>active I data_lost?"]


def test_a_bad_reading_of_a_held_state_makes_it_unknown(bench: Bench) -> None:
    """The device says something else now, whatever it is: the old state no longer holds."""
    bench.rules(CHAIN)
    bench.hear(0, chain="open")

    assert bench.hear(2, chain="?", bad=True) == ["2 pending>normal I data_lost"]
    assert bench.each(range(3, 20), mode="normal") == []


def test_a_number_that_is_none_reaches_no_rule(bench: Bench) -> None:
    """Not a number, infinity, text instead of a number: as good as bad. A whole number is a number."""
    bench.rules("r\n levels: [{level: I, when: {point: free, below: 5 mm}}]")

    for at, value in enumerate((float("nan"), float("-inf"), "1.0")):
        assert bench.hear(at, free=value) == []
    assert bench.hear(9, free=1) == ["9 normal>active I condition_held"]


def test_a_held_state_needs_no_repetition(bench: Bench) -> None:
    """Anything from its device keeps it alive, an empty message too."""
    bench.rules(CHAIN.replace("for: 5s", "for: 100s"))
    bench.hear(0, chain="open")

    assert bench.each(range(30, 120, 30)) == []
    assert bench.tick(100) == ["100 pending>active I condition_held"]


def test_a_device_that_is_gone_takes_its_states_along(bench: Bench) -> None:
    """Its last will is enough, without waiting for 30 s; back alive, they hold again and the hold begins anew."""
    bench.rules(CHAIN)
    bench.hear(0, chain="open")

    got = bench.hear(2, gone=True) + bench.tick(20) + bench.hear(21) + bench.tick(26)

    assert got == [
        "2 pending>normal I data_lost",
        "21 normal>pending I condition_met",
        "26 pending>active I condition_held",
    ]


def test_a_silent_device_is_gone_after_its_time(bench: Bench) -> None:
    """Silent for 30 s is alive, for 30.001 s gone."""
    bench.rules(CHAIN.replace("for: 5s", "for: 40s"))
    bench.hear(0, chain="open")

    assert bench.hear(30) == []
    assert bench.hear(60.001) == [
        "40 pending>active I condition_held",
        "60.001 active>active I data_lost?",
        "60.001 active>active I data_back",
    ]


KEPT = """
    r
    levels: [{level: I, when: {point: chain, equals: open}}]
    """
DEAD = """
    dead
    levels: [{level: III, when: {stale: {after: 20s, devices: all}}}]
    """


def test_what_a_broker_had_kept_is_no_sign_of_life(bench: Bench) -> None:
    """The silence goes on over it, however often it comes; the device's own word ends it."""
    bench.rules(DEAD)
    bench.hear(1)

    assert bench.each(range(5, 31, 5), retained=True, chain="open", p=0.5) == []
    assert bench.each([31, 32, 40], retained=True, chain="closed", free=1.0) == [
        "dead 31 normal>active III condition_held"
    ]
    assert bench.hear(41) == ["dead 41 active>cleared III recovered"]


def test_a_kept_state_is_adopted_while_its_device_may_be_there(bench: Bench) -> None:
    """Nobody has spoken yet: it may be silent for 30 s from the start on, and no longer."""
    bench.rules(KEPT)

    assert bench.hear(5, retained=True, late=True, chain="open") == ["5 normal>active I condition_held late"]
    assert bench.hear(10, retained=True, late=True, chain="open") == []
    assert bench.tick(31) == ["30.001 active>active I data_lost? late"]
    assert bench.hear(40, retained=True, late=True, chain="closed") == []
    assert bench.hear(41) == ["41 active>cleared I recovered"]


def test_a_kept_state_of_a_device_that_is_gone_waits(bench: Bench) -> None:
    """Its last will may come before or after; its own next word makes the state count."""
    bench.rules(KEPT)
    bench.hear(1, gone=True)

    assert bench.hear(2, retained=True, chain="open") == []
    assert bench.hear(3) == ["3 normal>active I condition_held"]


def test_a_kept_gauge_is_believed_for_the_rest_of_its_interval(bench: Bench) -> None:
    """With its own time, for three intervals after it; without one (late), or an old one, it tells nothing."""
    bench.rules("""
        r
        levels: [{level: I, when: {point: p, below: 0.1 MPa}}]
        """)
    old = bench.hear(10, source=6.9, retained=True, p=0.0) + bench.hear(10, late=True, retained=True, p=0.0)

    assert old == []
    assert bench.hear(11, source=9, retained=True, p=0.0) == ["11 normal>active I condition_held"]
    assert bench.tick(13) == ["12.001 active>active I data_lost?"]
    assert bench.hear(14, retained=True, late=True, p=0.5) == []


def test_an_older_reading_rewinds_nothing(bench: Bench) -> None:
    """What a broker kept from yesterday does not undo what is known today; of the same millisecond the later counts."""
    bench.rules(CHAIN)
    bench.hear(10, chain="closed")

    assert bench.hear(11, source=9, chain="open") + bench.tick(30) == []
    assert bench.hear(31, source=10, chain="open") == ["10 normal>pending I condition_met"]


def test_a_clock_that_runs_ahead_does_not_shut_out_what_comes_later(bench: Bench) -> None:
    """A device four minutes ahead is set right: its next readings count, though they are older on paper."""
    bench.rules(CHAIN)
    bench.hear(10, source=250, chain="closed")

    assert bench.hear(11, source=11, chain="open") == ["11 normal>pending I condition_met"]


def test_late_gauges_open_nothing(bench: Bench) -> None:
    """Two hours of low pressure that arrive afterwards are history."""
    bench.rules(LOW)

    assert [line for n in range(60) for line in bench.hear(7200 + n / 100, source=n, late=True, p=0.05)] == []
    assert bench.hear(7201, p=0.05) == ["7201 normal>pending I condition_met"]


def test_late_gauges_break_a_hold(bench: Bench) -> None:
    """They are no proof that it is so now."""
    bench.rules(LOW)
    bench.hear(0, p=0.05)

    assert bench.hear(1, source=0.5, late=True, p=0.05) == ["0.5 pending>normal I data_lost"]


def test_late_gauges_may_clear(bench: Bench) -> None:
    """The alarm ended while the line was down: it is closed by what came late, at the time it happened."""
    bench.rules(LOW)
    bench.each(range(11), p=0.05)
    bench.tick(100)

    got = [line for n in range(9) for line in bench.hear(200 + n / 100, source=50 + n, late=True, p=0.2)]

    assert got == [
        "50 active>active I data_back",
        "50 active>clearing I condition_lapsed",
        "55 clearing>cleared I recovered",
    ]


def test_late_news_of_a_state_is_adopted(bench: Bench) -> None:
    """The newest state known counts as current; its hold counts from receipt, and the transition says so."""
    bench.rules(CHAIN)

    got = bench.hear(600, source=10, late=True, chain="open") + bench.tick(605)

    assert got == ["600 normal>pending I condition_met late", "605 pending>active I condition_held late"]


def test_late_news_is_confirmed_by_news_in_time(bench: Bench) -> None:
    """So that a withheld order can be decided again."""
    bench.rules(CHAIN)
    bench.hear(600, source=10, late=True, chain="open")
    bench.tick(605)

    assert bench.hear(606, chain="open") == ["606 active>active I confirmed"]


def test_all_readings_of_a_message_count_before_any_rule_looks(bench: Bench) -> None:
    """Half of a message is never judged."""
    bench.rules("r\n levels: [{level: I, when: {all: [{point: chain, equals: open}, {point: free, above: 1 mm}]}}]")
    bench.hear(0, chain="open", free=0.0)

    assert bench.hear(1, free=5.0, chain="closed") == []


def test_silence_counts_from_the_last_word(bench: Bench) -> None:
    """Exactly `after`, once, whatever the Ticks; the first word ends it."""
    bench.rules("r\n levels: [{level: III, when: {stale: {after: 5min}}, clear: {for: 30s}}]")
    for at in range(3):
        bench.hear(at, p=0.2, t=20.0, n=0.0)

    got = bench.tick(301.999) + bench.tick(302) + bench.tick(500)
    assert got == ["302 normal>active III condition_held"]
    assert {o.point for o in bench.seen[-1].observed} == {"a1.d"}
    assert bench.hear(600, p=0.2, t=20.0, n=0.0) == ["600 active>clearing III condition_lapsed"]
    assert bench.each(range(601, 631), p=0.2, t=20.0, n=0.0) == ["630 clearing>cleared III recovered"]


def test_a_point_that_never_spoke_is_missed(bench: Bench) -> None:
    """Its device speaks, the sensor has been dead since boot."""
    bench.rules("r\n levels: [{level: III, when: {point: p, stale: {after: 20s}}}]")

    assert bench.each(range(0, 40, 5), mode="normal") == ["20 normal>active III condition_held"]


def test_missing_data_may_count_as_an_alarm_or_as_normal(bench: Bench) -> None:
    """`no_data: alarm` opens on silence; `no_data: normal` clears on it."""
    rule = "levels: [{level: I, when: {point: p, above: 1 MPa}, for: 5s}]"
    bench.rules(f"loud\n no_data: alarm\n {rule}", f"calm\n no_data: normal\n {rule}")
    bench.each(range(7), p=1.2)

    got = bench.tick(60)

    assert got == ["loud 9.001 active>active I data_lost?", "calm 9.001 active>cleared I recovered"]
    assert bench.hear(61, p=0.2) == ["loud 61 active>cleared I recovered"]
    assert bench.tick(90) == [
        "loud 64.001 normal>pending I condition_met",
        "loud 69.001 pending>active I condition_held?",
    ]


@pytest.mark.parametrize(
    ("no_data", "told"),
    [
        ("normal", "2 active>cleared I recovered"),
        ("alarm", "2 active>active I data_lost?"),
        ("unknown", "2 active>active I data_lost?"),
    ],
)
def test_a_clear_condition_without_data_ends_an_alarm_where_none_is_normal(
    bench: Bench, no_data: str, told: str
) -> None:
    """Whether it is clear is asked of a point that has never spoken: only `no_data: normal` takes that for a yes."""
    when, clear = "{point: p, below: 1 bar}", "{when: {point: t, below: 30 °C}}"
    bench.rules(f"r\n no_data: {no_data}\n levels: [{{level: I, when: {when}, clear: {clear}}}]")
    bench.hear(1, p=0.05)

    assert bench.hear(2, p=0.3) == [told]
