"""Numbers made of the readings of a span: against a limit, or as what the latest value is compared with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from daemon.model import Observed, PointKind
from daemon.rules.compiled import SLACK, Compiled, Scope, latest, met
from daemon.rules.counters import Tally, tally_of
from daemon.rules.hours import HourlyLatest, HourlyWindow, schedule
from daemon.rules.limits import Limits, beside, resolve
from daemon.rules.points import PointState
from daemon.rules.predicates import asked
from daemon.rules.questions import Compare
from daemon.rules.questions import Swing as SwingSpec
from daemon.rules.risen import Risen, at_least_so_much
from daemon.rules.window import Latest, Swing, Window

_MS = timedelta(milliseconds=1)
#: Of a counter, these are made of what it counts and not of what it shows.
_OF_CHANGES = ("rate", "delta", "slope")
#: The two readings that a rate or delta without a window looks at.
_TWO = 2


def compile_swing(spec: SwingSpec, scope: Scope) -> Compiled:
    """It has come down, or gone up, by so much within a span."""
    point = scope.point(spec.point, spec.quality)
    limits = resolve(spec, point.decl)
    falling = spec.falls is not None
    within, remember = spec.within // _MS, (spec.remember or timedelta()) // _MS
    statistic = "max" if falling else "min"

    def make(key: str) -> Swing:
        window = Window(key, statistic, within, limits.coverage, _fresh_ms(point))
        return Swing(window, limits.high, remember, falling=falling, tally=tally_of(point.decl))

    kind = "falls" if falling else "rises"
    swing = scope.keeper(point, f"{point.decl.id}|{kind}|{limits.high!r}|{within}|{remember}", make)

    def test() -> bool | None:
        return swing.test() if point.fresh else None

    def observe() -> tuple[Observed, ...]:
        seen = latest(point, limits.words)
        return (seen._replace(limit=f"{limits.words} (now {swing.now:.4g} {point.decl.unit})"),)

    return Compiled(test, (observe,), (point, *point.inputs))


def compile_beside(spec: Compare, scope: Scope) -> Compiled:
    """The latest value, or a statistic of a window, against another point's latest value."""
    point = scope.point(spec.point, spec.quality)
    names = asked(spec)
    other = scope.point(names[-1], spec.quality)
    limits = resolve(spec, point.decl, {names[-1]: other.decl})
    factor, offset, _ = beside(spec, point.decl.unit, other.decl)
    window = _windowed(spec, scope, point, limits, owner="") if spec.take is not None else None
    comparator = spec.comparator

    def value() -> float | None:
        return float(point.value) if window is None else window.value()

    def test() -> bool | None:
        found = value() if point.fresh and other.fresh else None
        if found is None:
            return None
        limit = factor * other.value + offset
        return met(found, comparator, limit, limit, SLACK * abs(limit))

    def observe() -> tuple[Observed, ...]:
        shown = f"{factor * other.value + offset:.4g} {point.decl.unit}".rstrip() if other.known else "unknown"
        seen = latest(point, f"{limits.words} (now {shown})")
        return (seen._replace(value=value()) if point.known else seen,)

    return Compiled(test, (observe,), (point, *point.inputs, other, *other.inputs))


def compile_window(spec: Compare, scope: Scope) -> Compiled:
    """A statistic of a window against a limit, or the latest value against percent of one."""
    point = scope.point(spec.point, spec.quality)
    limits = resolve(spec, point.decl)
    if spec.of is not None:
        return _of_past(spec, scope, point, limits)
    if point.decl.kind is PointKind.COUNTER and spec.take in ("rate", "delta") and spec.over is not None:
        return _of_counter(spec, scope, point, limits)
    return _of_window(spec, scope, point, limits)


def _of_window(spec: Compare, scope: Scope, point: PointState, limits: Limits) -> Compiled:
    window = _windowed(spec, scope, point, limits, owner="")
    scale = limits.scale

    def value() -> float | None:
        found = window.value()
        return found if found is None or scale == 1.0 else found / scale

    return number_against(spec.comparator, limits, point, value)


