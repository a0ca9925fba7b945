"""Questions that count, made exact for a point (see `limits`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daemon.documents import format_span
from daemon.model import Point, PointKind
from daemon.rules.figures import Limits, MisfitError, bounds, coverage_of, number, numeric, over, shown
from daemon.rules.tallies import Count, Happening, Ratio, Share
from daemon.rules.vocabulary import COMPARATORS, Beyond, Which, the_one
from daemon.units import measure, parse


def count_limits(leaf: Count, point: Point | None) -> Limits:
    """The limits of a count, and the words for it: `into 2 or 3 over 24h at least 3`.

    Raises:
        MisfitError: what is counted cannot happen to the point, or the limit is no number.
    """
    low, high, says = bounds(leaf, "")
    what = "changes"
    if isinstance(leaf.count, Happening):
        kind = the_one(leaf.count, ("into", "readings", "runs"))
        what = f"{'readings of' if kind == 'readings' else 'runs of' if kind == 'runs' else 'into'} "
        what += _which_words(leaf.count.which, point)
        if leaf.count.shorter is not None:
            what += f" shorter than {format_span(leaf.count.shorter)}"
        if leaf.count.longer is not None:
            what += f" of {format_span(leaf.count.longer)} or longer"
    return Limits(low, high, f"{what} {over(leaf)} {says}", coverage_of(leaf.coverage), unit="")


def _which_words(which: Which, point: Point | None) -> str:
    if isinstance(which, Beyond):
        return bounds(which, numeric(point.name if point else "", point, "count"))[2]
    if point is not None and point.kind not in (PointKind.STATE, PointKind.CODE):
        raise MisfitError(f"{point.name} is a {point.kind}, which has no labels; write a limit, {{above: …}}", "count")
    return which if isinstance(which, str) else " or ".join(which)


def meant(which: Which, point: Point) -> Callable[[Any], bool]:
    """Whether a value of the point is one of those meant."""
    if not isinstance(which, Beyond):
        return frozenset((which,) if isinstance(which, str) else which).__contains__
    low, high, _ = bounds(which, point.unit)
    tests: dict[str, Callable[[Any], bool]] = {
        "below": lambda value: value < low,
        "above": lambda value: value > high,
        "at_most": lambda value: value <= high,
        "at_least": lambda value: value >= low,
        "outside": lambda value: not low <= value <= high,
        "inside": lambda value: low <= value <= high,
    }
    return tests[which.comparator]


def ratio_limits(leaf: Ratio, point: Point | None, per: Point | None) -> Limits:
    """The limits of a ratio, in percent or as a bare number, and the words for it.

    Raises:
        MisfitError: one of them is no counter, or they count different things.
    """
    for name, one, key in ((leaf.point, point, "point"), (leaf.per, per, "per")):
        if one is not None and one.kind is not PointKind.COUNTER:
            raise MisfitError(f"{name} is a {one.kind}; a ratio is one counter per another", key)
    word = the_one(leaf, COMPARATORS)
    written = getattr(leaf, word)
    unit = parse(written[0] if isinstance(written, tuple) else written).unit
    if unit not in ("", "%", "‰"):
        raise MisfitError(f"a ratio is a share in % or a bare number, not in {unit}", word)
    if point is not None and per is not None and measure(point.unit).dimensions != measure(per.unit).dimensions:
        raise MisfitError(f"{leaf.point} and {leaf.per} count different things; write a derived point instead", "per")
    low, high, says = bounds(leaf, unit)
    least = ""
    if leaf.least is not None:
        number(leaf.least, per.unit if per is not None else parse(leaf.least).unit, "least")
        least = f" (of at least {shown(leaf.least)})"
    scale = 1.0 if not unit else 1 / (100 if unit == "%" else 1000)
    return Limits(low, high, f"per {leaf.per} {over(leaf)} {says}{least}", unit=unit, scale=scale)


def share_limits(leaf: Share, point: Point | None) -> Limits:
    """The share, 0 to 1, twice, and the words for it: `below 0.10 MPa for 80 % of 3min`.

    Raises:
        MisfitError: the value cannot be compared so, or the share is none.
    """
    share = number(leaf.share, "%", "share") / 100
    if not 0 < share <= 1:
        raise MisfitError("share must be more than 0 % and at most 100 %", "share")
    which = leaf.which
    if isinstance(which, Beyond):
        says = bounds(which, numeric(leaf.point, point, leaf.comparator))[2]
    else:
        says = f"{leaf.comparator.replace('_', ' ')} {_which_words(which, point)}"
    if point is not None and point.fresh_for is None:
        for key in ("coverage", "during"):
            if getattr(leaf, key) is not None:
                what = f"{point.name} holds its value, so its share is one of the time, all of it"
                raise MisfitError(f"{what}; remove {key}", key)
    window = over(leaf).removeprefix("over ")
    return Limits(share, share, f"{says} for {shown(leaf.share)} of {window}", coverage_of(leaf.coverage))
