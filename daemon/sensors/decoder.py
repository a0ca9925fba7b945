"""From an MQTT message to observations.

    topic ──> routes (exact, or by pattern) ──> plan of one device: groups of fields, grouped by what they stand in
    payload ──> JSON ──> time of the message ──> each field's reader ──> readings, rejections ──> Observation

Whatever a device sends comes out as readings, rejections or a sign of life: decoding never raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from daemon.model import EPOCH, BadPayload, ConfigError, Observation, Quality, Reading, Reason, Rejection
from daemon.sensors.extract import Get, Read, compile_field, compile_timestamp, getter
from daemon.sensors.judge import Judge, compile_judge
from daemon.sensors.payload import split_path
from daemon.sensors.profile import Binding, Presence
from daemon.sensors.quality import GOOD, Timing, of_time

_KEPT_BYTES = 4096
_KEPT_TOPIC = 256
_MOST_FOUND = 4096
_MILLISECOND = timedelta(milliseconds=1)
_NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class _Group:
    """The fields that stand in one object or array of the payload."""

    steps: tuple[str | int, ...]
    around: type[dict[Any, Any] | list[Any]] | None
    #: (path as the profile writes it, reader)
    fields: tuple[tuple[str, Read], ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with a message of one device."""

    device: str
    groups: tuple[_Group, ...]
    timestamp: Callable[[object], datetime | None] | None
    late_after: timedelta
    clock_skew: timedelta
    #: Looks at the readings together, and at those before them.
    judge: Judge | None


class Decoder:
    """Decodes what one broker sends for the given devices."""

    def __init__(self, bindings: Sequence[Binding], *, source: str, zone: ZoneInfo) -> None:
        """Compile the profiles.

        Raises:
            ConfigError: an address lacks a named part of its profile's topics.
        """
        self._source = source
        #: True once a point marked urgent has changed; whoever commits sets it back.
        self.urgent = False
        #: By topic: what to do with it for each device it speaks of.
        self._known: dict[str, tuple[_Plan, ...]] = {}
        #: The same for topics of patterns with + or #, found on the way; bounded.
        self._found: dict[str, tuple[_Plan, ...]] = {}
        #: The moment given last to a message without a time of its own, by device.
        self._stamped: dict[str, datetime] = {}
        self._presence: dict[str, tuple[str, Presence]] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}
        filters: dict[str, None] = {}
        faults: list[str] = []
        self._wild: list[tuple[re.Pattern[str], _Plan]] = []
        for binding in bindings:
            part = binding.profile.mqtt
            if part is None:
                faults.append(f"device {binding.device.id}: {binding.profile.profile!r} is no profile for MQTT")
                continue
            patterns = [*part.topics, *([part.presence.topic] if part.presence else [])]
            missing = {name for pattern in patterns for name in _NAMED.findall(pattern)} - set(binding.address)
            if missing:
                faults.append(f"device {binding.device.id}: its address lacks {', '.join(sorted(missing))}")
                continue
            self._add(binding, zone)
            for pattern in patterns:
                filters[_NAMED.sub("+", pattern)] = None
                self._patterns[pattern] = _compile_topic(pattern, {})
        if faults:
            raise ConfigError(faults)
        #: Topic filters to subscribe to, in the order of the devices.
        self.filters = tuple(filters)

    def _add(self, binding: Binding, zone: ZoneInfo) -> None:
        part = binding.profile.mqtt
        assert part is not None  # noqa: S101  told to the type checker; the caller has looked
        plan = _Plan(
            device=binding.device.id,
            groups=_groups(binding, self._watched),
            timestamp=compile_timestamp(part.timestamp, zone) if part.timestamp else None,
            late_after=binding.profile.late_after,
            clock_skew=binding.profile.clock_skew,
            judge=compile_judge(binding),
        )
        for pattern in part.topics:
            topic = _fill(pattern, binding.address)
            if "+" in topic or "#" in topic:
                self._wild.append((_compile_topic(pattern, binding.address), plan))
            else:
                self._known[topic] = (*self._known.get(topic, ()), plan)
        if part.presence:
            self._presence[_fill(part.presence.topic, binding.address)] = (binding.device.id, part.presence)

    def _watched(self, read: Read) -> Read:
        """Wrap the reader of an urgent point: a value other than the last one asks for a commit at once."""
        last: object = None

        def watched(
            get: Get,
            at: datetime,
            quality: Quality,
            reason: Reason,
            received_at: datetime,
        ) -> Reading | None:
            nonlocal last
            reading = read(get, at, quality, reason, received_at)
            if reading is not None and reading[2] != last:
                last = reading[2]
                self.urgent = True
            return reading

        return watched

    def decode(self, topic: str, payload: bytes, received_at: datetime, *, retained: bool = False) -> list[Observation]:
        """Decode one message; an empty list says that it tells nothing (a retained sign of life)."""
        plans = self._known.get(topic)
        if plans is None:
            if topic in self._presence:
                return self._there(topic, payload, received_at, retained=retained)
            plans = self._find(topic)
            if not plans:
                return [self._strange(topic, payload, received_at)]
        try:
            root = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            device = plans[0].device if len(plans) == 1 else ""
            return [self.reject(topic, payload, received_at, Reason.UNPARSABLE, f"not JSON: {error}", device=device)]
        return [self._apply(plan, root, topic, payload, received_at, retained) for plan in plans]

    def _apply(
        self,
        plan: _Plan,
        root: object,
        topic: str,
        payload: bytes,
        received_at: datetime,
        retained: bool,  # noqa: FBT001  same
    ) -> Observation:
        at, quality, reason = _timing(plan, root, received_at, retained=retained)
        if plan.timestamp is None:
            # Two messages of one device within a millisecond are two moments: a time series would keep the later only.
            at = max(at, self._stamped.get(plan.device, EPOCH) + _MILLISECOND)
            self._stamped[plan.device] = at
        readings: list[Reading] = []
        rejections: list[Rejection] = []
        path = ""
        for group in plan.groups:
            try:
                get = getter(root, group.steps, group.around)
            except BadPayload as fault:
                path = group.fields[0][0]
                rejections.append(self._rejection(topic, payload, fault.reason, fault.detail, path))
                continue
            if get is None:
                continue
            for path, read in group.fields:
                try:
                    reading = read(get, at, quality, reason, received_at)
                except BadPayload as fault:
                    rejections.append(self._rejection(topic, payload, fault.reason, fault.detail, path))
                else:
                    if reading is not None:
                        readings.append(reading)
        if plan.judge is not None:
            readings = plan.judge(readings)
        return Observation(received_at, plan.device, tuple(readings), tuple(rejections))

    def _there(self, topic: str, payload: bytes, received_at: datetime, *, retained: bool) -> list[Observation]:
        device, presence = self._presence[topic]
        text = payload.decode("utf-8", "replace").strip()
        if text == presence.offline:
            return [Observation(received_at, device, (), gone=True)]
        if text == presence.online:
            # kept by the broker from who knows when: no sign of life now
            return [] if retained else [Observation(received_at, device, ())]
        detail = f"neither {presence.online!r} (online) nor {presence.offline!r} (offline)"
        return [self.reject(topic, payload, received_at, Reason.UNKNOWN_CODE, detail, device=device)]

    def _find(self, topic: str) -> tuple[_Plan, ...]:
        plans = self._found.get(topic)
        if plans is None:
            plans = tuple(plan for pattern, plan in self._wild if pattern.fullmatch(topic))
            if plans:
                if len(self._found) >= _MOST_FOUND:
                    self._found.clear()
                self._found[topic] = plans
        return plans

    def _strange(self, topic: str, payload: bytes, received_at: datetime) -> Observation:
        for pattern, compiled in self._patterns.items():
            match = compiled.fullmatch(topic)
            if match is not None:
                named = ", ".join(f"{name} {value[:64]!r}" for name, value in match.groupdict().items())
                detail = f"no device has {named} in its address (topic pattern {pattern}); add it to the assets"
                return self.reject(topic, payload, received_at, Reason.UNKNOWN_DEVICE, detail)
        detail = "no profile in use has such a topic"
        return self.reject(topic, payload, received_at, Reason.UNKNOWN_TOPIC, detail)

    def reject(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime,
        reason: Reason,
        detail: str,
        *,
        device: str = "",
    ) -> Observation:
        """The whole message is no reading."""
        return Observation(received_at, device, (), (self._rejection(topic, payload, reason, detail, ""),))

    def _rejection(self, topic: str, payload: bytes, reason: Reason, detail: str, path: str) -> Rejection:
        place = f"mqtt:{self._source}:{topic[:_KEPT_TOPIC]}#{path}"
        return Rejection(place, reason, detail, payload[:_KEPT_BYTES])


