"""One unit on a Modbus bus: which blocks it is read by, and what it said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from daemon.clock import Clock
from daemon.model import EPOCH, Observation, Point, PointKind, Reading, Rejection, Value
from daemon.sensors.blocks import Block, halves
from daemon.sensors.judge import Judge
from daemon.sensors.modbus_link import NoAnswer, Refused
from daemon.sensors.polling import Breaker, Slots
from daemon.sensors.register_blocks import BlockDecoder
from daemon.sensors.register_points import Companion, RegisterPoint, illegal
from daemon.sensors.registers import Table

log = structlog.get_logger(__name__)

#: What stands in a block.
Field = RegisterPoint | Companion
#: Asks the unit for a block. Raises `SourceDown`, `NoAnswer` or `Refused`.
Ask = Callable[[Block[Field]], Awaitable[Sequence[int]]]

#: Exceptions that say that the unit has no such registers, or not so many of them together.
_ADDRESS_FAULTS = frozenset({2, 3})


@dataclass(slots=True)
class _Gathered:
    """What one poll has brought so far."""

    at: datetime = EPOCH
    words: list[tuple[Block[Field], Sequence[int]]] = field(default_factory=list)
    refused: list[tuple[Field, Refused]] = field(default_factory=list)


@dataclass(slots=True)
class Unit:
    """A device, when it is due, and how it is read."""

    bus: str
    device: str
    number: int
    profile: str
    blocks: list[Block[Field]]
    slots: Slots
    breaker: Breaker
    #: Points whose change is committed at once, and what they said last.
    urgent: dict[str, Value | None]
    #: Looks at the readings together, and at those before them.
    judge: Judge | None = None
    #: By table and first register.
    _decoders: dict[Table, dict[int, BlockDecoder]] = field(default_factory=dict)

    def due(self) -> datetime:
        """When it is to be polled next."""
        return max(self.slots.due, self.breaker.not_before)

    async def poll(self, ask: Ask, clock: Clock) -> tuple[Observation, NoAnswer | Refused | None]:
        """Read all blocks; the failure says why some are missing.

        Blocks that were read before the unit fell silent count: each is whole in itself.

        Raises:
            SourceDown: the connection is lost.
        """
        got = _Gathered()
        failure: NoAnswer | Refused | None = None
        try:
            for block in self.blocks:
                await self._read(block, ask, clock, got)
        except (NoAnswer, Refused) as error:
            failure = error
        if failure is None and not got.words:
            # A unit that has none of its registers is not ready yet, or not the one that the profile describes.
            failure = got.refused[0][1]
        rejections: list[Rejection] = []
        if failure is None:
            self.blocks = [block for block, _ in got.words]  # what was halved stays halved, what was refused is out
            rejections = self._name_refused(got)
        return self._decode(got, rejections), failure

    async def _read(self, block: Block[Field], ask: Ask, clock: Clock, got: _Gathered) -> None:
        """Read a block; where the unit refuses its address, halve it until the refused fields stand alone."""
        try:
            words = await ask(block)
        except Refused as refused:
            if refused.code not in _ADDRESS_FAULTS:
                raise
            if len(block.fields) == 1:
                got.refused.append((block.fields[0], refused))
                return
            for half in halves(block):
                await self._read(half, ask, clock, got)
            return
        got.words.append((block, words))
        got.at = clock.now()

    def _name_refused(self, got: _Gathered) -> list[Rejection]:
        for point, refused in got.refused:
            log.error(
                "register_refused",
                source=self.bus,
                unit=self.number,
                table=point.table,
                address=point.address,
                point=point.point.id,
                error=str(refused),
                todo=f"correct the register in the profile {self.profile!r} or remove it; not read until restart",
            )
        return [illegal(point, str(refused)) for point, refused in got.refused]

    def _decode(self, got: _Gathered, rejections: list[Rejection]) -> Observation:
        answered = [(self._decoder(block), words) for block, words in got.words]
        told: dict[tuple[Table, int], int] = {}
        for decoder, words in answered:
            decoder.tell(words, told)
        readings: list[Reading] = []
        for decoder, words in answered:
            decoder.decode(words, got.at, told, readings, rejections)
        if self.judge is not None:
            readings = self.judge(readings)
        return Observation(got.at, self.device, tuple(readings), tuple(rejections))

    def _decoder(self, block: Block[Field]) -> BlockDecoder:
        """Made when a block is first answered."""
        known = self._decoders.get(block.table, {}).get(block.start)
        if known is None or known.block is not block:
            known = BlockDecoder(block)
            self._decoders.setdefault(block.table, {})[block.start] = known
        return known

    def is_urgent(self, observation: Observation) -> bool:
        """Whether an urgent point says something else than in the last observation."""
        if not self.urgent:
            return False
        changed = False
        for reading in observation.readings:
            if reading.point in self.urgent and self.urgent[reading.point] != reading.value:
                self.urgent[reading.point] = reading.value
                changed = True
        return changed


def urgent_points(points: Sequence[Point]) -> dict[str, Value | None]:
    """Nothing known yet of the points marked urgent. A number changes with every poll: only labels can be urgent."""
    return {point.id: None for point in points if point.urgent and point.kind in (PointKind.STATE, PointKind.CODE)}
