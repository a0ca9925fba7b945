"""`precomplaint probe …`: what stands on a wire or behind an address. Nothing is written to any peer."""

from __future__ import annotations

import typer

from daemon.cli.probe_modbus import probe_modbus
from daemon.cli.probe_mqtt import probe_mqtt, probe_payload
from daemon.cli.probe_peers import probe_influx, probe_ticketing

app = typer.Typer(no_args_is_help=True, help="Find out what stands on a wire or behind an address; nothing is written.")
app.command("mqtt")(probe_mqtt)
app.command("payload")(probe_payload)
app.command("modbus")(probe_modbus)
app.command("influx")(probe_influx)
app.command("ticketing")(probe_ticketing)


@app.callback()
def _group() -> None:
    """Find out what stands on a wire or behind an address; nothing is written."""
