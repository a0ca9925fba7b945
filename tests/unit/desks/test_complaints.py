"""Complaints: kept once, judged by what had come before, noted on the open order, counted in priorities."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from daemon.complaint import Complaint
from daemon.model import Command, Observation, OrderStatus, Reading, Reload, TicketUpdate
from daemon.pipeline import Pipeline
from daemon.store import complaints, courses
from daemon.workorders.complaints import Outcome
from daemon.workorders.sla import BARE
from tests.many_assets import RULES, at, begun, process, rows, ruleset, says, tick

HOUR, DAY = 3600, 86_400


@pytest.fixture
def spine(tmp_path: Path) -> Pipeline:
    found = begun([ruleset(tmp_path), ruleset(tmp_path, RULES.replace("id: fault", "id: other"))])
    found.respond_by(BARE)
    return found


def complain(spine: Pipeline, seconds: float, *, ago: float = 0, asset: str = "L0", name: str = "") -> None:
    said = Complaint(
        at(seconds), name or f"C{seconds}", at(seconds - ago), asset, "", "", "safety", "urgent", "wechat", "又停了"
    )
    process(spine, said)


def bad(spine: Pipeline, seconds: float, asset: str = "L0") -> str:
    process(spine, says(seconds, asset, state="bad"), tick(seconds + 5))
    return str(rows(spine, "SELECT max(order_key) FROM alarm WHERE state = 'active'")[0][0])


def good(spine: Pipeline, seconds: float, asset: str = "L0") -> None:
    process(spine, says(seconds, asset, state="good"), tick(seconds + 5))


def outcomes(spine: Pipeline) -> list[str]:
    return [outcome for (outcome,) in rows(spine, "SELECT outcome FROM complaint ORDER BY no")]


def arithmetic(spine: Pipeline, key: str) -> str:
    going = courses.find(spine.db, key)
    assert going is not None
    return str(going.document["priority"]["arithmetic"]["zh"])


def notes(spine: Pipeline) -> list[str]:
    found = [orjson.loads(body) for (body,) in rows(spine, "SELECT body FROM outbox WHERE action = 'update'")]
    return [note["text"]["zh"] for note in found if "投诉" in note["text"]["zh"]]


def test_a_complaint_told_twice_is_one(spine: Pipeline) -> None:
    """The source's name of it decides, whatever else is said the second time."""
    complain(spine, 10, name="C1")
    complain(spine, 20, name="C1", asset="L1")

    (kept,) = complaints.between(spine.db, at(0), at(100))
    assert (kept.id, kept.asset, kept.made_at, kept.taken_at) == ("C1", "L0", at(10), at(10))
    assert (kept.category, kept.urgency, kept.channel, kept.text) == ("safety", "urgent", "wechat", "又停了")


def test_what_could_not_be_placed_counts_once_it_can(spine: Pipeline) -> None:
    """A mended row is imported again: the complaint gets its asset and is judged then, by the moment it was made."""
    complain(spine, 10, name="C1", asset="L99")
    complain(spine, 20, name="C1", asset="L99")
    first = outcomes(spine)
    complain(spine, 30, name="C1", asset="L0", ago=20)

    assert (first, outcomes(spine)) == (["left_out"], ["missed"])
    assert complaints.count_on(spine.db, "L0", at(0), at(30)) == 1


@pytest.mark.parametrize(
    ("made", "outcome", "lead"),
    [
        (99, Outcome.MISSED, None),
        (105, Outcome.DURING, None),  # the order is made at this very moment
        (105.001, Outcome.PREEMPTED, timedelta(milliseconds=1)),
        (300, Outcome.PREEMPTED, timedelta(seconds=195)),
        (305 + DAY, Outcome.PREEMPTED, timedelta(seconds=200 + DAY)),  # the alarm was over at 305
        (305.001 + DAY, Outcome.MISSED, None),
        (-1, Outcome.LEFT_OUT, None),  # nothing was watched yet
    ],
)
def test_what_had_come_before(spine: Pipeline, made: float, outcome: Outcome, lead: timedelta | None) -> None:
    """An order preempts what comes after it, until a day after its alarm; before it the alarm counts for nothing."""
    bad(spine, 100)
    good(spine, 300)
    complain(spine, 3 * DAY, ago=3 * DAY - made)

    (kept,) = complaints.newest(spine.db, 10)
    assert (kept.outcome, kept.lead) == (outcome, lead)
    assert bool(kept.order) is (outcome is Outcome.PREEMPTED)


