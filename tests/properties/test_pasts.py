"""Baselines and forecasts over dense histories: against models in a few lines, over restarts, with Ticks in between."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import Input, Tick
from daemon.rules.baseline import Baseline
from daemon.rules.engine import Engine
from daemon.rules.forecast import Trend
from daemon.rules.pasts import BaselineSpec, History
from tests.properties.test_engine import unseen
from tests.rule_bench import Bench

_RULES = """
    deviates
    levels:
      - {level: I, clear: {for: 3s}, when: {any: [{point: p, above: 0.45 MPa},
         {point: p, outside: [-4 mad, 4 mad], baseline: {over: 32s, after: 4s}}]}}
      - level: II
        when: {point: p, take: mean, over: 3s, coverage: 30 %, above: 2 sd, baseline: {over: 48s, after: 6s}}
        for: 2s
""", """
    hourly
    levels: [{level: III, when: {point: n, at_least: 2 x, baseline: {over: 48h, after: 1d, by_hour: true}}}]
""", """
    forecast
    levels:
      - level: II
        when: {point: n, rises_to: 9, within: 30s, history: {over: 64s, after: 6s, days: 3}}
        clear: {when: {point: n, rises_to: 9, beyond: 40s, history: {over: 64s, after: 6s, days: 3}}}
"""  # fmt: skip

with tempfile.TemporaryDirectory() as _folder:
    _bench = Bench(Path(_folder))
    _RULESET = _bench.ruleset(*_RULES)

#: Some readings a second apart, each so much more than the one before, from a level on; then a pause in seconds.
_RUN = st.tuples(
    st.integers(1, 40),
    st.sampled_from([0.28, 0.3, 0.3, 0.3, 0.31, 0.5]),
    st.sampled_from([0.0, 0.001, -0.001, 0.01]),
    st.sampled_from([1, 1, 1, 2, 4, 90, 90_000]),
)
RUNS = st.lists(_RUN, min_size=3, max_size=12)


def _inputs(runs: list[tuple[int, float, float, int]]) -> list[Input]:
    found: list[Input] = []
    at = 0
    for count, level, slope, pause in runs:
        for n in range(count):
            at += 1
            value = round(level + slope * n + 0.005 * (n * 7 % 3), 4)
            found.append(_bench.message(at, p=value, n=round(10 * value, 3)))
        at += pause - 1
    return found


def _fresh() -> Engine:
    engine = Engine()
    engine.reload(_RULESET, _bench.at(0))
    return engine


@given(RUNS, st.data())
def test_a_restart_at_any_place_changes_nothing(runs: list[tuple[int, float, float, int]], data: st.DataObject) -> None:
    """Through JSON, to the last digit of what was learnt."""
    inputs = _inputs(runs)
    cut = data.draw(st.integers(0, len(inputs)), label="cut")
    whole, restored = _fresh(), _fresh()
    for item in inputs[:cut]:
        whole.step(item)
    restored.restore(json.loads(json.dumps(whole.snapshot())))

    assert [whole.step(item) for item in inputs[cut:]] == [restored.step(item) for item in inputs[cut:]]
    assert whole.snapshot() == restored.snapshot()


@given(RUNS, st.lists(st.integers(0, 200_000), max_size=20))
def test_ticks_change_nothing(runs: list[tuple[int, float, float, int]], moments: list[int]) -> None:
    """Nor do they change what is learnt: the same numbers stand on every transition."""
    inputs = _inputs(runs)
    ticks: list[Input] = [Tick(_bench.at(ms / 1000)) for ms in moments if _bench.at(ms / 1000) <= inputs[-1].at]
    more = sorted(
        [*enumerate(inputs), *((len(inputs), tick) for tick in ticks)], key=lambda pair: (pair[1].at, pair[0])
    )
    plain, ticked = _fresh(), _fresh()

    expected = [t for item in inputs for t in plain.step(item)]

    assert unseen([t for _, item in more for t in ticked.step(item)]) == unseen(expected)


_READINGS = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(-50, 50), st.sampled_from([False] * 9 + [True])), max_size=150
)


@pytest.mark.parametrize("robust", [True, False])
@given(readings=_READINGS)
def test_a_baseline_is_that_of_a_model(robust: bool, readings: list[tuple[int, int, bool]]) -> None:  # noqa: FBT001
    """Of the last sixteen pieces with readings but the one that is not over: mean and sd, or median and MAD."""
    baseline = Baseline("k", BaselineSpec(over="16s", after="4s"), "UTC", None, robust=robust)
    pieces: dict[int, list[float]] = {}
    at = 0
    for step, value, frozen in readings:
        at += step
        (baseline.freeze if frozen else baseline.resume)()
        baseline.push(at, float(value))
        if not frozen:
            pieces.setdefault(at // 1000, []).append(float(value))

        over = [values for piece, values in list(pieces.items())[:-1]][-16:]
        counted = [value for values in over for value in values]
        norm = baseline.norm()
        if len(over) < 4 or len(counted) < 20:
            assert norm is None
            continue
        assert norm is not None
        if robust and max(map(len, over)) > 16:
            continue  # thinned out: see the unit tests
        centre = (statistics.median if robust else statistics.fmean)(counted)
        apart = [abs(value - centre) for value in counted]
        spread = (statistics.median(apart) or statistics.fmean(apart)) if robust else statistics.stdev(counted)
        assert norm.centre == pytest.approx(centre, abs=1e-9)
        assert norm.spread == pytest.approx(spread, abs=1e-9)


@given(_READINGS)
def test_a_trend_is_that_of_a_model(readings: list[tuple[int, int, bool]]) -> None:
    """The median of the slopes of all pairs of pieces that are over, and within the span."""
    trend = Trend("k", History(over="16s", after="3s", days=4), "UTC")
    pieces: dict[int, list[tuple[int, float]]] = {}
    at = 0
    for step, value, _ in readings:
        at += step
        trend.push(at, float(value))
        began = at // 1000 not in pieces
        pieces.setdefault(at // 1000, []).append((at, float(value)))
        if not began:
            continue  # the line is drawn when a piece begins
        days = [
            (moments[0][0] + sum(ms - moments[0][0] for ms, _ in moments) // len(moments), statistics.median(values))
            for moments in list(pieces.values())[:-1]
            if (values := [value for _, value in moments])
        ]
        days = [day for day in days if day[0] > at - 17_000]
        if len(days) < 4 or days[-1][0] - days[0][0] < 2000:
            assert trend.line is None
            continue
        slopes = [(y - v) / (x - u) for n, (x, y) in enumerate(days) for u, v in days[:n]]
        assert trend.line is not None
        assert trend.line.slope == pytest.approx(statistics.median(slopes), abs=1e-12)


def test_these_histories_make_alarms() -> None:
    """The properties above are not about nothing."""
    steady = [(40, 0.3, 0.0, 1), (40, 0.3, 0.0, 1), (9, 0.5, 0.0, 1), (30, 0.3, 0.0, 1)]
    rising = [(40, 0.3, 0.01, 1), (40, 0.3, 0.0, 1)]
    seen: set[tuple[str, str]] = set()
    for runs in (steady, rising):
        engine = _fresh()
        seen |= {(t.rule, t.cause.value) for item in _inputs(runs) for t in engine.step(item)}

    wanted = {"condition_held", "recovered"}
    assert {(rule, cause) for rule in ("deviates", "forecast") for cause in wanted} <= seen
