"""A review for spreadsheets: every order in one file, every number of every table in another.

UTF-8 with a byte order mark, so that Excel reads Chinese. What a person or a device wrote and a spreadsheet would take
for a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from daemon.model import Level, Text
from daemon.review.cells import Reader
from daemon.review.compose import Review
from daemon.review.orders import Order
from daemon.review.stages import times
from daemon.review.table import Cell, Ratio
from daemon.review.words import CATEGORIES, KINDS, STATUSES, TYPES, called

_BOM = "\ufeff"
_MINUTE = timedelta(minutes=1)
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_ORDER = (
    ("工单", "Order"), ("开单时间", "Opened"), ("类型", "Type"), ("级别", "Level"), ("类别", "Category"),
    ("楼栋", "Building"), ("设备代号", "Asset"), ("设备", "Asset name"), ("设备类别", "Kind"), ("规则", "Rule"),
    ("问题", "Problem"), ("状态", "Status"), ("班组", "Team"), ("影响户数", "Households"), ("重复", "Repeat"),
    ("处理次数", "Handlings"), ("有超时", "Overdue"), ("超时的承诺", "Promises overdue"), ("接单", "Accepted"),
    ("到场", "On site"), ("完成", "Done"), ("复核通过", "Verified"), ("响应分钟", "Response min"),
    ("到场分钟", "Travel min"), ("处理分钟", "Work min"), ("复核分钟", "Check min"), ("全程分钟", "Whole min"),
    ("待人工判定", "Undecided"), ("唯一键", "Key"),
)  # fmt: skip


def order_sheet(found: Review, reader: Reader) -> str:
    """One row an order, the oldest first; stamps and minutes are those of its last handling."""
    return _sheet([reader.pick(*head) for head in _ORDER], (_order(order, reader) for order in found.orders))


def _order(order: Order, reader: Reader) -> list[object]:
    yes, no = reader.pick("是", "yes"), reader.pick("否", "no")
    late = [reader.say(promise.title) for promise in order.promises if promise.in_time is False]
    return [
        f"#{order.no}",
        _exact(order.created_at, reader),
        reader.say(called(TYPES, order.type)),
        order.level.name,
        reader.say(called(CATEGORIES, order.category)),
        order.building,
        order.asset,
        reader.say(order.asset_name),
        reader.say(called(KINDS, order.kind)),
        order.rule,
        reader.say(order.title),
        reader.say(STATUSES[order.status]),
        order.team,
        order.households,
        yes if order.repeat else no,
        len(order.handlings),
        "" if order.overdue is None else yes if order.overdue else no,
        reader.pick("；", "; ").join(late),
        *(_exact(order.last.reached(name), reader) for name in ("accepted", "arrived", "done", "verified")),
        *("" if span is None else _minutes(span) for span in times(order.last)),
        yes if order.undecided else no,
        order.key,
    ]


_SUMMARY = (
    ("表", "Table"), ("项目", "Item"), ("数值名称", "Figure"), ("数值", "Value"), ("分母", "Of"), ("文字", "Text"),
)  # fmt: skip


def summary_sheet(found: Review, reader: Reader) -> str:
    """One row a cell of every table; spans in minutes, a share with what it is divided by."""
    return _sheet([reader.pick(*head) for head in _SUMMARY], _cells(found, reader))


def _cells(found: Review, reader: Reader) -> Iterable[list[object]]:
    for table in found.tables:
        place = next((n for n, column in enumerate(table.columns) if column.key in {"id", "level"} and n), None)
        for row in table.rows:
            item = reader.cell(row[0])
            if place is not None and (name := reader.cell(row[place])) not in {"", item}:  # names may be the same
                item = f"{item} ({name})"
            for column, cell in zip(table.columns[1:], row[1:], strict=True):
                yield [reader.say(table.title), item, reader.say(column.title), *_figure(cell, reader)]


def _figure(cell: Cell, reader: Reader) -> tuple[object, object, object]:
    match cell:
        case None:
            return "", "", ""
        case Ratio():
            return cell.n, cell.of, reader.ratio(cell)
        case timedelta():
            return _minutes(cell), "", reader.span(cell)
        case Text() | Level() | str() | datetime():
            return "", "", reader.cell(cell)
        case _:
            return cell, "", str(cell)


def _sheet(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    text.write(_BOM)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(heads)
    writer.writerows([_guarded(cell) for cell in row] for row in rows)
    return text.getvalue()


def _guarded(cell: object) -> object:
    """A number as it is; a text so that no spreadsheet computes it."""
    if not isinstance(cell, str):
        return cell
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _exact(at: datetime | None, reader: Reader) -> str:
    return "" if at is None else f"{at.astimezone(reader.zone):%Y-%m-%d %H:%M:%S}"


def _minutes(span: timedelta) -> float:
    return round(span / _MINUTE, 1)
