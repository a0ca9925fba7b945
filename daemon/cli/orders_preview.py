"""`precomplaint orders preview`: the requests that would go to a ticketing service told in YAML. Nothing is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from daemon import settings
from daemon.assets import Assets
from daemon.cli.asking import CONFIG, ConfigOption
from daemon.cli.terminal import FAILED, Output, OutputOption, print_json, print_line
from daemon.documents import build, read
from daemon.model import Reject
from daemon.outputs.ticketing.preview import Shown, preview
from daemon.outputs.ticketing.shape import DeclaredConfig


def preview_orders(
    config: ConfigOption = CONFIG,
    request: Annotated[str, typer.Option(help="only that one: create, search, update, recovery …")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the requests for a made-up order, secrets hidden; nothing is sent, and the service need not be there."""
    path = Path(config) / "gateway.yaml" if Path(config).is_dir() else Path(config)
    gateway = settings.load_gateway(path)
    if not isinstance(gateway.ticketing, DeclaredConfig):
        told = "工单系统按标准接口（docs/ticketing.md），无可预览 the reference contract: nothing is told in YAML"
        print_json({"requests": []}) if output is Output.JSON else print_line(told)
        return
    site = build(Assets, read(path.parent / gateway.assets)).site.build()
    try:
        shown = [one for one in preview(gateway.ticketing, site) if not request or one.name.split(" ")[0] == request]
    except Reject as reject:
        print_line(str(reject))
        raise typer.Exit(FAILED) from reject
    if output is Output.JSON:
        print_json({"requests": [one._asdict() for one in shown]})
        return
    for one in shown:
        _print(one)


def _print(one: Shown) -> None:
    print_line(f"── {one.name}")
    print_line(f"{one.method} {one.url}")
    for name, value in one.headers.items():
        print_line(f"{name}: {value}")
    if one.body:
        is_json = one.headers.get("Content-Type", "").startswith("application/json")
        body = orjson.dumps(orjson.loads(one.body), option=orjson.OPT_INDENT_2).decode() if is_json else one.body
        print_line(body)
    print_line("")
