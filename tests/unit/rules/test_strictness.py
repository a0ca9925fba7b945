"""`quality: good`: suspect readings do not count, as if they were bad."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from daemon.model import ConfigError
from daemon.rules.derived import DerivedSpec, declare_all
from daemon.rules.engine import Engine
from tests.rule_bench import Bench

LOW = "levels: [{level: I, when: {point: p, below: 0.1 MPa}, for: 3s}]"


def suspect(bench: Bench, at: float, **values: float | str) -> list[str]:
    return bench.hear(at, suspect=True, **values)


def test_suspect_readings_count_unless_the_rule_asks_for_good(bench: Bench) -> None:
    """Of two rules that say the same only the strict one stays quiet."""
    bench.rules(f"any\n {LOW}", f"strict\n quality: good\n {LOW}")

    got = [line for n in range(20) for line in suspect(bench, n, p=0.05)]

    assert got == ["any 0 normal>pending I condition_met", "any 3 pending>active I condition_held"]


def test_a_suspect_reading_between_good_ones_is_no_reading(bench: Bench) -> None:
    """It neither breaks a hold nor clears an alarm; more than the freshness of them is a gap."""
    bench.rules(f"r\n quality: good\n {LOW}")

    got = bench.hear(0, p=0.05) + suspect(bench, 1, p=0.3) + bench.hear(2, p=0.05) + bench.hear(3, p=0.05)
    got += [line for n in range(4, 12) for line in suspect(bench, n, p=0.3)]

    assert got == [
        "0 normal>pending I condition_met",
        "3 pending>active I condition_held",
        "6.001 active>active I data_lost?",
    ]
    assert bench.seen[0].observed[0].point == "a1.p"


def test_a_state_of_which_a_suspect_word_came_is_not_known(bench: Bench) -> None:
    """It may have changed, and it may not."""
    bench.rules("r\n quality: good\n levels: [{level: I, when: {point: chain, equals: open}, for: 3s}]")

    got = bench.hear(0, chain="open") + suspect(bench, 1, chain="open") + bench.each(range(2, 20), p=0.3)

    assert got == ["0 normal>pending I condition_met", "1 pending>normal I data_lost"]


def test_a_condition_may_differ_from_its_rule(bench: Bench) -> None:
    """In both directions, and for one asset."""
    one = "{point: p, below: 0.1 MPa, quality: QUALITY}"
    bench.rules(
        f"strict\n levels: [{{level: I, when: {one.replace('QUALITY', 'good')}}}]",
        f"loose\n quality: good\n levels: [{{level: I, when: {one.replace('QUALITY', 'suspect')}}}]",
        f"here\n {LOW}",
        overrides={("a1", "here"): {"quality": "good", "for": "2s"}},
    )

    assert suspect(bench, 0, p=0.05) == ["loose 0 normal>active I condition_held"]
    assert suspect(bench, 1, p=0.05) == []
    assert bench.hear(2, p=0.05) == ["strict 2 normal>active I condition_held", "here 2 normal>pending I condition_met"]
    with pytest.raises(ConfigError, match="quality"):
        bench.ruleset(f"r\n quality: bad\n {LOW}")


def test_windows_and_counts_learn_good_readings_only(bench: Bench) -> None:
    """A mean over both kinds is another than that of the good ones."""
    bench.rules(
        "mean\n quality: good\n levels: [{level: I, when: {point: p, take: mean, over: 10s, above: 0.2 MPa}}]",
        "count\n levels: [{level: I, when: {point: mode, count: {readings: a}, over: 1h, at_least: 2, quality: good}}]",
    )
    got: list[str] = []
    for n in range(20):
        got += suspect(bench, n, p=0.9, mode="a") if n % 2 else bench.hear(n, p=0.1, mode="b")

    assert got == []
    assert bench.hear(20, mode="a") == []
    assert bench.hear(21, mode="a") == ["count 21 normal>active I condition_held"]


def test_silence_is_asked_of_all_that_came(bench: Bench) -> None:
    """A sensor that says doubtful things is not silent."""
    bench.rules("r\n quality: good\n levels: [{level: I, when: {point: p, stale: {after: 5s}}}]")

    assert [line for n in range(20) for line in suspect(bench, n, p=0.05)] == []


def test_a_derived_point_stands_on_good_readings_only(bench: Bench) -> None:
    """Restarts and unrelated rules change nothing of it."""
    found, faults = declare_all({("a1", "twice"): DerivedSpec(unit="MPa", value="p + p")}, bench.catalogue)
    assert not faults
    bench.catalogue = replace(bench.catalogue, points=(*bench.catalogue.points, *found))
    rule = "levels: [{level: I, when: {point: twice, below: 0.2 MPa}, for: 3s}]"
    rules = (f"any\n {rule}", f"strict\n quality: good\n {rule}")
    bench.rules(*rules)

    got = suspect(bench, 0, p=0.05) + bench.hear(1, p=0.05)
    saved = json.loads(json.dumps(bench.engine.snapshot()))
    bench.engine = Engine()
    bench.rules(*rules, at=1)
    bench.engine.restore(saved)
    got += bench.each(range(2, 6), p=0.05)

    assert got == [
        "any 0 normal>pending I condition_met",
        "strict 1 normal>pending I condition_met",
        "any 3 pending>active I condition_held",
        "strict 4 pending>active I condition_held",
    ]
