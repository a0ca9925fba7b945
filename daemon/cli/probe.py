"""`precomplaint probe …`: what stands on a wire or behind an address. Nothing is written to any peer."""

from __future__ import annotations

import typer

from daemon.cli.probe_modbus import probe_modbus

app = typer.Typer(no_args_is_help=True, help="Find out what stands on a wire or behind an address; nothing is written.")
app.command("modbus")(probe_modbus)


@app.callback()
def _group() -> None:
    """Find out what stands on a wire or behind an address; nothing is written."""
