from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import from_ms, to_ms
from daemon.sensors.polling import Breaker, Slots


def test_slots_are_whole_multiples_of_the_interval() -> None:
    """Started at 12.345 s, a 5 s interval is served at 15 s and 20 s."""
    slots = Slots(timedelta(seconds=5))
    slots.start(from_ms(12_345))

    assert slots.due == from_ms(15_000)
    assert slots.serve(from_ms(15_001)) == 0
    assert slots.due == from_ms(20_000)


def test_a_start_on_a_slot_serves_it() -> None:
    """A slot that is now is not missed."""
    slots = Slots(timedelta(seconds=5))
    slots.start(from_ms(15_000))

    assert slots.due == from_ms(15_000)


def test_missed_slots_are_counted_and_never_made_up() -> None:
    """After 17 s of delay three slots are gone, one is served, and the next one lies ahead."""
    slots = Slots(timedelta(seconds=5))
    slots.start(from_ms(15_000))
    slots.serve(from_ms(15_000))

    missed = slots.serve(from_ms(37_000))

    assert missed == 3
    assert slots.due == from_ms(40_000)


@given(st.integers(1, 5000), st.lists(st.integers(0, 20_000), max_size=50))
def test_every_slot_is_served_or_missed(interval_ms: int, delays: list[int]) -> None:
    """Served plus missed slots are exactly those that went by, whatever the delays."""
    slots = Slots(timedelta(milliseconds=interval_ms))
    slots.start(from_ms(1_000_003))
    first = slots.due
    now, served, missed = first, 0, 0
    for delay in delays:
        now = max(now, slots.due) + timedelta(milliseconds=delay)
        missed += slots.serve(now)
        served += 1

    assert (served + missed) * interval_ms == to_ms(slots.due) - to_ms(first)
    assert to_ms(slots.due) % interval_ms == 0


@pytest.mark.parametrize(("failures", "wait"), [(2, 0), (3, 1), (4, 2), (5, 4), (7, 16), (8, 30), (60, 30)])
def test_a_unit_down_is_tried_once_per_growing_interval(failures: int, wait: int) -> None:
    """Three failures make a unit down; then the waits double from 1 s up to 30 s."""
    breaker = Breaker(most_failures=3)
    turns = [breaker.failed(from_ms(10_000)) for _ in range(failures)]

    assert turns.count(True) == (1 if failures >= 3 else 0)
    assert breaker.allows(from_ms(10_000 + wait * 1000))
    assert wait == 0 or not breaker.allows(from_ms(10_000 + wait * 1000 - 1))


def test_one_answer_makes_a_unit_whole() -> None:
    """After an answer the unit must fail as often again before it counts as down."""
    breaker = Breaker(most_failures=2)
    breaker.failed(from_ms(0))
    breaker.failed(from_ms(0))

    assert breaker.answered()
    assert not breaker.is_open
    assert breaker.allows(from_ms(0))
    assert not breaker.failed(from_ms(0))
