"""What one alarm of a rule is about: an asset, one device of it, or the source that many devices speak over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from daemon.model import Asset, Catalogue, Device, Point, Text
from daemon.rules.rule import RuleSpec


class Subject(NamedTuple):
    """One thing that a rule may watch."""

    #: The asset; for a device or source what stands for one, with its id and name.
    asset: Asset
    #: By whose overrides the rule holds; empty for a source.
    owner: str
    #: Points by name.
    points: Mapping[str, Point]
    devices: tuple[Device, ...]


def subjects(rule: RuleSpec, catalogue: Catalogue) -> Iterator[Subject]:
    """Everything on the site that the rule is meant for, whether or not it has what the rule looks at."""
    assets = [asset for asset in catalogue.assets if rule.applies_to.matches(asset)]
    if rule.per == "source":
        yield from _sources({asset.id for asset in assets}, catalogue)
        return
    points: dict[str, dict[str, Point]] = {asset.id: {} for asset in assets}
    devices: dict[str, list[Device]] = {asset.id: [] for asset in assets}
    for point in catalogue.points:
        if point.asset in points:
            points[point.asset][point.name] = point
    for device in catalogue.devices:
        if device.asset in devices:
            devices[device.asset].append(device)
    for asset in assets:
        if rule.per == "asset":
            yield Subject(asset, asset.id, points[asset.id], tuple(devices[asset.id]))
            continue
        for device in devices[asset.id]:
            own = {name: point for name, point in points[asset.id].items() if point.device == device.id}
            yield Subject(_device(asset, device), asset.id, own, (device,))


def _device(asset: Asset, device: Device) -> Asset:
    model = device.id.removeprefix(f"{asset.id}/")
    return replace(asset, id=device.id, name=Text(f"{asset.name.zh}·{model}", f"{asset.name.en}, {model}"))


def _sources(assets: set[str], catalogue: Catalogue) -> Iterator[Subject]:
    found: dict[str, list[Device]] = {}
    for device in catalogue.devices:
        if device.asset in assets:
            found.setdefault(device.source, []).append(device)
    households = {asset.id: asset.households for asset in catalogue.assets}
    for source, devices in found.items():
        reach = sum(households[asset] for asset in {device.asset for device in devices})
        about = Asset(source, "source", Text(f"数据源 {source}", f"Source {source}"), households=reach)
        yield Subject(about, "", {}, tuple(devices))
