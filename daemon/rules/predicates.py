"""What a condition may look like in YAML: checked here for shape only, against a site's points in `schema`.

{point: outlet_pressure, below: 0.10 MPa}                              a value against a limit
{point: outlet_pressure, take: mean, over: 5min, below: 0.10 MPa}      a window against a limit
{point: outlet_pressure, below: 80 %, of: median, over: 10min}         a value against its own recent past
{point: outlet_pressure, falls: 0.08 MPa, within: 30s, remember: 2min} a change over a span
{point: mode, equals: [inspection, fire]}                              a label
{stale: {after: 5min}}                                                 silence
{point: vibration, above: 3 sd, baseline: {over: 14d}}                 a value against the asset's own baseline
{point: rope, falls_to: 90 %, within: 60d}                             a forecast
{time: 22:00-06:00}                                                    the hour of the day
{all: […]}  {any: […]}  {not: …}                                       and, or, not
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from daemon.documents import Location, Span, Strict
from daemon.rules.calendars import CalendarUse
from daemon.units import parse

#: The ways to compare a number with a limit, in the order in which they are looked for.
COMPARATORS = ("below", "above", "at_most", "at_least", "outside", "inside")
#: Of a baseline: its standard deviations, its median absolute deviations, times its centre.
SD, MAD, TIMES = MEASURES = ("sd", "mad", "x")


def _some(given: tuple[Any, ...]) -> tuple[Any, ...]:
    if not given:
        raise ValueError("the list is empty; name at least one")
    return given


def _quantity(text: str | float) -> str | float:
    parse(text)
    return text


#: `0.10 MPa`, or a bare number where the point has no unit.
Limit = Annotated[
    str | float,
    AfterValidator(_quantity),
    WithJsonSchema({"type": ["string", "number"], "examples": ["0.10 MPa", "80 %", "45 °C"]}),
]
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
#: Both ends: `[0.10 MPa, 0.60 MPa]`.
Band = tuple[Limit, Limit]
Statistic = Literal["mean", "min", "max", "median"]
#: A label, or any one of several.
Labels = str | Annotated[tuple[str, ...], AfterValidator(_some)]


class _Yaml(Strict):
    """Keys such as `not` and `for` are no Python names: in YAML only the alias is known."""

    model_config = ConfigDict(populate_by_name=False)


class Compare(_Yaml):
    """A point's value, or a statistic of it over a window, against a limit in its unit or in percent of its past."""

    point: str
    below: Limit | None = None
    above: Limit | None = None
    at_most: Limit | None = None
    at_least: Limit | None = None
    outside: Band | None = None
    inside: Band | None = None
    #: What to take over the window instead of the latest value.
    take: Statistic | None = None
    #: What of the window to compare the latest value with; the limit is then in percent of it.
    of: Statistic | None = None
    over: Span | None = None
    #: How much of the window must be covered by fresh data; less, and the condition is unknown.
    coverage: Limit | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        given = [name for name in COMPARATORS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"write exactly one of {', '.join(COMPARATORS)}, equals, not_equals (found {found})")
        if self.take and self.of:
            raise ValueError("`take` and `of` exclude each other; take a statistic, or compare with one")
        windowed = self.take is not None or self.of is not None
        if windowed != (self.over is not None):
            raise ValueError("a window needs both its statistic (`take` or `of`) and its span (`over`)")
        if self.coverage is not None and not windowed:
            raise ValueError("`coverage` belongs to a window; remove it")
        return self

    @property
    def comparator(self) -> str:
        """Which of COMPARATORS it uses."""
        return next(name for name in COMPARATORS if getattr(self, name) is not None)


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
        if self.coverage is not None and self.take is None:
            raise ValueError("`coverage` belongs to a window; remove it")
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


class Forecast(_Yaml):
    """When a point, going on as it has, will have come to a limit."""

    point: str
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


