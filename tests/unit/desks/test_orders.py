"""Work orders on their way: deadlines, second handling, recurrence, and who is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.documents import build, read
from daemon.model import Command, Level, Observation, OrderStatus, Reload, TicketUpdate
from daemon.pipeline import Pipeline
from daemon.rules.engine import RESET, reset_target
from daemon.settings import shipped
from daemon.store import courses, outbox
from daemon.store.db import connect
from daemon.store.statements import load
from daemon.workorders.notices import told_as
from daemon.workorders.sla import Sla
from tests.many_assets import (
    RULES,
    at,
    begun,
    end_maintenance,
    maintain,
    process,
    rows,
    ruleset,
    says,
    shelve,
    tick,
)

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


def test_a_person_may_find_the_repair_good(spine: Pipeline) -> None:
    """The timeline and the notices do not claim that a sensor did; the ticket knows already."""
    key = bad(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)
    ticket(spine, 20 * MIN, key, OrderStatus.DONE)
    ticket(spine, 21 * MIN, key, OrderStatus.VERIFIED)

    (line,) = [e for e in courses.events(spine.db, key) if e.occasion == "verified"]
    assert told_as(line.occasion, line.by).en == "Confirmed by a person"
    bodies = rows(spine, "SELECT CAST(body AS TEXT) FROM notice WHERE occasion = 'verified'")
    assert len(bodies) == 1
    assert "人工确认完成" in bodies[0][0]
    assert [kind for kind, _ in notes(spine)] == []


def test_data_that_goes_within_the_span_begins_it_anew(tmp_path: Path) -> None:
    """Lost at 25 min, back at 27: verified fifteen minutes after that, and not at 35."""
    spine = begun([ruleset(tmp_path)])
    spine.respond_by(SLA)
    key = bad(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)
    process(spine, says(10 * MIN, "L0", state="good"), tick(11 * MIN))
    ticket(spine, 20 * MIN, key, OrderStatus.DONE)
    process(spine, Observation(at(25 * MIN), "L0/d", (), gone=True), tick(26 * MIN))
    process(spine, says(27 * MIN, "L0", state="good", door="free"))
    process(spine, tick(60 * MIN))

    assert timeline(spine, key)[-3:] == [(20, "done"), (25, "unseen"), (42, "verified")]


def test_a_link_that_flaps_is_told_six_times_a_day(spine: Pipeline) -> None:
    """On the ticket, the timeline and to people; the last one says so, the next day it is told again."""
    key = bad(spine)
    for day in range(2):
        for n in range(20):
            begin = day * 86_400 + 60 * n
            process(spine, Observation(at(begin + 10), "L0/d", (), gone=True), says(begin + 20, "L0", state="worse"))

    lines = [what for _, what in timeline(spine, key) if what.startswith("data_")]
    assert lines == ["data_lost", "data_back"] * 6
    said = [text for kind, text in notes(spine) if "data" in text.lower()]
    assert len(said) == 12
    assert [n for n, text in enumerate(said) if "counted only" in text] == [5, 11]
    assert len(rows(spine, "SELECT 1 FROM notice WHERE occasion IN ('data_lost', 'data_back')")) <= 12
    assert courses.data_losses(spine.db, 1) == 40


def test_a_receipt_stands_on_the_timeline(spine: Pipeline) -> None:
    """Once, with the ticket's number; a promise that `sent` keeps is kept."""
    key = bad(spine)
    for n in range(2):
        receipt = TicketUpdate(at(60 + n), key, OrderStatus.SENT, "gateway", "T000001", at(55), "sent")
        process(spine, receipt)

    (line,) = [e for e in courses.events(spine.db, key) if e.occasion == "sent"]
    assert (line.at, line.by, line.detail) == (at(55), "gateway", "T000001")
    assert rows(spine, "SELECT status FROM work_order") == [("sent",)]
    assert rows(spine, "SELECT action FROM audit WHERE action LIKE 'ticket%'") == []


def test_done_but_still_bad_is_reopened(spine: Pipeline) -> None:
    """The sensor sees it ten minutes after: second handling, supervisor and project manager are told."""
    key = bad(spine)
    ticket(spine, 5 * MIN, key, OrderStatus.ACCEPTED)

    ticket(spine, 20 * MIN, key, OrderStatus.DONE)
    process(spine, tick(31 * MIN))

    assert timeline(spine, key)[-1] == (30, "reopened")
    assert ("reopen", "Check failed: second handling") in notes(spine)
    assert rows(spine, "SELECT status FROM work_order") == [("reopened",)]


