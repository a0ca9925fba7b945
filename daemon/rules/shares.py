"""So much of the readings of a span say so; of a point that holds its state, so much of the time.

    interval: 1s    x x o x x x x x o x      80 % of these ten readings
    on change       |x . . . . .|o .|x       of the time: 80 % when 6 of 8 s have … and not before; to the millisecond

The share of readings is the mean of a window of ones and noughts, with all that windows can. That of the time is true
when so much of the whole span is known to have been so, false when so much can no longer have been, else unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from daemon.model import Observed, to_ms
from daemon.rules.compiled import SLACK, Compiled, Scope, latest
from daemon.rules.counting_limits import meant
from daemon.rules.hours import HourlyWindow, schedule
from daemon.rules.limits import resolve
from daemon.rules.points import PointState
from daemon.rules.stretches import Lasting
from daemon.rules.tallies import Share
from daemon.rules.window import Window

_MS = timedelta(milliseconds=1)


class Said:
    """A window of ones where a reading says so, and noughts where it does not."""

    __slots__ = ("_meets", "window")

    def __init__(self, meets: Callable[[Any], bool], window: Window) -> None:
        self._meets = meets
        self.window = window

    def push(self, at: int, value: Any) -> None:  # noqa: ANN401  a number or label
        """Take in a reading; `at` never goes back."""
        self.window.push(at, 1.0 if self._meets(value) else 0.0)

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        return self.window.save()

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self.window.load(saved)


class Time:
    """How much of the time up to now a state was so, by the site's clock, as it was received."""

    __slots__ = ("_is", "_meets", "_point", "_span", "arm", "is_not", "was")

    def __init__(self, point: PointState, meets: Callable[[Any], bool], span: int, need: int) -> None:
        """Whether it was so for `need` of the last `span` milliseconds."""
        self.arm = _nothing
        self._point = point
        self._meets = meets
        self._span = span
        #: What the latest reading says; None: none has come.
        self._is: bool | None = None
        self.was = Lasting(span, need)
        #: So much of it, and it cannot have been so for long enough.
        self.is_not = Lasting(span, span - need + 1)

    def push(self, _at: int, value: Any) -> None:  # noqa: ANN401  a number or label
        """Take in a reading."""
        self._is = self._meets(value)
        self._turn(to_ms(self._point.received), known=self._point.lost is None)

    def lose(self, at: int) -> None:
        """It is not known any more."""
        self._turn(at, known=False)

    def regain(self, at: int) -> None:
        """It is known again, and as it was."""
        self._turn(at, known=True)

    def age(self, now: int) -> None:
        """It is that time on site."""
        self._turn(now, known=self._point.lost is None)

    def test(self) -> bool | None:
        """Whether it was so for long enough; None when what is not known decides it."""
        return True if self.was.enough else False if self.is_not.enough else None

    def so_far(self) -> float:
        """The share of the span in which it is known to have been so."""
        return self.was.total / self._span

    def _turn(self, now: int, *, known: bool) -> None:
        self.was.turn(now, on=known and self._is is True)
        self.is_not.turn(now, on=known and self._is is False)
        self._wait()

    def _wait(self) -> None:
        dues = [due for due in (self.was.next(), self.is_not.next()) if due is not None]
        if dues:
            self.arm(min(dues))

    def save(self) -> list[Any]:
        """Everything that `load` needs, as JSON values."""
        return [self._is, self.was.saved(), self.is_not.saved()]

    def load(self, saved: list[Any]) -> None:
        """Become what was saved."""
        self._is, was, is_not = saved
        self.was.restore(was)
        self.is_not.restore(is_not)
        self._wait()


def _nothing(_due: int) -> None:
    """Until the site gives it a timer."""


# --- as a condition ----------------------------------------------------------------------------------------


def compile_share(spec: Share, scope: Scope) -> Compiled:
    """So much of the readings, or of the time, of a span."""
    point = scope.point(spec.point, spec.quality)
    limits = resolve(spec, point.decl)
    span, need = spec.over // _MS, limits.low
    which = meant(spec.which, point.decl)
    wanted = spec.comparator != "not_equals"
    what = f"{wanted}|{spec.which if isinstance(spec.which, str | tuple) else spec.which.model_dump_json()}"
    key = f"share|{what}|{span}|"

    def meets(value: Any) -> bool:  # noqa: ANN401  a number or label
        return which(value) is wanted

    if point.fresh_for is None:
        time = scope.keeper(point, f"{key}{need!r}", lambda _: Time(point, meets, span, -int(-span * need // 1)))
        return _shown(point, limits.words, time.test, time.so_far)
    hours = spec.during
    key += repr(limits.coverage) + (f"|{scope.zone}|{hours.model_dump_json(exclude_defaults=True)}" if hours else "")

    def make(key: str) -> Said:
        fresh = None if point.fresh_for is None else point.fresh_for // _MS
        if hours is None:
            return Said(meets, Window(key, "mean", span, limits.coverage, fresh))
        return Said(meets, HourlyWindow(key, "mean", span, limits.coverage, fresh, schedule(hours, scope.zone)))

    window = scope.keeper(point, key, make).window
    enough = need - SLACK

    def test() -> bool | None:
        share = window.value()
        return None if share is None else share >= enough

    return _shown(point, limits.words, test, window.raw)


def _shown(
    point: PointState, words: str, test: Callable[[], bool | None], share: Callable[[], float | None]
) -> Compiled:
    def observe() -> tuple[Observed, ...]:
        return (latest(point, f"{words} (now {(share() or 0.0) * 100:.3g} %)"),)

    return Compiled(test=lambda: test() if point.fresh else None, observe=(observe,), points=(point, *point.inputs))
