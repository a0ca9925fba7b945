"""Reloads, restarts, the ledger's word, and rules that fail."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from daemon.model import Alarm, AlarmState, DataState, Disposition, Level
from daemon.rules.engine import Engine
from tests.rule_bench import Bench

LOW = "low\n levels: [{level: I, when: {point: p, below: 0.10 MPa}, for: 10s, clear: {for: 5s}}]"
CHAIN = "chain\n levels: [{level: I, when: {point: chain, equals: open}, for: 10s, clear: {for: 5s}}]"


def test_a_reload_leaves_the_timers_of_other_rules_alone(bench: Bench) -> None:
    """An edit of one rule does not restart the hold of another, nor does a new title of its own."""
    bench.rules(LOW, CHAIN)
    bench.hear(0, chain="open")

    got = bench.rules(LOW.replace("0.10", "0.20"), CHAIN + "\n work_order: {category: safety}", at=5)

    assert got + bench.tick(10) == ["chain 10 pending>active I condition_held"]


def test_a_changed_rule_begins_its_hold_anew(bench: Bench) -> None:
    """What was pending under the old limits is not evidence under the new ones."""
    bench.rules(CHAIN)
    bench.hear(0, chain="open")

    got = bench.rules(CHAIN.replace("for: 10s", "for: 8s"), at=5) + bench.tick(10) + bench.tick(13)

    assert got == [
        "chain 5 pending>normal I rule_changed",
        "chain 5 normal>pending I condition_met",
        "chain 13 pending>active I condition_held",
    ]


def test_a_changed_rule_keeps_its_open_alarm(bench: Bench) -> None:
    """It is looked at anew: still bad, it stays; fine under the new limit, it clears."""
    bench.rules(LOW)
    bench.each(range(11), p=0.09)

    assert bench.rules(LOW.replace("for: 10s", "for: 20s"), at=11) == ["low 11 active>active I rule_changed"]
    assert bench.rules(LOW.replace("0.10", "0.05"), at=12) == [
        "low 12 active>active I rule_changed",
        "low 12 active>clearing I condition_lapsed",
    ]
    assert bench.each(range(13, 18), p=0.09) == ["low 17 clearing>cleared I recovered"]


def test_a_rule_that_changes_its_level_changes_its_alarm(bench: Bench) -> None:
    """The open alarm goes on at the nearest level there is."""
    bench.rules(LOW)
    bench.each(range(11), p=0.05)

    assert bench.rules(LOW.replace("level: I,", "level: II,"), at=11) == ["low 11 active>active II rule_changed"]


def test_a_removed_rule_closes_its_alarm(bench: Bench) -> None:
    """With that reason; its timers fire no more."""
    bench.rules(LOW, CHAIN)
    bench.each(range(11), p=0.05)
    bench.hear(11, chain="open")

    got = bench.rules("other\n levels: [{level: I, when: {point: n, above: 3}}]", at=12)

    assert got == ["low 12 active>cleared I rule_removed", "chain 12 pending>normal I rule_removed"]
    assert bench.tick(100) == []


def test_a_rule_of_the_same_id_created_anew_is_a_new_rule(bench: Bench) -> None:
    """Nothing of the removed one is left, not even its hold."""
    bench.rules(CHAIN)
    bench.hear(0, chain="open")
    bench.rules(LOW, at=5)

    assert bench.rules(CHAIN, at=6) == []
    assert bench.hear(7, chain="open") + bench.tick(17) == [
        "chain 7 normal>pending I condition_met",
        "chain 17 pending>active I condition_held",
    ]


def test_switching_a_rule_off_is_removing_it(bench: Bench) -> None:
    """`mode: off` watches nothing; shadow is the policy's business and changes no timer."""
    bench.rules(CHAIN)
    bench.hear(0, chain="open")
    assert bench.rules(CHAIN + "\n mode: shadow", at=5) == []
    assert bench.tick(10) == ["chain 10 pending>active I condition_held"]

    assert bench.rules(CHAIN + "\n mode: off", at=11) == ["chain 11 active>cleared I rule_removed"]


def test_a_point_declared_otherwise_is_another_point(bench: Bench) -> None:
    """Its rule is looked at anew; other rules and points keep what they know."""
    bench.rules(LOW, CHAIN)
    bench.each(range(5), p=0.05, chain="open")
    points = tuple(replace(p, unit="bar", interval=None) if p.name == "p" else p for p in bench.catalogue.points)
    bench.catalogue = replace(bench.catalogue, points=points)

    got = bench.rules(LOW, CHAIN, at=5) + bench.hear(6, p=0.5) + bench.tick(20)

    assert got == [
        "low 5 pending>normal I rule_changed",
        "low 6 normal>pending I condition_met",
        "chain 10 pending>active I condition_held",
        "low 16 pending>active I condition_held",
    ]


