from __future__ import annotations

import pytest

from daemon.rules.explain import explain
from daemon.rules.wording import limit_zh
from tests.rule_bench import Bench


def test_an_alarm_is_explained_with_its_numbers_limit_and_hold(bench: Bench) -> None:
    """In Chinese and in English, from what was frozen at the transition."""
    rules = bench.ruleset("r\n levels: [{level: I, when: {point: p, below: 0.10 MPa}, for: 10s}]")
    bench.engine.reload(rules, bench.at(0))
    bench.each(range(11), p=0.05)
    spec = rules.rule_for("r", "a1")
    assert spec is not None

    text = explain(bench.seen[-1], spec)

    assert text.en == "the condition has held for 10s: a1.p = 0.05 MPa, below 0.10 MPa"
    assert text.zh == "条件已持续 10s：a1.p = 0.05 MPa，低于 0.10 MPa"


def test_a_compound_condition_shows_every_point_it_looked_at(bench: Bench) -> None:
    """A label, a number, and that it came late."""
    when = "{all: [{point: chain, equals: open}, {point: free, above: 2 mm}]}"
    rules = bench.ruleset(f"r\n levels: [{{level: I, when: {when}}}]")
    bench.engine.reload(rules, bench.at(0))
    bench.hear(1, free=3.0)
    bench.hear(600, source=500, late=True, chain="open")
    spec = rules.rule_for("r", "a1")
    assert spec is not None

    text = explain(bench.seen[-1], spec)

    assert text.en == (
        "the condition is met (from data that came late): "
        "a1.chain = open (suspect), equals open; a1.free = 3 mm, above 2 mm"
    )


@pytest.mark.parametrize(
    ("limit", "chinese"),
    [
        ("below 0.10 MPa", "低于 0.10 MPa"),
        ("outside 10 % to 98 %", "超出 10 % 至 98 %"),
        ("equals inspection or fire", "为 inspection 或 fire"),
        ("not equals normal", "不为 normal"),
        ("at most 90 %", "不高于 90 %"),
        ("mean over 5min above 40 °C", "5min 内平均值高于 40 °C"),
        ("below 80 % of median over 10min (0.3 MPa)", "低于 10min 内中位数（0.3 MPa）的 80 %"),
        (
            "falls by 0.08 MPa within 30s, remembered for 2min (now 0.12 MPa)",
            "30s 内下降 0.08 MPa（保持 2min），当前 0.12 MPa",
        ),
        ("silent for 5min", "静默 5min"),
        ("whatever", "whatever"),
    ],
)
def test_limits_are_said_in_chinese(limit: str, chinese: str) -> None:
    """Every form that the engine writes has its Chinese."""
    assert limit_zh(limit) == chinese
