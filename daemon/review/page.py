"""The review as one page that needs nothing else: no script, no font, no server; for screen, telephone and A4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from daemon.review import charts
from daemon.review.cells import Reader, is_number
from daemon.review.compose import Review
from daemon.review.style import STYLE
from daemon.review.summary import remarks, sentence, title
from daemon.review.table import Cell, Table

#: More rows than anybody reads; the sheets have them all.
_MOST_ROWS = 60
#: And these are read by their first rows.
_FEWER_ROWS = {"undelivered": 15}
#: Letters that stay in one line.
_SHORT = 17

#: The page, section by section: heading and the tables in it.
_SECTIONS = (
    ("指标", "Indicators", ("indicators", "promises", "stages")),
    ("工单分布", "Where the orders are", ("by_type", "by_level", "by_category", "by_building", "by_kind", "by_asset")),
    ("班组", "Teams", ("teams", "escalations")),
    ("需要关注的工单", "Orders to look at", ("incidents", "open", "reworked", "recurrence")),
    ("投诉", "Complaints", ("complaints",)),
    ("规则", "Rules", ("by_rule", "try")),
    ("通知", "Notices", ("notices", "undelivered")),
    ("告警", "Alarms", ("dispositions", "folded", "mutes", "kpi")),
)


def page(found: Review, reader: Reader) -> str:
    """The page in the reader's language."""
    return "\n".join(_page(found, reader)) + "\n"


def _page(found: Review, reader: Reader) -> Iterator[str]:
    heading = escape(title(found, reader))
    yield f'<!doctype html>\n<html lang="{reader.pick("zh-CN", "en")}"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield f"<title>{heading}</title><style>{STYLE}</style></head><body><main>"
    yield f"<header><h1>{heading}</h1><p>{escape(_span(found, reader))}</p></header>"
    yield from (f'<p class="remark">{escape(line)}</p>' for line in remarks(found, reader))
    yield from _tiles(found, reader)
    yield f'<p class="lead">{escape(sentence(found, reader))}</p>'
    yield from _suggestions(found, reader)
    yield from _charts(found, reader)
    for zh, en, keys in _SECTIONS:
        if keys == ("complaints",) and found.voices is None:
            yield f'<section><h2>{reader.pick(zh, en)}</h2><p class="none">{_no_complaints(reader)}</p></section>'
        tables = [table for table in found.tables if table.key in keys]
        yield from _section(reader.pick(zh, en), tables, reader)
    yield f"<footer>{escape(_footer(reader))}</footer></main></body></html>"


def _no_complaints(reader: Reader) -> str:
    return reader.pick(
        "没有投诉数据：网关没有收到投诉，也没有用 --complaints 给出文件，因此无法统计先于投诉的告警。",
        "No complaints are known: the gateway has none and no file was given with --complaints.",
    )


def _span(found: Review, reader: Reader) -> str:
    span = found.period.span
    return f"{reader.moment(span.begin)} — {reader.moment(span.end)} ({found.period.month.zone.key})"


def _tiles(found: Review, reader: Reader) -> Iterator[str]:
    head, heard = found.headline, found.voices
    tiles = [
        (f"{head.pre_complaints}", reader.pick("预投诉工单", "pre-complaint orders"), ""),
        (_percent(head.on_time.percent), reader.pick("按时率", "on time"), f"{head.on_time.n}/{head.on_time.of}"),
    ]
    if heard is not None:
        early = head.preempted.percent if head.preempted is not None else None
        tiles.append(
            (_percent(early), reader.pick("投诉前已告警", "complaints preempted"), f"{heard.preempted}/{heard.scored}")
        )
    tiles += [
        (_percent(head.false.percent), reader.pick("误报率", "false alarms"), f"{head.false.n}/{head.false.of}"),
        (f"{head.incidents}", reader.pick("事件（困人等）", "incidents"), ""),
        (f"{head.open}", reader.pick("未结工单", "still open"), ""),
    ]
    yield '<section class="tiles">'
    yield from (f"<div><b>{n}</b><span>{escape(what)}</span><small>{of}</small></div>" for n, what, of in tiles)
    yield "</section>"


