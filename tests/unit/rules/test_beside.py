"""One point against another, in whatever units."""

from __future__ import annotations

import pytest

from daemon.model import ConfigError
from tests.rule_bench import Bench


def rule(when: str, more: str = "") -> str:
    return f"r\n levels: [{{level: I, when: {{{when}}}{more}}}]"


@pytest.mark.parametrize(
    ("limit", "p", "true"),
    [
        ("below: {point: q}", 0.299, True),
        ("below: {point: q}", 0.3, False),
        ("at_most: {point: q}", 0.3, True),
        ("above: {point: q, plus: 0.5 bar}", 0.35, False),
        ("above: {point: q, plus: 0.5 bar}", 0.351, True),
        ("below: {point: q, share: 80 %}", 0.239, True),
        ("below: {point: q, share: 80 %}", 0.24, False),
        ("at_least: {point: q, share: 80 %, plus: 10 kPa}", 0.25, True),
    ],
)
def test_a_value_is_compared_with_another_point(counters: Bench, limit: str, p: float, true: bool) -> None:  # noqa: FBT001
    """3 bar is 0.3 MPa, and what prints the same is the same."""
    counters.rules(rule(f"point: p, {limit}"))

    assert bool(counters.hear(0, p=p, q=3.0)) is true


def test_both_must_be_fresh(counters: Bench) -> None:
    """Unknown without the other; its loss breaks the hold; its own news is looked at."""
    counters.rules(rule("point: p, below: {point: q, plus: -1 bar}", ", for: 3s"))

    assert counters.each(range(10), p=0.1) == []
    got = counters.hear(10, q=3.0, p=0.1) + counters.each(range(11, 20), p=0.1)
    assert got == [
        "10 normal>pending I condition_met",
        "13 pending>active I condition_held",
        "13.001 active>active I data_lost?",
    ]
    assert counters.seen[1].observed[0].limit == "below q plus -1 bar (now 0.2 MPa)"
    assert counters.hear(20, q=1.5) == ["20 active>cleared I recovered"]


def test_a_window_is_compared_with_another_point(counters: Bench) -> None:
    """Its mean, here, with the other's latest value."""
    counters.rules(rule("point: p, take: mean, over: 4s, coverage: 50 %, above: {point: q}"))

    got = [line for n in range(10) for line in counters.hear(n, p=n / 10, q=3.0)]

    assert got == ["5 normal>active I condition_held"]
    assert counters.seen[0].observed[0].value == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("point: p, below: {point: t}", "t cannot be compared with it: °C is a temperature"),
        ("point: p, below: {point: mode}", "mode is a state, which has no numbers"),
        ("point: t, below: {point: t, share: 80 %}", "a share of a temperature means nothing"),
        ("point: p, below: {point: q, plus: 3 mm}", "mm is a length"),
        ("point: p, take: slope, over: 1min, below: {point: q}", "a slope cannot be compared"),
        ("point: p, of: median, over: 1min, below: {point: q}", "goes with the latest value or `take` only"),
        ("point: p, times: 3, below: {point: q}", "goes with the latest value or `take` only"),
        ("point: p, below: {point: q, pluss: 3 bar}", "unknown key 'pluss'; did you mean 'plus'?"),
        ("point: p, below: {}", "'point' is missing"),
    ],
)
def test_what_cannot_be_compared_is_refused(counters: Bench, when: str, says: str) -> None:
    """At load, with what to do."""
    with pytest.raises(ConfigError) as caught:
        counters.ruleset(rule(when))

    assert says in str(caught.value)


def test_an_asset_without_the_other_point_is_not_watched(bench: Bench) -> None:
    """As with any point that it lacks."""
    rules = bench.ruleset(rule("point: p, below: {point: inlet}"))

    assert list(rules.bindings()) == []


def test_an_asset_may_have_other_counts(counters: Bench) -> None:
    """Overrides reach what counts and windows are made of."""
    rules = counters.ruleset(
        rule("point: mode, count: {runs: on, shorter: 60s}, over: 1h, at_least: 5"),
        overrides={("a1", "r"): {"shorter": "30s", "over": "2h", "at_least": 3}},
    )

    one = rules.rule_for("r", "a1")
    assert one is not None
    assert "shorter=datetime.timedelta(seconds=30)" in repr(one.levels[0].when)
    assert "over=datetime.timedelta(seconds=7200)" in repr(one.levels[0].when)