class StateIs(_Yaml):
    """A state or code point against one label or several."""

    point: str
    equals: Labels | None = None
    not_equals: Labels | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.equals is None) == (self.not_equals is None):
            raise ValueError("write exactly one of equals and not_equals")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels asked for."""
        given = self.equals if self.equals is not None else self.not_equals
        return (given,) if isinstance(given, str) else given or ()


class Swing(_Yaml):
    """The value has gone up or down by so much within a span; `remember` keeps that true for a while."""

    point: str
    falls: Limit | None = None
    rises: Limit | None = None
    within: Span
    remember: Span | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.falls is None) == (self.rises is None):
            raise ValueError("write exactly one of falls and rises")
        return self


class Silence(_Yaml):
    """How long nothing has come."""

    after: Span
    #: Without a point: any device or promised point is enough, or every device must be silent.
    devices: Literal["any", "all"] = "any"


class Stale(_Yaml):
    """Nothing has come from a point; without `point`, from any device or any promised point of the asset."""

    stale: Silence
    point: str | None = None


class TimeIs(_Yaml):
    """The site's clocks show a moment inside a calendar."""

    time: CalendarUse

    @property
    def point(self) -> None:
        """It looks at none."""


class AllOf(_Yaml):
    """Every one of them."""

    parts: Annotated[tuple[Condition, ...], Field(alias="all"), AfterValidator(_some)]


class AnyOf(_Yaml):
    """At least one of them."""

    parts: Annotated[tuple[Condition, ...], Field(alias="any"), AfterValidator(_some)]


class NotOf(_Yaml):
    """The opposite; what is unknown stays unknown."""

    part: Annotated[Condition, Field(alias="not")]


_SHAPES: tuple[tuple[str, str, type[_Yaml]], ...] = (
    ("all", "<all>", AllOf),
    ("any", "<any>", AnyOf),
    ("not", "<not>", NotOf),
    ("stale", "<stale>", Stale),
    ("time", "<time>", TimeIs),
    ("baseline", "<baseline>", Deviation),
    ("falls_to", "<forecast>", Forecast),
    ("rises_to", "<forecast>", Forecast),
    ("beyond", "<forecast>", Forecast),
    ("falls", "<swing>", Swing),
    ("rises", "<swing>", Swing),
    ("within", "<swing>", Swing),
    ("equals", "<state>", StateIs),
    ("not_equals", "<state>", StateIs),
)


def _shape(given: Any) -> str:  # noqa: ANN401  whatever YAML holds
    """Which shape a mapping means, by its keys: so that faults name one shape, not all of them."""
    if isinstance(given, Mapping):
        return next((tag for key, tag, _ in _SHAPES if key in given), "<compare>")
    return next((tag for _, tag, model in _SHAPES if isinstance(given, model)), "<compare>")


Condition = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[NotOf, Tag("<not>")]
    | Annotated[Stale, Tag("<stale>")]
    | Annotated[TimeIs, Tag("<time>")]
    | Annotated[Swing, Tag("<swing>")]
    | Annotated[StateIs, Tag("<state>")]
    | Annotated[Deviation, Tag("<baseline>")]
    | Annotated[Forecast, Tag("<forecast>")]
    | Annotated[Compare, Tag("<compare>")],
    Discriminator(_shape),
]

for _model in (AllOf, AnyOf, NotOf):
    _model.model_rebuild()

Leaf = Compare | Deviation | Forecast | StateIs | Swing | Stale | TimeIs


def leaves(condition: Condition, at: Location = ()) -> Iterator[tuple[Leaf, Location]]:
    """Every question of a condition, left to right, with its place in the document."""
    match condition:
        case AllOf() | AnyOf():
            word = "all" if isinstance(condition, AllOf) else "any"
            for n, part in enumerate(condition.parts):
                yield from leaves(part, (*at, word, n))
        case NotOf():
            yield from leaves(condition.part, (*at, "not"))
        case _:
            yield condition, at


def points_of(condition: Condition) -> Iterator[str]:
    """The names of the points a condition looks at."""
    for leaf, _ in leaves(condition):
        if leaf.point is not None:
            yield leaf.point
