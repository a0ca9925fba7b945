"""Numbers made of the readings of a span: against a limit, or as what the latest value is compared with."""

from __future__ import annotations

from datetime import timedelta

from daemon.model import Observed
from daemon.rules.compiled import SLACK, Compiled, Scope, latest, met
from daemon.rules.counters import tally_of
from daemon.rules.limits import Limits, resolve
from daemon.rules.points import PointState
from daemon.rules.predicates import Compare
from daemon.rules.predicates import Swing as SwingSpec
from daemon.rules.window import Swing, Window

_MS = timedelta(milliseconds=1)


def compile_swing(spec: SwingSpec, scope: Scope) -> Compiled:
    """It has come down, or gone up, by so much within a span."""
    point = scope.point(spec.point)
    limits = resolve(spec, point.decl)
    falling = spec.falls is not None
    within, remember = spec.within // _MS, (spec.remember or timedelta()) // _MS
    statistic = "max" if falling else "min"

    def make(key: str) -> Swing:
        window = Window(key, statistic, within, limits.coverage, _fresh_ms(point))
        return Swing(window, limits.high, remember, falling=falling, tally=tally_of(point.decl))

    kind = "falls" if falling else "rises"
    swing = scope.swing(point, f"{point.decl.id}|{kind}|{limits.high!r}|{within}|{remember}", make)

    def test() -> bool | None:
        return swing.test() if point.fresh else None

    def observe() -> tuple[Observed, ...]:
        seen = latest(point, limits.words)
        return (seen._replace(limit=f"{limits.words} (now {swing.now:.4g} {point.decl.unit})"),)

    return Compiled(test, (observe,), (point, *point.inputs))


def compile_window(spec: Compare, scope: Scope) -> Compiled:
    """A statistic of a span against a limit, or the latest value against percent of one."""
    point = scope.point(spec.point)
    limits = resolve(spec, point.decl)
    return (_of_past if spec.of is not None else _of_window)(spec, scope, point, limits)


def _of_window(spec: Compare, scope: Scope, point: PointState, limits: Limits) -> Compiled:
    window = _windowed(spec, scope, point, limits, owner="")
    comparator = spec.comparator
    slack = SLACK * max(abs(limits.low), abs(limits.high))

    def test() -> bool | None:
        value = window.value() if point.fresh else None
        return None if value is None else met(value, comparator, limits.low, limits.high, slack)

    def observe() -> tuple[Observed, ...]:
        return (latest(point, limits.words)._replace(value=window.value()),)

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
    span = (spec.over or timedelta()) // _MS
    key = f"{owner}|{point.decl.id}|{statistic}|{span}|{limits.coverage!r}"
    return scope.window(point, key, lambda key: Window(key, statistic, span, limits.coverage, _fresh_ms(point)))


def _fresh_ms(point: PointState) -> int | None:
    return None if point.fresh_for is None else point.fresh_for // _MS
