"""Derived points: computed from the readings of others, and otherwise points like any other.

    readings ──> inputs (a Feed stands among the windows of each) ──> when all of the message are applied ──> Derived
                 inputs may be derived themselves, never in a ring <── a Feed stands among its windows too ──┘

A derived point is known while every input is fresh; it is as good as the worst of them and as old as the latest.
Windows, holds, snapshots and replays see no difference. A rule that looks at it looks at its inputs too: what tears
their stretch tears its own.
"""

from __future__ import annotations

import graphlib
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from daemon.documents import Strict
from daemon.model import Catalogue, Device, Point, PointKind, Quality, Reading, Reason, to_ms
from daemon.rules import arithmetic, formula
from daemon.rules.counters import Tally
from daemon.rules.formula_nodes import Mean, Ref
from daemon.rules.formula_nodes import Rise as RiseOf
from daemon.rules.points import PointState
from daemon.rules.window import Window
from daemon.units import canonical

#: A rise over a span remembers the counter so many times; its edge is exact to one of them.
_BUCKETS = 720
#: So much of a mean's span must be covered, as of the windows of rules.
_COVERAGE = 0.8
_MS = timedelta(milliseconds=1)
#: Beyond this it is no measurement, as with readings.
_HUGE = 1e15


#: By id, every point of the site and the device that speaks it; None: it is derived.
Sources = Mapping[str, tuple[Point, Device | None]]


class DerivedSpec(Strict):
    """A point of an asset that is computed: `{unit: MPa, value: "outlet_pressure - 0.0098 MPa/m * 24 m"}`."""

    unit: str = ""
    value: str


def declare(name: str, asset: str, spec: DerivedSpec, catalogue: Catalogue) -> Point:
    """The point that a formula gives an asset; `catalogue` holds the points that it may look at.

    Raises:
        ValueError: the formula is none, looks at no point, or its units do not fit.
    """
    return _declare(name, asset, spec, {point.id: point for point in catalogue.points}, _kinds(catalogue))


def declare_all(
    specs: Mapping[tuple[str, str], DerivedSpec], catalogue: Catalogue
) -> tuple[list[Point], dict[tuple[str, str], str]]:
    """Every derived point of a site, each behind those it looks at.

    Args:
        specs: by asset and name.
        catalogue: the points that are measured.

    Returns:
        The points, and by asset and name what is wrong with the others. Those that only stand on one that is wrong
        are in neither.
    """
    points, kinds = {point.id: point for point in catalogue.points}, _kinds(catalogue)
    ids = {f"{asset}.{name}": (asset, name) for asset, name in specs}
    stands_on: dict[str, list[str]] = {}
    faults: dict[tuple[str, str], str] = {}
    for one, (asset, name) in ids.items():
        try:
            placed = formula.place(formula.parse(specs[asset, name].value), asset, points.keys() | ids.keys(), kinds)
        except ValueError as error:
            faults[asset, name] = str(error)
        else:
            looked_at = dict.fromkeys(formula.references(placed))
            stands_on[one] = [found for found in looked_at if found in ids and found not in points]
    found: list[Point] = []
    for one in _in_order(stands_on, ids, faults):
        if any(other not in points for other in stands_on[one]):
            continue
        asset, name = ids[one]
        try:
            point = _declare(name, asset, specs[asset, name], points, kinds)
        except ValueError as error:
            faults[asset, name] = str(error)
        else:
            points[one] = point
            found.append(point)
    return found, faults


def _in_order(
    stands_on: dict[str, list[str]], ids: Mapping[str, tuple[str, str]], faults: dict[tuple[str, str], str]
) -> list[str]:
    """Each behind those it stands on; rings are told in `faults` and left out."""
    while True:
        try:
            order = graphlib.TopologicalSorter(stands_on).static_order()
            return [one for one in order if one in stands_on]
        except graphlib.CycleError as error:
            ring: list[str] = error.args[1][::-1]
            faults[ids[ring[0]]] = f"it stands on itself: {' -> '.join(ring)}"
            for one in ring[1:]:
                stands_on.pop(one, None)


def _kinds(catalogue: Catalogue) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for asset in catalogue.assets:
        kinds.setdefault(asset.kind, []).append(asset.id)
    return kinds


def _declare(
    name: str, asset: str, spec: DerivedSpec, points: Mapping[str, Point], kinds: Mapping[str, list[str]]
) -> Point:
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"{name!r}: a name has letters, digits and _ only, and begins with a letter")
    if name == "time" or (name.endswith("_q") and f"{asset}.{name.removesuffix('_q')}" in points):
        raise ValueError(f"{name!r}: this field name is the time series' own; choose another")
    if f"{asset}.{name}" in points:
        raise ValueError(f"a device of {asset!r} gives a point {name!r} already")
    unit = canonical(spec.unit)
    placed = formula.place(formula.parse(spec.value), asset, points, kinds)
    arithmetic.check(placed, unit, points)
    inputs = [points[found] for found in dict.fromkeys(formula.references(placed))]
    if not inputs:
        raise ValueError("the formula looks at no point")
    intervals = [point.interval for point in inputs if point.interval is not None and not point.on_change]
    return Point(
        id=f"{asset}.{name}",
        asset=asset,
        device="",
        name=name,
        unit=unit,
        kind=PointKind.GAUGE,
        # it changes with each input, but two values that differ in all of them are as far apart as the slowest
        interval=max(intervals, default=None),
        formula=formula.render(placed),
    )


def inputs(point: Point) -> tuple[str, ...]:
    """The ids of the points that a derived point looks at, each once."""
    return tuple(dict.fromkeys(formula.references(formula.parse(point.formula))))


