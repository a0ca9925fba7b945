"""The same fault again and again: an order to find out why, beside the orders to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from daemon.model import Text, WorkOrder
from daemon.workorders.course import Course

#: A rule's id with this behind it names the order about its recurrence.
_ROOT_CAUSE = "!root_cause"


def occurrences(orders: Sequence[tuple[str, datetime]], at: datetime, apart: timedelta) -> list[str]:
    """Keys of the orders that stand for an occurrence of their own, the newest first.

    Args:
        orders: keys and beginnings of the orders before, the newest first.
        at: when the order begins that comes after them.
        apart: what follows sooner is the same occurrence.
    """
    found: list[str] = []
    later = at
    for key, begun_at in orders:
        if later - begun_at >= apart:
            found.append(key)
            later = begun_at
    return found


def rule_of(rule: str) -> str:
    """What the root-cause orders of a rule have for theirs."""
    return rule + _ROOT_CAUSE


def draft(order: WorkOrder, course: Course, within: timedelta) -> WorkOrder:
    """The root-cause order that comes with the order which is one too many.

    Args:
        order: that order; it names those before it.
        course: how the root-cause order begins.
        within: the span in which they came.
    """
    site, asset, rule, ledger, alarm = order.key.split("|")
    times, days = len(order.previous) + 1, within.total_seconds() / 86_400
    return replace(
        order,
        key="|".join((site, asset, rule_of(rule), ledger, alarm)),
        rule=rule_of(order.rule),
        level=course.level,
        type="root_cause",
        title=Text(f"根因调查：{order.title.zh}", f"Find the root cause: {order.title.en}"),
        explanation=Text(
            f"同一资产同一规则 {days:g} 天内第 {times} 次开单。",
            f"Order number {times} of the same rule on the same asset within {days:g} days.",
        ),
        cause=Text("以往处理未消除根本原因。", "Past repairs have not removed the cause."),
        consequence=Text("问题会继续复发。", "It will come back."),
        steps=(
            Text("对照各次工单与曲线，找出共同点。", "Compare the orders and their curves for what they share."),
            Text("提出根治方案并安排实施。", "Propose a lasting repair and have it done."),
        ),
        respond_by=next(promise.due or order.created_at for promise in course.promises if promise.id == "respond"),
        previous=(order.key, *order.previous),
        impact="",
        procedure="",
    )
