"""Why it fired, in two languages: the condition, the numbers, the limits and the hold, from what the engine froze."""

from __future__ import annotations

from daemon.documents import format_span
from daemon.model import Cause, Observed, Quality, Text, Transition
from daemon.rules.calendars import CLOCK, INSIDE
from daemon.rules.followed import FOLLOWED_ZH
from daemon.rules.rule import RuleSpec
from daemon.rules.wording import limit_zh

#: What happened, in Chinese and English; `{hold}` and `{clear}` are the level's spans.
_HAPPENED: dict[Cause, tuple[str, str]] = {
    Cause.CONDITION_MET: ("条件成立，开始计时 {hold}", "the condition is met; it must hold for {hold}"),
    Cause.CONDITION_HELD: ("条件已持续 {hold}", "the condition has held for {hold}"),
    Cause.CONDITION_LAPSED: ("条件不再成立", "the condition is no longer met"),
    Cause.LEVEL_RAISED: (
        "升级：更紧急一级的条件已持续 {hold}",
        "raised: the more urgent condition has held for {hold}",
    ),
    Cause.LEVEL_LOWERED: ("降级：更紧急一级已解除", "lowered: the more urgent level has ended"),
    Cause.RELAPSED: ("恢复过程中再次成立", "the condition is back before it was clear for long enough"),
    Cause.LATCHED: (
        "已解除并保持 {clear}，待人工复位",
        "it has been clear for {clear}, and stays until a person resets it",
    ),
    Cause.RETRIPPED: ("复位前再次成立", "the condition is back before anybody has reset it"),
    Cause.RESET: ("已人工复位", "a person has reset it"),
    Cause.RECOVERED: ("已恢复并保持 {clear}", "it has been clear for {clear}"),
    Cause.DATA_LOST: ("数据中断，状态未知", "the data is lost; the state is unknown"),
    Cause.DATA_BACK: ("数据恢复", "the data is back"),
    Cause.CONFIRMED: ("实时数据已确认", "readings in time bear it out"),
    Cause.SUPPRESSED: ("处于抑制条件，不产生报警", "it is suppressed, no alarm is opened"),
    Cause.RULE_REMOVED: ("规则已删除，报警关闭", "the rule was removed; the alarm is closed"),
    Cause.RULE_CHANGED: ("规则已修改，重新评估", "the rule was changed; it is looked at anew"),
    Cause.RELEASED: ("所属上级报警已结束，本项仍未恢复", "what it was a child of has ended, and this has not"),
    Cause.MUTE_ENDED: ("抑制已结束，报警仍在", "what kept its order back has ended, and it is still there"),
    Cause.RULE_FAULTED: ("规则执行出错", "the rule itself has failed"),
}


def explain(transition: Transition, rule: RuleSpec) -> Text:
    """A short text of why a transition happened.

    Args:
        transition: As the engine told it.
        rule: The rule as it holds for the asset (`Ruleset.rule_for`), for its hold and clear spans.
    """
    rung = rule.rung(transition.level)
    hold = format_span(rung.hold) if rung.hold else ""
    clear = format_span(rung.clear.hold) if rung.clear and rung.clear.hold else ""
    zh, en = (text.format(hold=hold or "0s", clear=clear or "0s") for text in _HAPPENED[transition.cause])
    if transition.cause is Cause.CONDITION_HELD and not hold:
        zh, en = "条件成立", "the condition is met"
    if transition.detail:
        zh, en = f"{zh}：{transition.detail}", f"{en}: {transition.detail}"
    if transition.late:
        zh, en = f"{zh}（补报数据）", f"{en} (from data that came late)"
    if transition.observed:
        zh += "：" + "；".join(seen_zh(number) for number in transition.observed)
        en += ": " + "; ".join(seen_en(number) for number in transition.observed)
    return Text(zh, en)


def _value(number: Observed) -> str:
    if number.value is None:
        return "—"
    value = f"{number.value:.6g}" if isinstance(number.value, float) else number.value
    return f"{value} {number.unit}".rstrip()


def seen_zh(number: Observed) -> str:
    """One number, in Chinese."""
    if number.point == CLOCK:
        return f"时钟在{'时段内' if number.value == INSIDE else '时段外'}，{limit_zh(number.limit)}"
    if number.point in FOLLOWED_ZH:
        return f"{FOLLOWED_ZH[number.point]} {_value(number)}，{limit_zh(number.limit)}"
    doubt = "" if number.quality is Quality.GOOD or number.value is None else "（存疑）"
    return f"{number.point} = {_value(number)}{doubt}，{limit_zh(number.limit)}"


def seen_en(number: Observed) -> str:
    """One number, in English."""
    doubt = "" if number.quality is Quality.GOOD or number.value is None else f" ({number.quality})"
    return f"{number.point} = {_value(number)}{doubt}, {number.limit}"
