"""Conditions that are followed through time: how often they came true, for how long they have been true.

    condition   . . T T . . T . ? ? T T T T . .      T true, . false, ? unknown
    came true       1       2       -                from unknown to true is none, nor is what was true at the start
    true since                      |------>         unknown breaks it, as it breaks the hold of a level

They go by the site's clock: a condition comes true with the receipt of the reading that made it so, or with the
moment at which time alone did. What late readings say is followed, and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from daemon.model import Observed, Quality
from daemon.rules.compiled import SLACK, Compiled, Scope
from daemon.rules.happenings import Stock
from daemon.rules.limits import resolve
from daemon.rules.predicates import Held, Turns
from daemon.rules.risen import at_least_so_much
from daemon.rules.stretches import Lasting
from daemon.rules.vocabulary import COMPARATORS, the_one

_MS = timedelta(milliseconds=1)
#: What is observed of them.
TIMES, SPAN = "times it came true", "true for"
FOLLOWED_ZH = {TIMES: "条件成立次数", SPAN: "条件已持续"}


class Count:
    """How often it came true within a span."""

    __slots__ = ("_known", "_last", "_span", "_stock", "_verdict", "arm", "inner", "watches")

    def __init__(self, inner: Compiled, span: int, coverage: float) -> None:
        """Over `span` milliseconds, of which a share must be known."""
        self.inner = inner
        self.arm: Callable[[int], None] = _nothing
        self.watches: dict[Any, None] = {}
        self._span = span
        self._stock = Stock(span)
        #: How much of the span its verdict was known.
        self._known = Lasting(span, -int(-span * coverage // 1))
        self._verdict: bool | None = None
        #: The last one that was known.
        self._last: bool | None = None

    def look(self, now: int) -> None:
        """See how it stands."""
        verdict = self.inner.test()
        if verdict and self._last is False and not any(point.late for point in self.inner.points):
            self._stock.add(now, now, 1)
        if verdict is not None:
            self._last = verdict
        self._verdict = verdict
        self.age(now)

    def age(self, now: int) -> None:
        """Let go what is over."""
        self._known.turn(now, on=self._verdict is not None)
        self._stock.leave(now - self._span, 0)
        self._wait()

    def _wait(self) -> None:
        entries, due = self._stock.entries, self._known.next()
        dues = [entries[0][0] + self._span] if entries else []
        if due is not None:
            dues.append(due)
        if dues:
            self.arm(min(dues))

    def so_far(self) -> int:
        """What has been seen."""
        return self._stock.total

    def known(self) -> bool:
        """Whether enough of the span has been seen to say that it did not happen more often."""
        return self._known.enough

    def save(self) -> list[Any]:
        """Everything that `load` needs, as JSON values."""
        return [self._stock.save(), self._known.saved(), self._verdict, self._last]

    def load(self, saved: list[Any]) -> None:
        """Become what was saved."""
        stock, known, self._verdict, self._last = saved
        self._stock.load(stock)
        self._known.restore(known)
        self._wait()


class Stretch:
    """For how long it has been true."""

    __slots__ = ("_now", "_since", "_span", "_verdict", "arm", "inner", "watches")

    def __init__(self, inner: Compiled, span: int) -> None:
        """At least `span` milliseconds."""
        self.inner = inner
        self.arm: Callable[[int], None] = _nothing
        self.watches: dict[Any, None] = {}
        self._span = span
        self._verdict: bool | None = None
        self._since: int | None = None
        self._now = 0

    def look(self, now: int) -> None:
        """See how it stands."""
        self._now = now
        self._verdict = self.inner.test()
        if self._verdict is not True:
            self._since = None
        elif self._since is None:
            self._since = now
            self.arm(now + self._span)

    def age(self, now: int) -> None:
        """It may have lasted long enough."""
        self._now = now
        if self._since is not None and now - self._since < self._span:
            self.arm(self._since + self._span)

    def test(self) -> bool | None:
        """Whether it has; unknown while the condition is."""
        if self._since is not None:
            return self._now - self._since >= self._span
        return None if self._verdict is None else False

    def lasted(self) -> float | None:
        """Seconds up to the latest look."""
        return None if self._since is None else (self._now - self._since) / 1000

    def save(self) -> list[Any]:
        """Everything that `load` needs, as JSON values."""
        return [self._verdict, self._since, self._now]

    def load(self, saved: list[Any]) -> None:
        """Become what was saved."""
        self._verdict, self._since, self._now = saved
        self.age(self._now)


def _nothing(_due: int) -> None:
    """Until the site gives it a timer."""


# --- as conditions -----------------------------------------------------------------------------------------


def compile_turns(spec: Turns, inner: Compiled, scope: Scope) -> Compiled:
    """How often a condition has come true within a span."""
    limits = resolve(spec, None)
    span = spec.over // _MS
    key = f"turns|{span}|{limits.coverage!r}|{spec.count.model_dump_json(exclude_none=True, by_alias=True)}"
    count = scope.follower(key, inner, lambda: Count(inner, span, limits.coverage))
    comparator = the_one(spec, COMPARATORS)

    def test() -> bool | None:
        return at_least_so_much(count.so_far(), comparator, limits.low, limits.high, SLACK, known=count.known())

    def observe() -> tuple[Observed, ...]:
        return (Observed(TIMES, float(count.so_far()), "", None, Quality.GOOD, limits.words),)

    return inner._replace(test=test, observe=(observe, *inner.observe), followers=(*inner.followers, count))


def compile_held(spec: Held, inner: Compiled, scope: Scope) -> Compiled:
    """A condition has been true for so long."""
    words = resolve(spec, None).words
    span = spec.hold // _MS
    key = f"held|{span}|{spec.model_dump_json(exclude_none=True, by_alias=True)}"
    stretch = scope.follower(key, inner, lambda: Stretch(inner, span))

    def observe() -> tuple[Observed, ...]:
        return (Observed(SPAN, stretch.lasted(), "s", None, Quality.GOOD, words),)

    return inner._replace(test=stretch.test, observe=(observe, *inner.observe), followers=(*inner.followers, stretch))
