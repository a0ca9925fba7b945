"""Work orders on their way: deadlines, second handling, recurrence, and who is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.documents import build, read
from daemon.model import Command, Level, OrderStatus, TicketUpdate
from daemon.pipeline import Pipeline
from daemon.settings import shipped
from daemon.store import courses
from daemon.store.db import connect
from daemon.workorders.sla import Sla
from tests.many_assets import RULES, at, begun, process, rows, ruleset, says, tick

SLA = build(Sla, read(shipped() / "sla" / "residential.yaml"))
MIN = 60


@pytest.fixture
def spine(tmp_path: Path) -> Pipeline:
    spine = begun([ruleset(tmp_path)])
    spine.respond_by(SLA)
    return spine


def ticket(spine: Pipeline, seconds: float, key: str, status: OrderStatus) -> None:
    process(spine, TicketUpdate(at(seconds), key, status, "li"))


def key_of(spine: Pipeline, alarm: int = 1) -> str:
    return str(spine.db.execute("SELECT order_key FROM alarm WHERE no = ?", (alarm,)).fetchone()[0])


def timeline(spine: Pipeline, key: str) -> list[tuple[float, str]]:
    return [((e.at - at(0)).total_seconds() / MIN, e.occasion) for e in courses.events(spine.db, key)]


def told(spine: Pipeline, role: str) -> list[str]:
    """The occasions of which a role is told."""
    found = rows(spine, "SELECT occasion, roles FROM notice ORDER BY id")
    return [occasion for occasion, roles in found if role in orjson.loads(roles)]


def notes(spine: Pipeline) -> list[tuple[str, str]]:
    found = [
        orjson.loads(body) for (body,) in rows(spine, "SELECT body FROM outbox WHERE action != 'create' ORDER BY id")
    ]
    return [(note["kind"], note["text"]["en"]) for note in found]


def bad(spine: Pipeline, minutes: float = 0) -> str:
    """A Level I order, opened at that minute; its key."""
    process(spine, says(minutes * MIN, "L0", state="worse"))
    (no,) = rows(spine, "SELECT max(no) FROM alarm")[0]
    return key_of(spine, no)


def test_nobody_responds(spine: Pipeline) -> None:
    """Warned at 10 min, overdue at 15, headquarters again at 30; the ticket and the right people are told."""
    key = bad(spine)

    process(spine, *(tick(n * MIN) for n in range(1, 61)))

    assert timeline(spine, key) == [(0, "created"), (10, "warned"), (15, "overdue"), (30, "overdue")]
    assert told(spine, "headquarters") == ["created", "overdue", "overdue"]
    assert told(spine, "supervisor") == ["created", "warned", "overdue", "overdue"]
    assert told(spine, "residents") == []
    assert notes(spine) == [("update", "Overdue: Respond within 15 min")] * 2


def test_residents_hear_once_somebody_has_accepted(spine: Pipeline) -> None:
    """Nothing before; then place, fact and promise, and no number, rule or name."""
    key = bad(spine)

    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)

    assert told(spine, "residents") == ["accepted"]
    (body,) = [orjson.loads(b) for (b,) in rows(spine, "SELECT body FROM notice WHERE occasion = 'accepted'")]
    assert body["residents"]["en"].startswith("L0: Something unusual was noticed; a technician has taken it on.")
    assert "fault" not in orjson.dumps(body["residents"]).decode()


@pytest.mark.parametrize(("wish", "hears"), [("at_once", ["created", "accepted"]), ("never", [])])
def test_a_rule_may_wish_otherwise(tmp_path: Path, wish: str, hears: list[str]) -> None:
    """Residents are told at once, or never, where the rule says so."""
    text = RULES.replace("title: {zh: 故障", f"work_order: {{residents: {wish}}}\n    title: {{zh: 故障")
    spine = begun([ruleset(tmp_path, text)])
    spine.respond_by(SLA)
    key = bad(spine)

    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)

    assert told(spine, "residents") == hears


def test_done_and_clear_is_verified(spine: Pipeline) -> None:
    """Fifteen good minutes after the repair; the ticket is told."""
    key = bad(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)
    process(spine, says(18 * MIN, "L0", state="good"), tick(19 * MIN))

    ticket(spine, 20 * MIN, key, OrderStatus.DONE)
    process(spine, tick(60 * MIN))

    assert timeline(spine, key)[-2:] == [(20, "done"), (35, "verified")]
    assert ("verified", "Verified by the sensor") in notes(spine)
    assert rows(spine, "SELECT status, next_at FROM work_order") == [("verified", None)]


def test_done_but_still_bad_is_reopened(spine: Pipeline) -> None:
    """The sensor sees it ten minutes after: second handling, supervisor and project manager are told."""
    key = bad(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)

    ticket(spine, 20 * MIN, key, OrderStatus.DONE)
    process(spine, tick(31 * MIN))

    assert timeline(spine, key)[-1] == (30, "reopened")
    assert ("reopen", "Check failed: second handling") in notes(spine)
    assert rows(spine, "SELECT status FROM work_order") == [("reopened",)]


def test_it_comes_back_while_it_is_checked(spine: Pipeline) -> None:
    """The same order is reopened at once; the new alarm is its child and no order of its own."""
    key = bad(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)
    process(spine, says(10 * MIN, "L0", state="good"), tick(11 * MIN))
    ticket(spine, 20 * MIN, key, OrderStatus.DONE)

    process(spine, says(25 * MIN, "L0", state="worse"), tick(26 * MIN))

    assert timeline(spine, key)[-1] == (25, "reopened")
    assert rows(spine, "SELECT disposition, parent FROM alarm WHERE no = 2") == [("child", 1)]
    ticket(spine, 30 * MIN, key, OrderStatus.ACCEPTED)
    process(spine, says(35 * MIN, "L0", state="good"), tick(36 * MIN))
    ticket(spine, 40 * MIN, key, OrderStatus.DONE)
    process(spine, tick(60 * MIN))
    assert timeline(spine, key)[-1] == (55, "verified")


def test_it_comes_back_in_somebodys_hand(spine: Pipeline) -> None:
    """Accepted, over by itself, and back within two hours: still that order, and it says so."""
    key = bad(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)
    process(spine, says(10 * MIN, "L0", state="good"), tick(11 * MIN))

    process(spine, says(60 * MIN, "L0", state="worse"))

    assert [what for _, what in timeline(spine, key)][-1] == "relapsed"
    assert rows(spine, "SELECT count(*) FROM work_order") == [(1,)]


def test_what_nobody_has_accepted_is_an_order_anew(spine: Pipeline) -> None:
    """An order that nobody holds hides nothing."""
    bad(spine)
    process(spine, says(2 * MIN, "L0", state="good"), tick(3 * MIN))

    bad(spine, 10)

    assert rows(spine, "SELECT count(*) FROM work_order") == [(2,)]


def test_the_third_time_asks_for_the_cause(spine: Pipeline) -> None:
    """Three orders within seven days are linked, and the third brings a root-cause order; a fourth brings none."""
    for day in range(4):
        key = bad(spine, day * 24 * 60)
        begin = day * 24 * 60 * MIN
        ticket(spine, begin + 60, key, OrderStatus.ACCEPTED)
        process(spine, says(begin + 120, "L0", state="good"), tick(begin + 180))
        ticket(spine, begin + 240, key, OrderStatus.DONE)
        process(spine, tick(begin + 3600))

    found = [orjson.loads(body) for (body,) in rows(spine, "SELECT body FROM work_order ORDER BY created_at, rowid")]
    assert [(o["type"], len(o["previous"])) for o in found] == [
        ("pre_complaint", 0),
        ("pre_complaint", 1),
        ("pre_complaint", 2),
        ("root_cause", 3),
        ("pre_complaint", 3),
    ]
    assert found[3]["key"] == found[2]["key"].replace("|fault|", "|fault!root_cause|")
    assert [o["priority"]["score"] for o in found if o["type"] != "root_cause"] == [105, 131, 158, 184]


def test_a_service_that_refuses_is_told_to_a_person(spine: Pipeline) -> None:
    """The order is parked: supervisor, project manager and headquarters know, and its deadlines go on."""
    key = bad(spine)

    ticket(spine, 60, key, OrderStatus.PARKED)
    process(spine, tick(16 * MIN))

    assert told(spine, "project_manager") == ["parked", "overdue"]
    assert rows(spine, "SELECT status FROM work_order") == [("parked",)]


def test_persons_at_the_gateway(spine: Pipeline) -> None:
    """Stamps keep promises, a wrong one is audited; a cancelled order asks nothing more."""
    process(spine, says(0, "L0", state="bad"), tick(5))
    key = key_of(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)

    process(spine, Command(at(6 * MIN), "order_stamp", key, "wang", "planned 周三换泵"))
    process(spine, Command(at(7 * MIN), "order_stamp", key, "wang", "planned again"))
    process(spine, Command(at(8 * MIN), "order_stamp", key, "wang", "nonsense"))
    process(spine, Command(at(9 * MIN), "order_cancel", key, "wang", "重复"))
    process(spine, tick(3 * 24 * 3600))

    assert [what for _, what in timeline(spine, key)] == ["created", "accepted", "planned", "planned", "cancelled"]
    assert [detail for (detail,) in rows(spine, "SELECT detail FROM audit WHERE action = 'order_stamp'")][2] == (
        "this order has no stamp 'nonsense'; it knows planned"
    )
    assert rows(spine, "SELECT status, next_at FROM work_order") == [("cancelled", None)]


def test_what_persons_tell_the_ticketing_service(spine: Pipeline) -> None:
    """A milestone keeps its promise once; a remark, or one that nothing waits for, is audited and moves nothing."""
    process(spine, says(0, "L0", state="bad"), tick(5))
    key = key_of(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)

    def progress(minutes: float, stamp: str, note: str = "") -> None:
        status = OrderStatus.ACCEPTED
        process(spine, TicketUpdate(at(minutes * MIN), key, status, "wang", note, at((minutes - 1) * MIN), stamp))

    progress(7, "planned", "周三换泵")
    progress(8, "planned", "周三换泵")
    progress(9, "", "在等配件")
    progress(10, "calmed")
    process(spine, tick(25 * 3600))

    assert timeline(spine, key)[:3] == [(pytest.approx(5 / MIN, abs=1), "created"), (5, "accepted"), (6, "planned")]
    assert "planned" not in [event.promise for event in courses.events(spine.db, key) if event.occasion == "overdue"]
    assert [detail for (detail,) in rows(spine, "SELECT detail FROM audit WHERE action = 'ticket_progress'")] == [
        "planned 周三换泵",
        "planned 周三换泵",
        "在等配件",
        "this order has no stamp 'calmed'; it knows planned",
    ]


def test_progress_after_the_sensor_has_reopened_is_no_repair(spine: Pipeline) -> None:
    """A remark sent while the ticket was still done brings the order no further."""
    key = bad(spine)
    for minutes, status in ((1, OrderStatus.ACCEPTED), (2, OrderStatus.DONE)):
        ticket(spine, minutes * MIN, key, status)
    process(spine, tick(13 * MIN))
    assert rows(spine, "SELECT status FROM work_order") == [("reopened",)]
    process(spine, TicketUpdate(at(14 * MIN), key, OrderStatus.DONE, "wang", "照片", at(14 * MIN), ""))

    assert rows(spine, "SELECT status FROM work_order") == [("reopened",)]


def test_the_gateways_own_troubles_are_not_headquarters_business(spine: Pipeline) -> None:
    """A full disk is told to duty and supervisor."""
    process(spine, Command(at(0), "fault", "gateway.disk_full", "gateway", "2 MB left"))
    process(spine, tick(3 * 3600))

    roles: set[Any] = {role for (roles,) in rows(spine, "SELECT roles FROM notice") for role in orjson.loads(roles)}
    assert roles == {"duty", "supervisor"}


def test_a_kill_between_deadlines_tells_nothing_twice(tmp_path: Path) -> None:
    """The gateway is down from the warning to the second step: each is told once, what passed meanwhile is marked."""
    rules = ruleset(tmp_path)
    spine = begun([rules], tmp_path / "state.db")
    spine.respond_by(SLA)
    key = bad(spine)
    process(spine, tick(11 * MIN))
    spine.db.close()

    again = Pipeline(connect(tmp_path / "state.db"))
    again.respond_by(SLA)
    again.restore()
    process(again, tick(40 * MIN))
    process(again, tick(41 * MIN))

    assert timeline(again, key) == [(0, "created"), (10, "warned"), (15, "overdue"), (30, "overdue")]
    assert [event.late for event in courses.events(again.db, key)] == [False, False, True, True]
    assert rows(again, "SELECT count(*) FROM notice WHERE occasion = 'overdue'") == [(2,)]
    again.db.close()


def test_the_level_of_an_open_order_follows_its_alarm_up(spine: Pipeline) -> None:
    """From II to I: due in fifteen minutes from then, and those of Level I are told."""
    process(spine, says(0, "L0", state="bad"), tick(5))
    key = key_of(spine)

    process(spine, says(10 * MIN, "L0", state="worse"), tick(26 * MIN))

    going = courses.find(spine.db, key)
    assert going is not None
    assert going.course.level is Level.I
    assert told(spine, "headquarters") == ["raised", "overdue"]
