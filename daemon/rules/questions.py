"""Questions about the readings of a point: its value, a statistic of a window, its change, its label."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from daemon.documents import Span
from daemon.rules.calendars import CalendarUse
from daemon.rules.vocabulary import (
    COMPARATORS,
    Band,
    Edge,
    Labels,
    Level,
    Limit,
    Other,
    Question,
    Several,
    Statistic,
    the_one,
)


class Compare(Question):
    """A point's value, or a statistic of it over a window, against a limit in its unit or in percent of its past."""

    below: Edge | None = None
    above: Edge | None = None
    at_most: Edge | None = None
    at_least: Edge | None = None
    outside: Band | None = None
    inside: Band | None = None
    #: What to take of a window instead of the latest value; without one `rate` and `delta` are of two readings.
    take: Statistic | None = None
    #: What of a window to compare the latest value with; the limit is then in percent of it.
    of: Level | None = None
    #: The window: a span, or so many last readings.
    over: Span | None = None
    last: Several | None = None
    #: How much of the span must be covered by fresh data; less, and the condition is unknown.
    coverage: Limit | None = None
    #: Only readings that were taken in these hours, by the site's clocks.
    during: CalendarUse | None = None
    #: So many of the last readings meet it; without `of_last` so many in a row.
    times: Several | None = None
    of_last: Several | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        the_one(self, COMPARATORS, ", equals, not_equals")
        if self.take and self.of:
            raise ValueError("`take` and `of` exclude each other; take a statistic, or compare with one")
        windowed = self.take is not None or self.of is not None
        if self.over is not None and self.last is not None:
            raise ValueError("`over` a span and the `last` readings exclude each other; keep one")
        if windowed != self.windowed and not (self.take in ("rate", "delta") and not self.windowed):
            raise ValueError("a window needs both its statistic (`take` or `of`) and its span (`over`, or `last`)")
        if self.coverage is not None and self.over is None:
            raise ValueError("`coverage` belongs to a window over a span; remove it")
        if windowed and self.times is not None:
            raise ValueError("`times` looks at readings, `take` and `of` at a window; write them as two conditions")
        if isinstance(self.other, Other) and (self.of or self.times):
            raise ValueError("another point as the limit goes with the latest value or `take` only")
        if self.during is not None and not (self.take and self.windowed):
            raise ValueError("`during` goes with `take` and its span (`over`, or `last`); for a value write {time: …}")
        _repeated(self.times, self.of_last)
        return self

    @property
    def comparator(self) -> str:
        """Which of COMPARATORS it uses."""
        return the_one(self, COMPARATORS)

    @property
    def windowed(self) -> bool:
        """Whether a window is named."""
        return self.over is not None or self.last is not None

    @property
    def other(self) -> Other | None:
        """The point that the limit is made of, if it is."""
        written = getattr(self, self.comparator)
        return written if isinstance(written, Other) else None


def _repeated(times: int | None, of_last: int | None) -> None:
    if of_last is not None and (times is None or of_last < times):
        raise ValueError("write how many readings (`times`) of how many (`of_last`), the smaller number first")


class StateIs(Question):
    """A state or code point against one label or several."""

    equals: Labels | None = None
    not_equals: Labels | None = None
    #: So many of the last readings say so; without `of_last` so many in a row.
    times: Several | None = None
    of_last: Several | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.equals is None) == (self.not_equals is None):
            raise ValueError("write exactly one of equals and not_equals")
        _repeated(self.times, self.of_last)
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels asked for."""
        given = self.equals if self.equals is not None else self.not_equals
        return (given,) if isinstance(given, str) else given or ()


class Swing(Question):
    """The value has gone up or down by so much within a span; `remember` keeps that true for a while."""

    falls: Limit | None = None
    rises: Limit | None = None
    within: Span
    remember: Span | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.falls is None) == (self.rises is None):
            raise ValueError("write exactly one of falls and rises")
        return self
