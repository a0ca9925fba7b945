"""Configuration: gateway.yaml, assets.yaml, profiles and rules, read together and checked together.

gateway.yaml ──> sources, influx, ticketing, store          (each model lives beside its adapter)
assets.yaml ───> Catalogue (site, assets, devices, points), Bindings by source (assets.py), overrides of rules
profiles/ ─────> what a device model says                   (shipped ones are always known)
rules/ ────────> Ruleset
sla/ ──────────> the response mechanism
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import ByteSize, Field, TypeAdapter, ValidationError, model_validator

from daemon.assets import Assets, Placement, Sound, Wire
from daemon.documents import Document, Span, Strict, build, read
from daemon.model import Catalogue, ConfigError
from daemon.outputs.influx import InfluxConfig
from daemon.outputs.notify.channels import ChannelConfig
from daemon.outputs.ticketing.opening import AnyTicketing
from daemon.outputs.ticketing.presets import lay_under
from daemon.outputs.ticketing.review import faults_of, faults_on_site
from daemon.rules.lints import review
from daemon.rules.schema import Overrides, Ruleset, load_files, shape_faults
from daemon.sensors.modbus import ModbusConfig
from daemon.sensors.mqtt import MqttConfig
from daemon.sensors.profile import Binding, read_profiles
from daemon.vault import resolve
from daemon.workorders.sla import Sla

T = TypeVar("T")


def shipped() -> Path:
    """The configuration that travels with the program: inside the wheel, or beside the sources."""
    inside = Path(__file__).parent / "config"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "config"


@cache
def familiar() -> frozenset[str]:
    """The names of points that the starter rules look at: where a site has them not that is no slip of the pen."""
    files = (path for path in (shipped() / "rules").glob("*.yaml") if not path.name.endswith(".test.yaml"))
    found = (re.findall(r"\b(?:point|per): (\w+)", path.read_text(encoding="utf-8")) for path in files)
    return frozenset(name for names in found for name in names)


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
    #: Alarms that are over, finished orders and the audit are forgotten after this.
    keep_decisions: Span = timedelta(days=400)


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
    ticketing: AnyTicketing
    #: The response mechanism: a shipped one by its name (`residential`, `shopping-mall`), or a file.
    sla: Path = Path("residential")
    #: Who is told, by channel.
    notify: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")], ChannelConfig] = Field(
        default_factory=dict
    )
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
    #: The response mechanism.
    sla: Sla
    #: What is suspicious, but no fault.
    lints: tuple[str, ...] = ()

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

    What is wrong with one file, profile or asset hides nothing that is wrong with another: rules are checked against
    all that is sound, and nothing is said of what hangs on the rest.

    Without `secrets`, those stay the references that they are, and certificates are not looked at: for work on rules
    on another machine than the gateway.

    Raises:
        ConfigError: every fault of every file that could be reached, each with its place.
    """
    path = path / "gateway.yaml" if path.is_dir() else path
    directory, faults = path.parent, _Faults()
    gateway = faults.catch(lambda: load_gateway(path, secrets=secrets))
    draft = _draft(path, faults) if gateway is None else _Draft.of(gateway)
    profile_files = _existing([shipped() / "profiles", *(directory / p for p in draft.profiles)], faults)
    profiles = read_profiles(profile_files)
    faults += profiles.faults
    document = faults.catch(lambda: read(directory / draft.assets))
    assets = faults.catch(lambda: build(Assets, document)) if document is not None else None
    places = [shipped() / "rules" if entry == "shipped" else directory / entry for entry in draft.rules]
    rules = [file for file in _existing(places, faults) if not file.name.endswith(".test.yaml")]
    if document is None:
        raise ConfigError([*faults, *shape_faults(rules)])
    sound = Sound.whole(assets) if assets is not None else Sound.part(document.data)
    placed = Placement(document, sound, profiles.found, draft.wires, profiles.unsound)
    catalogue, bindings = placed.build()
    faults += placed.faults
    names = familiar().union(*profiles.unsound.values())
    loaded = faults.catch(lambda: load_files(rules, catalogue, *_overrides(document, sound), familiar=names))
    if loaded is not None and assets is not None:
        loaded = loaded._replace(ruleset=replace(loaded.ruleset, arrangements=assets.arrangements))
        known = {rule.id: rule for rule in loaded.ruleset.rules}
        faults += [f"{document.name}: {fault}" for fault in assets.arrangements.faults(catalogue, known)]
    if gateway is not None and assets is not None:
        faults += faults_on_site(gateway.ticketing, _with_preset(path), catalogue)
    sla = faults.catch(lambda: load_sla(draft.sla, directory))
    if sla is not None and loaded is not None:
        faults += _unknown_procedures(loaded.ruleset, sla)
    if gateway is None or loaded is None or sla is None or faults:
        raise ConfigError(faults)
    lints = [*review(loaded, {str(file) for file in rules if file.is_relative_to(shipped())}), *_exposed(path, gateway)]
    return Configuration(directory, gateway, catalogue, bindings, loaded.ruleset, sla, tuple(lints))


