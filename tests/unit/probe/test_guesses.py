from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.documents import build, parse
from daemon.probe.guesses import ORDERS, Verdict, guess
from daemon.probe.register_skeleton import write_skeleton
from daemon.probe.scan import TableFound, UnitFound
from daemon.sensors.profile import Profile
from tests.register_images import f32, letters, u32


def judge(*looks: Sequence[int]) -> Verdict:
    return guess([dict(enumerate(words)) for words in looks], [(0, len(looks[0]))])


def told(verdict: Verdict) -> list[tuple[int, str, str, float | str]]:
    return [
        (g.address, g.type, g.order, round(g.value, 4) if isinstance(g.value, float) else g.value)
        for g in verdict.guesses
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_floats_side_by_side_tell_their_order(order: str) -> None:
    """Pressures, a temperature and a frequency, in each of the four orders."""
    values = [0.3124, 21.456, 49.98, 2.7183]
    words = [word for value in values for word in f32(value, order)]

    assert told(judge(words)) == [(2 * n, "f32", order, value) for n, value in enumerate(values)]


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_is_right_or_stands_as_the_other_choice(order: str) -> None:
    """Of 200 random devices: a float of any digits next to a float can be read two ways, and then both are told."""
    dice = random.Random(1)
    right = told_as_rival = 0
    for _ in range(200):
        values = [10 ** dice.uniform(-1.5, 3.5) for _ in range(dice.choice((2, 4, 8)))]
        verdict = judge([word for value in values for word in f32(value, order)])
        right += verdict.order == order
        told_as_rival += verdict.rival == order

    assert right + told_as_rival >= 198
    assert right >= 170


@pytest.mark.parametrize("order", ["ABCD", "CDAB"])
def test_a_count_beyond_one_register_is_one_number(order: str) -> None:
    """Energy in kWh that has passed 65 535; beside floats its order is theirs."""
    looks = [[*f32(49.98, order), *u32(count, order)] for count in (123456, 123457, 123459)]
    verdict = judge(*looks)

    assert [(g.type, g.order, g.value) for g in verdict.guesses] == [
        ("f32", order, pytest.approx(49.98)),
        ("u32", order, 123459),
    ]
    assert verdict.guesses[1].rises


@pytest.mark.parametrize(
    ("words", "types"),
    [
        ([312, 250, 7, 9999], ["u16"] * 4),
        ([0xFFFB, 0], ["s16", "u16"]),
        ([0xFFFF, 0x8000, 0x7FFF], ["u16"] * 3),
        (letters("NOVUS NP785"), ["string"]),
        ([0x3130, 0x3233], ["u16", "u16"]),
        ([], []),
    ],
)
def test_small_numbers_are_numbers(words: list[int], types: list[str]) -> None:
    """Whole numbers, small negative ones, patterns of no measurement, a name; two letters are none."""
    assert [g.type for g in judge(words).guesses] == types


def test_a_register_that_only_rises_may_count() -> None:
    """It went up at one look of three, and never down."""
    rising, wandering = judge([5, 20], [5, 21], [6, 19]).guesses

    assert (rising.rises, wandering.rises) == (True, False)


@given(
    st.lists(st.lists(st.integers(0, 0xFFFF), min_size=12, max_size=12), min_size=1, max_size=3),
    st.lists(st.integers(0, 11), unique=True, max_size=4),
    st.sampled_from(["holding", "input", "coil"]),
)
def test_whatever_registers_show_the_profile_is_sound(looks: list[list[int]], gone: list[int], table: str) -> None:
    """Any words, any gaps: what is printed as a profile can be loaded, and every value stands in it at most once."""
    there = [address for address in range(12) if address not in gone]
    words = [{a: look[a] & (1 if table == "coil" else 0xFFFF) for a in there} for look in looks]
    found = TableFound(table, runs=[(a, 1) for a in there], looks=words)  # type: ignore[arg-type]
    found.runs = [(0, 12)] if not gone else found.runs
    text = write_skeleton(UnitFound(3, [found]), "127.0.0.1:502")
    if not text:
        return
    profile = build(Profile, parse(text, "skeleton.yaml"))
    places = [
        spec.register_field.address + n
        for spec in profile.points.values()
        if spec.register_field
        for n in range(spec.register_field.words)
    ]

    assert len(places) == len(set(places))
    assert set(places) <= set(there)
