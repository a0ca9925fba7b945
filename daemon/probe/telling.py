"""What a profile makes of something that arrived, in plain values: the same for a message and for registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.model import Device, Observation
from daemon.sensors.profile import Binding, Profile, make_points

#: Devices made for asking have no asset of their own.
_NAME = "device"


@dataclass(frozen=True, slots=True)
class Told:
    """What one profile made of one message or one set of registers."""

    profile: Profile
    bindings: Sequence[Binding]
    observations: Sequence[Observation]
    #: Topic filters that would be subscribed to.
    filters: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether anything in it was rejected."""
        return any(seen.rejections for seen in self.observations)

    def plain(self) -> dict[str, Any]:
        """`observations` with their readings and rejections, and the points that are `silent`."""
        addresses = {binding.device.id: dict(binding.address) for binding in self.bindings}
        units = {name: spec.unit for name, spec in self.profile.points.items()}
        told = [plain(seen, addresses.get(seen.device), units) for seen in self.observations]
        spoken = {row["point"] for seen in told for row in seen["readings"]}
        return {"observations": told, "silent": [name for name in units if name not in spoken]}


def plain(seen: Observation, address: Mapping[str, str | int] | None, units: Mapping[str, str]) -> dict[str, Any]:
    """One observation; `units` by the name of the point."""
    return {
        "address": dict(address) if address is not None else None,
        "gone": seen.gone,
        "readings": [
            {
                "point": (name := reading.point.partition(".")[2]),
                "value": reading.value,
                "unit": units.get(name, ""),
                "at": reading.at.isoformat(timespec="milliseconds"),
                "quality": reading.quality,
                "reason": reading.reason,
            }
            for reading in seen.readings
        ],
        "rejections": [
            {"path": _path(rejection.place), "reason": rejection.reason, "detail": rejection.detail}
            for rejection in seen.rejections
        ],
    }


def _path(place: str) -> str:
    """Where in the message, or which register: the end of a place."""
    return place.rpartition(":" if place.startswith("modbus:") else "#")[2]


def bind(profile: Profile, address: Mapping[str, str | int], number: int = 0) -> Binding:
    """A device of this model that nobody has declared."""
    device = Device(f"{_NAME}{number}", f"{_NAME}{number}", "decode", profile.alive_within)
    return Binding(device, profile, address, make_points(profile, device))
