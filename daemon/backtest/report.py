"""A backtest as one HTML page that needs nothing else: no script, no font, no server. Chinese comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from daemon.backtest.document import Findings
from daemon.backtest.figures import Difference, Load, Score, by_asset, by_rule
from daemon.backtest.run import Interval, OrderMade, Result
from daemon.backtest.timeline import LEVELS, timeline
from daemon.model import Disposition

_MINUTE = timedelta(minutes=1)
#: More would make no browser happy; the whole is in `-o json` and --intervals.
_MOST_ROWS = 1000

_DISPOSITIONS = {
    Disposition.OWN_ORDER: "派单",
    Disposition.CHILD: "并入上级",
    Disposition.WITHHELD_SHADOW: "试运行",
    Disposition.WITHHELD_LATE: "迟到数据",
    Disposition.WITHHELD_SHELVED: "已搁置",
    Disposition.WITHHELD_CAP: "达到上限",
    Disposition.WITHHELD_MAINTENANCE: "检修中",
}

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 -apple-system,"Segoe UI","PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#1f2933;
background:#f5f7fa;margin:0}
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:24px;margin:0}h2{font-size:18px;margin:36px 0 10px}
small,.en{color:#616e7c}.en{font-weight:400;font-size:.85em;margin-left:.5em}
section.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0}
.tile{background:#fff;border:1px solid #e4e7eb;border-radius:8px;padding:12px 14px}
.tile b{display:block;font-size:26px;line-height:1.2}.tile span{color:#52606d;font-size:13px}
.scroll{overflow-x:auto;background:#fff;border:1px solid #e4e7eb;border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:7px 12px;border-bottom:1px solid #eef1f4;white-space:nowrap;vertical-align:top}
th{color:#52606d;font-weight:600;background:#fafbfc}tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.w{white-space:normal;min-width:14em}
.lv{display:inline-block;min-width:1.6em;text-align:center;border-radius:4px;color:#fff;font-weight:600;font-size:12px;
padding:1px 5px}
.plus{color:#0b6e4f;font-weight:700}.minus{color:#b3261e;font-weight:700}
svg text{font:12px sans-serif;fill:#52606d}svg{display:block}
footer{margin-top:40px;color:#7b8794;font-size:13px}
@media print{body{background:#fff}.scroll{overflow:visible}}
"""


def report(found: Findings) -> str:
    """The page."""
    zone = ZoneInfo(found.catalogue.site.timezone)
    return "\n".join(_page(found, zone))


def _page(found: Findings, zone: ZoneInfo) -> Iterator[str]:
    site, result = found.catalogue.site, found.result
    yield '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<title>回测 Backtest · {escape(site.name.zh)}</title><style>{_STYLE}</style></head><body><main>"
    yield '<h1>规则回测<span class="en">Backtest of rules</span></h1>'
    yield f"<p>{escape(site.name.zh)} <small>{escape(site.name.en)}</small><br>"
    if result.first_at is None or result.last_at is None:
        yield "历史为空 The history is empty.</p></main></body></html>"
        return
    yield f"{_at(result.first_at, zone)} — {_at(result.last_at, zone)} <small>({escape(site.timezone)})</small></p>"
    yield from _tiles(found)
    yield from _section("时间线", "Timeline", [timeline(found, zone)])
    if found.score is not None:
        yield from _score(found.score, found, zone)
    if found.difference is not None:
        yield from _difference(found.difference, found, zone)
    yield from _section("按资产", "By asset", _loads(by_asset(result), found, rules=False))
    yield from _section("按规则", "By rule", _loads(by_rule(result), found, rules=True))
    yield from _section("报警", "Alarms", _alarms(result.intervals, found, zone))
    yield from _remarks(result, found)
    yield f"<footer>rules {escape(found.rules_hash[:12])} · {escape(', '.join(found.histories))}</footer>"
    yield "</main></body></html>"


def _tiles(found: Findings) -> Iterator[str]:
    result, days = found.result, max(found.result.span / timedelta(days=1), 1e-9)
    tiles = [
        (f"{result.readings:,}", "读数 readings"),
        (f"{len(result.intervals)}", "报警 alarms"),
        (f"{len(result.orders)}", "工单 orders"),
        (f"{len(result.orders) / days:.2f}", "工单/天 orders a day"),
    ]
    if found.score is not None:
        s = found.score
        lead = "–" if s.median_lead is None else f"{s.median_lead / _MINUTE:.0f} min"
        tiles += [
            (f"{s.hits} / {len(s.answered)}", "可预先消除的投诉 complaints preempted"),
            (lead, "提前量中位数 median lead"),
            (f"{s.false_orders_a_week:.2f}", "误报工单/周 false orders a week"),
        ]
    if found.difference is not None:
        d = found.difference
        tiles.append((f"+{len(d.added)} −{len(d.removed)}", "与对照规则相比 against the other rules"))
    yield '<section class="tiles">'
    yield from (f'<div class="tile"><b>{value}</b><span>{words}</span></div>' for value, words in tiles)
    yield "</section>"


def _section(zh: str, en: str, body: Iterable[str]) -> Iterator[str]:
    yield f'<h2>{zh}<span class="en">{en}</span></h2><div class="scroll">'
    yield from body
    yield "</div>"


