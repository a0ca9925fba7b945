"""What a chart of a rule on an asset shows: its points, their limits, and how far back to look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from daemon.charts.plan import Line, Panel
from daemon.model import Device, Level, Point, PointKind, Text
from daemon.rules.figures import Limits, MisfitError, bounds
from daemon.rules.limits import resolve
from daemon.rules.pasts import Deviation, Forecast
from daemon.rules.predicates import Held, Leaf, Stale, TimeIs, Turns, asked, leaves
from daemon.rules.questions import Compare, StateIs, Swing
from daemon.rules.rule import RuleSpec
from daemon.rules.tallies import Count, Happening, Ratio, Share
from daemon.rules.vocabulary import Beyond, Which
from daemon.rules.wording import limit_zh

#: Points drawn; more would be too small for a telephone.
MOST_PANELS = 4
#: Of a rule that asks for silence, and of no point.
_MOST_OF_ALL = 2
_SHORTEST, _LONGEST = timedelta(minutes=15), timedelta(hours=24)
#: The span shown is so many times the rule's longest.
_TIMES = 3
_MS = timedelta(milliseconds=1)
#: Of a point that promises nothing.
_USUAL_GAP = timedelta(minutes=5)
_MOST_WORDS = 3
#: Statistics in the unit of the point and where its values are.
_ON_THE_AXIS = frozenset({"mean", "median", "min", "max"})


class Charted(NamedTuple):
    """What to show, and how much of the past before the alarm."""

    panels: tuple[Panel, ...]
    rest: tuple[str, ...]
    span: timedelta


class _Question(NamedTuple):
    leaf: Leaf
    level: Level
    role: str


def charted(
    rule: RuleSpec, points: Mapping[str, Point], devices: Sequence[Device], first: Iterable[str] = ()
) -> Charted:
    """What a chart of a rule shows.

    Args:
        rule: as it holds for the asset.
        points: of the asset, by name.
        devices: of the asset.
        first: ids of points that the alarm stood on: these are drawn before others.
    """
    questions = list(_questions(rule))
    names = [name for question in questions for name in asked(question.leaf)]
    if not names:
        names = [name for name, point in points.items() if not point.formula][:_MOST_OF_ALL]
    wanted = {point.id: point for name in names if (point := points.get(name)) is not None}
    head = [point for id_ in first if (point := wanted.get(id_)) is not None]
    ordered = list(dict.fromkeys([point.id for point in head] + list(wanted)))
    alive = {device.id: device.alive_within for device in devices}
    panels = tuple(_panel(wanted[id_], questions, points, alive) for id_ in ordered[:MOST_PANELS])
    rest = tuple(wanted[id_].name for id_ in ordered[MOST_PANELS:])
    longest = max((span for question in questions for span in _spans(question.leaf, points)), default=timedelta())
    holds = [span for rung in rule.levels for span in (rung.hold, rung.clear.hold if rung.clear else None) if span]
    span = min(_LONGEST, max(_SHORTEST, _TIMES * max([longest, *holds])))
    return Charted(panels, rest, span)


def _questions(rule: RuleSpec) -> Iterator[_Question]:
    """What opens and ends each level; not what holds it off."""
    for rung in rule.levels:
        yield from (_Question(leaf, rung.level, "trip") for leaf, _ in leaves(rung.when))
    for rung in rule.levels:
        if rung.clear is not None and rung.clear.when is not None:
            yield from (_Question(leaf, rung.level, "clear") for leaf, _ in leaves(rung.clear.when))


def _panel(
    point: Point, questions: Sequence[_Question], points: Mapping[str, Point], alive: Mapping[str, timedelta]
) -> Panel:
    own = [question for question in questions if point.name in asked(question.leaf)[:1]]
    words, lines, watched = list[Text](), list[Line](), list[str]()
    for question in own:
        try:
            limits = resolve(question.leaf, point, points)
        except MisfitError:  # a reload checks rules whole; an override may still have made it odd
            continue
        found = list(_lines(question, limits, point.unit))
        lines.extend(found)
        if not found or _takes(question.leaf):
            zh, en = ("触发", "trip") if question.role == "trip" else ("恢复", "clear")
            words.append(Text(f"{zh}：{limit_zh(limits.words)}", f"{en}: {limits.words}"))
        if question.role == "trip":
            watched.extend(_labels(question.leaf))
    gap = point.fresh_for or alive.get(point.device) or _USUAL_GAP
    return Panel(
        point=point.id,
        name=point.name,
        unit=point.unit,
        steps=point.kind in {PointKind.STATE, PointKind.CODE},
        on_change=point.fresh_for is None and not point.formula,
        watched=tuple(dict.fromkeys(watched)),
        lines=tuple(dict.fromkeys(lines)),
        asked=tuple(dict.fromkeys(words))[:_MOST_WORDS],
        gap_ms=gap // _MS,
        computed=bool(point.formula),
        device=point.device,
    )


def _lines(question: _Question, limits: Limits, unit: str) -> Iterator[Line]:
    """Where a limit lies among the point's values; a slope, a count or a share of its past lies nowhere there."""
    leaf, level, role = question
    match leaf:
        case Deviation() | StateIs() | Swing() | Count() | Ratio() | Stale() | TimeIs() | Turns() | Held():
            return
        case Forecast():
            yield Line(limits.low, role, level, "at_most" if leaf.falls_to is not None else "at_least")
        case Compare():
            if leaf.other is not None or leaf.of is not None:
                return
            if leaf.take is not None and leaf.take not in _ON_THE_AXIS and not leaf.take.startswith("p"):
                return
            yield from _ends(question, leaf.comparator, limits.low, limits.high)
        case Share():
            if isinstance(leaf.which, Beyond):
                low, high, _ = bounds(leaf.which, unit)
                yield from _ends(question, leaf.comparator, low, high)


def _ends(question: _Question, comparator: str, low: float, high: float) -> Iterator[Line]:
    _, level, role = question
    match comparator:
        case "outside":
            yield Line(low, role, level, "below")
            yield Line(high, role, level, "above")
        case "inside":
            yield Line(low, role, level, "at_least")
            yield Line(high, role, level, "at_most")
        case word:
            yield Line(low, role, level, word)


def _takes(leaf: Leaf) -> bool:
    """Whether it compares something else than the readings that are drawn, so that a line does not say it all."""
    if isinstance(leaf, Compare):
        return leaf.take is not None or leaf.times is not None
    return True


def _labels(leaf: Leaf) -> tuple[str, ...]:
    if isinstance(leaf, StateIs) and leaf.equals is not None:
        return leaf.labels
    if isinstance(leaf, Count) and isinstance(leaf.count, Happening):
        return _meant(leaf.count.which)
    return _meant(leaf.which) if isinstance(leaf, Share) and leaf.equals is not None else ()


def _meant(which: Which) -> tuple[str, ...]:
    if isinstance(which, str):
        return (which,)
    return which if isinstance(which, tuple) else ()


def _spans(leaf: Leaf, points: Mapping[str, Point]) -> Iterator[timedelta]:
    """How far back a question looks; a baseline and a forecast look too far to be shown."""
    match leaf:
        case Compare() | Count() | Ratio() | Share() | Turns() if leaf.over is not None:
            yield leaf.over
        case Compare() | StateIs():
            several = getattr(leaf, "last", None) or leaf.of_last or leaf.times or 0
            point = points.get(leaf.point)
            yield several * ((point.interval if point is not None else None) or timedelta())
        case Swing():
            yield leaf.within
        case Stale():
            yield leaf.stale.after
        case Held():
            yield leaf.hold
        case _:
            return
