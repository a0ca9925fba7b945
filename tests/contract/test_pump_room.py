from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daemon.clock import SiteClock
from daemon.model import Device, Quality, Reason
from daemon.sensors.modbus import ModbusBus, ModbusConfig, ModbusTcp
from daemon.sensors.profile import Binding, Profile, load_profiles, make_points
from simulators.events import Kind
from simulators.modbus_device import playing
from simulators.scenario import load_scenario
from tests.modbus_bus import Heard, running, until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profiles([ROOT / "config/profiles/pump-room-modbus.yaml"])["pump-room-modbus"]


def bus_on(port: int, profile: Profile) -> ModbusBus:
    device = Device("W1", "W1", "pumps", profile.alive_within)
    binding = Binding(device, profile, {"unit": 1}, make_points(profile, device))
    config = ModbusConfig(tcp=ModbusTcp(host="127.0.0.1", port=port), timeout=timedelta(seconds=5))
    return ModbusBus(config, [binding], SiteClock(), name="pumps")


async def test_the_shipped_profile_reads_the_simulated_pump_room(profile: Profile) -> None:
    """Every point of the profile comes out of the simulator's own register map, good and where physics puts it."""
    scenario = load_scenario(ROOT / "config/scenarios/demo.yaml")
    heard = Heard()
    async with (
        playing(scenario, scenario.of_kind(Kind.PUMP_ROOM)) as run,
        running(bus_on(run.server.port, profile), heard),
    ):
        await until(lambda: heard.observations)

    observation = heard.observations[0]
    values = heard.values("W1")[0]
    assert set(values) == set(profile.points)
    assert {reading.quality for reading in observation.readings} == {Quality.GOOD}
    assert observation.rejections == ()
    assert all(type(values[name]) is (str if spec.kind == "state" else float) for name, spec in profile.points.items())
    pressures = [values[f"{place}_pressure"] for place in ("top", "outlet")]
    assert all(isinstance(value, float) and 0.01 < value < 2.5 for value in pressures)
    assert (values["mains"], values["leak"], values["pump1_fault"]) == ("present", "dry", "no")


async def test_an_open_motor_sensor_is_a_bad_reading(profile: Profile, tmp_path: Path) -> None:
    """0x7FFF is no temperature of 3276.7 °C."""
    script = tmp_path / "open.yaml"
    script.write_text(
        "version: 1\ntitle: An open sensor\nduration: 60s\nseed: 1\ndevices:\n  W1: {kind: pump_room}\n"
        "script:\n  - {at: 0s, device: W1, event: sensor_open}\n",
    )
    scenario = load_scenario(script)
    heard = Heard()
    async with (
        playing(scenario, scenario.of_kind(Kind.PUMP_ROOM)) as run,
        running(bus_on(run.server.port, profile), heard),
    ):
        await until(lambda: any(r.quality is Quality.BAD for o in heard.observations for r in o.readings))

    bad = {r.point: r.reason for o in heard.observations for r in o.readings if r.quality is Quality.BAD}
    assert bad == {"W1.motor2_temp": Reason.SENTINEL}
