"""`precomplaint probe modbus`: which units answer, which registers they have, and what these may hold. Only reads."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

import typer

from daemon.cli.progress import Progress
from daemon.cli.reaching import (
    CaOption,
    CertificateOption,
    ConfigOption,
    HostOption,
    KeyOption,
    PortOption,
    SourceOption,
    TlsOption,
    find_source,
    from_options,
    only_one_way,
    tls_of,
)
from daemon.cli.terminal import FAILED, OK, Output, OutputOption, err, print_json, print_line
from daemon.clock import SiteClock
from daemon.model import ConfigError, SourceDown
from daemon.probe.bus_report import report
from daemon.probe.scan import Scan, Scanner, Wanted, spans_of
from daemon.sensors.modbus import ModbusConfig
from daemon.sensors.registers import Table

INTERRUPTED = 130
_MOST_SPANS = 64
_TABLES: dict[str, Table] = {"holding": "holding", "input": "input", "coil": "coil", "discrete": "discrete"}


def probe_modbus(  # noqa: PLR0913  each is an option of the command
    *,
    config: ConfigOption = None,
    source: SourceOption = "",
    host: HostOption = "",
    port: PortOption = None,
    framing: Annotated[str, typer.Option(help="tcp, or rtu: a transparent serial server")] = "tcp",
    tls: TlsOption = False,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    serial: Annotated[str, typer.Option(help="without -c: a serial port, such as /dev/serial/by-id/…")] = "",
    baud: Annotated[int, typer.Option(help="of the serial line")] = 9600,
    parity: Annotated[str, typer.Option(help="none, even or odd")] = "none",
    stop_bits: Annotated[int, typer.Option(help="1 or 2")] = 1,
    timeout: Annotated[str, typer.Option(help="longest wait for an answer")] = "",
    units: Annotated[str, typer.Option(help="unit numbers to ask")] = "1-8",
    table: Annotated[str, typer.Option(help="of holding, input, coil, discrete")] = "holding,input",
    addresses: Annotated[str, typer.Option(help="addresses to look at; they count from 0, as they travel")] = "0-127",
    looks: Annotated[int, typer.Option(min=1, max=100, help="looks at what was found: what changes, what counts?")] = 3,
    pause: Annotated[float, typer.Option(min=0.0, max=10.0, help="seconds of silence before each request")] = 0.05,
    most: Annotated[int, typer.Option("--most-requests", min=1, max=100_000, help="then it ends")] = 1000,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look over a Modbus bus: units, registers, largest block, plausible types; prints a profile to begin with.

    Nothing is ever written. Stop the daemon first when it holds the serial line, or the device's only connection.
    Exit 1 when no unit answers, 130 after Ctrl-C: what was found until then is printed.
    """
    only_one_way(config, {"--host": host, "--serial": serial}, "-c DIR, --host HOST or --serial PORT")
    if config is not None:
        bus = find_source(config, source, "modbus", lambda found: found.modbus)[1]
    else:
        bus = from_options(
            ModbusConfig,
            {
                "tcp": {
                    "host": host,
                    "port": port,
                    "framing": framing if framing != "tcp" else None,
                    "tls": tls_of(ca, certificate, key, plain=not tls),
                }
                if host
                else None,
                "serial": {"port": serial, "baud": baud, "parity": parity, "stop_bits": stop_bits} if serial else None,
                "timeout": timeout or None,
            },
        )
    wanted = Wanted(
        units=_units(units, bus),
        tables=_tables(table),
        spans=[(first, last - first + 1) for first, last in spans_of(_numbers("--addresses", addresses, 0xFFFF))],
        looks=looks,
        pause=pause,
        most_requests=most,
    )
    scan, error = _scan(bus, wanted)
    _print(scan, error, output)
    raise typer.Exit(INTERRUPTED if scan.ended == "interrupted" else OK if scan.units and not error else FAILED)


def _scan(bus: ModbusConfig, wanted: Wanted) -> tuple[Scan, str]:
    """What was found, and why nothing could be."""
    with Progress() as progress:
        scanner = Scanner(bus, wanted, SiteClock(), lambda what: progress.tell(f"{scanner.scan.requests}: {what}"))
        try:
            asyncio.run(scanner.run())
        except SourceDown as down:
            return scanner.scan, str(down)
        except KeyboardInterrupt:
            scanner.scan.ended = "interrupted"
    return scanner.scan, ""


