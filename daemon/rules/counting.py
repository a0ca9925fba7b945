"""Conditions that count: how often something has happened, how many of the last readings, one counter per another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from daemon.model import Observed
from daemon.rules.compiled import SLACK, Compiled, Scope, latest, met
from daemon.rules.counting_limits import meant
from daemon.rules.figures import number
from daemon.rules.happenings import Happenings
from daemon.rules.hours import Clock, schedule
from daemon.rules.limits import resolve
from daemon.rules.points import PointState
from daemon.rules.questions import Compare, StateIs
from daemon.rules.risen import Risen, at_least_so_much
from daemon.rules.sights import Changes, Edges, Runs, Said, Sight, Verdicts
from daemon.rules.tallies import Count, Ratio
from daemon.rules.vocabulary import COMPARATORS, Beyond, the_one
from daemon.units import measure

_MS = timedelta(milliseconds=1)


def compile_count(spec: Count, scope: Scope) -> Compiled:
    """How often something has happened within a span."""
    point = scope.point(spec.point, spec.quality)
    limits = resolve(spec, point.decl)
    span = spec.over // _MS
    fresh_ms = None if point.fresh_for is None else point.fresh_for // _MS
    what = spec.count if isinstance(spec.count, str) else spec.count.model_dump_json(exclude_none=True)
    hours = spec.during
    within = "" if hours is None else f"|{scope.zone}|{hours.model_dump_json(exclude_defaults=True)}"

    def make(_: str) -> Happenings:
        clock = None if hours is None else Clock(schedule(hours, scope.zone))
        return Happenings(point, _sight(spec, point), span, limits.coverage, fresh_ms, clock)

    happenings = scope.keeper(point, f"count|{what}|{span}|{limits.coverage!r}{within}", make)
    comparator = the_one(spec, COMPARATORS)

    def test() -> bool | None:
        if not point.fresh:
            return None
        return at_least_so_much(
            happenings.so_far(), comparator, limits.low, limits.high, SLACK, known=happenings.known()
        )

    def observe() -> tuple[Observed, ...]:
        seen = latest(point, limits.words)
        return (seen._replace(value=float(happenings.so_far()) if point.known else None, unit=""),)

    return Compiled(test, (observe,), (point, *point.inputs))


def _sight(spec: Count, point: PointState) -> Sight:
    count = spec.count
    if isinstance(count, str):
        return Changes()
    which = meant(count.which, point.decl)
    if count.into is not None:
        return Edges(which)
    if count.readings is not None:
        return Said(which)
    least = (count.longer or timedelta()) // _MS
    return Runs(which, least, None if count.shorter is None else count.shorter // _MS)


def compile_repeated(spec: Compare | StateIs, scope: Scope) -> Compiled:
    """So many of the last readings say so."""
    point = scope.point(spec.point, spec.quality)
    limits = resolve(spec, point.decl)
    need = spec.times or 1
    most = spec.of_last or need
    verdicts = scope.keeper(
        point,
        f"times|{limits.low!r}|{limits.high!r}|{limits.words}",
        lambda _: Verdicts(_meets(spec, point), need, most),
    )

    def test() -> bool | None:
        return verdicts.test() if point.fresh else None

    def observe() -> tuple[Observed, ...]:
        return (latest(point, f"{limits.words} (now {verdicts.met})"),)

    return Compiled(test, (observe,), (point, *point.inputs))


def _meets(spec: Compare | StateIs, point: PointState) -> Callable[[Any], bool]:
    if isinstance(spec, StateIs):
        labels = frozenset(spec.labels)
        wanted = spec.equals is not None
        return lambda value: (value in labels) is wanted
    comparator = spec.comparator
    return meant(Beyond.model_validate({comparator: getattr(spec, comparator)}), point.decl)


def compile_ratio(spec: Ratio, scope: Scope) -> Compiled:
    """What one counter counts for each that another counts."""
    point, per = scope.point(spec.point, spec.quality), scope.point(spec.per, spec.quality)
    limits = resolve(spec, point.decl, {spec.per: per.decl})
    span = spec.over // _MS
    above = scope.keeper(point, f"risen|{span}", lambda _: Risen(point, span))
    below = scope.keeper(per, f"risen|{span}", lambda _: Risen(per, span))
    factor = float(measure(point.decl.unit).factor / measure(per.decl.unit).factor) / limits.scale
    least = 0.0 if spec.least is None else number(spec.least, per.decl.unit, "least")
    comparator = the_one(spec, COMPARATORS)
    slack = SLACK * max(abs(limits.low), abs(limits.high))

    def value() -> float | None:
        risen = below.so_far()
        return above.so_far() / risen * factor if risen and above.known() and below.known() else None

    def test() -> bool | None:
        if not (point.fresh and per.fresh):
            return None
        if spec.least is not None and below.known() and below.so_far() < least:
            return False
        found = value()
        return None if found is None else met(found, comparator, limits.low, limits.high, slack)

    def observe() -> tuple[Observed, ...]:
        counts = f" ({above.so_far():g} per {below.so_far():g})"
        return (latest(point, limits.words + counts)._replace(value=value(), unit=limits.unit or ""),)

    return Compiled(test, (observe,), (point, *point.inputs, per, *per.inputs))
