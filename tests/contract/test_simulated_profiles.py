"""Every shipped profile against a stand-in that speaks it, written by hands that knew nothing of our decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from daemon.clock import SiteClock
from daemon.model import Observation, Quality
from daemon.sensors.modbus import ModbusBus, ModbusConfig
from daemon.sensors.profile import Profile
from simulators import broker, modbus_device, mqtt_device
from simulators.events import Kind
from simulators.modbus_device import ProfileUnit, Way
from simulators.profile_box import address_of
from simulators.scenario import Device, ProfileParams, single
from tests.modbus_bus import Heard, running, until
from tests.mqtt_peers import Spine
from tests.mqtt_peers import running as running_source
from tests.simulated import PROFILES, bound, mqtt_source, untrue

MODBUS = [name for name, profile in PROFILES.items() if profile.modbus is not None]
MQTT = [name for name, profile in PROFILES.items() if profile.mqtt is not None]


async def check_modbus(name: str, way: Way) -> None:
    scenario = single(Device("D1", Kind.MODBUS_DEVICE, ProfileParams(name), unit=3))
    heard = Heard()
    async with modbus_device.playing(scenario, scenario.devices, way=way) as run:
        where = (
            {"serial": {"port": run.port, "baud": 115200}}
            if way is Way.SERIAL
            else {"tcp": {"host": "127.0.0.1", "port": run.port, "framing": "tcp" if way is Way.TCP else "rtu"}}
        )
        config = ModbusConfig.model_validate({**where, "timeout": "5s"})
        async with running(ModbusBus(config, [bound(name, {"unit": 3})], SiteClock(), name="s"), heard):
            await until(lambda: heard.observations, seconds=20)
        unit = run.units[3]
    assert isinstance(unit, ProfileUnit)
    check(heard.observations[0], PROFILES[name], unit.said)


def check(seen: Observation, profile: Profile, said: Mapping[str, Sequence[float | str]]) -> None:
    """Every point of the profile is there, good, and what the device said."""
    assert seen.rejections == ()
    assert {reading.point for reading in seen.readings} == {f"D1.{name}" for name in profile.points}
    assert [reading for reading in seen.readings if reading.quality is not Quality.GOOD] == []
    assert untrue(seen.readings, said) == []


@pytest.mark.parametrize("name", MODBUS)
async def test_a_simulated_unit_of_each_profile_is_read(name: str) -> None:
    """Over Modbus TCP each point arrives, good and as it was said."""
    await check_modbus(name, Way.TCP)


@pytest.mark.parametrize("way", [Way.RTU_TCP, Way.SERIAL])
@pytest.mark.parametrize("name", ["lift-box-modbus", "pressure-rs485"])
async def test_rtu_units_are_read(name: str, way: Way) -> None:
    """The same over a serial line, and over RTU frames in TCP."""
    await check_modbus(name, way)


@pytest.mark.parametrize("name", MQTT)
async def test_a_simulated_device_of_each_profile_is_heard(name: str) -> None:
    """Through a broker each point arrives, good and as it was said."""
    device = Device("D1", Kind.MQTT_DEVICE, ProfileParams(name))
    scenario = single(device)
    spine = Spine()
    async with (
        broker.serving() as found,
        running_source(mqtt_source(name, found.port, address_of(device)), spine),
        mqtt_device.playing(("127.0.0.1", found.v5_port), scenario, scenario.devices, 0.2) as run,
    ):
        await until(
            lambda: len({reading.point for reading in spine.readings}) == len(PROFILES[name].points), seconds=20
        )
        said = run.said["D1"]
    seen = next(seen for seen in spine.observations if seen.readings)
    assert [each.rejections for each in spine.observations if each.rejections] == []
    assert untrue(spine.readings, said) == []
    assert [reading for reading in spine.readings if reading.quality is not Quality.GOOD] == []
    assert {reading.point for reading in seen.readings} <= {f"D1.{point}" for point in PROFILES[name].points}
