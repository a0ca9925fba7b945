from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.model import ConfigError
from tests.rule_bench import Bench, Overrides, make_catalogue


@pytest.fixture
def slow(tmp_path: Path) -> Bench:
    """A LoRaWAN pressure sensor: `p` speaks every 20 min."""
    bench = Bench(tmp_path)
    bench.catalogue = make_catalogue(more=True)
    every = timedelta(minutes=20)
    points = tuple(replace(p, interval=every) if p.name == "p" else p for p in bench.catalogue.points)
    bench.catalogue = replace(bench.catalogue, points=points)
    return bench


def fault(bench: Bench, levels: str, overrides: Overrides | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        bench.ruleset(f"burst\n    levels: {levels}", overrides=overrides)
    (found,) = caught.value.faults
    return found


@pytest.mark.parametrize(
    ("levels", "word"),
    [
        ("[{level: I, when: {point: p, below: 0.1 MPa}, for: 39min}]", "for"),
        ("[{level: I, when: {all: [{point: mode, equals: on}, {not: {point: p, above: 1 bar}}]}, for: 1s}]", "for"),
        ("[{level: I, when: {point: p, take: mean, over: 39min, below: 0.1 MPa}}]", "over"),
        ("[{level: I, when: {point: p, below: 80 %, of: median, over: 15min}}]", "over"),
        ("[{level: I, when: {point: p, falls: 0.08 MPa, within: 15min}}]", "within"),
        ("[{level: I, when: {point: p, take: slope, over: 39min, below: 0 MPa/h}}]", "over"),
        ("[{level: I, when: {point: p, count: {into: {above: 1 bar}}, over: 39min, above: 3}}]", "over"),
        ("[{level: I, when: {point: p, take: min, over: 1d, during: 02:00-02:30, below: 0.1 MPa}}]", "during"),
        (
            "[{level: I, when: {point: p, count: {runs: {above: 1 bar}, shorter: 39min}, over: 1d, above: 3}}]",
            "shorter",
        ),
        (
            "[{level: I, when: {point: n, below: 1}, clear: {when: {point: p, take: min, over: 5min, above: 1 Pa}}}]",
            "over",
        ),
    ],
)
def test_a_span_shorter_than_two_intervals_is_a_fault(slow: Bench, levels: str, word: str) -> None:
    """It names the rule, the point, its interval, and what to write; the place is that of the span."""
    found = fault(slow, levels)

    assert f": {word}: the rule 'burst' looks at a1.p over " in found
    remedy = f"write `{word}: 40min` or longer" if word != "during" else "lengthen the hours or `over`"
    assert f"promises a reading only every 20min; {remedy}" in found
    place = found.split(":")
    line = slow.path.read_text(encoding="utf-8").splitlines()[int(place[1]) - 1]
    assert line[int(place[2]) - 1 :].startswith(f"{word}:")


@pytest.mark.parametrize(
    "levels",
    [
        "[{level: I, when: {point: p, below: 0.1 MPa}, for: 40min}]",
        "[{level: I, when: {point: p, below: 0.1 MPa}}]",
        "[{level: I, when: {point: p, take: rate, below: -1 MPa/h}}]",
        "[{level: I, when: {point: p, take: mean, last: 5, below: 1 bar}}]",
        "[{level: I, when: {point: p, below: 0.1 MPa, times: 3, of_last: 10}}]",
        "[{level: I, when: {point: p, count: {runs: {above: 1 bar}, shorter: 40min}, over: 1d, above: 3}}]",
        "[{level: I, when: {point: mode, count: {runs: on, shorter: 1s}, over: 1s, above: 3}}]",
        "[{level: I, when: {point: p, take: mean, over: 40min, below: 0.1 MPa}}]",
        "[{level: I, when: {point: p, falls: 0.08 MPa, within: 40min}}]",
        "[{level: I, when: {point: free, above: 5 mm}, for: 1s}]",
        "[{level: I, when: {point: mode, equals: on}, for: 1s}]",
        "[{level: I, when: {stale: {after: 1min}, point: p}, for: 1s}]",
        "[{level: I, when: {point: p, below: 0.1 MPa}, clear: {for: 30s}}]",
    ],
)
def test_what_a_slow_sensor_can_feed_is_sound(slow: Bench, levels: str) -> None:
    """Two intervals exactly; no hold at all; points that speak on change or promise nothing; silence."""
    slow.ruleset(f"burst\n    levels: {levels}")


def test_a_rule_that_is_off_is_not_judged(slow: Bench) -> None:
    """For the site or for this asset: nothing is watched by it."""
    levels = "[{level: I, when: {point: p, below: 0.1 MPa}, for: 1min}]"

    slow.ruleset(f"burst\n    mode: off\n    levels: {levels}")
    ruleset = slow.ruleset(f"burst\n    levels: {levels}", overrides={("a1", "burst"): {"mode": "off"}})

    assert list(ruleset.bindings()) == []


def test_an_asset_may_have_the_longer_hold_that_its_sensor_needs(slow: Bench) -> None:
    """Judged as it holds for that asset; a shorter one is a fault of the override."""
    levels = "[{level: I, when: {point: p, below: 0.1 MPa}, for: 1min}]"

    slow.ruleset(f"burst\n    levels: {levels}", overrides={("a1", "burst"): {"for": "1h"}})

    found = fault(slow, levels, {("a1", "burst"): {"for": "30min"}})
    assert found.startswith("override of 'burst' for asset 'a1': for: the rule 'burst' looks at a1.p over 30min")


def test_only_off_can_be_set_for_one_asset(slow: Bench) -> None:
    """Whether a rule runs in shadow is one thing for the whole site."""
    found = fault(slow, "[{level: I, when: {point: p, below: 1 bar}}]", {("a1", "burst"): {"mode": "shadow"}})

    assert "mode: 'shadow' cannot be set for one asset; write off, or nothing" in found
