"""Tables of how the work went: rates, stages, promises, teams, incidents, escalations, notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from daemon.model import Text
from daemon.review.groups import RuleCount
from daemon.review.orders import Order
from daemon.review.promises import RUN, Indicator, Kept, Team
from daemon.review.stages import Stage
from daemon.review.table import Cell, Ratio, Table, table
from daemon.review.words import CHANNEL_STATES, NOBODY, ROLES, STATUSES, called
from daemon.store.review import Told
from daemon.workorders.notices import WORDS
from daemon.workorders.sla import MILESTONES

_YES, _NONE, _ALL = Text("是", "yes"), Text("–", "–"), Text("全部", "all")


def indicator_table(rates: Iterable[Indicator]) -> Table:
    """The rates that a property reports."""
    rows = [(rate.title, rate.ratio, rate.meaning) for rate in rates]
    columns = [("name", "指标", "Indicator"), ("rate", "本月", "Month"), ("meaning", "口径", "Meaning")]
    return table("indicators", ("指标", "Indicators"), columns, rows)


def stage_table(found: Iterable[Stage]) -> Table:
    """How long each stage took."""
    rows = [
        (
            s.title,
            _ALL if s.level is None else s.level,
            s.median,
            s.p90,
            s.longest,
            s.counted,
            s.waiting,
            s.untold,
        )
        for s in found
    ]
    columns = [
        ("stage", "环节", "Stage"), ("level", "级别", "Level"), ("median", "中位数", "Median"),
        ("p90", "90% 在此时间内", "90 % within"),
        ("longest", "最长", "Longest"), ("counted", "计入次数", "Counted"), ("waiting", "尚未到", "Still to come"),
        ("untold", "无此记录", "Not told"),
    ]  # fmt: skip
    note = Text(
        "每次处理（含返工，自重开起算）各计一次；工单归开单当月，之后的进展也计入。计入 + 尚未 + 无记录 = 处理次数。",
        "Each handling counts (a rework from its reopening), for orders opened in the month, whenever it went on."
        " Counted + still to come + not told = handlings.",
    )
    return table("stages", ("各环节用时", "Time per stage"), columns, rows, note)


def promise_table(found: Iterable[Kept]) -> Table:
    """What was promised and kept."""
    rows = [(k.title, k.id, k.rate, k.in_time, k.late, k.missed, k.running) for k in found]
    columns = [
        ("title", "承诺", "Promise"), ("id", "代号", "Id"), ("rate", "按时率", "In time"),
        ("in_time", "按时", "Kept in time"), ("late", "迟到完成", "Kept late"), ("missed", "超时未完成", "Missed"),
        ("running", "未到期", "Still running"),
    ]  # fmt: skip
    note = Text("按时率 = 按时 /（按时 + 迟到 + 超时未完成）。", "In time = in time / (in time + late + missed).")
    return table("promises", ("时限承诺", "Promises"), columns, rows, note)


def team_table(found: Iterable[Team]) -> Table:
    """Teams and their runs of overdue orders."""
    rows = [
        (
            Text(t.name, t.name) if t.name else NOBODY,
            _YES if t.by_person else _NONE,
            t.orders,
            t.on_time,
            t.reopened,
            t.longest_run,
            t.present_run,
            " ".join(f"#{no}" for no in t.run) if t.longest_run >= RUN else "",
        )
        for t in found
    ]
    columns = [
        ("team", "班组", "Team"), ("person", "按接单人", "By person"), ("orders", "工单", "Orders"),
        ("on_time", "按时率", "On time"), ("reworked", "返工", "Reworked"), ("longest", "最长连续超时", "Longest run"),
        ("present", "月末连续超时", "Run at the end"), ("run", "连续三单以上", "Three or more"),
    ]  # fmt: skip
    note = Text(
        "班组以工单系统所派为准，未派班组的按接单人计。连续：按开单先后，时限尚无结果的工单跳过。",
        "The team that the ticketing service named, else the person who accepted. In a row: by creation;"
        " orders of which no deadline was judged are passed over.",
    )
    return table("teams", ("班组与连续超时", "Teams, and overdue in a row"), columns, rows, note)


def incident_table(orders: Iterable[Order]) -> Table:
    """Incidents such as entrapments, apart: they are rescued, not prevented."""
    rows = [
        (f"#{order.no}", order.created_at, order.place, order.title, STATUSES[order.status], *_steps(order))
        for order in orders
        if order.type == "incident"
    ]
    columns = [
        ("order", "工单", "Order"), ("at", "时间", "Time"), ("asset", "设备", "Asset"), ("title", "事件", "Incident"),
        ("status", "状态", "Status"), ("rate", "按时的步骤", "Steps in time"), ("late", "超时的步骤", "Steps overdue"),
    ]  # fmt: skip
    note = Text(
        "困人等事件单列：属于处置，不计为预先消除的投诉。",
        "Incidents are listed apart: they were dealt with, not prevented.",
    )
    return table("incidents", ("事件（困人等）", "Incidents"), columns, rows, note)


def _steps(order: Order) -> tuple[Ratio, Text | None]:
    """How many of its promises and steps were kept in time, and those that were not."""
    judged = [promise for promise in order.promises if promise.in_time is not None]
    late = [promise.title for promise in judged if not promise.in_time]
    named = Text("；".join(t.zh for t in late), "; ".join(t.en for t in late)) if late else None
    return Ratio(len(judged) - len(late), len(judged)), named


def watch_table(orders: Iterable[Order]) -> Table:
    """Second handlings, and what waits for a person."""
    rows = [
        (f"#{o.no}", o.created_at, o.place, o.title, len(o.handlings), STATUSES[o.status],
         _YES if o.undecided else _NONE)
        for o in orders
        if len(o.handlings) > 1 or o.undecided
    ]  # fmt: skip
    columns = [
        ("order", "工单", "Order"), ("at", "时间", "Time"), ("asset", "设备", "Asset"),
        ("title", "问题", "Problem"), ("handlings", "处理次数", "Handlings"), ("status", "状态", "Status"),
        ("undecided", "待人工判定", "For a person"),
    ]  # fmt: skip
    return table("reworked", ("二次处理与待判定", "Second handlings, and undecided"), columns, rows)


def open_table(orders: Iterable[Order]) -> Table:
    """What is still in somebody's hand."""
    rows = [
        (f"#{o.no}", o.created_at, o.level, o.place, o.title, STATUSES[o.status],
         Text(o.team, o.team) if o.team else NOBODY, _YES if o.overdue else _NONE)
        for o in orders
        if o.in_hand
    ]  # fmt: skip
    columns = [
        ("order", "工单", "Order"), ("at", "时间", "Time"), ("level", "级别", "Level"),
        ("asset", "设备", "Asset"), ("title", "问题", "Problem"),
        ("status", "状态", "Status"), ("team", "班组", "Team"), ("overdue", "有超时", "Overdue"),
    ]  # fmt: skip
    return table("open", ("未结工单", "Orders still open"), columns, rows)


