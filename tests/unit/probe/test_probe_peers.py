from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from daemon.cli.main import app
from daemon.model import ConfigError

FILES = {
    "gateway.yaml": """
version: 1
sources: {site: {mqtt: {host: 127.0.0.1}}}
influx: {url: "http://127.0.0.1:1", token: "${env:PROBE_SECRET}"}
ticketing: {url: "http://127.0.0.1:1", token: "${env:PROBE_SECRET}"}
""",
    "assets.yaml": """
version: 1
site: {id: hy, name: {zh: 甲, en: A}}
assets:
  - {id: a, kind: lift, name: {zh: 甲, en: A},
     devices: [{profile: lift-status-json, source: site, address: {lift: L1}}]}
""",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PROBE_SECRET", "s3cret-t0ken")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path)


@pytest.mark.parametrize("peer", ["influx", "ticketing"])
def test_a_dead_peer_fails_and_no_secret_is_shown(site: str, peer: str) -> None:
    """Exit 1 in either form, with what to do."""
    text = CliRunner().invoke(app, ["probe", peer, "-c", site])
    as_json = CliRunner().invoke(app, ["probe", peer, "-c", site, "-o", "json"])
    result = orjson.loads(as_json.stdout)

    assert text.exit_code == as_json.exit_code == 1
    assert text.stdout.startswith("✗ reach      http://127.0.0.1:1: cannot be reached: Connection refused")
    assert (result["ok"], result["checks"][0]["verdict"]) == (False, "failed")
    assert "s3cret" not in text.output + as_json.output


@pytest.mark.parametrize("peer", ["influx", "ticketing"])
def test_a_configuration_that_cannot_be_read_is_a_usage_error(tmp_path: Path, peer: str) -> None:
    """Where, and what to do."""
    done = CliRunner().invoke(app, ["probe", peer, "-c", str(tmp_path)])

    assert isinstance(done.exception, ConfigError)
    assert "gateway.yaml: cannot be read" in str(done.exception)
