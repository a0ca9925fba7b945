"""`precomplaint decode`: one message or a few registers, offline: what a profile makes of it, what fails, and why."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from daemon.cli.terminal import FAILED, Output, OutputOption, print_json, print_line
from daemon.clock import SiteClock
from daemon.model import ConfigError
from daemon.probe.images import decode_image, read_image
from daemon.probe.known import find_profile
from daemon.probe.messages import Message, decode_message
from daemon.probe.telling import Told


def decode(  # noqa: PLR0913  each is an option of the command
    payload: Annotated[
        str | None, typer.Argument(help="the payload as it is; @FILE reads a file, - standard input")
    ] = None,
    *,
    profile: Annotated[str, typer.Option("-p", "--profile", help="name of a shipped profile, or a profile's file")],
    topic: Annotated[str, typer.Option("-t", "--topic", help="the topic on which it came")] = "",
    address: Annotated[
        list[str] | None, typer.Option("-a", "--address", help="PART=VALUE; what the topic tells need not be given")
    ] = None,
    registers: Annotated[
        list[str] | None,
        typer.Option(
            "-r", "--registers", help="instead of a payload: holding:0=0x3e99,0x999a; @FILE or - take mbpoll's output"
        ),
    ] = None,
    unit: Annotated[int, typer.Option(min=0, max=255, help="the Modbus unit they were read from")] = 1,
    first: Annotated[
        int | None, typer.Option(min=0, max=1, help="mbpoll's number of the first register: 0 when run with -0")
    ] = None,
    received_at: Annotated[str, typer.Option(help="moment of receipt, ISO with zone; now when absent")] = "",
    zone: Annotated[str, typer.Option(help="the site's time zone")] = "Asia/Shanghai",
    retained: Annotated[bool, typer.Option("--retained", help="the broker had kept it")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Decode an MQTT message, or Modbus registers, offline: readings, what fails, why. Exit 1 when anything does."""
    found = find_profile(profile)
    at = _moment(received_at)
    if registers:
        if payload is not None or topic:
            raise ConfigError(["--registers stands instead of a payload and its topic; give one of the two"])
        image = read_image([text_of(text).decode("utf-8", "replace") for text in registers], first=first)
        told = decode_image(found, image, unit, at)
        whence: dict[str, Any] = {"unit": unit}
    else:
        if found.mqtt is None:
            raise ConfigError([f"the profile {found.profile!r} reads registers, not messages; give --registers"])
        if payload is None or not topic:
            raise ConfigError(["give --topic and the payload (@FILE reads a file, - standard input), or --registers"])
        told = decode_message(found, Message(topic, text_of(payload), at, retained), pairs(address), find_zone(zone))
        whence = {"topic": topic, "subscribe": told.filters}
    if output is Output.JSON:
        print_json({"profile": found.profile, **whence, **told.plain()})
    else:
        _show(told)
    if told.failed:
        raise typer.Exit(FAILED)


def text_of(text: str) -> bytes:
    """What an argument stands for: itself, a file (`@FILE`), or standard input (`-`)."""
    try:
        if text == "-":
            return sys.stdin.buffer.read()
        return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfigError([f"{text[1:]}: cannot be read: {error.strerror}"]) from error


def _moment(text: str) -> datetime:
    if not text:
        return SiteClock().now()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min  # noqa: DTZ901  has no zone, and so is refused with what to write
    if at.tzinfo is None:
        raise ConfigError([f"--received-at {text!r} is no moment; write e.g. 2026-11-21T10:20:38+08:00"])
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def find_zone(name: str) -> ZoneInfo:
    """The time zone that `--zone` names."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError([f"--zone {name!r} is no IANA time zone; write one such as Asia/Shanghai"]) from None


def pairs(given: list[str] | None) -> dict[str, str]:
    """What several `--address PART=VALUE` tell."""
    return dict(_pair(text) for text in given or ())


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ConfigError([f"--address {text!r}: write PART=VALUE, e.g. lift=L1"])
    return name, value


def _show(told: Told) -> None:
    result = told.plain()
    for seen in result["observations"]:
        show_observation(told.profile.profile, seen)
    if not result["observations"]:
        print_line("不计入 it tells nothing: kept by the broker, or declared not to count")
    elif result["silent"]:
        where = "message" if told.profile.mqtt is not None else "registers"
        print_line(f"未出现 not in {'this' if where == 'message' else 'these'} {where}: {', '.join(result['silent'])}")


def show_observation(name: str, seen: dict[str, Any], indent: str = "") -> None:
    """One observation in plain values: a head line, its readings, what was rejected."""
    parts = ", ".join(f"{part}={value}" for part, value in (seen["address"] or {}).items())
    silent = not seen["readings"] and not seen["rejections"] and "unit" not in (seen["address"] or {})
    state = " 离线 gone" if seen["gone"] else " 在线 alive" if silent else ""
    print_line(f"{indent}{name} {parts}{state}".rstrip())
    for row in seen["readings"]:
        flag = "" if row["quality"] == "good" else f"  {row['quality']}: {row['reason']}"
        value = f"{row['point']} = {row['value']} {row['unit']}".rstrip()
        print_line(f"{indent}  {value}  @ {row['at']}{flag}")
    for row in seen["rejections"]:
        print_line(f"{indent}  ✗ {row['path'] or '(message)'}: {row['reason']}: {row['detail']}")
