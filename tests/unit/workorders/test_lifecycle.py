"""The life of an order: what persons, the sensor and time make of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from daemon.documents import build, read
from daemon.model import Level, OrderStatus
from daemon.settings import shipped
from daemon.workorders.course import Act, Course
from daemon.workorders.lifecycle import LifeCycle
from daemon.workorders.promises import on_time
from daemon.workorders.sla import Sla

SLA = build(Sla, read(shipped() / "sla" / "residential.yaml"))
LIFE = LifeCycle(SLA, SLA.calendar_in("Asia/Shanghai"))
T0 = datetime(2026, 11, 23, 2, tzinfo=UTC)
MIN = timedelta(minutes=1)


class Story:
    """An order and what was asked for so far, told in minutes since its creation."""

    def __init__(self, level: Level = Level.I, *, life: LifeCycle = LIFE, procedure: str = "") -> None:
        self.life = life
        self.told: list[Act] = []
        self.course = self._note(life.begin(level, T0, procedure=procedure))

    def _note(self, moved: tuple[Course, tuple[Act, ...]]) -> Course:
        self.course, acts = moved
        self.told += acts
        assert Course.from_json(json.loads(json.dumps(self.course.to_json()))) == self.course
        return self.course

    def until(self, minutes: float, *, sees: bool = True) -> None:
        at = T0 + minutes * MIN
        while (due := self.course.next_at) is not None and due <= at:
            self._note(self.life.run_out(self.course, due, due, sees=sees))

    def ticket(self, minutes: float, status: OrderStatus) -> None:
        self.until(minutes)
        self._note(self.life.ticket(self.course, status, T0 + minutes * MIN, T0 + minutes * MIN))

    def cleared(self, minutes: float) -> None:
        self.until(minutes)
        self._note(self.life.cleared(self.course, T0 + minutes * MIN, T0 + minutes * MIN))

    def active(self, minutes: float, *, blind: bool = False) -> None:
        self.until(minutes)
        self._note(self.life.active(self.course, T0 + minutes * MIN, blind=blind))

    def seen(self, minutes: float, *, sees: bool, watched: bool = True) -> None:
        self.until(minutes)
        self._note(self.life.seen(self.course, T0 + minutes * MIN, sees=sees, watched=watched))

    def delivered(self, minutes: float) -> None:
        self.until(minutes)
        self._note(self.life.delivered(self.course, T0 + minutes * MIN, T0 + minutes * MIN))

    def raised(self, minutes: float, level: Level) -> None:
        self.until(minutes)
        self._note(self.life.raised(self.course, level, T0 + minutes * MIN))

    @property
    def occasions(self) -> list[tuple[float, str, str]]:
        return [((act.at - T0) / MIN, act.occasion, act.promise) for act in self.told]


def test_accepted_in_time_nobody_is_bothered() -> None:
    """Accepted after five minutes, on site after twenty, done, and the sensor agrees: no warning, nothing missed."""
    story = Story()

    story.ticket(5, OrderStatus.ACCEPTED)
    story.ticket(20, OrderStatus.ARRIVED)
    story.cleared(50)
    story.ticket(60, OrderStatus.DONE)
    story.until(600)

    assert story.occasions == [
        (0, "created", ""), (5, "accepted", ""), (20, "arrived", ""), (50, "recovered", ""), (60, "done", ""),
        (75, "verified", ""),
    ]  # fmt: skip
    assert story.course.status is OrderStatus.VERIFIED
    assert story.course.next_at is None
    assert on_time(story.course) == {"respond": True, "arrive": True, "resolve": True}


def test_overdue_warns_then_climbs_each_step_once() -> None:
    """Nobody accepts: a warning at 10 min, missed at 15 with project manager and headquarters, headquarters at 30."""
    story = Story()

    story.until(120)
    story.until(240)

    respond = [(m, what) for m, what, promise in story.occasions if promise == "respond"]
    assert respond == [(10, "warned"), (15, "overdue"), (30, "overdue")]
    assert [act.to for act in story.told if act.occasion == "overdue"] == [
        ("project_manager", "headquarters"),
        ("headquarters",),
    ]


def test_what_is_noticed_late_is_told_once_and_marked() -> None:
    """The gateway was down for two hours: the missed deadline is told, marked late, and no stale warning."""
    story = Story()
    at = T0 + 120 * MIN

    while (due := story.course.next_at) is not None and due <= at:
        story.course, acts = LIFE.run_out(story.course, due, at, sees=True)
        story.told += acts

    assert [(act.occasion, act.late) for act in story.told[1:]] == [("overdue", True), ("overdue", True)]


def test_done_but_still_bad_is_reopened_one_level_up() -> None:
    """A Level II repair that the sensor does not see within ten minutes is a second handling at Level I."""
    story = Story(Level.II)

    story.ticket(5, OrderStatus.ACCEPTED)
    story.ticket(60, OrderStatus.DONE)
    story.until(71)

    assert story.occasions[-1:] == [(70, "reopened", "")]
    assert story.told[-1].to == ("supervisor",)
    assert (story.course.status, story.course.level, story.course.rounds) == (OrderStatus.REOPENED, Level.I, 1)
    respond = next(promise for promise in story.course.promises if promise.id == "respond")
    assert respond.due == T0 + 85 * MIN


def test_a_handling_that_did_not_hold_is_remembered() -> None:
    """Its level, stamps and promises as they stood stay on the course, over the ledger too."""
    story = Story(Level.II)
    story.ticket(5, OrderStatus.ACCEPTED)
    story.ticket(60, OrderStatus.DONE)
    before = story.course

    story.until(71)

    (first,) = Course.from_json(story.course.to_json()).past
    assert (first.level, first.stamps) == (Level.II, before.stamps)
    assert {promise.id: promise.kept_at for promise in first.promises} == {
        "respond": T0 + 5 * MIN,
        "plan": T0 + 60 * MIN,
        "resolve": T0 + 60 * MIN,
    }


def test_a_level_i_order_that_fails_twice_is_for_a_person() -> None:
    """From Level I it climbs the chain instead; after two second handlings a person decides, told once."""
    story = Story(Level.I)

    for n in range(3):
        story.ticket(5 + 60 * n, OrderStatus.ACCEPTED)
        story.ticket(20 + 60 * n, OrderStatus.DONE)
        story.until(31 + 60 * n)
    story.until(400)
    story.cleared(410)
    story.until(3000)

    assert [(m, what) for m, what, _ in story.occasions if what in {"reopened", "undecided", "verified"}] == [
        (30, "reopened"),
        (90, "reopened"),
        (150, "undecided"),
    ]
    assert [act.to for act in story.told if act.occasion == "reopened"] == [
        ("supervisor", "project_manager"),
        ("supervisor", "project_manager", "headquarters"),
    ]
    assert story.course.status is OrderStatus.VERIFYING


def test_a_relapse_while_verifying_reopens_at_once() -> None:
    """It was clear for ten of fifteen minutes, then it came back."""
    story = Story(Level.II)

    story.ticket(5, OrderStatus.ACCEPTED)
    story.cleared(50)
    story.ticket(60, OrderStatus.DONE)
    story.active(70)

    assert story.occasions[-1:] == [(70, "reopened", "")]


def test_unknown_is_no_recovery() -> None:
    """While data is missing nothing is verified; after the time-out a person decides, once."""
    story = Story()

    story.ticket(5, OrderStatus.ACCEPTED)
    story.active(10, blind=True)
    story.ticket(20, OrderStatus.DONE)
    story.until(2000)

    assert [(m, what) for m, what, promise in story.occasions if not promise][-2:] == [(20, "done"), (260, "undecided")]


@pytest.mark.parametrize(
    ("lost", "back", "verified"),
    [(21, 22, 37), (34.999, 35.5, 50.5), (15, 19, 35), (35, 40, 35), (21, 259, 274), (21, 300, None)],
    ids=["early", "just before the end", "before it was done", "after the end", "back at last", "after the time-out"],
)
def test_a_gap_within_the_span_begins_it_anew(lost: float, back: float, verified: float | None) -> None:
    """Good data is asked for over all of the fifteen minutes; missing four hours after `done`, a person decides."""
    story = Story()
    story.ticket(5, OrderStatus.ACCEPTED)
    story.cleared(10)
    story.ticket(20, OrderStatus.DONE) if lost > 20 else None
    story.seen(lost, sees=False)
    story.seen(back, sees=True)
    story.ticket(20, OrderStatus.DONE) if lost < 20 else None
    story.until(600)

    last = [(m, what) for m, what, promise in story.occasions if what in {"verified", "undecided"}]
    assert last == ([(260, "undecided")] if verified is None else [(pytest.approx(verified), "verified")])


def test_gaps_again_and_again_end_with_a_person() -> None:
    """Each begins the span anew; what is never good for fifteen minutes is handed over, once."""
    story = Story()
    story.ticket(5, OrderStatus.ACCEPTED)
    story.cleared(10)
    story.ticket(20, OrderStatus.DONE)
    for n in range(30):
        story.seen(30 + 10 * n, sees=False)
        story.seen(31 + 10 * n, sees=True)
    story.until(1000)

    assert [what for _, what, _ in story.occasions if what in {"verified", "undecided"}] == ["undecided"]


def test_a_rule_that_is_gone_needs_no_word_of_its_silence() -> None:
    """Nobody is told of missing data where nothing watches; the order waits for a person all the same."""
    story = Story()
    story.ticket(5, OrderStatus.ACCEPTED)
    story.cleared(10)
    story.ticket(20, OrderStatus.DONE)
    story.seen(20, sees=False, watched=False)
    story.until(1000)

    assert [what for _, what, promise in story.occasions if not promise][-2:] == ["done", "undecided"]


def test_a_receipt_is_a_stamp_and_moves_nothing_back() -> None:
    """The first time it stands on the timeline; after work has begun it changes no stamp, and no repair is undone."""
    story, late = Story(), Story()

    story.delivered(1)
    story.delivered(2)
    late.ticket(5, OrderStatus.ACCEPTED)
    late.ticket(10, OrderStatus.DONE)
    late.delivered(12)

    assert [(m, what) for m, what, _ in story.occasions] == [(0, "created"), (1, "sent")]
    assert (story.course.status, story.course.stamps["sent"]) == (OrderStatus.SENT, T0 + MIN)
    assert (late.course.status, "sent" in late.course.stamps) == (OrderStatus.VERIFYING, False)


def test_a_procedure_goes_on_as_it_was_promised() -> None:
    """The mechanism has lost the procedure since: a second handling still goes on with its steps (ADR 9)."""
    story = Story(procedure="entrapment")
    story.ticket(5, OrderStatus.ACCEPTED)
    story.ticket(10, OrderStatus.DONE)
    story.life = LifeCycle(SLA.model_copy(update={"procedures": {}}), LIFE.calendar)
    story.until(21)

    assert story.course.status is OrderStatus.REOPENED
    assert {p.id for p in story.course.promises} >= {
        "calm",
        "call_maintainer",
        "on_site",
        "report",
        "rescue",
        "respond",
    }


def test_a_person_s_word_is_told_from_the_sensor_s() -> None:
    """Verified by the owner, or by fifteen good minutes."""
    by_person, by_sensor = Story(), Story()
    for story in (by_person, by_sensor):
        story.ticket(5, OrderStatus.ACCEPTED)
        story.cleared(10)
        story.ticket(20, OrderStatus.DONE)
    by_person.ticket(25, OrderStatus.VERIFIED)
    by_sensor.until(40)

    assert [(story.told[-1].occasion, story.told[-1].by_person) for story in (by_person, by_sensor)] == [
        ("verified", True),
        ("verified", False),
    ]


def test_true_again_for_less_than_its_hold_begins_anew() -> None:
    """At the end of the span the condition holds, though not for long enough to be an alarm: fifteen minutes more."""
    story = Story()

    story.ticket(5, OrderStatus.ACCEPTED)
    story.cleared(10)
    story.ticket(20, OrderStatus.DONE)
    story.until(36, sees=False)
    story.until(60)

    assert story.occasions[-1:] == [(50, "verified", "")]


def test_what_recovered_by_itself_says_so_and_stays_open() -> None:
    """Nobody has accepted yet: the order is not closed, and its deadline still holds."""
    story = Story()

    story.cleared(5)
    story.until(20)

    assert [what for _, what, _ in story.occasions] == ["created", "recovered", "warned", "overdue"]
    assert story.course.status is OrderStatus.PENDING


def test_a_false_alarm_ends_every_promise() -> None:
    """A person rejects it: nothing is due any more, and nothing more is told."""
    story = Story()

    story.ticket(5, OrderStatus.REJECTED)
    story.active(10)
    story.until(2000)

    assert story.occasions == [(0, "created", ""), (5, "rejected", "")]
    assert story.course.next_at is None


def test_old_news_does_not_move_it_back() -> None:
    """`accepted` learnt after `done` of an earlier moment changes nothing."""
    story = Story()

    story.ticket(20, OrderStatus.DONE)
    before = story.course
    moved = LIFE.ticket(before, OrderStatus.ACCEPTED, T0 + 5 * MIN, T0 + 21 * MIN)

    assert moved == (before, ())


def test_a_person_may_take_it_up_again() -> None:
    """Accepted anew after `done`: it is in hand again, with deadlines from then on."""
    story = Story()

    story.ticket(20, OrderStatus.DONE)
    story.ticket(25, OrderStatus.ACCEPTED)

    assert story.occasions[-1:] == [(25, "reopened", "")]
    assert story.course.rounds == 0


def test_a_raised_level_never_gives_more_time() -> None:
    """From II to I after ten minutes: fifteen minutes from now, which is sooner than two hours from the beginning."""
    story = Story(Level.II)

    story.raised(10, Level.I)

    respond = next(promise for promise in story.course.promises if promise.id == "respond")
    assert respond.due == T0 + 25 * MIN
    story.raised(11, Level.I)
    assert [what for _, what, _ in story.occasions] == ["created", "raised"]


def test_a_raise_after_acceptance_misses_nothing_yet() -> None:
    """From II to I three hours after acceptance: on site within thirty minutes from now, nothing is overdue at once."""
    story = Story(Level.II)
    story.ticket(10, OrderStatus.ACCEPTED)

    story.raised(190, Level.I)
    story.until(200)

    arrive = next(promise for promise in story.course.promises if promise.id == "arrive")
    assert arrive.due == T0 + 220 * MIN
    assert [what for _, what, _ in story.occasions] == ["created", "accepted", "raised"]


def test_a_late_raise_keeps_the_earlier_deadline() -> None:
    """Five minutes before the old deadline, the new level's fifteen do not extend it."""
    story = Story(Level.II)

    story.raised(115, Level.I)

    respond = next(promise for promise in story.course.promises if promise.id == "respond")
    assert respond.due == T0 + 120 * MIN