def _exposed(path: Path, gateway: Gateway) -> Iterator[str]:
    """What others than this machine can reach."""
    webhook = gateway.ticketing.webhook
    if webhook is not None and webhook.beyond_this_machine:
        place = read(path).place(("ticketing", "webhook", "listen"))
        yield (
            f"{place}: the webhook listens on {webhook.listen}, beyond this machine, and speaks no TLS; "
            "listen on 127.0.0.1 behind a proxy that does, or see to it that nobody else is on that network"
        )


def _overrides(document: Document, assets: Sound) -> tuple[Overrides, Mapping[tuple[str, str], str]]:
    """What is different about rules on assets, and where that stands."""
    changes, places = {}, {}
    for n, asset in assets.assets.items():
        for rule, change in asset.overrides.items():
            changes[asset.id, rule] = change
            places[asset.id, rule] = document.place(("assets", n, "overrides", rule))
    return changes, places


def load_sla(named: Path, directory: Path) -> Sla:
    """The response mechanism: a shipped one, or one of the site's own, relative to gateway.yaml.

    Raises:
        ConfigError: there is none, or it has faults.
    """
    shipped_ones = {file.stem: file for file in sorted((shipped() / "sla").glob("*.yaml"))}
    own = directory / named
    if str(named) not in shipped_ones and not own.is_file():
        raise ConfigError([f"{own}: there is no such response mechanism; shipped are {', '.join(shipped_ones)}"])
    return build(Sla, read(shipped_ones.get(str(named), own)))


def _unknown_procedures(ruleset: Ruleset, sla: Sla) -> list[str]:
    known = ", ".join(sla.procedures) or "none"
    return [
        f"rule {rule.id}: procedure: {sla.sla} has no procedure {rule.work_order.procedure!r}; known: {known}"
        for rule in ruleset.rules
        if rule.work_order.procedure is not None and rule.work_order.procedure not in sla.procedures
    ]


class _Faults(list[str]):
    """What was wrong so far."""

    def catch(self, attempt: Callable[[], T]) -> T | None:
        """What comes of it; None when it has faults, which are kept."""
        try:
            return attempt()
        except ConfigError as error:
            self.extend(error.faults)
            return None


class _Draft(NamedTuple):
    """What must be known of gateway.yaml to read the other files."""

    assets: Path
    profiles: Sequence[Path]
    rules: Sequence[Path | str]
    #: By source; None when it cannot be told what there is.
    wires: Mapping[str, Wire] | None
    sla: Path

    @classmethod
    def of(cls, gateway: Gateway) -> _Draft:
        wires = {name: source.wire for name, source in gateway.sources.items()}
        return cls(gateway.assets, gateway.profiles, gateway.rules, wires, gateway.sla)


def _draft(path: Path, faults: list[str]) -> _Draft:
    """The same of a gateway.yaml that has faults: what stands there as far as it can be read, else the defaults.

    Raises:
        ConfigError: there is none.
    """
    if not path.exists():
        raise ConfigError(faults)
    try:
        data = read(path).data
    except ConfigError:  # told already
        data = None
    data = data if isinstance(data, dict) else {}

    def given(key: str) -> Any:  # noqa: ANN401  as the field has it
        field = Gateway.model_fields[key]
        try:
            return TypeAdapter[Any](field.annotation or object).validate_python(data[key])
        except (KeyError, ValidationError):
            return field.default

    wires: dict[str, Wire] | None = {}
    sources = data.get("sources")
    for name, source in sources.items() if isinstance(sources, dict) else ():
        wire: Wire | None = "mqtt" if "mqtt" in (source or ()) else "modbus" if "modbus" in (source or ()) else None
        wires = {**wires, name: wire} if wires is not None and wire is not None else None
    return _Draft(given("assets"), given("profiles"), given("rules"), wires or None, given("sla"))


def load_gateway(path: Path, *, secrets: bool = True) -> Gateway:
    """gateway.yaml alone, its secrets resolved, its certificates readable.

    Raises:
        ConfigError: every fault, each with its place; the text of a secret is never part of one.
    """
    document = _with_preset(path)
    faults: list[str] = []
    if secrets:
        document.data = resolve(document, faults)
    try:
        gateway = build(Gateway, document)
    except ConfigError as error:
        raise ConfigError([*faults, *error.faults]) from error
    faults += faults_of(gateway.ticketing, document)
    if faults:
        raise ConfigError(faults)
    if secrets and (untrusted := _certificates(gateway, document)):
        raise ConfigError(untrusted)
    return gateway


def _with_preset(path: Path) -> Document:
    return lay_under(read(path), shipped() / "ticketing" / "presets")


def _certificates(gateway: Gateway, document: Document) -> list[str]:
    faults: list[str] = []
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
    return faults


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


def _existing(places: Iterable[Path], faults: list[str]) -> list[Path]:
    """The files among them and in the directories among them; what is not there is a fault."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += sorted(place.glob("*.yaml"))
        elif place.exists():
            found.append(place)
        else:
            faults.append(f"{place}: does not exist; correct the path in gateway.yaml")
    return found