def _percent(percent: float | None) -> str:
    return "–" if percent is None else f"{percent:.0f}%"


def _suggestions(found: Review, reader: Reader) -> Iterator[str]:
    yield f"<section><h2>{reader.pick('建议', 'Suggestions')}</h2>"
    if not found.suggestions:
        nothing = reader.pick("本月数据没有触发建议。", "Nothing in the numbers of this month suggests a change.")
        yield f"<p>{nothing}</p>"
    else:
        yield "<ol>"
        for one in found.suggestions:
            commands = f"<pre>{escape(chr(10).join(one.commands))}</pre>" if one.commands else ""
            yield f"<li>{escape(reader.say(one.text))}{commands}</li>"
        yield "</ol>"
    yield "</section>"


def _charts(found: Review, reader: Reader) -> Iterator[str]:
    yield '<section class="charts">'
    for caption, drawing in charts.drawings(found, reader):
        yield f"<figure><figcaption>{escape(caption)}</figcaption>{drawing}</figure>"
    yield "</section>"


def _section(heading: str, tables: Sequence[Table], reader: Reader) -> Iterator[str]:
    if not tables:
        return
    yield f"<section><h2>{escape(heading)}</h2>"
    for table in tables:
        name = reader.say(table.title)
        if name != heading:
            yield f"<h3>{escape(name)}</h3>"
        yield from _table(table, reader)
    yield "</section>"


def _table(table: Table, reader: Reader) -> Iterator[str]:
    most = _FEWER_ROWS.get(table.key, _MOST_ROWS)
    if not table.rows:
        yield f'<p class="none">{reader.pick("无", "none")}</p>'
    else:
        shown = [n for n, column in enumerate(table.columns) if column.key != "id" or table.key == "by_asset"]
        flush = {n for n in shown if any(is_number(row[n]) for row in table.rows)}
        yield '<div class="scroll"><table><thead><tr>'
        for n in shown:
            yield f"<th{_class('n' if n in flush else '')}>{escape(reader.say(table.columns[n].title))}</th>"
        yield "</tr></thead><tbody>"
        for row in table.rows[:most]:
            cells = (_cell(row[n], table.columns[n].key, n in flush, reader) for n in shown)
            yield f"<tr>{''.join(cells)}</tr>"
        yield "</tbody></table></div>"
    rest = len(table.rows) - most
    if rest > 0:
        more = reader.pick(f"另有 {rest} 行，见 summary.csv。", f"{rest} more rows are in summary.csv.")
        yield f'<p class="note">{more}</p>'
    if table.note is not None:
        yield f'<p class="note">{escape(reader.say(table.note))}</p>'


def _cell(cell: Cell, key: str, flush: bool, reader: Reader) -> str:  # noqa: FBT001  as the column is
    text = reader.cell(cell)
    words = escape(text)
    if key == "command":
        words = f"<code>{words}</code>"
    kinds = ["n"] if flush else ["s"] if len(text) <= _SHORT else []
    kinds += ["zero"] if cell == 0 else []
    return f"<td{_class(*kinds)}>{words}</td>"


def _class(*names: str) -> str:
    found = " ".join(filter(None, names))
    return f' class="{found}"' if found else ""


def _footer(reader: Reader) -> str:
    return reader.pick(
        "工单归开单当月，之后的进展也计入该月；时间按项目时区。阈值为内部标准，见 docs/report.md。"
        "本系统不是安全装置，不替代报警与救援电话。",
        "An order counts in the month in which it was opened, whatever happened to it later; times are the site's."
        " Thresholds are house rules, see docs/report.md. This is no safety device and replaces no alarm call.",
    )
