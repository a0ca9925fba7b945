"""Conditions as closures over the site's points: true, false, or None when it cannot be known.

Freshness is a flag on the point, kept up by deadlines, so a plain threshold is one comparison. Logic is Kleene's: what
is unknown stays unknown unless the other parts decide it.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.documents import format_span
from daemon.model import Observed, Quality
from daemon.rules.baseline import compile_deviation
from daemon.rules.calendars import CLOCK, INSIDE, OUTSIDE
from daemon.rules.compiled import Compiled, Scope, Test
from daemon.rules.counting import compile_count, compile_ratio, compile_repeated
from daemon.rules.followed import compile_held, compile_turns
from daemon.rules.forecast import compile_forecast
from daemon.rules.pasts import Deviation, Forecast
from daemon.rules.points import DeviceState, SilenceState
from daemon.rules.predicates import AllOf, AnyOf, Condition, Held, NotOf, Stale, TimeIs, Turns, asked, followed
from daemon.rules.questions import Compare, StateIs, Swing
from daemon.rules.shares import compile_share
from daemon.rules.tallies import Count, Ratio, Share
from daemon.rules.thresholds import compile_state, compile_threshold
from daemon.rules.windowed import compile_beside, compile_swing, compile_window

#: Never true, never false, nothing to show.
_UNANSWERED = Compiled(lambda: None, ())


def compile_condition(spec: Condition, scope: Scope) -> Compiled:
    """Bind a condition that fits (see `limits.resolve`) to the points of `scope`.

    What is asked of a point that the asset does not have (in an `unless` only) is never known.
    """
    if not isinstance(spec, AllOf | AnyOf | NotOf) and not all(map(scope.has, asked(spec))):
        return _UNANSWERED
    compiled = _compile(spec, scope)
    if scope.witness is None or isinstance(spec, AllOf | AnyOf | NotOf):
        return compiled
    return compiled._replace(test=scope.witness.watch(scope.owner, spec, compiled.test))


def _compile(spec: Condition, scope: Scope) -> Compiled:  # noqa: C901, PLR0911, PLR0912  one line a shape
    match spec:
        case AllOf():
            return _joined(_all, [compile_condition(part, scope) for part in spec.parts])
        case AnyOf():
            return _joined(_any, [compile_condition(part, scope) for part in spec.parts])
        case NotOf():
            inner = compile_condition(spec.part, scope)
            return inner._replace(test=_not(inner.test))
        case Turns():
            return compile_turns(spec, compile_condition(followed(spec), scope), scope)
        case Held():
            return compile_held(spec, compile_condition(followed(spec), scope), scope)
        case Stale():
            return _stale(spec, scope)
        case TimeIs():
            return _time(spec, scope)
        case StateIs() | Compare() if spec.times is not None:
            return compile_repeated(spec, scope)
        case StateIs():
            return compile_state(spec, scope)
        case Swing():
            return compile_swing(spec, scope)
        case Deviation():
            return compile_deviation(spec, scope)
        case Forecast():
            return compile_forecast(spec, scope)
        case Count():
            return compile_count(spec, scope)
        case Share():
            return compile_share(spec, scope)
        case Ratio():
            return compile_ratio(spec, scope)
        case Compare() if spec.other is not None:
            return compile_beside(spec, scope)
        case Compare():
            return compile_threshold(spec, scope) if not (spec.take or spec.of) else compile_window(spec, scope)


def _joined(join: Callable[[tuple[Test, ...]], Test], parts: list[Compiled]) -> Compiled:
    return Compiled(
        join(tuple(part.test for part in parts)) if len(parts) > 1 else parts[0].test,
        tuple(question for part in parts for question in part.observe),
        tuple(point for part in parts for point in part.points),
        tuple(silence for part in parts for silence in part.silences),
        tuple(window for part in parts for window in part.references),
        tuple(calendar for part in parts for calendar in part.calendars),
        tuple(follower for part in parts for follower in part.followers),
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
        silences = (scope.silence(scope.point(spec.point, "suspect"), after),)
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


def _time(spec: TimeIs, scope: Scope) -> Compiled:
    state = scope.calendar(spec.time)

    def test() -> bool | None:
        return state.inside

    def observe() -> tuple[Observed, ...]:
        shown = INSIDE if state.inside else OUTSIDE
        return (Observed(CLOCK, shown, "", None, Quality.GOOD, f"hours {state.calendar.words}"),)

    return Compiled(test, (observe,), calendars=(state,))
