from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from daemon.sensors.blocks import Block, halves, plan
from daemon.sensors.registers import RegisterField

fields = st.lists(
    st.builds(
        lambda address, table, kind: RegisterField.model_validate({"address": address, "table": table, "type": kind}),
        st.integers(0, 400),
        st.sampled_from(["holding", "input"]),
        st.sampled_from(["u16", "f32"]),
    ),
    max_size=60,
)


def wanted(block: Block[RegisterField]) -> set[int]:
    return {word for field in block.fields for word in range(field.address, field.address + field.words)}


@given(fields, st.integers(2, 125), st.integers(0, 20))
def test_blocks_cover_every_field_exactly(placed: list[RegisterField], max_block: int, max_gap: int) -> None:
    """Each field stands whole in one block of its table; no block is too large, or spans a gap too large."""
    blocks = plan(placed, max_block=max_block, max_gap=max_gap)

    assert Counter(id(field) for block in blocks for field in block.fields) == Counter(map(id, placed))
    for block in blocks:
        read = range(block.start, block.start + block.count)
        assert 1 <= block.count <= max_block
        assert wanted(block) <= set(read)
        assert {field.table for field in block.fields} == {block.table}
        assert {read[0], read[-1]} <= wanted(block)
        assert all(after - before - 1 <= max_gap for before, after in pairwise(sorted(wanted(block))))


@given(fields, st.integers(2, 125), st.integers(0, 20))
def test_blocks_that_could_be_one_are_one(placed: list[RegisterField], max_block: int, max_gap: int) -> None:
    """Two neighbouring blocks stay apart only for their table, their size or the gap between them."""
    blocks = plan(placed, max_block=max_block, max_gap=max_gap)

    for left, right in pairwise(blocks):
        first = right.fields[0]
        assert (
            left.table != right.table
            or first.address - (left.start + left.count) > max_gap
            or first.address + first.words - left.start > max_block
        )


@given(fields)
def test_halving_ends_with_single_fields(placed: list[RegisterField]) -> None:
    """Halved again and again, a block falls into its fields, none lost."""
    waiting = plan(placed, max_block=125, max_gap=124)
    single = []
    while waiting:
        block = waiting.pop()
        assert wanted(block) <= set(range(block.start, block.start + block.count))
        if len(block.fields) == 1:
            single.append(block.fields[0])
        else:
            waiting.extend(halves(block))

    assert Counter(map(id, single)) == Counter(map(id, placed))
