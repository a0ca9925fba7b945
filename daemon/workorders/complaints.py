"""Complaints and alarms: which asset a complaint is about, and whether an order had come before it.

One definition, for the ledger, the backtest and the monthly review:

    preempted 先于投诉   an order about the asset was made before it, and its alarm was over for `horizon` at most
    during    告警期间   no such order, but an alarm of the asset was open: it was withheld, or stood on another's order
    missed    漏报       neither
    left out  不计       the asset is not known here, or nothing was watched yet

Alarms and orders about instruments (a sensor, a rule, the gateway) count for nothing here.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from daemon.complaint import Complaint
from daemon.model import Catalogue, Text


class Outcome(enum.StrEnum):
    """What had come before a complaint."""

    PREEMPTED = "preempted"
    DURING = "during"
    MISSED = "missed"
    LEFT_OUT = "left_out"


class Episode(NamedTuple):
    """An alarm about an asset, and its own order."""

    active_at: datetime
    #: None: it is open.
    cleared_at: datetime | None
    #: None: it has no order of its own.
    ordered_at: datetime | None = None
    order: str = ""


class Answer(NamedTuple):
    """What had come before a complaint, and the order that was first, if one was."""

    outcome: Outcome
    order: str = ""
    lead: timedelta | None = None


def judge(made_at: datetime, episodes: Sequence[Episode], horizon: timedelta) -> Answer:
    """What had come before a complaint of `made_at`.

    Args:
        made_at: when it was made.
        episodes: alarms about its asset, in any order; those of instruments left out.
        horizon: so long after its alarm an order still counts.
    """
    before = [(e.ordered_at, e.order) for e in episodes if e.ordered_at is not None and preempts(made_at, e, horizon)]
    if before:
        ordered_at, order = min(before)
        return Answer(Outcome.PREEMPTED, order, made_at - ordered_at)
    open_then = any(e.active_at <= made_at and (e.cleared_at is None or made_at <= e.cleared_at) for e in episodes)
    return Answer(Outcome.DURING if open_then else Outcome.MISSED)


def preempts(made_at: datetime, episode: Episode, horizon: timedelta) -> bool:
    """Whether an alarm's order had been made before a complaint of `made_at`."""
    return episode.ordered_at is not None and episode.ordered_at < made_at and bears(made_at, episode, horizon)


def bears(made_at: datetime, episode: Episode, horizon: timedelta) -> bool:
    """Whether a complaint and an alarm's order belong together: it shows that the order was no false one."""
    if episode.ordered_at is None or made_at < episode.ordered_at - horizon:
        return False
    # not `cleared_at + horizon`: a horizon may be longer than time has left
    return episode.cleared_at is None or made_at - episode.cleared_at <= horizon


def locate(catalogue: Catalogue, said: Complaint) -> str:
    """The asset that a complaint is about; empty when nobody can tell.

    Its id or that of one of its devices; else the one asset of its kind in the building, or on the whole site when
    no building was named.
    """
    if said.asset:
        known = {device.id: device.asset for device in catalogue.devices}
        known |= {asset.id: asset.id for asset in catalogue.assets}
        return known.get(said.asset, "")
    if not said.asset_kind:
        return ""
    building = said.building.casefold()
    found = [
        asset.id
        for asset in catalogue.assets
        if asset.kind == said.asset_kind and building in {"", asset.building.casefold()}
    ]
    return found[0] if len(found) == 1 else ""


_CATEGORY = {"facility": Text("设施", "facility"), "service": Text("服务", "service"), "safety": Text("安全", "safety")}
_URGENCY = {
    "urgent": Text("紧急", "urgent"),
    "normal": Text("一般", "normal"),
    "suggestion": Text("建议", "suggestion"),
}
_CHANNEL = {
    "app": Text("App", "app"),
    "wechat": Text("微信", "WeChat"),
    "hotline": Text("热线", "hotline"),
    "desk": Text("前台", "front desk"),
    "notice_box": Text("意见箱", "notice box"),
    "community_office": Text("社区居委会", "community office"),
    "other": Text("其他", "other"),
}


def describe(said: Complaint) -> Text:
    """What may be told of it: what about, how pressing, how it came in. Never its text."""
    parts = [words for words in (_CATEGORY.get(said.category), _URGENCY.get(said.urgency)) if words is not None]
    channel = _CHANNEL[said.channel]
    return Text(
        "，".join([*(part.zh for part in parts), f"渠道 {channel.zh}"]),
        ", ".join([*(part.en for part in parts), f"by {channel.en}"]),
    )
