"""The words that conditions are made of: limits, labels, statistics, and what may be asked of a value."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator

from daemon.documents import Strict
from daemon.rules.summaries import LEVELS, STATISTICS, percentile_of
from daemon.units import parse

#: The ways to compare a number with a limit, in the order in which they are looked for.
COMPARATORS = ("below", "above", "at_most", "at_least", "outside", "inside")


def some(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list of nothing."""
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
#: Both ends: `[0.10 MPa, 0.60 MPa]`.
Band = tuple[Limit, Limit]


def _statistic(text: str) -> str:
    if text in STATISTICS or percentile_of(text) is not None:
        return text
    near = difflib.get_close_matches(text, STATISTICS, n=1)
    known = ", ".join(STATISTICS)
    raise ValueError(
        f"there is no statistic {text!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {known}, p1 … p99.9")
    )


#: One of STATISTICS, or a percentile: `p95`.
Statistic = Annotated[
    str,
    AfterValidator(_statistic),
    WithJsonSchema({"anyOf": [{"enum": list(STATISTICS)}, {"type": "string", "pattern": r"^p\d{1,2}(\.\d)?$"}]}),
]


def _level(text: str) -> str:
    if text in LEVELS or percentile_of(text) is not None:
        return text
    raise ValueError(f"a value is compared with a {', '.join(LEVELS)} or percentile such as p95, not with {text!r}")


#: A statistic that a value can be compared with.
Level = Annotated[
    str,
    AfterValidator(_level),
    WithJsonSchema({"anyOf": [{"enum": list(LEVELS)}, {"type": "string", "pattern": r"^p\d{1,2}(\.\d)?$"}]}),
]
#: A label, or any one of several.
Labels = str | Annotated[tuple[str, ...], AfterValidator(some)]


class Yaml(Strict):
    """Keys such as `not` and `for` are no Python names: in YAML only the alias is known."""

    model_config = ConfigDict(populate_by_name=False)


def the_one(given: Any, names: tuple[str, ...], more: str = "") -> str:  # noqa: ANN401  any model
    """The only one of these fields that is there.

    Raises:
        ValueError: none is, or several are.
    """
    found = [name for name in names if getattr(given, name) is not None]
    if len(found) != 1:
        raise ValueError(f"write exactly one of {', '.join(names)}{more} (found {' and '.join(found) or 'none'})")
    return found[0]


class Other(Yaml):
    """Another point of the asset, by whose latest value is measured: `{point: inlet_pressure, plus: 0.05 MPa}`."""

    point: str
    #: In percent: so much of it.
    share: Limit | None = None
    plus: Limit | None = None


def _edge(given: Any) -> str:  # noqa: ANN401  whatever YAML holds
    return "<other>" if isinstance(given, Mapping | Other) else "<limit>"


#: A limit, or another point.
Edge = Annotated[Annotated[Limit, Tag("<limit>")] | Annotated[Other, Tag("<other>")], Discriminator(_edge)]
#: So many readings, as many as can be remembered.
Several = Annotated[int, Field(ge=1, le=1000)]


class Bounds(Yaml):
    """One limit, or two ends."""

    below: Limit | None = None
    above: Limit | None = None
    at_most: Limit | None = None
    at_least: Limit | None = None
    outside: Band | None = None
    inside: Band | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        the_one(self, COMPARATORS)
        return self

    @property
    def comparator(self) -> str:
        """Which of COMPARATORS it uses."""
        return the_one(self, COMPARATORS)


class Beyond(Bounds):
    """What a number must be to count: a limit in the point's unit."""


def _which(given: Any) -> str:  # noqa: ANN401  whatever YAML holds
    return "<limit>" if isinstance(given, Mapping | Beyond) else "<labels>" if isinstance(given, str) else "<several>"


#: Which values are meant: a label, any of several, or a limit.
Which = Annotated[
    Annotated[str, Tag("<labels>")]
    | Annotated[tuple[str, ...], AfterValidator(some), Tag("<several>")]
    | Annotated[Beyond, Tag("<limit>")],
    Discriminator(_which),
]

#: Which readings count.
Quality = Literal["good", "suspect"]


class Question(Yaml):
    """What is asked of a point."""

    point: str
    #: `good`: suspect readings do not count. By default it is as the rule says, and there they do.
    quality: Quality | None = None


class Limited(Question, Bounds):
    """A question whose answer is a number."""
