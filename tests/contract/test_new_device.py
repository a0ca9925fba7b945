"""A device that nobody knows, wired as a new user would: what `probe` prints goes into a site, and a rule fires."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import pytest
import yaml
from typer.testing import CliRunner

from daemon.cli.main import app
from tests.modbus_server import Server
from tests.mqtt_peers import Mosquitto
from tests.register_images import f32

SENT = b'{"ts": "2026-11-21T08:00:05Z", "tanks": [{"sn": "A7", "level": "18.5"}, {"sn": "B2", "level": "-1"}]}'


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output + str(done.exception)
    return done.stdout


def write(path: str, content: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    Path(path).write_text(text, encoding="utf-8")


def wire(source: dict[str, Any], profile: str, address: dict[str, object]) -> None:
    """What the page tells to write: the source, the asset and its device."""
    write(
        "site/gateway.yaml",
        {
            "version": 1,
            "state_dir": "state",
            "profiles": ["profiles"],
            "rules": ["rules"],
            "sources": {"field": source},
            "influx": {"url": "http://127.0.0.1:1"},
            "ticketing": {"url": "http://127.0.0.1:1"},
        },
    )
    device = {"profile": profile, "source": "field", "address": address}
    asset = {"id": "a1", "kind": "water_zone", "name": {"zh": "甲", "en": "A"}, "devices": [device]}
    write("site/assets.yaml", {"version": 1, "site": {"id": "s", "name": {"zh": "甲", "en": "A"}}, "assets": [asset]})


def watch(profile: str, point: str, limit: str, *, every: str, series: str, active: str) -> None:
    """A rule on one of its points, and the test that it fires."""
    words = {"zh": "低", "en": "Low"}
    rule = {
        "id": "my.low",
        "title": words,
        "applies_to": {"kind": "water_zone"},
        "basis": "engineering judgement",
        "levels": [{"level": "II", "when": {"point": point, "below": limit}, "for": "5min"}],
        "cause": words,
        "consequence": words,
        "work_order": {"steps": [words]},
    }
    test = {
        "title": "it fires",
        "every": every,
        "series": {point: series},
        "alarms": [{"rule": "my.low", "level": "II", "active": active}],
    }
    write("site/rules/low.yaml", {"version": 1, "rules": [rule]})
    write(
        "site/rules/low.test.yaml",
        {
            "version": 1,
            "rules": ["low.yaml"],
            "profiles": ["../profiles"],
            "assets": [{"id": "T1", "kind": "water_zone", "profiles": [profile]}],
            "tests": [test],
        },
    )


@pytest.mark.integration
def test_from_a_broker_to_a_firing_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """probe, check, rules test, and probe again: now the site itself reads what comes."""
    monkeypatch.chdir(tmp_path)

    async def send(port: int) -> None:
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("tanks/gw1/data", SENT, qos=1, retain=True)

    with Mosquitto(tmp_path) as broker:
        asyncio.run(send(broker.port))
        where = ["--host", "127.0.0.1", "--port", str(broker.port), "-t", "#", "--messages", "1", "-o", "json"]
        (sketch,) = orjson.loads(run("probe", "mqtt", *where))["skeletons"]
        run("init", "site")
        write("site/profiles/new.yaml", sketch["profile"])
        wire({"mqtt": {"host": "127.0.0.1", "port": broker.port}}, "my-device", {"tank": "gw1", "sn": "A7"})
        watch("my-device", "level", "20", every="1min", series="40x3 18.5x10", active="9min")
        assert run("rules", "test", "site/rules") == "1 passed 通过, 0 failed 失败\n"
        assert run("check", "-c", "site") == "OK: 1 assets 资产, 1 points 测点, 1 rules 规则\n"
        (topic,) = orjson.loads(run("probe", "mqtt", "-c", "site", "--messages", "1", "-o", "json"))["topics"]

    assert topic["read_by"] == "site"
    assert [(row["point"], row["value"]) for row in topic["observations"][0]["readings"]] == [("level", 18.5)]


@pytest.fixture
def device() -> Iterator[Server]:
    server = Server()
    server.words(1, 3, 0, *f32(0.312, "CDAB"), *f32(21.456, "CDAB"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_from_a_register_to_a_firing_rule(device: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a box on Modbus: the profile that was guessed is loaded, and a rule on a guessed float fires."""
    monkeypatch.chdir(tmp_path)
    where = ["--host", "127.0.0.1", "--port", str(device.port), "--units", "1", "--pause", "0", "--looks", "1"]
    (unit,) = orjson.loads(run("probe", "modbus", *where, "--addresses", "0-9", "-o", "json"))["units"]
    run("init", "site")
    write("site/profiles/new.yaml", unit["skeleton"])
    wire({"modbus": {"tcp": {"host": "127.0.0.1", "port": device.port}}}, "my-device-1", {"unit": 1})
    watch("my-device-1", "holding_0", "0.2", every="5s", series="0.31x3 0.15x70", active="5min20s")

    assert run("rules", "test", "site/rules") == "1 passed 通过, 0 failed 失败\n"
    assert run("check", "-c", "site") == "OK: 1 assets 资产, 2 points 测点, 1 rules 规则\n"
    told = run("decode", "-p", "site/profiles/new.yaml", "--registers", "0=0x999a,0x3e99")
    assert "holding_0 = 0.3" in told
