"""What tests of the Modbus source share: somebody to hear it, and a bus that runs inside a block."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

from daemon.clock import SiteClock
from daemon.model import Device, Input, Observation, SourceDown, Taken
from daemon.sensors.modbus import ModbusBus, ModbusConfig
from daemon.sensors.profile import Binding, Profile, make_points
from daemon.telemetry import REGISTRY
from tests.modbus_server import Server


class Heard:
    """What a bus emitted; `hold` keeps emits waiting as a slow commit does."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.urgent: list[bool] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.failure: BaseException | None = None

    async def __call__(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        """Hear observations, as the spine does."""
        assert taken is None
        for item in inputs:
            assert isinstance(item, Observation)
            self.observations.append(item)
            self.urgent.append(urgent)
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure

    def of(self, device: str) -> list[Observation]:
        """What came from one device."""
        return [observation for observation in self.observations if observation.device == device]

    def values(self, device: str) -> list[dict[str, object]]:
        """The values in each observation of a device, by the point's name."""
        return [{r.point.partition(".")[2]: r.value for r in o.readings} for o in self.of(device)]


async def until(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait for a condition, looking often."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(bus: ModbusBus, heard: Heard) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(bus.run(heard))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        with contextlib.suppress(asyncio.CancelledError, SourceDown):
            task.result()


def profile(points: dict[str, Any], *, interval: str = "50ms", **more: int) -> Profile:
    return Profile.model_validate(
        {
            "version": 1,
            "profile": "test-box",
            "title": {"zh": "测试", "en": "test"},
            "alive_within": "10s",
            "modbus": {"interval": interval, **more},
            "points": points,
        },
    )


def bind(unit: str | int, points: dict[str, Any], **more: Any) -> Binding:  # noqa: ANN401  YAML is any
    device = Device(f"d{unit}", f"a{unit}", "bus", timedelta(seconds=10))
    made = profile(points, **more)
    return Binding(device, made, {"unit": unit}, make_points(made, device))


def one(address: int = 0, **register: Any) -> dict[str, Any]:  # noqa: ANN401  YAML is any
    return {"value": {"register": {"address": address, **register}}}


def bus_of(server: Server, *bindings: Binding, name: str = "bus", **config: Any) -> ModbusBus:  # noqa: ANN401
    config = {"timeout": "200ms", **config}
    made = ModbusConfig.model_validate({"tcp": {"host": "127.0.0.1", "port": server.port}, **config})
    return ModbusBus(made, bindings, SiteClock(), name=name)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"precomplaint_{name}", labels) or 0.0
