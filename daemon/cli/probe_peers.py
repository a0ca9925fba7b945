"""`precomplaint probe influx|ticketing`: whether what we write to can be written to. Nothing is left there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from daemon import settings
from daemon.assets import Assets
from daemon.cli.terminal import FAILED, Output, OutputOption, print_json, print_line
from daemon.clock import SiteClock
from daemon.documents import build, read
from daemon.outputs.ticketing.shape import DeclaredConfig
from daemon.probe.influx_checks import check_influx
from daemon.probe.peers import Check, Verdict
from daemon.probe.ticketing_checks import check_ticketing
from daemon.probe.told_checks import check_told
from daemon.settings import Gateway

ConfigOption = Annotated[
    Path,
    typer.Option("-c", "--config", help="gateway.yaml, or the directory that holds it", envvar="PRECOMPLAINT_CONFIG"),
]
_DEFAULT = Path("/etc/precomplaint")
_SIGNS = {Verdict.OK: "✓", Verdict.FAILED: "✗", Verdict.UNKNOWN: "?"}


def probe_influx(config: ConfigOption = _DEFAULT, output: OutputOption = Output.TEXT) -> None:
    """Look at the store of time series: reach, version, endpoint, permission, clock. No line is written.

    Exit 1 when something fails; what cannot be known without writing is marked `?`.
    """
    gateway, _ = _gateway(config)
    _tell(asyncio.run(check_influx(gateway.influx, SiteClock())), gateway.influx.url, output)


def probe_ticketing(config: ConfigOption = _DEFAULT, output: OutputOption = Output.TEXT) -> None:
    """Look at the ticketing service: reach, token, search, changes, clock. No order is created.

    Exit 1 when something fails; what cannot be known without an order is marked `?`.
    """
    gateway, directory = _gateway(config)
    site = build(Assets, read(directory / gateway.assets)).site.build()
    if isinstance(gateway.ticketing, DeclaredConfig):
        checks = asyncio.run(check_told(gateway.ticketing, site, SiteClock()))
    else:
        checks = asyncio.run(check_ticketing(gateway.ticketing, site.id, SiteClock()))
    _tell(checks, gateway.ticketing.url, output)


def _gateway(config: Path) -> tuple[Gateway, Path]:
    path = config / "gateway.yaml" if config.is_dir() else config
    return settings.load_gateway(path), path.parent


def _tell(checks: list[Check], url: str, output: Output) -> None:
    good = all(check.verdict is not Verdict.FAILED for check in checks)
    if output is Output.JSON:
        print_json({"ok": good, "url": url, "checks": [check.plain() for check in checks]})
    else:
        for check in checks:
            print_line(f"{_SIGNS[check.verdict]} {check.name:<10} {check.text.zh}  {check.text.en}".rstrip())
    if not good:
        raise typer.Exit(FAILED)
