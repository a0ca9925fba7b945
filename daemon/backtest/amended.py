"""A site with what has been proposed for entries of its assets.yaml: derived points, and overrides of rules.

assets:
  - id: zone-1
    derived: {apart_20s: {unit: "", value: "…"}}
    overrides: {own.water_zone.pressure: {III: {outside: [0.3 MPa, 0.5 MPa]}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from daemon.backtest.site import KnownSite
from daemon.documents import Strict, build, read
from daemon.model import Catalogue, ConfigError
from daemon.rules.derived import DerivedSpec, declare_all


class AmendedAsset(Strict):
    """What is new in the entry of an asset."""

    id: str
    derived: dict[str, DerivedSpec] = Field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Amendment(Strict):
    """A file of such entries, as `rules suggest` writes it."""

    assets: tuple[AmendedAsset, ...] = ()


def amended(site: KnownSite, path: Path) -> KnownSite:
    """The site as it would be with the file's entries; derived points of the same name are replaced.

    Raises:
        ConfigError: the file has faults, or names an asset that the site has not.
    """
    entries = build(Amendment, read(path)).assets
    known = {asset.id for asset in site.catalogue.assets}
    if unknown := [entry.id for entry in entries if entry.id not in known]:
        raise ConfigError([f"{path}: the site has no asset {asset!r}; give its own entries" for asset in unknown])
    specs = {(entry.id, name): spec for entry in entries for name, spec in entry.derived.items()}
    catalogue, faults = with_derived(site.catalogue, specs)
    if faults:
        raise ConfigError([f"{path}: {asset}: the derived point {name!r}: {w}" for (asset, name), w in faults.items()])
    changes = {(entry.id, rule): change for entry in entries for rule, change in entry.overrides.items()}
    return replace(site, catalogue=catalogue, overrides={**site.overrides, **changes})


def with_derived(
    catalogue: Catalogue, specs: Mapping[tuple[str, str], DerivedSpec]
) -> tuple[Catalogue, dict[tuple[str, str], str]]:
    """The catalogue with these derived points, and what is wrong with those that are not in it."""
    ids = {f"{asset}.{name}" for asset, name in specs}
    kept = tuple(point for point in catalogue.points if not (point.formula and point.id in ids))
    points, faults = declare_all(specs, replace(catalogue, points=kept))
    return replace(catalogue, points=(*kept, *points)), faults
