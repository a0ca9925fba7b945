"""What tests of simulated devices share: a device of ours bound to one, and whether it told the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from daemon.clock import SiteClock
from daemon.model import Device as OurDevice
from daemon.model import Quality, Reading, Site, Text
from daemon.sensors.mqtt import MqttConfig, MqttSource
from daemon.sensors.profile import Binding, load_profiles, make_points

PROFILES = load_profiles((Path(__file__).parents[1] / "config/profiles").glob("*.yaml"))


def bound(name: str, address: Mapping[str, str | int], *, every: timedelta | None = None) -> Binding:
    """A device `D1` of a shipped profile, polled as often as told."""
    profile = PROFILES[name]
    if every is not None:
        assert profile.modbus is not None
        profile = profile.model_copy(update={"modbus": profile.modbus.model_copy(update={"interval": every})})
    device = OurDevice("D1", "D1", "s", profile.alive_within)
    return Binding(device, profile, address, make_points(profile, device))


def untrue(readings: Sequence[Reading], said: Mapping[str, Sequence[float | str]]) -> list[Reading]:
    """The readings that are not bad and whose value the device never said."""
    found = {(reading.point.removeprefix("D1."), reading.value): reading for reading in readings}
    return [
        reading
        for (point, value), reading in found.items()
        if reading.quality is not Quality.BAD and not any(_same(value, true) for true in said[point])
    ]


def _same(value: float | str, true: float | str) -> bool:
    """A 32-bit float is near to the number it stands for, not the same."""
    if isinstance(value, str) or isinstance(true, str):
        return value == true
    return math.isclose(value, true, rel_tol=1e-5, abs_tol=1e-9)


def mqtt_source(name: str, port: int, address: Mapping[str, str | int]) -> MqttSource:
    """A source that hears one device of a profile."""
    config = MqttConfig(host="127.0.0.1", port=port, version="3.1.1")
    site = Site("s1", Text("一号", "One"))
    return MqttSource(config, [bound(name, address)], SiteClock(), site=site, name="s")
