"""`precomplaint probe mqtt` and `probe payload`: what arrives, what profiles make of it, what fails and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from daemon import settings
from daemon.cli.decode import find_zone, pairs, show_observation, text_of
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
from daemon.cli.terminal import FAILED, Output, OutputOption, err, print_json, print_line
from daemon.clock import SiteClock
from daemon.model import ConfigError, SourceDown
from daemon.probe.hearing import Hearing, Made
from daemon.probe.known import find_profile, shipped_profiles
from daemon.probe.listening import Listener
from daemon.probe.messages import Message
from daemon.sensors.mqtt import MqttConfig
from daemon.sensors.profile import Profile, load_profiles

#: A topic is shown no more often.
_SHOWN_EVERY = timedelta(seconds=1)

TopicsOption = Annotated[
    list[str] | None, typer.Option("-t", "--topic", help="topic filter, such as tanks/# ; the site's own when absent")
]
ProfileOption = Annotated[
    str, typer.Option("-p", "--profile", help="read every message by this profile: a shipped one's name, or a file")
]
AddressOption = Annotated[
    list[str] | None, typer.Option("-a", "--address", help="PART=VALUE of the device; what the topic tells need not be")
]
ZoneOption = Annotated[str, typer.Option(help="the site's time zone; with -c it is known")]


class _Enough(Exception):
    """As many messages as were asked for have come."""


def probe_mqtt(  # noqa: PLR0913  each is an option of the command
    *,
    topic: TopicsOption = None,
    config: ConfigOption = None,
    source: SourceOption = "",
    host: HostOption = "",
    port: PortOption = None,
    version: Annotated[str, typer.Option(help="of MQTT: 5 or 3.1.1")] = "5",
    username: Annotated[str, typer.Option(help="without -c: to log in with")] = "",
    password_file: Annotated[Path | None, typer.Option(help="without -c: a file that holds the password")] = None,
    tls: TlsOption = False,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    profile: ProfileOption = "",
    address: AddressOption = None,
    zone: ZoneOption = "Asia/Shanghai",
    seconds: Annotated[float, typer.Option(min=0.0, help="end after so many; 0: at Ctrl-C")] = 0.0,
    messages: Annotated[int, typer.Option(min=0, help="end after so many messages; 0: do not")] = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show live what a broker delivers, what a profile makes of it, what fails and why.

    With -c messages are read as the daemon would read them. What nobody reads is held against the shipped profiles and
    those of the site, and a profile to begin with is printed. Nothing is published, and nothing of us stays in the
    broker. Exit 1 when the broker cannot be reached, nothing came, or something could not be read.
    """
    only_one_way(config, {"--host": host}, "-c DIR or --host HOST")
    bindings: Sequence[Any] = ()
    profiles = shipped_profiles()
    if config is not None:
        name, broker, gateway, directory = find_source(config, source, "mqtt", lambda found: found.mqtt)
        own = [file for folder in gateway.profiles for file in sorted((directory / folder).glob("*.yaml"))]
        profiles |= load_profiles(own)
        try:
            site = settings.load(config)
            bindings, zone = site.bindings[name], site.catalogue.site.timezone
        except ConfigError as error:
            told = "配置有错，先只看报文 the configuration has faults; its devices are left out: precomplaint check"
            err.print(f"{told}\n{error.faults[0]}", highlight=False, markup=False, soft_wrap=True)
    else:
        broker = from_options(
            MqttConfig,
            {
                "host": host,
                "port": port,
                "version": version,
                "username": username or None,
                "password": _secret(password_file),
                "tls": tls_of(ca, certificate, key, plain=not tls),
            },
        )
    chosen = _for_messages(find_profile(profile)) if profile else None
    hearing = Hearing(
        zone=find_zone(zone),
        profiles=list(profiles.values()),
        profile=chosen,
        address=pairs(address),
        bindings=bindings if chosen is None else (),
    )
    filters = [_filter(text) for text in topic or hearing.filters or ("#",)]
    live = output is Output.TEXT
    if live:
        ends = f"{seconds:g} s" if seconds else "Ctrl-C"
        err.print(f"{broker.place}  {', '.join(filters)}  ({ends})", highlight=False, markup=False, soft_wrap=True)
    lost, refused = _listen(broker, filters, hearing, seconds, messages, _Shown(find_zone(zone)) if live else None)
    report = {"broker": broker.place, "filters": filters, "refused": refused, **hearing.report()}
    if live:
        _summary(report)
        if lost:
            err.print(lost, highlight=False, markup=False, soft_wrap=True)
    else:
        print_json({**({"error": lost} if lost else {}), **report})
    unread = chosen is not None and not hearing.read
    if lost or refused or not hearing.messages or hearing.failed or unread:
        raise typer.Exit(FAILED)


