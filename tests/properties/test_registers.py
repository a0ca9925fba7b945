from __future__ import annotations

import math
import struct

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daemon.model import EPOCH, Point, Quality, Reading, Rejection
from daemon.sensors.profile import PointSpec
from daemon.sensors.register_points import RegisterPoint
from daemon.sensors.register_readers import compile_reader
from daemon.sensors.registers import BIT_TABLES, RegisterField

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


small = st.integers(-2, 70)
written = st.fixed_dictionaries(
    {"address": st.sampled_from([0, 3, 65532, 65535, 65536])},
    optional={
        "table": st.sampled_from(["coil", "discrete", "holding", "input", "file"]),
        "type": st.sampled_from([*FORMATS, "u8_high", "s8_low", "string", "u24"]),
        "order": st.sampled_from([*PLACES, "BDAC"]),
        "length": small,
        "bit": small,
        "bits": st.lists(small, min_size=1, max_size=3),
        "scale": st.floats(),
        "offset": st.floats(),
        "decimals": small,
        "unit_code": st.fixed_dictionaries({"address": small, "map": st.just({3: "bar", 6: "psi"})}),
        "sentinels": st.lists(st.floats() | st.integers(), max_size=2),
        "map": st.dictionaries(small, st.just("label"), max_size=2),
    },
)


@given(written, st.lists(st.integers(0, 65535), min_size=125, max_size=125), st.sampled_from(["gauge", "state"]))
def test_a_field_is_refused_or_reads_anything(description: dict[str, object], words: list[int], kind: str) -> None:
    """Whatever stands in a profile is refused at load, or reads every image into a reading or a rejection."""
    try:
        spec = PointSpec.model_validate(
            {"kind": kind, "unit": "MPa" if kind == "gauge" else "", "register": description}
        )
    except ValidationError:
        return
    field = spec.register_field
    assert field is not None
    point = Point("a.p", "a", "d", "p", unit=spec.unit, kind=spec.kind)
    decoder = RegisterPoint(point, field, "here")
    if field.table in BIT_TABLES:
        words = [word & 1 for word in words]
    told = {(companion.table, companion.address): words[-1] for companion in decoder.companions()}
    decoded = decoder.decode(words, field.address, EPOCH, told)

    assert isinstance(decoded, Reading | Rejection)
    if isinstance(decoded, Reading) and isinstance(decoded.value, float) and not math.isfinite(decoded.value):
        assert decoded.quality is Quality.BAD
