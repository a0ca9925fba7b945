"""What readings, their absence and kept messages do to what the rules know of the site."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.rule_bench import Bench

CHAIN = "r\n levels: [{level: I, when: {point: chain, equals: open}, for: 5s, clear: {for: 10s}}]"
QUIET = "r\n levels: [{level: I, when: {point: mode, count: changes, over: 100s, at_most: 0, coverage: 50 %}}]"


def test_what_a_broker_had_kept_rewinds_nothing(bench: Bench) -> None:
    """A kept message from before the latest reading is old news, whatever it says."""
    bench.rules(CHAIN)
    bench.hear(0, chain="closed")
    bench.hear(10, chain="open")

    got = bench.hear(12, source=5, retained=True, chain="closed") + bench.tick(15)

    assert got == ["15 pending>active I condition_held"]


def test_a_state_is_missed_for_as_long_as_its_device_is_gone(bench: Bench) -> None:
    """Ten seconds out of the first fifty: enough is covered for `at most`."""
    bench.rules(QUIET)
    bench.hear(0, mode="a")
    bench.hear(20, gone=True)
    bench.hear(30, mode="a")

    assert bench.each(range(31, 53), p=0.3) == ["50 normal>active I condition_held"]


def test_a_device_that_says_twice_that_it_is_gone_is_gone_since_the_first_time(bench: Bench) -> None:
    """Sixty seconds out of a hundred: too much to know."""
    bench.rules(QUIET)
    bench.hear(0, mode="a")
    bench.hear(10, gone=True)
    bench.hear(60, gone=True)

    assert bench.hear(70, mode="a") + bench.each(range(71, 75), p=0.3) == []


def test_any_silence_is_that_of_a_point_too(bench: Bench) -> None:
    """A point that promises an interval is missed though its device goes on speaking."""
    bench.rules("r\n levels: [{level: III, when: {stale: {after: 35s}}}]")
    bench.hear(0, p=0.3, t=20, n=1, chain="closed")

    got = bench.each(range(1, 60), t=20.0, n=1.0)

    assert got == ["35 normal>active III condition_held"]
    assert [seen.point for seen in bench.seen[0].observed] == ["a1.p"]


def test_a_device_may_be_given_another_time_to_be_silent(bench: Bench) -> None:
    """From the reload on its states are lost after that; no rule begins anew for it."""
    bench.rules(CHAIN)
    bench.each(range(7), chain="open")
    devices = tuple(replace(device, alive_within=timedelta(seconds=10)) for device in bench.catalogue.devices)
    bench.catalogue = replace(bench.catalogue, devices=devices)

    assert bench.rules(CHAIN, at=7) == []
    assert bench.tick(100) == ["16.001 active>active I data_lost?"]


def test_an_old_reading_takes_no_other_of_its_message_along(bench: Bench) -> None:
    """What is older than what is known of one point may be news of the next one."""
    bench.rules(CHAIN, "low\n levels: [{level: I, when: {point: mode, equals: a}}]")
    bench.hear(10, mode="b")

    assert bench.hear(12, source=5, mode="a", chain="open") == ["5 normal>pending I condition_met"]


def test_a_kept_state_that_is_known_takes_no_other_along(bench: Bench) -> None:
    """The same for what a broker had kept."""
    bench.rules(CHAIN, "low\n levels: [{level: I, when: {point: mode, equals: a}}]")
    bench.hear(10, mode="b")

    assert bench.hear(12, source=11, retained=True, mode="b", chain="open") == ["11 normal>pending I condition_met"]


@pytest.mark.parametrize("retained", [False, True])
def test_an_unusable_reading_takes_no_other_of_its_message_along(bench: Bench, *, retained: bool) -> None:
    """A number that is none, and behind it a state: that one counts, in what a broker had kept as well."""
    bench.rules(CHAIN, "low\n levels: [{level: I, when: {point: p, below: 1 bar}}]")

    assert bench.hear(1, retained=retained, p=float("nan"), chain="open") == ["1 normal>pending I condition_met"]


def test_a_last_will_with_a_state_in_it_is_a_sign_of_life(bench: Bench) -> None:
    """The state counts, and is lost again when nothing more comes."""
    bench.rules(CHAIN)

    assert bench.hear(1, gone=True, chain="open") + bench.tick(100) == [
        "1 normal>pending I condition_met",
        "6 pending>active I condition_held",
        "31.001 active>active I data_lost?",
    ]
