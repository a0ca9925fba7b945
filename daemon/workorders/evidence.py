"""What a work order says: drafted once, at activation, from frozen numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from daemon.model import Alarm, Asset, Level, Observed, Site, Text, Transition, WorkOrder
from daemon.workorders.policy import LATE_AFTER, order_key
from daemon.workorders.priority import Priority

#: Children named in one note; the rest are counted.
_LISTED = 50
#: Earlier orders named on an order.
_LINKED = 20


@dataclass(frozen=True, slots=True)
class Template:
    """What a rule contributes to its orders."""

    title: Text
    #: 设施 / 服务 / 安全: `facility`, `service`, `safety`.
    category: str
    #: `pre_complaint`, `incident` or `instrument`.
    type: str
    cause: Text
    consequence: Text
    steps: tuple[Text, ...]
    basis: str
    #: Which of the mechanism's promises and procedures hold.
    impact: str = ""
    procedure: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What is known beside the alarm itself."""

    respond_by: datetime
    #: Keys of the orders of the same rule and asset before this one.
    previous: tuple[str, ...]
    priority: Priority


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and from which ledger an order comes."""

    site: Site
    asset: Asset
    ledger_id: str
    rules_hash: str


def draft(
    transition: Transition,
    template: Template,
    explanation: Text,
    origin: Origin,
    alarm: Alarm,
    at: datetime,
    history: History,
) -> WorkOrder:
    """The order for an alarm that needs one now; `at` is site time, from which its deadline runs.

    The alarm may have been active for long: its order was withheld until now.
    """
    return WorkOrder(
        key=order_key(origin.site.id, transition, origin.ledger_id, alarm.no),
        alarm_no=alarm.no,
        site=origin.site.id,
        building=origin.asset.building,
        asset=origin.asset.id,
        asset_name=origin.asset.name,
        asset_kind=origin.asset.kind,
        rule=transition.rule,
        rules_hash=origin.rules_hash,
        level=transition.level,
        category=template.category,
        type=template.type,
        title=template.title,
        explanation=explanation,
        cause=template.cause,
        consequence=template.consequence,
        steps=template.steps,
        basis=template.basis,
        households=origin.asset.households,
        active_at=alarm.active_at,
        created_at=at,
        respond_by=history.respond_by,
        observed=transition.observed,
        impact=template.impact,
        procedure=template.procedure,
        priority=history.priority.score,
        arithmetic=history.priority.arithmetic,
        previous=history.previous,
        late=transition.late or transition.seen_at - alarm.active_at > LATE_AFTER,
    )


def document(order: WorkOrder) -> dict[str, Any]:
    """The order as the ticketing contract's body of `POST /v1/orders` (JSON-able)."""
    return {
        "key": order.key,
        "site": order.site,
        "building": order.building,
        "asset": order.asset,
        "asset_name": words(order.asset_name),
        "asset_kind": order.asset_kind,
        "rule": order.rule,
        "level": order.level.name,
        "category": order.category,
        "type": order.type,
        "title": words(order.title),
        "explanation": words(order.explanation),
        "cause": words(order.cause),
        "consequence": words(order.consequence),
        "steps": [words(step) for step in order.steps],
        "basis": order.basis,
        "households": order.households,
        "active_at": stamp(order.active_at),
        "created_at": stamp(order.created_at),
        "respond_by": stamp(order.respond_by),
        "late": order.late,
        "observed": numbers(order.observed),
        "impact": order.impact,
        "procedure": order.procedure,
        "priority": {"score": order.priority, "arithmetic": words(order.arithmetic)},
        "previous": list(order.previous[:_LINKED]),
        "rules_hash": order.rules_hash,
    }


def note(kind: str, transition: Transition, text: Text) -> dict[str, Any]:
    """The body of `POST /v1/orders/{id}/notes`; `kind` is `update` or `recovery`."""
    return {
        "kind": kind,
        "at": stamp(transition.at),
        "text": words(text),
        "level": transition.level.name,
        "observed": numbers(transition.observed),
    }


class Line(NamedTuple):
    """A child, as its parent's order lists it."""

    title: Text
    level: Level
    active_at: datetime