def _table(heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Heads with the class of their cells."""
    rows = list(rows)
    if not rows:
        yield '<p style="padding:0 12px">无 none</p>'
        return
    yield "<table><tr>" + "".join(f'<th class="{kind}">{head}</th>' for head, kind in heads) + "</tr>"
    for row in rows:
        cells = zip(row, heads, strict=True)
        yield "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for cell, (_, kind) in cells) + "</tr>"
    yield "</table>"


def _loads(loads: Sequence[Load], found: Findings, *, rules: bool) -> Iterator[str]:
    name = ("规则 rule", "w") if rules else ("资产 asset", "w")
    heads = [
        name, ("报警 alarms", "n"), ("工单 orders", "n"), ("工单/天 a day", "n"), ("报警分钟 minutes in alarm", "n"),
    ]  # fmt: skip
    rows = (
        [
            _rule(load.name, found) if rules else _asset(load.name, found),
            str(load.alarms),
            str(load.orders),
            f"{load.orders_a_day:.3f}",
            f"{load.alarm_minutes:,.1f}",
        ]
        for load in loads
    )
    return _table(heads, rows)


def _alarms(alarms: Sequence[Interval], found: Findings, zone: ZoneInfo, sign: str = "") -> Iterator[str]:
    heads = [
        ("", ""), ("开始 start", ""), ("结束 end", ""), ("", ""), ("规则 rule", "w"), ("资产 asset", "w"),
        ("处置 disposition", ""),
    ]  # fmt: skip
    mark = {"+": '<span class="plus">+</span>', "−": '<span class="minus">−</span>'}.get(sign, "")
    rows = (
        [
            mark or str(alarm.no),
            _at(alarm.start, zone),
            "未结束 open" if alarm.end is None else _at(alarm.end, zone),
            _level(alarm),
            _rule(alarm.rule, found),
            _asset(alarm.asset, found),
            f"{_DISPOSITIONS.get(alarm.disposition, '')} {escape(alarm.disposition)}",
        ]
        for alarm in alarms[:_MOST_ROWS]
    )
    yield from _table(heads, rows)
    if len(alarms) > _MOST_ROWS:
        yield f"<p>… {len(alarms) - _MOST_ROWS} 条未列 more; see -o json or --intervals</p>"


def _difference(difference: Difference, found: Findings, zone: ZoneInfo) -> Iterator[str]:
    yield from _section("新增的报警", "Added firings", _alarms(difference.added, found, zone, "+"))
    yield from _section("消失的报警", "Removed firings", _alarms(difference.removed, found, zone, "−"))


def _score(score: Score, found: Findings, zone: ZoneInfo) -> Iterator[str]:
    heads = [
        ("时间 time", ""), ("资产 asset", "w"), ("投诉 complaint", "w"), ("提前 lead", "n"), ("规则 rule", "w"),
    ]  # fmt: skip
    rows = [
        [
            _at(one.complaint.made_at, zone),
            _asset(one.complaint.asset, found),
            escape(one.complaint.text),
            '<span class="minus">未预警 missed</span>' if one.lead is None else f"{one.lead / _MINUTE:,.0f} min",
            "" if one.order is None else _rule(one.order.rule, found),
        ]
        for one in score.answered
    ]
    rows += [
        [_at(c.made_at, zone), _asset(c.asset, found), escape(c.text), "不计 left out", ""] for c in score.left_out
    ]
    yield from _section("投诉", "Complaints", _table(heads, rows))
    yield from _section("无人投诉的工单", "Orders nobody complained near", _orders(score.false_orders, found, zone))


def _orders(orders: Sequence[OrderMade], found: Findings, zone: ZoneInfo) -> Iterator[str]:
    heads = [("时间 time", ""), ("资产 asset", "w"), ("规则 rule", "w")]
    return _table(
        heads,
        ([_at(o.created_at, zone), _asset(o.asset, found), _rule(o.rule, found)] for o in orders[:_MOST_ROWS]),
    )


def _remarks(result: Result, found: Findings) -> Iterator[str]:
    lines = [f"规则出错 rule failed: {rule} · {asset}: {why}" for (rule, asset), why in result.faulted.items()]
    lines += [f"{note.zh} / {note.en}" for note in found.notes]
    if result.rejected:
        lines.append(f"{result.rejected} 个读数被拒收 readings rejected, for instance:")
        lines += [f"{rejection.place}: {rejection.detail}" for rejection in result.rejections]
    if found.ignored:
        lines.append(f"不是测点 no points of the site: {', '.join(found.ignored)}")
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        yield from _section("备注", "Remarks", [f"<ul>{items}</ul>"])


def _level(alarm: Interval) -> str:
    return f'<span class="lv" style="background:{LEVELS[alarm.level]}">{alarm.level.name}</span>'


def _rule(rule: str, found: Findings) -> str:
    title = found.titles.get(rule)
    words = f"<br><small>{escape(title.zh)} · {escape(title.en)}</small>" if title is not None else ""
    return f"{escape(rule)}{words}"


def _asset(asset: str, found: Findings) -> str:
    name = next((a.name.zh for a in found.catalogue.assets if a.id == asset), asset)
    return escape(asset) if name == asset else f"{escape(name)} <small>{escape(asset)}</small>"


def _at(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
