"""The Modbus source: one task owns one bus, and reads it in slots aligned to each device's interval.

    slots ─> unit that is due ─> blocks ─> link ─> words ─> readings ─> one Observation a poll ─> emit
      ^            │                (a refused block is bisected once)
      └────────────┴── breaker: a unit that is down is tried once a growing interval, all of them for 5 % of the time

A poll starts nothing new while it runs, and a slot that went by meanwhile is counted and skipped. Only the function
codes 1 to 4 exist here: nothing on the bus is ever written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog

from daemon.clock import Clock
from daemon.model import ConfigError, Emit, Observation, SourceDown
from daemon.sensors.blocks import Block, plan
from daemon.sensors.hand_over import HandOver
from daemon.sensors.judge import compile_judge
from daemon.sensors.modbus_config import ModbusConfig, ModbusSerial, ModbusTcp
from daemon.sensors.modbus_link import Link, NoAnswer, Refused
from daemon.sensors.modbus_unit import Field, Unit, urgent_points
from daemon.sensors.polling import Breaker, Budget, Slots
from daemon.sensors.profile import Binding
from daemon.sensors.register_points import compile_points
from daemon.sensors.source import CONNECTED, RECEIVED, REJECTED
from daemon.telemetry import counter, gauge

__all__ = ["ModbusBus", "ModbusConfig", "ModbusSerial", "ModbusTcp"]

log = structlog.get_logger(__name__)

_POLLS = counter("modbus_polls", "Polls of a unit", "bus")
_TIMEOUTS = counter("modbus_timeouts", "Reads that a unit did not answer, or not to what was asked", "bus", "unit")
_REFUSALS = counter("modbus_refusals", "Polls ended by an exception code", "bus", "unit")
_OVERRUNS = counter("modbus_overruns", "Slots that went by while the bus was busy", "bus")
_UNITS_DOWN = gauge("modbus_units_down", "Units that do not answer", "bus")


class ModbusBus:
    """A source that polls every device bound to one Modbus TCP server, or to one serial line.

    Raises:
        ConfigError: no device is bound, or a device's address names no unit that can be on such a bus.
    """

    def __init__(self, config: ModbusConfig, bindings: Sequence[Binding], clock: Clock, *, name: str) -> None:
        self._name = name
        self._config = config
        self._clock = clock
        self._link = Link(config)
        self._units = _units(config, bindings, name)
        self._numbers = {unit.number for unit in self._units}
        self._down: set[int] = set()
        self._budget = Budget()
        self._was_lost = False
        self._received, self._polls = RECEIVED.labels(name), _POLLS.labels(name)
        self._units_down = _UNITS_DOWN.labels(name)
        self._units_down.set(0)

    @property
    def name(self) -> str:
        """The name under which devices refer to this bus."""
        return self._name

    async def run(self, emit: Emit) -> None:
        """Poll until cancelled.

        Raises:
            SourceDown: nobody takes or keeps the connection. What was read before has been emitted.
            BaseException: whatever `emit` raised.
        """
        try:
            async with asyncio.TaskGroup() as emits:
                down = await self._poll_until_down(HandOver(emits, emit, self._name, self._note_committed))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            CONNECTED.labels(self._name).set(0)
            self._link.close()
        self._was_lost = True
        raise down

    async def _poll_until_down(self, out: HandOver) -> SourceDown:
        begun = False
        try:
            await self._begin()
            begun = True
            while True:
                unit, due = self._first_due()
                now = self._clock.now()
                # Nothing read waits for a unit that is not due, nor for one that may not answer.
                if due > now or unit.breaker.failures or out.is_due(now):
                    await out.flush()
                if due > now:
                    await self._clock.sleep((due - now).total_seconds())
                    continue
                self._serve(unit, now)
                observation = await self._poll(unit, now)
                if observation.readings or observation.rejections:
                    out.add(observation)
                    if unit.is_urgent(observation):
                        await out.flush(urgent=True)
        except SourceDown as down:
            down.was_up = begun
            await out.flush()
            return down

    def _note_committed(self, observations: Sequence[Observation]) -> None:
        self._received.inc(len(observations))
        for observation in observations:
            for rejection in observation.rejections:
                REJECTED.labels(self._name, rejection.reason).inc()

    async def _begin(self) -> None:
        await self._link.connect()
        CONNECTED.labels(self._name).set(1)
        if self._was_lost:
            log.info("source_back", source=self._name, place=self._config.place)
            self._was_lost = False
        now = self._clock.now()
        self._budget.refill()
        for unit in self._units:
            unit.slots.start(now)
            unit.breaker.try_again()

    def _serve(self, unit: Unit, now: datetime) -> None:
        """Take the unit's slot; those that went by meanwhile are counted."""
        missed = unit.slots.serve(now)
        if missed and not unit.breaker.is_open:  # the slots of a unit that is down were left out on purpose
            _OVERRUNS.labels(self._name).inc(missed)

    def _first_due(self) -> tuple[Unit, datetime]:
        """The unit whose slot is due first, and when: among several, those that answer before those in doubt.

        Written out, because it is done for every unit before each poll.
        """
        first, soonest = self._units[0], self._due(self._units[0])
        for unit in self._units:
            failures = unit.breaker.failures
            due = self._due(unit) if failures else unit.slots.due
            if due > soonest:
                continue
            doubt = first.breaker.failures
            if due < soonest or failures < doubt or (failures == doubt and failures and unit.due() < first.due()):
                first, soonest = unit, due
        return first, soonest

    def _due(self, unit: Unit) -> datetime:
        """When a unit is to be polled; of those that are down, only as many as the others can bear."""
        starving = unit.breaker.is_open and self._down != self._numbers
        return max(unit.due(), self._budget.not_before) if starving else unit.due()

    async def _poll(self, unit: Unit, begun: datetime) -> Observation:
        async def ask(block: Block[Field]) -> Sequence[int]:
            return await self._ask(unit, block)

        self._polls.inc()
        was_down = unit.breaker.is_open
        observation, failure = await unit.poll(ask, self._clock)
        if failure is not None:
            if was_down:
                self._budget.spend(now := self._clock.now(), now - begun)
            self._count(unit, failure)
        elif unit.breaker.answered():
            self._down.discard(unit.number)
            self._budget.refill()
            self._units_down.set(len(self._down))
            log.info("unit_back", source=self._name, unit=unit.number, device=unit.device)
        return observation

    def _count(self, unit: Unit, failure: NoAnswer | Refused) -> None:
        if isinstance(failure, Refused):
            _REFUSALS.labels(self._name, unit.number).inc()
        if not unit.breaker.failed(self._clock.now()):
            return
        self._down.add(unit.number)
        self._units_down.set(len(self._down))
        log.warning(
            "unit_lost",
            source=self._name,
            unit=unit.number,
            device=unit.device,
            place=self._config.place,
            error=str(failure),
            todo="check the unit's power, wiring and unit number; it is tried again at growing intervals",
        )

    async def _ask(self, unit: Unit, block: Block[Field]) -> Sequence[int]:
        repeats = 0 if unit.breaker.failures else self._config.retries
        while True:
            if pause := self._config.pause:
                await self._clock.sleep(pause)
            try:
                return await self._link.read(unit.number, block.table, block.start, block.count)
            except NoAnswer:
                _TIMEOUTS.labels(self._name, unit.number).inc()
                if not repeats:
                    raise
                repeats -= 1


