"""`python -m simulators ticketing|erp|influx|broker|proxy|lift|water …`: each stand-in as a process of its own.

Every command takes `--port` (0: a free one), prints one JSON line `{"ready": true, "port": …}` when it serves, and
runs until SIGTERM, SIGINT or the end of its stdin. Each adds itself to the parser by one function below.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from simulators.device_commands import DEVICES
from simulators.lifetime import announce, told_to_stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse names it nowhere else


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stand-in; 0 when told to stop, 2 when it could not start (bad argument, bad file, port taken)."""
    parser = argparse.ArgumentParser(prog="simulators", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="STAND-IN")
    for add in COMMANDS:
        add(commands)
    chosen = parser.parse_args(arguments)
    try:
        asyncio.run(chosen.run(chosen))
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


def command(
    commands: Commands, name: str, about: str, run: Callable[[argparse.Namespace], Awaitable[None]]
) -> argparse.ArgumentParser:
    """Add one command with its `--port`; `run` serves until told to stop."""
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.set_defaults(run=run)
    return parser


def _add_ticketing(commands: Commands) -> None:
    parser = command(commands, "ticketing", "the reference ticketing service over SQLite", _ticketing)
    parser.add_argument("--file", default=":memory:", help="SQLite file of the orders; default: forgotten at the end")
    parser.add_argument("--token", help="bearer token to ask for; default: nobody is asked")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="IANA zone of the moments on the page")
    parser.add_argument("--notify", default="", help="URL of a gateway's webhook to tell changes to at once")
    parser.add_argument("--secret", default="", help="what those requests are signed with")
    parser.add_argument("--script", type=Path, help="YAML file of failures to play (simulators/failures.py)")


async def _ticketing(chosen: argparse.Namespace) -> None:
    from simulators import ticketing  # noqa: PLC0415  FastAPI is slow to import and the others do without
    from simulators.hook import Hook  # noqa: PLC0415  only what is asked for

    async with (
        told_to_stop() as over,
        ticketing.serving(
            port=chosen.port,
            path=chosen.file,
            token=chosen.token,
            timezone=chosen.timezone,
            script=_script(chosen.script),
            hook=Hook(chosen.notify, chosen.secret) if chosen.notify else None,
        ) as service,
    ):
        announce(port=service.port, url=service.url)
        await over.wait()


def _add_erp(commands: Commands) -> None:
    parser = command(commands, "erp", "a work-order interface as property ERPs have it (simulators/erp)", _erp)
    parser.add_argument("--returns-id", action="store_true", help="a create tells the ticket's number")
    parser.add_argument("--token", default="", help="token that counts for ever; default: one logs in")
    parser.add_argument("--account", default="gateway", help="who logs in")
    parser.add_argument("--password", default="secret", help="and with what")
    parser.add_argument("--token-for", type=float, default=7200, help="seconds until a token has expired")
    parser.add_argument("--lag", type=float, default=2, help="seconds until a search finds a ticket")
    parser.add_argument("--charset", choices=("utf-8", "gbk"), default="utf-8", help="of the answers")
    parser.add_argument("--script", type=Path, help="YAML file of failures to play (simulators/failures.py)")


async def _erp(chosen: argparse.Namespace) -> None:
    from simulators import erp  # noqa: PLC0415  FastAPI is slow to import and the others do without

    habits = erp.Habits(
        returns_id=chosen.returns_id,
        token=chosen.token,
        account=chosen.account,
        password=chosen.password,
        token_for=chosen.token_for,
        lag=chosen.lag,
        charset=chosen.charset,
    )
    async with told_to_stop() as over, erp.serving(habits, port=chosen.port, script=_script(chosen.script)) as service:
        announce(port=service.port, url=service.url)
        await over.wait()


def _add_influx(commands: Commands) -> None:
    parser = command(commands, "influx", "an InfluxDB v2 to write to, counting what it gets", _influx)
    parser.add_argument("--file", type=Path, help="log of accepted lines; default: forgotten at the end")
    parser.add_argument("--token", help="token to ask for; default: nobody is asked")
    parser.add_argument("--keep", type=int, help="points held at most; default: all")
    parser.add_argument("--max-body", type=int, default=50_000_000, help="bytes of a request; more is 413")
    parser.add_argument("--script", type=Path, help="YAML file of failures to play (simulators/failures.py)")


async def _influx(chosen: argparse.Namespace) -> None:
    from simulators import influx  # noqa: PLC0415  only what is asked for

    async with (
        told_to_stop() as over,
        influx.serving(
            port=chosen.port,
            token=chosen.token,
            max_body=chosen.max_body,
            keep=chosen.keep,
            file=chosen.file,
            script=_script(chosen.script),
        ) as service,
    ):
        announce(port=service.port, url=service.url)
        await over.wait()


def _add_broker(commands: Commands) -> None:
    parser = command(commands, "broker", "an MQTT broker: Mosquitto when installed, else an embedded one", _broker)
    parser.add_argument("--engine", choices=("mosquitto", "iotcore"), help="default: what is installed")
    parser.add_argument("--directory", type=Path, help="keeps sessions over a restart (Mosquitto only)")


async def _broker(chosen: argparse.Namespace) -> None:
    from simulators import broker  # noqa: PLC0415  only what is asked for

    async with (
        told_to_stop() as over,
        broker.serving(port=chosen.port, directory=chosen.directory, engine=chosen.engine) as running,
    ):
        announce(port=running.port, v5_port=running.v5_port, engine=running.engine, protocol=running.protocol)
        told = asyncio.create_task(over.wait(), name="told")
        ended = asyncio.create_task(running.process.wait(), name="ended")
        await asyncio.wait((told, ended), return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            raise OSError(f"{running.engine} ended by itself with status {running.process.returncode}")


def _add_proxy(commands: Commands) -> None:
    parser = command(commands, "proxy", "a TCP proxy that breaks on demand, told so by JSON lines on stdin", _proxy)
    parser.add_argument("--target", type=int, required=True, help="port to forward to")
    parser.add_argument("--target-host", default="127.0.0.1", help="host to forward to")


async def _proxy(chosen: argparse.Namespace) -> None:
    from simulators.proxy import FaultProxy  # noqa: PLC0415  only what is asked for

    async with FaultProxy(chosen.target, target_host=chosen.target_host, port=chosen.port) as proxy:

        async def obey(line: bytes) -> None:
            try:
                await proxy.play(json.loads(line))
            except ValueError as error:
                print(json.dumps({"error": str(error)}), flush=True)
            else:
                print(json.dumps({"done": json.loads(line)["do"]}), flush=True)

        async with told_to_stop(obey) as over:
            announce(port=proxy.port, target=chosen.target)
            await over.wait()


def _script(path: Path | None) -> Any:  # noqa: ANN401  whatever YAML holds; the script checks it
    return [] if path is None else yaml.safe_load(path.read_text(encoding="utf-8"))


#: Everything `python -m simulators` can be.
COMMANDS: tuple[Callable[[Commands], None], ...] = (
    _add_ticketing,
    _add_erp,
    _add_influx,
    _add_broker,
    _add_proxy,
    *DEVICES,
)
