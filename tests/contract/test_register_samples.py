from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.clock import SiteClock
from daemon.model import Device, Observation
from daemon.sensors.modbus import ModbusBus, ModbusConfig, ModbusTcp
from daemon.sensors.profile import Binding, Profile, load_profiles, make_points
from tests.modbus_bus import Heard, running, until
from tests.modbus_server import serving

ROOT = Path(__file__).parents[2]
FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}

PROFILES = {
    name: profile
    for name, profile in load_profiles((ROOT / "config/profiles").glob("*.yaml")).items()
    if profile.modbus is not None
}
FILES = [yaml.safe_load(path.read_text("utf-8")) for path in sorted((ROOT / "tests/samples").glob("*.yaml"))]
SAMPLES = [
    pytest.param(PROFILES[file["profile"]], sample, id=f"{file['profile']}: {sample['name']}")
    for file in FILES
    if file["profile"] in PROFILES
    for sample in file["samples"]
]


async def poll(profile: Profile, registers: dict[str, dict[int, list[int]]]) -> Observation:
    """What one poll of a unit with these registers gives."""
    assert profile.modbus is not None
    often = profile.modbus.model_copy(update={"interval": timedelta(milliseconds=20)})
    profile = profile.model_copy(update={"modbus": often})
    device = Device("D1", "D1", "bus", profile.alive_within)
    binding = Binding(device, profile, {"unit": 1}, make_points(profile, device))
    heard = Heard()
    async with serving() as server:
        for table, runs in registers.items():
            for start, words in runs.items():
                server.words(1, FUNCTIONS[table], start, *words)
        config = ModbusConfig(tcp=ModbusTcp(host="127.0.0.1", port=server.port), timeout=timedelta(seconds=5))
        async with running(ModbusBus(config, [binding], SiteClock(), name="samples"), heard):
            await until(lambda: heard.observations)
    return heard.observations[0]


@pytest.mark.parametrize(("profile", "sample"), SAMPLES)
async def test_a_shipped_profile_reads_its_samples(profile: Profile, sample: dict[str, Any]) -> None:
    """Every point gives what the sample says: a value, a value that is bad for a reason, or a rejection."""
    observation = await poll(profile, sample["registers"])

    got: dict[str, Any] = {
        reading.point.removeprefix("D1."): (reading.value, reading.quality.value, reading.reason.value)
        for reading in observation.readings
    }
    got |= {
        rejection.detail.removeprefix("D1.").partition(":")[0]: rejection.reason.value
        for rejection in observation.rejections
    }
    wanted = {name: _wanted(expected) for name, expected in sample["expect"].items()}
    assert got == wanted
    assert set(got) == set(profile.points)


def _wanted(expected: Any) -> Any:  # noqa: ANN401  YAML is any
    match expected:
        case {"rejected": reason}:
            return reason
        case {"value": value, "quality": quality, "reason": reason}:
            return (_close(value), quality, reason)
        case _:
            return (_close(expected), "good", "")


def _close(value: object) -> object:
    """A 32-bit float is near to the decimal number it stands for, not the same."""
    return value if isinstance(value, str) else pytest.approx(value, rel=1e-5, abs=1e-9, nan_ok=True)


def test_every_modbus_profile_has_samples() -> None:
    """No profile is shipped that nothing is known to be read by."""
    assert {file["profile"] for file in FILES} >= set(PROFILES)
