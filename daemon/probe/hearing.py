"""What is made of messages as they come: by the devices of a site, by one profile, or by any that fits.

message ──┬─ the site's devices: as the daemon would read it
├─ the profile given: its device told by topic and payload
└─ neither: which profiles could read it; and in the end a profile to begin with
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from daemon.model import ConfigError, Observation, Reason
from daemon.probe.fitting import Fit, find_fits
from daemon.probe.messages import Message, Reader
from daemon.probe.payload_shape import shape_of
from daemon.probe.payload_skeleton import write_skeleton
from daemon.probe.telling import plain
from daemon.sensors.decoder import Decoder
from daemon.sensors.profile import Binding, Profile

#: More topics than these are counted, not looked into.
_MOST_TOPICS = 2000
_MOST_SAMPLES = 8
_MOST_SKELETONS = 5
_SHOWN_BYTES = 1024
_STRANGE = frozenset({Reason.UNKNOWN_TOPIC, Reason.UNKNOWN_DEVICE})


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of one message."""

    #: `site`, the name of a profile, or empty when nobody reads it.
    by: str
    #: In plain values, each with the name of the device or profile as `whose`.
    observations: tuple[dict[str, Any], ...] = ()
    #: Why nobody reads it.
    why: str = ""
    fits: tuple[Fit, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether what should have been read was not; that nobody has declared a device is no fault of its message."""
        return any(row["reason"] not in _STRANGE for seen in self.observations for row in seen["rejections"])


@dataclass(slots=True)
class TopicHeard:
    """What came on one topic."""

    topic: str
    messages: int = 0
    retained: int = 0
    bytes: int = 0
    failed: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    made: Made = field(default_factory=lambda: Made(""))
    samples: deque[Message] = field(default_factory=lambda: deque(maxlen=_MOST_SAMPLES))

    @property
    def every(self) -> float | None:
        """Seconds between two messages; None when fewer than two came."""
        fresh = self.messages - self.retained
        if self.first_at is None or self.last_at is None or fresh < 2:
            return None
        return round((self.last_at - self.first_at).total_seconds() / (fresh - 1), 3)


class Hearing:
    """Takes messages and remembers, within bounds, what came on each topic."""

    def __init__(
        self,
        *,
        zone: ZoneInfo,
        profiles: Sequence[Profile],
        profile: Profile | None = None,
        address: Mapping[str, str] | None = None,
        bindings: Sequence[Binding] = (),
    ) -> None:
        """Begin with nothing heard.

        Args:
            zone: the site's.
            profiles: those that may fit what nobody reads.
            profile: the one by which every message is to be read.
            address: parts of its address that neither topic nor payload tells.
            bindings: the site's devices on this broker.
        """
        self._zone = zone
        self._profiles = profiles
        self._reader = Reader(profile, zone, address) if profile is not None else None
        self._devices = {binding.device.id: binding for binding in bindings}
        self._decoder = Decoder(bindings, source="probe", zone=zone) if bindings else None
        self.topics: dict[str, TopicHeard] = {}
        self.messages = 0
        #: Topics beyond the bound.
        self.passed_over = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """What the site's devices would subscribe to."""
        return self._decoder.filters if self._decoder is not None else ()

    @property
    def failed(self) -> bool:
        """Whether something that should have been read was not."""
        return any(heard.failed for heard in self.topics.values())

    @property
    def read(self) -> bool:
        """Whether anything was read by the site's devices or the profile."""
        return any(heard.made.by for heard in self.topics.values())

    def take(self, message: Message) -> Made:
        """Look at one message."""
        self.messages += 1
        heard = self.topics.get(message.topic)
        if heard is None:
            if len(self.topics) >= _MOST_TOPICS:
                self.passed_over += 1
                return Made("", why="太多主题 too many topics: name a narrower filter")
            heard = self.topics[message.topic] = TopicHeard(message.topic)
        made = self._make(message, heard)
        heard.messages += 1
        heard.retained += message.retained
        heard.bytes += message.cut_from or len(message.payload)
        heard.failed += made.failed
        heard.made = made
        if not message.retained:
            heard.first_at = heard.first_at or message.received_at
            heard.last_at = message.received_at
        if not message.cut_from:
            heard.samples.append(message)
        return made

    def _make(self, message: Message, heard: TopicHeard) -> Made:
        if message.cut_from:
            return Made("", why=f"{message.cut_from} bytes: 过大 too large, see max_payload")
        if self._reader is not None:
            return _by_profile(self._reader, message)
        why = ""
        if self._decoder is not None:
            made = self._by_site(self._decoder, message)
            if made.by:
                return made
            why = made.why
        # a topic's first message decides which profiles could read it, and each later one is read by the best of them
        names = {fit.profile for fit in heard.made.fits}
        candidates = [p for p in self._profiles if p.profile in names] if heard.messages and names else self._profiles
        return Made("", why=why, fits=tuple(find_fits(message, candidates, self._zone)))

    def _by_site(self, decoder: Decoder, message: Message) -> Made:
        seen = decoder.decode(message.topic, message.payload, message.received_at, retained=message.retained)
        strange = [r.detail for each in seen for r in each.rejections if r.reason in _STRANGE]
        if strange and not any(each.readings for each in seen):
            return Made("", why="; ".join(strange))
        return Made("site", tuple(self._of_device(each) for each in seen))

    def _of_device(self, seen: Observation) -> dict[str, Any]:
        binding = self._devices.get(seen.device)
        units = {p.name: p.unit for p in binding.points.values()} if binding is not None else {}
        return {"whose": seen.device, **plain(seen, binding.address if binding is not None else None, units)}

    # --- in the end ---------------------------------------------------------------------------------------

    def report(self) -> dict[str, Any]:
        """Everything, in plain values."""
        return {
            "messages": self.messages,
            "topics": [_plain(heard) for heard in self.topics.values()],
            "passed_over": self.passed_over,
            "skeletons": self._skeletons(),
        }

    def _skeletons(self) -> list[dict[str, Any]]:
        """Profiles to begin with, one for each shape of messages that nobody reads."""
        if self._reader is not None:
            return []
        groups: dict[tuple[object, ...], list[Message]] = {}
        for heard in self.topics.values():
            if heard.made.by or any(fit.sure for fit in heard.made.fits) or not heard.samples:
                continue
            key = (heard.topic.count("/"), shape_of(heard.samples[-1].payload))
            groups.setdefault(key, []).extend(heard.samples)
        found: list[dict[str, Any]] = []
        for messages in list(groups.values())[:_MOST_SKELETONS]:
            name = "my-device" + (f"-{len(found) + 1}" if found else "")
            if text := write_skeleton(messages, self._zone, name):
                found.append({"topics": list(dict.fromkeys(m.topic for m in messages)), "profile": text})
        return found


def _by_profile(reader: Reader, message: Message) -> Made:
    try:
        told = reader.read(message)
    except ConfigError as error:
        return Made("", why="; ".join(error.faults))
    name = told.profile.profile
    return Made(name, tuple({"whose": name, **seen} for seen in told.plain()["observations"]))


def _plain(heard: TopicHeard) -> dict[str, Any]:
    latest = heard.samples[-1].payload[:_SHOWN_BYTES] if heard.samples else b""
    return {
        "topic": heard.topic,
        "messages": heard.messages,
        "retained": heard.retained,
        "bytes": heard.bytes,
        "every": heard.every,
        "failed": heard.failed,
        "read_by": heard.made.by or None,
        "why": heard.made.why or None,
        "latest": latest.decode("utf-8", "replace"),
        "observations": list(heard.made.observations),
        "fits": [fit.plain() for fit in heard.made.fits],
    }
