"""Whether a rule's sensors are fast enough for it: found at load, not in the night it was needed.

A `for` asks for an unbroken stretch of readings, a window for a number made of several. With less than two intervals
in it there is one reading or none, so what looks like fifteen minutes of low pressure is a single value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from daemon.documents import Location, format_span
from daemon.model import Point
from daemon.rules.calendars import Calendar
from daemon.rules.daily import FEWEST, Pieces
from daemon.rules.pasts import Deviation, Forecast
from daemon.rules.predicates import Held, Leaf, Stale, Turns, asked, followed, leaves
from daemon.rules.questions import Compare, Swing
from daemon.rules.rule import RuleSpec
from daemon.rules.tallies import Count, Ratio, Share

#: How many intervals of its slowest point a span must have.
_FEWEST = 2
_DAY = timedelta(days=1)


class TooShort(NamedTuple):
    """A span of a rule that a point is too slow for."""

    #: Where in the rule the span stands.
    place: Location
    point: Point
    #: What is wrong, and what to do.
    says: str


def too_short(rule: RuleSpec, points: Mapping[str, Point]) -> Iterator[TooShort]:
    """Every hold and window of the rule that is shorter than two intervals of a point it looks at.

    Points that speak on change or promise no interval are not judged: nothing is known of their pace.
    """
    for n, rung in enumerate(rule.levels):
        for leaf, place in leaves(rung.when, ("levels", n, "when")):
            if rung.hold and not isinstance(leaf, Stale):
                yield from _judged(rule, points, leaf, rung.hold, ("levels", n, "for"))
            yield from _windows(rule, points, leaf, place)
        if rung.clear is not None and rung.clear.when is not None:
            for leaf, place in leaves(rung.clear.when, ("levels", n, "clear", "when")):
                yield from _windows(rule, points, leaf, place)
    if rule.unless is not None:
        for leaf, place in leaves(rule.unless, ("unless",)):
            yield from _windows(rule, points, leaf, place)


def _windows(rule: RuleSpec, points: Mapping[str, Point], leaf: Leaf, place: Location) -> Iterator[TooShort]:
    match leaf:
        case Compare(over=timedelta() as over) | Count(over=over) | Ratio(over=over) | Share(over=over):
            yield from _judged(rule, points, leaf, over, (*place, "over"))
        case Swing():
            yield from _judged(rule, points, leaf, leaf.within, (*place, "within"))
        case Turns() | Held():
            least, word = (leaf.hold, "for") if isinstance(leaf, Held) else (leaf.over, "over")
            for inner, _ in leaves(followed(leaf)):
                if not isinstance(inner, Stale):
                    yield from _judged(rule, points, inner, least, (*place, word))
        case _:
            pass
    if isinstance(leaf, Count) and not isinstance(leaf.count, str):
        for word in ("shorter", "longer"):  # a run that is shorter than two readings is seen as one of one interval
            span = getattr(leaf.count, word)
            if span is not None:
                yield from _judged(rule, points, leaf, span, (*place, "count", word))
    during, span = getattr(leaf, "during", None), getattr(leaf, "over", None)
    if during is not None and span is not None and span >= _DAY:  # shorter ones are suspicious anyway
        yield from _judged(rule, points, leaf, span * Calendar(during, "UTC").share, (*place, "during"))
    yield from _histories(points, leaf, place)


def _histories(points: Mapping[str, Point], leaf: Leaf, place: Location) -> Iterator[TooShort]:
    """Baselines and forecasts that would wait for ever."""
    point = points.get(leaf.point or "")
    if point is None:
        return
    interval = None if point.on_change else point.interval
    if isinstance(leaf, Forecast):
        over = leaf.history.over
        most = Pieces.of(over).number if interval is None else min(Pieces.of(over).number, over // interval)
        if leaf.history.days > most:
            what = f"it waits for {leaf.history.days} days with readings, but of {point.id} `over: {format_span(over)}`"
            yield TooShort((*place, "history"), point, f"{what} has {most} at most; lengthen over, or lower days")
    elif isinstance(leaf, Deviation) and interval is not None:
        over = leaf.baseline.over
        hours = timedelta(hours=1) if leaf.baseline.by_hour else over
        most = hours // interval * (Pieces.of(over).number if leaf.baseline.by_hour else 1)
        if most < FEWEST:
            each = " of each hour" if leaf.baseline.by_hour else ""
            span = format_span(over)
            what = f"it waits for {FEWEST} readings{each}, but of {point.id} `over: {span}` has {most} at most"
            yield TooShort((*place, "baseline"), point, f"{what}; lengthen over")


def _judged(
    rule: RuleSpec, points: Mapping[str, Point], leaf: Leaf, span: timedelta, place: Location
) -> Iterator[TooShort]:
    for name in asked(leaf):
        point = points.get(name)
        if point is None or point.on_change or point.interval is None or span >= _FEWEST * point.interval:
            continue
        least, interval = format_span(_FEWEST * point.interval), format_span(point.interval)
        what = f"write `{place[-1]}: {least}` or longer" if place[-1] != "during" else "lengthen the hours or `over`"
        says = (
            f"the rule {rule.id!r} looks at {point.id} over {format_span(span)}, but that point promises a reading "
            f"only every {interval}; {what}, switch the rule off for this asset "
            f"(overrides: {{{rule.id}: {{mode: off}}}}), fit a faster sensor, or correct its `interval`"
        )
        yield TooShort(place, point, says)