def commands_table(rules: Iterable[RuleCount], commands: Mapping[str, tuple[str, ...]]) -> Table:
    """What to try for each rule that gave a false alarm."""
    tried: dict[str, list[str]] = {}
    for one in rules:
        for command in commands.get(one.rule, ()) if one.false else ():
            tried.setdefault(command, []).append(one.rule)
    rows = [
        (command, " ".join(of)) for command, of in sorted(tried.items(), key=lambda item: " explain " not in item[0])
    ]
    columns = [("command", "可试命令", "Command to try"), ("rules", "涉及规则", "Rules")]
    note = Text(
        "在网关上运行；只读取历史，不改动任何配置。",
        "Run them on the gateway; they read the history and change no configuration.",
    )
    return table("try", ("误报规则的试验命令", "What to try for false alarms"), columns, rows, note)


def escalation_table(orders: Sequence[Order], told: Told) -> Table:
    """What went wrong and who was told."""
    of = Counter(event.occasion for order in orders for event in order.events)
    without = (*MILESTONES, "rejected", "cancelled", "recovered", "complained")
    rows: list[tuple[Cell, ...]] = [
        (words, n, sum(order.times(occasion) > 0 for order in orders))
        for occasion, words in WORDS.items()
        if (n := of[occasion]) and occasion not in without
    ]
    rows += [
        (Text(f"超时通知到{words.zh}", f"Overdue notices to {words.en.lower()}"), told.escalated[role], None)
        for role, words in ROLES.items()
        if role in told.escalated
    ]
    columns = [("occasion", "情形", "Occasion"), ("times", "次数", "Times"), ("orders", "涉及工单", "Orders")]
    return table("escalations", ("预警、超时与升级", "Warnings, overdue, escalation"), columns, rows)


def notice_tables(told: Told, numbers: Mapping[str, int]) -> list[Table]:
    """What became of notices by channel, and those that were not delivered."""
    channels = dict.fromkeys(channel for channel, _, _ in told.deliveries)
    counts = {(channel, state): n for channel, state, n in told.deliveries}
    rows: list[tuple[Cell, ...]] = []
    for channel in channels:
        of = [counts.get((channel, state), 0) for state in CHANNEL_STATES]
        rows.append((channel, *of, Ratio(of[0], sum(of))))
    columns = [("channel", "渠道", "Channel")]
    columns += [(state, words.zh, words.en) for state, words in CHANNEL_STATES.items()]
    columns.append(("rate", "送达率", "Delivered"))
    note = Text(
        f"通知共 {told.notices} 条，其中 {told.nobody} 条没有配置任何接收渠道，{told.waiting} 条尚未分发。",
        f"{told.notices} notices: {told.nobody} had no channel at all, {told.waiting} are not handed on yet.",
    )
    lost = [
        (
            f"#{numbers[one.order_key]}" if one.order_key in numbers else one.order_key,
            one.at,
            called(WORDS, one.occasion),
            one.channel,
            called(CHANNEL_STATES, one.state),
            one.error,
        )
        for one in told.undelivered
    ]
    heads = [
        ("order", "工单", "Order"), ("at", "时间", "Time"), ("occasion", "情形", "Occasion"),
        ("channel", "渠道", "Channel"), ("state", "状态", "State"), ("error", "对方答复", "What the peer said"),
    ]  # fmt: skip
    return [
        table("notices", ("通知", "Notices"), columns, rows, note),
        table("undelivered", ("未送达的通知", "Notices not delivered"), heads, lost),
    ]
