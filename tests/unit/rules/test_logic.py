"""Kleene's logic: what is unknown stays unknown, unless the other parts decide."""

from __future__ import annotations

import pytest

from daemon.rules.compiled import Test
from tests.rule_bench import Bench

YES, NO, UNKNOWN = "{point: t, above: 0 °C}", "{point: t, below: 0 °C}", "{point: p, below: 0.1 MPa}"


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        (f"{{not: {UNKNOWN}}}", None),
        (f"{{not: {YES}}}", False),
        (f"{{not: {NO}}}", True),
        (f"{{all: [{YES}, {UNKNOWN}]}}", None),
        (f"{{all: [{UNKNOWN}, {NO}]}}", False),
        (f"{{all: [{YES}, {YES}]}}", True),
        (f"{{any: [{UNKNOWN}, {YES}]}}", True),
        (f"{{any: [{UNKNOWN}, {NO}]}}", None),
        (f"{{any: [{NO}, {NO}]}}", False),
        (f"{{not: {{any: [{UNKNOWN}, {NO}]}}}}", None),
        (f"{{any: [{{all: [{UNKNOWN}, {NO}]}}, {{not: {NO}}}]}}", True),
    ],
)
def test_unknown_parts(bench: Bench, when: str, verdict: bool | None) -> None:  # noqa: FBT001
    """One point was heard, the other never."""
    bench.rules(
        f"r\n levels: [{{level: I, when: {when}}}]", f"loud\n no_data: alarm\n levels: [{{level: I, when: {when}}}]"
    )
    bench.hear(1, t=20.0)

    states = {t.rule: t.after for t in bench.seen}
    assert (states.get("r") == "active") is (verdict is True)
    assert (states.get("loud") == "active") is (verdict is not False)


def test_a_banded_window_and_a_falling_past(bench: Bench) -> None:
    """The comparators again, on numbers that arithmetic has made."""
    bench.rules(
        "in\n levels: [{level: I, when: {point: t, take: max, over: 30s, inside: [40 °C, 50 °C]}}]",
        "out\n levels: [{level: I, when: {point: t, outside: [90 %, 110 %], of: mean, over: 30s}}]",
        "up\n levels: [{level: I, when: {point: t, rises: 10 °C, within: 30s}}]",
    )
    bench.each(range(0, 40, 10), t=30.0)

    assert bench.hear(40, t=40.0) == [
        "in 40 normal>active I condition_held",
        "out 40 normal>active I condition_held",
        "up 40 normal>active I condition_held",
    ]


@pytest.mark.parametrize(
    "unless", ["{point: gone, equals: yes}", "{all: [{not: {point: gone, above: 3}}, {point: t, above: 0 °C}]}"]
)
def test_what_unless_asks_of_a_point_that_is_not_there_is_never_known(bench: Bench, unless: str) -> None:
    """An asset needs what the levels look at only: nothing holds the rule off that cannot be known."""
    bench.rules(f"r\n levels: [{{level: I, when: {YES}}}]\n unless: {unless}")

    assert bench.hear(1, t=20.0) == ["1 normal>active I condition_held"]


def test_an_unless_goes_by_the_points_that_are_there(bench: Bench) -> None:
    """Of several modes of operation an asset may have one."""
    unless = "{any: [{point: gone, equals: yes}, {point: mode, equals: fire}]}"
    bench.rules(f"r\n levels: [{{level: I, when: {YES}}}]\n unless: {unless}")
    bench.hear(1, t=20.0, mode="fire")

    assert bench.seen == []
    assert bench.hear(2, mode="normal") == ["2 normal>active I condition_held"]


class _Listener:
    """Notes who asks what."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def watch(self, owner: str, question: object, test: Test) -> Test:
        def heard() -> bool | None:
            self.heard.append((owner, type(question).__name__))
            return test()

        return heard


def test_a_witness_hears_the_questions_and_not_what_joins_them(bench: Bench) -> None:
    """`all`, `any` and `not` ask nothing themselves."""
    listener = _Listener()
    bench.engine.heard_by(listener)
    when = "{all: [{not: {point: chain, equals: closed}}, {any: [{point: p, below: 1 bar}]}]}"
    bench.rules(f"r\n levels: [{{level: I, when: {when}}}]")

    bench.hear(1, p=0.05, chain="open")

    assert set(listener.heard) == {("r|a1", "StateIs"), ("r|a1", "Compare")}
