"""`for`, `clear` and `unless`, to the millisecond."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rule_bench import Bench

LOW = """
    r
    levels: [{level: I, when: {point: p, below: 0.10 MPa}, for: 10s, clear: {for: 5s}}]
    """
CHAIN = """
    r
    levels: [{level: I, when: {point: chain, equals: open}, for: 5s, clear: {for: 60s}}]
    unless: {point: mode, equals: [inspection, fire]}
    """


def test_a_hold_ends_exactly_when_it_has_lasted(bench: Bench) -> None:
    """A reading that is fine at the very end comes too late to stop it: the stretch is half-open."""
    bench.rules(LOW)

    got = bench.each(range(10), p=0.05) + bench.hear(10, p=0.2)

    assert got == [
        "0 normal>pending I condition_met",
        "10 pending>active I condition_held",
        "10 active>clearing I condition_lapsed",
    ]


def test_a_hold_that_is_a_millisecond_short_is_nothing(bench: Bench) -> None:
    """Fine 1 ms before the end: back to normal."""
    bench.rules(LOW)

    got = bench.each(range(10), p=0.05) + bench.hear(9.999, p=0.2)

    assert got == ["0 normal>pending I condition_met", "9.999 pending>normal I condition_lapsed"]


def test_a_limit_itself_is_on_the_good_side(bench: Bench) -> None:
    """`below 0.10` is not met by 0.10."""
    bench.rules(LOW)

    assert bench.each(range(30), p=0.1) == []


def test_time_alone_reveals_a_hold(bench: Bench) -> None:
    """A Tick at the deadline is enough; the alarm is dated by the deadline whenever it is revealed."""
    bench.rules(CHAIN)
    bench.hear(1, chain="open")

    assert bench.tick(5.999) == []
    assert bench.tick(9) == ["6 pending>active I condition_held"]
    assert bench.seen[-1].seen_at == bench.at(9)


def test_source_time_counts_and_receipt_reveals(bench: Bench) -> None:
    """A hold that began at 0 and was received at 4 is over at 10 by its readings, and by time alone at 14."""
    bench.rules(LOW)
    for at in (4, 6, 8, 10, 12):
        bench.hear(at, source=at - 4, p=0.05)

    assert [t.cause for t in bench.seen] == ["condition_met"]
    assert bench.tick(13.999) == []
    assert bench.tick(14) == ["10 pending>active I condition_held"]


def test_a_reading_from_after_the_end_reveals_a_hold(bench: Bench) -> None:
    """What a device has gathered and sends at once is worth as much as if it had come in time."""
    bench.rules(LOW)

    got = [line for n in range(12) for line in bench.hear(11 + n / 1000, source=n, p=0.05)]

    assert got == ["0 normal>pending I condition_met", "10 pending>active I condition_held"]
    assert bench.seen[-1].seen_at == bench.at(11.010)


def test_a_hole_in_what_a_device_has_gathered_breaks_the_hold(bench: Bench) -> None:
    """Received in one go, but with 4 s missing where readings are fresh for 3 s: not an unbroken stretch."""
    bench.rules(LOW)

    got = [line for n in (0, 1, 2, 6, 7, 8, 9, 10, 11) for line in bench.hear(11 + n / 1000, source=n, p=0.05)]

    assert got == [
        "0 normal>pending I condition_met",
        "5.001 pending>normal I data_lost",
        "6 normal>pending I condition_met",
    ]


def test_a_condition_that_is_true_from_the_start_waits_all_the_same(bench: Bench) -> None:
    """The daemon starts into an open chain: its hold counts from what it hears."""
    bench.rules(CHAIN)

    assert bench.hear(2, chain="open") + bench.tick(100) == [
        "2 normal>pending I condition_met",
        "7 pending>active I condition_held",
        "32.001 active>active I data_lost?",
    ]


def test_a_new_rule_over_a_condition_that_is_true_waits_from_the_reload(bench: Bench) -> None:
    """It was open for long: the rule is new, its hold is too."""
    bench.rules("other\n levels: [{level: I, when: {point: chain, equals: odd}}]")
    bench.hear(1, chain="open")

    got = bench.rules("other\n levels: [{level: I, when: {point: chain, equals: odd}}]", CHAIN, at=20)

    assert got == ["20 normal>pending I condition_met"]
    assert bench.tick(25) == ["25 pending>active I condition_held"]


def test_without_for_the_first_reading_opens(bench: Bench) -> None:
    """No hold, no pending."""
    bench.rules("r\n levels: [{level: III, when: {point: free, outside: [-5 mm, 5 mm]}}]")

    assert bench.hear(1, free=5.0) == []
    assert bench.hear(2, free=5.01) == ["2 normal>active III condition_held"]
    assert bench.hear(3, free=-5.0) == ["3 active>cleared III recovered"]


def test_a_flapping_signal_is_one_alarm(bench: Bench) -> None:
    """Fifty times across the limit, never clear for 60 s: one activation, one recovery."""
    bench.rules(CHAIN)
    for n in range(50):
        bench.hear(20 * n + 6, chain="open")
        bench.hear(20 * n + 16, chain="closed")
    bench.each(range(1000, 1100, 10), mode="normal")

    causes = [str(t.cause) for t in bench.seen]
    assert causes.count("condition_held") == 1
    assert causes.count("relapsed") == 49
    assert causes.count("recovered") == 1
    assert causes[-1] == "recovered"


def test_a_clear_limit_of_its_own_is_hysteresis(bench: Bench) -> None:
    """Between the two limits nothing moves; dipping back under the clear limit begins its hold anew."""
    bench.rules("""
        r
        levels: [{level: II, when: {point: p, below: 0.10 MPa}, clear: {when: {point: p, above: 0.12 MPa}, for: 3s}}]
        """)

    got = [
        line
        for at, p in enumerate([0.09, 0.11, 0.13, 0.13, 0.12, 0.13, 0.13, 0.13, 0.13])
        for line in bench.hear(at, p=p)
    ]

    assert got == [
        "0 normal>active II condition_held",
        "2 active>clearing II condition_lapsed",
        "4 clearing>active II relapsed",
        "5 active>clearing II condition_lapsed",
        "8 clearing>cleared II recovered",
    ]


def test_unless_in_the_same_message_holds_everything_off(bench: Bench) -> None:
    """All readings of a message are applied before any rule looks: inspection and a fault at once are no alarm."""
    bench.rules(CHAIN)

    assert bench.hear(1, chain="open", mode="inspection") + bench.tick(20) == []


def test_when_unless_ends_the_hold_begins_anew(bench: Bench) -> None:
    """Still open after inspection: one alarm, five seconds after its end."""
    bench.rules(CHAIN)
    bench.hear(1, chain="open", mode="inspection")

    assert bench.hear(20, mode="normal") + bench.tick(30) == [
        "20 normal>pending I condition_met",
        "25 pending>active I condition_held",
    ]


def test_unless_breaks_a_hold_that_runs(bench: Bench) -> None:
    """The technician switches to inspection within the five seconds."""
    bench.rules(CHAIN)
    bench.hear(1, chain="open", mode="normal")

    assert bench.hear(4, mode="fire") == ["4 pending>normal I suppressed"]
    assert [o.point for o in bench.seen[-1].observed] == ["a1.chain", "a1.mode"]
    assert bench.tick(20) == []


def test_unless_leaves_an_open_alarm_alone(bench: Bench) -> None:
    """Suppression stops creation, never recovery."""
    bench.rules(CHAIN)
    bench.hear(1, chain="open", mode="normal")

    got = bench.hear(7, mode="inspection") + bench.hear(8, chain="closed")
    got += bench.each(range(30, 90, 20), mode="inspection")

    assert got == [
        "6 pending>active I condition_held",
        "8 active>clearing I condition_lapsed",
        "68 clearing>cleared I recovered",
    ]


def test_an_unknown_unless_holds_nothing_off(bench: Bench) -> None:
    """A mode that was never told must not silence a safety rule."""
    bench.rules(CHAIN)

    assert bench.hear(1, chain="open") + bench.tick(6) == [
        "1 normal>pending I condition_met",
        "6 pending>active I condition_held",
    ]


def test_a_tick_that_expires_nothing_says_nothing(bench: Bench) -> None:
    """And the next deadline is told, never too late."""
    bench.rules(CHAIN)
    bench.hear(1, chain="open")

    assert bench.tick(1) == []
    due = bench.engine.next_deadline()
    assert due is not None
    assert due <= bench.at(6)


@pytest.mark.parametrize(
    ("word", "meets"),
    [("below", [89.0]), ("at_most", [89.0, 90.0]), ("at_least", [90.0, 91.0]), ("above", [91.0])],
)
def test_each_comparator_at_its_limit(bench: Bench, word: str, meets: list[float]) -> None:
    """At the limit itself `at_most` and `at_least` are met, `below` and `above` are not."""
    bench.rules(f"r\n levels: [{{level: I, when: {{point: t, {word}: 90 °C}}}}]")

    for at, value in enumerate((89.0, 90.0, 91.0)):
        bench.hear(at, t=value)
        state = bench.seen[-1].after if bench.seen else "normal"
        assert (state == "active") is (value in meets)


def test_what_is_due_at_once_comes_in_order(bench: Bench) -> None:
    """A hold that ends at the very moment at which data would be lost has lasted: it comes first."""
    bench.rules("r\n levels: [{level: I, when: {point: p, below: 0.10 MPa}, for: 3001ms}]")
    bench.hear(0, p=0.05)

    assert (
        bench.tick(4)
        == [
            "0 normal>pending I condition_met",
            "3.001 pending>active I condition_held",
            "3.001 active>active I data_lost?",
        ][1:]
    )


def test_history_without_ticks_is_driven_by_its_own_times(bench: Bench) -> None:
    """Whichever input comes next reveals what was due before it, before it is applied."""
    bench.rules(CHAIN)
    bench.hear(1, chain="open")

    assert bench.hear(3600, chain="closed") == [
        "6 pending>active I condition_held",
        "31.001 active>active I data_lost?",
        "3600 active>active I data_back",
        "3600 active>clearing I condition_lapsed",
    ]
    assert bench.seen[1].seen_at - bench.seen[1].at == timedelta(seconds=3594)


def test_a_bad_reading_reveals_no_hold(bench: Bench) -> None:
    """What a device has gathered shows how long it lasted, unless it is bad: then time has to tell."""
    bench.rules("r\n levels: [{level: I, when: {point: p, below: 0.10 MPa}, for: 10s}]")
    for source, at in ((0, 100), (3, 100.1), (6, 100.2), (9, 100.3)):
        bench.hear(at, source=source, p=0.05)

    assert bench.hear(100.4, source=11, p=0.05, bad=True) == []
    assert bench.hear(100.5, source=11, p=0.05) == ["10 pending>active I condition_held"]