def test_a_withheld_alarm_is_no_miss_and_no_merit(spine: Pipeline) -> None:
    """The sensor saw it, and nobody was sent: complained of during the alarm."""
    process(spine, Command(at(1), "maintain", "L0", "li", "yearly", at(DAY)))
    bad(spine, 100)
    complain(spine, 200)

    assert outcomes(spine) == ["during"]


def test_complaints_weigh_in_the_priority_of_the_next_order(spine: Pipeline) -> None:
    """Two within thirty days make ×1.2; what is older, or about another asset, counts for nothing."""
    complain(spine, 1, ago=31 * DAY)
    complain(spine, 2, ago=29 * DAY)
    complain(spine, 3)
    complain(spine, 4, asset="L1")
    key = bad(spine, 100)

    assert "投诉 1.2（近 30 天投诉 2 次）= 32" in arithmetic(spine, key)  # 25 × 1.05 × 1 × 1.2


def test_what_is_complained_of_after_the_alarm_weighs_nothing_in_its_order(spine: Pipeline) -> None:
    """The alarm's own moment counts, however late its readings come."""
    complain(spine, 120)
    readings = tuple(Reading("L0.state", at(n), "bad", at(130)) for n in (100, 106, 112))
    process(spine, Observation(at(130), "L0/d", readings), tick(140))
    (key,) = rows(spine, "SELECT max(order_key) FROM alarm WHERE state = 'active'")[0]

    assert "近 30 天投诉 0 次" in arithmetic(spine, str(key))


def test_a_complaint_raises_nothing_by_itself(spine: Pipeline) -> None:
    """No alarm, no order, no level, no notice."""
    key = bad(spine, 100)
    before = rows(spine, "SELECT level, status FROM work_order"), rows(spine, "SELECT count(*) FROM notice")
    for n in range(10):
        complain(spine, 200 + n)
    complain(spine, 300, asset="L1")

    assert (rows(spine, "SELECT level, status FROM work_order"), rows(spine, "SELECT count(*) FROM notice")) == before
    assert rows(spine, "SELECT count(*) FROM alarm") == [(1,)]
    assert "近 30 天投诉 0 次" in arithmetic(spine, key)


def test_the_open_order_is_told_five_times_a_day(spine: Pipeline) -> None:
    """The fifth note says that it is the last; the next day's first tells by its number how many there were."""
    key = bad(spine, 100)
    for n in range(8):
        complain(spine, 200 + n)
    complain(spine, 200 + DAY)

    said = notes(spine)
    assert [text.partition("：")[0] for text in said] == [f"住户投诉（本单第 {n} 起）" for n in (1, 2, 3, 4, 5, 9)]
    assert [("只计数" in text) for text in said] == [False] * 4 + [True, False]
    assert "安全，紧急，渠道 微信" in said[0]
    assert not any("又停了" in text for text in said)
    assert complaints.count_of_order(spine.db, key) == 9
    assert [e.detail for e in courses.events(spine.db, key)][-1] == "#9 安全，紧急，渠道 微信"


def test_an_old_complaint_is_not_noted_on_an_order_of_today(spine: Pipeline) -> None:
    """What was made more than a day before the order had nothing to do with it; nor what is closed with anything."""
    key = bad(spine, 3 * DAY)
    complain(spine, 3 * DAY + 60, ago=2 * DAY)
    complain(spine, 3 * DAY + 70, ago=DAY / 2)
    process(spine, TicketUpdate(at(3 * DAY + 80), key, OrderStatus.REJECTED, "li"))
    complain(spine, 3 * DAY + 90)

    assert len(notes(spine)) == 1


def test_a_child_s_complaint_stands_on_its_parent_s_order(spine: Pipeline) -> None:
    """In a storm the one order is where people look."""
    for n in range(12):
        process(spine, says(100, f"L{n}", state="bad"))
    process(spine, tick(106))
    ((child, parent),) = rows(spine, "SELECT asset, parent FROM alarm WHERE disposition = 'child' LIMIT 1")
    complain(spine, 200, asset=child)

    (kept,) = complaints.newest(spine.db, 1)
    above = spine.ledger.alarm(parent)
    assert above is not None
    assert (kept.noted_on, kept.outcome) == (above.order_key, Outcome.DURING)


def test_complaints_survive_a_reload_and_a_rule_that_is_gone(spine: Pipeline, tmp_path: Path) -> None:
    """An order of a rule that no longer exists still had been made before the complaint."""
    bad(spine, 100)
    process(spine, Reload(at(200), ruleset(tmp_path, RULES.replace("id: fault", "id: other")).hash))
    complain(spine, 300)

    assert outcomes(spine) == ["preempted"]
