"""Suggestions come at their thresholds, not below, and name their numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.model import Disposition, Level, OrderStatus, Text
from daemon.review.advice import Evidence, Suggestion, suggestions
from daemon.review.complaints import Voices
from daemon.review.groups import RuleCount
from daemon.review.orders import Handling, Order
from daemon.review.promises import Kept, Team
from daemon.review.table import Ratio
from daemon.store.review import AlarmRow, Told

T0 = datetime(2026, 10, 1, tzinfo=UTC)
QUIET = {"flood_percent": 0.0, "peak_in_10min": 1}
NOTHING = Evidence((), (), (), (), (), {}, Told(0, 0, 0, (), (), {}), QUIET, None, {}, kinds=3, buildings=4)
NAME = Text("名", "name")


def order(**more: Any) -> Order:  # noqa: ANN401  passed on
    given: dict[str, Any] = {
        "key": "k", "no": 1, "site": "s", "asset": "a", "asset_name": NAME, "kind": "lift", "building": "1号楼",
        "rule": "r", "title": NAME, "type": "pre_complaint", "category": "facility", "level": Level.I,
        "status": OrderStatus.VERIFIED, "in_hand": False, "undecided": False, "created_at": T0, "team": "t",
        "by_person": False, "households": 1, "repeat": False,
        "handlings": (Handling(Level.I, {"created": T0, "done": T0}, (), in_hand=False),), "events": (),
    }  # fmt: skip
    return Order(**(given | more))


def alarm(n: int, rule: str = "quiet") -> AlarmRow:
    return AlarmRow(n, rule, "a", Level.II, Disposition.WITHHELD_SHADOW, T0, T0, None)


def kept(in_time: int, missed: int) -> Kept:
    return Kept("respond", Text("15 分钟内响应", "Respond"), in_time, 0, missed, 0)


def team(run: int, name: str = "水电班") -> Team:
    return Team(
        name, by_person=False, orders=9, on_time=Ratio(1, 9), reopened=0, longest_run=run, present_run=0, run=(1, 2)
    )


def rule(right: int, false: int) -> RuleCount:
    return RuleCount("r", NAME, right + false, right, false, 0, 0)


def mixed(lifts: int, others: int) -> list[Order]:
    return [order() for _ in range(lifts)] + [order(kind="gate", building="2号楼") for _ in range(others)]


def twice(n: int, of: int) -> list[Order]:
    done = order().handlings[0]
    return [order(handlings=(done, done)) for _ in range(n)] + [order() for _ in range(of - n)]


def voices(missed: int, unwatched: int) -> Voices:
    by_asset = [(NAME, missed)] if missed else []
    return Voices((), 1, 0, 0, missed, unwatched, 0, None, by_asset, 0, "precomplaint rules backtest")


def told(state: str, nobody: int = 0) -> Told:
    return Told(9, nobody, 0, (("lobby", state, 3),), (), {})


def flood(peak: int, percent: float = 0.1) -> dict[str, object]:
    return {"flood_percent": percent, "peak_in_10min": peak}


@pytest.mark.parametrize(
    ("key", "enough", "too_little", "number"),
    [
        ("undelivered", {"told": told("parked")}, {"told": told("delivered")}, "× 3"),
        ("nobody", {"told": told("delivered", 4)}, {"told": told("delivered")}, "4"),
        ("refused", {"orders": [order(status=OrderStatus.PARKED)]}, {"orders": [order()]}, "1"),
        ("team", {"teams": [team(3)]}, {"teams": [team(2)]}, "11 % (1/9)"),
        ("unattended", {"teams": [team(3, "")]}, {"teams": [team(2, "")]}, "3"),
        ("promise", {"kept": [kept(8, 1)]}, {"kept": [kept(9, 1)]}, "89 % (8/9)"),
        ("promise", {"kept": [kept(0, 5)]}, {"kept": [kept(0, 4)]}, "0 % (0/5)"),
        ("missed", {"voices": voices(2, 0)}, {"voices": voices(0, 0)}, "2"),
        ("unwatched", {"voices": voices(0, 2)}, {"voices": voices(0, 0)}, "2"),
        ("kind", {"orders": mixed(5, 5)}, {"orders": mixed(4, 5)}, "50 % (5/10)"),
        ("kind", {"orders": mixed(9, 1)}, {"orders": mixed(9, 1), "kinds": 1}, "90 % (9/10)"),
        ("building", {"orders": mixed(8, 2)}, {"orders": mixed(8, 2), "buildings": 2}, "80 % (8/10)"),
        ("recurring", {"orders": [order(repeat=True)] * 2}, {"orders": [order(repeat=True)]}, "2"),
        ("false", {"rules": [rule(4, 2)]}, {"rules": [rule(5, 2)]}, "33 % (2/6)"),
        ("false", {"rules": [rule(0, 2)]}, {"rules": [rule(0, 1)]}, "100 % (2/2)"),
        ("rework", {"orders": twice(2, 10)}, {"orders": twice(2, 11)}, "20 % (2/10)"),
        ("shadow", {"alarms": [alarm(n) for n in range(10)]}, {"alarms": [alarm(n) for n in range(9)]}, "10"),
        ("flood", {"kpi": flood(11)}, {"kpi": flood(10)}, "11"),
        ("flood", {"kpi": flood(3, 1.0)}, {"kpi": flood(3, 0.9)}, "1 %"),
        ("undecided", {"orders": [order(undecided=True)]}, {"orders": [order()]}, "#1"),
    ],
)
def test_a_threshold(key: str, enough: dict[str, Any], too_little: dict[str, Any], number: str) -> None:
    """Said once at the threshold with the number in both languages; not below it."""
    found = _of(key, replace(NOTHING, **enough))
    assert found
    for one in found[:1]:
        assert number in one.text.zh
        assert number in one.text.en
    assert _of(key, replace(NOTHING, **too_little)) == []


def test_a_quiet_month_suggests_nothing() -> None:
    """No advice for its own sake."""
    assert suggestions(NOTHING) == []


def test_lifts_are_told_without_a_benchmark() -> None:
    """The share, that no comparable figure is known, and what to consider."""
    (found,) = _of("kind", replace(NOTHING, orders=mixed(8, 2)))

    assert found.text.zh == "电梯类占 80 % (8/10)（同类小区基准未知）→ 建议加密维保或评估更换。"


def test_a_false_alarm_brings_its_commands() -> None:
    """As they are given for the rule."""
    (found,) = _of("false", replace(NOTHING, rules=[rule(0, 3)], commands={"r": ("precomplaint rules explain 3",)}))

    assert found.commands == ("precomplaint rules explain 3",)


def _of(key: str, evidence: Evidence) -> list[Suggestion]:
    return [one for one in suggestions(evidence) if one.key == key]
