"""Work orders through real processes and sockets, hour by hour, with and without a kill -9."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.crash.kept import Plan
from tests.crash.matrix import Matrix, difference, expected, perform, picks, told
from tests.crash.plays import PLAYS

pytestmark = pytest.mark.integration


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


@pytest.mark.parametrize("name", PLAYS)
async def test_a_scenario_gives_what_is_written_down(name: str, tmp_path: Path) -> None:
    """Alarms, orders with promises and timeline, notices, deliveries and tickets are those of `timelines/`."""
    outcome = await perform(PLAYS[name], tmp_path, Plan())

    assert outcome.wrong == []
    assert difference(expected(PLAYS[name]), told(PLAYS[name], outcome.account)) == ""


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("nobody-answers", ("before_commit@after_deadline", "after_commit@after_deadline", "after_notice")),
        ("done-and-still-low", ("after_changes", "before_notice_receipt", "after_process")),
        ("two-hours-without-the-service", ("after_create", "after_postpone")),
        ("refused-for-good", ("after_refusal",)),
        ("entrapment", ("before_cursor", "after_note")),
    ],
)
async def test_a_kill_changes_nothing(name: str, points: tuple[str, ...]) -> None:
    """Killed there, each step is there once, each notice was delivered, and only what had to come again did."""
    matrix = Matrix([name], points, 1, report=say)

    result = await matrix.run()

    assert result.is_as_promised, "\n".join(result.wrong)
    assert result.kills == len(points)


@pytest.mark.parametrize(
    ("fault", "name", "point"),
    [
        ("cursor-before-inputs", "accepted-in-time", "before_changes"),
        ("receipt-before-notice", "nobody-answers", "before_notice"),
        ("notice-after-commit", "nobody-answers", "after_commit@after_deadline"),
        ("step-in-memory", "nobody-answers", "after_commit@after_deadline"),
    ],
)
async def test_a_fault_built_in_is_found(fault: str, name: str, point: str) -> None:
    """What is made durable too early, too late or not at all is found by one kill between the two."""
    matrix = Matrix([name], [point], 1, fault=fault, report=say)

    result = await matrix.run()

    assert result.kills == 1
    assert any(f"killed at {point}" in wrong for wrong in result.wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", [play.name for play in PLAYS.values() if play.is_killed])
async def test_no_kill_anywhere_changes_anything(name: str) -> None:
    """Each moment that the scenario passes is killed at once."""
    matrix = Matrix([name], most=1, report=say)

    result = await matrix.run()

    assert not result.wrong, "\n".join(result.wrong)
    assert not result.missed
    assert result.kills > 20


@pytest.mark.parametrize(("count", "most", "picked"), [(0, 3, []), (2, 3, [1, 2]), (9, 3, [1, 5, 9]), (9, 1, [5])])
def test_passages_are_picked_over_the_whole_run(count: int, most: int, picked: list[int]) -> None:
    """The first, the last, and what lies evenly between."""
    assert picks(count, most) == picked