def _print(scan: Scan, error: str, output: Output) -> None:
    result = report(scan)
    if output is Output.JSON:
        print_json({**({"error": error} if error else {}), **result})
        return
    if error:
        err.print(error, highlight=False, markup=False, soft_wrap=True)
        return
    for unit in result["units"]:
        _show(unit)
    if result["silent"]:
        print_line(f"无应答 no answer: 单元 units {', '.join(_spans(result['silent']))}")
    if not result["units"]:
        print_line(
            "没有单元应答：查 A/B 接线、波特率、校验位、单元号；TCP 网关查单元范围。"
            "No unit answers: check wiring (A/B), baud rate, parity, unit numbers; on a gateway, the units behind it."
        )
    ends = {
        "": "",
        "enough": "已达请求上限，余下未看 the cap on requests was reached, the rest was not looked at: --most-requests",
        "interrupted": "已中断，以下为目前所得 interrupted: this is what was found until then",
    }
    if end := ends.get(result["ended"], result["ended"]):
        err.print(end, highlight=False, markup=False, soft_wrap=True)


def _show(unit: dict[str, Any]) -> None:
    head = f"单元 unit {unit['unit']}"
    if unit["same_as"] is not None:
        print_line(
            f"{head}: 与单元 {unit['same_as']} 相同，同一设备？ shows the same as unit {unit['same_as']}: one device?"
        )
        return
    print_line(f"{head}{'  中途不再应答 it stopped answering' if unit['lost'] else ''}")
    for table in unit["tables"]:
        _show_table(table)
    for fit in unit["fits"]:
        points = f"{fit['good']}/{fit['points']} 测点 points"
        print_line(f"  像 looks like: {fit['profile']} ({points})")
    if unit["skeleton"]:
        print_line("")
        print_line(unit["skeleton"])


def _show_table(table: dict[str, Any]) -> None:
    if table["unknown"]:
        print_line(f"  {table['table']}: 不支持 not known to it")
        return
    there = ", ".join(_run(a, b) for a, b in table["there"]) or "无 none"
    print_line(f"  {table['table']}: 有 there {there}")
    if table["illegal"]:
        print_line(f"    非法 illegal: {', '.join(_run(a, b) for a, b in table['illegal'])}")
    if table["pairs"]:
        print_line("    只能成对读 given in pairs only: 32-bit values")
    if table["there"]:
        limit = table["max_block"]
        known = f"{limit}" if limit is not None else f"≥ {table['largest']}"
        print_line(f"    一次最多 most in one request: {known}")
    for value in table["values"]:
        order = f" {value['order']}" if value["words"] > 1 and value["type"] != "string" else ""
        shown = value["value"] if isinstance(value["value"], str) else f"{value['value']:.7g}"
        print_line(f"    {value['address']:>5}  {value['type']}{order} = {shown}  {value['why']}".rstrip())


def _run(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}–{last}"


def _spans(numbers: list[int]) -> list[str]:
    return [_run(a, b) for a, b in spans_of(numbers)]


def _units(text: str, bus: ModbusConfig) -> list[int]:
    numbers = _numbers("--units", text, 255)
    if odd := [n for n in numbers if n not in bus.units]:
        raise ConfigError(
            [f"--units: there can be no unit {odd[0]} on this bus; {bus.units[0]} to {bus.units[-1]} can be"]
        )
    return numbers


def _numbers(option: str, text: str, most: int) -> list[int]:
    """`1-8,17` as numbers in order."""
    found: set[int] = set()
    pieces = text.split(",")
    for piece in pieces[:_MOST_SPANS]:
        match = re.fullmatch(r"\s*(\d+|0x[0-9a-fA-F]+)(?:\s*-\s*(\d+|0x[0-9a-fA-F]+))?\s*", piece)
        first = int(match[1], 0) if match else -1
        last = int(match[2], 0) if match and match[2] else first
        if not 0 <= first <= last <= most or len(pieces) > _MOST_SPANS:
            raise ConfigError([f"{option} {text!r}: write numbers and ranges from 0 to {most}, such as 1-8,17"])
        found.update(range(first, last + 1))
    return sorted(found)


def _tables(text: str) -> list[Table]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in _TABLES:
            raise ConfigError([f"--table: {name!r} is no table; known: {', '.join(_TABLES)}"])
    return [_TABLES[name] for name in dict.fromkeys(names)]
