from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from daemon.cli.rules import app
from daemon.model import ConfigError
from daemon.settings import shipped

RUN = CliRunner()


def test_the_shipped_rules_pass_from_the_command_line() -> None:
    """Without arguments the shipped tests run; the result is one JSON object."""
    done = RUN.invoke(app, ["test", "-o", "json"])

    result = orjson.loads(done.stdout)
    assert (done.exit_code, result["failed"]) == (0, 0)
    assert result["passed"] == len(result["tests"]) > 50


def test_a_changed_limit_fails_its_tests(tmp_path: Path) -> None:
    """An engineer who loosens a limit is shown which sentence is no longer true, and the exit code says so."""
    for name in ("lift.yaml", "lift.test.yaml"):
        shutil.copy(shipped() / "rules" / name, tmp_path)
    rules = tmp_path / "lift.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("45 °C", "55 °C"), encoding="utf-8")

    done = RUN.invoke(app, ["test", str(tmp_path)])

    assert done.exit_code == 1
    assert "missing: " in done.stdout


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A misspelt path is a usage error, not an empty success."""
    done = RUN.invoke(app, ["test", str(tmp_path / "none")])

    assert isinstance(done.exception, ConfigError)


@pytest.mark.parametrize("arguments", [["test"]], ids=["directory without tests"])
def test_no_tests_is_a_failure(tmp_path: Path, arguments: list[str]) -> None:
    """Nothing was shown, so nothing passed."""
    assert RUN.invoke(app, [*arguments, str(tmp_path)]).exit_code == 1