def test_entrapment_steps_run_beside_the_level() -> None:
    """Calmed in time, maintainer not called: that step is missed; the report runs from the rescue."""
    story = Story(Level.I, procedure="entrapment")

    story.course, _ = LIFE.stamp(story.course, "calmed", T0 + 2 * MIN)
    story.until(6)
    story.ticket(7, OrderStatus.ACCEPTED)
    story.ticket(25, OrderStatus.ARRIVED)
    story.course, _ = LIFE.stamp(story.course, "rescued", T0 + 40 * MIN)
    story.until(40 + 241)

    missed = [(m, promise) for m, what, promise in story.occasions if what == "overdue"]
    assert missed == [(5, "call_maintainer"), (280, "report")]


def test_a_stamp_that_nothing_waits_for_is_refused() -> None:
    """A misspelt stamp names those that exist."""
    story = Story(Level.II)

    with pytest.raises(ValueError, match="no stamp 'plann'; it knows planned"):
        LIFE.stamp(story.course, "plann", T0)


def test_parked_is_told_once() -> None:
    """The service refused the order for good: a person is told, and the deadlines go on."""
    story = Story()

    story.ticket(1, OrderStatus.PARKED)
    story.ticket(2, OrderStatus.PARKED)
    story.until(16)

    assert [what for _, what, _ in story.occasions] == ["created", "parked", "warned", "overdue"]


