"""Conditions as closures over the site's points: true, false, or None when it cannot be known.

Freshness is a flag on the point, kept up by deadlines, so a plain threshold is one comparison. Logic is Kleene's: what
is unknown stays unknown unless the other parts decide it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import NamedTuple, Protocol

from daemon.documents import format_span
from daemon.model import Observed, Quality
from daemon.rules.counters import tally_of
from daemon.rules.limits import Limits, resolve
from daemon.rules.points import DeviceState, PointState, SilenceState
from daemon.rules.predicates import AllOf, AnyOf, Compare, Condition, NotOf, Stale, StateIs
from daemon.rules.predicates import Swing as SwingSpec
from daemon.rules.window import Swing, Window

Test = Callable[[], bool | None]
_MS = timedelta(milliseconds=1)
#: Limits made by arithmetic (80 % of 0.3) are met by what prints the same.
_SLACK = 1e-9


class Compiled(NamedTuple):
    """A condition bound to one asset's points."""

    test: Test
    #: What each question of it sees right now, in words and numbers.
    observe: tuple[Callable[[], tuple[Observed, ...]], ...]
    points: tuple[PointState, ...] = ()
    silences: tuple[SilenceState, ...] = ()
    #: Windows that a value is compared with: they stand still while the alarm is not normal.
    references: tuple[Window, ...] = ()


class Scope(Protocol):
    """Where the points, windows and silences of one rule on one asset are found."""

    def point(self, name: str) -> PointState:
        """The asset's point of that name."""
        ...

    def sources(self) -> Iterable[tuple[PointState | DeviceState, timedelta]]:
        """Everything of the asset that ought to speak, and the silence that it may keep in any case."""
        ...

    def window(self, point: PointState, key: str, make: Callable[[str], Window]) -> Window:
        """The point's window of that key, made when there is none yet."""
        ...

    def swing(self, point: PointState, key: str, make: Callable[[str], Swing]) -> Swing:
        """The point's swing of that key, made when there is none yet."""
        ...

    def silence(self, source: PointState | DeviceState, after: timedelta) -> SilenceState:
        """Whether that source has been silent for so long."""
        ...

    @property
    def owner(self) -> str:
        """The rule on the asset, as part of the keys of what it shares with nobody."""
        ...


def compile_condition(spec: Condition, scope: Scope) -> Compiled:  # noqa: PLR0911  one line a shape
    """Bind a condition that fits (see `limits.resolve`) to the points of `scope`."""
    match spec:
        case AllOf():
            return _joined(_all, [compile_condition(part, scope) for part in spec.parts])
        case AnyOf():
            return _joined(_any, [compile_condition(part, scope) for part in spec.parts])
        case NotOf():
            inner = compile_condition(spec.part, scope)
            return inner._replace(test=_not(inner.test))
        case Stale():
            return _stale(spec, scope)
        case StateIs():
            return _state(spec, scope)
        case SwingSpec():
            return _swing(spec, scope)
        case Compare():
            return _compare(spec, scope)


def _joined(join: Callable[[tuple[Test, ...]], Test], parts: list[Compiled]) -> Compiled:
    return Compiled(
        join(tuple(part.test for part in parts)) if len(parts) > 1 else parts[0].test,
        tuple(question for part in parts for question in part.observe),
        tuple(point for part in parts for point in part.points),
        tuple(silence for part in parts for silence in part.silences),
        tuple(window for part in parts for window in part.references),
    )


def _all(tests: tuple[Test, ...]) -> Test:
    def test() -> bool | None:
        verdict: bool | None = True
        for part in tests:
            found = part()
            if found is False:
                return False
            if found is None:
                verdict = None
        return verdict

    return test


def _any(tests: tuple[Test, ...]) -> Test:
    def test() -> bool | None:
        verdict: bool | None = False
        for part in tests:
            found = part()
            if found is True:
                return True
            if found is None:
                verdict = None
        return verdict

    return test


def _not(inner: Test) -> Test:
    def test() -> bool | None:
        found = inner()
        return None if found is None else not found

    return test