def children_note(children: Sequence[Line], level: Level, at: datetime, zone: str) -> dict[str, Any]:
    """The note that lists alarms which have become children of an order; times by the site's clocks."""
    shown = children[:_LISTED]
    rest = len(children) - len(shown)
    when = [child.active_at.astimezone(ZoneInfo(zone)).strftime("%H:%M:%S") for child in shown]
    roman = {1: "Ⅰ", 2: "Ⅱ", 3: "Ⅲ"}
    zh = "；".join(f"{c.title.zh}（{roman[c.level]} 级，{t}）" for c, t in zip(shown, when, strict=True))
    en = "; ".join(f"{c.title.en} (Level {c.level.name}, {t})" for c, t in zip(shown, when, strict=True))
    text = Text(
        f"并入本工单的报警 {len(children)} 项：{zh}" + (f"；另有 {rest} 项" if rest else ""),
        f"{len(children)} alarms share this order: {en}" + (f"; and {rest} more" if rest else ""),
    )
    return {"kind": "update", "at": stamp(at), "text": words(text), "level": level.name, "observed": []}


def words(text: Text) -> dict[str, str]:
    """A text as JSON."""
    return {"zh": text.zh, "en": text.en}


def stamp(at: datetime) -> str:
    """A moment as RFC 3339 with milliseconds and `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def numbers(observed: tuple[Observed, ...]) -> list[dict[str, Any]]:
    """The frozen numbers as JSON."""
    return [
        {
            "point": o.point,
            "value": o.value,
            "unit": o.unit,
            "at": None if o.at is None else stamp(o.at),
            "quality": o.quality,
            "limit": o.limit,
        }
        for o in observed
    ]


def recovery_text(transition: Transition, since: datetime) -> Text:
    """What is written on an order when its alarm is over: how it ended, and how long it had lasted."""
    lasted = _lasting(transition.at - since)
    if transition.cause == "rule_removed":
        return Text(
            f"规则已被移除，不再由传感器跟踪（告警持续 {lasted.zh}）。请人工确认现场后关闭。",
            f"The rule was removed: sensors no longer follow this order (alarm lasted {lasted.en}). "
            "Please check on site before closing.",
        )
    return Text(
        f"传感器显示已自行恢复（告警持续 {lasted.zh}）。请确认原因后再关闭。",
        f"Sensors show it has recovered (alarm lasted {lasted.en}). Please find the cause before closing.",
    )


def update_text(transition: Transition, *, last: bool = False) -> Text:
    """What is written on an order when its alarm changes; `last`: of so many a day about its data."""
    text = _change_text(transition)
    if not last:
        return text
    return Text(
        f"{text.zh}数据时断时续，今日不再逐次备注，只计数。",
        f"{text.en} The data comes and goes: further changes of today are counted only.",
    )


def _change_text(transition: Transition) -> Text:  # noqa: PLR0911  a list
    match transition.cause:
        case "level_raised":
            roman = {1: "Ⅰ", 2: "Ⅱ", 3: "Ⅲ"}[transition.level]
            return Text(f"情况加重，升级为 {roman} 级。", f"It has become worse: now Level {transition.level.name}.")
        case "data_lost":
            return Text(
                "传感器数据中断，当前状态未知；不视为恢复。",
                "Sensor data is missing: the state is unknown, which is no recovery.",
            )
        case "rule_faulted":
            return Text(
                "监测规则出错，当前状态未知；不视为恢复。",
                "The rule that watches this has failed: the state is unknown, which is no recovery.",
            )
        case "latched":
            return Text(
                "报警条件已解除，但报警锁存：请现场查明原因，确认安全后人工复位（precomplaint alarms reset）。",
                "The condition has ended, but the alarm is latched: find out why on site, and when it is safe reset it "
                "by hand (precomplaint alarms reset).",
            )
        case "retripped":
            return Text("复位前条件再次成立。", "The condition is back before the alarm was reset.")
        case "data_back":
            return Text("传感器数据已恢复，继续跟踪。", "Sensor data is back; the alarm is followed again.")
        case _:
            return Text(f"状态变化：{transition.cause}", f"Changed: {transition.cause}")


def _lasting(span: timedelta) -> Text:
    minutes, seconds = divmod(max(0, int(span.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    zh = "".join(f"{n} {u} " for n, u in ((hours, "小时"), (minutes, "分"), (seconds, "秒")) if n).strip() or "0 秒"
    en = " ".join(f"{n} {u}" for n, u in ((hours, "h"), (minutes, "min"), (seconds, "s")) if n) or "0 s"
    return Text(zh, en)
