"""Devices on Modbus: the pump room with the register map of its controller, any device of a profile, and their clock.

Holding registers (FC3), `ABCD` high word first, `CDAB` low word first; 17 and above do not exist:
    0-1    f32 ABCD  outlet, MPa             8      s16 ×0.1  motor of pump 2, °C; 0x7FFF: sensor open
    2-3    f32 CDAB  city main, MPa          9      u16 ×0.1  flow, m³/h
    4      u16 ×0.01 tank, m                 10-11  u32 ABCD  starts of pump 1
    5      u16 ×0.1  tank, %                 12-13  u32 ABCD  starts of pump 2
    6      bits: 0, 1 pump runs; 2, 3 pump   14-15  u32 CDAB  delivered, 0.1 m³
           faulty; 4 leak; 5 mains present   16     u16       valve position, %
    7      s16 ×0.1  motor of pump 1, °C
Input registers (FC4): 0-1 f32 CDAB top floor, MPa; 2 u16 seconds; 3-7 read 0; 8 and above do not exist.
Discrete inputs (FC2): 0-5 are the bits of register 6. There are no coils.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.device_model import load_model, note
from simulators.events import Kind
from simulators.line_faults import LineFaults
from simulators.modbus_server import DISCRETE, HOLDING, INPUT, ModbusServer, WireFaults
from simulators.proxy import FaultProxy
from simulators.register_map import RegisterMap
from simulators.rtu_line import on_tcp, on_terminal
from simulators.scenario import ProfileParams
from simulators.stage import Stage
from simulators.water import PumpRoom, PumpRoomParams, WaterState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from simulators.scenario import Device, Scenario

_TICK = 0.1  # s
SENSOR_OPEN = 0x7FFF


def holding(state: WaterState, *, sensor_open: bool = False) -> list[int]:
    """The seventeen holding registers."""
    bits = _bits(state)
    return [
        *_f32(state.outlet),
        *reversed(_f32(state.inlet)),
        _u16(state.tank_level * 100),
        _u16(state.tank_percent * 10),
        sum(bit << place for place, bit in enumerate(bits)),
        _s16(state.motor_temp[0] * 10),
        SENSOR_OPEN if sensor_open else _s16(state.motor_temp[1] * 10),
        _u16(state.flow * 10),
        *_u32(state.starts[0]),
        *_u32(state.starts[1]),
        *reversed(_u32(int(state.delivered * 10))),
        _u16(state.valve_percent),
    ]


def inputs(state: WaterState) -> list[int]:
    """The eight input registers."""
    return [*reversed(_f32(state.top)), int(state.seconds) & 0xFFFF, 0, 0, 0, 0, 0]


def _bits(state: WaterState) -> list[int]:
    return [int(bit) for bit in (*state.running, *state.pump_fault, state.leak, state.mains)]


def _f32(value: float) -> tuple[int, int]:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return high, low


def _u32(value: int) -> tuple[int, int]:
    return value >> 16 & 0xFFFF, value & 0xFFFF


def _u16(value: float) -> int:
    return min(max(round(value), 0), 0xFFFF)


def _s16(value: float) -> int:
    # The largest value is the sentinel of an open sensor.
    return min(max(round(value), -0x8000), SENSOR_OPEN - 1) & 0xFFFF


class PumpRoomUnit:
    """One pump room as a Modbus unit. Between two looks at the clock its registers do not move."""

    def __init__(self, device: Device, stage: Stage) -> None:
        if not isinstance(device.params, PumpRoomParams):
            raise TypeError(f"{device.id} is no pump room")
        self.unit = device.unit
        self._device = device.id
        self._stage = stage
        scenario = stage.scenario
        self._room = PumpRoom(scenario.seed_of(device.id), device.params, scenario.starts_at)
        self._at = 0.0
        self._tables: dict[int, list[int]] = {}
        self.advance(0.0, WireFaults())

    def advance(self, at: float, wire: WireFaults) -> None:
        """Let time go on to `at` (simulated seconds since the start); set the line's faults."""
        faults = self._stage.scenario.active(self._device, at)
        self._room.apply(faults)
        state = self._room.advance(at - self._at)
        self._at = at
        self._tables = {
            DISCRETE: _bits(state),
            HOLDING: holding(state, sensor_open="sensor_open" in faults),
            INPUT: inputs(state),
        }
        set_wire(wire, faults)

    def read(self, function: int, address: int, count: int) -> list[int] | None:
        """A stretch of one table; None when any of it does not exist."""
        found = self._tables.get(function, [])[address : address + count]
        return found if len(found) == count else None


def set_wire(wire: WireFaults, faults: Mapping[str, float | str]) -> None:
    """Let the line of a unit suffer what is in force."""
    wire.silent = "sensor_silent" in faults
    wire.delay = float(faults.get("reply_delay", 0.0))
    wire.late = "reply_late" in faults
    wire.wrong_unit = "reply_wrong_unit" in faults
    wire.cut = "reply_cut" in faults
    wire.exception = int(faults.get("reply_exception", 0))
    wire.garbage = "reply_garbage" in faults
    wire.noise = "reply_noise" in faults
    wire.crc = "reply_crc" in faults
    wire.again = int(faults.get("reply_flood", "reply_duplicate" in faults))


