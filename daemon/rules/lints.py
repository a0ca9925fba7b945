"""What is suspicious in a rule, but no fault: told by `check`, which ends with status 3; nothing is refused for it.

- a condition that no plausible reading can meet, or that every one meets
- a level without `for` that a single reading of a gauge can open
- a hold that is longer than the calendar it must fit into
- a window over certain hours that is no whole number of days: what of those hours it holds changes while they last
- a rule that watches nothing
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from enum import Enum, auto
from typing import NamedTuple

from daemon.documents import Location, format_span
from daemon.model import Point, PointKind
from daemon.rules.calendars import Calendar
from daemon.rules.figures import bounds
from daemon.rules.limits import MisfitError, resolve
from daemon.rules.pasts import Deviation, Forecast
from daemon.rules.predicates import AllOf, AnyOf, Condition, Leaf, NotOf, TimeIs, leaves
from daemon.rules.questions import Compare, StateIs, Swing
from daemon.rules.rule import RuleSpec
from daemon.rules.schema import Loaded
from daemon.rules.summaries import LEVELS, percentile_of
from daemon.rules.tallies import Share
from daemon.rules.vocabulary import Beyond

#: Slower points speak too seldom for a hold to be a matter of course.
_FAST = timedelta(minutes=5)
_DAY = timedelta(days=1)


def review(loaded: Loaded, expected: Collection[str] = ()) -> list[str]:
    """One line for everything suspicious, with its place; one asset stands for all with the same.

    Args:
        loaded: the rules and the site.
        expected: names of files whose rules need not all be of use here, such as the starter pack's.
    """
    found: dict[tuple[str, str], str] = {}
    bound = set()
    for binding in loaded.ruleset.bindings():
        rule, asset = binding.rule, binding.asset.id
        bound.add(rule.id)
        document, at = loaded.rules[rule.id]
        for place, says in lints(rule, binding.points):
            where = loaded.overrides.get((asset, rule.id)) or document.place((*at, *place))
            found.setdefault((where, str(place)), f"{where}: {rule.id}: {says}")
    for rule in loaded.ruleset.rules:
        document, at = loaded.rules[rule.id]
        if rule.mode != "off" and rule.id not in bound and document.name not in expected:
            where = document.place((*at, "id"))
            what = "watches nothing here: no asset it applies to has all the points it looks at"
            found[where, ""] = f"{where}: {rule.id}: {what}; correct applies_to or the points, or set mode: off"
    return list(found.values())


class Lint(NamedTuple):
    """Something suspicious."""

    #: Where in the rule it stands.
    place: Location
    says: str


def lints(rule: RuleSpec, points: Mapping[str, Point]) -> Iterator[Lint]:
    """Everything suspicious about a rule on an asset that has these points."""
    for condition, at in _conditions(rule):
        for leaf, place in leaves(condition, at):
            yield from _pointless(leaf, place, points)
            yield from _hours(leaf, place)
    for n, rung in enumerate(rule.levels):
        at = ("levels", n)
        if not rung.hold and _nature(rung.when, points) is _Nature.NOISY:
            what = "a single reading opens it; write `for: …`, or a statistic over a window"
            yield Lint((*at, "level"), what)
        longest = Calendar(rule.calendar, "UTC").longest if rule.calendar is not None else None
        if rung.hold and longest is not None and rung.hold > longest:
            what = (
                f"`for: {format_span(rung.hold)}` is longer than the calendar's {format_span(longest)}: it never opens"
            )
            yield Lint((*at, "for"), f"{what}; shorten one or lengthen the other")


def _conditions(rule: RuleSpec) -> Iterator[tuple[Condition, Location]]:
    for n, rung in enumerate(rule.levels):
        yield rung.when, ("levels", n, "when")
        if rung.clear is not None and rung.clear.when is not None:
            yield rung.clear.when, ("levels", n, "clear", "when")
    if rule.unless is not None:
        yield rule.unless, ("unless",)


def _hours(leaf: Leaf, place: Location) -> Iterator[Lint]:
    over = getattr(leaf, "over", None)
    if getattr(leaf, "during", None) is None or over is None or not over % _DAY:
        return
    whole = format_span(max(_DAY, over // _DAY * _DAY))
    what = f"`over: {format_span(over)}` with `during` holds more or less of those hours by the time of day"
    yield Lint((*place, "over"), f"{what}; write whole days, such as {whole}")


# --- never and always --------------------------------------------------------------------------------------


def _pointless(leaf: Leaf, place: Location, points: Mapping[str, Point]) -> Iterator[Lint]:
    point = points.get(leaf.point or "")
    if point is None or point.low is None or point.high is None or isinstance(leaf, Deviation):
        return
    try:
        limits = resolve(leaf, point, points)
    except MisfitError:
        return  # a fault, told as such
    found = ""
    if isinstance(leaf, Swing):
        found = "can never" if limits.high > point.high - point.low else ""
    elif isinstance(leaf, Share) and isinstance(leaf.which, Beyond):
        low, high, _ = bounds(leaf.which, point.unit)
        found = _verdict(leaf.comparator, low, high, (point.low, point.high))
    elif isinstance(leaf, Forecast):
        found = "" if point.low <= limits.high <= point.high else "can never"
    elif (
        isinstance(leaf, Compare)
        and leaf.of is None
        and leaf.other is None
        and (leaf.take is None or leaf.take in LEVELS or percentile_of(leaf.take) is not None)
    ):
        found = _verdict(leaf.comparator, limits.low, limits.high, (point.low, point.high))
    if found:
        reach = f"{point.low:g} to {point.high:g} {point.unit}".rstrip()
        what = f"`{limits.words}` {found} be true: {point.id} has a range of {reach}, and what lies outside is bad"
        yield Lint((*place, _word(leaf)), f"{what}; correct the limit, or the point's `range`")


def _inside(take: str | None) -> bool:
    """Whether what is taken lies where the readings do."""
    return take is None or take in LEVELS or percentile_of(take) is not None


def _word(leaf: Leaf) -> str:
    if isinstance(leaf, Compare | Share):
        return leaf.comparator
    return next(word for word in ("falls", "rises", "falls_to", "rises_to") if getattr(leaf, word, None) is not None)


def _verdict(comparator: str, low: float, high: float, bounds: tuple[float, float]) -> str:
    """What becomes of a comparison with a value that lies inside `bounds`, ends included."""
    least, most = bounds
    never, always = {
        "below": (low <= least, low > most),
        "above": (high >= most, high < least),
        "at_most": (high < least, high >= most),
        "at_least": (low > most, low <= least),
        "outside": (low <= least and high >= most, high < least or low > most),
        "inside": (high < least or low > most, low <= least and high >= most),
    }[comparator]
    return "can never" if never else "must always" if always else ""


# --- single readings ---------------------------------------------------------------------------------------


class _Nature(Enum):
    #: One reading of a gauge makes it true.
    NOISY = auto()
    #: Labels and hours: they mean what they say.
    PLAIN = auto()
    #: It takes several readings, or time.
    SETTLED = auto()


def _nature(condition: Condition, points: Mapping[str, Point]) -> _Nature:
    match condition:
        case NotOf():
            return _nature(condition.part, points)
        case AllOf():
            return _first(condition.parts, points, (_Nature.SETTLED, _Nature.NOISY, _Nature.PLAIN))
        case AnyOf():
            return _first(condition.parts, points, (_Nature.NOISY, _Nature.PLAIN, _Nature.SETTLED))
        case Compare():
            point = points.get(condition.point)
            instant = condition.over is None and condition.last is None and condition.times is None
            return _Nature.NOISY if instant and point is not None and _noisy(point) else _Nature.SETTLED
        case StateIs() | TimeIs():
            return _Nature.PLAIN
        case _:
            return _Nature.SETTLED


def _first(parts: Iterable[Condition], points: Mapping[str, Point], order: Iterable[_Nature]) -> _Nature:
    found = {_nature(part, points) for part in parts}
    return next(nature for nature in order if nature in found)


def _noisy(point: Point) -> bool:
    fast = point.interval is not None and point.interval <= _FAST
    return point.kind is PointKind.GAUGE and not point.on_change and fast and "rise(" not in point.formula
