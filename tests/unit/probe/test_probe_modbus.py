from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import yaml
from typer.testing import CliRunner, Result

from daemon.cli.main import app
from daemon.model import ConfigError
from tests.modbus_server import Server
from tests.register_images import f32


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["probe", "modbus", *words])


@pytest.fixture
def device() -> Iterator[Server]:
    """A Modbus TCP device on a thread of its own: the command has an event loop of its own."""
    server = Server()
    server.words(1, 3, 0, *f32(0.312, "CDAB"), *f32(21.456, "CDAB"), 0, 7)
    server.silent.add(2)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def address(device: Server) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(device.port), "--timeout", "200ms", "--pause", "0", "--looks", "1"]


def test_a_device_is_shown_with_a_profile_that_check_accepts(
    device: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units, addresses and values are told, and what is printed as a profile goes into a site as it stands."""
    done = run(*address(device), "--units", "1-2", "--table", "holding", "--addresses", "0-9", "-o", "json")
    result = orjson.loads(done.stdout)
    (unit,) = result["units"]
    (table,) = unit["tables"]

    assert done.exit_code == 0
    assert (result["silent"], table["there"], table["illegal"]) == ([2], [[0, 5]], [[6, 9]])
    assert [(v["address"], v["type"], v["order"], round(v["value"], 3)) for v in table["values"]] == [
        (0, "f32", "CDAB", 0.312),
        (2, "f32", "CDAB", 21.456),
        (5, "u16", "ABCD", 7),
    ]
    assert "pressure-f32-low-first" in [fit["profile"] for fit in unit["fits"]]

    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", "site"]).exit_code == 0
    Path("site/profiles").mkdir()
    Path("site/profiles/new.yaml").write_text(unit["skeleton"], encoding="utf-8")
    gateway = Path("site/gateway.yaml")
    gateway.write_text(gateway.read_text("utf-8") + "\nprofiles: [profiles]\n", encoding="utf-8")
    assets = yaml.safe_load(Path("site/assets.yaml").read_text("utf-8"))
    assets["assets"][1]["devices"] = [{"profile": "my-device-1", "source": "pump-bus", "address": {"unit": 1}}]
    del assets["assets"][1]["derived"]  # of what it does not have
    Path("site/assets.yaml").write_text(yaml.safe_dump(assets, allow_unicode=True), encoding="utf-8")
    checked = CliRunner().invoke(app, ["check", "-c", "site"])
    assert (checked.exit_code, checked.stdout[:3]) == (0, "OK:")


def test_a_source_of_gateway_yaml_is_looked_over(device: Server, tmp_path: Path) -> None:
    """The text names what is there, what not, and the profiles that it looks like; nothing but reads went out."""
    text = f"""
version: 1
sources:
  bus: {{modbus: {{tcp: {{host: 127.0.0.1, port: {device.port}}}, timeout: 200ms}}}}
  site: {{mqtt: {{host: 127.0.0.1}}}}
influx: {{url: "http://127.0.0.1:1"}}
ticketing: {{url: "http://127.0.0.1:1"}}
"""
    (tmp_path / "gateway.yaml").write_text(text, encoding="utf-8")
    done = run("-c", str(tmp_path), "--units", "1,2", "--addresses", "0-9", "--pause", "0", "--looks", "1")

    assert done.exit_code == 0
    assert "holding: 有 there 0–5" in done.stdout
    assert "非法 illegal: 6–9" in done.stdout
    assert "f32 CDAB = 0.312" in done.stdout
    assert "像 looks like: pressure-f32-low-first (1/1 测点 points)" in done.stdout
    assert "profile: my-device-1" in done.stdout
    assert "无应答 no answer: 单元 units 2" in done.stdout
    assert {request.function for request in device.requests} == {3, 4}


def test_nobody_on_the_bus_is_a_failure(device: Server) -> None:
    """Exit 1, and what to check."""
    device.silent.add(1)
    done = run(*address(device), "--units", "1-2", "--table", "holding")

    assert done.exit_code == 1
    assert "没有单元应答" in done.stdout
    assert "check wiring (A/B), baud rate" in done.stdout


@pytest.mark.parametrize("more", [[], ["-o", "json"]])
def test_a_bus_that_is_not_there_is_a_failure(more: list[str]) -> None:
    """Exit 1, with the address and what to do, in either form."""
    done = run("--host", "127.0.0.1", "--port", "1", *more)

    assert done.exit_code == 1
    assert "check that the device is on" in (orjson.loads(done.stdout)["error"] if more else done.stderr)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "say what to look at: -c DIR, --host HOST or --serial PORT"),
        (["-c", "x", "--host", "a"], "-c tells where it is; remove --host"),
        (["--host", "a", "--serial", "b"], "exactly one of tcp and serial"),
        (["--host", "a", "--port", "0"], "port: input should be greater than or equal to 1"),
        (["--host", "a", "--framing", "ascii"], "framing"),
        (["--host", "a", "--units", "8-1"], "--units '8-1': write numbers and ranges from 0 to 255, such as 1-8,17"),
        (["--host", "a", "--units", "x"], "--units 'x'"),
        (["--host", "a", "--addresses", "0-70000"], "--addresses '0-70000': write numbers and ranges from 0 to 65535"),
        (["--serial", "a", "--units", "0"], "there can be no unit 0 on this bus; 1 to 247 can be"),
        (["--host", "a", "--table", "output"], "'output' is no table; known: holding, input, coil, discrete"),
        (["--host", "a", "--timeout", "2"], "is no span"),
        (["--host", "a", "--ca", "x", "--framing", "rtu"], "Modbus over TLS is framed as Modbus TCP"),
        (["-c", "nowhere"], "cannot be read"),
    ],
)
def test_a_wrong_option_says_what_to_write(words: list[str], fault: str) -> None:
    """A usage error: what is wrong, and what may be written."""
    done = run(*words)

    assert isinstance(done.exception, ConfigError)
    assert fault in str(done.exception)


def test_an_interrupted_look_leaves_what_it_has_found(device: Server) -> None:
    """Ctrl-C while the second unit is waited for: unit 1 is in the result, and the exit code is the usual 130."""
    heard = threading.Event()
    answer = device._answer

    def watching(request: object) -> bytes | None:
        if getattr(request, "start", 0) == 9:
            heard.set()
        return answer(request)  # type: ignore[arg-type]

    device._answer = watching  # type: ignore[method-assign]
    words = [*address(device), "--units", "1", "--table", "holding", "--addresses", "0-999", "-o", "json"]
    command = [sys.executable, "-m", "daemon", "probe", "modbus", *words, "--pause", "0.02", "--looks", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert heard.wait(30)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    result = orjson.loads(said)

    assert process.returncode == 130
    assert result["ended"] == "interrupted"
    assert result["units"][0]["tables"][0]["there"] == [[0, 5]]
    assert "profile: my-device-1" in result["units"][0]["skeleton"]
