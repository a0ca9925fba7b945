"""The benchmarks run: with next to no work, for no figure is judged here."""

from __future__ import annotations

import asyncio
import json

import pytest

from benchmarks.backtest import backtest
from benchmarks.memory import resident
from benchmarks.modbus import modbus
from benchmarks.ordering import time_to_order
from benchmarks.pipeline import whole_pipeline
from benchmarks.receiving import bare_loop
from benchmarks.report import Pair, Results
from benchmarks.work import Work

TINY = Work(100, warm_up=10, lifts=5)


@pytest.mark.integration
async def test_benchmarks_run() -> None:
    """Each benchmark measures something and finds in the store exactly what was sent; the report shows it all."""
    received, processed, ordered, held = await asyncio.gather(
        bare_loop(TINY),
        whole_pipeline(TINY),
        time_to_order(3, rate=500),
        resident(26, 20, Work(50, 500, shape="status")),
    )
    played = backtest(5, lifts=2)
    report = Results("a machine", {"tiny": [Pair(received, processed)]}, ordered, held, [played])

    assert processed.values_stored == 110 * 11
    assert processed.messages_per_commit > 0
    assert ordered.orders == 3
    assert 0 < ordered.p50_ms <= ordered.p99_ms <= ordered.longest_ms
    assert (held.points, held.rules, held.values_stored) == (26, 20, 50 * 15)
    assert held.rss_mb > 10
    assert (played.readings, played.rules_each) == (5 * 2 * 9, 10)
    assert json.loads(json.dumps(report.as_json()))["cpu"]["tiny"]["pairs"][0]["whole"]["values_stored"] == 110 * 11
    assert "readings/s on one core" in report.as_text()
    assert "tiny 1" in report.as_text()


async def test_the_bus_is_measured() -> None:
    """The loop and our source read the same units, ours makes a hundred points of each block."""
    found = await modbus(2, 2, 1)
    report = Results("a machine", bus=found)

    assert found.pairs[0].points == 100 * found.pairs[0].blocks
    assert found.pairs[0].ratio > 0
    assert 0 < found.kept <= 1
    assert json.loads(json.dumps(report.as_json()))["modbus"]["units"] == 2
    assert "one dead unit among four" in report.as_text()
