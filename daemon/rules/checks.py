"""What of a rule does not fit the site: names, units, limits, spans; every fault with its place."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence

from daemon.documents import Document, Location
from daemon.model import Asset, Catalogue, Device, Point
from daemon.rules.limits import MisfitError, resolve
from daemon.rules.overrides import Overrides, overridden
from daemon.rules.pace import TooShort, too_short
from daemon.rules.predicates import Condition, Held, Leaf, Turns, asked, leaves
from daemon.rules.rule import RuleSpec


class Checker:
    """Looks at one rule after another."""

    def __init__(
        self,
        catalogue: Catalogue,
        overrides: Overrides,
        told: Mapping[tuple[str, str], str],
        familiar: Collection[str] = (),
    ) -> None:
        """Look at a site; `familiar` are names that points have elsewhere."""
        self.catalogue = catalogue
        self.overrides = overrides
        self.told = told
        self.parts = _parts(catalogue)
        self.names = {*familiar, *(point.name for point in catalogue.points)}

    def check(self, rule: RuleSpec, document: Document, at: Location) -> Iterator[str]:
        """Everything about a rule that does not fit the site."""
        assets = [asset for asset in self.catalogue.assets if rule.applies_to.matches(asset)]
        yield from self._unknown_assets(rule, document, at)
        for leaf, place in _questions(rule, at):
            yield from self._misspelt(leaf, assets, document, place)
            for misfit in self._misfits(leaf, assets):
                yield f"{document.place((*place, misfit.key))}: {misfit.key}: {misfit}"
        for asset in assets:
            yield from self._override(rule, asset)
        shown: set[tuple[Location, str]] = set()
        for asset in assets:
            if (asset.id, rule.id) not in self.overrides:
                for found in self._too_short(rule, asset):
                    if (found.place, found.point.name) not in shown:  # one asset stands for all of its kind
                        shown.add((found.place, found.point.name))
                        yield f"{document.place((*at, *found.place))}: {found.place[-1]}: {found.says}"

    def _too_short(self, rule: RuleSpec, asset: Asset) -> Iterator[TooShort]:
        """Spans that the asset's points are too slow for; nothing when the rule does not watch it."""
        points, devices = self.parts[asset.id]
        if watched(rule, points, devices):
            yield from too_short(rule, points)

    def _unknown_assets(self, rule: RuleSpec, document: Document, at: Location) -> Iterator[str]:
        known = [asset.id for asset in self.catalogue.assets]
        for n, asset in enumerate(rule.applies_to.assets or ()):
            if asset not in known:
                hint = nearest(asset, known)
                yield f"{document.place((*at, 'applies_to', 'assets', n))}: no asset is called {asset!r}{hint}"

    def _misspelt(self, leaf: Leaf, assets: list[Asset], document: Document, at: Location) -> Iterator[str]:
        """A name that nobody knows, and that is almost one that assets here have. Else they simply lack the point."""
        for name in asked(leaf):
            if name in self.names:
                continue
            near = difflib.get_close_matches(name, {n for a in assets for n in self.parts[a.id][0]}, n=1, cutoff=0.8)
            if near:
                key = "point" if name == leaf.point else "per"
                yield f"{document.place((*at, key))}: no asset has a point {name!r}; did you mean {near[0]!r}?"

    def _override(self, rule: RuleSpec, asset: Asset) -> Iterator[str]:
        changes = self.overrides.get((asset.id, rule.id))
        if not changes:
            return
        place = self.told[asset.id, rule.id]
        try:
            changed = overridden(rule, changes)
        except ValueError as error:
            yield from (f"{place}: {line}" for line in str(error).splitlines())
            return
        for leaf, _ in _questions(changed):
            yield from (f"{place}: {misfit.key}: {misfit}" for misfit in self._misfits(leaf, [asset]))
        yield from (f"{place}: {found.place[-1]}: {found.says}" for found in self._too_short(changed, asset))

    def _misfits(self, leaf: Leaf, assets: list[Asset]) -> Iterator[MisfitError]:
        for asset in assets:
            point = self.parts[asset.id][0].get(leaf.point or "")
            if point is not None or isinstance(leaf, Turns):
                try:
                    resolve(leaf, point, self.parts[asset.id][0])
                except MisfitError as misfit:
                    yield misfit


def _parts(catalogue: Catalogue) -> dict[str, tuple[dict[str, Point], tuple[Device, ...]]]:
    """The points by name and the devices of each asset."""
    points: dict[str, dict[str, Point]] = {asset.id: {} for asset in catalogue.assets}
    devices: dict[str, list[Device]] = {asset.id: [] for asset in catalogue.assets}
    for point in catalogue.points:
        points[point.asset][point.name] = point
    for device in catalogue.devices:
        devices[device.asset].append(device)
    return {asset.id: (points[asset.id], tuple(devices[asset.id])) for asset in catalogue.assets}


def _questions(rule: RuleSpec, at: Location = ()) -> Iterator[tuple[Leaf, Location]]:
    """Every question a rule asks, with its place."""
    conditions: list[tuple[Condition | None, Location]] = [(rule.unless, ("unless",))]
    for n, rung in enumerate(rule.levels):
        conditions.append((rung.when, ("levels", n, "when")))
        conditions.append((rung.clear.when if rung.clear else None, ("levels", n, "clear", "when")))
    for condition, place in conditions:
        if condition is not None:
            yield from leaves(condition, (*at, *place))


def watched(rule: RuleSpec, points: Mapping[str, Point], devices: Sequence[Device]) -> bool:
    """Whether the rule is on, and all its levels look at is there.

    A point that only `unless` looks at may be missing: what is not known holds nothing off.
    """
    needed = (leaf for leaf, place in _questions(rule) if place[0] != "unless")
    return rule.mode != "off" and all(_answers(leaf, points, devices) for leaf in needed)


def _answers(leaf: Leaf, points: Mapping[str, Point], devices: Sequence[Device]) -> bool:
    """Whether an asset has what a question is about."""
    if leaf.point is not None:
        return all(name in points for name in asked(leaf))
    if isinstance(leaf, Turns | Held):
        return True  # what it follows is looked at by itself
    return bool(devices)  # only silence is asked of a whole asset


def nearest(given: str, known: Sequence[str]) -> str:
    """`; did you mean …?`, when there is something near."""
    near = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
