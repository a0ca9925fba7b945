"""The site of a crash run: its configuration for the daemon, and the script of what is to happen on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LIFTS = 10
#: A safety chain opens every so many messages, for so many messages.
_EVERY, _OPEN, _FIRST = 240, 100, 60
_MOST_OPENINGS = 600
#: The pump room's floor gets wet at these moments, for as long as it then stays dry: far longer than any start.
LEAK_FIRST, LEAK_EVERY, LEAK_FOR = 6.0, 120.0, 60.0
_MOST_LEAKS = 60

CHAIN_RULE, LEAK_RULE = "crash.chain", "crash.leak"
POOL = "W1"
SITE = "crash"

_STATUS = """
version: 1
profile: crash-status
title: {zh: 状态, en: Status}
alive_within: 60s
late_after: 10min
mqtt:
  topics: ["lifts/{lift}/status"]
  timestamp: {path: ts, format: unix_ms}
points:
  n: {json: {path: n}}
  safety_chain: {kind: state, report: on_change, json: {path: data.safety_chain, labels: [closed, open]}}
  mode: {kind: state, report: on_change, json: {path: data.mode}}
  room_temp: {unit: °C, range: [-30, 80], json: {path: machine.room_temp}}
  motor_temp: {unit: °C, range: [-30, 250], json: {path: machine.motor_temp}}
"""
# Without a time stamp a message that is taken twice becomes two moments: here a repetition shows.
_PLAIN = """
version: 1
profile: crash-plain
title: {zh: 无时间戳, en: Plain}
alive_within: 60s
mqtt:
  topics: ["load/{lift}/plain"]
points:
  plain_n: {json: {path: n}}
  a: {json: {path: a}}
"""
_RULES = f"""
version: 1
rules:
  - id: {CHAIN_RULE}
    title: {{zh: 安全回路断开, en: Safety chain open}}
    applies_to: {{kind: lift}}
    levels: [{{level: I, when: {{point: safety_chain, equals: open}}}}]
    late: open
    never_suppress: true
    basis: crash run
    cause: {{zh: 脚本, en: The script}}
    consequence: {{zh: 无, en: None}}
  - id: {LEAK_RULE}
    title: {{zh: 漏水, en: Leak}}
    applies_to: {{kind: pump_room}}
    levels: [{{level: I, when: {{point: leak, equals: wet}}}}]
    never_suppress: true
    basis: crash run
    cause: {{zh: 脚本, en: The script}}
    consequence: {{zh: 无, en: None}}
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """A lift's safety chain is open in its status messages with first <= n < last."""

    lift: str
    first: int
    last: int


def openings() -> list[Opening]:
    """When which chain opens: one lift after the other, each closed again long before its next turn."""
    starts = ((k % LIFTS + 1, _FIRST + k * _EVERY) for k in range(_MOST_OPENINGS))
    return [Opening(f"L{lift}", first, first + _OPEN) for lift, first in starts]


def leaks() -> list[float]:
    """Seconds since the pump room's start at which its floor gets wet."""
    return [LEAK_FIRST + k * LEAK_EVERY for k in range(_MOST_LEAKS)]


def write_scenario(path: Path) -> None:
    """The pump room's script, as the simulator reads it."""
    steps = "".join(f"  - {{at: {at:g}s, device: {POOL}, event: leak, for: {LEAK_FOR:g}s}}\n" for at in leaks())
    duration = LEAK_FIRST + _MOST_LEAKS * LEAK_EVERY
    path.write_text(
        f"version: 1\ntitle: Wet floors\nduration: {duration:g}s\nseed: 1\n"
        f"devices:\n  {POOL}: {{kind: pump_room}}\nscript:\n{steps}",
        encoding="utf-8",
    )


def write_ticketing_script(path: Path) -> None:
    """A ticketing service with bad days: it times out and resets after creating, and is busy now and then."""
    path.write_text(
        "- {match: create, kind: timeout_after_create, probability: 0.2, seed: 11, hold: 1}\n"
        "- {match: create, kind: reset_after_create, probability: 0.1, seed: 12}\n"
        "- {match: create, kind: status_5xx, status: 503, probability: 0.1, seed: 13}\n"
        "- {match: note, kind: timeout_after, probability: 0.1, seed: 14, hold: 1}\n",
        encoding="utf-8",
    )


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the outside world listens."""

    #: Of MQTT 5.
    mqtt: int
    modbus: int
    influx: str
    ticketing: str


def write_configuration(directory: Path, ports: Ports) -> None:
    """Everything `precomplaint run -c` needs."""
    for name, text in (
        ("profiles/status.yaml", _STATUS),
        ("profiles/plain.yaml", _PLAIN),
        ("rules/crash.yaml", _RULES),
        ("assets.yaml", _assets()),
        ("gateway.yaml", _gateway(ports)),
    ):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _assets() -> str:
    lifts = "".join(
        f"  - id: L{n}\n    kind: lift\n    name: {{zh: {n}号梯, en: Lift {n}}}\n    devices:\n"
        f"      - {{profile: crash-status, source: site-mqtt, address: {{lift: L{n}}}}}\n"
        f"      - {{profile: crash-plain, source: site-mqtt, address: {{lift: L{n}}}}}\n"
        for n in range(1, LIFTS + 1)
    )
    return (
        f"version: 1\nsite: {{id: {SITE}, name: {{zh: 测试, en: Crash}}}}\nassets:\n{lifts}"
        f"  - id: {POOL}\n    kind: pump_room\n    name: {{zh: 泵房, en: Pump room}}\n    devices:\n"
        "      - {profile: pump-room-modbus, source: pump-bus, address: {unit: 1}}\n"
    )


def _gateway(ports: Ports) -> str:
    return (
        "version: 1\nstate_dir: state\nprofiles: [profiles]\nrules: [rules]\nsources:\n"
        f"  site-mqtt: {{mqtt: {{host: 127.0.0.1, port: {ports.mqtt}}}}}\n"
        f"  pump-bus: {{modbus: {{tcp: {{host: 127.0.0.1, port: {ports.modbus}}}}}}}\n"
        f'influx: {{url: "{ports.influx}", org: crash, bucket: crash, flush_interval: 200ms}}\n'
        f'ticketing: {{url: "{ports.ticketing}", timeout: 2s, poll_interval: 1s}}\n'
    )
