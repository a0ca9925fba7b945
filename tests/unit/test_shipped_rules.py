from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.backtest.coverage import Coverage
from daemon.backtest.rule_test import run_file
from daemon.settings import shipped

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
