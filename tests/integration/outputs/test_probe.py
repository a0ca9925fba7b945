"""`probe influx` against servers that were written by others, by the command itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from daemon.cli.main import app

if TYPE_CHECKING:
    from tests.integration.outputs.conftest import Influx16, Victoria

pytestmark = pytest.mark.integration

GATEWAY = """
version: 1
sources: {{site: {{mqtt: {{host: 127.0.0.1}}}}}}
influx: {{url: "{url}", bucket: precomplaint}}
ticketing: {{url: "http://127.0.0.1:1"}}
"""


async def probe(folder: Path, url: str, *more: str) -> Result:
    (folder / "gateway.yaml").write_text(GATEWAY.format(url=url), encoding="utf-8")
    return await asyncio.to_thread(CliRunner().invoke, app, ["probe", "influx", "-c", str(folder), *more])


def checks(done: Result) -> dict[str, dict[str, Any]]:
    return {check["check"]: check for check in orjson.loads(done.stdout)["checks"]}


async def test_an_old_influxdb_is_named_with_what_to_do(influx: Influx16, tmp_path: Path) -> None:
    """1.6.7 answers 404 at the v2 path: version and remedy are told, exit 1; its clock is compared all the same."""
    done = await probe(tmp_path, influx.address, "-o", "json")
    text = await probe(tmp_path, influx.address)
    found = checks(done)

    assert done.exit_code == text.exit_code == 1
    assert found["server"]["zh"].startswith("InfluxDB 1.6.7")
    assert (
        "has no /api/v2/write, which came with 1.8: upgrade to 1.8 or 2, or take VictoriaMetrics"
        in found["write"]["en"]
    )
    assert found["clock"]["verdict"] == "ok"
    assert "✗ write      InfluxDB 1.6.7" in text.stdout


async def test_victoria_metrics_takes_an_empty_write_and_keeps_nothing(victoria: Victoria, tmp_path: Path) -> None:
    """The path is there; permission cannot be known; exit 0, and no series stands in it afterwards."""
    done = await probe(tmp_path, victoria.address, "-o", "json")
    found = checks(done)

    assert done.exit_code == 0
    assert found["server"]["zh"] == "VictoriaMetrics"
    assert {name: check["verdict"] for name, check in found.items()} == {
        "reach": "ok",
        "server": "ok",
        "write": "ok",
        "permission": "unknown",
        "clock": "ok",
        "beyond": "unknown",
    }
    assert await victoria.export('{__name__!=""}') == {}
