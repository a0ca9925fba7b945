"""What to do with a message of one device, decided once from its profile and its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from daemon.model import Quality, Reading, Reason
from daemon.sensors.extract import Get, Read, compile_field
from daemon.sensors.judge import Judge
from daemon.sensors.messages import History
from daemon.sensors.moments import Stamp, compile_timestamp
from daemon.sensors.payload import NAMED, JsonField, Steps, join_path, split_path
from daemon.sensors.profile import Binding
from daemon.sensors.shapes import ABSENT, compile_condition, compile_history, find

#: Wraps the reader of an urgent point.
Watched = Callable[[Read], Read]


@dataclass(frozen=True, slots=True)
class Group:
    """The fields that stand in one object or array of the payload."""

    steps: Steps
    around: type[dict[Any, Any] | list[Any]] | None
    #: (path as the profile writes it, reader)
    fields: tuple[tuple[str, Read], ...]


@dataclass(frozen=True, slots=True)
class PastRecords:
    """Where earlier values stand, and how they are read."""

    walk: Callable[[object], Iterator[object]]
    timestamp: Stamp
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to do with a message, or a record, of one device."""

    device: str
    groups: tuple[Group, ...]
    timestamp: Stamp | None
    late_after: timedelta
    clock_skew: timedelta
    past: PastRecords | None = None
    #: Looks at the readings together, and at those before them.
    judge: Judge | None = None
    #: The time stands at the message, not at the record.
    time_of_message: bool = False
    #: The message may lack a time without anything being wrong.
    time_optional: bool = False
    #: Keys of the payload tell the device: a message without them is not of it.
    keyed: bool = False

    @property
    def simple(self) -> bool:
        """Whether it needs nothing but its groups, as nearly all do."""
        return not (self.past or self.time_of_message or self.time_optional or self.keyed)


def compile_plan(binding: Binding, topic: str, zone: ZoneInfo, watched: Watched, judge: Judge | None) -> Plan:
    """Make the plan for what a device sends on one of its profile's topics."""
    part = binding.profile.mqtt
    assert part is not None  # noqa: S101  told to the type checker; the caller has looked
    fields = {
        name: spec.json_field
        for name, spec in binding.profile.points.items()
        if spec.json_field is not None and spec.json_field.topic in (None, topic)
    }
    present = {name: (field.path, field) for name, field in fields.items() if field.when_absent is None}
    return Plan(
        device=binding.device.id,
        groups=(*_groups(binding, present, watched), *_zeros(binding, fields, watched)),
        timestamp=compile_timestamp(part.timestamp, zone) if part.timestamp else None,
        late_after=binding.profile.late_after,
        clock_skew=binding.profile.clock_skew,
        past=_past(binding, part.history, fields, zone) if part.history else None,
        judge=judge,
        time_of_message=part.timestamp is not None and part.timestamp.path.startswith("$."),
        time_optional=part.timestamp is not None and part.timestamp.optional,
        keyed=any(NAMED.search(field.path) for field in fields.values()),
    )


def _groups(
    binding: Binding,
    fields: Mapping[str, tuple[str, JsonField]],
    watched: Watched | None,
) -> tuple[Group, ...]:
    """Readers of fields (point to path and field), grouped by what they stand in."""
    found: dict[tuple[Any, ...], list[tuple[str, Read]]] = {}
    for name, (path, field) in fields.items():
        steps = _fill_path(path, binding.address)
        around = (dict if isinstance(steps[-1], str) else list) if steps else None
        read = compile_field(binding.points[name], field, steps[-1] if steps else None)
        if watched is not None and binding.profile.points[name].urgent:
            read = watched(read)
        found.setdefault((steps[:-1], around), []).append((join_path(steps), read))
    return tuple(Group(steps, around, tuple(readers)) for (steps, around), readers in found.items())


def _zeros(binding: Binding, fields: Mapping[str, JsonField], watched: Watched) -> tuple[Group, ...]:
    """The fields whose sender leaves out zeros, as one group that stands at the root."""
    readers: list[tuple[str, Read]] = []
    for name, field in fields.items():
        if field.when_absent is None:
            continue
        steps = _fill_path(field.path, binding.address)
        read = _zero(steps, compile_field(binding.points[name], field, None), field)
        readers.append((join_path(steps), watched(read) if binding.profile.points[name].urgent else read))
    return (Group((), None, tuple(readers)),) if readers else ()


def _zero(steps: Steps, inner: Read, field: JsonField) -> Read:
    marker = compile_condition(field.marker) if field.marker else None
    zero = field.when_absent

    def read(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        root = get(None)
        raw = find(root, steps)
        if raw is ABSENT:
            if marker is not None and not marker(root):
                return None
            raw = zero
        return inner(lambda _key: raw, at, quality, reason, received_at)

    return read


def _past(binding: Binding, history: History, fields: Mapping[str, JsonField], zone: ZoneInfo) -> PastRecords:
    chosen = {name: (path, fields[name]) for name, path in history.points.items() if name in fields}
    return PastRecords(
        walk=compile_history(history.path),
        timestamp=compile_timestamp(history.timestamp, zone),
        groups=_groups(binding, chosen, None),
    )


def metric_names(binding: Binding) -> dict[str, str]:
    """The metric of each point of a profile that speaks Sparkplug, whose paths are one step long."""
    fields = {name: spec.json_field for name, spec in binding.profile.points.items() if spec.json_field is not None}
    return {name: str(_fill_path(field.path, binding.address)[0]) for name, field in fields.items()}


def _fill_path(path: str, address: Mapping[str, str | int]) -> Steps:
    return tuple(
        NAMED.sub(lambda match: str(address[match[1]]), step) if isinstance(step, str) else step
        for step in split_path(path)
    )
