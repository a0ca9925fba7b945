from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.backtest.coverage import Coverage
from daemon.backtest.rule_test import run_file
from daemon.model import Asset, Catalogue, Device, Site, Text
from daemon.rules.lints import review
from daemon.rules.schema import load_files
from daemon.sensors.profile import load_profiles, make_points
from daemon.settings import familiar, shipped

PROFILES = load_profiles((shipped() / "profiles").glob("*.yaml"))

PAGE = Path(__file__).parents[2] / "docs/starter-pack.md"
FILES = sorted((shipped() / "rules").glob("*.test.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_shipped_rules_pass_their_own_tests(path: Path) -> None:
    """Every alarm, change, recovery and order of every test is listed beside the rules, and nothing else happens.

    And the tests leave nothing out: each level fires, each rule recovers, each condition is met and is not met.
    """
    coverage = Coverage()
    outcomes = run_file(path, coverage=coverage)

    assert [f"{outcome.title}: {line}" for outcome in outcomes for line in outcome.failures] == []
    assert [f"{gap.place}: {gap.rule}: {gap.what}" for gap in coverage.gaps()] == []


def test_every_shipped_rule_file_has_its_tests() -> None:
    """Rules and tests lie side by side."""
    rules = {path.name for path in (shipped() / "rules").glob("*.yaml")}

    assert {name for name in rules if not name.endswith(".test.yaml")} == {
        name.replace(".test.yaml", ".yaml") for name in rules if name.endswith(".test.yaml")
    }


def test_the_page_tells_of_every_shipped_rule() -> None:
    """Each id stands in its tables, and none that there is not."""
    files = (path for path in (shipped() / "rules").glob("*.yaml") if not path.name.endswith(".test.yaml"))
    ids = {rule for path in files for rule in re.findall(r"^  - id: (\S+)", path.read_text("utf-8"), re.MULTILINE)}
    rows = [line.split("|")[1] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]

    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == ids


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_shipped_rules_suit_a_site_of_any_one_device_model(name: str) -> None:
    """What the site does not have is neither a fault nor suspicious, and no hold or window is too short for it."""
    kinds = ("lift", "water_zone", "pump_room", "fire_main")
    profile = PROFILES[name]
    devices = tuple(Device(f"{kind}/d", kind, "s", profile.alive_within) for kind in kinds)
    points = tuple(point for device in devices for point in make_points(profile, device).values())
    assets = tuple(Asset(kind, kind, Text("甲", "A")) for kind in kinds)
    site = Catalogue(Site("s", Text("站", "site")), assets, devices, points)
    rules = [path for path in (shipped() / "rules").glob("*.yaml") if not path.name.endswith(".test.yaml")]

    loaded = load_files(rules, site, familiar=familiar())

    assert review(loaded, {str(path) for path in rules}) == []
    assert {"sys.sensor.stale", "sys.source.silent"} <= {found.rule.id for found in loaded.ruleset.bindings()}