@pytest.mark.parametrize("stop", range(1, 24))
def test_a_restart_anywhere_changes_nothing(bench: Bench, stop: int) -> None:
    """While pending, active, clearing: stopped after any second and gone on, the same transitions."""
    rules = bench.ruleset(LOW)
    values = [0.2] * 3 + [0.05] * 12 + [0.2] * 3 + [0.05] + [0.2] * 8
    bench.engine.reload(rules, bench.at(0))
    for at in range(stop):
        bench.hear(at, p=values[at])
    saved = json.loads(json.dumps(bench.engine.snapshot()))

    bench.engine = Engine()
    bench.engine.reload(rules, bench.at(stop - 1))
    bench.engine.restore(saved)
    for at in range(stop, len(values)):
        bench.hear(at, p=values[at])

    assert [(str(t.cause), (t.at - bench.start).total_seconds()) for t in bench.seen] == [
        ("condition_met", 3),
        ("condition_held", 13),
        ("condition_lapsed", 15),
        ("relapsed", 18),
        ("condition_lapsed", 19),
        ("recovered", 24),
    ]


def test_a_foreign_snapshot_is_refused(bench: Bench) -> None:
    """Another version, or another ruleset."""
    bench.rules(LOW)
    saved = bench.engine.snapshot()

    with pytest.raises(ValueError, match="version 99"):
        bench.engine.restore({**saved, "version": 99})
    with pytest.raises(ValueError, match="cannot be read"):
        bench.engine.restore({**saved, "site": {"points": {}}})
    bench.rules(CHAIN, at=1)
    with pytest.raises(ValueError, match="another ruleset"):
        bench.engine.restore(saved)


def test_the_ledger_is_the_authority_on_open_alarms(bench: Bench) -> None:
    """An alarm it has is open; one it does not have is not; one without a rule is closed."""
    bench.rules(LOW, CHAIN)
    bench.hear(0, chain="open")
    bench.tick(10)

    def known(rule: str) -> Alarm:
        return Alarm(1, rule, "a1", AlarmState.ACTIVE, Level.I, DataState.GOOD, Disposition.OWN_ORDER, bench.at(0))

    (closed,) = bench.engine.adopt([known("gone"), known("low")])

    assert (closed.rule, closed.after, closed.cause) == ("gone", "cleared", "rule_removed")
    assert bench.hear(11, p=0.2, chain="open") == [
        "low 11 active>clearing I condition_lapsed",
        "chain 11 normal>pending I condition_met",
    ]


def test_a_rule_that_fails_is_left_alone(bench: Bench) -> None:
    """The failure is told once, an open alarm stays open, every other rule goes on; a reload tries again."""
    bench.rules(LOW, CHAIN)
    bench.each(range(11), p=0.05)
    (watch,) = [w for w in bench.engine._watches.values() if w.rule == "low"]

    def broken() -> bool:
        raise ZeroDivisionError("oh")

    watch.rungs[0].when = watch.rungs[0].when._replace(test=broken)

    assert bench.hear(11, p=0.2, chain="open") == [
        "low 11 active>active I rule_faulted?",
        "chain 11 normal>pending I condition_met",
    ]
    assert bench.seen[-2].detail == "ZeroDivisionError: oh"
    assert bench.hear(12, p=0.2) == []
    assert bench.engine.faulted == {("low", "a1"): "ZeroDivisionError: oh"}

    assert bench.rules(LOW, CHAIN, at=13) == [
        "low 13 active>active I rule_changed?",
        "low 13 active>active I data_back",
        "low 13 active>clearing I condition_lapsed",
    ]
    assert bench.engine.faulted == {}


def test_a_faulted_rule_stays_faulted_over_a_restart(bench: Bench) -> None:
    """The snapshot knows."""
    rules = bench.ruleset(CHAIN)
    bench.engine.reload(rules, bench.at(0))
    (watch,) = bench.engine._watches.values()
    watch.fault("oh", bench.at(0), bench.at(0))

    restored = Engine()
    restored.reload(rules, bench.at(0))
    restored.restore(bench.engine.snapshot())

    assert restored.faulted == {("chain", "a1"): "oh"}


def test_points_that_no_rule_looks_at_cost_no_memory(bench: Bench) -> None:
    """They are not kept, nor are unknown points and devices."""
    bench.rules(CHAIN)
    bench.hear(0, p=0.2, t=3.0, unknown=4.0)
    bench.hear(1, device="zz.d", p=0.2)

    assert list(bench.engine.snapshot()["site"]["points"]) == ["a1.chain"]
