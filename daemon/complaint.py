"""A complaint: what a resident says is wrong, as far as the gateway may know it. No name, no room, no number."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

#: What it is about, how pressing, and how it came in; empty or `other` when nobody says, or says it otherwise.
CATEGORIES = ("facility", "service", "safety")
URGENCIES = ("urgent", "normal", "suggestion")
CHANNELS = ("app", "wechat", "hotline", "desk", "notice_box", "community_office")
OTHER = "other"

_LONGEST_ID = 128
_LONGEST_NAME = 256
_LONGEST_TEXT = 200
#: A telephone or identity number, as people write them.
_NUMBER = re.compile(r"\+?\d(?:[\s-]?\d){6,}[Xx]?")


class Complaint(NamedTuple):
    """One complaint, an input as any other."""

    #: Site time at which the gateway learnt of it.
    at: datetime
    #: As its source names it: the same complaint told again is the same one.
    id: str
    #: When the resident made it.
    made_at: datetime
    #: Id of an asset or device; empty: nobody could tell, and building and kind may.
    asset: str = ""
    building: str = ""
    asset_kind: str = ""
    #: One of CATEGORIES, or empty.
    category: str = ""
    #: One of URGENCIES, or empty.
    urgency: str = ""
    #: One of CHANNELS, or `other`.
    channel: str = OTHER
    #: Bounded; stays on the gateway, is never logged and never sent.
    text: str = ""


def tidy(said: Complaint) -> Complaint:
    """The same within bounds: known words, a short text in one line, and no telephone numbers in it."""
    return said._replace(
        id=said.id.strip()[:_LONGEST_ID],
        asset=said.asset.strip()[:_LONGEST_NAME],
        building=said.building.strip()[:_LONGEST_NAME],
        asset_kind=said.asset_kind.strip()[:_LONGEST_NAME],
        category=said.category if said.category in CATEGORIES else "",
        urgency=said.urgency if said.urgency in URGENCIES else "",
        channel=said.channel if said.channel in CHANNELS else OTHER,
        text=_NUMBER.sub("***", " ".join(said.text.split()))[:_LONGEST_TEXT],
    )
