"""A question of a rule, made exact for one point: numbers in the point's unit, and words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from daemon.documents import format_span
from daemon.model import Point, PointKind
from daemon.rules.counting_limits import count_limits, ratio_limits, share_limits
from daemon.rules.figures import (
    Limits,
    MisfitError,
    bounds,
    coverage_of,
    ends_of,
    number,
    numeric,
    over,
    quantity,
    said,
)
from daemon.rules.past_limits import deviation_limits, forecast_limits
from daemon.rules.pasts import Deviation, Forecast
from daemon.rules.predicates import Held, Leaf, Stale, TimeIs, Turns
from daemon.rules.questions import Compare, StateIs, Swing
from daemon.rules.tallies import Count, Ratio, Share
from daemon.rules.vocabulary import Limit
from daemon.units import Quantity, convert, convert_rate

__all__ = ["Limits", "MisfitError", "resolve"]

#: These are the difference of two values: 5 °C of them are 5 K.
_DIFFERENCES = ("range", "stddev", "delta")
_NOWHERE: Mapping[str, Point] = {}


def resolve(leaf: Leaf, point: Point | None, others: Mapping[str, Point] = _NOWHERE) -> Limits:  # noqa: C901, PLR0911, PLR0912
    """Turn the limits of `leaf` into the unit of `point`.

    Args:
        leaf: the question.
        point: what it is asked of; None while that is not known.
        others: the points of the same asset, by name, for questions that look at two.

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
        case Turns():
            low, high, says = bounds(leaf, "")
            return Limits(low, high, f"{over(leaf)} {says}", coverage_of(leaf.coverage), unit="")
        case Held():
            return Limits(0, 0, f"at least {format_span(leaf.hold)}")
        case StateIs():
            return _labels(leaf, point)
        case Swing():
            return _swing(leaf, point)
        case Deviation():
            return deviation_limits(leaf, point).limits
        case Forecast():
            return forecast_limits(leaf, point)
        case Count():
            return count_limits(leaf, point)
        case Share():
            return share_limits(leaf, point)
        case Ratio():
            return ratio_limits(leaf, point, others.get(leaf.per))
        case Compare():
            return _compare(leaf, point, others)


def _labels(leaf: StateIs, point: Point | None) -> Limits:
    word = "equals" if leaf.equals is not None else "not_equals"
    if point is not None and point.kind not in (PointKind.STATE, PointKind.CODE):
        raise MisfitError(f"{point.name} is a {point.kind}, which has no labels; use below, above, inside …", word)
    return Limits(0, 0, f"{word.replace('_', ' ')} {' or '.join(leaf.labels)}{_repeated(leaf)}")


def _repeated(leaf: StateIs | Compare) -> str:
    """`` in 3 of 10 readings``, when so many must say so."""
    return "" if leaf.times is None else f" in {leaf.times} of {leaf.of_last or leaf.times} readings"


def _swing(leaf: Swing, point: Point | None) -> Limits:
    word = "falls" if leaf.falls is not None else "rises"
    written = leaf.falls if leaf.falls is not None else leaf.rises
    unit = numeric(leaf.point, point, word)
    reach = number(written, unit, word, difference=True)
    if reach <= 0:
        raise MisfitError(f"{word} must be more than zero; turn falls into rises or back instead", word)
    remembered = f", remembered for {format_span(leaf.remember)}" if leaf.remember else ""
    return Limits(reach, reach, f"{word} by {written} within {format_span(leaf.within)}{remembered}")


def _compare(leaf: Compare, point: Point | None, others: Mapping[str, Point]) -> Limits:
    word = leaf.comparator
    unit = numeric(leaf.point, point, word)
    take, of = leaf.take, leaf.of
    if leaf.during is not None and point is not None and point.kind is PointKind.COUNTER and take in ("rate", "delta"):
        what = f"a {take} of a counter is made of its readings before and after, whatever the hours"
        raise MisfitError(
            f"{what}; derive its flow (`rise({leaf.point}, 1h) / 1 h`) and take the mean of that", "during"
        )
    coverage = coverage_of(leaf.coverage)
    if leaf.other is not None:
        limits = _beside(leaf, point, others)
    else:
        ends = ends_of(leaf, word)
        if take in ("slope", "rate"):
            limits = _rates(ends, unit, word)
        elif take == "count":
            limits = Limits(number(ends[0], "", word), number(ends[1], "", word), "", unit="")
        else:
            low, high = (number(end, "%" if of else unit, word, difference=take in _DIFFERENCES) for end in ends)
            limits = Limits(low, high, "", unit=_unit_of(take, unit))
        limits = limits._replace(words=said(word, ends, limits.low, limits.high))
    says = limits.words + _repeated(leaf)
    if take is not None:
        says = f"{take} {over(leaf)} {says}"
    elif of is not None:
        says = f"{says} of {of} {over(leaf)}"
    return limits._replace(words=says, coverage=coverage)


def _unit_of(take: str | None, unit: str) -> str | None:
    """Differences of temperatures are in kelvins."""
    return "K" if take in _DIFFERENCES and unit == "°C" else None


def _rates(ends: tuple[Limit, Limit], unit: str, word: str) -> Limits:
    """Limits per time, in the unit they are written in; a window's number is per second."""
    first, second = quantity(ends[0]), quantity(ends[1])
    try:
        _, high = convert_rate(first, unit), convert_rate(second, unit)
        scale = convert_rate(Quantity(Decimal(1), first.unit), unit)
    except ValueError as error:
        raise MisfitError(str(error), word) from error
    return Limits(float(first.value), high / scale, "", unit=first.unit, scale=scale)


# --- another point as the limit ----------------------------------------------------------------------------


class Beside(NamedTuple):
    """A limit made of another point's latest value `x`: `factor * x + offset`, in the unit of the point."""

    factor: float
    offset: float
    #: The words for it: `inlet_pressure plus 2 bar`.
    words: str


def beside(leaf: Compare, unit: str, other: Point | None) -> Beside:
    """The limit that another point makes, for a point of a unit.

    Raises:
        MisfitError: the two do not measure the same.
    """
    written, word = leaf.other, leaf.comparator
    if written is None:
        raise MisfitError("there is no other point in it", word)
    plus = 0.0 if written.plus is None else number(written.plus, unit, word, difference=True)
    share = 1.0 if written.share is None else number(written.share, "%", word) / 100
    factor, zero = 1.0, 0.0
    if other is not None:
        there = numeric(written.point, other, word)
        try:
            zero = convert(Quantity(Decimal(0), there), unit)
            factor = convert(Quantity(Decimal(1), there), unit, difference=True)
        except ValueError as error:
            raise MisfitError(f"{written.point} cannot be compared with it: {error}", word) from error
    if share != 1 and unit in ("°C", "K"):
        raise MisfitError("a share of a temperature means nothing; write a difference (plus: 5 K)", word)
    words = f"{written.share} of {written.point}" if written.share is not None else written.point
    words += f" plus {written.plus}" if written.plus is not None else ""
    return Beside(share * factor, share * zero + plus, words)


def _beside(leaf: Compare, point: Point | None, others: Mapping[str, Point]) -> Limits:
    if leaf.take in ("slope", "rate", "count", *_DIFFERENCES):
        raise MisfitError(f"a {leaf.take} cannot be compared with a value of another point", leaf.comparator)
    words = "another point"
    if point is not None and leaf.other is not None:
        words = beside(leaf, point.unit, others.get(leaf.other.point)).words
    words = f"{leaf.comparator.replace('_', ' ')} {words}"
    return Limits(0, 0, words)
