"""Which registers to read together: one request costs a round trip, a register too many costs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from daemon.sensors.registers import Table

#: More registers than this fit no Modbus answer (Modbus Application Protocol V1.1b3, 6.3).
MOST_REGISTERS = 125


class Placed(Protocol):
    """Anything that stands in registers."""

    @property
    def address(self) -> int:
        """The first register."""
        ...

    @property
    def table(self) -> Table:
        """The table it stands in."""
        ...

    @property
    def words(self) -> int:
        """How many registers it takes."""
        ...


F = TypeVar("F", bound=Placed)


@dataclass(frozen=True, slots=True)
class Block(Generic[F]):
    """Registers read by one request: `count` of them from `start` on, holding `fields` in order of address."""

    table: Table
    start: int
    count: int
    fields: tuple[F, ...]


def plan(fields: Iterable[F], *, max_block: int = MOST_REGISTERS, max_gap: int = 8) -> list[Block[F]]:
    """Cover every field by as few blocks as may be.

    Args:
        fields: the fields of one device; they may share registers.
        max_block: registers in a block at most; at least what the widest field takes.
        max_gap: unwanted registers in a row that a block reads along.

    Raises:
        ValueError: a field alone is larger than `max_block`.
    """
    blocks: list[Block[F]] = []
    for field in sorted(fields, key=lambda field: (field.table, field.address, field.words)):
        if field.words > max_block:
            raise ValueError(
                f"the value at {field.table} {field.address} takes {field.words} registers, more than max_block"
            )
        block = _joined(blocks[-1], field, max_block, max_gap) if blocks else None
        if block is None:
            blocks.append(Block(field.table, field.address, field.words, (field,)))
        else:
            blocks[-1] = block
    return blocks


def _joined(block: Block[F], field: F, max_block: int, max_gap: int) -> Block[F] | None:
    """The block with the field in it, or None where they must stay apart."""
    end = block.start + block.count
    count = max(block.count, field.address + field.words - block.start)
    if field.table != block.table or field.address - end > max_gap or count > max_block:
        return None
    return Block(block.table, block.start, count, (*block.fields, field))


def halves(block: Block[F]) -> tuple[Block[F], Block[F]]:
    """The block's fields in two blocks that read nothing around them.

    Raises:
        ValueError: it has one field only.
    """
    if len(block.fields) < 2:
        raise ValueError("one field cannot be halved")
    middle = len(block.fields) // 2
    return _tight(block, block.fields[:middle]), _tight(block, block.fields[middle:])


def _tight(block: Block[F], fields: tuple[F, ...]) -> Block[F]:
    start = fields[0].address
    return Block(block.table, start, max(field.address + field.words for field in fields) - start, fields)
