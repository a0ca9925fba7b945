"""`precomplaint check`: 0 sound, 1 faults, 2 nothing to check, 3 suspicious only."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from daemon import settings
from daemon.cli.main import app
from daemon.model import ConfigError

RUN = CliRunner()
RULE = """version: 1
rules:
  - id: x
    title: {zh: 题, en: t}
    applies_to: {kind: water_zone}
    basis: b
    cause: {zh: 因, en: c}
    consequence: {zh: 果, en: e}
    levels: [{level: I, when: {point: outlet_pressure, below: LIMIT}}]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    shutil.copytree(settings.shipped() / "starter", tmp_path, dirs_exist_ok=True)
    gateway = tmp_path / "gateway.yaml"
    text = gateway.read_text(encoding="utf-8")
    gateway.write_text(text.replace("rules: [shipped]", "rules: [shipped, own.yaml]"), encoding="utf-8")
    (tmp_path / "own.yaml").write_text("version: 1\nrules: []\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("rule", "code", "ok"),
    [
        ("version: 1\nrules: []\n", 0, True),
        (RULE.replace("LIMIT", "0.1 °C"), 1, False),
        (RULE.replace("LIMIT", "0.1 MPa"), 3, True),
    ],
    ids=["sound", "faults", "suspicious"],
)
def test_the_exit_code_tells_faults_from_lints(site: Path, rule: str, code: int, ok: bool) -> None:  # noqa: FBT001
    """In JSON and in text, each with the place."""
    (site / "own.yaml").write_text(rule, encoding="utf-8")

    done = RUN.invoke(app, ["check", "-c", str(site), "-o", "json"])
    plain = RUN.invoke(app, ["check", "-c", str(site)])

    assert (done.exit_code, plain.exit_code) == (code, code)
    found = orjson.loads(done.stdout)
    assert found["ok"] is ok
    assert len(found.get("faults", [])) == (code == 1)
    assert len(found.get("lints", [])) == (code == 3)
    assert (f"{site}/own.yaml:9:" in plain.stdout) is (code != 0)


def test_a_path_that_is_not_there_is_no_failed_check(site: Path) -> None:
    """It is a usage error, which ends with status 2."""
    done = RUN.invoke(app, ["check", "-c", str(site / "none")])

    assert isinstance(done.exception, ConfigError)
    assert "does not exist" in str(done.exception)
