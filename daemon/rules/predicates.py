"""What a condition may look like in YAML: checked here for shape only, against a site's points in `schema`.

{point: outlet_pressure, below: 0.10 MPa}                              a value against a limit
{point: outlet_pressure, take: mean, over: 5min, below: 0.10 MPa}      a window against a limit
{point: outlet_pressure, below: 80 %, of: median, over: 10min}         a value against its own recent past
{point: outlet_pressure, falls: 0.08 MPa, within: 30s, remember: 2min} a change over a span
{point: supply, take: rate, over: 10min, below: -2 K/min}              how fast it changes
{point: outlet_pressure, below: {point: inlet_pressure, plus: 2 bar}}  a value against another point's
{point: level_error, above: 20 mm, times: 3, of_last: 10}              so many of the last readings
{point: mode, equals: [inspection, fire]}                              a label
{point: fault, count: {into: ["2", "3"]}, over: 24h, at_least: 3}      how often something happened (see `tallies`)
{point: p, below: 0.10 MPa, share: 80 %, over: 3min}                   so much of the readings, or of the time
{stale: {after: 5min}}                                                 silence
{point: vibration, above: 3 sd, baseline: {over: 14d}}                 a value against the asset's own baseline
{point: rope, falls_to: 90 %, within: 60d}                             a forecast
{time: 22:00-06:00}                                                    the hour of the day
{all: […]}  {any: […]}  {not: …}                                       and, or, not
{count: {becomes: …}, over: 10min, at_least: 3}                        how often a condition came true
{held: …, for: 90s}                                                    a condition that has been true for so long
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from daemon.documents import Location, Span
from daemon.rules.calendars import CalendarUse
from daemon.rules.pasts import Deviation, Forecast
from daemon.rules.questions import Compare, StateIs, Swing
from daemon.rules.tallies import Count, Ratio, Share
from daemon.rules.vocabulary import Bounds, Limit, Yaml, some


def _lasting(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("`for` must be longer than nothing; without it the condition itself is enough")
    return span


class Silence(Yaml):
    """How long nothing has come."""

    after: Span
    #: Without a point: any device or promised point is enough, or every device must be silent.
    devices: Literal["any", "all"] = "any"


class Stale(Yaml):
    """Nothing has come from a point; without `point`, from any device or any promised point of the asset."""

    stale: Silence
    point: str | None = None


class TimeIs(Yaml):
    """The site's clocks show a moment inside a calendar."""

    time: CalendarUse

    @property
    def point(self) -> None:
        """It looks at none."""


class AllOf(Yaml):
    """Every one of them."""

    parts: Annotated[tuple[Condition, ...], Field(alias="all"), AfterValidator(some)]


class AnyOf(Yaml):
    """At least one of them."""

    parts: Annotated[tuple[Condition, ...], Field(alias="any"), AfterValidator(some)]


class NotOf(Yaml):
    """The opposite; what is unknown stays unknown."""

    part: Annotated[Condition, Field(alias="not")]


class Becoming(Yaml):
    """What is counted: a condition that comes true."""

    becomes: Condition


class Turns(Bounds):
    """How often a condition has come true in a span."""

    count: Becoming
    over: Span
    #: For how much of the span it must have been known before it can be said that it did not.
    coverage: Limit | None = None

    @property
    def point(self) -> None:
        """It looks at none itself."""


class Held(Yaml):
    """A condition has been true, without a break, for so long."""

    held: Condition
    hold: Annotated[Span, Field(alias="for"), AfterValidator(_lasting)]

    @property
    def point(self) -> None:
        """It looks at none itself."""


_SHAPES: tuple[tuple[str, str, type[Yaml]], ...] = (
    ("all", "<all>", AllOf),
    ("any", "<any>", AnyOf),
    ("not", "<not>", NotOf),
    ("stale", "<stale>", Stale),
    ("time", "<time>", TimeIs),
    ("held", "<held>", Held),
    ("becomes", "<turns>", Turns),
    ("count", "<count>", Count),
    ("per", "<ratio>", Ratio),
    ("share", "<share>", Share),
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
        count = given.get("count")
        if isinstance(count, Becoming) or (isinstance(count, Mapping) and "becomes" in count):
            return "<turns>"
        return next((tag for key, tag, _ in _SHAPES if key in given), "<compare>")
    return next((tag for _, tag, model in _SHAPES if isinstance(given, model)), "<compare>")


Condition = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[NotOf, Tag("<not>")]
    | Annotated[Held, Tag("<held>")]
    | Annotated[Turns, Tag("<turns>")]
    | Annotated[Stale, Tag("<stale>")]
    | Annotated[TimeIs, Tag("<time>")]
    | Annotated[Count, Tag("<count>")]
    | Annotated[Ratio, Tag("<ratio>")]
    | Annotated[Share, Tag("<share>")]
    | Annotated[Swing, Tag("<swing>")]
    | Annotated[StateIs, Tag("<state>")]
    | Annotated[Deviation, Tag("<baseline>")]
    | Annotated[Forecast, Tag("<forecast>")]
    | Annotated[Compare, Tag("<compare>")],
    Discriminator(_shape),
]

for _model in (AllOf, AnyOf, NotOf, Becoming, Turns, Held):
    _model.model_rebuild()

Leaf = Compare | Deviation | Forecast | StateIs | Swing | Count | Ratio | Share | Stale | TimeIs | Turns | Held


def leaves(condition: Condition, at: Location = ()) -> Iterator[tuple[Leaf, Location]]:
    """Every question of a condition, left to right, with its place in the document.

    One that follows a condition comes before the questions of that.
    """
    match condition:
        case AllOf() | AnyOf():
            word = "all" if isinstance(condition, AllOf) else "any"
            for n, part in enumerate(condition.parts):
                yield from leaves(part, (*at, word, n))
        case NotOf():
            yield from leaves(condition.part, (*at, "not"))
        case Turns() | Held():
            yield condition, at
            yield from leaves(followed(condition), (*at, *_followed_at(condition)))
        case _:
            yield condition, at


def followed(condition: Turns | Held) -> Condition:
    """The condition that it follows."""
    return condition.held if isinstance(condition, Held) else condition.count.becomes


def _followed_at(condition: Turns | Held) -> Location:
    return ("held",) if isinstance(condition, Held) else ("count", "becomes")


def asked(leaf: Leaf) -> tuple[str, ...]:
    """The names of the points a question looks at."""
    first = () if leaf.point is None else (leaf.point,)
    match leaf:
        case Compare() if leaf.other is not None:
            return (*first, leaf.other.point)
        case Ratio():
            return (*first, leaf.per)
        case _:
            return first


def points_of(condition: Condition) -> Iterator[str]:
    """The names of the points a condition looks at."""
    for leaf, _ in leaves(condition):
        yield from asked(leaf)
