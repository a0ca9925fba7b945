"""Questions about an asset's own past, made exact for a point (see `limits`)."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from daemon.documents import format_span
from daemon.model import Point
from daemon.rules.figures import Limits, MisfitError, coverage_of, number, numeric, over
from daemon.rules.pasts import MAD, MEASURES, SD, Deviation, Forecast
from daemon.units import parse


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
    unit = numeric(leaf.point, point, word)
    ends = written if isinstance(written, tuple) else (written, written)
    (low, measure), (high, other) = (_apart(end, unit, word) for end in ends)
    if measure != other:
        raise MisfitError(f"{ends[0]} and {ends[1]} are measured differently; write both ends in the same way", word)
    if low > high:
        raise MisfitError(f"{ends[0]} is more than {ends[1]}; write the lower end first", word)
    of = leaf.baseline.of or ("mean" if measure == SD else "median")
    if (measure, of) in ((SD, "median"), (MAD, "mean")):
        raise MisfitError(f"{measure} goes with `of: {'mean' if of == 'median' else 'median'}`", word)
    taken = f"{leaf.take} {over(leaf)} " if leaf.take else ""
    says = f"{taken}{word.replace('_', ' ')} {ends[0]}" + (f" to {ends[1]}" if isinstance(written, tuple) else "")
    hourly = " by the hour" if leaf.baseline.by_hour else ""
    says = f"{says} against its {format_span(leaf.baseline.over)} baseline{hourly}"
    return Apart(Limits(low, high, says, coverage_of(leaf.coverage)), measure, of)


def _apart(written: str, unit: str, word: str) -> tuple[float, str]:
    size, measure = written.rstrip("sdmax "), written.lstrip("+-.0123456789 ")
    if measure in MEASURES:
        return float(size), measure
    if parse(written).unit == "%":
        return number(written, "%", word), "%"
    return number(written, unit, word, difference=True), ""


def forecast_limits(leaf: Forecast, point: Point | None) -> Limits:
    """The limit that is to be reached, in the point's unit.

    Raises:
        MisfitError: it measures something else.
    """
    word = "falls_to" if leaf.falls_to is not None else "rises_to"
    written = leaf.falls_to if leaf.falls_to is not None else leaf.rises_to
    limit = number(written, numeric(leaf.point, point, word), word)
    span = f"within {format_span(leaf.within)}" if leaf.within is not None else ""
    span = span or f"not within {format_span(leaf.beyond or timedelta())}"
    return Limits(limit, limit, f"{word.replace('_', ' ')} {written} {span}")
