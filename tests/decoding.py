"""A decoder for profiles written in a test, and what it makes of one message in plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from daemon.documents import build, parse
from daemon.model import Device, Observation, Reading
from daemon.sensors.decoder import Decoder
from daemon.sensors.profile import Binding, Profile, make_points, with_tables

NOW = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
NOW_MS = 1795248000000
SHANGHAI = ZoneInfo("Asia/Shanghai")
HEAD = "version: 1\nprofile: p\ntitle: {zh: 甲, en: A}\nalive_within: 30s\n"


def profile(text: str) -> Profile:
    """A profile; its head may be left out, and it names no code tables of others."""
    document = parse(text if "version:" in text else HEAD + text, "p.yaml")
    return with_tables(build(Profile, document), document, {})


def decoder(*devices: tuple[str, Profile | str, Mapping[str, str | int]]) -> Decoder:
    """Each device is (id, profile, address); its asset has its id."""
    bindings = []
    for name, given, address in devices:
        found = profile(given) if isinstance(given, str) else given
        device = Device(name, name, "m", timedelta(seconds=30))
        bindings.append(Binding(device, found, address, make_points(found, device)))
    return Decoder(bindings, source="m", zone=SHANGHAI)


def hear(by: Decoder, topic: str, payload: object, *, at: datetime = NOW, retained: bool = False) -> list[Observation]:
    """Decode; anything but bytes is written as JSON first."""
    return by.decode(topic, payload if isinstance(payload, bytes) else orjson.dumps(payload), at, retained=retained)


def values(found: Sequence[Observation]) -> list[dict[str, Any]]:
    """By observation, point to value."""
    return [{reading.point: reading.value for reading in observation.readings} for observation in found]


def readings(found: Sequence[Observation]) -> list[Reading]:
    """All of them, in order; fails when something was rejected."""
    assert not [rejection.detail for observation in found for rejection in observation.rejections]
    return [reading for observation in found for reading in observation.readings]


def faults(found: Sequence[Observation]) -> list[tuple[str, str, str]]:
    """(device, reason, detail) of everything rejected."""
    return [(seen.device, str(r.reason), r.detail) for seen in found for r in seen.rejections]
