"""Alarms, orders and complaints over time, drawn as SVG: a lane for each rule on each asset."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from daemon.backtest.document import Findings
from daemon.backtest.run import Interval
from daemon.model import Level

#: Colours of levels; white stands on them with a contrast of at least 4.5.
LEVELS = {Level.I: "#b3261e", Level.II: "#b45309", Level.III: "#1d5fa8"}
_WIDTH, _LEFT, _RIGHT, _TOP, _LANE = 1048, 250, 16, 34, 26
_MOST_LANES = 80
_MOST_BARS = 5000
_MOST_NAME = 38
#: Between ticks: the first that leaves at most this many of them.
_TICKS = 9
_STEPS = tuple(
    timedelta(seconds=s)
    for s in (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86400, 2 * 86400, 7 * 86400, 30 * 86400, 90 * 86400)
)


def timeline(found: Findings, zone: ZoneInfo) -> str:
    """The drawing; empty words when there was no alarm."""
    lanes: dict[tuple[str, str], list[Interval]] = {}
    for alarm in found.result.intervals[:_MOST_BARS]:
        lanes.setdefault((alarm.asset, alarm.rule), []).append(alarm)
    complaints = [] if found.score is None else [one.complaint for one in found.score.answered]
    for complaint in complaints:
        if not any(asset == complaint.asset for asset, _ in lanes):
            lanes[complaint.asset, ""] = []
    shown = dict(sorted(lanes.items())[:_MOST_LANES])
    first, last = found.result.first_at, found.result.last_at
    if not shown or first is None or last is None:
        return '<p style="padding:0 12px">没有报警 no alarms</p>'
    scale = _Scale(first, last)
    height = _TOP + _LANE * len(shown) + 30
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">']
    parts += _ticks(scale, height, zone)
    for n, ((asset, rule), alarms) in enumerate(shown.items()):
        y = _TOP + n * _LANE
        parts.append(_name(asset, rule, y))
        parts += [_bar(alarm, scale, y, zone) for alarm in alarms]
        for complaint in complaints:
            if complaint.asset == asset:
                parts.append(_mark(scale.x(complaint.at), y, f"投诉 {complaint.text}"))
    parts.append(_legend(height))
    parts.append("</svg>")
    if len(lanes) > len(shown):
        parts.append(f"<p>… {len(lanes) - len(shown)} 行未画 more lanes</p>")
    return "".join(parts)


class _Scale:
    def __init__(self, first: datetime, last: datetime) -> None:
        self.first, self.last = first, max(last, first + timedelta(milliseconds=1))

    def x(self, at: datetime) -> float:
        share = (min(max(at, self.first), self.last) - self.first) / (self.last - self.first)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _ticks(scale: _Scale, height: int, zone: ZoneInfo) -> Iterator[str]:
    span = scale.last - scale.first
    step = next((step for step in _STEPS if span / step <= _TICKS), _STEPS[-1] * (span // (_STEPS[-1] * _TICKS) + 1))
    form = "%m-%d" if step >= timedelta(days=1) else "%m-%d %H:%M" if span > timedelta(days=1) else "%H:%M:%S"
    local = scale.first.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + step * -(-(local - midnight) // step)
    while at <= scale.last:
        x = scale.x(at)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height - 28}" stroke="#e4e7eb"/>'
        yield f'<text x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle">{at:{form}}</text>'
        at += step


def _name(asset: str, rule: str, y: int) -> str:
    words = f"{asset} · {rule}" if rule else asset
    short = words if len(words) <= _MOST_NAME else words[: _MOST_NAME - 1] + "…"
    line = f'<line x1="0" x2="{_WIDTH}" y1="{y + _LANE - 0.5}" y2="{y + _LANE - 0.5}" stroke="#eef1f4"/>'
    return f'{line}<text x="10" y="{y + 17}">{escape(short)}<title>{escape(words)}</title></text>'


def _bar(alarm: Interval, scale: _Scale, y: int, zone: ZoneInfo) -> str:
    x = scale.x(alarm.start)
    width = max(scale.x(alarm.end or scale.last) - x, 2.5)
    colour = LEVELS[alarm.level]
    fill = colour if alarm.has_order else "none"
    end = "…" if alarm.end is None else f"{alarm.end.astimezone(zone):%m-%d %H:%M:%S}"
    words = f"{alarm.level.name} {alarm.start.astimezone(zone):%m-%d %H:%M:%S} → {end}, {alarm.disposition}"
    return (
        f'<rect x="{x:.1f}" y="{y + 6}" width="{width:.1f}" height="14" rx="2" fill="{fill}" stroke="{colour}">'
        f"<title>{escape(words)}</title></rect>"
    )


def _mark(x: float, y: int, words: str) -> str:
    corners = f"{x - 5:.1f},{y + 1} {x + 5:.1f},{y + 1} {x:.1f},{y + 11}"
    return f'<polygon points="{corners}" fill="#111" stroke="#fff"><title>{escape(words)}</title></polygon>'


def _legend(height: int) -> str:
    y = height - 16
    parts = []
    x = _LEFT
    for level, colour in LEVELS.items():
        parts.append(f'<rect x="{x}" y="{y - 9}" width="18" height="11" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{x + 24}" y="{y}">{level.name}</text>')
        x += 60
    parts.append(f'<rect x="{x}" y="{y - 9}" width="18" height="11" rx="2" fill="none" stroke="#52606d"/>')
    parts.append(f'<text x="{x + 24}" y="{y}">未派单 no order</text>')
    parts.append(_mark(x + 150, y - 10, ""))
    parts.append(f'<text x="{x + 162}" y="{y}">投诉 complaint</text>')
    return "".join(parts)
