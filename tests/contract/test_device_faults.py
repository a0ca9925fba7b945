"""What a simulated device suffers, and what comes of it: no reading that it did not give, a count, and recovery."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from daemon.clock import SiteClock
from daemon.model import Quality, Reason, SourceDown
from daemon.sensors.modbus import ModbusBus, ModbusConfig
from daemon.supervisor import Backoff, keep_alive
from simulators import broker, modbus_device, mqtt_device
from simulators.events import EVENTS, Kind
from simulators.modbus_device import ProfileUnit, Way
from simulators.profile_box import address_of
from simulators.scenario import Device, ProfileParams, single
from tests.modbus_bus import Heard, metric, until
from tests.mqtt_peers import Spine
from tests.simulated import bound, mqtt_source, untrue

_BACKOFF = Backoff(first=0.05, most=0.2)


@contextlib.asynccontextmanager
async def kept_alive(run: Callable[[], object], downs: list[SourceDown]) -> AsyncIterator[None]:
    """Run a source inside the block as the daemon does: lost, it is started again."""
    task = asyncio.ensure_future(
        keep_alive("s", run, SiteClock(), backoff=_BACKOFF, on_down=lambda _, down: downs.append(down))  # type: ignore[arg-type]
    )
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# --- Modbus ------------------------------------------------------------------------------------------------

TIMEOUTS, REFUSALS, DOWN = "modbus_timeouts_total", "modbus_refusals_total", "down"
ALL, RTU, TCP = tuple(Way), (Way.SERIAL, Way.RTU_TCP), (Way.TCP,)
#: Fault, the ways on which it can happen, and how it is told.
MODBUS = [
    ("sensor_silent", ALL, TIMEOUTS),
    ("{reply_delay: 0.5}", ALL, TIMEOUTS),
    ("reply_late", (Way.TCP, Way.SERIAL), TIMEOUTS),
    ("reply_wrong_unit", ALL, TIMEOUTS),
    ("reply_crc", RTU, TIMEOUTS),
    ("reply_noise", ALL, TIMEOUTS),
    ("reply_exception", ALL, REFUSALS),
    ("reply_cut", TCP, DOWN),
    ("reply_cut", (Way.SERIAL,), TIMEOUTS),
    ("reply_duplicate", ALL, ""),
    ("reply_flood", ALL, ""),
    ("line_disconnect", (Way.TCP, Way.RTU_TCP), DOWN),
    ("line_half_open", (Way.TCP, Way.RTU_TCP), TIMEOUTS),
]
MODBUS_CASES = [(fault, way, told) for fault, ways, told in MODBUS for way in ways]


def place(way: Way, port: int | str) -> dict[str, object]:
    if way is Way.SERIAL:
        return {"serial": {"port": port, "baud": 115200}}
    return {"tcp": {"host": "127.0.0.1", "port": port, "framing": "tcp" if way is Way.TCP else "rtu"}}


@pytest.mark.parametrize(("fault", "way", "told"), MODBUS_CASES, ids=str)
async def test_a_fault_on_the_bus_gives_no_false_reading(fault: str, way: Way, told: str) -> None:
    """While it lasts nothing is read that the unit did not say; it is counted; afterwards the unit is read again."""
    name = f"{fault}-{way}"
    scenario = single(Device("D1", Kind.MODBUS_DEVICE, ProfileParams("pressure-rs485"), unit=3))
    heard, downs = Heard(), list[SourceDown]()
    async with modbus_device.playing(scenario, scenario.devices, way=way) as run:
        more = {"timeout": "150ms", "longest_wait": "1s", "most_failures": 100}
        config = ModbusConfig.model_validate({**place(way, run.port), **more})
        bus = ModbusBus(
            config, [bound("pressure-rs485", {"unit": 3}, every=timedelta(milliseconds=20))], SiteClock(), name=name
        )
        async with kept_alive(lambda: bus.run(heard), downs):
            await until(lambda: len(heard.observations) > 3)

            run.stage.tell(f"{{device: D1, event: {fault}}}")
            if told == DOWN:
                await until(lambda: downs)
            elif told:
                labels = {"bus": name, "unit": "3"}
                await until(lambda: metric(told, **labels) >= 3)
            else:
                seen = len(heard.observations)
                await until(lambda: len(heard.observations) > seen + 10)
            run.stage.tell("{device: D1, event: clear}")
            await until(lambda: not any(run.stage.scenario.active("D1", run.stage.now())))
            since = len(heard.observations)
            await until(lambda: len(heard.observations) > since + 5, seconds=20)
        unit = run.units[3]

    assert isinstance(unit, ProfileUnit)
    readings = [reading for seen in heard.observations for reading in seen.readings]
    assert untrue(readings, unit.said) == []
    assert {reading.quality for reading in readings} == {Quality.GOOD}


def test_every_fault_of_a_bus_is_tried() -> None:
    """No fault can be scripted that nobody has seen the end of; garbage is well framed words, which look like any."""
    tried = {fault.strip("{").partition(":")[0] for fault, _, _ in MODBUS}

    assert {name for name, spec in EVENTS.items() if Kind.MODBUS_DEVICE in spec.kinds} - tried == {"reply_garbage"}


async def test_well_framed_garbage_is_judged_by_range_and_code() -> None:
    """Words that mean nothing are good only where they happen to lie in the range, or name a known unit."""
    scenario = single(Device("D1", Kind.MODBUS_DEVICE, ProfileParams("lift-box-modbus"), unit=3))
    heard = Heard()
    async with modbus_device.playing(scenario, scenario.devices) as run:
        run.stage.tell("{device: D1, event: reply_garbage}")
        await until(lambda: run.server.faults[3].garbage)
        bus = ModbusBus(
            ModbusConfig.model_validate(place(Way.TCP, run.port)),
            [bound("lift-box-modbus", {"unit": 3})],
            SiteClock(),
            name="g",
        )
        async with kept_alive(lambda: bus.run(heard), []):
            await until(lambda: heard.observations)

    bad = {reading.reason for reading in heard.observations[0].readings if reading.quality is Quality.BAD}
    rejected = {rejection.reason for rejection in heard.observations[0].rejections}
    assert bad | rejected
    assert bad <= {Reason.OUT_OF_RANGE}
    assert rejected <= {Reason.UNKNOWN_CODE}


# --- MQTT --------------------------------------------------------------------------------------------------

#: Fault, and what shows that it has been noticed.
MQTT: list[tuple[str, Callable[[Spine], object]]] = [
    ("sensor_silent", lambda _: True),
    ("message_garbage", lambda spine: reasons(spine, rejected=True) >= {Reason.UNPARSABLE}),
    ("{message_late: 70}", lambda _: True),
    ("message_duplicate", lambda spine: len(spine.readings) > 40),
    ("message_reorder", lambda spine: len(spine.readings) > 40),
    ("message_flood", lambda spine: len(spine.readings) > 400),
    ("clock_step", lambda spine: reasons(spine) >= {Reason.CLOCK_SKEW}),
    ("{clock_step: -3600}", lambda spine: reasons(spine) >= {Reason.LATE}),
    ("line_disconnect", lambda spine: any(seen.gone for seen in spine.observations)),
    ("line_half_open", lambda spine: any(seen.gone for seen in spine.observations)),
]


def reasons(spine: Spine, *, rejected: bool = False) -> set[Reason]:
    if rejected:
        return {rejection.reason for seen in spine.observations for rejection in seen.rejections}
    return {reading.reason for reading in spine.readings}


@pytest.mark.parametrize(("fault", "noticed"), MQTT, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_fault_of_a_device_gives_no_false_reading(fault: str, noticed: Callable[[Spine], object]) -> None:
    """While it lasts nothing is read that the device did not say; it is noticed, and afterwards all is as before."""
    name = "lift-status-json"
    device = Device("D1", Kind.MQTT_DEVICE, ProfileParams(name))
    scenario = single(device)
    spine, downs = Spine(), list[SourceDown]()
    async with broker.serving() as found:
        source = mqtt_source(name, found.port, address_of(device))
        async with (
            kept_alive(lambda: source.run(spine), downs),
            mqtt_device.playing(("127.0.0.1", found.v5_port), scenario, scenario.devices, 0.1, keepalive=1) as run,
        ):
            await until(lambda: len(spine.observations) > 3)
            run.stage.tell(f"{{device: D1, event: {fault}}}")
            await until(lambda: noticed(spine))
            run.stage.tell("{device: D1, event: clear}")
            since = len(spine.observations)
            await until(lambda: any(r.quality is Quality.GOOD for s in spine.observations[since:] for r in s.readings))
            await until(lambda: len(spine.observations) > since + 5, seconds=20)
            said = run.said["D1"]

    assert downs == []
    assert untrue(spine.readings, said) == []
    assert {r.quality for r in spine.readings} <= {Quality.GOOD, Quality.SUSPECT}
    assert spine.readings[-1].quality is Quality.GOOD


def test_every_fault_of_a_message_is_tried() -> None:
    """No fault can be scripted that nobody has seen the end of."""
    tried = {fault.strip("{").partition(":")[0] for fault, _ in MQTT}

    assert {name for name, spec in EVENTS.items() if Kind.MQTT_DEVICE in spec.kinds} == tried
