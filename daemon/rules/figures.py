"""The numbers of a question in a point's unit, and what is wrong with them if something is."""

from __future__ import annotations

from typing import Any, NamedTuple

from daemon.documents import format_span
from daemon.model import Point, PointKind
from daemon.rules.vocabulary import COMPARATORS, Bounds, Limit, the_one
from daemon.units import Quantity, convert, parse

#: Of a window, when the rule does not say: short losses are bridged, long ones are not.
_COVERAGE = 0.8


class MisfitError(ValueError):
    """A question that cannot be asked of this point; `key` is what is wrong in it."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class Limits(NamedTuple):
    """What to compare with."""

    #: Two ends for a band, else the same number twice; for labels meaningless.
    low: float
    high: float
    #: How an order says it: `below 0.10 MPa`.
    words: str
    #: The share of a window that must be covered.
    coverage: float = _COVERAGE
    #: What the number compared with them is in, when that is not the point's unit.
    unit: str | None = None
    #: The number in the point's unit (per second) is divided by this to be in `unit`.
    scale: float = 1.0


def numeric(name: str, point: Point | None, word: str) -> str:
    """The unit of a point that has numbers; empty while no point is known.

    Raises:
        MisfitError: it has labels.
    """
    if point is None:
        return ""
    if point.kind in (PointKind.STATE, PointKind.CODE):
        raise MisfitError(f"{name} is a {point.kind}, which has no numbers; use equals or not_equals", word)
    return point.unit


def number(written: Limit | None, unit: str, word: str, *, difference: bool = False) -> float:
    """A limit in a unit.

    Raises:
        MisfitError: it measures something else.
    """
    try:
        return convert(parse(written), unit, difference=difference)
    except ValueError as error:
        raise MisfitError(str(error), word) from error


def quantity(written: Limit) -> Quantity:
    """A limit as written."""
    return parse(written)


def bounds(given: Bounds, unit: str) -> tuple[float, float, str]:
    """Low and high end of a plain limit in a unit, and the words for it.

    Raises:
        MisfitError: it measures something else, or the ends are the wrong way round.
    """
    word = the_one(given, COMPARATORS)
    ends = ends_of(given, word)
    low, high = (number(end, unit, word) for end in ends)
    return low, high, said(word, ends, low, high)


def ends_of(given: Any, word: str) -> tuple[Limit, Limit]:  # noqa: ANN401  any model with comparators
    """Both ends of a band; of a single limit that twice."""
    written = getattr(given, word)
    return written if isinstance(written, tuple) else (written, written)


def said(word: str, ends: tuple[Limit, Limit], low: float, high: float) -> str:
    """The words for a limit: `below 0.10 MPa`, `outside 10 % to 98 %`.

    Raises:
        MisfitError: the ends are the wrong way round.
    """
    if low > high:
        raise MisfitError(f"{ends[0]} is more than {ends[1]}; write the lower end first", word)
    band = f" to {shown(ends[1])}" if word in ("outside", "inside") else ""
    return f"{word.replace('_', ' ')} {shown(ends[0])}{band}"


def shown(written: Limit) -> str:
    """A limit as an order says it: `0.10 MPa`, and 3 for 3.0."""
    return written if isinstance(written, str) else f"{written:.12g}"


def coverage_of(written: Limit | None) -> float:
    """The share of a span that must be covered.

    Raises:
        MisfitError: it is no such share.
    """
    coverage = _COVERAGE if written is None else number(written, "%", "coverage") / 100
    if not 0 < coverage <= 1:
        raise MisfitError("coverage must be more than 0 % and at most 100 %", "coverage")
    return coverage


def over(leaf: Any) -> str:  # noqa: ANN401  any model with a window
    """How a window is said: `over 10min`, `over 20 readings`, `over 7d (02:00-04:00)`."""
    during = getattr(leaf, "during", None)
    hours = f" ({during.words})" if during is not None else ""
    if leaf.over is not None:
        return f"over {format_span(leaf.over)}{hours}"
    return f"over {getattr(leaf, 'last', None) or 2} readings{hours}"
