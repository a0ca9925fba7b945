"""Alarms that stay until a person resets them (ANSI/ISA-18.2: latched)."""

from __future__ import annotations

import json

import pytest

from daemon.model import Command
from daemon.rules.engine import RESET, Engine, reset_target
from daemon.rules.explain import explain
from daemon.rules.why import why
from tests.rule_bench import Bench

RULE = """
    r
    latch: true
    levels:
      - {level: I, when: {point: p, below: 0.10 MPa}, for: 3s, clear: {when: {point: p, above: 0.12 MPa}, for: 5s}}
    """
AT_ONCE = "r\n latch: true\n levels: [{level: I, when: {point: chain, equals: open}}]"
OPENED = ["0 normal>pending I condition_met", "3 pending>active I condition_held"]


def reset(bench: Bench, at: float) -> list[str]:
    wish = Command(bench.at(at), RESET, reset_target(1, "r", "a1"), "li", "car inspected")
    return bench._note(bench.engine.step(wish))


def ended(bench: Bench) -> list[str]:
    return bench.each(range(6), p=0.05) + bench.each(range(6, 14), p=0.2)


def test_what_has_ended_stays_until_it_is_reset(bench: Bench) -> None:
    """It says that it has ended, goes on for days, and is over with the reset."""
    bench.rules(RULE)

    assert ended(bench) == [
        *OPENED,
        "6 active>clearing I condition_lapsed",
        "11 clearing>clearing I latched",
    ]
    assert bench.each(range(14, 5000), p=0.2) == []
    assert reset(bench, 5000) == ["5000 clearing>cleared I reset"]
    assert bench.each(range(5000, 5004), p=0.05) == [
        "5000 normal>pending I condition_met",
        "5003 pending>active I condition_held",
    ]


def test_without_a_clear_hold_it_latches_at_once(bench: Bench) -> None:
    """The first good word is its end, and not its reset."""
    bench.rules(AT_ONCE)

    assert bench.hear(0, chain="open") == ["0 normal>active I condition_held"]
    assert bench.hear(1, chain="closed") == ["1 active>clearing I condition_lapsed", "1 clearing>clearing I latched"]
    assert reset(bench, 2) == ["2 clearing>cleared I reset"]


@pytest.mark.parametrize("at", [1, 4, 8])
def test_a_reset_of_what_has_not_ended_does_nothing(bench: Bench, at: int) -> None:
    """Pending, active, and clear for less than its hold."""
    bench.rules(RULE)
    bench.each(range(at), p=0.05) if at < 6 else bench.each(range(6), p=0.05) + bench.each(range(6, at), p=0.2)
    before = bench.engine.snapshot()["watches"]

    assert reset(bench, at - 0.5) == []
    assert bench.engine.snapshot()["watches"] == before


def test_it_is_back_before_its_reset(bench: Bench) -> None:
    """The same alarm; it latches again, and is reset once."""
    bench.rules(RULE)
    ended(bench)

    back = bench.each(range(14, 18), p=0.05) + bench.each(range(18, 26), p=0.2)

    assert back == [
        "14 clearing>active I retripped",
        "18 active>clearing I condition_lapsed",
        "23 clearing>clearing I latched",
    ]


def test_lost_data_leaves_nothing_to_reset(bench: Bench) -> None:
    """Whether it is clear cannot be known then; once it has been again for its hold it can be reset."""
    bench.rules(RULE)
    ended(bench)

    assert bench.tick(40) == ["16.001 clearing>active I data_lost?"]
    assert reset(bench, 41) == []
    assert bench.each(range(50, 58), p=0.2) == [
        "50 active>active I data_back",
        "50 active>clearing I condition_lapsed",
        "55 clearing>clearing I latched",
    ]
    assert reset(bench, 60) == ["60 clearing>cleared I reset"]


def test_a_latched_ladder_keeps_its_worst_level(bench: Bench) -> None:
    """It is reset when all of it has ended."""
    bench.rules("""
        r
        latch: true
        levels:
          - {level: I, when: {point: p, below: 0.05 MPa}}
          - {level: II, when: {point: p, below: 0.10 MPa}}
        """)

    assert bench.hear(0, p=0.04) == ["0 normal>active I condition_held"]
    assert bench.hear(1, p=0.08) == []
    assert reset(bench, 1.5) == []
    assert bench.hear(2, p=0.2) == ["2 active>clearing I condition_lapsed", "2 clearing>clearing I latched"]
    assert reset(bench, 3) == ["3 clearing>cleared I reset"]


