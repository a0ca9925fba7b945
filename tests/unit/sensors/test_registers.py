from __future__ import annotations

import pytest
from pydantic import ValidationError

from daemon.sensors.register_readers import compile_conversion, compile_reader, compile_scaling, read_string
from daemon.sensors.registers import RegisterField


@pytest.mark.parametrize(
    ("kind", "order", "words", "value"),
    [
        ("u16", "ABCD", [0x1234], 0x1234),
        ("u16", "BADC", [0x1234], 0x3412),
        ("s16", "ABCD", [0xFFFE], -2),
        ("s16", "DCBA", [0xFEFF], -2),
        ("u32", "ABCD", [0x0001, 0x0002], 0x00010002),
        ("u32", "CDAB", [0x0002, 0x0001], 0x00010002),
        ("u32", "BADC", [0x0100, 0x0200], 0x00010002),
        ("u32", "DCBA", [0x0200, 0x0100], 0x00010002),
        ("s32", "ABCD", [0xFFFF, 0xFFFE], -2),
        ("u8_high", "ABCD", [0x12FE], 0x12),
        ("u8_low", "ABCD", [0x12FE], 0xFE),
        ("s8_high", "ABCD", [0xFE12], -2),
        ("s8_low", "ABCD", [0x12FE], -2),
        ("u64", "ABCD", [1, 2, 3, 4], 0x0001_0002_0003_0004),
        ("u64", "CDAB", [4, 3, 2, 1], 0x0001_0002_0003_0004),
        ("u64", "BADC", [0x0100, 0x0200, 0x0300, 0x0400], 0x0001_0002_0003_0004),
        ("u64", "DCBA", [0x0400, 0x0300, 0x0200, 0x0100], 0x0001_0002_0003_0004),
        ("s64", "CDAB", [0xFFFE, 0xFFFF, 0xFFFF, 0xFFFF], -2),
        ("f64", "ABCD", [0x405E, 0xDD2F, 0x1A9F, 0xBE77], 123.456),
        ("f64", "CDAB", [0xBE77, 0x1A9F, 0xDD2F, 0x405E], 123.456),
        ("f32", "ABCD", [0x42F6, 0xE979], 123.45600128173828),
        ("f32", "CDAB", [0xE979, 0x42F6], 123.45600128173828),
        ("f32", "BADC", [0xF642, 0x79E9], 123.45600128173828),
        ("f32", "DCBA", [0x79E9, 0xF642], 123.45600128173828),
    ],
)
def test_orders_are_named_by_the_bytes_as_they_travel(kind: str, order: str, words: list[int], value: float) -> None:
    """Known words give known numbers in every type and order."""
    field = RegisterField.model_validate({"address": 0, "type": kind, "order": order})

    assert compile_reader(field)([99, *words, 99], 1) == value


@pytest.mark.parametrize(
    ("written", "words", "value"),
    [
        ({"bit": 0}, [0b0101], 1),
        ({"bit": 1}, [0b0101], 0),
        ({"bit": 15}, [0x8000], 1),
        ({"bits": [4, 7]}, [0xABCD], 0xC),
        ({"bits": [0, 15]}, [0xABCD], 0xABCD),
        ({"type": "u32", "bit": 31}, [0x8000, 0], 1),
        ({"type": "u64", "bits": [60, 63]}, [0xA000, 0, 0, 0], 0xA),
        ({"type": "u8_high", "bit": 0}, [0x0100], 1),
        ({"type": "u32", "order": "CDAB", "bit": 31}, [0, 0x8000], 1),
    ],
)
def test_bits_are_counted_from_the_least_significant(written: dict[str, object], words: list[int], value: int) -> None:
    """A bit or a run of bits comes out as a whole number of its own."""
    field = RegisterField.model_validate({"address": 0, **written})

    assert compile_reader(field)(words, 0) == value


@pytest.mark.parametrize(
    ("written", "raw", "value"),
    [
        ({}, 7, 7.0),
        ({"scale": 0.1}, 3, 0.3),
        ({"scale": 0.01}, 207, 2.07),
        ({"scale": -0.1}, 3, -0.3),
        ({"scale": 0.3}, 10, 3.0),
        ({"scale": 10, "offset": -40}, 5, 10.0),
        ({"scale": 0.1, "offset": -40.0}, 655, 25.5),
    ],
)
def test_decimal_factors_give_decimal_values(written: dict[str, object], raw: int, value: float) -> None:
    """3 x 0.1 is 0.3, not 0.30000000000000004."""
    scaled = compile_scaling(RegisterField.model_validate({"address": 0, **written}))(raw)

    assert scaled == value
    assert isinstance(scaled, float)