def probe_payload(
    payload: Annotated[str, typer.Argument(help="the payload as it is; @FILE reads a file, - standard input")],
    *,
    topic: Annotated[str, typer.Option("-t", "--topic", help="the topic on which it came")],
    zone: ZoneOption = "Asia/Shanghai",
    output: OutputOption = Output.TEXT,
) -> None:
    """Look at one bare payload, offline: which shipped profiles could read it, and a profile to begin with."""
    hearing = Hearing(zone=find_zone(zone), profiles=list(shipped_profiles().values()))
    message = Message(topic, text_of(payload), SiteClock().now())
    made = hearing.take(message)
    report = hearing.report()
    (heard,) = report["topics"]
    if output is Output.JSON:
        print_json({"topic": topic, "fits": heard["fits"], "skeletons": report["skeletons"]})
    else:
        for line in _fits(made):
            print_line(f"# {line}")
        for skeleton in report["skeletons"]:
            print_line(skeleton["profile"].rstrip("\n"))
    if not made.fits and not report["skeletons"]:
        err.print("无法读出测点 nothing in it could be a point", highlight=False)
        raise typer.Exit(FAILED)


def _listen(
    broker: MqttConfig, filters: list[str], hearing: Hearing, seconds: float, messages: int, shown: _Shown | None
) -> tuple[str, list[str]]:
    """Why it ended too early, and the filters that were refused."""

    def hear(message: Message) -> None:
        made = hearing.take(message)
        if shown is not None:
            shown.show(message, made)
        if messages and hearing.messages >= messages:
            raise _Enough

    listener = Listener(broker, filters, SiteClock(), hear)

    async def listen() -> None:
        async with asyncio.timeout(seconds or None):
            await listener.run()

    try:
        asyncio.run(listen())
    except (TimeoutError, KeyboardInterrupt, _Enough):
        return "", list(listener.refused)
    except SourceDown as down:
        return str(down), list(listener.refused)
    return "", list(listener.refused)


class _Shown:
    """Prints messages as they come, none of a topic more than once a second."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._last: dict[str, datetime] = {}

    def show(self, message: Message, made: Made) -> None:
        """Show what came and what was made of it."""
        last = self._last.get(message.topic)
        if last is not None and message.received_at - last < _SHOWN_EVERY and not made.failed:
            return
        self._last[message.topic] = message.received_at
        at = message.received_at.astimezone(self._zone).strftime("%H:%M:%S")
        kept = "  保留 retained" if message.retained else ""
        print_line(f"{at}  {message.topic}  {message.cut_from or len(message.payload)} B{kept}")
        for seen in made.observations:
            show_observation(seen["whose"] or "?", seen, indent="  ")
        if made.by and not made.observations:
            print_line("  不计入 it tells nothing: kept by the broker, or declared not to count")
        if not made.by:
            _show_unread(message, made)


def _show_unread(message: Message, made: Made) -> None:
    print_line(f"  {message.payload[:200].decode('utf-8', 'replace')}")
    if made.why:
        print_line(f"  {made.why}")
    for line in _fits(made):
        print_line(f"  {line}")
    best = made.fits[0] if made.fits and made.fits[0].by_topic else None
    for seen in best.told.plain()["observations"] if best is not None else ():
        show_observation(best.profile if best is not None else "", seen, indent="  ")


def _fits(made: Made) -> list[str]:
    if not made.fits:
        return ["没有现成的 profile no shipped profile reads it"]
    return [
        f"{'可用 fits' if fit.by_topic else '字段相符、主题不同 its fields fit, its topic does not'}: {fit.profile} "
        f"({fit.good}/{fit.points} 测点 points, {fit.rejected} 拒收 rejected)"
        for fit in made.fits
    ]


def _summary(report: dict[str, Any]) -> None:
    print_line("")
    for heard in report["topics"]:
        every = f", 每 every {heard['every']:g} s" if heard["every"] is not None else ""
        kept = f", 保留 retained {heard['retained']}" if heard["retained"] else ""
        by = heard["read_by"] or "—"
        failed = f", 失败 failed {heard['failed']}" if heard["failed"] else ""
        print_line(f"{heard['topic']}: {heard['messages']} 条 messages{every}{kept}, 读者 read by {by}{failed}")
    for skeleton in report["skeletons"]:
        print_line(f"\n# {', '.join(skeleton['topics'][:5])}")
        print_line(skeleton["profile"].rstrip("\n"))
    for refused in report["refused"]:
        print_line(f"{refused}: 服务器拒绝订阅 the broker refuses it: look at its access list")
    if report["passed_over"]:
        print_line(f"还有 {report['passed_over']} 条未看 messages of further topics were not looked at")
    if not report["messages"]:
        print_line(
            "没有收到报文：查主题、设备是否在发、服务器的访问控制（3.1.1 的拒绝是无声的）。"
            "Nothing came: check the topic, whether the device sends, and the broker's access list."
        )


def _for_messages(profile: Profile) -> Profile:
    if profile.mqtt is None:
        raise ConfigError([f"the profile {profile.profile!r} reads registers, not messages"])
    return profile


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "is no text"
        raise ConfigError([f"--password-file {path}: cannot be read: {what}"]) from error


def _filter(text: str) -> str:
    levels = text.split("/")
    wrong = "#" in levels[:-1] or any(len(level) > 1 and set(level) & set("+#") for level in levels)
    if not text or wrong or "\0" in text or len(text.encode("utf-8", "surrogateescape")) > 65535:
        raise ConfigError([f"--topic {text!r} is no topic filter; + is one level, # all the rest: tanks/+/data"])
    return text
