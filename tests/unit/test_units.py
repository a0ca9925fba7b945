from __future__ import annotations

import pytest

from daemon.units import Quantity, canonical, convert, parse


@pytest.mark.parametrize(
    ("text", "to", "value"),
    [
        ("0.10 MPa", "MPa", 0.1),
        ("0.35 MPa", "bar", 3.5),
        ("3.5bar", "MPa", 0.35),
        ("100 kPa", "MPa", 0.1),
        ("10 mH2O", "MPa", 0.0980665),
        ("300 K", "°C", 26.85),
        ("40 ℃", "°C", 40.0),
        ("-5°C", "K", 268.15),
        ("80 %", "%", 80.0),
        ("20 mm", "m", 0.02),
        ("0.02 g", "m/s²", 0.196133),
        ("1 L/s", "m³/h", 3.6),
        ("2 min", "s", 120.0),
        ("0.06 MPa/30s", "MPa/s", 0.002),
        ("6 °C/h", "°C/min", 0.1),
        ("24 1/d", "1/h", 1.0),
        ("20 1/h", "1/h", 20.0),
        ("7", "", 7.0),
        (8, "", 8.0),
    ],
)
def test_a_quantity_means_the_same_in_another_unit(text: object, to: str, value: float) -> None:
    """Decimal arithmetic: the converted limit is the very float one would write in the other unit."""
    assert convert(parse(text), to) == value


def test_a_difference_ignores_where_scales_begin() -> None:
    """A fall of 5 K is a fall of 5 °C."""
    assert convert(parse("5 K"), "°C", difference=True) == 5.0


@pytest.mark.parametrize(
    ("text", "to", "says"),
    [
        ("0.1 bar", "°C", "bar is a pressure, but the point is in °C"),
        ("0.1", "MPa", "0.1 has no unit; the point is in MPa, write 0.1 MPa"),
        ("0.1 MPa", "", "bare number"),
        ("0.1 MPA", "MPa", "did you mean 'MPa'"),
        ("0.1 furlong", "m", "unknown unit 'furlong'"),
        ("nan MPa", "MPa", "no quantity"),
        ("1e999999999 m", "m", "no quantity"),
        ("", "m", "no quantity"),
        (True, "", "no quantity"),
        (None, "", "no quantity"),
        ("1 m/0s", "m/s", "unknown unit"),
    ],
)
def test_a_wrong_unit_is_refused_in_words(text: object, to: str, says: str) -> None:
    """Different dimensions, a missing or unknown unit and what is no number raise ValueError and say what to do."""
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        convert(parse(text), to)


def test_keyboards_spell_units_their_own_way() -> None:
    """`m3/h` and `degC` are known under their proper names."""
    assert canonical("m3/h") == "m³/h"
    assert parse("5 degC") == Quantity(parse("5").value, "°C")
