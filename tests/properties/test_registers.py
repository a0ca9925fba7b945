from __future__ import annotations

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from daemon.sensors.register_readers import compile_reader
from daemon.sensors.registers import RegisterField

FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f", "f64": ">d"}
#: Where each byte of the value travels.
PLACES = {"ABCD": (0, 1, 2, 3), "DCBA": (3, 2, 1, 0), "BADC": (1, 0, 3, 2), "CDAB": (2, 3, 0, 1)}

whole = {
    "u16": st.integers(0, 2**16 - 1),
    "s16": st.integers(-(2**15), 2**15 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "s32": st.integers(-(2**31), 2**31 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "s64": st.integers(-(2**63), 2**63 - 1),
}
typed: st.SearchStrategy[tuple[str, float]] = st.one_of(
    *(st.tuples(st.just(kind), numbers) for kind, numbers in whole.items()),
    st.tuples(st.just("f32"), st.floats(width=32)),
    st.tuples(st.just("f64"), st.floats()),
)


def travel(kind: str, order: str, value: float) -> list[int]:
    """The words in which a value travels, by struct and the place of each byte."""
    octets = struct.pack(FORMATS[kind], value)
    words = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    if len(octets) == 4:
        words = [bytes(octets[place] for place in PLACES[order][at : at + 2]) for at in (0, 2)]
    elif order != "ABCD":
        words = [word[::-1] if order in {"BADC", "DCBA"} else word for word in words]
        words = words[::-1] if order in {"CDAB", "DCBA"} else words
    return [int.from_bytes(word, "big") for word in words]


@given(typed, st.sampled_from(sorted(PLACES)), st.lists(st.integers(0, 65535), max_size=5))
def test_reading_undoes_what_struct_packs(pair: tuple[str, float], order: str, before: list[int]) -> None:
    """Whatever struct puts into registers in any order, anywhere in a block, the reader takes out again."""
    kind, value = pair
    field = RegisterField.model_validate({"address": 0, "type": kind, "order": order})
    read = compile_reader(field)([*before, *travel(kind, order, value), 0xBEEF], len(before))

    assert read == value or (math.isnan(value) and math.isnan(read))
    assert math.copysign(1, read) == math.copysign(1, value) or math.isnan(value)


@given(st.integers(0, 2**32 - 1), st.integers(0, 31), st.integers(0, 31))
def test_a_run_of_bits_is_the_slice_of_the_binary_number(value: int, one: int, other: int) -> None:
    """Bits come out as they stand in the number written in binary."""
    lowest, highest = sorted((one, other))
    field = RegisterField.model_validate({"address": 0, "type": "u32", "bits": [lowest, highest]})
    read = compile_reader(field)([value >> 16, value & 0xFFFF], 0)

    assert read == int(f"{value:032b}"[31 - highest : 32 - lowest], 2)