class ProfileUnit:
    """A device of any model as a Modbus unit, with the registers that its profile names."""

    def __init__(self, device: Device, stage: Stage) -> None:
        if not isinstance(device.params, ProfileParams):
            raise TypeError(f"{device.id} has no profile")
        self.unit = device.unit
        self._device = device.id
        self._stage = stage
        self._map = RegisterMap(load_model(device.params.profile))
        #: What each point has said so far: the truth, to hold readings against.
        self.said: dict[str, list[float | str]] = {}
        self._tables: dict[int, dict[int, int]] = {}
        self.advance(0.0, WireFaults())

    def advance(self, at: float, wire: WireFaults) -> None:
        """Let time go on; a new measurement once a second, as such devices make."""
        self._tables = self._map.at(float(int(at)))
        note(self.said, self._map.says)
        set_wire(wire, self._stage.scenario.active(self._device, at))

    def read(self, function: int, address: int, count: int) -> list[int] | None:
        """A stretch of one table; None when any of it does not exist."""
        table = self._tables.get(function, {})
        found = [table[place] for place in range(address, address + count) if place in table]
        return found if len(found) == count else None


def _unit(device: Device, stage: Stage) -> PumpRoomUnit | ProfileUnit:
    return ProfileUnit(device, stage) if device.kind is Kind.MODBUS_DEVICE else PumpRoomUnit(device, stage)


class Way(enum.StrEnum):
    """How the units are reached."""

    #: Modbus TCP.
    TCP = "tcp"
    #: RTU frames through TCP, as a transparent serial server passes them.
    RTU_TCP = "rtu_tcp"
    #: RTU on a serial port, or on a pseudo-terminal.
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class Run:
    """A running scenario behind its Modbus port."""

    stage: Stage
    server: ModbusServer
    units: Mapping[int, PumpRoomUnit | ProfileUnit]
    #: Where a master connects: a TCP port of 127.0.0.1, or the path of a serial port.
    port: int | str


@contextlib.asynccontextmanager
async def playing(
    scenario: Scenario,
    devices: Sequence[Device],
    port: int = 0,
    *,
    unknown_unit_silent: bool = False,
    way: Way = Way.TCP,
    serial: Path | None = None,
    baud: int = 9600,
) -> AsyncIterator[Run]:
    """Play the Modbus devices of a scenario on one port inside the block.

    Args:
        scenario: What happens when; its time starts now.
        devices: Its pump rooms and devices of profiles, each with a unit id of its own.
        port: On 127.0.0.1; 0 takes a free one.
        unknown_unit_silent: Answer nothing for other unit ids, instead of exception 11; on a serial line nobody does.
        way: How they are reached.
        serial: The serial port to answer on; None makes a pseudo-terminal.
        baud: Of `serial`.

    Yields:
        The run: its `port` tells where, its `stage` is there to `tell` more.

    Raises:
        OSError: The port is taken, or there is no such serial port.
        ValueError: Two devices have the same unit id, or a profile cannot be played.
    """
    stage = Stage(scenario)
    units = {device.unit: _unit(device, stage) for device in devices}
    if len(units) != len(devices):
        raise ValueError("two devices have the same unit id; give each its own `unit:`")
    server = ModbusServer(units, unknown_unit_silent=unknown_unit_silent or way is not Way.TCP)
    async with contextlib.AsyncExitStack() as stack:
        place: int | str
        line: LineFaults | None = None
        if way is Way.SERIAL:
            place = await stack.enter_async_context(on_terminal(server, serial, baud))
        elif all(device.kind is Kind.PUMP_ROOM for device in devices) and way is Way.TCP:
            place = (await stack.enter_async_context(server.serving(port))).port
        else:
            if way is Way.TCP:
                inner = (await stack.enter_async_context(server.serving())).port
            else:
                inner = await stack.enter_async_context(on_tcp(server))
            proxy = await stack.enter_async_context(FaultProxy(inner, port=port))
            place, line = proxy.port, LineFaults(proxy)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        driving = tasks.create_task(_drive(units, stage, server, line), name="modbus-devices")
        try:
            yield Run(stage, server, units, place)
        finally:
            driving.cancel()


async def _drive(
    units: Mapping[int, PumpRoomUnit | ProfileUnit], stage: Stage, server: ModbusServer, line: LineFaults | None
) -> None:
    while True:
        at = stage.now()
        for unit, bank in units.items():
            bank.advance(at, server.faults[unit])
        if line is not None:
            await line.follow(
                {fault for device in stage.scenario.devices for fault in stage.scenario.active(device.id, at)}
            )
        await asyncio.sleep(_TICK)
