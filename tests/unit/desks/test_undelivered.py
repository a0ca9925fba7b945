"""What the ticketing service refused, or never answered: who is told, and what a person does about it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from daemon.model import Command, OrderStatus, TicketUpdate
from daemon.pipeline import Pipeline
from daemon.store import courses, outbox
from daemon.workorders import doubt
from tests.many_assets import at, begun, process, rows, ruleset, says
from tests.unit.desks.test_orders import SLA, bad, told


@pytest.fixture
def spine(tmp_path: Path) -> Pipeline:
    spine = begun([ruleset(tmp_path)])
    spine.respond_by(SLA)
    return spine


def word(seconds: float, key: str, name: str, detail: str = "why") -> Command:
    return Command(at(seconds), name, key, "gateway", detail)


def last_notice(spine: Pipeline) -> dict[str, dict[str, str]]:
    (body,) = rows(spine, "SELECT body FROM notice ORDER BY id DESC LIMIT 1")[0]
    staff: dict[str, dict[str, str]] = orjson.loads(body)["staff"]
    return staff


def test_a_refusal_is_told_with_the_words_of_the_service(spine: Pipeline) -> None:
    """The supervisor and headquarters hear that nobody has the order, why, and what is to be done first."""
    key = bad(spine)

    refused = TicketUpdate(at(30), key, OrderStatus.PARKED, "gateway", "1003 楼栋编码不存在: HY-B77")
    process(spine, refused, refused._replace(at=at(31)))

    assert told(spine, "supervisor").count("parked") == 1
    assert "parked" in told(spine, "headquarters")
    assert "parked" not in told(spine, "residents")
    assert "请人工派单" in last_notice(spine)["title"]["zh"]
    assert "工单系统：1003 楼栋编码不存在: HY-B77" in last_notice(spine)["text"]["zh"]


@pytest.mark.parametrize("name", doubt.TOLD)
def test_what_the_gateway_tells_of_an_order_is_heard_once(spine: Pipeline, name: str) -> None:
    """In the timeline, in the audit, and by those who hear of a refused order; told again after a crash, not."""
    key = bad(spine)

    process(spine, word(30, key, name), word(31, key, name))

    assert told(spine, "supervisor").count(doubt.TOLD[name]) == 1
    assert ("gateway", name, "why") in rows(spine, "SELECT user, action, detail FROM audit")
    (event,) = [event for event in courses.events(spine.db, key) if event.occasion == doubt.TOLD[name]]
    assert event.detail == "why"
    assert "工单系统：why" in last_notice(spine)["text"]["zh"]


def test_every_repetition_is_told_and_only_the_first_refused_note(spine: Pipeline) -> None:
    """Each repetition may be another ticket; a closed ticket refuses every note for the same reason."""
    key = bad(spine)

    for n in range(3):
        process(spine, word(30 + n, key, doubt.REPEATED, f"{n}"), word(30 + n, key, doubt.NOTE_REFUSED, f"{n}"))

    heard = told(spine, "supervisor")
    assert (heard.count("repeated"), heard.count("note_refused")) == (3, 1)


def test_a_word_about_no_order_is_nothing(spine: Pipeline) -> None:
    """The order may have been forgotten meanwhile."""
    process(spine, word(30, "hy|L0|gone|led|9", doubt.DUPLICATE))

    assert rows(spine, "SELECT count(*) FROM notice") == [(0,)]


def test_a_ticket_that_a_person_found_is_the_orders(spine: Pipeline) -> None:
    """The order counts as sent, and its notes wait for that ticket."""
    key = bad(spine)
    process(spine, TicketUpdate(at(30), key, OrderStatus.PARKED, "gateway", "in doubt"))
    outbox.parked(spine.db, 1, "in doubt", at(30))

    process(spine, Command(at(60), "order_found", key, "li", "WX1"), says(70, "L0", state="worst"))

    assert rows(spine, "SELECT status FROM work_order") == [("sent",)]
    assert [(d.action, d.ref) for d in outbox.due(spine.db, at(90), 9)] in ([], [("update", "WX1")])
    assert rows(spine, "SELECT state, ref FROM outbox WHERE id = 1") == [("delivered", "WX1")]
    assert rows(spine, "SELECT user, detail FROM audit WHERE action = 'order_found'") == [("li", "WX1")]


def test_what_was_not_given_up_is_not_found(spine: Pipeline) -> None:
    """The dispatcher may be about to have an answer of its own."""
    key = bad(spine)

    process(spine, Command(at(60), "order_found", key, "li", "WX1"))

    assert rows(spine, "SELECT state, ref FROM outbox WHERE id = 1") == [("pending", None)]
    assert rows(spine, "SELECT detail FROM audit WHERE action = 'order_found'") == [("nothing was given up",)]


@pytest.mark.parametrize(
    ("category", "never_suppress", "insists"),
    [("safety", "false", 1), ("facility", "true", 1), ("facility", "false", 0)],
)
def test_safety_and_what_nothing_holds_back_insist(
    tmp_path: Path, category: str, never_suppress: str, insists: int
) -> None:
    """Rather two tickets than none."""
    rules = f"""
version: 1
rules:
  - id: fault
    title: {{zh: 故障, en: Fault}}
    applies_to: {{kind: lift}}
    levels: [{{level: I, when: {{point: state, equals: worse}}}}]
    never_suppress: {never_suppress}
    basis: test
    cause: {{zh: 因, en: cause}}
    consequence: {{zh: 果, en: effect}}
    work_order: {{category: {category}, steps: [{{zh: 看, en: look}}]}}
"""
    spine = begun([ruleset(tmp_path, rules)])
    process(spine, says(0, "L0", state="worse"))

    assert rows(spine, "SELECT insist FROM outbox") == [(insists,)]
