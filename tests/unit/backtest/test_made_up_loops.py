"""The made-up runs on which the policy of `rules suggest` is judged."""

from __future__ import annotations

from statistics import fmean

import pytest

from benchmarks.closing_valve import make_valve_run
from benchmarks.public import KINDS, made
from benchmarks.water_loop import CALIBRATION, CHANNELS, ROWS, LoopRun


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_the_same_every_time_and_healthy_while_it_is_calibrated(kind: str) -> None:
    """Eight channels of equal length; the fault comes after the calibration and ends before the run does."""
    run = KINDS[kind](7)
    begin, end = run.fault

    assert run == KINDS[kind](7)
    assert {name: len(values) for name, values in run.values.items()} == dict.fromkeys(CHANNELS, ROWS)
    assert CALIBRATION < begin < end < ROWS


def test_a_closing_valve_lowers_the_flow_and_may_leave_it_low() -> None:
    """While it is closed the flow is lower than before on average, and afterwards still a little."""
    runs = [make_valve_run(seed) for seed in range(40)]

    closed, after = ([_change(run, when) for run in runs] for when in ("closed", "after"))

    assert fmean(closed) < fmean(after) < 0


def _change(run: LoopRun, when: str) -> float:
    """Of the mean flow against before the fault."""
    begin, end = run.fault
    flow = run.values["flow"]
    part = flow[(begin + end) // 2 : end - 60] if when == "closed" else flow[end:]
    return fmean(part) - fmean(flow[:begin])


def test_every_kind_is_scored_and_the_budget_with_them() -> None:
    """Two runs each and two calibrations: rows, shares, and a line for each in the text."""
    score = made(2, 2)

    assert [one.kind for one in score.found] == list(KINDS)
    assert 0 <= score.hourly.found <= score.hourly.faults == 4
    assert all(0 <= one.far <= 1 and 0 <= one.mar <= 1 and one.found <= one.runs == 2 for one in score.found)
    assert len(score.as_text().splitlines()) == len(score.found) + 2 + len(score.kept)
    assert score.as_json()["found"][0]["kind"] == "shifts"
