"""assets.yaml: what stands on the site, and how profiles are put on it.

asset + device (profile, source, address) ──> Device, Points, Binding ──> Catalogue
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator

from daemon.documents import Document, Location, Strict
from daemon.model import Asset, Catalogue, Device, Point, Site, Text
from daemon.rules.arrangements import Arrangements, DependencySpec, MaintenanceSpec
from daemon.rules.derived import DerivedSpec, declare_all
from daemon.sensors.codes import Words
from daemon.sensors.profile import Binding, PointLimits, Profile, make_points
from daemon.sensors.topics import fits_topic

ID = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Wire = Literal["mqtt", "modbus"]


class DeviceSpec(Strict):
    """One device of an asset: its model, the source it speaks over, and its address there."""

    #: Default: `<asset>/<profile>`.
    id: str | None = None
    profile: str
    source: str
    address: dict[str, str | int] = Field(default_factory=dict)
    #: By the profile's point names: what is different of this very device, e.g. `{outlet_pressure: {range: [0, 1]}}`.
    points: dict[str, PointLimits] = Field(default_factory=dict)


class AssetSpec(Strict):
    """A lift, a pump room, a water zone."""

    id: str = Field(pattern=ID)
    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: Words
    building: str = ""
    households: int = Field(default=0, ge=0)
    tags: tuple[str, ...] = ()
    devices: tuple[DeviceSpec, ...] = Field(min_length=1)
    #: Points computed from others: `{worst_pressure: {unit: MPa, value: "outlet_pressure - 0.0098 MPa/m * 24 m"}}`.
    derived: dict[str, DerivedSpec] = Field(default_factory=dict)
    #: What it needs to work: `[{asset: room-1, rules: [pwr.lost]}]`; its alarms are children of what is lost there.
    depends_on: tuple[DependencySpec, ...] = ()
    #: By rule id: what is different for this asset, e.g. `{wat.burst: {for: 30s}}`.
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)


class SiteSpec(Strict):
    """The property."""

    id: str = Field(pattern=ID)
    name: Words
    timezone: str = "Asia/Shanghai"

    @field_validator("timezone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{zone!r} is no IANA time zone; write one such as Asia/Shanghai") from error
        return zone

    def build(self) -> Site:
        """As the rest of the house knows it."""
        return Site(self.id, self.name.text(), self.timezone)


class Assets(Strict):
    """assets.yaml: what stands on the site."""

    version: Literal[1]
    site: SiteSpec
    assets: tuple[AssetSpec, ...] = Field(min_length=1)
    #: Planned work, during which orders are withheld.
    maintenance: tuple[MaintenanceSpec, ...] = ()

    @property
    def arrangements(self) -> Arrangements:
        """Maintenance, and what hangs on what."""
        return Arrangements(self.maintenance, {one.id: one.depends_on for one in self.assets if one.depends_on})


@dataclass(frozen=True, slots=True)
class Sound:
    """What of assets.yaml has no fault of its own."""

    site: Site
    #: By their places in the file.
    assets: Mapping[int, AssetSpec]
    #: Those that have faults, by name only: rules may speak of them.
    others: tuple[Asset, ...] = ()

    @classmethod
    def whole(cls, assets: Assets) -> Sound:
        """All of it."""
        return cls(assets.site.build(), dict(enumerate(assets.assets)))

    @classmethod
    def part(cls, data: Any) -> Sound:  # noqa: ANN401  whatever YAML holds
        """What can be made use of in a file that has faults; the time zone is the usual one where that is wrong."""
        data = data if isinstance(data, dict) else {}
        try:
            site = SiteSpec.model_validate(data.get("site")).build()
        except ValidationError:
            site = Site("site", Text("", ""), SiteSpec.model_fields["timezone"].default)
        found: dict[int, AssetSpec] = {}
        others: list[Asset] = []
        given = data.get("assets")
        for n, entry in enumerate(given if isinstance(given, list) else ()):
            try:
                found[n] = AssetSpec.model_validate(entry)
            except ValidationError:
                name, kind = (
                    (str(entry.get(key, "")) for key in ("id", "kind")) if isinstance(entry, dict) else ("", "")
                )
                others.append(Asset(name, kind, Text(name, name)))
        return cls(site, found, tuple(others))


class Placement:
    """Puts profiles on assets: devices, points and bindings, with all faults collected."""

    def __init__(
        self,
        document: Document,
        assets: Sound,
        profiles: Mapping[str, Profile],
        wires: Mapping[str, Wire] | None,
        unsound: Container[str] = (),
    ) -> None:
        """Begin.

        Args:
            document: assets.yaml.
            assets: what of it is sound.
            profiles: those that are sound.
            wires: which wire each source speaks, by its name; None when that is not known.
            unsound: names of profiles that are there, and have faults.
        """
        self._document = document
        self._assets = assets
        self._unsound = unsound
        self._profiles = profiles
        self._wires = wires
        self.faults: list[str] = []
        self._devices: dict[str, Device] = {}
        self._points: dict[str, Point] = {}
        self._bindings: dict[str, list[Binding]] = {name: [] for name in wires or ()}

    def build(self) -> tuple[Catalogue, dict[str, tuple[Binding, ...]]]:
        """The catalogue, and the bindings by source; what was wrong stands in `faults` afterwards."""
        seen: set[str] = set()
        assets: list[Asset] = []
        for n, spec in self._assets.assets.items():
            if spec.id in seen:
                self._fault(("assets", n, "id"), f"the asset {spec.id!r} stands here twice; rename one of them")
            seen.add(spec.id)
            assets.append(
                Asset(spec.id, spec.kind, spec.name.text(), spec.building, spec.households, tuple(spec.tags)),
            )
            for m, device in enumerate(spec.devices):
                self._place(spec, device, ("assets", n, "devices", m))
        catalogue = Catalogue(
            self._assets.site,
            (*assets, *self._assets.others),
            tuple(self._devices.values()),
            tuple(self._points.values()),
        )
        catalogue = self._derive(catalogue)
        return catalogue, {name: tuple(found) for name, found in self._bindings.items()}

    def _derive(self, measured: Catalogue) -> Catalogue:
        """With the points that are computed."""
        placed = self._assets.assets
        specs = {(asset.id, name): spec for asset in placed.values() for name, spec in asset.derived.items()}
        found, faults = declare_all(specs, measured)
        places = {asset.id: n for n, asset in placed.items()}
        for (asset, name), what in faults.items():
            if self._is_known(specs[asset, name], placed[places[asset]]):
                self._fault(("assets", places[asset], "derived", name), f"the derived point {name!r}: {what}")
        return replace(measured, points=(*measured.points, *found))

    def _place(self, asset: AssetSpec, spec: DeviceSpec, place: Location) -> None:
        profile = self._profiles.get(spec.profile)
        wire = self._wires.get(spec.source) if self._wires is not None else None
        if profile is None and spec.profile not in self._unsound:
            known = ", ".join(sorted(self._profiles))
            self._fault((*place, "profile"), f"no profile is named {spec.profile!r}; known: {known}")
        if wire is None and self._wires is not None:
            known = ", ".join(sorted(self._wires))
            self._fault((*place, "source"), f"gateway.yaml has no source {spec.source!r}; known: {known}")
        if profile is None or (wire is None and self._wires is not None):
            return
        spoken = "mqtt" if profile.mqtt is not None else "modbus"
        if wire is not None and spoken != wire:
            self._fault(
                (*place, "source"), f"the profile {spec.profile!r} speaks {spoken}, the source {spec.source!r} does not"
            )
            return
        self._check_address(profile, spec, place)
        try:
            profile = profile.limited(spec.points)
        except ValueError as error:
            self._fault((*place, "points"), str(error))
        device = Device(spec.id or f"{asset.id}/{profile.profile}", asset.id, spec.source, profile.alive_within)
        if device.id in self._devices:
            self._fault(place, f"the device {device.id!r} stands here twice; give one of them an `id`")
        points = make_points(profile, device)
        for point in points.values():
            if point.id in self._points:
                self._fault(place, f"two devices of {asset.id!r} both give a point {point.name!r}")
        self._devices[device.id] = device
        self._points.update({point.id: point for point in points.values()})
        self._bindings.setdefault(spec.source, []).append(Binding(device, profile, spec.address, points))

    def _is_known(self, derived: DerivedSpec, asset: AssetSpec) -> bool:
        """Whether all that it may stand on is sound: else what it lacks may stand where there are faults."""
        local = "[" not in derived.value and "sum(" not in derived.value
        around = [asset] if local else list(self._assets.assets.values())
        complete = all(device.profile not in self._unsound for one in around for device in one.devices)
        return complete and (local or not self._assets.others)

    def _check_address(self, profile: Profile, spec: DeviceSpec, place: Location) -> None:
        wanted = set(profile.address_parts)
        for name in sorted(wanted - set(spec.address)):
            self._fault(place, f"the profile {profile.profile!r} needs `address: {{{name}: …}}`")
        unit = spec.address.get("unit", 0)
        if profile.modbus is not None and not (isinstance(unit, int) and 0 <= unit <= 255):
            self._fault((*place, "address", "unit"), f"the unit {unit!r} is no whole number from 0 to 255")
        for name in sorted(set(spec.address) - wanted):
            known = ", ".join(sorted(wanted)) or "none"
            self._fault((*place, "address", name), f"the profile has no address part {name!r}; known: {known}")
        in_topics = wanted.intersection(spec.address, profile.mqtt.topic_parts if profile.mqtt else ())
        for name in sorted(in_topics):
            if not fits_topic(spec.address[name]):
                what = f"{name} is empty, or has one of + and #, which no topic can have; write it as the device does"
                self._fault((*place, "address", name), what)

    def _fault(self, place: Location, what: str) -> None:
        self.faults.append(f"{self._document.place(place)}: {what}")
