"""A profile to begin with from a Sparkplug B birth, which names every metric."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from daemon.model import BadPayload
from daemon.probe.messages import Message
from daemon.sensors.payload import NAMED, join_path, split_path
from daemon.sensors.sparkplug_wire import Metric, Payload, parse_payload

_BIRTH = re.compile(r"spBv1\.0/[^/]+/(NBIRTH|DBIRTH)/[^/]+(/[^/]+)?")
_MOST_POINTS = 100
#: Names of the protocol itself.
_OWN = re.compile(r"(bdSeq$|Node Control/|Device Control/|Properties/)")


def write_birth(messages: Sequence[Message], name: str) -> str:
    """The text of a profile; empty when no message is a birth that names something."""
    births = [(m, match[1]) for m in messages if (match := _BIRTH.fullmatch(m.topic)) is not None]
    if not births:
        return ""
    message, kind = births[-1]
    told = _parsed(message.payload)
    points = list(_points(told)) if told is not None else []
    if not points:
        return ""
    return "\n".join(
        [
            "# yaml-language-server: $schema=../schema/profile.schema.json",
            "# 由 Sparkplug B 上线报文写成；请改名、定单位、定量程。",
            "# Written from a Sparkplug B birth: name the points, give units and ranges.",
            "version: 1",
            f"profile: {name}",
            "title: {zh: 新设备, en: New device}",
            "alive_within: 1h",
            "mqtt:",
            f"  sparkplug: {'device' if kind == 'DBIRTH' else 'node'}",
            "points:",
            *points[: 5 * _MOST_POINTS],
            "",
        ]
    )


def _parsed(payload: bytes) -> Payload | None:
    try:
        return parse_payload(payload)
    except (BadPayload, ImportError):  # protobuf is an extra
        return None


def _points(told: Payload) -> list[str]:
    lines: list[str] = []
    names: set[str] = set()
    for metric in told.metrics:
        if len(names) >= _MOST_POINTS or not _can_be(metric):
            continue
        name = _name(metric.name, names)
        names.add(name)
        path = orjson.dumps(join_path((metric.name,))).decode()
        flag = isinstance(metric.value, bool)
        words = ', map: {"false": "no", "true": "yes"}' if flag else ""
        lines.append(f"  {name}:      # {_shown(metric.value)}")
        if isinstance(metric.value, str) or flag:
            lines.append("    kind: state")
        else:
            lines.append('    unit: ""      # 单位？ which unit?')
        lines += ["    report: on_change", f"    json: {{path: {path}{words}}}"]
    return lines


def _can_be(metric: Metric) -> bool:
    """Whether a path can name it, and its value can be a point's."""
    name = metric.name
    if not name or not name.isprintable() or _OWN.match(name) or NAMED.search(name) or not _is_value(metric.value):
        return False
    text = join_path((name,))
    try:
        return split_path(text) == (name,) and not text.startswith("$")
    except ValueError:
        return False


def _is_value(value: object) -> bool:
    return isinstance(value, bool | int | float | str) and not (isinstance(value, str) and len(value) > 64)


def _shown(value: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(value))


def _name(metric: str, names: set[str]) -> str:
    word = re.sub(r"[^a-z0-9]+", "_", metric.lower()).strip("_")
    word = word if re.match(r"[a-z]", word) else f"metric_{word}".rstrip("_")
    word = f"{word}_value" if word == "time" or word.endswith("_q") else word
    return next(name for n in range(1, 1000) if (name := word if n == 1 else f"{word}_{n}") not in names)
