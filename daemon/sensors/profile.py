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
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from daemon.documents import Document, Span, Strict, build, read
from daemon.model import ConfigError, Device, Point, PointKind
from daemon.sensors.codes import CodeTable, Words, check_member, find_table, load_tables
from daemon.sensors.loop import Loop
from daemon.sensors.messages import MqttPart
from daemon.sensors.payload import NAMED, JsonField, split_path
from daemon.sensors.register_readers import rollover_of
from daemon.sensors.registers import RegisterField
from daemon.units import canonical, convert, parse

#: Of a span that something is done in again and again: with none at all nothing would ever be fresh, or polled in time.
_SHORTEST = timedelta(milliseconds=10)


class PointSpec(Strict):
    """One point of a device model: what it measures, and where its value is found."""

    kind: PointKind = PointKind.GAUGE
    unit: str = ""
    title: Words | None = None
    #: Plausible range in the unit, ends included; outside it a reading is bad.
    range: tuple[float, float] | None = None
    #: The time between readings that the device promises.
    interval: Annotated[Span, Field(ge=_SHORTEST)] | None = None
    #: `on_change`: it speaks only when it changes, and holds its state while its device is alive.
    report: Literal["interval", "on_change"] = "interval"
    #: A change of its value is committed at once.
    urgent: bool = False
    #: The very same value for so long is a flat line, and bad from then on.
    stuck_after: Span | None = None
    #: A larger change from one reading to the next is a jump: that reading is suspect (`0.3 MPa`).
    spike: str | float | None = None
    #: It comes over a 4-20 mA loop, whose current shows when a wire is broken.
    loop: Loop | None = None
    #: Where a counter begins again at zero, in the unit; a register tells it by its type unless this says otherwise.
    rollover: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
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
        self._check_limits()
        if self.register_field is not None:
            self.register_field.check_point(numbers=self.kind in (PointKind.GAUGE, PointKind.COUNTER), unit=self.unit)
        return self

    def _check_limits(self) -> None:
        """What is told of quality must fit the kind, the unit and the interval."""
        if self.rollover is not None and self.kind is not PointKind.COUNTER:
            raise ValueError(f"a {self.kind} point does not roll over, only a counter does; remove rollover")
        if self.kind is not PointKind.GAUGE:
            found = [name for name in ("stuck_after", "spike", "loop") if getattr(self, name) is not None]
            if found:
                raise ValueError(f"a {self.kind} point has no {' and no '.join(found)}: only a gauge can be judged so")
        if self.spike is not None and convert(parse(self.spike), self.unit, difference=True) <= 0:
            raise ValueError(f"the spike {self.spike} must be more than zero")
        if self.stuck_after is not None and self.stuck_after < 2 * (self.interval or timedelta()):
            raise ValueError(
                "stuck_after is shorter than two intervals; a line takes more readings, write a longer span"
            )

    def worded(self, limits: PointLimits, tables: Mapping[str, CodeTable]) -> Self:
        """The same with a device's own polarity or code table.

        Raises:
            ValueError: they do not fit the point.
        """
        wording = {name: getattr(limits, name) for name in _WORDING if name in limits.model_fields_set}
        if not wording:
            return self
        try:
            return self.model_copy(update=_reworded(self, wording, tables))
        except ValidationError as error:
            raise ValueError(
                "; ".join(found["msg"].removeprefix("Value error, ") for found in error.errors())
            ) from error

    def limited(self, limits: PointLimits) -> Self:
        """The same with a device's own limits.

        Raises:
            ValueError: they do not fit the point.
        """
        spec = self.model_copy(update={n: getattr(limits, n) for n in limits.model_fields_set if n not in _WORDING})
        if spec.range is not None and (spec.kind is not PointKind.GAUGE and spec.kind is not PointKind.COUNTER):
            raise ValueError(f"a {spec.kind} point has labels and no range")
        spec._check_limits()  # noqa: SLF001  a copy of ourselves
        return spec

    @property
    def rolls_over_at(self) -> float | None:
        """Where a counter begins again at zero: as written, else as its register's type tells."""
        if self.kind is not PointKind.COUNTER or "rollover" in self.model_fields_set or self.register_field is None:
            return self.rollover
        return rollover_of(self.register_field)

    @property
    def labelled(self) -> bool:
        """Whether the field yields labels by a table of codes, membership or a fixed set."""
        if self.json_field is not None:
            return self.json_field.labelled
        return self.register_field is not None and bool(self.register_field.map)


