"""Conditions that are followed: how often they came true, for how long they have been true."""

from __future__ import annotations

import json

import pytest

from daemon.model import ConfigError
from daemon.rules.engine import Engine
from daemon.rules.explain import explain
from daemon.rules.look import Asked
from tests.rule_bench import Bench

BURSTS = """
    r
    levels:
      - level: I
        when:
          count: {becomes: {all: [{point: p, below: 0.10 MPa}, {point: mode, equals: normal}]}}
          over: 60s
          at_least: 3
    """
HELD = """
    r
    levels:
      - level: II
        when:
          any:
            - {held: {point: chain, equals: open}, for: 120s}
            - {held: {all: [{point: chain, equals: open}, {point: mode, equals: inside}]}, for: 90s}
    """


def play(bench: Bench, marks: str, since: int = 0) -> list[str]:
    """One mark a second: `x` low, `o` not, anything else nothing."""
    found = []
    for n, mark in enumerate(marks, since):
        if mark in "ox":
            found += bench.hear(n, p=0.05 if mark == "x" else 0.2)
    return found


# --- how often ---------------------------------------------------------------------------------------------


def test_three_bursts_in_a_minute(bench: Bench) -> None:
    """True with the third, false when the first of them is as old as the span."""
    bench.rules(BURSTS)
    bench.hear(0, mode="normal")

    assert play(bench, "oxxoo" + "oxoox", 1) == ["10 normal>active I condition_held"]
    assert [line for n in range(11, 80) for line in bench.hear(n, p=0.2)] == ["62 active>cleared I recovered"]


def test_all_parts_together_come_true_once(bench: Bench) -> None:
    """Whichever of them was the last one; what one of them does meanwhile is none."""
    bench.rules(BURSTS)
    play(bench, "ooxx")
    changes = [bench.hear(4 + n, p=0.05, mode=mode) for n, mode in enumerate(["normal", "off", "normal", "off"])]

    assert changes == [[], [], [], []]
    assert bench.hear(8, p=0.05, mode="normal") == ["8 normal>active I condition_held"]


def test_what_is_true_already_is_none(bench: Bench) -> None:
    """Neither at the start, nor after its data was away; what was false before a gap and is true after it came true."""
    bench.rules(BURSTS.replace("at_least: 3", "at_least: 1"))
    bench.hear(0, mode="normal")

    assert play(bench, "xxxx      xxx", 1) == []
    assert play(bench, "o      x", 14) == ["21 normal>active I condition_held"]


def test_time_alone_makes_it_come_true(bench: Bench) -> None:
    """A silence is counted at its moment, and leaves at its moment, whoever looks when."""
    bench.rules("""
        r
        levels: [{level: I, when: {count: {becomes: {point: p, stale: {after: 40s}}}, over: 5min, at_least: 2}}]
        """)
    bench.hear(0, p=0.2)
    bench.hear(100, p=0.2)

    assert bench.tick(1000) == [
        "140 normal>active I condition_held",
        "340 active>cleared I recovered",
    ]


def test_that_it_did_not_happen_is_known_when_the_span_was_seen(bench: Bench) -> None:
    """80 % of it, or as `coverage` says; a time in which the condition was unknown does not count as seen."""
    bench.rules("""
        r
        levels: [{level: I, when: {count: {becomes: {point: p, below: 0.10 MPa}}, over: 20s, at_most: 0}}]
        """)

    assert play(bench, "oooooooooo" + "ooooooo") == ["16 normal>active I condition_held"]
    assert play(bench, "            o", 17) == ["23.002 active>active I data_lost?"]


def test_late_readings_are_followed_and_count_for_nothing(bench: Bench) -> None:
    """What a device had gathered is no burst of now."""
    bench.rules(BURSTS.replace("at_least: 3", "at_least: 1"))
    bench.hear(0, mode="normal", p=0.2)

    late = bench.hear(200, source=100, late=True, p=0.05)

    assert late == []
    assert bench.hear(201, p=0.2, mode="normal") == []
    assert bench.hear(202, p=0.05) == ["202 normal>active I condition_held"]


def test_numbers_and_words(bench: Bench) -> None:
    """The count and what it counts, in both languages; and question by question in `explain`."""
    rules = bench.ruleset(BURSTS)
    bench.engine.reload(rules, bench.at(0))
    bench.hear(0, mode="normal")
    play(bench, "oxoxox", 1)
    spec = rules.rule_for("r", "a1")
    assert spec is not None

    told = explain(bench.seen[-1], spec)
    (binding,) = rules.bindings()
    seen = bench.engine.look(binding, bench.at(7))

    assert told.en == (
        "the condition is met: times it came true = 3, over 1min at least 3; "
        "a1.p = 0.05 MPa, below 0.10 MPa; a1.mode = normal, equals normal"
    )
    assert told.zh == (
        "条件成立：条件成立次数 3，1min 内不低于 3；a1.p = 0.05 MPa，低于 0.10 MPa；a1.mode = normal，为 normal"
    )
    assert seen is not None
    assert isinstance(seen.rungs[0].when, Asked)
    assert [[number.point for number in one.observed] for one in seen.rungs[0].when.questions] == [
        ["times it came true"],
        ["a1.p"],
        ["a1.mode"],
    ]


# --- for how long ------------------------------------------------------------------------------------------


def test_each_condition_has_a_hold_of_its_own(bench: Bench) -> None:
    """An open door for two minutes, with somebody inside for a minute and a half."""
    bench.rules(HELD)

    alone = bench.hear(0, chain="open", mode="empty") + [line for n in range(10, 120, 10) for line in bench.hear(n)]

    assert alone == []
    assert bench.tick(121) == ["120 normal>active II condition_held"]
    bench.hear(130, chain="closed", mode="empty")
    bench.hear(140, chain="open", mode="inside")
    with_somebody = [line for n in range(150, 240, 10) for line in bench.hear(n)]
    assert with_somebody == ["230 normal>active II condition_held"]


