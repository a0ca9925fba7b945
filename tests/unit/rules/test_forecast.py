"""Forecasts: a robust line through daily medians, and the time until it comes to a limit."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from daemon.model import ConfigError, to_ms
from daemon.rules.engine import Engine
from daemon.rules.explain import explain
from daemon.rules.forecast import Trend, theil_sen
from daemon.rules.pasts import History
from daemon.rules.wording import limit_zh
from tests.rule_bench import Bench

DAY = 86_400_000
START = to_ms(datetime(2026, 1, 1, 12, tzinfo=UTC))


def make(**spec: object) -> Trend:
    return Trend("k", History.model_validate(spec), "Asia/Shanghai")


def learn(trend: Trend, days: range, first: float = 100.0, slope: float = -0.1, each: int = 1) -> None:
    for day in days:
        for n in range(each):
            trend.push(START + day * DAY + n * 60_000, first + slope * day)


def test_the_line_is_that_of_the_textbook() -> None:
    """Exact on a line, and unmoved by a quarter of wild days."""
    chance = random.Random(1)
    points = [(n * DAY, 100 - 0.1 * n) for n in range(40)]
    wild = [(at, chance.uniform(0, 500) if n % 4 == 1 else value) for n, (at, value) in enumerate(points)]

    for line in (theil_sen(points), theil_sen(wild)):
        assert line.slope * DAY == pytest.approx(-0.1, rel=1e-6)
        assert line.at(100 * DAY) == pytest.approx(90.0, rel=1e-6)


def test_days_are_left_until_the_limit() -> None:
    """100 % on the first day, 0.1 % less each: 90 % after a hundred days."""
    trend = make()
    learn(trend, range(41), each=3)
    now = START + 40 * DAY

    left = {limit: trend.left(now, limit, falling=True) for limit in (90.0, 96.0, 97.0)}

    assert left[90.0] is not None
    assert left[90.0] / DAY == pytest.approx(60, abs=0.01)
    assert left[96.0] is not None
    assert left[96.0] / DAY == pytest.approx(0, abs=0.01)
    assert left[97.0] == 0
    assert trend.left(now, 110.0, falling=False) == math.inf
    assert trend.left(now, 95.0, falling=False) == 0


@pytest.mark.parametrize(
    ("spec", "days", "known"),
    [
        ({}, [*range(30)], False),
        ({}, [*range(31)], True),
        ({}, [0, 5, 10, 15, 20, 25, 29, 30], False),
        ({}, [0, 5, 10, 15, 20, 25, 28, 29, 30], True),
        ({"days": 4}, [0, 10, 20, 30, 31], True),
        ({"after": "10d"}, [*range(10)], False),
        ({"after": "10d"}, [*range(11)], True),
        # what is older than 90 days is forgotten: those few days before the gap no longer count
        ({}, [*range(7), 130, 131], False),
    ],
)
def test_too_little_history_forecasts_nothing(spec: dict[str, object], days: list[int], known: bool) -> None:  # noqa: FBT001
    """By default eight days with readings, thirty from the first to the last; today does not count."""
    trend = make(**spec)
    for day in days:
        learn(trend, range(day, day + 1))

    assert (trend.left(START + days[-1] * DAY, 0.0, falling=True) is not None) is known


def test_one_wild_reading_or_day_changes_little() -> None:
    """A day's median shrugs off the first, the median of slopes the second."""
    trend = make()
    for day in range(41):
        learn(trend, range(day, day + 1), each=5)
        trend.push(START + day * DAY + DAY // 4, 0.0)
        if day == 20:
            learn(trend, range(day, day + 1), first=0.0, each=20)

    left = trend.left(START + 40 * DAY, 90.0, falling=True)

    assert left is not None
    assert left / DAY == pytest.approx(60, abs=1)


def test_it_keeps_a_hundred_days_at_most() -> None:
    """Ten years of history are as many pieces; beyond `over` they are forgotten."""
    trend = make(over="3650d")
    learn(trend, range(5000), slope=-0.001)

    assert len(trend.days) <= 101
    left = trend.left(START + 4999 * DAY, 90.0, falling=True)
    assert left is not None
    assert left / DAY == pytest.approx(5001, abs=30)


def test_it_goes_over_a_restart() -> None:
    """Through JSON at any place, to the last digit."""
    whole, other = make(), make()
    learn(whole, range(35), each=200)
    other.load(json.loads(json.dumps(whole.save())))

    for one in (whole, other):
        learn(one, range(35, 50), each=200)

    assert other.save() == whole.save()
    assert other.line == whole.line


# --- as a condition ----------------------------------------------------------------------------------------

_RUNG = "{level: L, when: {PF within: W}, clear: {when: {PF beyond: B}}}".replace("PF", "point: free, falls_to: 90 mm,")
LADDER = (
    "r\n levels: ["
    + ", ".join(
        _RUNG.replace("level: L", f"level: {level}")
        .replace("within: W", f"within: {within}")
        .replace("beyond: B", f"beyond: {beyond}")
        for level, within, beyond in (("I", "15d", "20d"), ("II", "60d", "90d"))
    )
    + "]"
)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Its device is heard once a day."""
    devices = tuple(replace(device, alive_within=timedelta(days=2)) for device in bench.catalogue.devices)
    bench.catalogue = replace(bench.catalogue, devices=devices)
    return bench


def days(bench: Bench, which: range, first: float = 100.0, slope: float = -0.1) -> list[str]:
    return [line for day in which for line in bench.hear(day * 86_400, free=first + slope * day)]


def test_a_ladder_goes_up_as_the_days_run_out(bench: Bench) -> None:
    """II at sixty days left, I at fifteen; each on the day on which it is so, by complete days only."""
    bench.rules(LADDER)

    lines = days(bench, range(1, 90))

    at = [(float(line.split()[0]) / 86_400, line.split(" ", 1)[1]) for line in lines]
    assert at == [
        (40, "normal>active II condition_held"),
        (85, "active>active I level_raised"),
    ]


def test_a_replaced_rope_clears_it(bench: Bench) -> None:
    """Once the line goes up again; until then it stays open, since nobody can know."""
    bench.rules(LADDER)
    days(bench, range(1, 50))
    lines = [line for day in range(50, 140) for line in bench.hear(day * 86_400, free=110 - 0.01 * (day - 50))]

    assert lines[-1].endswith("cleared II recovered")


def test_it_goes_over_a_restart_of_the_engine(bench: Bench) -> None:
    """The ladder goes on where it was."""
    bench.rules(LADDER)
    days(bench, range(1, 39))
    saved = json.loads(json.dumps(bench.engine.snapshot()))
    bench.engine = Engine()
    bench.engine.reload(bench.ruleset(LADDER), bench.at(39 * 86_400))
    bench.engine.restore(saved)

    assert bench.engine.snapshot() == saved
    assert [line.split(" ", 1)[1] for line in days(bench, range(39, 45))] == ["normal>active II condition_held"]


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{point: free, falls_to: 90 mm}", "write exactly one of within and beyond"),
        ("{point: free, falls_to: 90 mm, within: 5d, beyond: 9d}", "write exactly one of within and beyond"),
        ("{point: free, falls_to: 90 mm, rises_to: 100 mm, within: 5d}", "exactly one of falls_to and rises_to"),
        ("{point: free, falls_to: 90 °C, within: 5d}", "falls_to: °C is a temperature"),
        ("{point: mode, falls_to: 3, within: 5d}", "mode is a state, which has no numbers"),
        ("{point: free, falls_to: 9 mm, within: 5d, history: {after: 99d}}", "it would never forecast"),
        ("{point: free, falls_to: 9 mm, within: 5d, history: {days: 2}}", "greater than or equal to 3"),
        ("{point: free, fals_to: 9 mm, within: 5d}", "unknown key 'fals_to'; did you mean 'falls_to'?"),
    ],
)
def test_a_forecast_that_is_none_is_refused(bench: Bench, when: str, says: str) -> None:
    """At load, with what to write instead."""
    with pytest.raises(ConfigError) as caught:
        bench.rules(f"r\n levels: [{{level: I, when: {when}}}]")

    assert says in "\n".join(caught.value.faults)


def test_it_is_told_with_slope_and_days_left(bench: Bench) -> None:
    """In both languages."""
    bench.rules(LADDER)
    days(bench, range(1, 45))
    rule = bench.ruleset(LADDER).rule_for("r", "a1")
    assert rule is not None

    text = explain(bench.seen[-1], rule)

    assert text.en.endswith("a1.free = 96 mm, falls to 90 mm within 60d (-0.1 mm/d, 60 days left, from 39 days)")
    assert text.zh.endswith("a1.free = 96 mm，预计 60d 内降至 90 mm（-0.1 mm/d，60 天后到达，依据 39 天）")
    assert limit_zh("rises to 45 °C not within 7d (too little history, 5 days)") == (
        "预计 7d 内不会升至 45 °C（历史不足，5 天）"
    )