def number_against(comparator: str, limits: Limits, point: PointState, value: Callable[[], float | None]) -> Compiled:
    """A number that is made of a point against a limit, both in the limits' unit."""
    low, high = limits.low, limits.high
    slack = SLACK * max(abs(low), abs(high))

    def test() -> bool | None:
        found = value() if point.fresh else None
        return None if found is None else met(found, comparator, low, high, slack)

    def observe() -> tuple[Observed, ...]:
        seen = latest(point, limits.words)._replace(value=value())
        return (seen if limits.unit is None else seen._replace(unit=limits.unit),)

    return Compiled(test, (observe,), (point, *point.inputs))


def _of_counter(spec: Compare, scope: Scope, point: PointState, limits: Limits) -> Compiled:
    span = (spec.over or timedelta()) // _MS
    risen = scope.keeper(point, f"risen|{span}", lambda _: Risen(point, span))
    per = limits.scale * (span / 1000 if spec.take == "rate" else 1.0)
    comparator, low, high = spec.comparator, limits.low, limits.high
    slack = SLACK * max(abs(low), abs(high))

    def test() -> bool | None:
        if not point.fresh:
            return None
        return at_least_so_much(risen.so_far() / per, comparator, low, high, slack, known=risen.known())

    def observe() -> tuple[Observed, ...]:
        seen = latest(point, limits.words)._replace(value=risen.so_far() / per if point.known else None)
        return (seen if limits.unit is None else seen._replace(unit=limits.unit),)

    return Compiled(test, (observe,), (point, *point.inputs))


def _of_past(spec: Compare, scope: Scope, point: PointState, limits: Limits) -> Compiled:
    window = _windowed(spec, scope, point, limits, owner=scope.owner)
    comparator = spec.comparator
    low, high = limits.low / 100, limits.high / 100

    def test() -> bool | None:
        past = window.value() if point.fresh else None
        if past is None:
            return None
        return met(float(point.value), comparator, low * past, high * past, SLACK * abs(past))

    def observe() -> tuple[Observed, ...]:
        past = window.value()
        shown = "unknown" if past is None else f"{past:.4g} {point.decl.unit}"
        return (latest(point, f"{limits.words} ({shown})"),)

    return Compiled(test, (observe,), (point, *point.inputs), references=(window,))


def make_window(spec: Compare, scope: Scope, point: PointState) -> Window:
    """The window that a question takes its number from; shared with all that ask the same."""
    return _windowed(spec, scope, point, resolve(spec, point.decl), owner="")


def _windowed(spec: Compare, scope: Scope, point: PointState, limits: Limits, *, owner: str) -> Window:
    statistic = spec.take or spec.of or "mean"
    fresh_ms = _fresh_ms(point)

    def tally() -> Tally | None:
        return tally_of(point.decl) if statistic in _OF_CHANGES else None

    hours = spec.during
    times = None if hours is None else schedule(hours, scope.zone)
    within = "" if hours is None else f"|{scope.zone}|{hours.model_dump_json(exclude_defaults=True)}"
    if spec.over is not None:
        span = spec.over // _MS

        def make(key: str) -> Window:
            if times is not None:
                return HourlyWindow(key, statistic, span, limits.coverage, fresh_ms, times, tally=tally())
            return Window(key, statistic, span, limits.coverage, fresh_ms, tally=tally())

        return scope.keeper(point, f"{owner}|{point.decl.id}|{statistic}|{span}|{limits.coverage!r}{within}", make)
    most = spec.last or _TWO

    def make_latest(key: str) -> Latest:
        if times is not None:
            return HourlyLatest(key, statistic, most, fresh_ms, times, tally=tally())
        return Latest(key, statistic, most, fresh_ms, tally=tally(), unbroken=spec.last is None)

    return scope.keeper(point, f"{owner}|{point.decl.id}|{statistic}|last {spec.last}{within}", make_latest)


def _fresh_ms(point: PointState) -> int | None:
    return None if point.fresh_for is None else point.fresh_for // _MS
