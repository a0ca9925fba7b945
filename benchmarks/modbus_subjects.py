"""Who reads the bus: our source, or the library's client in a loop. Both under uvloop, over one TCP connection.

`python -m benchmarks.modbus_subjects bare|ours PORT UNITS INTERVAL_MS SECONDS WARM_UP` prints one JSON line at the end.
Each unit is read once an interval, one block of 125 registers; ours makes a hundred points of each for an emit that
does nothing. CPU is user and system time of the process in the measured seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import uvloop
from pymodbus.client import AsyncModbusTcpClient

from benchmarks.modbus_units import REGISTERS
from daemon.clock import SiteClock
from daemon.model import Device, Input, Observation, Quality, Taken
from daemon.sensors.modbus import ModbusBus, ModbusConfig
from daemon.sensors.profile import Binding, Profile, make_points
from daemon.telemetry import configure_logging

POINTS = 100


class Meter:
    """Blocks and CPU between the end of the warm-up and the end."""

    def __init__(self, seconds: float, warm_up: float) -> None:
        self._seconds = seconds
        self._warm_up = warm_up
        self._cpu = 0.0
        self._blocks = 0
        self._counting = False
        self.by_unit: Counter[str] = Counter()
        self.points = 0
        #: What our source emitted last.
        self.latest: Observation | None = None

    async def window(self) -> dict[str, Any]:
        """Wait for it to pass, and tell."""
        await asyncio.sleep(self._warm_up)
        self._counting, self._cpu = True, time.process_time()
        await asyncio.sleep(self._seconds)
        cpu, self._counting = time.process_time() - self._cpu, False
        if (latest := self.latest) is not None and not _good(latest):
            raise RuntimeError(f"not all of it is good: {latest}")
        return {
            "cpu_us": cpu / self._blocks * 1e6,
            "blocks": self._blocks,
            "points": self.points,
            "by_unit": dict(self.by_unit),
        }

    def count(self, unit: str, points: int) -> None:
        """A block has been read."""
        if self._counting:
            self._blocks += 1
            self.points += points
            self.by_unit[unit] += 1


def _good(seen: Observation) -> bool:
    return not seen.rejections and all(reading.quality is Quality.GOOD for reading in seen.readings)


async def bare(port: int, units: int, interval: float, meter: Meter) -> None:
    """As the library's documentation shows it, at the same moments as ours: all units, once an interval."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
    await client.connect()
    while True:
        for unit in range(1, units + 1):
            answer = await client.read_holding_registers(0, count=REGISTERS, device_id=unit)
            if answer.isError() or len(answer.registers) != REGISTERS:
                raise RuntimeError(f"unit {unit} answered {answer}")
            meter.count(str(unit), 0)
        await asyncio.sleep(interval - time.time() % interval)


async def ours(port: int, units: int, interval: float, meter: Meter) -> None:
    """Our source, decoding and judging included, into an emit that only counts."""

    async def emit(inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:  # noqa: ARG001
        for item in inputs:
            assert isinstance(item, Observation)  # noqa: S101  a source emits nothing else
            meter.count(item.device.removeprefix("unit-"), len(item.readings))
            meter.latest = item

    config = ModbusConfig.model_validate({"tcp": {"host": "127.0.0.1", "port": port}})
    made = profile(interval)
    bindings = []
    for unit in range(1, units + 1):
        device = Device(f"unit-{unit}", f"unit-{unit}", "bus", timedelta(seconds=10))
        bindings.append(Binding(device, made, {"unit": unit}, make_points(made, device)))
    await ModbusBus(config, bindings, SiteClock(), name="bus").run(emit)


def profile(interval: float) -> Profile:
    """A hundred points in 125 registers: 25 floats of 32 bits, 75 words, of which every fifth has bits taken out."""
    points: dict[str, Any] = {
        f"float_{n}": {"unit": "MPa", "range": [0, 100], "register": {"address": 2 * n, "type": "f32"}}
        for n in range(25)
    }
    for n in range(75):
        register: dict[str, Any] = {"address": 50 + n, "scale": 0.1}
        points[f"word_{n}"] = {"unit": "A", "range": [0, 1000], "register": register}
        if n % 5 == 0:
            bit = {"address": 50 + n, "bit": 0, "map": {0: "no", 1: "yes"}}
            points[f"word_{n}"] = {"kind": "state", "register": bit}
    return Profile.model_validate(
        {
            "version": 1,
            "profile": "bench",
            "title": {"zh": "测速", "en": "Benchmark"},
            "alive_within": "10s",
            "modbus": {"interval": f"{interval * 1000:.0f}ms"},
            "points": points,
        }
    )


async def measure(subject: str, port: int, units: int, interval: float, meter: Meter) -> None:
    """Run one subject for so long."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as the daemon does
    run = {"bare": bare, "ours": ours}[subject](port, units, interval, meter)
    task = asyncio.ensure_future(run)
    window = asyncio.ensure_future(meter.window())
    await asyncio.wait((task, window), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    print(json.dumps(await window), flush=True)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    who, *numbers = sys.argv[1:]
    configure_logging(as_json=True)
    measured = Meter(float(numbers[3]), float(numbers[4]))
    uvloop.run(measure(who, int(numbers[0]), int(numbers[1]), int(numbers[2]) / 1000, measured))
