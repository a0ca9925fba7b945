"""A question of a rule, made exact for one point: numbers in the point's unit, and words for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from daemon.documents import format_span
from daemon.model import Point, PointKind
from daemon.rules.predicates import (
    MAD,
    MEASURES,
    SD,
    Compare,
    Deviation,
    Forecast,
    Leaf,
    Limit,
    Stale,
    StateIs,
    Swing,
    TimeIs,
)
from daemon.units import convert, parse

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


def resolve(leaf: Leaf, point: Point | None) -> Limits:  # noqa: PLR0911  one line a shape
    """Turn the limits of `leaf` into the unit of `point`.

    Raises:
        MisfitError: the question makes no sense for the point, or a unit does not fit.
    """
    match leaf:
        case Stale():
            if point is not None and point.formula:
                raise MisfitError(f"{point.name} is computed; ask for the silence of the points it stands on", "point")
            return Limits(0, 0, f"silent for {format_span(leaf.stale.after)}")
        case TimeIs():
            return Limits(0, 0, leaf.time.words)
        case StateIs():
            return _labels(leaf, point)
        case Swing():
            return _swing(leaf, point)
        case Deviation():
            return deviation_limits(leaf, point).limits
        case Forecast():
            return _forecast(leaf, point)
        case Compare():
            return _compare(leaf, point)


def _labels(leaf: StateIs, point: Point | None) -> Limits:
    word = "equals" if leaf.equals is not None else "not_equals"
    if point is not None and point.kind not in (PointKind.STATE, PointKind.CODE):
        raise MisfitError(f"{point.name} is a {point.kind}, which has no labels; use below, above, inside …", word)
    return Limits(0, 0, f"{word.replace('_', ' ')} {' or '.join(leaf.labels)}")


def _swing(leaf: Swing, point: Point | None) -> Limits:
    word = "falls" if leaf.falls is not None else "rises"
    written = leaf.falls if leaf.falls is not None else leaf.rises
    unit = _unit(leaf, point, word)
    reach = _number(written, unit, word, difference=True)
    if reach <= 0:
        raise MisfitError(f"{word} must be more than zero; turn falls into rises or back instead", word)
    remembered = f", remembered for {format_span(leaf.remember)}" if leaf.remember else ""
    return Limits(reach, reach, f"{word} by {written} within {format_span(leaf.within)}{remembered}")


def _compare(leaf: Compare, point: Point | None) -> Limits:
    word = leaf.comparator
    written: Limit | tuple[Limit, Limit] = getattr(leaf, word)
    unit = _unit(leaf, point, word)
    ends = written if isinstance(written, tuple) else (written, written)
    low, high = (_number(end, "%" if leaf.of else unit, word) for end in ends)
    if low > high:
        raise MisfitError(f"{ends[0]} is more than {ends[1]}; write the lower end first", word)
    says = f"{word.replace('_', ' ')} {ends[0]}" + (f" to {ends[1]}" if isinstance(written, tuple) else "")
    if leaf.over is not None:
        window = f"{leaf.take or leaf.of} over {format_span(leaf.over)}"
        says = f"{window} {says}" if leaf.take else f"{says} of {window}"
    return Limits(low, high, says, _coverage(leaf))


def _coverage(leaf: Compare) -> float:
    coverage = _COVERAGE if leaf.coverage is None else _number(leaf.coverage, "%", "coverage") / 100
    if not 0 < coverage <= 1:
        raise MisfitError("coverage must be more than 0 % and at most 100 %", "coverage")
    return coverage


def _unit(leaf: Compare | Swing | Forecast, point: Point | None, word: str) -> str:
    if point is None:
        return ""
    if point.kind in (PointKind.STATE, PointKind.CODE):
        raise MisfitError(f"{leaf.point} is a {point.kind}, which has no numbers; use equals or not_equals", word)
    return point.unit


def _number(written: Limit | None, unit: str, word: str, *, difference: bool = False) -> float:
    try:
        return convert(parse(written), unit, difference=difference)
    except ValueError as error:
        raise MisfitError(str(error), word) from error


class Apart(NamedTuple):
    """How far from a baseline is too far."""

    #: The ends in `measure`.
    limits: Limits
    #: sd, mad, x or %, or empty for a distance in the point's unit.
    measure: str
    #: median or mean
    of: str


def deviation_limits(leaf: Deviation, point: Point | None) -> Apart:
    """What of a baseline to compare with, and how far from it is too far.

    Raises:
        MisfitError: the question makes no sense for the point, or a unit does not fit.
    """
    word = leaf.comparator
    written: str | tuple[str, str] = getattr(leaf, word)
    unit = _unit(leaf, point, word)
    ends = written if isinstance(written, tuple) else (written, written)
    (low, measure), (high, other) = (_apart(end, unit, word) for end in ends)
    if measure != other:
        raise MisfitError(f"{ends[0]} and {ends[1]} are measured differently; write both ends in the same way", word)
    if low > high:
        raise MisfitError(f"{ends[0]} is more than {ends[1]}; write the lower end first", word)
    of = leaf.baseline.of or ("mean" if measure == SD else "median")
    if (measure, of) in ((SD, "median"), (MAD, "mean")):
        raise MisfitError(f"{measure} goes with `of: {'mean' if of == 'median' else 'median'}`", word)
    taken = f"{leaf.take} over {format_span(leaf.over)} " if leaf.take and leaf.over else ""
    says = f"{taken}{word.replace('_', ' ')} {ends[0]}" + (f" to {ends[1]}" if isinstance(written, tuple) else "")
    hourly = " by the hour" if leaf.baseline.by_hour else ""
    says = f"{says} against its {format_span(leaf.baseline.over)} baseline{hourly}"
    return Apart(Limits(low, high, says, _coverage(leaf)), measure, of)


def _apart(written: str, unit: str, word: str) -> tuple[float, str]:
    number, measure = written.rstrip("sdmax "), written.lstrip("+-.0123456789 ")
    if measure in MEASURES:
        return float(number), measure
    if parse(written).unit == "%":
        return _number(written, "%", word), "%"
    return _number(written, unit, word, difference=True), ""


def _forecast(leaf: Forecast, point: Point | None) -> Limits:
    word = "falls_to" if leaf.falls_to is not None else "rises_to"
    written = leaf.falls_to if leaf.falls_to is not None else leaf.rises_to
    limit = _number(written, _unit(leaf, point, word), word)
    span = f"within {format_span(leaf.within)}" if leaf.within is not None else ""
    span = span or f"not within {format_span(leaf.beyond or timedelta())}"
    return Limits(limit, limit, f"{word.replace('_', ' ')} {written} {span}")
