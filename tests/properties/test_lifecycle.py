"""Whatever happens to a work order: nothing is asked for twice, and time in between changes nothing."""

import contextlib
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.documents import build, read
from daemon.model import Level, OrderStatus
from daemon.settings import shipped
from daemon.workorders.course import Act, Course
from daemon.workorders.lifecycle import LifeCycle
from daemon.workorders.sla import Sla

SLA = build(Sla, read(shipped() / "sla" / "residential.yaml"))
LIFE = LifeCycle(SLA, SLA.calendar_in("Asia/Shanghai"))
T0 = datetime(2026, 11, 23, 2, tzinfo=UTC)

_FACTS = st.one_of(
    st.tuples(
        st.just("ticket"),
        st.sampled_from([s for s in OrderStatus if s not in {OrderStatus.VERIFYING, OrderStatus.REOPENED}]),
    ),
    st.tuples(st.just("cleared"), st.none()),
    st.tuples(st.just("active"), st.booleans()),
    st.tuples(st.just("raised"), st.sampled_from(Level)),
    st.tuples(st.just("stamp"), st.sampled_from(["planned", "replied", "calmed", "rescued", "reported"])),
    st.tuples(st.just("nothing"), st.none()),
)
_STORIES = st.lists(st.tuples(st.integers(0, 7 * 24 * 60), _FACTS), max_size=12).map(
    lambda s: sorted(s, key=lambda e: e[0])
)


def _play(story: list[tuple[int, tuple[str, object]]], level: Level) -> tuple[Course, list[Act]]:
    course, acts = LIFE.begin(level, T0, procedure="entrapment")
    told = list(acts)
    for minutes, (what, how) in [*story, (30 * 24 * 60, ("nothing", None))]:
        at = T0 + timedelta(minutes=minutes)
        turns = 0
        while (due := course.next_at) is not None and due <= at:
            course, acts = LIFE.run_out(course, due, at, sees=True)
            told += acts
            turns += 1
            assert turns < 200, "time stands still"
        if isinstance(how, OrderStatus):
            course, acts = LIFE.ticket(course, how, at, at)
        elif isinstance(how, Level):
            course, acts = LIFE.raised(course, how, at)
        elif what == "stamp":
            acts = ()
            with contextlib.suppress(ValueError):  # not of this level
                course, acts = LIFE.stamp(course, str(how), at)
        elif what == "cleared":
            course, acts = LIFE.cleared(course, at, at)
        elif isinstance(how, bool):
            course, acts = LIFE.active(course, at, blind=how)
        else:
            acts = ()
        told += acts
    return course, told


@given(_STORIES, st.sampled_from(Level))
def test_each_deadline_is_told_once(story: list[tuple[int, tuple[str, object]]], level: Level) -> None:
    """A warning, a missed deadline and a step up come at most once a promise and round; nothing is left due."""
    course, told = _play(story, level)

    counted = Counter((act.occasion, act.promise, act.due, act.to) for act in told if act.promise)
    assert all(n == 1 for n in counted.values())
    assert course.next_at is None or course.next_at > T0 + timedelta(days=30)
    assert sum(act.occasion == "undecided" for act in told) <= 1 + sum(act.occasion == "reopened" for act in told)


@given(_STORIES, st.sampled_from(Level), st.lists(st.integers(0, 7 * 24 * 60), max_size=5))
def test_more_ticks_change_nothing(story: list[tuple[int, tuple[str, object]]], level: Level, ticks: list[int]) -> None:
    """Asking more often what is due gives the same course and the same acts, apart from the mark `late`."""
    with_ticks = sorted([*story, *((minute, ("nothing", None)) for minute in ticks)], key=lambda event: event[0])

    plain, ticked = _play(story, level), _play(with_ticks, level)

    def essence(acts: list[Act]) -> list[tuple[object, ...]]:
        return [(act.occasion, act.at, act.promise, act.to) for act in acts if act.occasion != "warned"]

    assert essence(plain[1]) == essence(ticked[1])
    assert plain[0] == ticked[0]


@given(_STORIES, st.sampled_from(Level))
def test_what_is_closed_stays_closed(story: list[tuple[int, tuple[str, object]]], level: Level) -> None:
    """After a rejection or cancellation nothing is told any more."""
    _, told = _play(story, level)

    for n, act in enumerate(told):
        if act.occasion in {"rejected", "cancelled"}:
            assert told[n + 1 :] == []
