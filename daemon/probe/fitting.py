"""Which profiles could read a message: those whose topic it has, and those whose fields it has under another topic."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from daemon.model import ConfigError, Quality
from daemon.probe.messages import Message, decode_message
from daemon.probe.telling import Told
from daemon.sensors.profile import Profile
from daemon.sensors.topics import compile_topic

_MOST = 5
_PART = re.compile(r"\{\w+\}|[+#]")


class Fit(NamedTuple):
    """What one profile made of a message."""

    profile: str
    #: The topic is one of the profile's; else only the fields fit.
    by_topic: bool
    #: Different points with a good reading, of all points.
    good: int
    points: int
    rejected: int
    told: Told

    @property
    def sure(self) -> bool:
        """Whether no other profile need be written. Every Sparkplug device has the same topics: there fields decide."""
        part = self.told.profile.mqtt
        enough = self.points if part is not None and part.sparkplug is not None else 1
        return self.by_topic and not self.rejected and self.good > 0 and 2 * self.good >= enough

    def plain(self) -> dict[str, Any]:
        """For a program."""
        return {"profile": self.profile, "topic": self.by_topic, **self._numbers()}

    def _numbers(self) -> dict[str, int]:
        return {"good": self.good, "points": self.points, "rejected": self.rejected}


def find_fits(message: Message, profiles: Iterable[Profile], zone: ZoneInfo) -> list[Fit]:
    """The profiles that could read it, the likeliest first."""
    found = [fit for profile in profiles if (fit := _fit(message, profile, zone)) is not None]
    return sorted(found, key=lambda fit: (not fit.by_topic, fit.rejected, -fit.good / fit.points, -fit.good))[:_MOST]


def _fit(message: Message, profile: Profile, zone: ZoneInfo) -> Fit | None:
    part = profile.mqtt
    if part is None:
        return None
    by_topic = any(compile_topic(pattern, {}).fullmatch(message.topic) for pattern in part.patterns)
    if not by_topic:
        if part.payload == "text" or message.payload.lstrip()[:1] not in (b"{", b"["):
            return None  # any word could be a label
        message = replace(message, topic=_PART.sub("x", part.topics[0]))
    try:
        told = decode_message(profile, message, {}, zone)
    except ConfigError:  # a part of the address stands nowhere: a person has to tell it
        return None
    good = len({r.point for seen in told.observations for r in seen.readings if r.quality is not Quality.BAD})
    rejected = sum(len(seen.rejections) for seen in told.observations)
    if not by_topic and (rejected or good < min(2, len(profile.points))):
        return None
    return Fit(profile.profile, by_topic, good, len(profile.points), rejected, told)
