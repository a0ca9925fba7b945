"""Rule files, checked against the site: every fault of every file at once, limits in the points' own units.

*.yaml ──> RuleFile ──> RuleSpec ─┐
catalogue ────────────────────────┼─> Ruleset ──> (rule, asset) pairs ──> Engine
overrides of assets ──────────────┘
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from daemon.documents import Document, Location, build, read
from daemon.model import Asset, Catalogue, ConfigError, Device, Point
from daemon.rules.arrangements import Arrangements
from daemon.rules.derived import Sources
from daemon.rules.limits import MisfitError, resolve
from daemon.rules.overrides import overridden
from daemon.rules.pace import TooShort, too_short
from daemon.rules.predicates import Condition, Leaf, asked, leaves
from daemon.rules.rule import RULE_KEYS, AppliesTo, LevelSpec, RuleFile, RuleSpec, WorkOrderSpec
from daemon.rules.subjects import subjects
from daemon.rules.templates import Shared

__all__ = [
    "AppliesTo", "Binding", "LevelSpec", "RuleFile", "RuleSpec", "Ruleset", "WorkOrderSpec", "load", "rule_paths",
]  # fmt: skip

_NTH = re.compile(r": rules\.\d+\.")
_CATALOGUE = TypeAdapter(Catalogue)
_ARRANGEMENTS = TypeAdapter(Arrangements)
Overrides = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Binding:
    """One rule on one asset that has every point it looks at."""

    #: With the asset's overrides.
    rule: RuleSpec
    asset: Asset
    #: The asset's points by name.
    points: Mapping[str, Point]
    devices: tuple[Device, ...]
    #: Every point of the site: what derived points are computed from.
    known: Sources
    #: The site's, in which calendars are read.
    zone: str


@dataclass(frozen=True)
class Ruleset:
    """Everything the engine is to know: what is on the site, and what is to be watched there."""

    catalogue: Catalogue
    rules: tuple[RuleSpec, ...]
    #: By (asset, rule).
    overrides: Overrides = field(default_factory=dict)
    arrangements: Arrangements = field(default_factory=Arrangements)

    @cached_property
    def hash(self) -> str:
        """Hex of the canonical JSON: the same for the same rules on the same site."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """Canonical JSON, that `from_json` reads back."""
        whole = {
            "version": 1,
            "catalogue": _CATALOGUE.dump_python(self.catalogue, mode="json"),
            "rules": [rule.model_dump(mode="json", by_alias=True, exclude_none=True) for rule in self.rules],
            "overrides": [[asset, rule, dict(change)] for (asset, rule), change in sorted(self.overrides.items())],
        }
        if self.arrangements != Arrangements():
            whole["arrangements"] = _ARRANGEMENTS.dump_python(
                self.arrangements, mode="json", by_alias=True, exclude_none=True
            )
        return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Ruleset:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it is something else, or was written by a program that knew more.
        """
        whole = json.loads(text)
        if not isinstance(whole, dict) or whole.get("version") != 1:
            raise ValueError("no ruleset of version 1")
        try:
            rules = tuple(RuleSpec.model_validate(rule) for rule in whole["rules"])
            catalogue = _CATALOGUE.validate_python(whole["catalogue"], strict=False)
            arrangements = _ARRANGEMENTS.validate_python(whole.get("arrangements", {}), strict=False)
        except (ValidationError, KeyError) as error:
            raise ValueError(f"the ruleset cannot be read: {error}") from error
        overrides = {(asset, rule): change for asset, rule, change in whole["overrides"]}
        return cls(catalogue, rules, overrides, arrangements)

    @cached_property
    def known(self) -> Sources:
        """Every point of the site, by id, and the device that speaks it."""
        owners = {device.id: device for device in self.catalogue.devices}
        return {p.id: (p, None if p.formula else owners[p.device]) for p in self.catalogue.points}

    def rule_for(self, rule: str, asset: str) -> RuleSpec | None:
        """The rule as it holds for that asset (or device, or source); None when there is no such rule."""
        found = next((spec for spec in self.rules if spec.id == rule), None)
        if found is not None and found.per == "device":
            asset = next((device.asset for device in self.catalogue.devices if device.id == asset), asset)
        return None if found is None else overridden(found, self.overrides.get((asset, rule), {}))

    def bindings(self) -> Iterator[Binding]:
        """Every pair of a rule and an asset that it applies to, rules in order; rules that are off bind nowhere."""
        known = self.known
        zone = self.catalogue.site.timezone
        for spec in self.rules:
            for subject in subjects(spec, self.catalogue) if spec.mode != "off" else ():
                rule = overridden(spec, self.overrides.get((subject.owner, spec.id), {}))
                if _watched(rule, subject.points, subject.devices):
                    yield Binding(rule, subject.asset, subject.points, subject.devices, known, zone)

    def warnings(self) -> list[str]:
        """What is suspicious, but no fault: rules that watch nothing on this site."""
        bound = {binding.rule.id for binding in self.bindings()}
        return [
            f"{rule.id}: watches nothing here: no asset it applies to has all the points it looks at"
            for rule in self.rules
            if rule.mode != "off" and rule.id not in bound
        ]