@pytest.mark.parametrize("lapse", ["closed", "gone"])
def test_a_lapse_and_lost_data_begin_it_anew(bench: Bench, lapse: str) -> None:
    """As they do the hold of a level."""
    bench.rules("r\n levels: [{level: II, when: {held: {point: chain, equals: open}, for: 10s}}]")
    bench.hear(0, chain="open")
    if lapse == "gone":
        bench.hear(9, gone=True)
    else:
        bench.hear(9, chain="closed")

    assert bench.hear(9.5, chain="open") == []
    assert bench.tick(30) == ["19.5 normal>active II condition_held"]


def test_a_hold_around_it_adds_to_it(bench: Bench) -> None:
    """Ten seconds of being open, and that for five more."""
    bench.rules("r\n levels: [{level: II, when: {held: {point: chain, equals: open}, for: 10s}, for: 5s}]")
    bench.hear(0, chain="open")

    assert bench.tick(30) == ["10 normal>pending II condition_met", "15 pending>active II condition_held"]
    assert explain(bench.seen[-1], bench.ruleset(HELD).rules[0]).zh.endswith(
        "条件已持续 10 s，不低于 10s；a1.chain = open，为 open"
    )


# --- over restarts and reloads -----------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(1, 40, 4))
def test_a_restart_changes_nothing(bench: Bench, at: int) -> None:
    """Counts and stretches, saved and loaded at any second."""
    rules = BURSTS, HELD.replace("r\n", "s\n", 1).replace("120s", "9s").replace("90s", "4s")
    bench.rules(*rules)

    def go(engine: Engine, since: int, until: int) -> list[str]:
        bench.engine, told = engine, []
        for n in range(since, until):
            told += bench.hear(n, p=0.05 if n % 5 in (2, 3) else 0.2)
            if n % 7 == 3:
                told += bench.hear(n + 0.5, chain="open" if n % 3 else "closed", mode="inside" if n % 2 else "normal")
        return told

    go(bench.engine, 0, at)
    whole = bench.engine
    other = Engine()
    other.reload(bench.ruleset(*rules), bench.at(at - 1))
    other.restore(json.loads(json.dumps(whole.snapshot())))

    assert go(other, at, 60) == go(whole, at, 60)
    assert json.dumps(other.snapshot()) == json.dumps(whole.snapshot())


def test_an_edit_of_the_limit_keeps_the_count(bench: Bench) -> None:
    """What was counted stays, as windows do; another condition begins at nothing."""
    bench.rules(BURSTS)
    bench.hear(0, mode="normal")
    play(bench, "oxox", 1)

    kept = bench.rules(BURSTS.replace("at_least: 3", "at_least: 2"), at=6)
    anew = bench.rules(BURSTS.replace("0.10 MPa", "0.11 MPa").replace("at_least: 3", "at_least: 2"), at=7)

    assert kept == ["6 normal>active I condition_held"]
    assert anew == ["7 active>active I rule_changed", "7 active>active I data_lost?"]
    assert len(bench.engine.snapshot()["site"]["followers"]) == 1


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{count: {becomes: {point: p, below: 1 K}}, over: 1min, at_least: 3}", "below: K is a temperature"),
        ("{count: {becomes: {point: p, below: 1 bar}}, over: 1min, at_least: 3 s}", "at_least: s is a time"),
        ("{count: {becomes: {point: p, below: 1 bar}}, over: 1min}", "write exactly one of below, above"),
        ("{count: {becomes: {point: p, below: 1 bar}}, at_least: 3}", "'over' is missing"),
        ("{count: {becomes: {point: p, below: 1 bar}}, over: 1s, at_least: 3}", "over 1s, but that point promises"),
        ("{count: {becomes: {point: p, belo: 1 bar}}, over: 1min, at_least: 3}", "did you mean 'below'"),
        ("{point: p, count: {becomes: {point: p, below: 1 bar}}, over: 1min, at_least: 3}", "does not belong here"),
        ("{held: {point: chain, equals: open}}", "'for' is missing"),
        ("{held: {point: chain, equals: open}, for: 0s}", "`for` must be longer than nothing"),
        ("{held: {point: p, below: 1 bar}, for: 1s}", "for: the rule 'r' looks at a1.p over 1s"),
        ("{count: {become: {point: p, below: 1 bar}}, over: 1min, at_least: 3}", "did you mean 'becomes'"),
    ],
)
def test_what_cannot_be_asked_is_a_fault(bench: Bench, when: str, says: str) -> None:
    """With its place, and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        bench.ruleset(f"r\n levels: [{{level: I, when: {when}}}]")

    assert says in "\n".join(caught.value.faults)


def test_a_rule_watches_only_assets_that_have_what_it_follows(bench: Bench) -> None:
    """As with any other condition."""
    found = bench.ruleset("r\n levels: [{level: I, when: {held: {point: nothing, equals: open}, for: 9s}}]")

    assert list(found.bindings()) == []


def test_an_asset_may_have_a_limit_of_its_own_inside(bench: Bench) -> None:
    """`overrides: {r: {below: 0.12 MPa, at_least: 5}}`."""
    (binding,) = bench.ruleset(BURSTS, overrides={("a1", "r"): {"below": "0.12 MPa", "at_least": 5}}).bindings()

    when = binding.rule.levels[0].when.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert when["count"]["becomes"]["all"][0]["below"] == "0.12 MPa"
    assert when["at_least"] == 5
