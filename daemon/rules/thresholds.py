"""The latest value of a point against a limit, its latest label against some."""

from __future__ import annotations

from daemon.rules.compiled import Compiled, Scope, Test, latest
from daemon.rules.limits import Limits, resolve
from daemon.rules.points import PointState
from daemon.rules.questions import Compare, StateIs


def compile_state(spec: StateIs, scope: Scope) -> Compiled:
    """The label is one of those asked for, or none of them."""
    point = scope.point(spec.point, spec.quality)
    labels = frozenset(spec.labels)
    wanted = spec.equals is not None
    words = resolve(spec, point.decl).words

    def test() -> bool | None:
        return (point.value in labels) is wanted if point.fresh else None

    return Compiled(test, (lambda: (latest(point, words),),), (point, *point.inputs))


def compile_threshold(spec: Compare, scope: Scope) -> Compiled:
    """The latest value against a limit."""
    point = scope.point(spec.point, spec.quality)
    limits = resolve(spec, point.decl)
    return Compiled(
        _threshold(point, spec.comparator, limits), (lambda: (latest(point, limits.words),),), (point, *point.inputs)
    )


def _threshold(point: PointState, comparator: str, limits: Limits) -> Test:
    low, high = limits.low, limits.high

    def below() -> bool | None:
        return point.value < low if point.fresh else None

    def above() -> bool | None:
        return point.value > high if point.fresh else None

    def at_most() -> bool | None:
        return point.value <= high if point.fresh else None

    def at_least() -> bool | None:
        return point.value >= low if point.fresh else None

    def outside() -> bool | None:
        return not low <= point.value <= high if point.fresh else None

    def inside() -> bool | None:
        return low <= point.value <= high if point.fresh else None

    tests = {t.__name__: t for t in (below, above, at_most, at_least, outside, inside)}
    return tests[comparator]
