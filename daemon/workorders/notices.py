"""What people are told about a work order: words by occasion, and a notice of their own for residents.

A resident's notice names the place, what is known and the promised time, and nothing internal: no rule, no numbers, no
names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from daemon.model import Level, Text
from daemon.workorders.course import Act
from daemon.workorders.doubt import TOLD

ROMAN = {Level.I: "Ⅰ", Level.II: "Ⅱ", Level.III: "Ⅲ"}
#: What it is called to those at work, by occasion.
WORDS: Mapping[str, Text] = {
    "created": Text("新工单", "New order"),
    "accepted": Text("已接单", "Accepted"),
    "arrived": Text("已到场", "On site"),
    "done": Text("处理完成，传感器复核中", "Done; the sensor checks"),
    "verified": Text("传感器复核通过", "Verified by the sensor"),
    "warned": Text("即将超时", "Deadline near"),
    "overdue": Text("已超时", "Overdue"),
    "raised": Text("情况加重，升级", "Worse: raised"),
    "data_lost": Text("传感器数据中断，状态未知", "Sensor data missing: state unknown"),
    "data_back": Text("传感器数据恢复", "Sensor data back"),
    "recovered": Text("传感器显示已自行恢复，请确认原因", "Recovered by itself; please find the cause"),
    "relapsed": Text("同一问题再次出现", "The same has come back"),
    "reopened": Text("复核未通过，二次处理", "Check failed: second handling"),
    "undecided": Text("传感器无法判定，请人工决定", "The sensor cannot tell: a person must decide"),
    "rejected": Text("判定为误报", "Found a false alarm"),
    "cancelled": Text("已取消", "Cancelled"),
    "parked": Text("工单未送达工单系统，请人工派单", "Not taken by the ticketing service: assign it by hand"),
    "repeated": Text("工单系统没有答复，已重发", "No answer from the ticketing service: sent again"),
    "duplicate": Text("工单系统中有两张相同的工单", "Two tickets for the same order"),
    "note_refused": Text("工单系统拒收后续说明，请人工告知", "The ticketing service refuses notes: tell them by hand"),
    "escalated": Text("升级上报", "Escalated"),
    "complained": Text("住户投诉", "A resident complained"),
    "unseen": Text("数据不足，复核重新计时", "Not enough data: the time to stay clear begins anew"),
    "sent": Text("已送达工单系统", "With the ticketing service"),
}
#: What the ticketing service said is all that helps there.
_WITH_DETAIL = frozenset({"parked", *TOLD.values()})
_TO_RESIDENTS: Mapping[str, Text] = {
    "created": Text("监测到异常，我们正在安排检查。", "Something unusual was noticed; we are arranging a check."),
    "accepted": Text("监测到异常，维修人员已接单。", "Something unusual was noticed; a technician has taken it on."),
    "arrived": Text("维修人员已到场处理。", "A technician is on site."),
    "done": Text("现场处理已完成，正在复核。", "The work is done and is being checked."),
    "verified": Text("已恢复正常，感谢您的理解。", "Everything is back to normal. Thank you for your patience."),
    "reopened": Text("复核发现问题仍在，维修人员将再次处理。", "A check showed it is not solved yet; work goes on."),
}
_NO_SAFETY_DEVICE = Text(
    "如遇困梯等紧急情况，请按轿厢内报警按钮或拨打 119、96333。",
    "In an emergency use the alarm button in the car, or call 119 or 96333.",
)


#: Who has verified a repair, on the timeline, when no person has.
SENSOR = "sensor"
_CONFIRMED = Text("人工确认完成", "Confirmed by a person")


def words_for(act: Act) -> Text:
    """What an occasion is called to those at work."""
    return told_as(act.occasion, SENSOR if not act.by_person else "")


def told_as(occasion: str, by: str) -> Text:
    """Likewise, of a line of the timeline: a repair that a person found good is no sensor's finding."""
    return _CONFIRMED if occasion == "verified" and by != SENSOR else WORDS[occasion]


def to_residents(order: Mapping[str, Any], occasion: str, promised: datetime | None, zone: str) -> Text | None:
    """A notice for residents; None when the occasion is none of their business.

    Args:
        order: the order's document, see `evidence.document`.
        occasion: one of `sla.OCCASIONS`.
        promised: until when it is to be done.
        zone: the site's IANA zone.
    """
    words = _TO_RESIDENTS.get(occasion)
    if words is None:
        return None
    zh, en = f"{_place(order, 'zh')}：{words.zh}", f"{_place(order, 'en')}: {words.en}"
    if promised is not None and occasion in {"created", "accepted", "arrived", "reopened"}:
        when = f"{promised.astimezone(ZoneInfo(zone)):%m-%d %H:%M}"
        zh, en = f"{zh} 预计 {when} 前处理完毕。", f"{en} Expected to be settled by {when}."
    if order.get("asset_kind") == "lift":
        zh, en = f"{zh}{_NO_SAFETY_DEVICE.zh}", f"{en} {_NO_SAFETY_DEVICE.en}"
    return Text(zh, en)


def to_staff(order: Mapping[str, Any], act: Act, level: Level, zone: str, detail: str = "") -> tuple[Text, Text]:
    """Title and text for those at work; `detail` is what the ticketing service said, told where it is in the way."""
    at = ZoneInfo(zone)
    words = words_for(act)
    promise = act.title or Text("", "")
    roman, place_zh, place_en = ROMAN[level], _place(order, "zh"), _place(order, "en")
    what = order["title"]
    title = Text(
        f"【预投诉 {roman} 级】{words.zh}{f'（{promise.zh}）' if promise.zh else ''}：{place_zh} {what['zh']}",
        f"[Pre-complaint {level.name}] {words.en}{f' ({promise.en})' if promise.en else ''}: {place_en}, {what['en']}",
    )
    explanation = order["explanation"]
    zh, en = [explanation["zh"]], [explanation["en"]]
    if act.occasion in {"created", "reopened", "parked"}:
        zh += [f"首步：{step['zh']}" for step in order["steps"][:1]]
        en += [f"First: {step['en']}" for step in order["steps"][:1]]
    if detail and act.occasion in _WITH_DETAIL:
        zh.append(f"工单系统：{detail}")
        en.append(f"Ticketing service: {detail}")
    if act.due is not None:
        due = f"{act.due.astimezone(at):%m-%d %H:%M}"
        zh.append(f"时限 {due}{'（网关停机期间到期）' if act.late else ''}")
        en.append(f"Due {due}{' (while the gateway was down)' if act.late else ''}")
    zh.append(f"{act.at.astimezone(at):%m-%d %H:%M:%S}　{order['key']}")
    en.append(f"{act.at.astimezone(at):%m-%d %H:%M:%S}  {order['key']}")
    return title, Text("\n".join(filter(None, zh)), "\n".join(filter(None, en)))


def _place(order: Mapping[str, Any], language: str) -> str:
    building = order.get("building") or ""
    return f"{building} {order['asset_name'][language]}".strip()
