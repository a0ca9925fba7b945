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
        ("stddev over 1h below 0.001 MPa", "1h 内标准差低于 0.001 MPa"),
        ("p95 over 1h above 45 °C", "1h 内95 % 分位数高于 45 °C"),
        ("median over 20 readings outside -5 mm to 5 mm", "最近 20 次读数的中位数超出 -5 mm 至 5 mm"),
        ("slope over 7d below -0.01 MPa/d", "7d 内变化趋势低于 -0.01 MPa/d"),
        ("rate over 2 readings above 2 K/min", "最近 2 次读数的变化率高于 2 K/min"),
        ("below 80 % of p50 over 20 readings (0.3 MPa)", "低于 最近 20 次读数的50 % 分位数（0.3 MPa）的 80 %"),
        ("above 20 mm in 3 of 10 readings (now 4)", "最近 10 次读数中 3 次高于 20 mm（当前 4 次）"),
        ("equals open or held in 2 of 2 readings (now 2)", "最近 2 次读数中 2 次为 open 或 held（当前 2 次）"),
        ("below inlet_pressure plus 2 bar (now 0.35 MPa)", "低于 inlet_pressure 加 2 bar（当前 0.35 MPa）"),
        ("below 80 % of inlet plus 2 bar (now 0.35 MPa)", "低于 inlet 的 80 % 加 2 bar（当前 0.35 MPa）"),
        ("max over 5min above 120 % of set (now 3 MPa)", "5min 内最大值高于 set 的 120 %（当前 3 MPa）"),
        ("changes over 1min above 20", "1min 内变化的次数高于 20"),
        ("into 2 or 3 or 7 over 1d at least 3", "1d 内变为 2 或 3 或 7 的次数不低于 3"),
        ("into above 0.30 MPa over 1h at least 4", "1h 内变为 高于 0.30 MPa 的次数不低于 4"),
        ("readings of 2 over 1d at least 3", "1d 内读数为 2 的次数不低于 3"),
        ("runs of on shorter than 1min over 1h at least 5", "1h 内持续处于 on 短于 1min 的次数不低于 5"),
        (
            "runs of inside 1 A to 3 A shorter than 1h of 1min or longer over 1d above 2",
            "1d 内持续处于 处于 1 A 至 3 A 不短于 1min 且短于 1h 的次数高于 2",
        ),
        (
            "per closings over 1h above 10 % (of at least 30) (12 per 96)",
            "1h 内与 closings 之比高于 10 %（12 比 96，后者不少于 30）",
        ),
        ("whatever", "whatever"),
    ],
)
def test_limits_are_said_in_chinese(limit: str, chinese: str) -> None:
    """Every form that the engine writes has its Chinese."""
    assert limit_zh(limit) == chinese