def _stale(spec: Stale, scope: Scope) -> Compiled:
    after = spec.stale.after
    silences: tuple[SilenceState, ...]
    if spec.point is not None:
        silences = (scope.silence(scope.point(spec.point), after),)
    else:
        sources = [one for one in scope.sources() if isinstance(one[0], DeviceState) or spec.stale.devices == "any"]
        silences = tuple(scope.silence(source, max(after, least)) for source, least in sources)
    enough = all if spec.stale.devices == "all" else any

    def test() -> bool | None:
        return enough(silence.silent for silence in silences)

    def observe() -> tuple[Observed, ...]:
        shown = [silence for silence in silences if silence.silent] or silences[:1]
        return tuple(
            Observed(
                silence.source.decl.id,
                None,
                "",
                silence.source.heard,
                Quality.BAD if silence.silent else Quality.GOOD,
                f"silent for {format_span(silence.after)}",
            )
            for silence in shown
        )

    return Compiled(test, (observe,), silences=silences)


def _state(spec: StateIs, scope: Scope) -> Compiled:
    point = scope.point(spec.point)
    labels = frozenset(spec.labels)
    wanted = spec.equals is not None
    words = resolve(spec, point.decl).words

    def test() -> bool | None:
        return (point.value in labels) is wanted if point.fresh else None

    return Compiled(test, (lambda: (_latest(point, words),),), (point, *point.inputs))


def _swing(spec: SwingSpec, scope: Scope) -> Compiled:
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
        seen = _latest(point, limits.words)
        return (seen._replace(limit=f"{limits.words} (now {swing.now:.4g} {point.decl.unit})"),)

    return Compiled(test, (observe,), (point, *point.inputs))


def _compare(spec: Compare, scope: Scope) -> Compiled:
    point = scope.point(spec.point)
    limits = resolve(spec, point.decl)
    if spec.of is not None:
        return _of_past(spec, scope, point, limits)
    if spec.take is not None:
        return _of_window(spec, scope, point, limits)
    return Compiled(
        _threshold(point, spec.comparator, limits), (lambda: (_latest(point, limits.words),),), (point, *point.inputs)
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


def _met(value: float, comparator: str, low: float, high: float, slack: float) -> bool:
    """The comparators again, for numbers that arithmetic has made."""
    match comparator:
        case "below":
            return value < low - slack
        case "above":
            return value > high + slack
        case "at_most":
            return value <= high + slack
        case "at_least":
            return value >= low - slack
        case "outside":
            return value < low - slack or value > high + slack
        case _:
            return low - slack <= value <= high + slack


def _of_window(spec: Compare, scope: Scope, point: PointState, limits: Limits) -> Compiled:
    window = _windowed(spec, scope, point, limits, owner="")
    comparator = spec.comparator
    slack = _SLACK * max(abs(limits.low), abs(limits.high))

    def test() -> bool | None:
        value = window.value() if point.fresh else None
        return None if value is None else _met(value, comparator, limits.low, limits.high, slack)

    def observe() -> tuple[Observed, ...]:
        return (_latest(point, limits.words)._replace(value=window.value()),)

    return Compiled(test, (observe,), (point, *point.inputs))


def _of_past(spec: Compare, scope: Scope, point: PointState, limits: Limits) -> Compiled:
    window = _windowed(spec, scope, point, limits, owner=scope.owner)
    comparator = spec.comparator
    low, high = limits.low / 100, limits.high / 100

    def test() -> bool | None:
        past = window.value() if point.fresh else None
        if past is None:
            return None
        return _met(float(point.value), comparator, low * past, high * past, _SLACK * abs(past))

    def observe() -> tuple[Observed, ...]:
        past = window.value()
        shown = "unknown" if past is None else f"{past:.4g} {point.decl.unit}"
        return (_latest(point, f"{limits.words} ({shown})"),)

    return Compiled(test, (observe,), (point, *point.inputs), references=(window,))


def _windowed(spec: Compare, scope: Scope, point: PointState, limits: Limits, *, owner: str) -> Window:
    statistic = spec.take or spec.of or "mean"
    span = (spec.over or timedelta()) // _MS
    key = f"{owner}|{point.decl.id}|{statistic}|{span}|{limits.coverage!r}"
    return scope.window(point, key, lambda key: Window(key, statistic, span, limits.coverage, _fresh_ms(point)))


def _fresh_ms(point: PointState) -> int | None:
    return None if point.fresh_for is None else point.fresh_for // _MS


def _latest(point: PointState, words: str) -> Observed:
    known = point.known
    return Observed(
        point.decl.id,
        point.value if known else None,
        point.decl.unit,
        point.at if known else None,
        point.quality,
        words,
    )
