"""Values and times out of JSON payloads, by functions compiled once from what the profile says.

Everything that does not depend on the message is decided at start: at ten fields a message and a thousand messages a
second nothing is split, looked up by name or checked twice.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from daemon.model import BadPayload, Point, PointKind, Quality, Reading, Reason
from daemon.sensors.payload import JsonField, Steps, Timestamp, join_path, split_path
from daemon.sensors.quality import of_value

_LONGEST_LABEL = 64
_LONGEST_NUMBER = 40

#: Looks a key up in the array or object around a value; None when it is absent or null.
Get = Callable[[Any], Any]


class Read(Protocol):
    """Make a reading of one field out of what stands around it; None when the field is absent or null."""

    def __call__(
        self,
        get: Get,
        at: datetime,
        quality: Quality,
        reason: Reason,
        received_at: datetime,
    ) -> Reading | None:
        """Raise BadPayload when what stands there cannot be a value of the point."""
        ...


def compile_field(point: Point, field: JsonField) -> Read:
    """Make the reader of one field: everything that does not depend on the message is decided here, once."""
    steps = split_path(field.path)
    key = steps[-1] if steps else None
    if field.contains is not None:
        return _membership(point.id, key, field.contains)
    if point.kind in (PointKind.STATE, PointKind.CODE):
        return _label(point.id, key, field)
    return _number(point, key, field)


def _number(point: Point, key: str | int | None, field: JsonField) -> Read:
    point_id, scale, offset, sentinels = point.id, field.scale, field.offset, frozenset(field.sentinels)
    # the largest finite number instead of infinity: one comparison refuses NaN and infinity too
    low = -sys.float_info.max if point.low is None else point.low
    high = sys.float_info.max if point.high is None else point.high
    new = tuple.__new__  # half the cost of Reading(...), at 10 readings a message

    def read(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        raw = get(key)
        if raw is None:
            return None
        if type(raw) is not float:
            raw = to_number(raw)
        if low <= raw <= high:
            return new(Reading, (point_id, at, raw, received_at, quality, reason))
        return Reading(point_id, at, raw, received_at, *of_value(raw, raw=raw, low=low, high=high))

    def read_scaled(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        raw = get(key)
        if raw is None:
            return None
        raw = to_number(raw)
        value = raw * scale + offset
        found = of_value(value, raw=raw, low=low, high=high, sentinels=sentinels)
        if found[0] is not Quality.GOOD:
            quality, reason = found
        return new(Reading, (point_id, at, value, received_at, quality, reason))

    return read if scale == 1.0 and offset == 0.0 and not sentinels else read_scaled


def _label(point_id: str, key: str | int | None, field: JsonField) -> Read:
    known = {label: label for label in field.labels} | field.map
    new = tuple.__new__

    def read(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        raw = get(key)
        if raw is None:
            return None
        text = raw if type(raw) is str else to_text(raw)
        if known:
            label = known.get(text)
            if label is None:
                raise BadPayload(Reason.UNKNOWN_CODE, f"{text[:_LONGEST_LABEL]!r} is none of {sorted(known)}")
        elif len(text) > _LONGEST_LABEL:
            raise BadPayload(Reason.WRONG_TYPE, f"a label has at most {_LONGEST_LABEL} characters, not {len(text)}")
        else:
            label = text
        return new(Reading, (point_id, at, label, received_at, quality, reason))

    return read


def _membership(point_id: str, key: str | int | None, member: int | str) -> Read:
    new = tuple.__new__

    def read(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        raw = get(key)
        if raw is None:
            return None
        if type(raw) is not list:
            raise BadPayload(Reason.WRONG_TYPE, f"an array is expected, not {_kind_of(raw)}")
        label = "yes" if member in raw else "no"
        return new(Reading, (point_id, at, label, received_at, quality, reason))

    return read


def to_number(raw: object) -> float:
    """A JSON number, or a text that holds one (decoders of some gateways send those), as a float.

    Raises:
        BadPayload: it is neither; true and false are no numbers.
    """
    if type(raw) is int or type(raw) is float:
        return float(raw)
    if type(raw) is str and len(raw) <= _LONGEST_NUMBER and "_" not in raw:
        with contextlib.suppress(ValueError):
            return float(raw)
    raise BadPayload(Reason.WRONG_TYPE, f"a number is expected, not {_kind_of(raw)}")


def to_text(raw: object) -> str:
    """A JSON scalar as the text that code tables are written in: `true`, `7`, `1.5`.

    Raises:
        BadPayload: it is an array or an object.
    """
    kind = type(raw)
    if kind is str or kind is int:
        return str(raw)
    if kind is bool:
        return "true" if raw else "false"
    if type(raw) is float:
        return str(int(raw)) if raw.is_integer() and abs(raw) < 1e15 else repr(raw)
    raise BadPayload(Reason.WRONG_TYPE, f"a label is expected, not {_kind_of(raw)}")


def _kind_of(raw: object) -> str:
    match raw:
        case None:
            return "null"
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return f"the text {raw[:40]!r}"
        case _:
            return to_text(raw)


def follow(root: object, steps: Steps) -> object:
    """What stands at a path; None when it is absent or null.

    Raises:
        BadPayload: the path leads through something that is no object or array.
    """
    node = root
    for n, step in enumerate(steps):
        if type(node) is dict and type(step) is str:
            node = node.get(step)
        elif type(node) is list and type(step) is int:
            node = node[step] if step < len(node) else None
        elif node is None:
            return None
        else:
            wanted = "an object" if type(step) is str else "an array"
            raise BadPayload(Reason.WRONG_TYPE, f"{join_path(steps[:n])} is {_kind_of(node)}, {wanted} is expected")
    return node


def getter(root: object, steps: Steps, around: type[dict[Any, Any] | list[Any]] | None) -> Get | None:
    """Look-up in what stands at a path, which must be of the type `around`; None when nothing stands there.

    With `around` None the node itself is the value, whatever the key.

    Raises:
        BadPayload: the node, or what the path leads through, is something else.
    """
    node = root
    for step in steps:
        if type(node) is not dict or type(step) is int:
            node = follow(root, steps)
            break
        node = node.get(step)
    if type(node) is dict and around is dict:
        return node.get
    if around is None:
        return lambda _key: node
    if type(node) is list and around is list:
        return lambda index: node[index] if index < len(node) else None
    if node is None and steps:
        return None
    wanted = "an object" if around is dict else "an array"
    raise BadPayload(Reason.WRONG_TYPE, f"{join_path(steps)} is {_kind_of(node)}, {wanted} is expected")


def compile_timestamp(spec: Timestamp, site_zone: ZoneInfo) -> Callable[[object], datetime | None]:
    """Make the reader of a message's own time; it gives None when there is none that can be understood."""
    steps = split_path(spec.path)
    zone = ZoneInfo(spec.zone) if spec.zone else site_zone
    factor = 1000.0 if spec.format == "unix_s" else 1.0

    def unix(root: object) -> datetime | None:
        try:
            found = follow(root, steps)
            ms = found if type(found) is int and factor == 1.0 else round(to_number(found) * factor)
            return datetime.fromtimestamp(ms / 1000, UTC)
        except (BadPayload, ValueError, OverflowError, OSError):
            return None

    def iso(root: object) -> datetime | None:
        try:
            found = follow(root, steps)
            if type(found) is not str:
                return None
            at = datetime.fromisoformat(found)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=zone).astimezone(UTC)
        except (BadPayload, ValueError, OverflowError):
            return None
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    return iso if spec.format == "iso" else unix
