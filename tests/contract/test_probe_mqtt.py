"""`probe mqtt` against a real Mosquitto, and against nobody."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import orjson
import pytest
from typer.testing import CliRunner, Result

from daemon.cli.main import app
from daemon.model import ConfigError
from tests.mqtt_peers import Mosquitto, need
from tests.papers import Papers

pytestmark = pytest.mark.integration

TANKS = {"time": "2026/11/21 16:00:05", "tanks": [{"sn": "A7", "level": "18.5"}, {"sn": "B2", "level": "-1"}]}
GATEWAY = """
version: 1
state_dir: state
sources:
  site: {{mqtt: {{host: 127.0.0.1, port: {port}}}}}
influx: {{url: "http://127.0.0.1:1"}}
ticketing: {{url: "http://127.0.0.1:1"}}
"""
ASSETS = """
version: 1
site: {id: s, name: {zh: 甲, en: A}}
assets:
  - id: b1-lift-1
    kind: lift
    name: {zh: 一号梯, en: Lift 1}
    devices: [{profile: lift-gb24476-json, source: site, address: {lift: L1}}]
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["probe", "mqtt", *words])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as found:
        yield found


def keep(broker: Mosquitto, topic: str, payload: object) -> None:
    """Have the broker hold a message, which a visitor is then told at once."""

    async def publish() -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            sent = payload if isinstance(payload, bytes) else orjson.dumps(payload)
            await client.publish(topic, sent, qos=1, retain=True)

    asyncio.run(publish())


def at(broker: Mosquitto, *more: str) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(broker.port), *more]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_arrives_is_shown_with_a_profile_to_begin_with(broker: Mosquitto, tmp_path: Path, version: str) -> None:
    """A box that no profile knows: its payload, and a profile that reads the next message."""
    keep(broker, "tanks/gw1/data", TANKS)
    done = run(*at(broker, "-t", "tanks/#", "--messages", "1", "--version", version, "-o", "json"))

    assert done.exit_code == 0
    result = orjson.loads(done.stdout)
    (topic,) = result["topics"]
    assert (topic["topic"], topic["messages"], topic["retained"]) == ("tanks/gw1/data", 1, 1)
    assert orjson.loads(topic["latest"]) == TANKS
    (skeleton,) = result["skeletons"]
    (tmp_path / "new.yaml").write_text(skeleton["profile"], encoding="utf-8")
    read = run(*at(broker, "-t", "tanks/#", "--messages", "1", "-p", str(tmp_path / "new.yaml")))
    assert read.exit_code == 0
    assert "my-device tank=gw1, sn=A7\n    level = 18.5" in read.stdout


def test_a_shipped_profile_that_fits_is_named(broker: Mosquitto) -> None:
    """By its topic, with what it makes of the message; no profile is printed, for there is one."""
    keep(broker, "elevators/L1/info", {"type": "info", "data": {"floor": 7, "door": 0}})
    done = run(*at(broker, "--messages", "1"))

    assert done.exit_code == 0
    assert "可用 fits: lift-gb24476-json" in done.stdout
    assert "floor = 7.0" in done.stdout
    assert "version: 1" not in done.stdout


def test_a_message_that_the_profile_cannot_read_fails(broker: Mosquitto) -> None:
    """Exit 1, with the path and the reason; another topic is told to be none of the profile's."""
    keep(broker, "elevators/L1/info", {"type": "info", "data": {"fault": [99]}})
    keep(broker, "other", b"\x1b[2J")
    done = run(*at(broker, "-p", "lift-gb24476-json", "--messages", "2"))

    assert done.exit_code == 1
    assert "✗ data.fault: unknown_code" in done.stdout
    assert "the topic 'other' fits none of the profile's" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_site_is_heard_as_its_daemon_would_hear_it(broker: Mosquitto, tmp_path: Path) -> None:
    """The filters are the site's; a device that nobody declared is named with its address, and what would read it."""
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(port=broker.port), encoding="utf-8")
    (tmp_path / "assets.yaml").write_text(ASSETS, encoding="utf-8")
    for lift in ("L1", "L9"):
        keep(broker, f"elevators/{lift}/info", {"type": "info", "data": {"floor": 7}})
    done = run("-c", str(tmp_path), "--messages", "2", "-o", "json")

    assert done.exit_code == 0
    result = orjson.loads(done.stdout)
    assert result["filters"] == ["elevators/+/info"]
    known, stranger = result["topics"]
    assert (known["read_by"], known["observations"][0]["whose"]) == ("site", "b1-lift-1/lift-gb24476-json")
    assert stranger["read_by"] is None
    assert "no device has lift 'L9' in its address" in stranger["why"]
    assert "lift-gb24476-json" in [fit["profile"] for fit in stranger["fits"]]


