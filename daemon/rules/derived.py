"""Derived points: computed from the readings of others, and otherwise points like any other.

    readings ──> inputs (a Feed stands among the windows of each) ──> when all of the message are applied ──> Derived

A derived point is known while every input is fresh; it is as good as the worst of them and as old as the latest.
Windows, holds, snapshots and replays see no difference. A rule that looks at it looks at its inputs too: what tears
their stretch tears its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from daemon.documents import Strict
from daemon.model import Catalogue, Point, PointKind, Quality, to_ms
from daemon.rules import arithmetic, formula
from daemon.rules.counters import Tally
from daemon.rules.points import PointState
from daemon.units import canonical

#: A rise over a span remembers the counter so many times; its edge is exact to one of them.
_BUCKETS = 720
#: Beyond this it is no measurement, as with readings.
_HUGE = 1e15


class DerivedSpec(Strict):
    """A point of an asset that is computed: `{unit: MPa, value: "outlet_pressure - 0.0098 MPa/m * 24 m"}`."""

    unit: str = ""
    value: str


def declare(name: str, asset: str, spec: DerivedSpec, catalogue: Catalogue) -> Point:
    """The point that a formula gives an asset; `catalogue` holds the points that are measured.

    Raises:
        ValueError: the formula is none, looks at no point, or its units do not fit.
    """
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"{name!r}: a name has letters, digits and _ only, and begins with a letter")
    points = {point.id: point for point in catalogue.points if not point.formula}
    if f"{asset}.{name}" in points:
        raise ValueError(f"a device of {asset!r} gives a point {name!r} already")
    kinds: dict[str, list[str]] = {}
    for one in catalogue.assets:
        kinds.setdefault(one.kind, []).append(one.id)
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


class Derived:
    """One derived point, and how it comes by its value."""

    __slots__ = ("_compute", "inputs", "point", "windows")

    def __init__(self, point: PointState, inputs: Mapping[str, PointState]) -> None:
        """Compile the point's formula; `inputs` are the points it looks at, by id."""
        self.point = point
        self.inputs = point.inputs = tuple(inputs.values())
        #: (point, key) of every window of an input that it needs.
        self.windows = [(one, f"derived|{point.decl.id}") for one in inputs]

        def value_of(part: formula.Ref | formula.Rise) -> tuple[arithmetic.Value, str]:
            state = inputs[part.point]
            if isinstance(part, formula.Ref):
                return lambda: state.value, state.decl.unit
            span = part.span // timedelta(milliseconds=1)
            key = f"rise|{span}"
            rise = state.windows.setdefault(key, Rise(span, state.decl))
            assert isinstance(rise, Rise)  # noqa: S101  the key names its kind
            self.windows.append((part.point, key))
            return rise.value, state.decl.unit

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

    def learn(self) -> None:
        """Settle after a reading: its windows take the value in."""
        if self.settle() and self.point.windows:
            ms = to_ms(self.point.at)
            for window in self.point.windows.values():
                window.push(ms, self.point.value)


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
