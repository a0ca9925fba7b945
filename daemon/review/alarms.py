"""What became of every alarm, so that nothing hides: own orders, those on another's, those withheld."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from daemon.model import Disposition, Text
from daemon.review.table import Cell, Ratio, Table, table
from daemon.review.words import DISPOSITIONS
from daemon.store.mutes import EVERYWHERE, Mute
from daemon.store.review import AlarmRow
from daemon.workorders import instrument

#: Why a child stands on another's order.
_STORM = Text("风暴合并", "Folded into a storm")
_SAME = Text("同一问题再现或抖动", "The same again, or flapping")
_EXPLAINED = Text("由另一告警解释", "Explained by another alarm")


def disposition_table(alarms: Sequence[AlarmRow], titles: Mapping[str, Text]) -> Table:
    """Rules and what became of their alarms. Each row adds up: an alarm has exactly one disposition."""
    dispositions = list(Disposition)
    rules = Counter(alarm.rule for alarm in alarms)
    pairs = Counter((alarm.rule, alarm.disposition) for alarm in alarms)
    rows: list[tuple[Cell, ...]] = [
        (rule, titles.get(rule, Text(rule, rule)), n, *(pairs[rule, one] for one in dispositions))
        for rule, n in sorted(rules.items(), key=lambda item: (-item[1], item[0]))
    ]
    columns = [("rule", "规则", "Rule"), ("title", "名称", "Title"), ("alarms", "告警", "Alarms")]
    columns += [(one.value, DISPOSITIONS[one].zh, DISPOSITIONS[one].en) for one in dispositions]
    note = Text(
        "每个告警恰有一个去向：单独开单 + 并入 + 未开单 = 告警数。按告警开始的月份计。",
        "Each alarm has exactly one fate: own orders + on another's + withheld = alarms. Counted where they opened.",
    )
    return table("dispositions", ("告警去向", "What became of alarms"), columns, rows, note)


def withheld(alarms: Sequence[AlarmRow]) -> int:
    """Alarms without any order."""
    return sum(alarm.disposition.withheld for alarm in alarms)


def folded_table(alarms: Sequence[AlarmRow]) -> Table:
    """Why alarms stand on another's order."""
    children = [alarm for alarm in alarms if alarm.disposition is Disposition.CHILD]
    reasons = Counter(_reason(alarm) for alarm in children)
    rows: list[tuple[Cell, ...]] = [
        (why, reasons[why], Ratio(reasons[why], len(children))) for why in (_STORM, _SAME, _EXPLAINED) if reasons[why]
    ]
    storms = sum(alarm.rule == instrument.STORM for alarm in alarms)
    columns = [("reason", "原因", "Reason"), ("alarms", "告警", "Alarms"), ("share", "占比", "Share")]
    note = Text(f"本月报警风暴 {storms} 次。", f"Storms this month: {storms}.")
    return table("folded", ("并入其他工单的告警", "Alarms on another's order"), columns, rows, note)


def _reason(alarm: AlarmRow) -> Text:
    if alarm.parent_rule == instrument.STORM:
        return _STORM
    return _SAME if alarm.parent_rule == alarm.rule else _EXPLAINED


_KINDS = {"shelve": Text("搁置", "Shelved"), "maintain": Text("检修", "Maintenance")}


def mute_table(mutes: Sequence[Mute]) -> Table:
    """Who muted what, how long and why."""
    rows: list[tuple[Cell, ...]] = [
        (
            _KINDS[mute.kind.value],
            Text("整个项目", "whole site") if mute.asset == EVERYWHERE else mute.asset,
            mute.rule,
            mute.since,
            mute.until,
            mute.user,
            mute.reason,
        )
        for mute in mutes
    ]
    columns = [
        ("kind", "类型", "Kind"), ("asset", "设备", "Asset"), ("rule", "规则", "Rule"), ("since", "开始", "Since"),
        ("until", "结束", "Until"), ("user", "操作人", "By"), ("reason", "理由", "Reason"),
    ]  # fmt: skip
    return table("mutes", ("人工搁置与检修", "Shelving and maintenance"), columns, rows)


def kpi_table(kpi: Mapping[str, object]) -> Table:
    """The figures of ISA-18.2, with what the standard aims at."""
    chattering, stale, top = (_length(kpi[name]) for name in ("chattering", "stale", "top_ten"))
    percents = [_percent(one) for one in _items(kpi["top_ten"])]
    rows: list[tuple[Cell, ...]] = [
        (Text("告警总数（有人被告知）", "Alarms that somebody was told of"), f"{kpi['alarms']}", ""),
        (Text("每天告警", "Alarms a day"), f"{kpi['alarms_per_day']:g}", "≤ 150"),
        (Text("泛滥时间占比", "Time in flood"), f"{kpi['flood_percent']:g} %", "< 1 %"),
        (Text("10 分钟内最多", "Peak in 10 min"), f"{kpi['peak_in_10min']}", "≤ 10"),
        (Text("抖动的规则×设备", "Chattering rules on assets"), f"{chattering}", "0"),
        (Text("期末持续超过 24 小时", "Standing for more than 24 h at the end"), f"{stale}", "< 5"),
        (Text(f"最多的 {top} 项合计占比", f"Share of the top {top}"), f"{sum(percents):.0f} %", "1–5 %"),
    ]
    columns = [("figure", "指标", "Figure"), ("value", "本月", "This month"), ("aim", "标准参考值", "Aim")]
    note = Text(
        "ANSI/ISA-18.2-2016 第 16 章、IEC 62682；参考值为每名操作员。小项目的前十占比天然偏高。",
        "ANSI/ISA-18.2-2016 clause 16, IEC 62682; aims are for one operator. On a small site the top ten hold a large"
        " share by nature.",
    )
    return table("kpi", ("告警质量（ISA-18.2）", "Quality of alarms (ISA-18.2)"), columns, rows, note)


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _length(value: object) -> int:
    return len(_items(value))


def _percent(one: object) -> float:
    return float(one["percent"]) if isinstance(one, dict) else 0.0