def _timing(plan: _Plan, root: object, received_at: datetime, *, retained: bool) -> Timing:
    if plan.timestamp is not None:
        source_at = plan.timestamp(root)
        return of_time(source_at, received_at, plan.late_after, plan.clock_skew)
    if retained:  # it may be of any age, and does not say
        return Timing(received_at, Quality.SUSPECT, Reason.LATE)
    return Timing(received_at, *GOOD)


def _groups(binding: Binding, watched: Callable[[Read], Read]) -> tuple[_Group, ...]:
    found: dict[tuple[Any, ...], list[tuple[str, Read]]] = {}
    for name, spec in binding.profile.points.items():
        if spec.json_field is None:
            continue
        steps = split_path(spec.json_field.path)
        around = (dict if isinstance(steps[-1], str) else list) if steps else None
        read = compile_field(binding.points[name], spec.json_field)
        read = watched(read) if spec.urgent else read
        found.setdefault((steps[:-1], around), []).append((spec.json_field.path, read))
    return tuple(_Group(steps, around, tuple(fields)) for (steps, around), fields in found.items())


def _fill(pattern: str, address: Mapping[str, str | int]) -> str:
    return _NAMED.sub(lambda match: str(address[match[1]]), pattern)


def _compile_topic(pattern: str, address: Mapping[str, str | int]) -> re.Pattern[str]:
    return re.compile("/".join(_level(level, address) for level in pattern.split("/")).replace("/(?:#)", "(?:/.*)?"))


def _level(level: str, address: Mapping[str, str | int]) -> str:
    if level == "#":
        return "(?:#)"
    if level == "+":
        return "[^/]*"
    if (match := _NAMED.fullmatch(level)) is not None:
        name = match[1]
        return re.escape(str(address[name])) if name in address else f"(?P<{name}>[^/]*)"
    return re.escape(level)