def test_the_team_that_a_ticket_goes_to_is_remembered(spine: Pipeline) -> None:
    """The last one that the service named; a change that names none leaves it."""
    key = bad(spine)
    for n, (status, team) in enumerate([("sent", "lifts"), ("accepted", "pumps"), ("arrived", "")]):
        process(spine, TicketUpdate(at(n * MIN), key, OrderStatus(status), "li", team=team))

    assert rows(spine, "SELECT team FROM work_order") == [("pumps",)]


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


def handled(spine: Pipeline, minutes: float, key: str) -> None:
    """Accepted, the sensor clear, done: a minute each."""
    ticket(spine, minutes * MIN, key, OrderStatus.ACCEPTED)
    process(spine, says((minutes + 1) * MIN, "L0", state="good", door="free"), tick((minutes + 1) * MIN + 30))
    ticket(spine, (minutes + 2) * MIN, key, OrderStatus.DONE)


def test_a_relapse_with_an_order_of_its_own_ends_for_both(spine: Pipeline) -> None:
    """Never suppressed: the old order is reopened once; the repair that ends the new alarm is good for the old one."""
    process(spine, says(0, "L0", door="stuck"))
    old = key_of(spine)
    handled(spine, 1, old)
    process(spine, says(5 * MIN, "L0", door="stuck"))
    assert timeline(spine, old)[-1] == (5, "reopened")

    handled(spine, 10, old)
    process(spine, tick(60 * MIN))

    assert [what for _, what in timeline(spine, old)].count("reopened") == 1
    assert timeline(spine, old)[-1] == (27, "verified")


def test_a_relapse_that_is_shelved_ends_for_its_order(spine: Pipeline) -> None:
    """The alarm that came back has no order; the one that was judged learns when it is over all the same."""
    process(spine, says(0, "L0", state="bad"), tick(5))
    key = key_of(spine)
    handled(spine, 1, key)
    process(spine, shelve(4 * MIN, "L0", 3600), says(5 * MIN, "L0", state="bad"), tick(6 * MIN))
    assert [what for _, what in timeline(spine, key)][-1] == "reopened"

    handled(spine, 10, key)
    process(spine, tick(50 * MIN))

    assert [what for _, what in timeline(spine, key)].count("reopened") == 1
    assert [what for _, what in timeline(spine, key)][-1] == "verified"


def test_a_removed_rule_verifies_nothing(tmp_path: Path) -> None:
    """No sensor follows the order any more: a person decides."""
    both = ruleset(tmp_path)
    (tmp_path / "less").mkdir()
    less = ruleset(tmp_path / "less", RULES.replace("id: fault", "id: other"))
    spine = begun([both, less])
    spine.respond_by(SLA)
    key = bad(spine)
    ticket(spine, 1 * MIN, key, OrderStatus.ACCEPTED)
    process(spine, Reload(at(2 * MIN), less.hash))

    ticket(spine, 3 * MIN, key, OrderStatus.DONE)
    process(spine, tick(10 * 60 * MIN))

    assert timeline(spine, key)[-1] == (243, "undecided")


def test_no_sensor_judges_a_root_cause(spine: Pipeline) -> None:
    """Its answer is a person's to judge, and residents hear nothing of it."""
    for day in range(3):
        handled(spine, day * 1440 + 1, bad(spine, day * 1440))
        process(spine, tick((day * 1440 + 60) * MIN))
    (key,) = rows(spine, "SELECT key FROM work_order WHERE rule LIKE '%!root_cause'")[0]

    ticket(spine, 3000 * MIN, key, OrderStatus.DONE)
    process(spine, tick(4000 * MIN))

    assert timeline(spine, key)[-1] == (3240, "undecided")


def test_a_root_cause_is_asked_for_once(spine: Pipeline) -> None:
    """A fourth order within the hour is the same occurrence, again the third: no second inquiry."""
    for minutes in (0, 100, 200, 235):
        bad(spine, minutes)
        process(spine, says((minutes + 2) * MIN, "L0", state="good"), tick((minutes + 3) * MIN))

    assert rows(spine, "SELECT count(*) FROM work_order WHERE rule LIKE '%!root_cause'") == [(1,)]


