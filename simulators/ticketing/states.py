"""What persons may do to an order, where that brings it, and until when it is wanted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

#: What a person may do, from which statuses, to which.
ACTIONS = {
    "accept": (("open",), "accepted"),
    "arrive": (("accepted",), "arrived"),
    "finish": (("accepted", "arrived"), "done"),
    "confirm": (("done",), "verified"),
    "reopen": (("done",), "open"),
    "reject": (("open", "accepted", "arrived"), "rejected"),
    "cancel": (("open", "accepted", "arrived"), "cancelled"),
}
#: Where the sensor's judgement brings an order that is done, by the kind of note.
JUDGED = {"reopen": "open", "verified": "verified"}
#: The board's columns and the statuses in each.
COLUMNS = {
    "open": ("open",),
    "accepted": ("accepted",),
    "arrived": ("arrived",),
    "done": ("done",),
    "closed": ("verified", "rejected", "cancelled"),
}
#: What a person may say was done besides (config/sla/*.yaml waits for these).
STAMPS = ("planned", "replied", "called_back", "calmed", "maintainer_called", "rescued", "reported")

#: By level; figures of config/sla/residential.yaml, but in days of 24 h: only the gateway knows workdays.
RESPOND = {"I": timedelta(minutes=15), "II": timedelta(hours=2), "III": timedelta(hours=24)}
RESOLVE = {"I": timedelta(hours=24), "II": timedelta(days=3), "III": timedelta(days=5)}
#: After acceptance, Level I only.
ARRIVE = timedelta(minutes=30)


def possible(status: str) -> list[str]:
    """The actions that an order of this status still allows."""
    return [action for action, (allowed, _) in ACTIONS.items() if status in allowed]


class Due(NamedTuple):
    """What is waited for."""

    #: `respond`, `arrive` or `resolve`.
    what: str
    at: datetime


def due(record: dict[str, Any]) -> Due | None:
    """What this order waits for next; None when nothing is to be done, or only to be confirmed."""
    status = record["status"]
    if status == "open":
        return Due("respond", datetime.fromisoformat(record["deadlines"]["respond"]))
    if status == "accepted" and record["level"] == "I":
        return Due("arrive", datetime.fromisoformat(record["changed_at"]) + ARRIVE)
    if status in {"accepted", "arrived"}:
        return Due("resolve", datetime.fromisoformat(record["deadlines"]["resolve"]))
    return None


def earlier(one: str, other: datetime) -> str:
    """The earlier of a kept moment and another, as text."""
    return one if datetime.fromisoformat(one) <= other else written(other)


def written(at: datetime) -> str:
    """A moment as the contract writes it; `at` is UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
