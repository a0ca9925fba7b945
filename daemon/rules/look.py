"""How a rule stands on an asset at one moment: each question with its numbers, each hold with its end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from daemon.model import AlarmState, DataState, Level, Observed
from daemon.rules.binding import compile_questions, holds_off
from daemon.rules.points import PointState
from daemon.rules.predicates import Condition
from daemon.rules.rung import Phase, Rung
from daemon.rules.schema import Binding
from daemon.rules.site import SiteState
from daemon.rules.watch import Watch


class Question(NamedTuple):
    """One question of a condition."""

    #: Of this question alone, whatever `not` stands around it; None: it cannot be known.
    verdict: bool | None
    observed: tuple[Observed, ...]


class Asked(NamedTuple):
    """A condition, all of it."""

    verdict: bool | None
    questions: tuple[Question, ...]


class RungLook(NamedTuple):
    """One level of the ladder."""

    level: Level
    phase: Phase
    when: Asked
    hold: timedelta
    #: What must be true besides for it to end; None: the opposite of `when` is enough.
    clear: Asked | None
    clear_hold: timedelta
    #: When what it waits for will have lasted long enough, by source time; None: it waits for nothing.
    end: datetime | None


class PointLook(NamedTuple):
    """What is known of a point that the rule looks at."""

    point: str
    #: It has ever given a usable value, and that may still be relied on.
    known: bool
    fresh: bool
    at: datetime
    #: None: as long as its device is alive.
    fresh_for: timedelta | None
    late: bool
    device: str
    device_alive: bool
    device_heard: datetime


class WatchLook(NamedTuple):
    """A rule on an asset."""

    rule: str
    asset: str
    state: AlarmState
    data: DataState
    late: bool
    #: What went wrong in the rule itself.
    faulted: str
    rungs: tuple[RungLook, ...]
    #: What keeps alarms from opening, if anything is written.
    unless: Asked | None
    points: tuple[PointLook, ...]


def look(binding: Binding, watch: Watch, site: SiteState, at: datetime) -> WatchLook:
    """Look at a watch of an engine that nothing else is done with.

    Args:
        binding: The rule and the asset that the watch was made of.
        watch: As it stands.
        site: Where its points are.
        at: The moment of the look.
    """

    def asked(condition: Condition, test_verdict: bool | None) -> Asked:  # noqa: FBT001  a verdict, not a flag
        compiled = compile_questions(binding, condition, site, at)
        questions = (Question(one.test(), tuple(n for see in one.observe for n in see())) for one in compiled)
        return Asked(test_verdict, tuple(questions))

    def rung_look(rung: Rung) -> RungLook:
        spec = binding.rule.rung(rung.level)
        clear = spec.clear.when if spec.clear is not None else None
        shown = asked(clear, rung.clear.test()) if clear is not None and rung.clear is not None else None
        end = rung.end if rung.waiting else None
        return RungLook(
            rung.level, rung.phase, asked(spec.when, rung.when.test()), rung.hold, shown, rung.clear_hold, end
        )

    held_off = holds_off(binding)
    return WatchLook(
        watch.rule,
        watch.asset,
        watch.state,
        watch.data,
        watch.late,
        watch.faulted,
        tuple(rung_look(rung) for rung in watch.rungs),
        asked(held_off, watch.unless.test()) if held_off is not None and watch.unless is not None else None,
        tuple(_points(watch.points)),
    )


def _points(points: Iterable[PointState]) -> Iterable[PointLook]:
    for point in points:
        device = point.device
        yield PointLook(
            point.name,
            point.known,
            point.fresh,
            point.at,
            point.fresh_for,
            point.late,
            device.decl.id,
            device.alive,
            device.heard,
        )
