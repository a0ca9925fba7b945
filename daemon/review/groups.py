"""Orders by whatever they have in common. The rows of each table are all orders, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from daemon.model import Level, Text
from daemon.review.orders import OF_RESIDENTS, Order, grouped
from daemon.review.table import Cell, Ratio, Table, table
from daemon.review.words import CATEGORIES, KINDS, NO_BUILDING, STATUSES, TYPES, called

_COUNTS = (
    ("orders", "工单", "Orders"),
    ("share", "占比", "Share"),
    ("level_1", "Ⅰ级", "Level I"),
    ("level_2", "Ⅱ级", "Level II"),
    ("level_3", "Ⅲ级", "Level III"),
    ("verified", "复核通过", "Verified"),
    ("false", "误报", "False"),
    ("open", "未结", "Open"),
    ("overdue", "有超时", "Overdue"),
    ("reworked", "返工", "Reworked"),
)


def counts(orders: Sequence[Order], everything: int) -> tuple[Cell, ...]:
    """The figures of `_COUNTS` of a group."""
    return (
        len(orders),
        Ratio(len(orders), everything),
        *(sum(order.level is level for order in orders) for level in Level),
        sum(order.status == "verified" for order in orders),
        sum(order.status == "rejected" for order in orders),
        sum(order.in_hand for order in orders),
        sum(order.overdue is True for order in orders),
        sum(len(order.handlings) > 1 for order in orders),
    )


def by(
    name: str,
    title: tuple[str, str],
    orders: Sequence[Order],
    key: Callable[[Order], str],
    call: Callable[[Order], Text],
) -> Table:
    """A table of groups, the largest first; `call` names a group by any of its orders."""
    groups = sorted(grouped(orders, key).items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [(call(those[0]), group, *counts(those, len(orders))) for group, those in groups]
    return table(name, title, [("name", "名称", "Name"), ("id", "代号", "Id"), *_COUNTS], rows)


def group_tables(orders: Sequence[Order]) -> list[Table]:
    """Levels and types over all orders; place, kind and asset over those about the house."""
    ours = [order for order in orders if order.type in OF_RESIDENTS]
    roman = {Level.I: Text("Ⅰ级 紧急", "Level I urgent"), Level.II: Text("Ⅱ级 一般", "Level II general")}
    roman[Level.III] = Text("Ⅲ级 建议", "Level III advice")
    return [
        by("by_type", ("按类型", "By type"), orders, lambda o: o.type, lambda o: called(TYPES, o.type)),
        by("by_level", ("按级别", "By level"), orders, lambda o: o.level.name, lambda o: roman[o.level]),
        by(
            "by_category", ("按类别", "By category"), ours, lambda o: o.category,
            lambda o: called(CATEGORIES, o.category),
        ),
        by(
            "by_building", ("按楼栋", "By building"), ours, lambda o: o.building,
            lambda o: Text(o.building, o.building) if o.building else NO_BUILDING,
        ),
        by("by_kind", ("按设备类别", "By kind of asset"), ours, lambda o: o.kind, lambda o: called(KINDS, o.kind)),
        by("by_asset", ("按设备", "By asset"), ours, lambda o: o.asset, lambda o: o.place),
    ]  # fmt: skip


# --- rules -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How a rule did. right + false + cancelled + open are its orders."""

    rule: str
    title: Text
    orders: int
    #: Verified after the work.
    right: int
    #: A person found a false alarm.
    false: int
    cancelled: int
    #: No verdict yet.
    open: int

    @property
    def false_rate(self) -> Ratio:
        """Of the orders with a verdict."""
        return Ratio(self.false, self.right + self.false)


def rule_counts(orders: Iterable[Order]) -> list[RuleCount]:
    """Each rule, those with most false alarms first."""
    found = []
    for rule, those in grouped((o for o in orders if o.type != "root_cause"), lambda order: order.rule).items():
        right, false, cancelled = (
            sum(order.status == status for order in those) for status in ("verified", "rejected", "cancelled")
        )
        rest = len(those) - right - false - cancelled
        found.append(RuleCount(rule, those[-1].title, len(those), right, false, cancelled, rest))
    return sorted(found, key=lambda one: (-one.false, -one.orders, one.rule))


def rule_table(counted: Iterable[RuleCount]) -> Table:
    """Rules with their verdicts."""
    rows = [(r.rule, r.title, r.orders, r.right, r.false, r.false_rate, r.cancelled, r.open) for r in counted]
    columns = [
        ("rule", "规则", "Rule"), ("title", "名称", "Title"), ("orders", "工单", "Orders"),
        ("right", "属实（复核通过）", "Right (verified)"), ("false", "误报", "False"),
        ("false_rate", "误报率", "False rate"), ("cancelled", "取消", "Cancelled"), ("open", "无结论", "No verdict"),
    ]  # fmt: skip
    note = Text("误报率 = 误报 / (属实 + 误报)。", "False rate = false / (right + false).")
    return table("by_rule", ("按规则：属实与误报", "By rule: right and false"), columns, rows, note)


# --- recurrence --------------------------------------------------------------------------------------------


def recurrence_table(orders: Sequence[Order]) -> Table:
    """Rules on assets that came again, the most frequent first."""
    asked: Mapping[tuple[str, str], Order] = {
        (order.asset, order.rule.removesuffix("!root_cause")): order for order in orders if order.type == "root_cause"
    }
    rows: list[tuple[Cell, ...]] = []
    groups = grouped((o for o in orders if o.type != "root_cause"), lambda order: (order.asset, order.rule))
    for (asset, rule), those in groups.items():
        repeats = sum(order.repeat for order in those)
        if repeats:
            cause = asked.get((asset, rule))
            status = None if cause is None else STATUSES[cause.status]
            rows.append((asset, those[0].place, rule, those[0].title, len(those), repeats, status))
    rows.sort(key=lambda row: (-_number(row[5]), str(row[0]), str(row[2])))
    columns = [
        ("asset", "设备代号", "Asset"), ("asset_name", "设备", "Name"), ("rule", "规则", "Rule"),
        ("title", "问题", "Problem"), ("orders", "本月工单", "Orders"), ("repeats", "其中重复", "Repeats"),
        ("root_cause", "根因工单", "Root-cause order"),
    ]  # fmt: skip
    note = Text(
        "重复：机制规定的天数内（默认 7 天）同一资产同一规则已开过工单，间隔不足 1 小时的算一次。",
        "A repeat: within the mechanism's span (7 days) the same rule on the same asset had an order before;"
        " what follows in less than an hour is the same occurrence.",
    )
    return table("recurrence", ("重复发生", "Recurrence"), columns, rows, note)


def _number(cell: Cell) -> int:
    return cell if isinstance(cell, int) else 0
