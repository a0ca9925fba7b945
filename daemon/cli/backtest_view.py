"""What a backtest came to, as text for people; times are the site's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.backtest.document import Findings
from daemon.backtest.figures import Difference, Load, Score, by_asset
from daemon.backtest.run import Interval, Result
from daemon.cli.terminal import print_line
from daemon.workorders.complaints import Outcome

_MINUTE = timedelta(minutes=1)
_MOST_REJECTIONS = 5
_MOST_NAMES = 20


def show(found: Findings) -> None:
    """Print it."""
    zone = ZoneInfo(found.catalogue.site.timezone)
    for line in _lines(found, zone):
        print_line(line)


def _lines(found: Findings, zone: ZoneInfo) -> Iterator[str]:
    result = found.result
    if result.first_at is None or result.last_at is None:
        yield "历史为空 the history is empty"
        return
    yield (
        f"历史 history: {local(result.first_at, zone)} … {local(result.last_at, zone)}, "
        f"{result.readings} readings 读数, {result.rejected} rejected 拒收"
    )
    yield from (f"    {rejection.place}: {rejection.detail}" for rejection in result.rejections[:_MOST_REJECTIONS])
    yield from (f"    {note.zh} / {note.en}" for note in found.notes)
    if found.ignored:
        yield f"    不是测点 no points of the site: {', '.join(found.ignored[:_MOST_NAMES])}"
    yield from _alarms(result, zone)
    if found.difference is not None:
        yield from _difference(found.difference, zone)
    if found.score is not None:
        yield from _score(found.score, zone)


def _alarms(result: Result, zone: ZoneInfo) -> Iterator[str]:
    for (rule, asset), why in result.faulted.items():
        yield f"规则出错 rule failed: {rule} on {asset}: {why}"
    yield f"\n报警 alarms: {len(result.intervals)}    工单 orders: {len(result.orders)}"
    made = {order.alarm_no: order.created_at for order in result.orders}
    for alarm in result.intervals:
        order = f"  工单 order {local(made[alarm.no], zone)}" if alarm.no in made else ""
        yield f"  {_alarm(alarm, zone)}{order}"
    if result.intervals:
        yield "\n按资产 by asset"
        yield from (f"  {_load(load)}" for load in by_asset(result))


def _difference(found: Difference, zone: ZoneInfo) -> Iterator[str]:
    yield (
        f"\n对比 against: {len(found.added)} added 新增, {len(found.removed)} removed 消失, "
        f"{len({mine.no for mine, _ in found.kept})} kept 保留"
    )
    yield from _signed("+", found.added, zone)
    yield from _signed("-", found.removed, zone)


def _signed(sign: str, alarms: Iterable[Interval], zone: ZoneInfo) -> Iterator[str]:
    return (f"  {sign} {_alarm(alarm, zone)}" for alarm in alarms)


def _score(found: Score, zone: ZoneInfo) -> Iterator[str]:
    yield (
        f"\n投诉 complaints: {len(found.answered)}, 可预先消除 preempted: {found.hits}, 漏报 missed: {found.misses} "
        f"(告警期间 during an alarm: {found.during}), "
        f"误报工单 false orders: {len(found.false_orders)} ({found.false_orders_a_week:.2f}/周 a week)"
    )
    for one in found.answered:
        missed = "告警期间 during" if one.outcome is Outcome.DURING else "未预警 missed"
        lead = missed if one.lead is None else f"提前 {one.lead / _MINUTE:.0f} min ahead"
        rule = "" if one.order is None else f" {one.order.rule}"
        yield f"  {local(one.complaint.made_at, zone)} {one.complaint.asset} {lead}{rule}  {one.complaint.text}"
    for complaint in found.left_out:
        where = f"{local(complaint.made_at, zone)} {complaint.asset}"
        yield f"  {where} 不计 left out: outside the history, or no asset of the site"


def _alarm(alarm: Interval, zone: ZoneInfo) -> str:
    end = "未结束 open" if alarm.end is None else local(alarm.end, zone)
    times = f"{local(alarm.start, zone)} → {end:<19}"
    return f"{times}  {alarm.level.name:<3} {alarm.rule}  {alarm.asset}  {alarm.disposition}"


def _load(load: Load) -> str:
    return (
        f"{load.name}: {load.alarms} alarms 报警, {load.orders} orders 工单, {load.orders_a_day:.3f}/天 a day, "
        f"{load.alarm_minutes:.1f} min 报警分钟"
    )


def local(at: datetime, zone: ZoneInfo) -> str:
    """A moment in the site's own time, to the second."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
