"""The drawings of the page as SVG, narrow enough to be read on a telephone. Text stands in the reader's own fonts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from html import escape
from itertools import cycle
from typing import NamedTuple

from daemon.model import Level
from daemon.review.cells import Reader
from daemon.review.compose import Review
from daemon.review.promises import Indicator
from daemon.review.table import Table

_WIDTH = 420
#: Colours of levels, as in a backtest's report; white stands on them with a contrast of at least 4.5.
_LEVELS = {Level.I: "#b3261e", Level.II: "#b45309", Level.III: "#1d5fa8"}
_RIGHT, _FALSE, _OPEN, _GRID, _BAR = "#0b6e4f", "#b3261e", "#9aa5b1", "#e4e7eb", "#1d5fa8"
_LESS = "#b45309"
_MOST_BARS = 12
#: Of a label, in units of the drawing: a Chinese letter takes 12, a Latin one about 6.5.
_LABEL = _WIDTH - 100


def drawings(found: Review, reader: Reader) -> Iterator[tuple[str, str]]:
    """Caption and drawing of each chart."""
    yield reader.pick("每日工单（按级别）", "Orders per day, by level"), _days(found, reader)
    yield reader.pick("各项比率", "Rates"), _rates(found.indicators, reader)
    level = Level.I if any(stage.level is Level.I and stage.counted for stage in found.stages) else None
    of = reader.pick("（Ⅰ级）", " (Level I)") if level is not None else ""
    yield (
        reader.pick(f"各环节用时{of}：中位数 / 90%", f"Time per stage{of}: median / 90 %"),
        _stages(found, level, reader),
    )
    yield reader.pick("按楼栋", "By building"), _groups(found.table("by_building"), reader)
    yield reader.pick("按设备", "By asset"), _groups(found.table("by_asset"), reader)
    yield reader.pick("按规则：属实、误报、无结论", "By rule: right, false, no verdict"), _rules(found, reader)


# --- orders per day ----------------------------------------------------------------------------------------


def _days(found: Review, reader: Reader) -> str:
    left, top, bottom = 30, 26, 180
    most = max((sum(day.levels.values()) for day in found.days), default=0)
    step = _round_step(most)
    peak = step * -(-most // step) or 1
    slot = (_WIDTH - left - 6) / len(found.days)
    parts = []
    for n in range(0, peak + 1, step):
        y = bottom - (bottom - top) * n / peak
        parts.append(f'<line x1="{left}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GRID}"/>')
        parts.append(_text(left - 6, y + 4, str(n), anchor="end"))
    for n, (day, levels) in enumerate(found.days):
        x, y = left + 3 + n * slot, float(bottom)
        for level in Level:
            height = (bottom - top) * levels[level] / peak
            if height:
                y -= height
                words = f"{day:%m-%d}: {levels[level]} × {reader.cell(level)}"
                parts.append(_bar(x, y, slot * 0.78, height, _LEVELS[level], words))
        if day.day == 1 or day.day % 5 == 0:
            parts.append(_text(x + slot * 0.39, bottom + 16, str(day.day), anchor="middle"))
    names = {level: _level(level, reader) for level in Level}
    parts.append(_legend([(names[level], _LEVELS[level]) for level in Level], 12))
    return _svg(parts, bottom + 24, reader.pick("每日工单", "Orders per day"))


def _round_step(most: int) -> int:
    """1, 2 or 5 times a power of ten: at most five of them hold `most`."""
    step, factors = 1, cycle((2, 2.5, 2))
    while step * 5 < most:
        step = round(step * next(factors))
    return step


# --- bars with a label above each --------------------------------------------------------------------------


class _Part(NamedTuple):
    share: float
    colour: str
    words: str = ""


class _Row(NamedTuple):
    label: str
    parts: Sequence[_Part]
    value: str


def _rows(rows: Sequence[_Row], legend: Sequence[tuple[str, str]], name: str, nothing: str) -> str:
    if not rows:
        return f'<p class="none">{escape(nothing)}</p>'
    top = 22 if legend else 2
    drawn = [_legend(legend, 12)] if legend else []
    for n, row in enumerate(rows):
        y = top + n * 32
        drawn.append(_text(0, y + 12, _short(row.label)))
        drawn.append(_text(_WIDTH, y + 12, row.value, anchor="end"))
        drawn.append(f'<rect x="0" y="{y + 17}" width="{_WIDTH}" height="9" rx="2" fill="#eef1f4"/>')
        x = 0.0
        for part in row.parts:
            width = _WIDTH * min(part.share, 1)
            if width > 0:
                drawn.append(_bar(x, y + 17, width, 9, part.colour, part.words))
                x += width
    return _svg(drawn, top + len(rows) * 32, name)


def _rates(rates: Iterable[Indicator], reader: Reader) -> str:
    """Blue where more is better, brown where less is."""
    rows = [
        _Row(
            reader.say(rate.title),
            [_Part(rate.ratio.n / rate.ratio.of, _LESS if rate.key in {"repeat", "false"} else _BAR)],
            reader.ratio(rate.ratio),
        )
        for rate in rates
        if rate.ratio.of
    ]
    legend = [(reader.pick("越高越好", "more is better"), _BAR), (reader.pick("越低越好", "less is better"), _LESS)]
    return _rows(rows, legend, reader.pick("各项比率", "Rates"), reader.pick("无数据", "no figures"))


def _stages(found: Review, level: Level | None, reader: Reader) -> str:
    """The longest of the 90 % spans is the whole width, the same for all: a short stage is a short bar."""
    spans = [(s, s.median, s.p90) for s in found.stages if s.level is level and s.key != "whole"]
    longest = max((p90 for _, _, p90 in spans if p90 is not None), default=timedelta()) or timedelta(seconds=1)
    rows = [
        _Row(
            reader.say(stage.title),
            [_Part(middle / longest, _BAR), _Part(max(p90 - middle, timedelta()) / longest, "#a9c6e3")],
            f"{reader.span(middle)} / {reader.span(p90)} (n={stage.counted})",
        )
        for stage, middle, p90 in spans
        if middle is not None and p90 is not None
    ]
    legend = [(reader.pick("中位数", "median"), _BAR), (reader.pick("90% 在此时间内", "90 % within"), "#a9c6e3")]
    return _rows(rows, legend, reader.pick("各环节用时", "Time per stage"), reader.pick("无数据", "no figures"))


def _groups(table: Table, reader: Reader) -> str:
    names, levels = table.column("name"), [table.column(f"level_{n}") for n in (1, 2, 3)]
    totals = [cell if isinstance(cell, int) else 0 for cell in table.column("orders")]
    most = max(totals, default=1)
    rows = []
    for n, name in enumerate(names[:_MOST_BARS]):
        counts = [cell if isinstance(cell, int) else 0 for cell in (column[n] for column in levels)]
        parts = [
            _Part(count / most, _LEVELS[level], f"{reader.cell(level)}: {count}")
            for level, count in zip(Level, counts, strict=True)
        ]
        rows.append(_Row(reader.cell(name), parts, str(totals[n])))
    legend = [(_level(level, reader), _LEVELS[level]) for level in Level]
    return _rows(rows, legend if rows else (), reader.say(table.title), reader.pick("无工单", "no orders"))


def _rules(found: Review, reader: Reader) -> str:
    rules = [rule for rule in found.rules if rule.orders][:_MOST_BARS]
    most = max((rule.orders for rule in rules), default=1)
    rows = [
        _Row(
            f"{rule.rule} {reader.say(rule.title)}",
            [
                _Part(rule.right / most, _RIGHT),
                _Part(rule.false / most, _FALSE),
                _Part((rule.open + rule.cancelled) / most, _OPEN),
            ],
            f"{rule.right} / {rule.false} / {rule.open + rule.cancelled}",
        )
        for rule in rules
    ]
    legend = [
        (reader.pick("属实", "right"), _RIGHT),
        (reader.pick("误报", "false"), _FALSE),
        (reader.pick("无结论或取消", "no verdict or cancelled"), _OPEN),
    ]
    return _rows(rows, legend if rows else (), reader.pick("按规则", "By rule"), reader.pick("无工单", "no orders"))


# --- pieces ------------------------------------------------------------------------------------------------


def _level(level: Level, reader: Reader) -> str:
    return reader.pick(f"{reader.cell(level)}级", f"Level {level.name}")


def _svg(parts: Iterable[str], height: float, name: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img"'
    return f'{head} aria-label="{escape(name)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12.5" text-anchor="{anchor}">{escape(words)}</text>'


def _bar(x: float, y: float, width: float, height: float, colour: str, words: str = "") -> str:
    title = f"<title>{escape(words)}</title>" if words else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{colour}">{title}</rect>'


def _legend(entries: Sequence[tuple[str, str]], y: float) -> str:
    parts = []
    x = 0.0
    for words, colour in entries:
        parts.append(f'<rect x="{x:.1f}" y="{y - 10}" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(x + 17, y, words))
        x += 17 + _length(words) + 18
    return "".join(parts)


def _length(words: str) -> float:
    """About how long words are, in units of the drawing."""
    return sum(12.0 if ord(letter) > 0x2E7F else 6.8 for letter in words)


def _short(words: str) -> str:
    if _length(words) <= _LABEL:
        return words
    kept = words
    while kept and _length(kept) > _LABEL - 12:
        kept = kept[:-1]
    return f"{kept}…"