def rule_paths(paths: Sequence[Path]) -> list[Path]:
    """The rule files among `paths` and in the directories among them; tests are no rules."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        found.extend(p for p in inside if not p.name.endswith(".test.yaml"))
    return found


def load(paths: Sequence[Path], catalogue: Catalogue, overrides: Overrides | None = None) -> Ruleset:
    """Read rule files and check them against the site.

    Raises:
        ConfigError: every fault of every file, with its place.
    """
    read_files, faults = _read(rule_paths(paths))
    changes = dict(overrides or {})
    checker = _Checker(catalogue, changes)
    rules: dict[str, RuleSpec] = {}
    for document, file in read_files:
        for n, rule in enumerate(file.rules):
            if rule.id in rules:
                place = document.place(("rules", n, "id"))
                faults.append(f"{place}: the rule id {rule.id!r} stands elsewhere too; ids are unique over all files")
            else:
                rules[rule.id] = rule
                faults.extend(checker.check(rule, document, ("rules", n)))
    faults.extend(_parentless(read_files, rules))
    # An override of a rule whose file has a fault is no fault of its own.
    if not faults:
        known = sorted(rules)
        for asset, rule_id in changes:
            if rule_id not in rules:
                place = f"override of {rule_id!r} for asset {asset!r}"
                faults.append(f"{place}: there is no such rule{_hint(rule_id, known)}")
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    return Ruleset(catalogue, tuple(rules.values()), changes)


def _read(paths: Iterable[Path]) -> tuple[list[tuple[Document, RuleFile]], list[str]]:
    """The files in order, their templates and calendars resolved; and what is wrong with them."""
    documents: list[Document | ConfigError] = []
    for path in paths:
        try:
            documents.append(read(path))
        except ConfigError as error:
            documents.append(error)
    shared = Shared((one for one in documents if isinstance(one, Document)), RULE_KEYS)
    files: list[tuple[Document, RuleFile]] = []
    faults: list[str] = []
    for found in documents:
        try:
            if isinstance(found, ConfigError):
                raise found
            document = shared.expand(found)
            files.append((document, build(RuleFile, document)))
        except ConfigError as error:
            faults.extend(error.faults)
    # what is wrong in a template comes once, not for each rule that extends it
    unique = {_NTH.sub(": ", fault): fault for fault in reversed([*faults, *shared.faults])}
    return files, list(reversed(unique.values()))


def _parentless(files: Sequence[tuple[Document, RuleFile]], rules: Mapping[str, RuleSpec]) -> Iterator[str]:
    for document, file in files:
        for n, rule in enumerate(file.rules):
            for name in rule.parents:
                parent = rules.get(name)
                if parent is None or parent.per == "device" or name == rule.id:
                    place = document.place(("rules", n, "child_of"))
                    yield f"{place}: there is no rule {name!r} with `per: source` or `per: asset` beside this one"


class _Checker:
    def __init__(self, catalogue: Catalogue, overrides: Overrides) -> None:
        self.catalogue = catalogue
        self.overrides = overrides
        self.parts = _parts(catalogue)
        self.names = {point.name for point in catalogue.points}

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
        if _watched(rule, points, devices):
            yield from too_short(rule, points)

    def _unknown_assets(self, rule: RuleSpec, document: Document, at: Location) -> Iterator[str]:
        known = [asset.id for asset in self.catalogue.assets]
        for n, asset in enumerate(rule.applies_to.assets or ()):
            if asset not in known:
                hint = _hint(asset, known)
                yield f"{document.place((*at, 'applies_to', 'assets', n))}: no asset is called {asset!r}{hint}"

    def _misspelt(self, leaf: Leaf, assets: list[Asset], document: Document, at: Location) -> Iterator[str]:
        """A name that no asset of the site has, and that is almost one they have. Else they simply lack the point."""
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
        place = f"override of {rule.id!r} for asset {asset.id!r}"
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
            if point is not None:
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


def _watched(rule: RuleSpec, points: Mapping[str, Point], devices: Sequence[Device]) -> bool:
    """Whether the rule is on, and all it looks at is there."""
    return rule.mode != "off" and all(_answers(leaf, points, devices) for leaf, _ in _questions(rule))


def _answers(leaf: Leaf, points: Mapping[str, Point], devices: Sequence[Device]) -> bool:
    """Whether an asset has what a question is about."""
    if leaf.point is not None:
        return all(name in points for name in asked(leaf))
    return bool(devices)  # only silence is asked of a whole asset


def _hint(given: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
