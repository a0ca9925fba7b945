"""Whatever is wrong with the configuration is said whole, with its place, before anything is touched."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from tests.gateway import Gateway, Peers, lift

pytestmark = pytest.mark.integration

BROKEN_YAML = "version: 1\nrules:\n  - id: [chain\n"
BAD_PROFILE = """
version: 1
profile: bad
title: {zh: 坏, en: bad}
mqtt: {topics: ["bad/{lift}"]}
alive_within: 30s
points:
  temp: {unit: °X, json: {path: temp}}
  chain: {kind: state}
"""


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("rules/own.yaml", None, BROKEN_YAML, [r"rules/own\.yaml:\d+:\d+: "]),
        (
            "gateway.yaml",
            "state_dir:",
            "state_dri:",
            [r"gateway\.yaml:3:1: .*state_dri.*state_dir"],
        ),
        (
            "rules/own.yaml",
            "above: 45 °C}",
            "above: 45 MPa}",
            [r"rules/own\.yaml:15:\d+: .*MPa.*°C"],
        ),
        (
            "profiles/bad.yaml",
            None,
            BAD_PROFILE,
            [r"profiles/bad\.yaml:8:\d+: .*°X.*did you mean '°C'", r"profiles/bad\.yaml:9:\d+: .*json.*register"],
        ),
    ],
    ids=["broken YAML", "unknown key", "wrong unit", "bad profile"],
)
async def test_every_fault_of_a_file_is_named_with_its_place(
    gateway: Gateway, file: str, old: str | None, new: str, says: list[str]
) -> None:
    """`run` ends with 2 and `check` with 1, both name each fault with file:line:column; no state is made."""
    if old is None:
        gateway.write(file, new)
    else:
        gateway.replace(file, old, new)

    run, check = await asyncio.gather(gateway.command("run"), gateway.command("check", "-o", "json"))

    assert (run.status, check.status) == (2, 1)
    faults = json.loads(check.out)["faults"]
    assert run.err.splitlines() == faults
    assert len(faults) == len(says)
    for fault, expected in zip(faults, says, strict=True):
        assert re.search(expected, fault), fault
    assert not gateway.state.exists()


async def test_a_second_start_is_refused_and_the_first_goes_on(gateway: Gateway, peers: Peers) -> None:
    """It ends with 2 and names the process that holds the state directory."""
    await peers.start("broker")
    async with gateway.running() as daemon:
        await daemon.listens()
        second = await gateway.command("run")

        assert second.status == 2
        assert f"pid {daemon.process.pid}" in second.err
        assert len(second.err.splitlines()) == 1
        await peers.say("lifts/L1/status", lift())
        await daemon.received(13)


async def test_a_start_after_a_kill_is_not_refused(gateway: Gateway) -> None:
    """The lock dies with its process; a socket and a lock file left behind hinder nobody."""
    async with gateway.running() as daemon:
        daemon.process.kill()
        await daemon.process.wait()
        assert (gateway.state / "control.sock").exists()

    async with gateway.running() as daemon:
        assert (await daemon.ask())["site"] == "here"


async def test_init_refuses_to_overwrite(gateway: Gateway, tmp_path: Path) -> None:
    """What it writes passes `check`; a second `init` names the files that are there and leaves them alone."""
    place = tmp_path / "new"
    first = await gateway.command("init", str(place))
    (place / "assets.yaml").write_text("mine")

    second = await gateway.command("init", str(place))

    assert (first.status, second.status) == (0, 2)
    assert str(place / "assets.yaml") in second.err
    assert (place / "assets.yaml").read_text() == "mine"


async def test_check_and_version_answer_in_json(gateway: Gateway) -> None:
    """Scripts read one object on standard output and nothing on standard error; this site's rules want no hold."""
    check, version = await asyncio.gather(
        gateway.command("check", "-o", "json"), gateway.command("version", "-o", "json")
    )

    assert (check.status, check.err, version.status, version.err) == (3, "", 0, "")
    found = json.loads(check.out)
    assert (found["ok"], found["assets"], found["rules"]) == (True, 2, 4)
    assert all("a single reading opens it" in lint for lint in found["lints"])
    assert re.match(r"\d+\.\d+", json.loads(version.out)["version"])


async def test_nobody_answers_where_no_daemon_runs(gateway: Gateway) -> None:
    """`status` and `reload` end with 2 and name the socket."""
    status, reload = await asyncio.gather(gateway.command("status"), gateway.command("reload"))

    for refused in (status, reload):
        assert refused.status == 2
        assert str(gateway.state / "control.sock") in refused.err
        assert "Traceback" not in refused.err


@pytest.mark.parametrize("what", ["state_dir", "control_socket", "tls"])
async def test_a_place_that_cannot_be_used_is_named(gateway: Gateway, what: str) -> None:
    """A state directory, a socket or a certificate that cannot be had ends the start with 2 and one line."""
    if what == "state_dir":
        gateway.write("state", "a file is in the way")
        expected = str(gateway.state)
    elif what == "control_socket":
        gateway.replace("gateway.yaml", "state_dir: state", "state_dir: state\ncontrol_socket: nowhere/control.sock")
        expected = f"nowhere{os.sep}control.sock"
    else:
        gateway.replace("gateway.yaml", "{mqtt: {host", "{mqtt: {tls: {ca: /nowhere/ca.pem}, host")
        expected = "/nowhere/ca.pem"

    run = await gateway.command("run")

    assert run.status == 2, run.err
    (line,) = [line for line in run.err.splitlines() if not line.startswith("{")]
    assert expected in line
