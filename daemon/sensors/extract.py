"""Values and times out of JSON payloads, by functions compiled once from what the profile says.

Everything that does not depend on the message is decided at start: at ten fields a message and a thousand messages a
second nothing is split, looked up by name or checked twice.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from daemon.model import BadPayload, ConfigError, Point, PointKind, Quality, Reading, Reason
from daemon.sensors.codes import CodeTable
from daemon.sensors.payload import JsonField, Steps, join_path
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


def compile_field(point: Point, field: JsonField, key: str | int | None) -> Read:
    """Make the reader of one field: everything that does not depend on the message is decided here, once.

    Raises:
        ConfigError: the code table that the field names has not been found for it.
    """
    if isinstance(field.codes, str):
        raise ConfigError([f"point {point.id}: the code table {field.codes!r} is not known"])
    if field.codes is not None and field.contains is not None:
        return _coded_membership(point.id, key, field)
    if field.codes is not None:
        return _coded(point.id, key, field.codes)
    if field.contains is not None:
        return _membership(point.id, key, field.contains, field.map)
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
            raw = float(raw) if type(raw) is int else to_number(raw)
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


def _membership(point_id: str, key: str | int | None, member: int | str, words: Mapping[str, str]) -> Read:
    new = tuple.__new__
    yes, no = (words.get(word, word) for word in ("yes", "no"))

    def read(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        raw = get(key)
        if raw is None:
            return None
        if type(raw) is not list:
            raise BadPayload(Reason.WRONG_TYPE, f"an array is expected, not {kind_of(raw)}")
        label = yes if member in raw else no
        return new(Reading, (point_id, at, label, received_at, quality, reason))

    return read


def _codes(raw: object, digits: int) -> list[str]:
    """One code or an array of them, as the table writes them."""
    return [to_text(code).zfill(digits) for code in (raw if type(raw) is list else [raw])]


def _coded(point_id: str, key: str | int | None, table: CodeTable) -> Read:
    labels, digits, none = table.labels, table.digits, table.none

    def read(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        raw = get(key)
        if raw is None:
            return None
        codes = _codes(raw, digits)
        for code in codes:
            if code not in labels:
                raise BadPayload(Reason.UNKNOWN_CODE, f"{code[:_LONGEST_LABEL]!r} is no code of the table")
        label = next((label for code, label in labels.items() if code in codes), none)
        return Reading(point_id, at, label, received_at, quality, reason)

    return read


def _coded_membership(point_id: str, key: str | int | None, field: JsonField) -> Read:
    table = field.codes
    assert isinstance(table, CodeTable)  # noqa: S101  told to the type checker; the caller has looked
    wanted = {code for code, label in table.labels.items() if label == field.contains}
    digits = table.digits
    yes, no = (field.map.get(word, word) for word in ("yes", "no"))

    def read(get: Get, at: datetime, quality: Quality, reason: Reason, received_at: datetime) -> Reading | None:
        raw = get(key)
        if raw is None:
            return None
        label = no if wanted.isdisjoint(_codes(raw, digits)) else yes
        return Reading(point_id, at, label, received_at, quality, reason)

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
    raise BadPayload(Reason.WRONG_TYPE, f"a number is expected, not {kind_of(raw)}")


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
    raise BadPayload(Reason.WRONG_TYPE, f"a label is expected, not {kind_of(raw)}")


def kind_of(raw: object) -> str:
    """What a JSON value is, in words."""
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
            raise BadPayload(Reason.WRONG_TYPE, f"{join_path(steps[:n])} is {kind_of(node)}, {wanted} is expected")
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
    raise BadPayload(Reason.WRONG_TYPE, f"{join_path(steps)} is {kind_of(node)}, {wanted} is expected")
