"""Profiles: how the payload fields or registers of one device model become points.

profile (a device model) ─┐
device + address          ├─ Binding ─> decoder (mqtt) | poll plan (modbus)
points of its asset      ─┘
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from daemon.documents import Span, Strict, build, read
from daemon.model import ConfigError, Device, Point, PointKind
from daemon.model import Text as ModelText
from daemon.sensors.payload import JsonField, Timestamp, check_topic
from daemon.sensors.registers import RegisterField
from daemon.units import canonical


class Words(Strict):
    """The same words in Chinese and in English."""

    zh: str
    en: str

    def text(self) -> ModelText:
        """As the dictionary has it."""
        return ModelText(self.zh, self.en)


class PointSpec(Strict):
    """One point of a device model: what it measures, and where its value is found."""

    kind: PointKind = PointKind.GAUGE
    unit: str = ""
    title: Words | None = None
    #: Plausible range in the unit, ends included; outside it a reading is bad.
    range: tuple[float, float] | None = None
    #: The time between readings that the device promises.
    interval: Span | None = None
    #: `on_change`: it speaks only when it changes, and holds its state while its device is alive.
    report: Literal["interval", "on_change"] = "interval"
    #: A change of its value is committed at once.
    urgent: bool = False
    json_field: JsonField | None = Field(default=None, alias="json")
    register_field: RegisterField | None = Field(default=None, alias="register")

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        return canonical(unit)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.json_field is None) == (self.register_field is None):
            raise ValueError("a point has exactly one of json and register; write where its value is found")
        if self.range is not None and self.range[0] > self.range[1]:
            raise ValueError(f"the range {list(self.range)} is upside down; write [low, high]")
        if self.kind in (PointKind.STATE, PointKind.CODE) and (self.unit or self.range):
            raise ValueError(f"a {self.kind} point has labels, no unit and no range; remove them or make it a gauge")
        if self.kind in (PointKind.GAUGE, PointKind.COUNTER) and self.labelled:
            raise ValueError(f"a {self.kind} point has numbers, no labels; remove map and contains or make it a state")
        return self

    @property
    def labelled(self) -> bool:
        """Whether the field yields labels by a table of codes, membership or a fixed set."""
        if self.json_field is not None:
            return self.json_field.labelled
        return self.register_field is not None and bool(self.register_field.map)


class Presence(Strict):
    """The topic on which a device, or its last will, says whether it is there."""

    topic: str
    #: Payloads, compared as they are.
    online: str = "true"
    offline: str = "false"

    _topic = field_validator("topic")(check_topic)


class MqttPart(Strict):
    """Where a device model publishes."""

    #: Patterns with named parts (`lifts/{lift}/status`); `+` and `#` are allowed too.
    topics: tuple[str, ...] = Field(min_length=1)
    presence: Presence | None = None
    #: Where the message tells its own time; without it the time of receipt counts.
    timestamp: Timestamp | None = None

    @field_validator("topics")
    @classmethod
    def _topics(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_topic(topic) for topic in topics)


class ModbusPart(Strict):
    """How a device model wants to be polled."""

    interval: Span = timedelta(seconds=5)
    #: Most registers in one request; the protocol's own limit is 125.
    max_block: int = Field(default=125, ge=2, le=125)
    #: Registers nobody asked for that may lie between two that are read in one request.
    max_gap: int = Field(default=8, ge=0, le=124)


class Profile(Strict):
    """One device model."""

    version: Literal[1]
    profile: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: Words
    #: Device silent for longer: gone.
    alive_within: Span
    #: A reading whose source time lies further back at receipt is late.
    late_after: Span = timedelta(seconds=60)
    #: A source time further ahead than this is replaced by the time of receipt.
    clock_skew: Span = timedelta(minutes=5)
    mqtt: MqttPart | None = None
    modbus: ModbusPart | None = None
    points: dict[str, PointSpec] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_wire(self) -> Self:
        if (self.mqtt is None) == (self.modbus is None):
            raise ValueError("a profile has exactly one of mqtt and modbus")
        for name, spec in self.points.items():
            if not name.isidentifier() or not name.isascii():
                raise ValueError(f"point {name!r}: a name has letters, digits and _ only, and begins with a letter")
            if name == "time" or (name.endswith("_q") and name.removesuffix("_q") in self.points):
                raise ValueError(f"point {name!r}: this field name is the time series' own; choose another")
            if (spec.json_field is None) == (self.mqtt is not None):
                raise ValueError(f"point {name!r}: a profile with mqtt has json fields, one with modbus registers")
        return self


@dataclass(frozen=True, slots=True)
class Binding:
    """One device on the site: what it is, where it is found, and the points it feeds."""

    device: Device
    profile: Profile
    #: Named parts of the topic (`{"lift": "L1"}`), or `{"unit": 1}`.
    address: Mapping[str, str | int]
    #: By the profile's point names.
    points: Mapping[str, Point]


def make_points(profile: Profile, device: Device) -> dict[str, Point]:
    """The points that a device of this profile gives its asset, by name."""
    return {
        name: Point(
            id=f"{device.asset}.{name}",
            asset=device.asset,
            device=device.id,
            name=name,
            unit=spec.unit,
            kind=spec.kind,
            low=spec.range[0] if spec.range else None,
            high=spec.range[1] if spec.range else None,
            interval=spec.interval,
            on_change=spec.report == "on_change",
            urgent=spec.urgent,
        )
        for name, spec in profile.points.items()
    }


def load_profiles(paths: Iterable[Path]) -> dict[str, Profile]:
    """Read profiles, one a file; the result is keyed by their names.

    Raises:
        ConfigError: every fault of every file, two files of one name among them.
    """
    found: dict[str, Profile] = {}
    faults: list[str] = []
    for path in sorted(paths):
        try:
            document = read(path)
            profile = build(Profile, document)
        except ConfigError as error:
            faults += error.faults
            continue
        if profile.profile in found:
            place = document.place(("profile",))
            faults.append(f"{place}: the profile {profile.profile!r} is defined twice; rename one of them")
        found[profile.profile] = profile
    if faults:
        raise ConfigError(faults)
    return found
