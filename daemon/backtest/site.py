"""The site that a history is of: as it is configured, or as the map of the history describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon import settings
from daemon.backtest.judged import judges_of
from daemon.backtest.mapping import HistoryMap, PaperAsset, heard_only
from daemon.documents import read
from daemon.model import Asset, Catalogue, ConfigError, Device, Point, Reading, Site, Text
from daemon.rules.schema import Overrides, Ruleset, load, rule_paths
from daemon.sensors.judge import Judge, Steadiness
from daemon.units import convert, parse

_NAME = Text("纸上项目", "Site on paper")
_SOURCE = "history"


@dataclass(frozen=True, slots=True)
class KnownSite:
    """What is there, how its values are judged, and what is watched."""

    catalogue: Catalogue
    #: Makes judges that know nothing yet, by device.
    judges: Callable[[], Mapping[str, Judge]]
    overrides: Overrides
    #: The rules of its configuration.
    ruleset: Ruleset | None = None

    def rules(self, paths: Sequence[Path]) -> Ruleset:
        """These rules on this site, with its maintenance and dependencies; overrides of others are left away.

        Raises:
            ConfigError: they have faults.
        """
        for path in paths:
            if not path.exists():
                raise ConfigError([f"{path}: does not exist; name a directory of rules or a file"])
        known = {rule for path in rule_paths(paths) for rule in rules_in(path)}
        changes = {key: change for key, change in self.overrides.items() if key[1] in known}
        found = load(paths, self.catalogue, changes, familiar=settings.familiar())
        return found if self.ruleset is None else replace(found, arrangements=self.ruleset.arrangements)


def heard_by(ruleset: Ruleset, points: frozenset[str]) -> Ruleset:
    """The same rules on what a history can tell of."""
    return replace(ruleset, catalogue=heard_only(ruleset.catalogue, points))


def configured(path: Path) -> KnownSite:
    """The site of gateway.yaml; its secrets are not needed.

    Raises:
        ConfigError: its configuration has faults.
    """
    found = settings.load(path, secrets=False)
    bindings = [binding for group in found.bindings.values() for binding in group]
    return KnownSite(found.catalogue, lambda: judges_of(bindings), found.ruleset.overrides, found.ruleset)


def on_paper(mapping: HistoryMap) -> KnownSite:
    """The site that a map describes.

    Raises:
        ConfigError: a spike does not fit the unit of its point.
    """
    assets = tuple(Asset(spec.id, spec.kind, Text(spec.id, spec.id), tags=spec.tags) for spec in mapping.assets)
    devices = tuple(Device(f"{spec.id}/{_SOURCE}", spec.id, _SOURCE, spec.alive_within) for spec in mapping.assets)
    points = tuple(point for spec in mapping.assets for point in _points(spec))
    site = Site("paper", _NAME, mapping.time.zone or "Asia/Shanghai")
    _judges(mapping.assets, points)
    return KnownSite(Catalogue(site, assets, devices, points), lambda: _judges(mapping.assets, points), {})


def of_ruleset(ruleset: Ruleset) -> KnownSite:
    """The site that a stored ruleset was made for."""
    return KnownSite(ruleset.catalogue, dict, ruleset.overrides, ruleset)


def _points(spec: PaperAsset) -> list[Point]:
    return [
        Point(
            id=f"{spec.id}.{name}",
            asset=spec.id,
            device=f"{spec.id}/{_SOURCE}",
            name=name,
            unit=point.unit,
            kind=point.kind,
            low=point.range[0] if point.range else None,
            high=point.range[1] if point.range else None,
            interval=point.interval,
            on_change=point.report == "on_change",
        )
        for name, point in spec.points.items()
    ]


def _judges(assets: Sequence[PaperAsset], points: Sequence[Point]) -> dict[str, Judge]:
    specs = {f"{spec.id}.{name}": point for spec in assets for name, point in spec.points.items()}
    steady: dict[str, dict[str, Steadiness]] = {}
    for point in points:
        spec = specs[point.id]
        if spec.stuck_after is None and spec.spike is None:
            continue
        try:
            spike = None if spec.spike is None else convert(parse(spec.spike), spec.unit, difference=True)
        except ValueError as error:
            raise ConfigError([f"--map: {point.id}: spike: {error}"]) from error
        steady.setdefault(point.device, {})[point.id] = Steadiness(point.fresh_for, spec.stuck_after, spike)
    return {device: _judge(histories) for device, histories in steady.items()}


def _judge(histories: Mapping[str, Steadiness]) -> Judge:
    def judge(readings: Sequence[Reading]) -> list[Reading]:
        return [histories[r.point].look(r) if r.point in histories else r for r in readings]

    return judge


def rules_in(path: Path) -> list[str]:
    """The ids in a file of rules, whatever is wrong with it: `load` tells that."""
    try:
        data: Any = read(path).data
    except ConfigError:
        return []
    rules = data.get("rules") if isinstance(data, dict) else None
    return [str(rule.get("id")) for rule in rules or () if isinstance(rule, dict)]
