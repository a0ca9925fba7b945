"""`precomplaint decode`: one message, offline: what a profile makes of it, what fails, and why."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import typer

from daemon import settings
from daemon.cli.terminal import FAILED, Output, OutputOption, print_json, print_line
from daemon.clock import SiteClock
from daemon.documents import build, read
from daemon.model import BadPayload, ConfigError, Device, Observation
from daemon.sensors.codes import load_tables
from daemon.sensors.decoder import Decoder
from daemon.sensors.messages import MqttPart
from daemon.sensors.profile import Binding, Profile, load_profiles, make_points, with_tables
from daemon.sensors.shapes import compile_records
from daemon.sensors.topics import compile_topic

_MOST_DEVICES = 20
_NAME = "device"


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    received_at: datetime
    retained: bool


def decode(  # noqa: PLR0913  each is an option of the command
    payload: Annotated[str, typer.Argument(help="the payload as it is; @FILE reads a file, - standard input")],
    *,
    profile: Annotated[str, typer.Option("-p", "--profile", help="name of a shipped profile, or a profile's file")],
    topic: Annotated[str, typer.Option("-t", "--topic", help="the topic on which it came")],
    address: Annotated[
        list[str] | None, typer.Option("-a", "--address", help="PART=VALUE; what the topic tells need not be given")
    ] = None,
    received_at: Annotated[str, typer.Option(help="moment of receipt, ISO with zone; now when absent")] = "",
    zone: Annotated[str, typer.Option(help="the site's time zone")] = "Asia/Shanghai",
    retained: Annotated[bool, typer.Option("--retained", help="the broker had kept it")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Decode one MQTT message offline: readings, what fails and why. Exit 1 when anything in it fails."""
    found = _profile(profile)
    message = _Message(topic, _payload(payload), _moment(received_at), retained)
    given = dict(_pair(text) for text in address or ())
    bindings = [_binding(found, parts, n) for n, parts in enumerate(_addresses(found, message, given))]
    by = Decoder(bindings, source="decode", zone=_zone(zone))
    observations = by.decode(topic, message.payload, message.received_at, retained=retained)
    result = _result(found, bindings, observations)
    if output is Output.JSON:
        print_json({"profile": found.profile, "topic": topic, "subscribe": by.filters, **result})
    else:
        _show(found, result)
    if any(seen.rejections for seen in observations):
        raise typer.Exit(FAILED)


def _profile(name: str) -> Profile:
    shipped = settings.shipped() / "profiles"
    if not name.endswith((".yaml", ".yml")):
        profiles = load_profiles(shipped.glob("*.yaml"))
        if name not in profiles:
            known = ", ".join(sorted(n for n, p in profiles.items() if p.mqtt is not None))
            raise ConfigError([f"no shipped profile is named {name!r}; write a profile's file, or one of: {known}"])
        found = profiles[name]
    else:
        document = read(Path(name))
        folders = {shipped.resolve(), Path(name).parent.resolve()}
        tables = load_tables(file for folder in folders for file in folder.glob("codes/*.yaml"))
        found = with_tables(build(Profile, document), document, tables)
    if found.mqtt is None:
        raise ConfigError([f"the profile {found.profile!r} reads registers, not messages"])
    return found


def _payload(text: str) -> bytes:
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


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError([f"--zone {name!r} is no IANA time zone; write one such as Asia/Shanghai"]) from None


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ConfigError([f"--address {text!r}: write PART=VALUE, e.g. lift=L1"])
    return name, value


def _addresses(profile: Profile, message: _Message, given: dict[str, str]) -> list[dict[str, str]]:
    """The addresses of the devices whose message it is, as far as topic and payload tell."""
    part = profile.mqtt
    assert part is not None  # noqa: S101  the caller has looked
    odd = sorted(set(given) - set(profile.address_parts))
    if odd:
        known = ", ".join(profile.address_parts) or "none"
        raise ConfigError([f"the profile has no address part {odd[0]!r}; known: {known}"])
    told = given
    for pattern in part.patterns:
        if (match := compile_topic(pattern, given).fullmatch(message.topic)) is not None:
            told = {**match.groupdict(), **given}
            break
    else:
        patterns = ", ".join(part.patterns)
        raise ConfigError([f"the topic {message.topic!r} fits none of the profile's: {patterns}"])
    inside = [{**told, **found} for found in _told_inside(part, message.payload)]
    addresses = inside or [told]
    missing = [name for name in profile.address_parts if name not in addresses[0]]
    if missing and part.records is not None and not set(missing) - set(part.records.parts):
        return [dict.fromkeys(missing, "?") | told]  # nothing in it to be found: decoding says why
    if missing:
        raise ConfigError([f"neither topic nor payload tells {name}; add --address {name}=…" for name in missing])
    return addresses


def _told_inside(part: MqttPart, payload: bytes) -> list[dict[str, str]]:
    """What the records of a message say of their devices."""
    if part.records is None or not part.records.parts:
        return []
    found: dict[tuple[str, ...], None] = {}
    try:
        for address, _ in compile_records(part.records)(orjson.loads(payload)):
            found[address] = None
    except (orjson.JSONDecodeError, BadPayload):
        pass  # decoding will say so
    return [dict(zip(part.records.parts, address, strict=True)) for address in list(found)[:_MOST_DEVICES]]


def _binding(profile: Profile, address: dict[str, str], number: int) -> Binding:
    device = Device(f"{_NAME}{number}", f"{_NAME}{number}", "decode", profile.alive_within)
    return Binding(device, profile, address, make_points(profile, device))


def _result(profile: Profile, bindings: list[Binding], observations: list[Observation]) -> dict[str, Any]:
    addresses = {binding.device.id: dict(binding.address) for binding in bindings}
    told = [
        {
            "address": addresses.get(seen.device),
            "gone": seen.gone,
            "readings": [
                {
                    "point": (name := reading.point.partition(".")[2]),
                    "value": reading.value,
                    "unit": profile.points[name].unit,
                    "at": reading.at.isoformat(timespec="milliseconds"),
                    "quality": reading.quality,
                    "reason": reading.reason,
                }
                for reading in seen.readings
            ],
            "rejections": [
                {"path": rejection.place.rpartition("#")[2], "reason": rejection.reason, "detail": rejection.detail}
                for rejection in seen.rejections
            ],
        }
        for seen in observations
    ]
    spoken = {reading.point.partition(".")[2] for seen in observations for reading in seen.readings}
    return {"observations": told, "silent": [name for name in profile.points if name not in spoken]}


def _show(profile: Profile, result: dict[str, Any]) -> None:
    for seen in result["observations"]:
        parts = ", ".join(f"{name}={value}" for name, value in (seen["address"] or {}).items())
        state = " 离线 gone" if seen["gone"] else "" if seen["readings"] or seen["rejections"] else " 在线 alive"
        print_line(f"{profile.profile} {parts}{state}".rstrip())
        for row in seen["readings"]:
            flag = "" if row["quality"] == "good" else f"  {row['quality']}: {row['reason']}"
            print_line(f"  {row['point']} = {row['value']} {row['unit']}".rstrip() + f"  @ {row['at']}{flag}")
        for row in seen["rejections"]:
            print_line(f"  ✗ {row['path'] or '(message)'}: {row['reason']}: {row['detail']}")
    if not result["observations"]:
        print_line("不计入 it tells nothing: kept by the broker, or declared not to count")
    elif result["silent"]:
        print_line(f"未出现 not in this message: {', '.join(result['silent'])}")
