from __future__ import annotations

import re
import shlex
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from daemon.cli.main import app
from daemon.model import ConfigError

PAGE = (Path(__file__).parents[2] / "docs/profiles.md").read_text("utf-8")
#: In the order of the page: (file, what stands in it, "") or ("", "", what is typed and what comes).
STEPS = re.findall(r"^```(?:(?:yaml|json) (\S+)\n(.*?)|console\n(.*?))^```", PAGE, re.MULTILINE | re.DOTALL)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_page_works_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the bare payload to the firing rule: every file is written, every command run, every line of output met."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    ran = 0

    for name, text, console in STEPS:
        if name:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        for step in filter(None, re.split(r"^\$ ", console, flags=re.MULTILINE)):
            command, _, expected = step.partition("\n")
            done = run(*shlex.split(command)[1:])
            assert (done.exit_code, done.stdout) == (0, expected)
            ran += 1
    assert ran == 7


def test_a_message_that_fails_says_why() -> None:
    """Exit 1, with path and reason; what was read all the same, and what was not there."""
    words = ["decode", "-p", "lift-gb24476-json", "-t", "elevators/L1/info", "-o", "json"]
    done = run(*words, '{"type":"info","data":{"fault":[99],"door":9,"floor":7}}')

    result = orjson.loads(done.stdout)
    (seen,) = result["observations"]
    assert done.exit_code == 1
    assert seen["address"] == {"lift": "L1"}
    assert [row["path"] for row in seen["rejections"]] == ["data.fault", "data.door"]
    assert seen["rejections"][0]["reason"] == "unknown_code"
    assert {"point": "floor", "value": 7.0, "unit": "", "quality": "good", "reason": ""}.items() <= dict(
        seen["readings"][-1]
    ).items()
    assert "direction" in result["silent"]
    assert result["subscribe"] == ["elevators/+/info"]


@pytest.mark.parametrize(
    ("words", "exit_code", "text"),
    [
        (["-p", "tasmota-temperature", "-t", "tele/a/LWT", "Offline"], 0, "离线 gone"),
        (["-p", "tasmota-temperature", "-t", "tele/a/LWT", "Online", "--retained"], 0, "it tells nothing"),
        (["-p", "tasmota-temperature", "-t", "tele/a/SENSOR", "{"], 1, "✗ (message): unparsable: not JSON"),
        (["-p", "zigbee2mqtt-leak", "-t", "zigbee2mqtt/b/c", "-a", "name=b/c", '{"water_leak":true}'], 0, "leak = wet"),
    ],
)
def test_what_a_message_says_is_printed(words: list[str], exit_code: int, text: str) -> None:
    """Presence, nothing at all, a broken payload, a name with a slash."""
    done = run("decode", *words)

    assert done.exit_code == exit_code
    assert text in done.stdout


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["-p", "nothing", "-t", "a", "1"], "no shipped profile is named 'nothing'; write a profile's file, or one of"),
        (["-p", "pump-room-modbus", "-t", "a", "1"], "reads registers, not messages"),
        (["-p", "tasmota-temperature", "-t", "a/b", "1"], "fits none of the profile's: tele/{topic}/SENSOR"),
        (["-p", "tasmota-temperature", "-t", "a/b", "-a", "lift=1", "1"], "no address part 'lift'; known: topic"),
        (["-p", "tasmota-temperature", "-t", "a/b", "-a", "lift", "1"], "write PART=VALUE"),
        (["-p", "tasmota-temperature", "-t", "a/b", "@nowhere"], "nowhere: cannot be read"),
        (["-p", "tasmota-temperature", "-t", "a", "--received-at", "noon", "1"], "is no moment"),
        (["-p", "tasmota-temperature", "-t", "tele/a/LWT", "--zone", "Here", "1"], "is no IANA time zone"),
    ],
)
def test_a_wrong_option_says_what_to_write(words: list[str], fault: str) -> None:
    """A usage error: what is wrong, and what may be written."""
    done = run("decode", *words)

    assert isinstance(done.exception, ConfigError)
    assert fault in str(done.exception)
