"""What a condition may count: how often something has happened to a point, and what counters have counted.

{point: door, count: changes, over: 1min, above: 20}                                   changes of a state or number
{point: fault, count: {into: ["2", "3", "7"]}, over: 24h, at_least: 3}                 how often it became one of these
{point: p, count: {into: {above: 0.30 MPa}}, over: 1h, at_least: 4}                    … rose above a limit
{point: fault, count: {readings: ["2"]}, over: 24h, at_least: 3}                       how often it was said
{point: pump, count: {runs: running, shorter: 60s}, over: 1h, at_least: 5}             stretches of a state
{point: reopens, per: closings, over: 1h, above: 10 %, least: 30}                      one counter per another
{point: p, below: 0.10 MPa, share: 80 %, over: 3min}                                   so much of the readings, or time
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Tag, model_validator

from daemon.documents import Span
from daemon.rules.calendars import CalendarUse
from daemon.rules.vocabulary import COMPARATORS, Band, Beyond, Labels, Limit, Limited, Question, Which, Yaml, the_one


class Happening(Yaml):
    """What is counted."""

    #: It becomes one of these and was none of them, or another of them, before.
    into: Which | None = None
    #: Each reading that says so.
    readings: Which | None = None
    #: Each stretch of it, when it ends: from the reading that began it to the one that ended it.
    runs: Which | None = None
    #: Of runs: those that lasted less than this, or this and more.
    shorter: Span | None = None
    longer: Span | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kind = the_one(self, ("into", "readings", "runs"))
        if kind != "runs" and (self.shorter is not None or self.longer is not None):
            raise ValueError(f"`shorter` and `longer` are asked of `runs`, not of {kind}; remove them")
        return self

    @property
    def which(self) -> Which:
        """Which values are meant."""
        which: Which = getattr(self, the_one(self, ("into", "readings", "runs")))
        return which


def _counted(given: object) -> str:
    return "<word>" if isinstance(given, str) else "<happening>"


class Count(Limited):
    """How often something has happened to a point in a span."""

    count: Annotated[
        Annotated[Literal["changes"], Tag("<word>")] | Annotated[Happening, Tag("<happening>")],
        Discriminator(_counted),
    ]
    over: Span
    #: How much of the span must have been seen before it can be said that it did not happen.
    coverage: Limit | None = None
    #: Only what happened in these hours, by the site's clocks.
    during: CalendarUse | None = None


class Ratio(Limited):
    """What one counter counts for each that another counts, over a span."""

    #: The counter that is divided by.
    per: str
    over: Span
    #: Where the other has counted less than this, the condition is not met.
    least: Limit | None = None


class Share(Question):
    """So much of the readings of a span say so; of a point that speaks on change, so much of the time."""

    below: Limit | None = None
    above: Limit | None = None
    at_most: Limit | None = None
    at_least: Limit | None = None
    outside: Band | None = None
    inside: Band | None = None
    equals: Labels | None = None
    not_equals: Labels | None = None
    #: In percent: at least so much.
    share: Limit
    over: Span
    #: Of a point with an interval: how much of the span must be covered by fresh data.
    coverage: Limit | None = None
    #: Only readings that were taken in these hours, by the site's clocks.
    during: CalendarUse | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        the_one(self, (*COMPARATORS, "equals", "not_equals"))
        return self

    @property
    def comparator(self) -> str:
        """What it compares with; equals and not_equals among it."""
        return the_one(self, (*COMPARATORS, "equals", "not_equals"))

    @property
    def which(self) -> Which:
        """Which values are meant; those of `not_equals` are not."""
        word = self.comparator
        given = getattr(self, word)
        return Beyond.model_validate({word: given}) if word in COMPARATORS else given
