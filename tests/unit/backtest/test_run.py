"""A backtest is the production pipeline, fed from a history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from daemon.backtest.mapping import heard_only
from daemon.backtest.run import Run, run
from daemon.model import Disposition, Level, Observation
from tests.spine import CATALOGUE, at, ruleset, said


def _heat(*degrees: float, every: float = 10) -> Iterator[Observation]:
    return (said(n * every, "lift-1", room_temp=value) for n, value in enumerate(degrees))


def test_an_alarm_is_an_interval_between_readings_and_holds(tmp_path: Path) -> None:
    """It begins when the hold of 20 s has run out, ends when that of the clearing has, and has an order of its own."""
    result = run(ruleset(tmp_path), _heat(20, 50, 50, 50, 50, 20, 20, 20, 20))

    (alarm,) = result.intervals
    assert (alarm.rule, alarm.asset, alarm.level) == ("hot", "lift-1", Level.I)
    assert (alarm.start, alarm.end) == (at(30), at(70))
    assert (alarm.disposition, alarm.has_order) == (Disposition.OWN_ORDER, True)
    (order,) = result.orders
    assert (order.key, order.created_at, order.type) == (alarm.order, at(30), "pre_complaint")


def test_time_goes_on_between_readings(tmp_path: Path) -> None:
    """An order is made when its hold runs out, not when the next reading happens to come."""
    history = [said(0, "lift-1", room_temp=50.0), said(29, "lift-1", room_temp=50.0)]

    result = run(ruleset(tmp_path), history)

    assert [order.created_at for order in result.orders] == [at(20)]


def test_an_alarm_that_lasts_is_open_at_the_end(tmp_path: Path) -> None:
    """What would only happen later is not told."""
    result = run(ruleset(tmp_path), _heat(50, 50, 50, 50))

    (alarm,) = result.intervals
    assert alarm.end is None
    assert (result.first_at, result.last_at, result.readings) == (at(0), at(30), 4)


def test_pieces_make_no_difference(tmp_path: Path) -> None:
    """A history that is fed in pieces comes to the same as in one."""
    rules = ruleset(tmp_path)
    history = list(_heat(20, 50, 50, 50, 50, 20, 20, 20, 20))
    with Run(rules) as backtest:
        for item in history:
            backtest.feed([item])
        pieces = backtest.finish()

    assert pieces.intervals == run(rules, history).intervals


def test_no_row_of_the_history_is_kept(tmp_path: Path) -> None:
    """The file holds conclusions only, so that it does not grow with the history."""
    with Run(ruleset(tmp_path)) as backtest:
        backtest.feed(_heat(*[20.0] * 5000))
        result = backtest.finish()
        rows = {
            table: backtest.pipeline.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  our own
            for table in ("journal", "snapshot", "taken", "alarm")
        }

    assert result.readings == 5000
    assert rows == {"journal": 0, "snapshot": 0, "taken": 0, "alarm": 0}


def test_an_empty_history_comes_to_nothing(tmp_path: Path) -> None:
    """There is no first moment and no alarm."""
    result = run(ruleset(tmp_path), [])

    assert (result.intervals, result.first_at, result.span) == ((), None, timedelta())


def test_what_a_history_lacks_is_not_on_its_site() -> None:
    """Devices of points that were never recorded are left away with them."""
    left = heard_only(CATALOGUE, {"zone-1.pressure"})

    assert [point.id for point in left.points] == ["zone-1.pressure"]
    assert [device.id for device in left.devices] == ["zone-1/d"]