def test_what_is_true_again_is_not_verified(tmp_path: Path) -> None:
    """At the moment of judgement the condition holds already, but not yet for long enough to be an alarm."""
    spine = begun([ruleset(tmp_path, RULES.replace("for: 5s, clear", "for: 5min, clear"))])
    spine.respond_by(SLA)
    process(spine, says(0, "L0", state="bad"), tick(5 * MIN))
    key = key_of(spine)
    handled(spine, 6, key)

    process(spine, says(22 * MIN, "L0", state="bad"), tick(40 * MIN))

    assert [what for _, what in timeline(spine, key)][-2:] == ["done", "reopened"]


def test_an_order_left_to_a_person_mutes_nothing_for_ever(spine: Pipeline) -> None:
    """Undecided and never closed: what comes a day later is an order of its own."""
    key = bad(spine)
    for minutes in (10, 40, 70):
        ticket(spine, minutes * MIN, key, OrderStatus.ACCEPTED)
        ticket(spine, (minutes + 1) * MIN, key, OrderStatus.DONE)
    process(spine, tick(90 * MIN))
    assert timeline(spine, key)[-1][1] == "undecided"
    process(spine, says(100 * MIN, "L0", state="good"), tick(101 * MIN))

    bad(spine, 2000)

    assert rows(spine, "SELECT count(*) FROM work_order") == [(2,)]


def test_its_last_coming_counts_for_the_same_order(spine: Pipeline) -> None:
    """In hand, back and over every hour: still one order after three hours."""
    key = bad(spine)
    ticket(spine, MIN, key, OrderStatus.ACCEPTED)
    for hour in range(5):
        process(spine, says((60 * hour + 10) * MIN, "L0", state="good"), tick((60 * hour + 11) * MIN))
        process(spine, says((60 * hour + 60) * MIN, "L0", state="worse"))

    assert rows(spine, "SELECT count(*) FROM work_order") == [(1,)]


def test_old_news_told_twice_ends_no_second_handling(spine: Pipeline) -> None:
    """The page with `done` is told again after a crash, when the order was reopened meanwhile: nothing moves."""
    key = bad(spine)
    ticket(spine, 1 * MIN, key, OrderStatus.ACCEPTED)
    done = TicketUpdate(at(20 * MIN), key, OrderStatus.DONE, "li", changed_at=at(19 * MIN))
    process(spine, done, tick(31 * MIN))
    assert timeline(spine, key)[-1] == (29, "reopened")

    process(spine, done._replace(at=at(32 * MIN)), tick(44 * MIN))

    assert [what for _, what in timeline(spine, key)].count("reopened") == 1
    assert rows(spine, "SELECT status FROM work_order") == [("reopened",)]


def test_the_echo_of_a_reopening_leaves_it_reopened(spine: Pipeline) -> None:
    """The ticketing service tells that the ticket is open again: its alarm coming back stays on it."""
    key = bad(spine)
    ticket(spine, 1 * MIN, key, OrderStatus.ACCEPTED)
    ticket(spine, 20 * MIN, key, OrderStatus.DONE)
    process(spine, tick(31 * MIN))

    ticket(spine, 32 * MIN, key, OrderStatus.SENT)

    assert rows(spine, "SELECT status FROM work_order") == [("reopened",)]


def test_what_was_refused_and_then_taken_is_sent(spine: Pipeline) -> None:
    """A kill between the refusal's input and its mark: the next try is taken, and the order is no longer parked."""
    key = bad(spine)
    ticket(spine, 60, key, OrderStatus.PARKED)
    ((create,),) = rows(spine, "SELECT id FROM outbox WHERE action = 'create'")

    outbox.delivered(spine.db, create, "T-1", at(70))
    process(spine, tick(16 * MIN))

    assert rows(spine, "SELECT status FROM work_order") == [("sent",)]


def test_an_order_that_begins_blind_is_not_found_bad(spine: Pipeline) -> None:
    """Maintained, its data lost, released: the repair is neither good nor bad as long as nothing is known."""
    process(spine, maintain(0, "L0", 30 * 24 * 3600), says(1, "L0", state="worse"), tick(10))
    day = 24 * 3600
    process(spine, *(tick(n * 3600) for n in range(1, 24 * 6)), end_maintenance(6 * day, "L0"))
    ((key,),) = rows(spine, "SELECT key FROM work_order WHERE rule = 'fault'")
    assert rows(spine, "SELECT data FROM alarm WHERE rule = 'fault'") == [("unknown",)]

    ticket(spine, 6 * day + 60, key, OrderStatus.DONE)
    process(spine, tick(6 * day + 3600))

    assert "reopened" not in [what for _, what in timeline(spine, key)]


