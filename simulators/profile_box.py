"""A device of any profile on an MQTT broker."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from simulators.device_model import load_model, note
from simulators.message_shape import Message, MessageShape
from simulators.scenario import ProfileParams
from simulators.sparkplug_shape import SparkplugShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.mqtt_device import Run
    from simulators.scenario import Device

_EVERY = 10.0  # s between two messages
_SOON = 0.05  # s: half of the time between two looks


class ProfileBox:
    """A device of any model, with the topics and payloads that its profile names."""

    def __init__(self, device: Device, run: Run) -> None:
        if not isinstance(device.params, ProfileParams):
            raise TypeError(f"{device.id} has no profile")
        self._device = device.id
        self._run = run
        self._shape = _shape(device)
        self._told_at = -math.inf
        self._stamp = 0
        self._step = 0

    def connecting(self) -> None:
        """A connection begins."""
        self._shape.connecting()

    def presence(self, *, online: bool) -> list[Message]:
        """What says that it is there, or gone."""
        return self._shape.presence(online=online)

    def look(self) -> Iterator[Message]:
        """The messages that are due, if any."""
        now, at = time.monotonic(), self._run.stage.now()
        faults = self._run.stage.scenario.active(self._device, at)
        if "sensor_silent" in faults or now - self._told_at < (self._run.period or _EVERY) - _SOON:
            return
        self._told_at = now
        step = int(1000 * float(faults.get("clock_step", 0.0)))
        if step != self._step:
            self._step, self._stamp = step, 0
        self._stamp = max(self._stamp + 1, time.time_ns() // 1_000_000 + step)
        messages = self._shape.at(at, self._stamp)
        note(self._run.said.setdefault(self._device, {}), self._shape.says)
        yield from messages


def address_of(device: Device) -> dict[str, str]:
    """The named parts of the topics of a device of a profile, by which a gateway knows it."""
    return _shape(device).address


def _shape(device: Device) -> MessageShape | SparkplugShape:
    assert isinstance(device.params, ProfileParams)  # noqa: S101  the caller chose it by its kind
    model = load_model(device.params.profile)
    shape = SparkplugShape if model.mqtt is not None and "sparkplug" in model.mqtt else MessageShape
    return shape(model, device.address, device.id)