def stands_on(point: Point, known: Sources) -> list[Point]:
    """All that a derived point is computed from in the end, derived points on the way among them."""
    found: dict[str, Point] = {}
    waiting = [point]
    while waiting:
        for one in inputs(waiting.pop()):
            decl = known[one][0]
            if one not in found and decl.formula:
                waiting.append(decl)
            found[one] = decl
    return list(found.values())


class Derived:
    """One derived point, and how it comes by its value."""

    __slots__ = ("_compute", "depth", "inputs", "point", "windows")

    def __init__(self, point: PointState, inputs: Mapping[str, PointState], inner: Sequence[Derived]) -> None:
        """Compile the point's formula; `inputs` are the points it looks at, by id, `inner` those of them derived."""
        self.point = point
        self.inputs = tuple(inputs.values())
        point.inputs = tuple(dict.fromkeys(found for one in self.inputs for found in (one, *one.inputs)))
        #: It is computed after all of a smaller one.
        self.depth: int = 1 + max((one.depth for one in inner), default=0)
        #: (point, key) of every window of an input that it needs.
        self.windows = [(one.decl.id, f"derived|{point.decl.id}") for one in self.inputs]
        self.windows += [needed for one in inner for needed in one.windows]

        def value_of(part: Ref | RiseOf | Mean) -> tuple[arithmetic.Value, str]:
            state = inputs[part.point]
            if isinstance(part, Ref):
                return lambda: state.value, state.decl.unit
            kept, key = _kept(part, state)
            self.windows.append((state.decl.id, key))
            return kept.value, state.decl.unit

        self._compute = arithmetic.compile_formula(formula.parse(point.decl.formula), point.decl.unit, value_of)

    def settle(self) -> bool:
        """Take in what the inputs say now; whether it is known."""
        point = self.point
        fresh = True
        for one in self.inputs:
            fresh = fresh and one.fresh
        value = self._compute() if fresh else None
        if value is None or not -_HUGE < value < _HUGE:
            point.fresh = False
            return False
        point.value = value
        point.at = max(one.at for one in self.inputs)
        point.received = max(one.received for one in self.inputs)
        point.late = any(one.late for one in self.inputs)
        suspect = any(one.quality is not Quality.GOOD for one in self.inputs)
        point.quality = Quality.SUSPECT if suspect else Quality.GOOD
        point.fresh = point.known = True
        return True

    def learn(self, received_at: datetime) -> Reading | None:
        """Settle after a reading: its windows take the value in. None when it is not known."""
        point = self.point
        if not self.settle():
            for window in point.windows.values():
                if type(window) is Feed:  # what stands on it is not known either
                    window.push(0, 0.0)
            return None
        if point.windows:
            ms = to_ms(point.at)
            for window in point.windows.values():
                window.push(ms, point.value)
        reason = Reason.LATE if point.late else Reason.NONE if point.quality is Quality.GOOD else Reason.INPUT
        return Reading(point.decl.id, point.at, point.value, received_at, point.quality, reason)


def _kept(part: RiseOf | Mean, state: PointState) -> tuple[Rise | Window, str]:
    """What keeps the past of an input, made if nobody has yet; and its key."""
    span = part.span // _MS
    if isinstance(part, RiseOf):
        rise = state.windows.setdefault(key := f"rise|{span}", Rise(span, state.decl))
        assert isinstance(rise, Rise)  # noqa: S101  the key names its kind
        return rise, key
    key = f"mean|{span}"
    fresh_ms = None if state.fresh_for is None else state.fresh_for // _MS
    mean = state.windows.setdefault(key, Window(key, "mean", span, _COVERAGE, fresh_ms))
    assert isinstance(mean, Window)  # noqa: S101  the same
    return mean, key


class Feed:
    """Stands among the windows of an input: tells that a reading came."""

    __slots__ = ("_derived", "_moved")

    def __init__(self, derived: Derived, moved: dict[Derived, None]) -> None:
        self._derived = derived
        self._moved = moved

    def push(self, _at: int, _value: float) -> None:
        """There is a new reading: the derived point is due when the whole message is applied."""
        self._moved[self._derived] = None

    def save(self) -> None:
        """Nothing of its own."""

    def load(self, saved: Any) -> None:  # noqa: ANN401  as all windows
        """Nothing of its own."""


class Rise:
    """By how much a counter has gone up over a span, up to its latest reading.

    Roll-overs and resets are seen through (see `counters`). Unknown until the counter has been heard for the whole
    span: a gap loses nothing, since the counter went on counting.
    """

    __slots__ = ("_entries", "_span", "_tally", "_width")

    def __init__(self, span: int, point: Point) -> None:
        """Over `span` milliseconds."""
        self._span = span
        self._width = span // _BUCKETS
        #: (time, all that was counted until then); the first one is the latest that is not inside the span.
        self._entries: deque[tuple[int, float]] = deque()
        self._tally = Tally(point)

    def push(self, at: int, value: float) -> None:
        """Take in a reading; `at` never goes back."""
        entries = self._entries
        if len(entries) > 1 and at - entries[-2][0] <= self._width:
            entries.pop()
        entries.append((at, self._tally.push(value)))
        while len(entries) > 1 and entries[1][0] <= at - self._span:
            entries.popleft()

    def value(self) -> float | None:
        """The rise, or None while too little is known."""
        entries = self._entries
        if not entries or entries[0][0] > entries[-1][0] - self._span:
            return None
        return self._tally.total - entries[0][1]

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        return {"entries": [list(entry) for entry in self._entries], "tally": self._tally.save()}

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self._entries = deque((at, total) for at, total in saved["entries"])
        self._tally.load(saved["tally"])
