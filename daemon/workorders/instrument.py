"""Alarms of the instrument itself: a rule that failed, a gateway without room. Never confused with the building's."""

from __future__ import annotations

from datetime import datetime, timedelta

from daemon.model import Alarm, AlarmState, Cause, DataState, Level, Observed, Quality, Text, Transition
from daemon.workorders.evidence import Template
from daemon.workorders.policy import STORM_ORDERS, STORM_SPAN

#: A rule's id with this behind it names the alarm about the rule.
_FAULTED = "!faulted"
_MINUTES = STORM_SPAN // timedelta(minutes=1)

RULE_FAULTED = Template(
    title=Text("监测规则故障，需工程师处理", "A monitoring rule is faulty and needs an engineer"),
    category="facility",
    type="instrument",
    cause=Text("规则计算出错，该资产的此项监测已停止。", "The rule failed; it no longer watches this asset."),
    consequence=Text("在修复前可能漏报。", "Until mended, a fault may go unseen."),
    steps=(Text("查看日志，修正规则后重新加载。", "Read the log, mend the rule, reload."),),
    basis="precomplaint",
)

INPUT_SET_ASIDE = "gateway.input_set_aside"

#: So many alarms that further ones share one order: this alarm's.
STORM = "site.storm"
_STORM = Template(
    title=Text("报警风暴：多项报警并入本工单", "Alarm storm: many alarms share this order"),
    category="facility",
    type="pre_complaint",
    cause=Text(
        "短时间内大量报警，通常同源：停电、断水、网络或传感器供电中断。",
        "Many alarms within minutes mostly have one cause: power, water, network or sensor supply.",
    ),
    consequence=Text(
        "单项工单已合并；逐项见下方备注。安全类报警仍单独成单。",
        "Single orders are folded into this one, see the notes. Safety alarms still have orders of their own.",
    ),
    steps=(
        Text("先查公共原因：供电、水源、网络。", "Look for the common cause first: power, water supply, network."),
        Text("按备注逐项到场确认。", "Then go through the notes one by one on site."),
    ),
    basis="ANSI/ISA-18.2-2016 (alarm flood), 工程判断",
)

#: What the gateway may find wrong with itself, by the name of the command that says so.
GATEWAY = {
    "gateway.disk_full": Template(
        title=Text("网关磁盘已满，停止接收新数据", "The gateway's disk is full; it takes no new data"),
        category="facility",
        type="instrument",
        cause=Text("磁盘剩余空间低于预留值。", "Free disk space is below the reserve."),
        consequence=Text("在腾出空间前不再监测；已有工单照常跟踪。", "Nothing new is watched; orders go on."),
        steps=(Text("登录网关清理磁盘，或更换更大的存储。", "Log in and free disk space, or fit a larger disk."),),
        basis="precomplaint",
    ),
    INPUT_SET_ASIDE: Template(
        title=Text(
            "网关无法处理某条数据，已将其隔离", "The gateway cannot process one kind of message and sets it aside"
        ),
        category="facility",
        type="instrument",
        cause=Text(
            "程序缺陷：处理该数据曾两次使程序中止。", "A fault of the program: this message has ended it twice."
        ),
        consequence=Text(
            "相同内容的数据不再参与监测，可能漏报。",
            "Messages that say the same are not watched: a fault may go unseen.",
        ),
        steps=(Text("查看日志与隔离区，联系供应商并升级程序。", "Read log and quarantine, tell the vendor, upgrade."),),
        basis="precomplaint",
    ),
}


def template(rule: str) -> Template:
    """What an order about an instrument alarm says."""
    return _STORM if rule == STORM else GATEWAY.get(rule, RULE_FAULTED)


def explanation(transition: Transition) -> Text:
    """Why an instrument alarm, or the storm, opened."""
    if transition.rule == STORM:
        return Text(
            f"{_MINUTES} 分钟内工单达到 {STORM_ORDERS} 个，后续报警并入本工单，见备注。",
            f"{STORM_ORDERS} orders within {_MINUTES} min: further alarms share this one, see the notes.",
        )
    return Text(transition.detail, transition.detail)


def watched_rule(alarm: Alarm) -> str | None:
    """The rule that an alarm is about, when it is about a rule that failed; None for any other alarm."""
    return alarm.rule.removesuffix(_FAULTED) if alarm.rule.endswith(_FAULTED) else None


def is_own(alarm: Alarm) -> bool:
    """Whether an alarm is about the gateway or its rules: no rule watches it."""
    return is_own_rule(alarm.rule)


def is_own_rule(rule: str) -> bool:
    """Likewise, by the rule that the alarm bears."""
    return rule in GATEWAY or rule == STORM or rule.endswith(_FAULTED)


def rule_faulted(transition: Transition) -> Transition:
    """A fault in a rule is an alarm of its own, of the instrument and not of the asset."""
    return _opening(transition.rule + _FAULTED, transition.asset, transition.level, transition.at, transition.detail)


def gateway_fault(name: str, site: str, at: datetime, detail: str) -> Transition:
    """The gateway has found something wrong with itself."""
    return _opening(name, site, Level.II, at, detail)


def _opening(rule: str, asset: str, level: Level, at: datetime, detail: str) -> Transition:
    return Transition(
        rule=rule,
        asset=asset,
        before=AlarmState.NORMAL,
        after=AlarmState.ACTIVE,
        level=level,
        data=DataState.GOOD,
        cause=Cause.RULE_FAULTED,
        at=at,
        seen_at=at,
        observed=(Observed(rule, detail, "", at, Quality.GOOD, ""),),
        detail=detail,
    )


def storm(site: str, level: Level, at: datetime, seen: datetime) -> Transition:
    """Orders come so fast that further alarms share one."""
    return Transition(
        STORM, site, AlarmState.NORMAL, AlarmState.ACTIVE, level, DataState.GOOD, Cause.CONDITION_HELD, at, seen
    )


def mended(alarm: Alarm, at: datetime) -> Transition:
    """The end of an instrument alarm."""
    return changed(alarm, AlarmState.CLEARED, Cause.RECOVERED, at, at)


def changed(alarm: Alarm, after: AlarmState, cause: Cause, at: datetime, seen: datetime) -> Transition:
    """A change of an alarm that no rule watches, or that its rule cannot tell of."""
    return Transition(alarm.rule, alarm.asset, alarm.state, after, alarm.level, alarm.data, cause, at, seen)
