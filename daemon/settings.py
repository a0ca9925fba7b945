"""Configuration: gateway.yaml, assets.yaml, profiles and rules, read together and checked together.

gateway.yaml ──> sources, influx, ticketing, store          (each model lives beside its adapter)
assets.yaml ───> Catalogue (site, assets, devices, points), Bindings by source (assets.py), overrides of rules
profiles/ ─────> what a device model says                   (shipped ones are always known)
rules/ ────────> Ruleset
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ByteSize, Field, model_validator

from daemon.assets import Assets, Placement, Wire
from daemon.documents import Document, Location, Strict, build, read
from daemon.model import Catalogue, ConfigError
from daemon.outputs.influx import InfluxConfig
from daemon.outputs.ticketing import TicketingConfig
from daemon.rules.schema import Ruleset
from daemon.rules.schema import load as load_rules
from daemon.sensors.modbus import ModbusConfig
from daemon.sensors.mqtt import MqttConfig
from daemon.sensors.profile import Binding, Profile, load_profiles

_REFERENCE = re.compile(r"^\$\{(cred|file|env):([^}]+)\}$")
_SECRETS = frozenset({"password", "token", "secret"})


def shipped() -> Path:
    """The configuration that travels with the program: inside the wheel, or beside the sources."""
    inside = Path(__file__).parent / "config"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "config"


# --- gateway.yaml ------------------------------------------------------------------------------------------


class SourceConfig(Strict):
    """One peer that devices speak over."""

    mqtt: MqttConfig | None = None
    modbus: ModbusConfig | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.mqtt is None) == (self.modbus is None):
            raise ValueError("a source has exactly one of mqtt and modbus")
        return self

    @property
    def wire(self) -> Wire:
        """What it speaks."""
        return "mqtt" if self.mqtt is not None else "modbus"


class StoreConfig(Strict):
    """Bounds of the one file."""

    #: Above this, telemetry that has been forwarded is deleted, oldest first.
    max_size: ByteSize = ByteSize(1024**3)
    #: Disk space that is left to alarms, orders and their delivery: below it nothing new is acknowledged.
    reserve: ByteSize = ByteSize(64 * 1024**2)


class Gateway(Strict):
    """gateway.yaml: where things are."""

    version: Literal[1]
    #: Holds state.db; relative to this file.
    state_dir: Path = Path("/var/lib/precomplaint")
    #: Default: control.sock in the state directory.
    control_socket: Path | None = None
    assets: Path = Path("assets.yaml")
    #: Directories of profiles beside the shipped ones.
    profiles: tuple[Path, ...] = ()
    #: Directories or files of rules; `shipped` stands for the starter rules.
    rules: tuple[Path | Literal["shipped"], ...] = ("shipped",)
    sources: dict[str, SourceConfig] = Field(min_length=1)
    influx: InfluxConfig
    ticketing: TicketingConfig
    store: StoreConfig = StoreConfig()


# --- all of it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything, checked."""

    directory: Path
    gateway: Gateway
    catalogue: Catalogue
    #: By source name.
    bindings: Mapping[str, tuple[Binding, ...]]
    ruleset: Ruleset

    @property
    def state_dir(self) -> Path:
        """Where state.db lies."""
        return self.directory / self.gateway.state_dir

    @property
    def control_socket(self) -> Path:
        """Where commands are taken."""
        return self.directory / (self.gateway.control_socket or self.gateway.state_dir / "control.sock")


def load(path: Path, *, secrets: bool = True) -> Configuration:
    """Read gateway.yaml (or the directory that holds it) and everything it names.

    Without `secrets`, those stay the references that they are, and certificates are not looked at: for work on rules
    on another machine than the gateway.

    Raises:
        ConfigError: every fault of every file that could be reached, each with its place.
    """
    path = path / "gateway.yaml" if path.is_dir() else path
    gateway = load_gateway(path, secrets=secrets)
    directory = path.parent
    profile_files = _yaml_files([shipped() / "profiles", *(directory / p for p in gateway.profiles)])
    document, assets, profiles = _site(directory / gateway.assets, profile_files)
    placed = Placement(document, assets, profiles, {name: source.wire for name, source in gateway.sources.items()})
    catalogue, bindings = placed.build()
    faults = placed.faults
    overrides = {(a.id, rule): change for a in assets.assets for rule, change in a.overrides.items()}
    try:
        ruleset = load_rules(rule_files(gateway, directory), catalogue, overrides)
        ruleset = replace(ruleset, arrangements=assets.arrangements)
        rules = {rule.id: rule for rule in ruleset.rules}
        faults += [f"{document.name}: {fault}" for fault in ruleset.arrangements.faults(catalogue, rules)]
    except ConfigError as error:
        raise ConfigError([*faults, *error.faults]) from error
    if faults:
        raise ConfigError(faults)
    return Configuration(directory, gateway, catalogue, bindings, ruleset)