class PointLimits(Strict):
    """What one device may have different from its profile; `null` takes a limit away."""

    range: tuple[float, float] | None = None
    interval: Span | None = None
    stuck_after: Span | None = None
    spike: str | float | None = None
    loop: Loop | None = None
    rollover: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    #: Another code table than the profile's, by name or written here: JSON only.
    codes: str | CodeTable | None = None
    #: Raw value to label, in place of the profile's: a box of the other polarity.
    map: dict[str, str] = Field(default_factory=dict)

    @field_validator("range")
    @classmethod
    def _upright(cls, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends is not None and ends[0] > ends[1]:
            raise ValueError(f"the range {list(ends)} is upside down; write [low, high]")
        return ends


#: What of a device's own limits says how a value is read.
_WORDING = ("codes", "map")


def _reworded(spec: PointSpec, wording: dict[str, Any], tables: Mapping[str, CodeTable]) -> dict[str, Any]:
    """The point's field, read anew with other words."""
    if spec.kind not in (PointKind.STATE, PointKind.CODE):
        raise ValueError(f"a {spec.kind} point has numbers; codes and map are for a state or a code")
    if spec.register_field is not None:
        if "codes" in wording:
            raise ValueError("code tables are for JSON; a register has a map")
        written = spec.register_field.model_dump(exclude_unset=True) | wording
        return {"register_field": RegisterField.model_validate(written)}
    assert spec.json_field is not None  # noqa: S101  a point has one of the two
    written = spec.json_field.model_dump(by_alias=True, exclude_unset=True) | wording
    if "codes" in wording and isinstance(wording["codes"], str):
        written["codes"] = find_table(wording["codes"], tables)
    field = JsonField.model_validate(written)
    if isinstance(field.codes, CodeTable) and field.contains is not None:
        check_member(field.contains, field.codes)
    return {"json_field": field}


class ModbusPart(Strict):
    """How a device model wants to be polled."""

    interval: Span = Field(default=timedelta(seconds=5), ge=_SHORTEST)
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
    alive_within: Span = Field(ge=_SHORTEST)
    #: A reading whose source time lies further back at receipt is late.
    late_after: Span = timedelta(seconds=60)
    #: A source time further ahead than this is replaced by the time of receipt.
    clock_skew: Span = timedelta(minutes=5)
    mqtt: MqttPart | None = None
    modbus: ModbusPart | None = None
    points: dict[str, PointSpec] = Field(min_length=1)
    #: The tables beside the profiles, of which a device may name another one.
    _tables: Mapping[str, CodeTable] = PrivateAttr(default_factory=dict)

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
            self._check_loop(name, spec)
        return self

    def _check_loop(self, name: str, spec: PointSpec) -> None:
        if spec.loop is None or spec.loop.current is None:
            return
        current = self.points.get(spec.loop.current)
        if current is None:
            raise ValueError(f"point {name!r}: its loop's current {spec.loop.current!r} is no point of this profile")
        try:
            spec.loop.sound(current.unit)
        except ValueError as error:
            raise ValueError(f"point {name!r}: its loop's current {spec.loop.current!r}: {error}") from error

    def limited(self, limits: Mapping[str, PointLimits]) -> Self:
        """The same with a device's own limits, by the names of points.

        Raises:
            ValueError: there is no such point, or they do not fit it.
        """
        points = dict(self.points)
        for name, own in limits.items():
            if name not in points:
                raise ValueError(f"the profile {self.profile!r} has no point {name!r}; known: {', '.join(points)}")
            try:
                points[name] = points[name].worded(own, self._tables).limited(own)
            except ValueError as error:
                raise ValueError(f"point {name!r}: {error}") from error
        found = self.model_copy(update={"points": points})
        for name in limits:
            found._check_loop(name, points[name])  # noqa: SLF001  a copy of ourselves
        return found

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        if self.mqtt is None:
            return self
        for name, spec in self.points.items():
            field = spec.json_field
            if field is None:
                continue
            if self.mqtt.sparkplug is not None:
                _check_metric(name, field)
            if field.topic is not None and field.topic not in self.mqtt.topics:
                raise ValueError(f"point {name!r}: {field.topic!r} is none of the profile's topics")
            if self.mqtt.payload == "text" and field.path != "$":
                raise ValueError(f"point {name!r}: a text payload has one value, at path $")
            if field.when_absent is not None and field.marker is None and self.mqtt.when is None:
                raise ValueError(f"point {name!r}: when_absent needs a marker that tells which messages have the field")
        if self.mqtt.history is not None and (odd := sorted(set(self.mqtt.history.points) - set(self.points))):
            raise ValueError(f"history: no point is named {odd[0]!r}")
        return self

    @property
    def address_parts(self) -> tuple[str, ...]:
        """What the address of a device of this model must name."""
        if self.mqtt is None:
            return ("unit",)
        inside = self.mqtt.records.parts if self.mqtt.records else ()
        fields = (s.json_field.path for s in self.points.values() if s.json_field)
        named = (name for path in fields for name in NAMED.findall(path))
        return tuple(dict.fromkeys((*self.mqtt.topic_parts, *inside, *named)))


def _check_metric(name: str, field: JsonField) -> None:
    steps = split_path(field.path)
    if len(steps) != 1 or type(steps[0]) is not str:
        hint = 'its name in full, or ["its.name"] where it has dots'
        raise ValueError(
            f"point {name!r}: {field.path!r} leads into an object, a metric of Sparkplug is none; write {hint}"
        )
    if field.topic is not None or field.when_absent is not None:
        raise ValueError(f"point {name!r}: a metric of Sparkplug has no topic and no when_absent; remove them")


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
            rollover=spec.rolls_over_at,
        )
        for name, spec in profile.points.items()
    }


