"""What a backtest came to, in figures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daemon.backtest.figures import against, by_asset, by_rule, score
from daemon.backtest.run import Interval, OrderMade, Result
from daemon.complaint import Complaint
from daemon.model import Disposition, Level, Text
from tests.spine import CATALOGUE, at

HOUR = timedelta(hours=1)
WEEK = 7 * 24 * 3600


def alarm(no: int, start: float, end: float | None, asset: str = "lift-1", rule: str = "hot") -> Interval:
    finish = None if end is None else at(end)
    return Interval(no, rule, asset, Level.I, Level.I, at(start), finish, Disposition.OWN_ORDER, f"k{no}")


def said(seconds: float, asset: str = "lift-1") -> Complaint:
    return Complaint(at(seconds), f"C{seconds}", at(seconds), asset)


def came_to(*alarms: Interval, last: float = WEEK, kind: str = "pre_complaint") -> Result:
    orders = tuple(
        OrderMade(f"k{a.no}", a.no, a.rule, a.asset, a.level, kind, Text("题", "title"), a.start) for a in alarms
    )
    return Result(alarms, orders, at(0), at(last), 0, 0, 0, (), {})


def test_time_in_alarm_counts_once() -> None:
    """Of two alarms side by side the time in which at least one was open, the open one up to the history's end."""
    result = came_to(alarm(1, 0, 120), alarm(2, 60, 180, rule="chain"), alarm(3, WEEK - 60, None))

    (load,) = by_asset(result)
    assert (load.name, load.alarms, load.orders, load.alarm_minutes) == ("lift-1", 3, 3, 4.0)
    assert load.orders_a_day == pytest.approx(3 / 7)
    assert [(one.name, one.orders) for one in by_rule(result)] == [("hot", 2), ("chain", 1)]


def test_firings_are_compared_by_rule_asset_and_time() -> None:
    """What overlaps is the same firing, however long each is."""
    these = came_to(alarm(1, 0, 100), alarm(2, 500, 600), alarm(3, 0, 100, asset="zone-1"))
    others = came_to(alarm(1, 50, 400), alarm(2, 700, None))

    found = against(these, others)

    assert [i.no for i in found.added] == [2, 3]
    assert [i.no for i in found.removed] == [2]
    assert [(mine.no, yours.no) for mine, yours in found.kept] == [(1, 1)]


@pytest.mark.parametrize(
    ("told", "lead"),
    [(100, None), (101, 0.001), (1000, 900), (200 + 3600, 3700), (200 + 3600 + 1, None)],
    ids=["at the order", "just after", "after its end", "a horizon after its end", "later"],
)
def test_an_order_counts_from_its_making_to_a_horizon_after_its_alarm(told: float, lead: float | None) -> None:
    """The order came at 100 s, its alarm ended at 200 s; the horizon is an hour."""
    moment = 100.001 if lead == 0.001 else told
    found = score(came_to(alarm(1, 100, 200)), [said(moment)], CATALOGUE, HOUR)

    (one,) = found.answered
    assert one.lead == (None if lead is None else timedelta(seconds=lead))
    assert (found.hits, found.misses) == ((0, 1) if lead is None else (1, 0))


def test_an_order_nobody_complained_near_is_false() -> None:
    """One just after a complaint came late, and is not false; incidents are no pre-complaints."""
    alarms = (alarm(1, 100, 200), alarm(2, 50_000, 50_100), alarm(3, 100, 200, asset="zone-1"))
    found = score(came_to(*alarms, last=2 * WEEK), [said(90)], CATALOGUE, HOUR)

    assert [order.alarm_no for order in found.false_orders] == [2, 3]
    assert found.false_orders_a_week == pytest.approx(1.0)
    assert found.misses == 1
    incidents = score(came_to(*alarms, kind="incident"), [], CATALOGUE, HOUR)
    assert incidents.false_orders == ()


def test_what_cannot_be_judged_is_left_out() -> None:
    """Complaints before or after the history, or about what is not there, are neither hits nor misses."""
    heard = [said(s, asset) for s, asset in ((-1, "lift-1"), (WEEK + 1, "lift-1"), (5, "lift-9"))]

    found = score(came_to(alarm(1, 0, None)), heard, CATALOGUE, HOUR)

    assert (found.answered, len(found.left_out), found.median_lead) == ((), 3, None)


@pytest.mark.parametrize(
    ("kind", "moment", "during"), [("pre_complaint", 150, 1), ("pre_complaint", 201, 0), ("instrument", 150, 0)]
)
def test_an_alarm_without_an_order_is_told_apart(kind: str, moment: float, during: int) -> None:
    """It was withheld or folded: a miss, but no blind one; a sensor's own trouble is neither."""
    withheld = alarm(1, 100, 200)._replace(disposition=Disposition.WITHHELD_CAP, order=None, type=kind)
    result = Result((withheld,), (), at(0), at(WEEK), 0, 0, 0, (), {})

    found = score(result, [said(moment)], CATALOGUE, HOUR)

    assert (found.hits, found.misses, found.during) == (0, 1, during)


def test_a_complaint_may_name_a_building_and_a_kind() -> None:
    """The one asset of that kind there is meant."""
    heard = [said(150, "")._replace(building="B1", asset_kind="lift"), said(150, "")._replace(asset_kind="pump_room")]

    found = score(came_to(alarm(1, 100, 200)), heard, CATALOGUE, HOUR)

    assert (found.hits, len(found.left_out)) == (1, 1)