def _site(assets: Path, profiles: list[Path]) -> tuple[Document, Assets, dict[str, Profile]]:
    """What stands on the site and what its devices say; the faults of both come together."""
    document, faults = Document(str(assets), None), []
    found, known = None, None
    try:
        document = read(assets)
        found = build(Assets, document)
    except ConfigError as error:
        faults += error.faults
    try:
        known = load_profiles(profiles)
    except ConfigError as error:
        faults += error.faults
    if found is None or known is None:
        raise ConfigError(faults)
    return document, found, known


def load_gateway(path: Path, *, secrets: bool = True) -> Gateway:
    """gateway.yaml alone, its secrets resolved, its certificates readable.

    Raises:
        ConfigError: every fault, each with its place; the text of a secret is never part of one.
    """
    document = read(path)
    faults: list[str] = []
    if secrets:
        document.data = _resolve(document.data, document, (), faults)
    if faults:
        raise ConfigError(faults)
    gateway = build(Gateway, document)
    if not secrets:
        return gateway
    for name, source in gateway.sources.items():
        peers = {
            ("mqtt", "tls"): source.mqtt.tls if source.mqtt is not None else None,
            ("modbus", "tcp", "tls"): source.modbus.tls if source.modbus is not None else None,
        }
        for keys, tls in peers.items():
            try:
                if tls is not None:
                    tls.context()
            except ConfigError as error:
                place = document.place(("sources", name, *keys))
                faults += [f"{place}: {fault}" for fault in error.faults]
    if faults:
        raise ConfigError(faults)
    return gateway


def control_socket(path: Path) -> Path:
    """Where a daemon with this configuration takes commands; secrets are not needed to ask.

    Raises:
        ConfigError: gateway.yaml cannot be read.
    """
    path, given = _unchecked(path)
    named = given.get("control_socket")
    return path.parent / str(named) if named else state_dir(path) / "control.sock"


def state_dir(path: Path) -> Path:
    """Where a daemon with this configuration keeps its state; secrets are not needed to look.

    Raises:
        ConfigError: gateway.yaml cannot be read.
    """
    path, given = _unchecked(path)
    return path.parent / Path(str(given.get("state_dir", Gateway.model_fields["state_dir"].default)))


def _unchecked(path: Path) -> tuple[Path, Mapping[str, Any]]:
    path = path / "gateway.yaml" if path.is_dir() else path
    data = read(path).data
    return path, data if isinstance(data, dict) else {}


def rule_files(gateway: Gateway, directory: Path) -> list[Path]:
    """The rule files that gateway.yaml names, tests left out."""
    places = [shipped() / "rules" if entry == "shipped" else directory / entry for entry in gateway.rules]
    return [f for f in _yaml_files(places) if not f.name.endswith(".test.yaml")]


def _yaml_files(places: list[Path]) -> list[Path]:
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise ConfigError([f"{place}: does not exist; correct the path in gateway.yaml"])
        found += sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    return found


def _resolve(value: Any, document: Document, place: Location, faults: list[str]) -> Any:  # noqa: ANN401  YAML is any
    if isinstance(value, dict):
        return {key: _resolve(inner, document, (*place, key), faults) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(inner, document, (*place, n), faults) for n, inner in enumerate(value)]
    if isinstance(value, str) and place[-2:-1] == ("tls",):
        return str(Path(document.name).parent / value)  # relative to the file, wherever we are started
    match = _REFERENCE.match(value) if isinstance(value, str) else None
    if match is None:
        if place and place[-1] in _SECRETS:
            faults.append(
                f"{document.place(place)}: a secret must not stand in YAML; write ${{cred:NAME}} (systemd credential), "
                "${file:PATH} or ${env:NAME}"
            )
        return value
    kind, name = match.groups()
    try:
        return _secret(kind, name, Path(document.name).parent)
    except (OSError, KeyError) as error:
        what = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else "not set"
        faults.append(f"{document.place(place)}: {value} cannot be read: {what}")
        return value


def _secret(kind: str, name: str, directory: Path) -> str:
    if kind == "env":
        return os.environ[name]
    if kind == "file":
        path = Path(name)
    elif handed_over := os.environ.get("CREDENTIALS_DIRECTORY"):
        # systemd names the files of a whole credential directory `<id>_<file>`
        path = Path(handed_over) / f"precomplaint_{name}"
    else:  # run by hand, for instance `check`: where the unit has them from
        path = directory / "credentials" / name
    return path.read_text(encoding="utf-8").strip()
