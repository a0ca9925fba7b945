"""One point on a chart: its readings, its limits, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from daemon.charts.canvas import FAINT, INK, PAPER, RULE, Canvas
from daemon.charts.glyphs import cut, width
from daemon.charts.plan import Line, Panel, Sample
from daemon.charts.scales import TimeScale, ValueScale, shown, value_range
from daemon.model import Quality

#: Told apart by everybody (after Okabe and Ito), by their dashes and marks in black and white.
DATA, TRIP, CLEAR = "#0b4f8a", "#b3261e", "#00694f"
SHADE = "#fbe3d0"
_SIZE = 10.5
#: Of the names of limits: type size, and room for one.
_NAME_SIZE, _NAME = 9.5, 12.0
_ROW = 17.0
_MOST_ROWS = 6
#: Beyond this a number is no measurement, and arithmetic with it overflows.
_HUGE = 1e15
ROMAN = {1: "Ⅰ", 2: "Ⅱ", 3: "Ⅲ"}
_WORD = {"below": "＜", "above": "＞", "at_most": "≤", "at_least": "≥"}
CIRCLE = "m-2.6 0a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0-5.2 0"
CROSS = "m-3-3l6 6m0-6l-6 6"
DOT = "m-1.7 0a1.7 1.7 0 1 0 3.4 0a1.7 1.7 0 1 0-3.4 0"


class Frame(NamedTuple):
    """Where a panel's readings are drawn."""

    time: TimeScale
    top: float
    bottom: float
    #: Limits that are named.
    names: int = 8


def plot_height(panel: Panel, samples: Sequence[Sample], usual: float) -> float:
    """How high the drawing of a panel is: as high as its labels need, or as usual."""
    if panel.steps:
        return _ROW * max(2, len(_rows(panel, samples)))
    return usual


def margin(panel: Panel, samples: Sequence[Sample]) -> float:
    """The room that its labels want on the left."""
    if not panel.steps:
        return 0.0
    return max((width(row, _SIZE) for row in _rows(panel, samples)), default=0.0) + 12


def draw(
    canvas: Canvas, panel: Panel, samples: Sequence[Sample], frame: Frame, active: Sequence[tuple[int, int]]
) -> None:
    """Draw everything inside the frame, and its values to the left of it."""
    time, top, bottom, _ = frame
    for _, _, left, right in time.pieces:
        canvas.box(left, top, right - left, bottom - top, "#f7f9fa")
    for begin, end in active:
        x = time.x(begin)
        canvas.box(x, top, max(1.5, time.x(end) - x), bottom - top, SHADE)
    for left, right in gaps(samples, time):
        canvas.box(left, top, right - left, bottom - top, "url(#h)")
    if panel.steps:
        _states(canvas, panel, samples, frame)
    else:
        _values(canvas, panel, samples, frame)
    for middle, _ in time.breaks:
        canvas.box(middle - 7, top - 1, 14, bottom - top + 2, PAPER)
    for _, _, left, right in time.pieces:
        canvas.line((left, bottom), (right, bottom), FAINT)


def gaps(samples: Sequence[Sample], time: TimeScale) -> list[tuple[float, float]]:
    """Where nothing is known, from left to right; before the first reading too."""
    found: list[tuple[float, float]] = []
    for _, _, left, right in time.pieces:
        at: float | None = left
        for sample in samples:
            x = time.x(sample.ms)
            if sample.quality is Quality.BAD or not left <= x <= right:
                continue
            if sample.value is None:
                at = x if at is None else at
            elif at is not None:
                found.append((at, x))
                at = None
        if at is not None:
            found.append((at, right))
    return [(left, right) for left, right in found if right - left > 1]


def _counted(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.value is not None and sample.quality is not Quality.BAD]


# --- numbers -----------------------------------------------------------------------------------------------


def _number(sample: Sample) -> float | None:
    if not isinstance(sample.value, int | float):
        return None
    return min(_HUGE, max(-_HUGE, float(sample.value)))


def _values(canvas: Canvas, panel: Panel, samples: Sequence[Sample], frame: Frame) -> None:
    time, top, bottom, _ = frame
    numbers = [n for sample in _counted(samples) if (n := _number(sample)) is not None]
    low, high = value_range(numbers, [line.value for line in panel.lines])
    above = sum(line.value > high for line in panel.lines)
    below = sum(line.value < low for line in panel.lines)
    room = min(_NAME, (bottom - top) / 3 / max(1, above + below))  # for what is said of limits off the axis
    scale = ValueScale(low, high, top + room * above, bottom - room * below)
    ticks = scale.ticks(5 if bottom - top > 90 else 4)
    for tick in ticks:
        y = scale.y(tick.at)
        for _, _, left, right in time.pieces:
            canvas.line((left, y), (right, y), RULE, 0.7)
        label = cut(tick.label, _SIZE, time.left - 8)
        canvas.text(time.left - 5, y + _SIZE * 0.36, label, _SIZE, colour=FAINT, anchor="end")
    inside = [line for line in panel.lines if scale.shows(line.value)]
    for line in inside:
        y = scale.y(line.value)
        for _, _, left, right in time.pieces:
            canvas.line((left, y), (right, y), _colour(line), 1.6, "" if line.role == "trip" else "5 3")
    _readings(canvas, samples, frame, scale)
    _limit_names(canvas, panel, scale, frame)


