from __future__ import annotations

from pathlib import Path

import pytest

from daemon.backtest.coverage import Coverage
from daemon.backtest.rule_test import run_file
from daemon.settings import shipped

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
