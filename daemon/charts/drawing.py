"""A chart as SVG: legible at the width of a telephone, in print, and to who sees no colours.

Pure: the same plan and readings give the same bytes, on every machine. Texts are outlines, so no font is needed; what
they say stands in `desc` besides, for who listens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from daemon.charts import panels
from daemon.charts.canvas import FAINT, INK, RULE, Canvas
from daemon.charts.glyphs import cut, width, wrap
from daemon.charts.plan import Panel, Plan, Sample, Series
from daemon.charts.scales import TimeScale, Window, moment, offset
from daemon.charts.telling import WORDS, told
from daemon.charts.thinning import MOST, thinned
from daemon.model import Quality

WIDTH = 360
#: A chart travels in the body of a note and stays in the ledger.
MOST_BYTES = 40_000
_LEFT, _RIGHT, _MARGIN = 40.0, 348.0, 12.0
_MOST_LEFT = 90.0
_PLOT = {1: 150.0, 2: 112.0}
_SMALL_PLOT = 84.0
_TICK_ROOM = 44.0
#: In ms: of less than that the seconds are told.
_BRIEF = 600_000
#: In ms: a stretch that begins with its first reading, and a little before.
_LEAST_SPAN, _LEAST_LEAD = 20_000, 1_000


class _Care(NamedTuple):
    """How much is drawn."""

    samples: int
    title_lines: int
    captions: int
    #: Limits of a point that are named.
    names: int
    legend: bool
    #: Stretches of the alarm, the newest.
    active: int
    #: Bytes of outlines.
    outlines: int = MOST_BYTES


#: The first that is small enough is taken; the last always is.
_CARES = (
    _Care(MOST, 2, 2, 8, legend=True, active=12),
    _Care(MOST // 2, 2, 1, 4, legend=True, active=6),
    _Care(MOST // 4, 1, 1, 2, legend=True, active=4),
    _Care(40, 1, 0, 1, legend=False, active=2, outlines=8_000),
)


class _Sign(Protocol):
    """Draws a sign of the legend, its middle at y."""

    def __call__(self, x: float, y: float, /) -> None: ...


class Stretch(NamedTuple):
    """What is shown of a stretch of time."""

    window: Window
    series: Series


def stretches(plan: Plan, series: Series, before: Stretch | None = None) -> list[Stretch]:
    """A chart's own stretch, behind the one of the order's first chart if there is one; adjoining ones are one."""
    own = _known(Stretch((plan.from_ms, plan.to_ms), series))
    if before is None:
        return [own]
    before = _known(before)
    if plan.from_ms > before.window[1]:
        return [before, own]
    joined = {
        point: [*(s for s in before.series.get(point, []) if s.ms < plan.from_ms), *samples]
        for point, samples in series.items()
    }
    return [Stretch((before.window[0], plan.to_ms), joined)]


def _known(stretch: Stretch) -> Stretch:
    """Without the time before anything was known: the gateway or the sensor is new, and an empty field says no more."""
    (begin, end), series = stretch
    first = min((samples[0].ms for samples in series.values() if samples), default=begin)
    lead = max(_LEAST_LEAD, (end - first) // 20)
    return Stretch((max(begin, min(first - lead, end - _LEAST_SPAN)), end), series)


def draw(plan: Plan, shown: Sequence[Stretch]) -> str:
    """The drawing, at most `MOST_BYTES` in UTF-8."""
    text = ""
    for care in _CARES:
        text = _Drawing(plan, shown, care).svg()
        if len(text.encode()) <= MOST_BYTES:
            break
    return text


class _Drawing:
    """From top to bottom: what and where, when, each point, time, what the signs mean."""

    def __init__(self, plan: Plan, shown: Sequence[Stretch], care: _Care) -> None:
        self.plan, self.shown, self.care = plan, shown, care
        self.zone = ZoneInfo(plan.zone)
        self.canvas = Canvas(care.outlines)
        most = care.samples // len(shown)
        self.samples: dict[str, list[Sample]] = {
            panel.point: [s for one in shown for s in thinned(one.series.get(panel.point, []), most)]
            for panel in plan.panels
        }
        left = max([panels.margin(panel, self.samples[panel.point]) for panel in plan.panels], default=_LEFT)
        left = min(max(left, _LEFT), _MOST_LEFT)
        self.time = TimeScale([stretch.window for stretch in shown], left, _RIGHT, self.zone)
        last = plan.to_ms
        self.alarms = plan.active[-care.active :]
        self.active = [(begin, last if end is None else min(end, last)) for begin, end in self.alarms]
        self.y = 0.0

    def svg(self) -> str:
        """The drawing."""
        plan = self.plan
        self._head()
        usual = _PLOT.get(len(plan.panels), _SMALL_PLOT)
        for n, panel in enumerate(plan.panels):
            self._panel(panel, usual, first=n == 0)
        self._clocks()
        if self.care.legend:
            self._legend()
        self._foot()
        title, description = told(plan, self.samples, self.zone)
        return self.canvas.svg(WIDTH, self.y, title, description)

    # --- what and where ------------------------------------------------------------------------------------

    def _head(self) -> None:
        plan, canvas, room = self.plan, self.canvas, WIDTH - 2 * _MARGIN
        self.y = 22.0
        level = f"{panels.ROMAN[plan.level]} 级"
        wide = width(level, 12) + 12
        title = wrap(plan.title.zh, 15, room - wide - 6, self.care.title_lines)
        for n, line in enumerate(title):
            canvas.text(_MARGIN, self.y + n * 19, line, 15, bold=True)
        canvas.box(WIDTH - _MARGIN - wide, self.y - 14, wide, 19, panels.TRIP if plan.level == 1 else INK, ' rx="3"')
        canvas.text(WIDTH - _MARGIN - wide / 2, self.y, level, 12, colour="#fff", anchor="middle")
        self.y += 19 * max(0, len(title) - 1) + 17
        for line in wrap(plan.asset.zh, 12, room, self.care.title_lines):
            canvas.text(_MARGIN, self.y, line, 12)
            self.y += 15
        for line in wrap(f"{plan.asset.en}: {plan.title.en}", 10.5, room, self.care.title_lines):
            canvas.text(_MARGIN, self.y, line, 10.5, colour=FAINT)
            self.y += 13.5
        first, last = self.shown[0].window[0], self.shown[-1].window[1]
        zones = dict.fromkeys((offset(first, self.zone), offset(last, self.zone)))
        same_day = moment(first, self.zone, "%Y-%m-%d") == moment(last, self.zone, "%Y-%m-%d")
        clock = "%H:%M:%S" if last - first < _BRIEF else "%H:%M"
        until = moment(last, self.zone, clock if same_day else f"%m-%d {clock}")
        when = f"{moment(first, self.zone, f'%Y-%m-%d {clock}')} – {until} {'→'.join(zones)}"
        words = WORDS[plan.occasion]
        canvas.text(_MARGIN, self.y + 3, cut(f"{words.zh} {words.en}", 11, room), 11, colour=panels.DATA, bold=True)
        self.y += 17
        canvas.text(_MARGIN, self.y + 1, cut(when, 10.5, room), 10.5, colour=FAINT)
        self.y += 4

    def _moments(self) -> None:
        """When the alarm began and ended, above their places."""
        taken = [_MARGIN - 6, _MARGIN - 6]
        signs = list(self._signs())
        for x, text, colour in sorted(signs[-6:]):
            wide = width(text, 9.5)
            left = min(max(_MARGIN, x - wide / 2), WIDTH - _MARGIN - wide)
            row = next((n for n, end in enumerate(taken) if left > end + 4), None)
            if row is None:
                continue
            self.canvas.text(left, self.y + 13 + row * 12, text, 9.5, colour=colour)
            taken[row] = left + wide
        rows = 2 if taken[1] > _MARGIN else 1
        self.y += 5 + 12 * rows if signs else 0

    def _signs(self) -> Iterator[tuple[float, str, str]]:
        first = self.shown[0].window[0]
        for begin, end in self.alarms:
            form = "%H:%M:%S" if begin >= first else "%m-%d %H:%M"
            arrow = "▼" if begin >= first else "◀"
            yield self.time.x(begin), f"{arrow} 报警 alarm {moment(begin, self.zone, form)}", panels.TRIP
            if end is not None and end <= self.plan.to_ms:
                yield self.time.x(end), f"▽ 恢复 clear {moment(end, self.zone, '%H:%M:%S')}", panels.CLEAR

    # --- points --------------------------------------------------------------------------------------------

    def _panel(self, panel: Panel, usual: float, *, first: bool) -> None:
        canvas, samples = self.canvas, self.samples[panel.point]
        self.y += 16
        name = f"{panel.name}（{panel.unit}）" if panel.unit else panel.name
        canvas.text(_MARGIN, self.y, cut(name, 11, WIDTH - 2 * _MARGIN), 11, bold=True)
        for asked in panel.asked[: self.care.captions]:
            self.y += 13
            both = f"{asked.zh} · {asked.en}"
            text = both if width(both, 9.5) <= WIDTH - 2 * _MARGIN else asked.zh
            canvas.text(_MARGIN, self.y, cut(text, 9.5, WIDTH - 2 * _MARGIN), 9.5, colour=FAINT)
        if first:
            self._moments()
        top = self.y + 6
        bottom = top + panels.plot_height(panel, samples, usual)
        frame = panels.Frame(self.time, top, bottom, self.care.names)
        panels.draw(canvas, panel, samples, frame, self.active)
        for begin, end in self.alarms:
            for ms, colour in ((begin, panels.TRIP), (end, panels.CLEAR)):
                if ms is not None and any(a <= ms <= b for a, b, _, _ in self.time.pieces):
                    x = self.time.x(ms)
                    canvas.line((x, top - 2), (x, bottom), colour, 1.1, "" if ms == begin else "4 2")
        if not any(s.value is not None and s.quality is not Quality.BAD for s in samples):
            empty = "无可用读数 no usable readings"
            x, wide = (self.time.left + _RIGHT) / 2, width(empty, 11) + 12
            canvas.box(x - wide / 2, (top + bottom) / 2 - 12, wide, 18, "#fff")
            canvas.text(x, (top + bottom) / 2 + 1, empty, 11, colour=FAINT, anchor="middle")
        for tick in self.time.ticks(_TICK_ROOM):
            canvas.line((tick.at, bottom), (tick.at, bottom + 3), FAINT)
        self.y = bottom

    def _clocks(self) -> None:
        """Times below the last point; of stretches on different days the days as well."""
        canvas, last = self.canvas, 0.0
        for tick in self.time.ticks(_TICK_ROOM):
            half = width(tick.label, 10) / 2
            x = min(max(tick.at, _MARGIN + half), WIDTH - 4 - half)
            if x - half < last + 4:
                continue
            canvas.text(x, self.y + 14, tick.label, 10, colour=FAINT, anchor="middle")
            last = x + half
        self.y += 18
        if self.time.breaks:
            for begin, _, left, right in self.time.pieces:
                day = moment(begin, self.zone, "%Y-%m-%d")
                canvas.text((left + right) / 2, self.y + 10, day, 9.5, colour=FAINT, anchor="middle")
            for middle, left_out in self.time.breaks:
                words = f"略去 {_lasting(left_out)} left out"
                canvas.text(middle, self.y + 23, words, 9.5, colour=FAINT, anchor="middle")
            self.y += 26

    # --- below ---------------------------------------------------------------------------------------------

    def _legend(self) -> None:
        x, y = _MARGIN, self.y + 12
        for draw_sign, text in self._entries():
            wide = 22 + width(text, 9.5) + 10
            if x + wide > WIDTH - 4 and x > _MARGIN:
                x, y = _MARGIN, y + 14
            draw_sign(x, y - 3.5)
            self.canvas.text(x + 20, y, text, 9.5, colour=FAINT)
            x += wide
        self.y = y + 2

    def _entries(self) -> Iterator[tuple[_Sign, str]]:
        canvas, plan = self.canvas, self.plan
        samples = [sample for found in self.samples.values() for sample in found]
        roles = {line.role for panel in plan.panels for line in panel.lines}
        if "trip" in roles:
            yield lambda x, y: canvas.line((x, y), (x + 16, y), panels.TRIP, 1.6), "触发线 trip"
        if "clear" in roles:
            yield lambda x, y: canvas.line((x, y), (x + 16, y), panels.CLEAR, 1.6, "5 3"), "恢复线 clear"
        if any(panel.steps and panel.watched for panel in plan.panels):
            yield lambda x, y: canvas.line((x, y), (x + 16, y), panels.TRIP, 5), "触发状态 trip state"
        yield lambda x, y: canvas.box(x, y - 4.5, 16, 9, panels.SHADE), "报警期间 alarm"
        if any(panels.gaps(found, self.time) for found in self.samples.values()):
            yield lambda x, y: canvas.box(x, y - 4.5, 16, 9, "url(#h)"), "无数据 no data"
        if any(sample.quality is Quality.SUSPECT for sample in samples):
            style = f'fill="#fff" stroke="{panels.DATA}" stroke-width="1.1"'
            yield lambda x, y: canvas.marks([(x + 8, y)], panels.CIRCLE, style), "存疑 suspect"
        if any(sample.quality is Quality.BAD for sample in samples):
            style_bad = f'stroke="{INK}" stroke-width="1.3"'
            yield lambda x, y: canvas.marks([(x + 8, y)], panels.CROSS, style_bad), "不可用 bad"

    def _foot(self) -> None:
        plan, canvas = self.plan, self.canvas
        self.y += 6
        canvas.line((_MARGIN, self.y), (WIDTH - _MARGIN, self.y), RULE)
        room = WIDTH - 2 * _MARGIN
        if plan.rest:
            self.y += 13
            canvas.text(_MARGIN, self.y, cut(f"另有测点 also: {', '.join(plan.rest)}", 9.5, room), 9.5, colour=FAINT)
        self.y += 13
        text = f"规则 rule {plan.rule} · 报警 alarm #{plan.alarm_no}"
        canvas.text(_MARGIN, self.y, cut(text, 9.5, room), 9.5, colour=FAINT)
        self.y += 9


def _lasting(ms: int) -> str:
    minutes = max(1, round(ms / 60_000))
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes if not days else 0, "min")) if n)
