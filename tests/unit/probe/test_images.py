from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from daemon.cli.main import app
from daemon.model import ConfigError
from daemon.probe.images import Image, read_image
from daemon.probe.known import shipped_profiles

SAMPLES = [
    pytest.param(file["profile"], sample, id=f"{file['profile']}: {sample['name']}")
    for file in (yaml.safe_load(path.read_text("utf-8")) for path in sorted(Path("tests/samples").glob("*.yaml")))
    for sample in file["samples"]
    if "registers" in sample
]
#: As mbpoll 1.0-0 prints.
HEAD = """\
Protocol configuration: Modbus TCP
Slave configuration...: address = [1]
                        start reference = {start}, count = 3
Data type.............: {kind}

-- Polling slave 1...
"""


def run(*words: str, said: str | None = None) -> Result:
    return CliRunner().invoke(app, ["decode", *words], input=said)


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_shipped_profile_reads_its_samples_offline(name: str, sample: dict[str, Any]) -> None:
    """What a poll of the bus would give stands in the command's output, from the same registers."""
    written = [
        f"{table}:{start}={','.join(str(word) for word in words)}"
        for table, runs in sample["registers"].items()
        for start, words in runs.items()
    ]
    done = run("-p", name, "-o", "json", *(part for text in written for part in ("--registers", text)))

    (seen,) = orjson.loads(done.stdout)["observations"]
    got = {row["point"]: row for row in seen["readings"]}
    rejected = [row["reason"] for row in seen["rejections"]]
    for point, expected in sample["expect"].items():
        match expected:
            case {"rejected": reason}:
                assert reason in rejected
            case {"value": value, "quality": quality, "reason": reason}:
                found = got[point]["value"]  # JSON has no NaN
                assert found == pytest.approx(value) if found is not None else math.isnan(value)
                assert (got[point]["quality"], got[point]["reason"]) == (quality, reason)
            case {}:
                assert got[point]["quality"] == expected.get("quality", "good")
            case float() | int():
                assert got[point]["value"] == pytest.approx(expected, rel=1e-5)
            case _:
                assert got[point]["value"] == expected
    assert done.exit_code == bool(rejected)


@pytest.mark.parametrize(
    ("texts", "image"),
    [
        (["holding:0=0x3e99,0x999a"], {("holding", 0): 0x3E99, ("holding", 1): 0x999A}),
        (["4=312 0 -5"], {("holding", 4): 312, ("holding", 5): 0, ("holding", 6): 0xFFFB}),
        (["input:0x10=0x3e99999a"], {("input", 16): 0x3E99, ("input", 17): 0x999A}),
        (["coil:3=1,0", "discrete:0=1"], {("coil", 3): 1, ("coil", 4): 0, ("discrete", 0): 1}),
        (["0=007; input:1=9\n2=1"], {("holding", 0): 7, ("input", 1): 9, ("holding", 2): 1}),
        (["[1]: \t16025\n[2]: \t65535 (-1)"], {("holding", 0): 16025, ("holding", 1): 0xFFFF}),
        (
            [HEAD.format(start=0, kind="16-bit register, input register table") + "[0]: \t0x3E90"],
            {("input", 0): 0x3E90},
        ),
        ([HEAD.format(start=3, kind="discrete output (coil)") + "[3]: \t1"], {("coil", 2): 1}),
    ],
)
def test_registers_are_read_as_they_are_written(texts: list[str], image: dict[tuple[str, int], int]) -> None:
    """Decimal, hexadecimal, negative, several words in one, bits, and what mbpoll prints, which counts from 1."""
    assert read_image(texts) == image


