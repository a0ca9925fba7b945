"""A share of the readings of a span, and of the time: at the boundary, with gaps, over restarts."""

from __future__ import annotations

import json

import pytest

from daemon.model import ConfigError
from daemon.rules.engine import Engine
from daemon.rules.explain import explain
from daemon.rules.wording import limit_zh
from tests.rule_bench import Bench

LOW = "r\n levels: [{level: II, when: {point: p, below: 0.10 MPa, share: 80 %, over: 10s}}]"
OPEN = "r\n levels: [{level: II, when: {point: chain, equals: open, share: 80 %, over: 10s}}]"


def say(bench: Bench, marks: str, since: int = 0) -> list[str]:
    """One mark a second: `x` low, `o` not, anything else nothing."""
    found = []
    for n, mark in enumerate(marks, since):
        if mark in "ox":
            found += bench.hear(n, p=0.05 if mark == "x" else 0.2)
    return found


def test_eight_of_ten_readings_are_enough_and_seven_are_not(bench: Bench) -> None:
    """At the limit it is met; a single good reading, or two, do not begin it anew."""
    bench.rules(LOW)

    assert say(bench, "oooooooooo" + "xxxxxxxooo" + "xxxxxxxooo") == []
    assert say(bench, "xxxx", 30) == []
    assert say(bench, "xoxxxx", 34) == ["38 normal>active II condition_held"]
    assert say(bench, "ooo", 40) == ["41 active>cleared II recovered"]


def test_a_reading_that_is_as_old_as_the_span_is_out(bench: Bench) -> None:
    """(t-w, t]: of eleven readings ten count."""
    bench.rules(LOW)

    assert say(bench, "oooxxxxxxx" + "x") == ["10 normal>active II condition_held"]


def test_it_is_unknown_until_enough_of_the_span_is_covered(bench: Bench) -> None:
    """Eight low readings in a row are no 80 % of ten seconds until eight of them are covered; a gap begins anew."""
    bench.rules(LOW)

    assert say(bench, "xxxxxxxxx") == ["8 normal>active II condition_held"]
    assert say(bench, "         " + "xxxxxxxx") == []


def test_numbers_and_words(bench: Bench) -> None:
    """What an order says."""
    rules = bench.ruleset(LOW)
    bench.engine.reload(rules, bench.at(0))
    say(bench, "oooxxxxxxxx")
    spec = rules.rule_for("r", "a1")
    assert spec is not None

    told = explain(bench.seen[-1], spec)

    assert told.en.endswith("a1.p = 0.05 MPa, below 0.10 MPa for 80 % of 10s (now 80 %)")
    assert told.zh.endswith("a1.p = 0.05 MPa，10s 内有 80 % 低于 0.10 MPa（当前 80 %）")
    assert (
        limit_zh("equals open or held for 50 % of 7d (02:00-04:00)") == "7d 内 02:00-04:00 时段的 50 % 为 open 或 held"
    )


def test_of_a_state_it_is_the_time_to_the_millisecond(bench: Bench) -> None:
    """Open from 2 s on: 80 % of ten seconds at 10 s, with or without anything coming in; closed again it ends."""
    bench.rules(OPEN)
    bench.hear(0, chain="closed")
    bench.hear(2, chain="open")

    assert bench.hear(9.999) == []
    assert bench.hear(15) == ["10 normal>active II condition_held"]
    assert bench.hear(16, chain="closed") == []
    assert bench.tick(18) == []  # open for exactly 8 of 10 s
    assert bench.tick(19) == ["18.001 active>cleared II recovered"]


def test_time_that_is_not_known_counts_for_neither(bench: Bench) -> None:
    """It is true when 80 % are certain, false when they have become impossible, and in between nobody knows."""
    bench.rules(OPEN)
    bench.hear(0, chain="open")
    bench.hear(5, gone=True)  # known for 5 s
    bench.hear(8)  # 3 s are not; the state holds
    assert bench.tick(11) == []  # 8 s of (1, 11]: 4 + 3

    assert bench.tick(15.999) == []
    assert bench.tick(16) == ["16 normal>active II condition_held"]


def test_time_is_certain_to_be_too_short_after_a_fifth(bench: Bench) -> None:
    """Closed for two seconds and a millisecond it cannot have been open for 8 of 10."""
    bench.rules("r\n levels: [{level: II, when: {not: {point: chain, equals: open, share: 80 %, over: 10s}}}]")

    bench.hear(0, chain="closed")

    assert bench.tick(5) == ["2.001 normal>active II condition_held"]


@pytest.mark.parametrize("at", range(1, 30, 3))
def test_a_restart_changes_nothing(bench: Bench, at: int) -> None:
    """Readings and time, saved and loaded at any second."""
    both = LOW.replace("II", "I") + "\n", OPEN.replace("r\n", "s\n", 1)
    bench.rules(*both)

    def play(engine: Engine, since: int, until: int) -> list[str]:
        bench.engine, told = engine, []
        for n in range(since, until):
            told += bench.hear(n, p=0.05 if n % 9 else 0.2)
            if n % 7 == 3:
                told += bench.hear(n + 0.5, chain="open" if n % 2 else "closed")
            if n == 20:
                told += bench.hear(n + 0.6, gone=True)
        return told

    play(bench.engine, 0, at)
    whole = bench.engine
    other = Engine()
    other.reload(bench.ruleset(*both), bench.at(at - 1))
    other.restore(json.loads(json.dumps(whole.snapshot())))

    assert play(other, at, 40) == play(whole, at, 40)
    assert json.dumps(other.snapshot()) == json.dumps(whole.snapshot())


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{point: p, below: 1 bar, share: 120 %, over: 10s}", "share must be more than 0 % and at most 100 %"),
        ("{point: p, below: 1 bar, share: 0 %, over: 10s}", "share must be more than 0 %"),
        ("{point: p, below: 1 bar, share: 8 s, over: 10s}", "s is a time"),
        ("{point: p, below: 1 K, share: 80 %, over: 10s}", "below"),
        ("{point: p, share: 80 %, over: 10s}", "write exactly one of below, above"),
        ("{point: p, equals: open, share: 80 %, over: 10s}", "p is a gauge, which has no labels"),
        ("{point: chain, below: 3, share: 80 %, over: 10s}", "chain is a state, which has no numbers"),
        ("{point: p, below: 1 bar, share: 80 %}", "over"),
        ("{point: p, below: 1 bar, share: 80 %, over: 1s}", "over 1s, but that point promises a reading only every 1s"),
        ("{point: p, below: 1 bar, share: 80 %, ovr: 10s}", "did you mean 'over'"),
        ("{point: chain, equals: open, share: 80 %, over: 10s, coverage: 50 %}", "remove coverage"),
        ("{point: chain, equals: open, share: 80 %, over: 10s, during: 02:00-04:00}", "remove during"),
    ],
)
def test_what_cannot_be_asked_is_a_fault(bench: Bench, when: str, says: str) -> None:
    """With its place, and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        bench.ruleset(f"r\n levels: [{{level: I, when: {when}}}]")

    assert says in "\n".join(caught.value.faults)


def test_an_asset_may_ask_for_another_share(bench: Bench) -> None:
    """`overrides: {r: {share: 50 %}}`."""
    (binding,) = bench.ruleset(LOW, overrides={("a1", "r"): {"share": "50 %", "over": "20s"}}).bindings()

    assert binding.rule.levels[0].when.model_dump(mode="json", exclude_none=True) == {
        "point": "p",
        "below": "0.10 MPa",
        "share": "50 %",
        "over": "20s",
    }
