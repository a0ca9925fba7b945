"""Complaints of the month, and whether an alarm had come before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from daemon.model import Text
from daemon.review.orders import Order
from daemon.review.stages import middle
from daemon.review.table import Cell, Table, table


class Voice(NamedTuple):
    """One complaint, judged by `workorders.complaints`."""

    at: datetime
    #: Of the site; empty: nobody could tell.
    asset: str
    #: As it was said.
    said_asset: str
    text: str
    #: `preempted`, `during`, `missed` or `left_out`.
    outcome: str
    #: The key of the order that had come before it.
    order: str
    lead: timedelta | None


@dataclass(frozen=True, slots=True)
class Voices:
    """All complaints of the month. preempted + during + missed + unwatched + left_out are all of them."""

    all: tuple[Voice, ...]
    #: An order had come before.
    preempted: int
    #: Of these, orders of an incident such as an entrapment: known early, and not prevented.
    by_incident: int
    #: An alarm was open, but its order was withheld or is another alarm's.
    during: int
    #: Rules watch the asset, and none had fired.
    missed: int
    #: No rule watches the asset.
    unwatched: int
    #: Nobody could tell what they are about, or nothing was watched yet.
    left_out: int
    median_lead: timedelta | None
    #: Name of the asset and how many, the most first.
    missed_by_asset: Sequence[tuple[Text, int]]
    #: Orders verified in the month on whose asset nobody complained.
    quiet_orders: int
    #: Plays the month through the rules and scores it.
    command: str

    @property
    def scored(self) -> int:
        """Complaints that could have been preempted by the rules there are."""
        return self.preempted + self.during + self.missed


def voices(
    heard: Sequence[Voice], orders: Sequence[Order], watched: Collection[str], names: Mapping[str, Text], command: str
) -> Voices:
    """Count the complaints; `watched` are the assets that a rule looks at."""
    kinds = Counter(_kind(voice, watched) for voice in heard)
    types = {order.key: order.type for order in orders}
    leads = sorted(voice.lead for voice in heard if voice.lead is not None)
    missed = Counter(voice.asset for voice in heard if _kind(voice, watched) == "missed")
    about = {voice.asset for voice in heard if voice.asset}
    return Voices(
        all=tuple(heard),
        preempted=kinds["preempted"],
        by_incident=sum(types.get(voice.order) == "incident" for voice in heard if voice.order),
        during=kinds["during"],
        missed=kinds["missed"],
        unwatched=kinds["unwatched"],
        left_out=kinds["left_out"],
        median_lead=middle(leads),
        missed_by_asset=[
            (names.get(asset, Text(asset, asset)), n)
            for asset, n in sorted(missed.items(), key=lambda i: (-i[1], i[0]))
        ],
        quiet_orders=sum(
            order.type == "pre_complaint" and order.status == "verified" and order.asset not in about
            for order in orders
        ),
        command=command,
    )


def _kind(voice: Voice, watched: Collection[str]) -> str:
    return "unwatched" if voice.outcome == "missed" and voice.asset not in watched else voice.outcome


OUTCOMES: Mapping[str, Text] = {
    "preempted": Text("告警在先", "Preempted"),
    "during": Text("告警未派单", "Alarm without its own order"),
    "missed": Text("漏报", "Missed"),
    "unwatched": Text("无规则监视", "No rule for it"),
    "left_out": Text("无法对应", "Left out"),
}


def complaint_table(
    found: Voices, watched: Collection[str], names: Mapping[str, Text], nos: Mapping[str, int]
) -> Table:
    """Each complaint with what had come before it."""
    rows: list[tuple[Cell, ...]] = [
        (
            voice.at,
            voice.asset or voice.said_asset,
            names.get(voice.asset, ""),
            voice.text,
            OUTCOMES[_kind(voice, watched)],
            f"#{nos[voice.order]}" if voice.order in nos else voice.order or None,
            voice.lead,
        )
        for voice in found.all
    ]
    columns = [
        ("at", "时间", "Time"), ("asset", "设备代号", "Asset"), ("asset_name", "设备", "Name"),
        ("text", "投诉内容", "Complaint"), ("outcome", "结果", "Outcome"), ("order", "在先的工单", "Order before it"),
        ("lead", "提前量", "Lead"),
    ]  # fmt: skip
    quiet = found.quiet_orders
    note = Text(
        "告警在先：同一设备的工单早于投诉，其告警结束不超过规定时间（默认 24 小时）；定义同投诉回测。"
        f"另有 {quiet} 张预投诉工单复核通过，而该设备当月无人投诉。",
        "Preempted: an order on the same asset was there before it, its alarm over for at most the horizon (24 h);"
        f" defined as in a backtest. Besides, {quiet} pre-complaint orders were verified on assets of which nobody"
        " complained.",
    )
    return table("complaints", ("投诉", "Complaints"), columns, rows, note)
