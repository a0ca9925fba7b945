"""Questions about an asset's own past: how far from its baseline, and when it will come to a limit."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from daemon.documents import Span, Strict
from daemon.rules.questions import Compare
from daemon.rules.vocabulary import Limit, Question
from daemon.units import parse

#: Of a baseline: its standard deviations, its median absolute deviations, times its centre.
SD, MAD, TIMES = MEASURES = ("sd", "mad", "x")
_APART = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(\S.*)")


def _apart(text: Any) -> str:  # noqa: ANN401  whatever YAML holds
    match = _APART.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no distance from a baseline; write 3 sd, 3 mad, 2 x, +30 % or +0.02 MPa")
    number, unit = match.groups()
    if unit in MEASURES:
        return str(text)
    if number[0] not in "+-":
        raise ValueError(
            f"{text!r}: is it so much more, or that much? write +{text} for more than the baseline, 1.3 x for times"
        )
    parse(text)
    return str(text)


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day; write it as 2026-10-01") from error
    return text


#: A distance from a baseline: `3 sd`, `-3 mad`, `2 x`, `+30 %`, `+0.02 MPa`.
Apart = Annotated[
    str, BeforeValidator(_apart), WithJsonSchema({"type": "string", "examples": ["3 sd", "3 mad", "2 x", "+30 %"]})
]


class BaselineSpec(Strict):
    """The asset's own past, kept in days."""

    #: So many of the last days that have readings; below two days, sixteenths of the span.
    over: Span
    #: Calibrated when so many of them are there; half of `over` when absent.
    after: Span | None = None
    #: What to compare with: median for mad, mean for sd, and by default the median for all else.
    of: Literal["median", "mean"] | None = None
    #: Each hour of the day, by the site's clocks, has a baseline of its own.
    by_hour: bool = False
    #: `once`: what was learnt over `over` stays until `since` is changed.
    learn: Literal["rolling", "once"] = "rolling"
    #: What was before this day is not learnt; to be set when the asset has been repaired or altered.
    since: Annotated[str, AfterValidator(_day)] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.over:
            raise ValueError("over must be longer than nothing")
        if self.after is not None and self.after > self.over:
            raise ValueError("`after` is longer than `over`: it would never be calibrated")
        return self


class Deviation(Compare):
    """A point's value, or a statistic of it over a window, against the asset's own baseline."""

    below: Apart | None = None
    above: Apart | None = None
    at_most: Apart | None = None
    at_least: Apart | None = None
    outside: tuple[Apart, Apart] | None = None
    inside: tuple[Apart, Apart] | None = None
    baseline: BaselineSpec

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.of is not None:
            raise ValueError("`of` compares with a window, `baseline` with the asset's own past; write one of them")
        if self.times is not None:
            raise ValueError("`times` and `baseline` exclude each other; take a statistic of a window instead")
        return self


class History(Strict):
    """What a forecast stands on: daily medians."""

    #: How far back it looks.
    over: Span = timedelta(days=90)
    #: First and last day must be so far apart; a third of `over` when absent.
    after: Span | None = None
    #: So many days must have readings.
    days: Annotated[int, Field(ge=3, le=100)] = 8

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.over:
            raise ValueError("over must be longer than nothing")
        if self.after is not None and self.after > self.over:
            raise ValueError("`after` is longer than `over`: it would never forecast")
        return self


class Forecast(Question):
    """When a point, going on as it has, will have come to a limit."""

    falls_to: Limit | None = None
    rises_to: Limit | None = None
    #: True when it will be there in so much time or less.
    within: Span | None = None
    #: True when it will take longer, or never come there.
    beyond: Span | None = None
    history: History = History()

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.falls_to is None) == (self.rises_to is None):
            raise ValueError("write exactly one of falls_to and rises_to")
        if (self.within is None) == (self.beyond is None):
            raise ValueError("write exactly one of within and beyond")
        return self