def load_profiles(paths: Iterable[Path]) -> dict[str, Profile]:
    """Read profiles, one a file; the result is keyed by their names.

    Code tables are found in the directory `codes` beside any of the files.

    Raises:
        ConfigError: every fault of every file, two files of one name among them.
    """
    read = read_profiles(paths)
    if read.faults:
        raise ConfigError(list(read.faults))
    return dict(read.found)


class ProfilesRead(NamedTuple):
    """What stands in files of profiles, sound or not."""

    #: Those without a fault, by name.
    found: Mapping[str, Profile]
    faults: tuple[str, ...]
    #: The others, as far as their names can be read, and the names of their points.
    unsound: Mapping[str, frozenset[str]]


def read_profiles(paths: Iterable[Path]) -> ProfilesRead:
    """Read profiles, one a file; as `load_profiles`, but what is wrong with one hides nothing of the others."""
    paths = sorted(paths)
    tables = load_tables(file for folder in {path.parent for path in paths} for file in folder.glob("codes/*.yaml"))
    found: dict[str, Profile] = {}
    faults: list[str] = []
    unsound: dict[str, frozenset[str]] = {}
    for path in paths:
        document = Document(str(path), None)
        try:
            document = read(path)
            profile = with_tables(build(Profile, document), document, tables)
        except ConfigError as error:
            faults += error.faults
            unsound |= _names(document.data)
            continue
        if profile.profile in found:
            place = document.place(("profile",))
            faults.append(f"{place}: the profile {profile.profile!r} is defined twice; rename one of them")
        found[profile.profile] = profile
    return ProfilesRead(found, tuple(faults), unsound)


def _names(data: Any) -> dict[str, frozenset[str]]:  # noqa: ANN401  whatever YAML holds
    """The name of a profile that has faults, and those of its points."""
    if not isinstance(data, dict) or not isinstance(data.get("profile"), str):
        return {}
    points = data.get("points")
    return {data["profile"]: frozenset(map(str, points)) if isinstance(points, dict) else frozenset()}


def with_tables(profile: Profile, document: Document, tables: Mapping[str, CodeTable]) -> Profile:
    """The profile with the code tables that its fields name.

    Raises:
        ConfigError: a table that nobody has defined, or a `contains` that is no label of it.
    """
    points: dict[str, PointSpec] = {}
    faults: list[str] = []
    for name, spec in profile.points.items():
        field = spec.json_field
        if field is None or field.codes is None:
            continue
        place = ("points", name, "json")
        key = "codes"
        try:
            table = find_table(field.codes, tables) if isinstance(field.codes, str) else field.codes
            key = "contains"
            if field.contains is not None:
                check_member(field.contains, table)
        except ValueError as error:
            faults.append(f"{document.place((*place, key))}: {error}")
        else:
            points[name] = spec.model_copy(update={"json_field": field.model_copy(update={"codes": table})})
    if faults:
        raise ConfigError(faults)
    found = profile.model_copy(update={"points": {**profile.points, **points}})
    found._tables = tables  # noqa: SLF001  a copy of ourselves
    return found