def test_a_site_with_faults_is_heard_all_the_same(broker: Mosquitto, tmp_path: Path) -> None:
    """Messages first: what is wrong with the assets is told, and does not stand in the way."""
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(port=broker.port), encoding="utf-8")
    (tmp_path / "assets.yaml").write_text("version: 1\n", encoding="utf-8")
    keep(broker, "elevators/L1/info", {"type": "info", "data": {"floor": 7}})
    done = run("-c", str(tmp_path), "--messages", "1")

    assert done.exit_code == 0
    assert "the configuration has faults" in done.stderr
    assert "可用 fits: lift-gb24476-json" in done.stdout


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_visit_leaves_nothing_and_says_nothing(broker: Mosquitto, version: str) -> None:
    """Not a word on any topic, even when it is killed, and no session that would gather messages."""
    heard: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def overhear() -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe([("#", 1), ("$SYS/broker/clients/total", 1)])
            ready.set()
            async for message in client.messages:
                if not message.topic.value.startswith("$SYS"):
                    heard.append(message.topic.value)
                if message.topic.value == "end":
                    return

    def listen() -> None:
        asyncio.run(overhear())
        done.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(20)
    command = [sys.executable, "-m", "daemon", "probe", "mqtt", *at(broker, "--version", version, "-t", "t/#")]
    for how in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            keep(broker, "t/1", {"n": 1})
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(how)
            process.communicate(timeout=20)
    keep(broker, "end", b"1")
    listener.join(20)

    assert done.is_set()
    assert heard == ["t/1", "t/1", "end"]


def test_nothing_that_comes_is_a_failure(broker: Mosquitto) -> None:
    """Exit 1, and what to check."""
    done = run(*at(broker, "-t", "nobody/here", "--seconds", "0.3"))

    assert done.exit_code == 1
    assert "没有收到报文" in done.stdout
    assert "Nothing came: check the topic" in done.stdout


def test_a_wrong_login_is_told_without_the_secret(tmp_path: Path) -> None:
    """The user is named, the password never."""
    found = tmp_path / "passwords"
    subprocess.run([need("mosquitto_passwd"), "-c", "-b", found, "bob", "right"], check=True)
    (tmp_path / "secret").write_text("wr0ng-s3cret\n")
    login = ["--username", "bob", "--password-file", str(tmp_path / "secret")]
    with Mosquitto(tmp_path, f"password_file {found}", "allow_anonymous false") as broker:
        wrong = run(*at(broker, *login, "--seconds", "5"))
        as_json = run(*at(broker, *login, "--seconds", "5", "-o", "json"))
        (tmp_path / "secret").write_text("right\n")
        right = run(*at(broker, *login, "--seconds", "0.3"))

    assert (wrong.exit_code, as_json.exit_code) == (1, 1)
    assert "check username and password (user 'bob')" in wrong.stderr
    assert "check username and password" in orjson.loads(as_json.stdout)["error"]
    assert "s3cret" not in wrong.output + as_json.output
    assert "Nothing came" in right.stdout


def test_an_access_list_that_is_silent_is_thought_of(tmp_path: Path) -> None:
    """Mosquitto grants the filter and delivers nothing: the access list is among the things to check."""
    (tmp_path / "acl").write_text("topic read open/#\ntopic write #\n")
    with Mosquitto(tmp_path, f"acl_file {tmp_path / 'acl'}") as broker:
        keep(broker, "closed/1", b"1")
        done = run(*at(broker, "-t", "closed/#", "--seconds", "0.3"))

    assert done.exit_code == 1
    assert "the broker's access list" in done.stdout


def test_a_wrong_authority_is_told(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Certificate and host are what to check; with the right papers the same visit is let in."""
    papers = Papers(tmp_path_factory.mktemp("papers"))
    certificate, key = papers.broker
    guards = (f"cafile {papers.ca}", f"certfile {certificate}", f"keyfile {key}", "require_certificate true")
    ours = ["--certificate", str(papers.ours[0]), "--key", str(papers.ours[1])]
    with Mosquitto(tmp_path, *guards) as broker:
        where = ["--host", "localhost", "--port", str(broker.port)]
        wrong = run(*where, "--ca", str(papers.other), *ours, "--seconds", "5")
        without = run(*where, "--ca", str(papers.ca), "--seconds", "5")
        right = run(*where, "--ca", str(papers.ca), *ours, "--seconds", "0.5")

    assert wrong.exit_code == without.exit_code == 1
    assert "certificate is not trusted" in wrong.stderr
    assert "check tls.ca and host" in wrong.stderr
    assert "tls.certificate" in without.stderr
    assert "Nothing came" in right.stdout


def test_nobody_there_is_told() -> None:
    """Exit 1, with the address and what to do."""
    done = run("--host", "127.0.0.1", "--port", "1", "--seconds", "5")

    assert done.exit_code == 1
    assert "127.0.0.1:1: connection refused; start the broker there, or correct host and port" in done.stderr


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "say what to look at: -c DIR or --host HOST"),
        (["--host", "a", "-t", "a/#/b"], "--topic 'a/#/b' is no topic filter"),
        (["--host", "a", "-t", "a+"], "--topic 'a+' is no topic filter"),
        (["--host", "a", "--version", "4"], "version"),
        (["--host", "a", "--password-file", "nowhere"], "--password-file nowhere: cannot be read"),
        (["--host", "a", "-p", "nothing"], "no shipped profile is named 'nothing'"),
        (["--host", "a", "-p", "pressure-rs485"], "reads registers, not messages"),
        (["--host", "a", "-a", "x"], "write PART=VALUE"),
        (["--host", "a", "--zone", "Here"], "is no IANA time zone"),
        (["--host", "a", "--ca", "nowhere"], "nowhere: no certificates could be read"),
        (["--host", "a", "--certificate", "x"], "certificate and key belong together"),
    ],
)
def test_a_wrong_option_says_what_to_write(words: list[str], fault: str) -> None:
    """A usage error: what is wrong, and what may be written."""
    done = run(*words)

    assert isinstance(done.exception, ConfigError)
    assert fault in str(done.exception)