def test_a_course_of_a_later_program_is_refused() -> None:
    """A version that this program does not know is no course."""
    kept = Story().course.to_json() | {"version": 2}

    with pytest.raises(ValueError, match="version 2"):
        Course.from_json(kept)


def test_a_page_told_late_is_heard_to_its_end() -> None:
    """An hour of changes comes at once: `accepted` does not make `arrive` overdue before the next line is read."""
    story = Story()
    late = T0 + 60 * MIN

    for status, minute in ((OrderStatus.ACCEPTED, 5), (OrderStatus.ARRIVED, 20)):
        while (due := story.course.next_at) is not None and due <= late:
            story.course, _ = LIFE.run_out(story.course, due, late, sees=True)
        story.course, acts = LIFE.ticket(story.course, status, T0 + minute * MIN, late)
        story.told += acts

    assert on_time(story.course)["arrive"]
    assert not any(promise.missed for promise in story.course.promises if promise.id == "arrive")


@pytest.mark.parametrize(("good", "occasion"), [(41, "verified"), (None, "reopened")])
def test_data_that_is_back_has_its_time(good: float | None, occasion: str) -> None:
    """Lost with the device switched off for the repair: what it says when it is on again is not yet that it failed."""
    story = Story()
    story.active(2, blind=True)
    story.ticket(3, OrderStatus.ACCEPTED)
    story.ticket(10, OrderStatus.DONE)

    story.active(40)
    if good is not None:
        story.cleared(good)
    story.until(60)

    assert [act.occasion for act in story.told if act.occasion in {"reopened", "verified"}] == [occasion]