def test_the_first_number_of_mbpoll_may_be_told() -> None:
    """A run of mbpoll with -0 that does not begin at 0 cannot be told from one without."""
    assert read_image(["[5]: 1"], first=0) == {("holding", 5): 1}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("holding", "names no registers; write e.g. holding:0=0x3e99,0x999a"),
        ("", "nothing is given"),
        ("0=", "has no words"),
        ("0=3e99", "'3e99' is no whole number; is it 0x3e99?"),
        ("0=hello", "'hello' is no whole number"),
        ("0=70000", "does not fit a register"),
        ("0=-40000", "does not fit a register"),
        ("coil:0=2", "2 is no bit"),
        ("65535=1,2", "registers are numbered from 0 to 65535"),
        ("output:0=1", "'output' is no table; known: coil, discrete, holding, input"),
        (HEAD.format(start=2, kind="32-bit float (little endian), output") + "[2]: 0.28", "asked for 32-bit values"),
        ("[0]: 5\n[1]: 3.5", "'3.5' is no whole number"),
    ],
)
def test_what_is_no_register_is_refused(text: str, fault: str) -> None:
    """A usage error: what is wrong, and what may be written."""
    with pytest.raises(ConfigError) as caught:
        read_image([text])

    assert fault in str(caught.value)


@given(st.lists(st.text(max_size=60) | st.from_regex(r"(coil|input)?:?\d{0,6}=[-0-9a-fx, ]{0,40}"), max_size=3))
def test_any_text_is_read_or_refused(texts: list[str]) -> None:
    """Whatever is pasted: registers with words, or a fault that a person can read."""
    image: Image = {}
    with contextlib.suppress(ConfigError):
        image = read_image(texts)

    assert all(0 <= address <= 0xFFFF and 0 <= word <= 0xFFFF for (_, address), word in image.items())


def test_a_point_with_a_register_missing_is_silent() -> None:
    """The value alone is no pressure: decimals and unit stand beside it; nothing is guessed."""
    done = run("-p", "pressure-rs485", "--registers", "4=312")

    assert (done.exit_code, done.stdout) == (0, "pressure-rs485 unit=1\n未出现 not in these registers: pressure\n")


def test_what_mbpoll_printed_is_decoded_from_standard_input() -> None:
    """Unit, decimals and value stand in registers 2, 3 and 4; mbpoll calls them 3, 4 and 5."""
    said = HEAD.format(start=3, kind="16-bit register, output (holding) register table") + "[3]: 0\n[4]: 3\n[5]: 312\n"
    done = run(
        "-p", "pressure-rs485", "--unit", "7", "--registers", "-", "--received-at", "2026-11-21T08:00:00Z", said=said
    )

    assert done.exit_code == 0
    assert done.stdout == "pressure-rs485 unit=7\n  pressure = 0.312 MPa  @ 2026-11-21T08:00:00.000+00:00\n"


def test_what_fails_in_registers_says_why() -> None:
    """Exit 1, with the register and the reason."""
    done = run("-p", "pressure-rs485", "--registers", "2=9,2,425", "-o", "json")

    (seen,) = orjson.loads(done.stdout)["observations"]
    assert done.exit_code == 1
    assert seen["address"] == {"unit": 1}
    assert [(row["path"], row["reason"]) for row in seen["rejections"]] == [("4", "unknown_code")]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["-p", "pressure-rs485", "-t", "a", "1"], "reads registers, not messages; give --registers"),
        (["-p", "tasmota-temperature", "-r", "0=1"], "reads messages, not registers; give --topic and a payload"),
        (["-p", "tasmota-temperature", "-t", "tele/a/LWT"], "give --topic and the payload"),
        (["-p", "tasmota-temperature", "-t", "tele/a/LWT", "-r", "0=1"], "give one of the two"),
        (["-p", "pressure-rs485", "-r", "@nowhere"], "nowhere: cannot be read"),
    ],
)
def test_a_wrong_mixture_says_what_to_give(words: list[str], fault: str) -> None:
    """A payload needs a profile for messages, registers one for Modbus."""
    done = run(*words)

    assert isinstance(done.exception, ConfigError)
    assert fault in str(done.exception)


def test_every_shipped_profile_is_found() -> None:
    """By name, of either wire."""
    profiles = shipped_profiles()

    assert {"pressure-rs485", "tasmota-temperature"} <= set(profiles)
