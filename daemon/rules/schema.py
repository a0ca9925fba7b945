"""Rule files, checked against the site: every fault of every file at once, limits in the points' own units.

*.yaml ──> RuleFile ──> RuleSpec ─┐
catalogue ────────────────────────┼─> Ruleset ──> (rule, asset) pairs ──> Engine
overrides of assets ──────────────┘
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from daemon.documents import Document, Location, build, read
from daemon.model import Asset, Catalogue, ConfigError, Device, Point
from daemon.rules.arrangements import Arrangements
from daemon.rules.checks import Checker, nearest, watched
from daemon.rules.derived import Sources
from daemon.rules.overrides import Overrides, overridden
from daemon.rules.rule import RULE_KEYS, AppliesTo, LevelSpec, RuleFile, RuleSpec, WorkOrderSpec
from daemon.rules.subjects import subjects
from daemon.rules.templates import Shared

__all__ = [
    "AppliesTo", "Binding", "LevelSpec", "Loaded", "Overrides", "RuleFile", "RuleSpec", "Ruleset", "WorkOrderSpec",
    "load", "load_files", "rule_paths", "shape_faults",
]  # fmt: skip

_NTH = re.compile(r": rules\.\d+\.")
_CATALOGUE = TypeAdapter(Catalogue)
_ARRANGEMENTS = TypeAdapter(Arrangements)


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
                if watched(rule, subject.points, subject.devices):
                    yield Binding(rule, subject.asset, subject.points, subject.devices, known, zone)


def rule_paths(paths: Sequence[Path]) -> list[Path]:
    """The rule files among `paths` and in the directories among them; tests are no rules."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        found.extend(p for p in inside if not p.name.endswith(".test.yaml"))
    return found


class Loaded(NamedTuple):
    """A ruleset, and where each of its rules stands."""

    ruleset: Ruleset
    #: By rule: its file, and where it stands there.
    rules: Mapping[str, tuple[Document, Location]]
    #: Where each override stands, in words, by (asset, rule).
    overrides: Mapping[tuple[str, str], str]


def load(
    paths: Sequence[Path], catalogue: Catalogue, overrides: Overrides | None = None, *, familiar: Collection[str] = ()
) -> Ruleset:
    """Read rule files and check them against the site; as `load_files`."""
    return load_files(paths, catalogue, overrides, familiar=familiar).ruleset


def shape_faults(paths: Sequence[Path]) -> list[str]:
    """What is wrong with rule files whatever the site: for when that is not known."""
    return _read(rule_paths(paths))[1]


def read_files(paths: Sequence[Path]) -> list[tuple[Document, RuleFile]]:
    """Rule files whatever the site, their templates and calendars resolved.

    Raises:
        ConfigError: every fault of every file, with its place.
    """
    files, faults = _read(rule_paths(paths))
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    return files


def load_files(
    paths: Sequence[Path],
    catalogue: Catalogue,
    overrides: Overrides | None = None,
    places: Mapping[tuple[str, str], str] | None = None,
    *,
    familiar: Collection[str] = (),
) -> Loaded:
    """Read rule files and check them against the site.

    Args:
        paths: files, and directories of them.
        catalogue: the site.
        overrides: by (asset, rule).
        places: where each of those stands, `file:line:column`.
        familiar: names that points have elsewhere: they are no slip of the pen where the site has them not.

    Raises:
        ConfigError: every fault of every file, with its place.
    """
    read_files, faults = _read(rule_paths(paths))
    changes = dict(overrides or {})
    told = {key: f"override of {key[1]!r} for asset {key[0]!r}" for key in changes}
    told = {key: f"{places[key]}: {what}" if places and key in places else what for key, what in told.items()}
    checker = Checker(catalogue, changes, told, familiar)
    rules: dict[str, RuleSpec] = {}
    files: dict[str, tuple[Document, Location]] = {}
    for document, file in read_files:
        for n, rule in enumerate(file.rules):
            if rule.id in rules:
                place = document.place(("rules", n, "id"))
                faults.append(f"{place}: the rule id {rule.id!r} stands elsewhere too; ids are unique over all files")
            else:
                rules[rule.id] = rule
                files[rule.id] = (document, ("rules", n))
                faults.extend(checker.check(rule, document, ("rules", n)))
    faults.extend(_parentless(read_files, rules))
    # An override of a rule whose file has a fault is no fault of its own.
    if not faults:
        known = sorted(rules)
        for asset, rule_id in changes:
            if rule_id not in rules:
                faults.append(f"{told[asset, rule_id]}: there is no such rule{nearest(rule_id, known)}")
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    ruleset = Ruleset(catalogue, tuple(rules.values()), changes)
    return Loaded(ruleset, files, told)


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