def _readings(canvas: Canvas, samples: Sequence[Sample], frame: Frame, scale: ValueScale) -> None:
    time = frame.time
    runs: list[list[tuple[float, float]]] = [[]]
    suspect: list[tuple[float, float]] = []
    bad: list[tuple[float, float]] = []
    piece = 0
    for sample in samples:
        value, x = _number(sample), time.x(sample.ms)
        if sample.quality is Quality.BAD:
            bad.append((x, scale.y(value) if value is not None else frame.bottom - 4))
            continue
        here = sum(sample.ms > end for _, end, _, _ in time.pieces)
        if value is None or here != piece:
            runs.append([])
            piece = here
        if value is None:
            continue
        runs[-1].append((x, scale.y(value)))
        if sample.quality is Quality.SUSPECT:
            suspect.append(runs[-1][-1])
    canvas.runs(runs, DATA, 1.7)
    canvas.marks([run[0] for run in runs if len(run) == 1], DOT, f'fill="{DATA}"')
    canvas.marks(suspect, CIRCLE, f'fill="{PAPER}" stroke="{DATA}" stroke-width="1.1"')
    top, bottom = frame.top + 4, frame.bottom - 4
    canvas.marks([(x, min(bottom, max(top, y))) for x, y in bad], CROSS, f'stroke="{INK}" stroke-width="1.3"')


def limit_name(line: Line, unit: str) -> str:
    """`触发 trip Ⅰ ＜0.10 MPa`."""
    digits = next((n for n in range(5) if abs(line.value - round(line.value, n)) <= abs(line.value) * 1e-6), 4)
    number = f"{_WORD[line.word]}{shown(line.value, digits)} {unit}".rstrip()
    role = "触发 trip" if line.role == "trip" else "恢复 clear"
    return f"{role} {ROMAN[line.level]} {number}"


def _limit_names(canvas: Canvas, panel: Panel, scale: ValueScale, frame: Frame) -> None:
    """At the left, where readings are oldest; kept apart from one another; off the axis they have an arrow."""
    time, top, bottom, names = frame
    size, height = _NAME_SIZE, _NAME
    lines = sorted(panel.lines, key=lambda line: -line.value)[: min(names, int((bottom - top) / height))]
    places: list[float] = []
    for line in lines:
        wish = scale.y(line.value) - 3 if scale.shows(line.value) else top if line.value > scale.high else bottom
        wish = max(top + height - 2, wish)
        places.append(max(wish, places[-1] + height) if places else wish)
    lowest = bottom - 3
    for n in reversed(range(len(places))):
        places[n] = min(places[n], lowest)
        lowest = places[n] - height
    most = time.pieces[0][3] - time.left - 8
    for line, y in zip(lines, places, strict=True):
        off = "" if scale.shows(line.value) else "▲ " if line.value > scale.high else "▼ "
        name = cut(off + limit_name(line, panel.unit), size, most)
        canvas.box(time.left + 2, y - size + 0.5, width(name, size) + 4, height - 2, PAPER, ' opacity=".82"')
        canvas.text(time.left + 4, y, name, size, colour=_colour(line))


def _colour(line: Line) -> str:
    return TRIP if line.role == "trip" else CLEAR


# --- labels ------------------------------------------------------------------------------------------------


def _label(sample: Sample) -> str:
    value = sample.value
    return shown(value, 4) if isinstance(value, float) else str(value)


def _rows(panel: Panel, samples: Sequence[Sample]) -> list[str]:
    """The labels from top to bottom: those the rule asks for, then others in the order in which they come."""
    said = list(dict.fromkeys(_label(sample) for sample in _counted(samples)))
    watched = [label for label in panel.watched if label in said] or list(panel.watched[:2])
    rows = [*watched, *(label for label in said if label not in watched)]
    return rows if len(rows) <= _MOST_ROWS else [*rows[: _MOST_ROWS - 1], "…"]


def _states(canvas: Canvas, panel: Panel, samples: Sequence[Sample], frame: Frame) -> None:
    time, top = frame.time, frame.top
    rows = _rows(panel, samples)
    middles = {label: top + _ROW * (n + 0.5) for n, label in enumerate(rows)}
    for label, y in middles.items():
        asked = label in panel.watched
        for _, _, left, right in time.pieces:
            canvas.line((left, y), (right, y), TRIP if asked else RULE, 0.7, "2 3" if asked else "")
        name = cut(label, _SIZE, time.left - 8)
        canvas.text(time.left - 5, y + _SIZE * 0.36, name, _SIZE, colour=TRIP if asked else FAINT, anchor="end")
    steps: list[list[tuple[float, float]]] = [[]]
    plain: list[list[tuple[float, float]]] = []
    asked_for: list[list[tuple[float, float]]] = []
    doubtful: list[tuple[float, float]] = []
    bad: list[tuple[float, float]] = []
    shown_ones = [s for s in samples if s.quality is not Quality.BAD]
    ends = [*(time.x(s.ms) for s in shown_ones[1:]), time.right][: len(shown_ones)]
    for sample, end in zip(shown_ones, ends, strict=True):
        if sample.value is None:
            steps.append([])
            continue
        label = _label(sample)
        x, y = time.x(sample.ms), middles.get(label, middles.get("…", top))
        piece = next((right for _, last, _, right in time.pieces if sample.ms <= last), time.right)
        steps[-1] += [(x, y), (min(end, piece), y)]
        if end > piece:
            steps.append([])
        (asked_for if label in panel.watched else plain).append([(x, y), (max(x + 0.8, min(end, piece)), y)])
        if sample.quality is Quality.SUSPECT:
            doubtful.append((x, y))
    bad = [(time.x(s.ms), top + 5) for s in samples if s.quality is Quality.BAD]
    canvas.runs(steps, DATA, 0.8)
    canvas.runs(plain, DATA, 3)
    canvas.runs(asked_for, TRIP, 5)
    canvas.marks(doubtful, CIRCLE, f'fill="{PAPER}" stroke="{DATA}" stroke-width="1.1"')
    canvas.marks(bad, CROSS, f'stroke="{INK}" stroke-width="1.3"')
