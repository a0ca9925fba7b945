"""Files of rule tests: what stands in them, and the little site that they play on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from daemon.assets import ID
from daemon.backtest.series import parse_series
from daemon.documents import Document, Span, Strict, build, parse_span, read
from daemon.model import Asset, Catalogue, ConfigError, Device, Point, Site, Text
from daemon.rules.derived import DerivedSpec, declare_all
from daemon.rules.rule import LevelName
from daemon.rules.schema import Ruleset, load
from daemon.sensors.profile import Profile, load_profiles, make_points
from daemon.settings import familiar, shipped


def _series(text: str) -> str:
    parse_series(text)
    return text


def _moment(text: str) -> str:
    parse_span(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]


class AssetSpec(Strict):
    """An asset of the little site that the tests play on."""

    id: str = Field(pattern=ID)
    kind: str
    #: One device a profile.
    profiles: tuple[str, ...]
    tags: tuple[str, ...] = ()
    derived: dict[str, DerivedSpec] = Field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)


#: One may stand without brackets.
Moments = Annotated[
    tuple[Span, ...],
    BeforeValidator(
        lambda given: (given,) if isinstance(given, str) else given, json_schema_input_type=Span | tuple[Span, ...]
    ),
]


class AlarmSpec(Strict):
    """One alarm, told completely."""

    rule: str
    #: The first asset when absent.
    asset: str | None = None
    level: LevelName
    #: Since the beginning of the test, as are all times here.
    active: Span
    #: Absent when it is still open at the end.
    cleared: Span | None = None
    #: Later changes of its level, by time.
    levels: dict[Moment, LevelName] = Field(default_factory=dict)
    #: When its data was lost, and when it came back, by time.
    data: dict[Moment, Literal["lost", "back"]] = Field(default_factory=dict)
    #: When it had ended and waited for a person, and when it came back before that: a time, or several.
    latched: Moments = ()
    retripped: Moments = ()
    #: It has an order of its own.
    order: bool = True


class ResetSpec(Strict):
    """A person resets a latched alarm."""

    rule: str
    #: The first asset when absent.
    asset: str | None = None
    at: Span


class TestSpec(Strict):
    """One test."""

    title: str
    every: Span = timedelta(seconds=1)
    series: dict[str, Annotated[str, AfterValidator(_series)]]
    #: Time goes on until then after the last step.
    lasts: Span | None = None
    #: Deeds of a person.
    resets: tuple[ResetSpec, ...] = ()
    alarms: tuple[AlarmSpec, ...] = ()


class TestFile(Strict):
    """One file of tests."""

    version: Literal[1]
    rules: tuple[str, ...]
    #: Directories of profiles beside the shipped ones, as seen from this file.
    profiles: tuple[str, ...] = ()
    assets: Annotated[tuple[AssetSpec, ...], Field(min_length=1)]
    tests: tuple[TestSpec, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """A file of tests, read and checked, with the rules that it is about."""

    document: Document
    tests: tuple[TestSpec, ...]
    #: The first asset: what series and alarms mean that name none.
    first: str
    ruleset: Ruleset
    rule_files: tuple[Path, ...]

    def place(self, *location: str | int) -> str:
        """`file:line:column`."""
        return self.document.place(location)

    def point(self, name: str) -> str:
        """The id of the point that a series names.

        Raises:
            ValueError: there is none, or it is computed.
        """
        points = {point.id: point for point in self.ruleset.catalogue.points}
        found = points.get(name) or points.get(f"{self.first}.{name}")
        if found is None:
            raise ValueError(f"no asset here has the point {name!r}{_hint(name, [p.name for p in points.values()])}")
        if found.formula:
            raise ValueError(f"{name!r} is computed; write the series of what it stands on")
        return found.id


def open_suite(path: Path) -> Suite:
    """Read a file of tests, its rules and its profiles.

    Raises:
        ConfigError: every fault of these, each with its place.
    """
    document = read(path)
    file = build(TestFile, document)
    folders = [shipped() / "profiles", *(path.parent / folder for folder in file.profiles)]
    profiles = load_profiles(p for folder in folders for p in folder.glob("*.yaml"))
    faults = [
        f"{document.place(('rules', n))}: there is no file {name!r} beside this one"
        for n, name in enumerate(file.rules)
        if not (path.parent / name).is_file()
    ]
    catalogue = _catalogue(file, profiles, document, faults)
    if faults:
        raise ConfigError(faults)
    overrides = {(asset.id, rule): change for asset in file.assets for rule, change in asset.overrides.items()}
    rule_files = tuple(path.parent / name for name in file.rules)
    ruleset = load(rule_files, catalogue, overrides, familiar=familiar())
    suite = Suite(document, file.tests, file.assets[0].id, ruleset, rule_files)
    faults = list(_misnamed(suite))
    if faults:
        raise ConfigError(faults)
    return suite


def _catalogue(file: TestFile, profiles: Mapping[str, Profile], document: Document, faults: list[str]) -> Catalogue:
    assets: list[Asset] = []
    devices: list[Device] = []
    points: list[Point] = []
    for m, spec in enumerate(file.assets):
        assets.append(Asset(spec.id, spec.kind, Text(spec.id, spec.id), tags=spec.tags))
        for n, wanted in enumerate(spec.profiles):
            if wanted not in profiles:
                place = document.place(("assets", m, "profiles", n))
                faults.append(f"{place}: no profile is named {wanted!r}{_hint(wanted, profiles)}")
                continue
            device = Device(f"{spec.id}.{n}", spec.id, "test", profiles[wanted].alive_within)
            devices.append(device)
            points.extend(make_points(profiles[wanted], device).values())
    measured = Catalogue(Site("test", Text("测试", "test")), tuple(assets), tuple(devices), tuple(points))
    if faults:
        return measured
    specs = {(asset.id, name): spec for asset in file.assets for name, spec in asset.derived.items()}
    derived, wrong = declare_all(specs, measured)
    numbers = {asset.id: n for n, asset in enumerate(file.assets)}
    for (asset, name), what in wrong.items():
        faults.append(f"{document.place(('assets', numbers[asset], 'derived', name))}: {name}: {what}")
    return replace(measured, points=(*measured.points, *derived))


def _misnamed(suite: Suite) -> Iterator[str]:
    """Series of points, and alarms of rules and assets, that are not there: a slip of the pen would pass as silence."""
    rules = [rule.id for rule in suite.ruleset.rules]
    catalogue = suite.ruleset.catalogue
    subjects = (
        {a.id for a in catalogue.assets} | {d.id for d in catalogue.devices} | {d.source for d in catalogue.devices}
    )
    for n, test in enumerate(suite.tests):
        for name in test.series:
            try:
                suite.point(name)
            except ValueError as error:
                yield f"{suite.place('tests', n, 'series', name)}: {error}"
        named = [("alarms", m, alarm.rule, alarm.asset) for m, alarm in enumerate(test.alarms)]
        named += [("resets", m, reset.rule, reset.asset) for m, reset in enumerate(test.resets)]
        for word, m, rule, asset in named:
            if rule not in rules and rule.partition("!")[0] not in rules:
                place = suite.place("tests", n, word, m, "rule")
                yield f"{place}: there is no rule {rule!r} in these files{_hint(rule, rules)}"
            if asset is not None and asset not in subjects:
                place = suite.place("tests", n, word, m, "asset")
                yield f"{place}: there is no asset {asset!r} here{_hint(asset, subjects)}"


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(known)), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(set(known)))}"
