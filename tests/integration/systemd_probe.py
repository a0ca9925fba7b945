"""Runs inside a container that systemd has booted: follows docs/operations.md, then looks at what the unit does.

Prints nothing; writes one JSON object of facts to /out/facts.json, with `error` when a step did not work.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt

ETC = Path("/etc/precomplaint")
UNIT = "precomplaint"
COMMAND = "/opt/precomplaint/bin/precomplaint"
TOKEN = "a-token-that-nobody-guesses"  # noqa: S105  made up
PATIENCE = 40.0

facts: dict[str, Any] = {}


def call(*command: str) -> str:
    """Run a command that must work; its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def until(what: str, condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)


def shown(name: str) -> str:
    """A property of the unit."""
    return call("systemctl", "show", "--value", "-p", name, UNIT).strip()


def install() -> None:
    """The user, the directories and the credential, as in the install note."""
    call("adduser", "--system", "--group", "--home", "/var/lib/precomplaint", "--no-create-home", UNIT)
    call(COMMAND, "init", str(ETC))
    call("install", "-d", "-m", "0750", "-g", UNIT, str(ETC), str(ETC / "credentials"))
    secret = ETC / "credentials" / "ticketing_token"
    secret.touch(mode=0o600)
    secret.write_text(TOKEN + "\n")


def stand_in(name: str, *arguments: str) -> int:
    """Start a stand-in; its port. It ends with us, by the pipe."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators", name, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    assert isinstance(port, int)
    return port


def configure() -> tuple[int, str]:
    """Stand-ins, and a configuration that names them; port of the broker, address of the ticketing service."""
    broker, influx, ticketing = stand_in("broker"), stand_in("influx"), stand_in("ticketing", "--token", TOKEN)
    file = ETC / "gateway.yaml"
    text = file.read_text()
    for old, new in (
        ("port: 1883", f"port: {broker}"),
        ("http://127.0.0.1:8086", f"http://127.0.0.1:{influx}"),
        ("http://127.0.0.1:8080\n  # token", f"http://127.0.0.1:{ticketing}\n  token"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)
    return broker, f"http://127.0.0.1:{ticketing}/v1/orders"


async def publish(port: int, payload: str) -> None:
    """Say it as lift L1."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish("lifts/L1/status", payload, qos=1)


def orders(address: str) -> list[dict[str, Any]]:
    """What stands in the ticketing service."""
    request = urllib.request.Request(address + "?site=my-site", headers={"Authorization": f"Bearer {TOKEN}"})  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  loopback
        found: list[dict[str, Any]] = json.load(answer)["orders"]
    return found


def lift() -> str:
    """A lift whose safety chain is open."""
    data = {"mode": "normal", "floor": 7, "direction": 0, "speed": 0, "door": "closed", "in_zone": True, "fault": []}
    return json.dumps({"ts": round(time.time() * 1000), "data": {**data, "safety_chain": "open"}})


def observe() -> None:
    """What the unit does, from its first start to its stop."""
    broker, tickets = configure()
    facts["check"] = call(COMMAND, "check", "-c", str(ETC))
    call("systemctl", "start", UNIT)  # returns at READY=1
    facts["user"] = call("ps", "-o", "user=", "-p", shown("MainPID")).strip()

    asyncio.run(publish(broker, lift()))
    until("an order in the ticketing service", lambda: orders(tickets))
    facts["orders"] = [order["rule"] for order in orders(tickets)]
    facts["status"] = json.loads(call(COMMAND, "status", "-c", str(ETC), "-o", "json"))
    socket = Path("/run/precomplaint/control.sock").stat()
    facts["socket"] = [socket.st_mode & 0o777, Path("/run/precomplaint").stat().st_mode & 0o777]
    facts["state"] = sorted(path.name for path in Path("/var/lib/precomplaint").iterdir())

    fed = shown("WatchdogTimestampMonotonic")
    until("a tick that feeds the watchdog", lambda: shown("WatchdogTimestampMonotonic") != fed)
    facts["status_line"] = shown("StatusText")

    call("systemctl", "kill", "--kill-who=main", "-s", "KILL", UNIT)
    until("a restart after SIGKILL", lambda: shown("NRestarts") == "1" and shown("ActiveState") == "active")
    call("systemctl", "kill", "--kill-who=main", "-s", "STOP", UNIT)
    until("the watchdog to see it hang", lambda: shown("NRestarts") == "2" and shown("ActiveState") == "active")

    call("systemctl", "reload", UNIT)
    time.sleep(1)
    call("systemctl", "stop", UNIT)
    facts["end"] = {name: shown(name) for name in ("Result", "ExecMainStatus", "ActiveState")}


def main() -> None:
    """All of it; the facts are written in any case."""
    try:
        install()
        observe()
    except Exception:  # noqa: BLE001  told in the facts
        facts["error"] = traceback.format_exc()
    facts["log"] = call("journalctl", "--no-pager", "-o", "cat", "-u", UNIT)
    Path("/out/facts.json").write_text(json.dumps(facts, ensure_ascii=False))


main()
