"""A profile to begin with, written from messages that came: it can be loaded as it stands, and reads them.

topics   ──> levels that differ, or look like an id, become named parts
payloads ──> times, ids and arrays of records are known by their names and shapes; every other leaf is a point
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import orjson

from daemon.documents import format_span
from daemon.probe.birth_skeleton import write_birth
from daemon.probe.messages import Message
from daemon.probe.payload_shape import Leaf, Payload, read_payloads
from daemon.sensors.payload import join_path

_ID_LEVEL = re.compile(r"\d")
_PLAIN_LEVEL = re.compile(r"[^+#{}\0]*")
#: Intervals that devices are set to, in seconds.
_USUAL = (
    1,
    2,
    3,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    180,
    300,
    600,
    900,
    1200,
    1800,
    3600,
    7200,
    14_400,
    21_600,
    43_200,
    86_400,
)


def write_skeleton(messages: Sequence[Message], zone: ZoneInfo, name: str = "my-device") -> str:
    """The text of a profile for messages of one shape; empty when they hold nothing that could be a point."""
    if text := write_birth(messages, name):
        return text
    payload = read_payloads(messages, zone)
    if payload is None or not payload.points:
        return ""
    interval = _interval(messages)
    given = interval or 60
    pattern = name_topic([message.topic for message in messages], taken=payload.address)
    lines = [
        "# yaml-language-server: $schema=../schema/profile.schema.json",
        "# 由收到的报文推测；请改名、定单位、定量程、标哨兵值。",
        "# Guessed from what came: name the points, give units and ranges, name the values that mean no measurement.",
        "version: 1",
        f"profile: {name}",
        "title: {zh: 新设备, en: New device}",
        f"alive_within: {format_span(timedelta(seconds=max(30, 3 * given)))}   # 更久即离线 silent for longer: gone",
        "mqtt:",
        f"  topics: [{_quoted(pattern)}]",
        *_shape(payload),
        "points:",
    ]
    remark = "" if interval else "   # 只见一条，请改 seen once only: correct it"
    for leaf in payload.points:
        lines += _point(leaf, f"{format_span(timedelta(seconds=given))}{remark}", payload)
    lines += [f"  # {remark}" for remark in payload.left_out]
    return "\n".join([*lines, ""])


def name_topic(topics: Sequence[str], taken: Sequence[str] = ()) -> str:
    """A topic pattern that means all of these, which have as many levels as each other."""
    levels = list(zip(*(topic.split("/") for topic in dict.fromkeys(topics)), strict=True))
    names = set(taken)
    found: list[str] = []
    for n, seen in enumerate(levels):
        differ = len(set(seen)) > 1
        alone = len(set(topics)) == 1 and _ID_LEVEL.search(seen[0]) is not None
        if not differ and not alone and seen[0].isprintable() and _PLAIN_LEVEL.fullmatch(seen[0]):
            found.append(seen[0])
            continue
        name = _part_name(found[n - 1] if n else "", names)
        names.add(name)
        found.append(f"{{{name}}}")
    return "/".join(found)


def _part_name(before: str, names: set[str]) -> str:
    """`tanks/…` names its next level `tank`."""
    word = before.rstrip("s") if before.endswith("s") and not before.endswith("ss") else ""
    first = word if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", word) else "device"
    choices = [first, *(f"{first}{n}" for n in range(2, 100))]
    return next(choice for choice in choices if choice not in names)


def _shape(payload: Payload) -> list[str]:
    lines: list[str] = []
    if payload.text:
        lines.append("  payload: text")
    if payload.records:
        address = ", ".join(f"{name}: {_quoted(join_path(steps))}" for name, steps in payload.told.items())
        lines.append(
            f"  records: {{path: {_quoted(payload.records)}" + (f", address: {{{address}}}" if address else "") + "}"
        )
    if payload.time is not None:
        path = ("$." if payload.time_of_message and payload.records else "") + join_path(payload.time.steps)
        zone = f", zone: {payload.time.zone}" if payload.time.zone else ""
        optional = ", optional: true" if payload.time.optional else ""
        lines.append(
            f"  timestamp: {{path: {_quoted(path)}, format: {_quoted(payload.time.format)}{zone}{optional}}}"
            f"   # {payload.time.remark}".rstrip("# ")
        )
    return lines


def _point(leaf: Leaf, interval: str, payload: Payload) -> list[str]:
    path = _quoted("$" if payload.text or not leaf.steps else join_path(leaf.steps))
    seen = f"  {leaf.name}:{' ' * max(1, 28 - len(leaf.name))}# {_sample(leaf.sample)}"
    if leaf.is_number:
        unit = f"    unit: {_quoted(leaf.unit)}" if leaf.unit else '    unit: ""      # 单位？ which unit?'
        return [seen, unit, f"    interval: {interval}", f"    json: {{path: {path}}}"]
    words = ', map: {"false": "no", "true": "yes"}' if leaf.is_flag else ""
    return [seen, "    kind: state", "    report: on_change", f"    json: {{path: {path}{words}}}"]


def _sample(value: object) -> str:
    text = "".join(c if c.isprintable() else "?" for c in orjson.dumps(value).decode())
    return text if len(text) <= 60 else text[:57] + "…"


def _quoted(text: str) -> str:
    """A YAML scalar inside braces; JSON's quotes are YAML's too."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", text) and text.lower() not in ("true", "false", "null")
    return text if plain else orjson.dumps(text).decode()


def _interval(messages: Sequence[Message]) -> int | None:
    """The usual span nearest to the one between messages of a topic; None when none came twice."""
    gaps: list[float] = []
    last: dict[str, Message] = {}
    for message in messages:
        before = last.get(message.topic)
        if before is not None and not before.retained:
            gaps.append((message.received_at - before.received_at).total_seconds())
        last[message.topic] = message
    if not gaps:
        return None
    middle = sorted(gaps)[len(gaps) // 2]
    return min(_USUAL, key=lambda usual: abs(usual - middle))
