"""Why a rule fired on an asset, and why it did not: the look of it in two languages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from daemon.documents import format_span
from daemon.model import AlarmState, DataState, Text
from daemon.rules.explain import seen_en, seen_zh
from daemon.rules.look import Asked, PointLook, RungLook, WatchLook
from daemon.rules.rule import RuleSpec
from daemon.rules.rung import Phase

_MARK = {True: "✓", False: "✗", None: "?"}
_ROMAN = {1: "Ⅰ", 2: "Ⅱ", 3: "Ⅲ"}
_STATE = {
    AlarmState.NORMAL: Text("没有报警", "no alarm"),
    AlarmState.PENDING: Text("条件成立，尚在计时", "pending: the condition is met and must hold"),
    AlarmState.ACTIVE: Text("报警中", "the alarm is active"),
    AlarmState.CLEARING: Text("恢复中", "the alarm is clearing"),
    AlarmState.CLEARED: Text("已恢复", "cleared"),
}


def why(seen: WatchLook, rule: RuleSpec, zone: ZoneInfo) -> list[Text]:
    """Line by line, the answer first; indented lines are the numbers of the line above.

    Args:
        seen: How the rule stands on the asset.
        rule: The rule as it holds there.
        zone: In which times are told.
    """
    state = _STATE[seen.state]
    unknown = Text("，数据未知", ", the data is unknown") if seen.data is DataState.UNKNOWN else Text("", "")
    lines = [Text(f"{state.zh}{unknown.zh}", f"{state.en}{unknown.en}")]
    if seen.faulted:
        lines.append(Text(f"规则执行出错，已停用至下次重载：{seen.faulted}", f"the rule has failed: {seen.faulted}"))
    for rung in seen.rungs:
        lines.append(_rung(rung, seen, rule, zone))
        lines += _questions(rung.when)
        if rung.clear is not None and rung.phase in {Phase.ON, Phase.CLEARING}:
            lines.append(Text("  恢复条件：", "  to clear besides:"))
            lines += _questions(rung.clear)
    if seen.unless is not None and seen.unless.verdict is not False:
        held = seen.unless.verdict is True
        lines.append(
            Text("抑制条件成立（unless、calendar）：", "held off (unless, calendar):")
            if held
            else Text("抑制条件未知，不起作用：", "what would hold it off is unknown, so it does not:")
        )
        lines += _questions(seen.unless)
    lines += [_lost(point, zone) for point in seen.points if not point.fresh]
    if rule.mode == "shadow":
        lines.append(Text("规则为试运行（shadow），不发工单", "the rule runs in shadow: nobody is sent"))
    return lines


def _rung(rung: RungLook, seen: WatchLook, rule: RuleSpec, zone: ZoneInfo) -> Text:
    found = _phase(rung, seen, rule, zone)
    return Text(f"{_ROMAN[rung.level]} 级：{found.zh}", f"Level {rung.level.name}: {found.en}")


def _phase(rung: RungLook, seen: WatchLook, rule: RuleSpec, zone: ZoneInfo) -> Text:
    hold, clear = format_span(rung.hold), format_span(rung.clear_hold)
    end = _clock(rung.end, zone) if rung.end is not None else ""
    if rung.phase is Phase.HOLDING and rung.end is not None:
        begun = _clock(rung.end - rung.hold, zone)
        return Text(
            f"{begun} 起成立，须持续 {hold}，至 {end}", f"met since {begun}; it must hold for {hold}, until {end}"
        )
    if rung.phase is Phase.CLEARING:
        return Text(f"已解除，须保持 {clear}，至 {end}", f"clear; it must stay so for {clear}, until {end}")
    if rung.phase is Phase.LATCHED:
        return Text("已解除，待人工复位", "it has ended, and stays until a person resets it")
    if rung.phase is Phase.ON:
        return Text("已触发，尚未恢复", "on, and not clear yet")
    return _idle(rung, seen, rule)


def _idle(rung: RungLook, seen: WatchLook, rule: RuleSpec) -> Text:
    """Why nothing has begun."""
    if rung.when.verdict is False:
        return Text("条件不成立", "the condition is not met")
    if rung.when.verdict is None and rule.no_data == "unknown":
        return Text("无法判断：缺少可用数据，不计时", "it cannot be known for want of data, so nothing begins")
    if rung.when.verdict is None and rule.no_data == "normal":
        return Text("缺少数据，按规则视为正常", "no data, which this rule takes for normal")
    if seen.unless is not None and seen.unless.verdict is True:
        return Text("条件成立，但被抑制，不产生报警", "the condition is met, and held off")
    if any(point.late for point in seen.points):
        return Text("条件成立，但数据是补报的，不产生报警", "the condition is met by late data, which opens nothing")
    return Text("条件成立，自下一条读数起计时", "the condition is met; its hold begins with the next reading")


def _questions(asked: Asked) -> Iterator[Text]:
    for question in asked.questions:
        mark = _MARK[question.verdict]
        for number in question.observed:
            yield Text(f"  {mark} {seen_zh(number)}", f"  {mark} {seen_en(number)}")


def _lost(point: PointLook, zone: ZoneInfo) -> Text:
    """Why a point cannot be relied on."""
    heard = _clock(point.device_heard, zone)
    if not point.known:
        what = Text("从未给出可用读数", "it has never given a usable reading")
    elif point.fresh_for is not None:
        at, span = _clock(point.at, zone), format_span(point.fresh_for)
        what = Text(f"最后读数 {at}，超过时效 {span}", f"its last reading is of {at}, older than {span}")
    else:
        at = _clock(point.at, zone)
        what = Text(f"状态自 {at} 起不再可知", f"its state of {at} is no longer known")
    alive = Text("在线", "alive") if point.device_alive else Text("离线", "gone")
    return Text(
        f"测点 {point.point}：{what.zh}（设备 {point.device} {alive.zh}，最后通信 {heard}）",
        f"point {point.point}: {what.en} (device {point.device} is {alive.en}, last heard {heard})",
    )


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