def _units(config: ModbusConfig, bindings: Sequence[Binding], bus: str) -> list[Unit]:
    faults: list[str] = []
    units: list[Unit] = []
    #: Two devices of one unit fall silent together.
    breakers: dict[int, Breaker] = {}
    for binding in bindings:
        number, part = binding.address.get("unit"), binding.profile.modbus
        if part is None or not isinstance(number, int) or number not in config.units:
            faults.append(
                f"device {binding.device.id!r} on {bus!r}: its address is {dict(binding.address)} and its profile "
                f"{binding.profile.profile!r}; give it `address: {{unit: 1}}` "
                f"({config.units[0]} to {config.units[-1]}) and a Modbus profile",
            )
            continue
        breaker = breakers.setdefault(number, Breaker(config.most_failures, longest_wait=config.longest_wait))
        units.append(
            Unit(
                bus=bus,
                device=binding.device.id,
                number=number,
                profile=binding.profile.profile,
                blocks=plan(compile_points(binding, bus, number), max_block=part.max_block, max_gap=part.max_gap),
                slots=Slots(part.interval),
                breaker=breaker,
                urgent=urgent_points(tuple(binding.points.values())),
                judge=compile_judge(binding),
            ),
        )
    if not bindings:
        faults.append(f"no device is bound to the Modbus source {bus!r}; name it as `source` of a device or remove it")
    if faults:
        raise ConfigError(faults)
    return units