def test_a_stamp_revives_nothing_that_was_cancelled(spine: Pipeline) -> None:
    """A person stamps a cancelled order: nothing is due again."""
    process(spine, says(0, "L0", state="bad"), tick(5))
    key = key_of(spine)
    process(spine, Command(at(60), "order_cancel", key, "wang", "重复"))

    process(spine, Command(at(61), "order_stamp", key, "wang", "planned"), tick(10 * 24 * 3600))

    assert [what for _, what in timeline(spine, key)] == ["created", "cancelled", "planned"]
    assert rows(spine, "SELECT next_at FROM work_order") == [(None,)]


def test_no_plan_is_asked_for_what_is_mended(spine: Pipeline) -> None:
    """Level II, done and verified the same day without a word about plans: nobody is bothered the day after."""
    process(spine, says(0, "L0", state="bad"), tick(5))
    key = key_of(spine)

    handled(spine, 10, key)
    process(spine, tick(10 * 24 * 3600))

    assert "overdue" not in [what for _, what in timeline(spine, key)]
    assert rows(spine, "SELECT status, next_at FROM work_order") == [("verified", None)]


def test_residents_hear_nothing_of_the_gateways_troubles(tmp_path: Path) -> None:
    """Whatever the rule wishes for its orders: its root-cause order is the house's own business."""
    text = RULES.replace("title: {zh: 故障", "work_order: {residents: at_once}\n    title: {zh: 故障")
    spine = begun([ruleset(tmp_path, text)])
    spine.respond_by(SLA)

    for minutes in (0, 100, 200):
        bad(spine, minutes)
        process(spine, says((minutes + 2) * MIN, "L0", state="good"), tick((minutes + 3) * MIN))

    assert rows(spine, "SELECT count(*) FROM work_order") == [(4,)]
    assert told(spine, "residents") == ["created"] * 3


@pytest.mark.parametrize("name", ["soonest", "due", "in_hand", "before"])
def test_what_each_input_asks_uses_an_index(spine: Pipeline, name: str) -> None:
    """However many orders there are."""
    query = load("courses")[name]
    plan = spine.db.execute(f"EXPLAIN QUERY PLAN {query}", [None] * query.count("?")).fetchall()

    assert "order_" in plan[0][3], plan


LATCHED = RULES.replace("id: fault", "id: fault\n    latch: true", 1)


def latched(directory: Path, done: float) -> tuple[Pipeline, str]:
    """A latched alarm that has ended two minutes after it came, its order done at that minute."""
    spine = begun([ruleset(directory, LATCHED)])
    spine.respond_by(SLA)
    key = bad(spine)
    process(spine, says(2 * MIN, "L0", state="good"), tick(3 * MIN))
    ticket(spine, 4 * MIN, key, OrderStatus.ACCEPTED)
    process(spine, TicketUpdate(at(done * MIN), key, OrderStatus.DONE, "li", changed_at=at(5 * MIN)))
    return spine, key


@pytest.mark.parametrize("known", [5, 30])
def test_what_is_latched_is_no_failed_repair(tmp_path: Path, known: float) -> None:
    """It waits for its reset, at once or late, and is judged from then on."""
    spine, key = latched(tmp_path, known)
    process(spine, tick(60 * MIN))

    process(spine, Command(at(60 * MIN), RESET, reset_target(1, "fault", "L0"), "li", "looked at"), tick(90 * MIN))

    assert [what for _, what in timeline(spine, key)][-1] == "verified"
    assert "reopened" not in [what for _, what in timeline(spine, key)]


def test_what_nobody_resets_is_left_to_a_person(tmp_path: Path) -> None:
    """No order is judged for ever."""
    spine, key = latched(tmp_path, 5)

    process(spine, tick(1000 * MIN))

    assert timeline(spine, key)[-1] == (245, "undecided")


def test_a_latched_fault_that_is_back_was_no_repair(tmp_path: Path) -> None:
    """At once, when its time is over."""
    spine, key = latched(tmp_path, 5)

    process(spine, tick(30 * MIN), says(31 * MIN, "L0", state="worse"))

    assert timeline(spine, key)[-1] == (31, "reopened")