@pytest.mark.parametrize("at", range(1, 20, 3))
def test_a_restart_forgets_no_latch(bench: Bench, at: int) -> None:
    """Wherever it comes."""
    bench.rules(RULE)

    def play(engine: Engine, since: int, until: int) -> list[str]:
        bench.engine = engine
        told = [line for n in range(since, min(until, 14)) for line in bench.hear(n, p=0.05 if n < 6 else 0.2)]
        return told + bench.each(range(max(since, 14), until), p=0.2)

    play(bench.engine, 0, at)
    whole = bench.engine
    other = Engine()
    other.reload(bench.ruleset(RULE), bench.at(at - 1))
    other.restore(json.loads(json.dumps(whole.snapshot())))

    assert play(other, at, 30) == play(whole, at, 30)
    assert other.snapshot() == whole.snapshot()
    assert reset(bench, 31) == ["31 clearing>cleared I reset"]


def test_an_edit_takes_the_latch_away(bench: Bench) -> None:
    """Without `latch` the open alarm is looked at anew, and ends."""
    bench.rules(RULE)
    ended(bench)

    assert bench.rules(RULE.replace("latch: true", ""), at=14) == [
        "14 clearing>active I rule_changed",
        "14 active>clearing I condition_lapsed",
    ]
    assert bench.each(range(15, 20), p=0.2)[-1:] == ["19 clearing>cleared I recovered"]


def test_it_says_so(bench: Bench) -> None:
    """In the words of the order and of `explain`."""
    rules = bench.ruleset(RULE)
    bench.engine.reload(rules, bench.at(0))
    ended(bench)
    spec = rules.rule_for("r", "a1")
    (binding,) = rules.bindings()
    seen = bench.engine.look(binding, bench.at(14))
    assert spec is not None
    assert seen is not None

    told = explain(bench.seen[-1], spec)
    lines = why(seen, spec, bench.start.tzinfo)  # type: ignore[arg-type]

    assert told.en.startswith("it has been clear for 5s, and stays until a person resets it: a1.p = 0.2 MPa")
    assert told.zh.startswith("已解除并保持 5s，待人工复位：")
    assert lines[1].zh == "Ⅰ 级：已解除，待人工复位"
    assert lines[1].en == "Level I: it has ended, and stays until a person resets it"


def test_rules_without_it_are_what_they_were(bench: Bench) -> None:
    """Their canonical JSON does not know the word, so the hash of a ruleset is the one it was."""
    assert b"latch" not in bench.ruleset(RULE.replace("latch: true", "")).to_json()


def test_what_is_not_clear_any_more_is_not_latched_any_more(bench: Bench) -> None:
    """Between the two limits: not met, and not clear either."""
    bench.rules(RULE)
    ended(bench)

    assert bench.hear(14, p=0.11) == ["14 clearing>active I retripped"]
    assert reset(bench, 15) == []


def test_what_begins_while_latched_is_an_alarm_of_its_own(bench: Bench) -> None:
    """A lesser level that is held for less than its time at the reset: it waits the rest of it."""
    bench.rules("""
        r
        latch: true
        levels:
          - {level: I, when: {point: p, below: 0.05 MPa}}
          - {level: II, when: {point: p, below: 0.10 MPa}, for: 10s}
        """)
    bench.hear(0, p=0.04)
    bench.hear(1, p=0.2)
    bench.hear(2, p=0.08)

    assert reset(bench, 3) == ["3 clearing>cleared I reset", "3 normal>pending II condition_met"]
    assert bench.each(range(3, 13), p=0.08)[-1:] == ["12 pending>active II condition_held"]


def test_a_rule_that_fails_has_nothing_to_reset(bench: Bench) -> None:
    """Whether what it had latched is still over, nobody knows."""
    bench.rules(RULE)
    ended(bench)
    watch = bench.engine._watches["r|a1"]

    watch.fault("ZeroDivisionError", bench.at(14), bench.at(14))

    assert watch.open
    assert not bench.engine.latched("r", "a1")