@pytest.mark.parametrize(
    ("kind", "written", "pattern"),
    [
        ("u16", 0x8000, 0x8000),
        ("s16", 0x8000, -0x8000),
        ("s16", -1, -1),
        ("s32", 0xFFFFFFFF, -1),
        ("f32", 0.1, 0.10000000149011612),
        ("s8_low", 0x80, -0x80),
        ("u64", 2**64 - 2**11, 2**64 - 2**11),
        ("f64", 1e300, 1e300),
    ],
)
def test_a_sentinel_is_a_pattern_of_the_register(kind: str, written: float, pattern: float) -> None:
    """0x8000 in an s16 is what the reader calls -32768."""
    field = RegisterField.model_validate({"address": 0, "type": kind, "sentinels": [written]})

    assert field.patterns() == {pattern}


def test_map_keys_may_be_hexadecimal() -> None:
    """Manuals write code tables in hexadecimal; YAML gives keys as text."""
    field = RegisterField.model_validate({"address": 0, "map": {"0x1F": "fault", "2": "ready"}})

    assert field.map == {31: "fault", 2: "ready"}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"address": 65535, "type": "f32"}, "the last register is 65535"),
        ({"address": 65536}, "less than or equal to 65535"),
        ({"address": 0, "bit": 16}, "do not fit u16"),
        ({"address": 0, "bits": [5, 3]}, "write the lower first"),
        ({"address": 0, "bit": 1, "bits": [0, 1]}, "exclude each other"),
        ({"address": 0, "type": "s16", "bit": 1}, "u8, u16, u32 and u64 only"),
        ({"address": 0, "scale": 0}, "scale 0"),
        ({"address": 0, "scale": float("nan")}, "finite"),
        ({"address": 0, "sentinels": [70000]}, "can never stand in u16"),
        ({"address": 0, "type": "f32", "sentinels": [1e39]}, "does not fit f32"),
        ({"address": 0, "map": {"on": "yes"}}, "on"),
        ({"address": 0, "type": "f32", "map": {0: "off"}}, "whole numbers"),
        ({"address": 0, "type": "u8_low", "bit": 8}, "do not fit u8_low"),
        ({"address": 65533, "type": "f64"}, "the last register is 65535"),
        ({"address": 0, "type": "u8_high", "order": "BADC"}, "half a register has no order"),
        ({"address": 0, "type": "string"}, "write how many registers"),
        ({"address": 0, "length": 2}, "a string, and nothing else"),
        ({"address": 0, "type": "string", "length": 2, "order": "CDAB"}, "never exchanged"),
        ({"address": 0, "type": "string", "length": 2, "scale": 2}, "no number; remove scale"),
        ({"address": 0, "table": "coil", "type": "u16"}, "a single bit; remove type"),
        ({"address": 0, "table": "discrete", "bit": 0, "order": "ABCD"}, "a single bit; remove bit, order"),
        ({"address": 0, "decimals": 65536}, "less than or equal to 65535"),
        ({"address": 0, "unit_code": {"address": 1, "map": {}}}, "at least 1"),
        ({"address": 0, "colour": 1}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused(written: dict[str, object], words: str) -> None:
    """A field that no register can hold is a fault of configuration that says what to write."""
    with pytest.raises(ValidationError, match=words):
        RegisterField.model_validate(written)


@pytest.mark.parametrize(
    ("order", "words", "text"),
    [
        ("ABCD", [0x4C31, 0x2D61], "L1-a"),
        ("BADC", [0x314C, 0x612D], "L1-a"),
        ("ABCD", [0x4C31, 0x0061], "L1"),
        ("ABCD", [0x2020, 0x0000], ""),
        ("ABCD", [0x4C31, 0xFF00], None),
        ("ABCD", [0x4C07, 0x0000], None),
    ],
)
def test_a_string_ends_at_the_first_zero(order: str, words: list[int], text: str | None) -> None:
    """Two characters a register, blanks around them left out; what is no printable ASCII is no string."""
    field = RegisterField.model_validate({"address": 0, "type": "string", "length": 2, "order": order})

    assert read_string(field, words) == text


@pytest.mark.parametrize(
    ("unit", "to", "value", "converted"),
    [("bar", "MPa", 3, 0.3), ("psi", "bar", 14.503773773, 1.0), ("kPa", "MPa", 350, 0.35), ("K", "°C", 300, 26.85)],
)
def test_a_unit_told_by_the_device_is_converted(unit: str, to: str, value: float, converted: float) -> None:
    """3 bar are 0.3 MPa, and not 0.30000000000000004."""
    assert compile_conversion(unit, to)(value) == pytest.approx(converted, rel=1e-9)
    assert unit != "bar" or compile_conversion(unit, to)(value) == converted
