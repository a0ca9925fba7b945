"""The field's units: limits are written with one and converted to the point's unit once, when rules are loaded.

Arithmetic is decimal, so `0.35 MPa` and `3.5 bar` become the very same float and a limit means what is written.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple


class Quantity(NamedTuple):
    """A number as written, with its unit (empty for a bare number)."""

    value: Decimal
    unit: str


class _Unit(NamedTuple):
    #: Only units of one dimension convert into each other.
    dimension: str
    #: One of it in the dimension's first unit.
    factor: Decimal
    #: Its zero, in the dimension's first unit.
    offset: Decimal = Decimal(0)


def _table(dimension: str, **factors: str) -> dict[str, _Unit]:
    return {name: _Unit(dimension, Decimal(factor)) for name, factor in factors.items()}


#: Every unit a point may have. 1 m of water is 9806.65 Pa by definition (conventional water at standard gravity).
_UNITS: dict[str, _Unit] = {
    "": _Unit("number", Decimal(1)),
    "%": _Unit("ratio", Decimal(1)),
    "‰": _Unit("ratio", Decimal("0.1")),
    **_table("pressure", Pa="1", hPa="100", kPa="1e3", mbar="100", bar="1e5", MPa="1e6", mH2O="9806.65"),
    **_table("pressure", psi="6894.757293168", **{"kgf/cm²": "98066.5"}),
    "°C": _Unit("temperature", Decimal(1)),
    "K": _Unit("temperature", Decimal(1), Decimal("-273.15")),
    **_table("length", mm="1e-3", cm="1e-2", m="1", km="1e3"),
    **_table("mass", kg="1", t="1e3"),
    "m/s": _Unit("speed", Decimal(1)),
    "mm/s": _Unit("speed", Decimal("1e-3")),
    "m/s²": _Unit("acceleration", Decimal(1)),
    "g": _Unit("acceleration", Decimal("9.80665")),
    "mg": _Unit("acceleration", Decimal("9.80665e-3")),
    "dB": _Unit("sound", Decimal(1)),
    "dB(A)": _Unit("weighted sound", Decimal(1)),
    **_table("frequency", Hz="1", kHz="1e3"),
    "1/h": _Unit("count rate", Decimal(1)),
    "1/d": _Unit("count rate", Decimal(1) / 24),
    "m³/h": _Unit("flow", Decimal(1)),
    "L/s": _Unit("flow", Decimal("3.6")),
    "L/min": _Unit("flow", Decimal("0.06")),
    **_table("volume", L="1e-3"),
    "m³": _Unit("volume", Decimal(1)),
    **_table("time", ms="1e-3", s="1", min="60", h="3600", d="86400"),
    **_table("voltage", mV="1e-3", V="1", kV="1e3"),
    **_table("current", mA="1e-3", A="1"),
    **_table("power", W="1", kW="1e3"),
    **_table("energy", kWh="1", MWh="1e3"),
    "ppm": _Unit("concentration", Decimal(1)),
    "NTU": _Unit("turbidity", Decimal(1)),
    "mg/L": _Unit("content", Decimal(1)),
    "pH": _Unit("acidity", Decimal(1)),
    "N": _Unit("force", Decimal(1)),
}

#: How keyboards spell them.
_SPELLINGS = {
    "℃": "°C",
    "degC": "°C",
    "m3/h": "m³/h",
    "m3": "m³",
    "kgf/cm2": "kgf/cm²",
    "m/s2": "m/s²",
    "l/s": "L/s",
    "l/min": "L/min",
    "l": "L",
    "mH₂O": "mH2O",
    "mwc": "mH2O",
    "/h": "1/h",
    "％": "%",
}

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*")
_RATE = re.compile(r"(?P<what>.+)/(?P<number>\d+(?:\.\d+)?)?(?P<span>ms|s|min|h|d)")


def canonical(unit: str) -> str:
    """The table's spelling of a unit.

    Raises:
        ValueError: no such unit; names the nearest one.
    """
    unit = _SPELLINGS.get(unit, unit)
    if unit not in _UNITS and _rate(unit) is None:
        known = [name for name in _UNITS if name]
        near = difflib.get_close_matches(unit, known, n=1, cutoff=0.5) or [
            k for k in known if k.lower() == unit.lower()
        ]
        raise ValueError(
            f"unknown unit {unit!r}; " + (f"did you mean {near[0]!r}?" if near else "known: " + " ".join(known))
        )
    return unit


def parse(text: object) -> Quantity:
    """Read `0.10 MPa`, `-5°C`, `80 %`, `0.08 MPa/30s` or a bare number.

    Raises:
        ValueError: it is no number, or the unit is unknown.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(f"{text!r} is no quantity; write a number with its unit, such as 0.10 MPa")  # noqa: TRY004  pydantic reports ValueError
    match = _QUANTITY.fullmatch(str(text))
    try:
        value = Decimal(match[1]) if match else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if match is None or not math.isfinite(float(value)):
        raise ValueError(f"{text!r} is no quantity; write a number with its unit, such as 0.10 MPa")
    return Quantity(value, canonical(match[2] or ""))


def convert(quantity: Quantity, to: str, *, difference: bool = False) -> float:
    """The number that `quantity` is in the unit `to`; a `difference` ignores where the scales have their zero.

    Raises:
        ValueError: a unit is unknown, or the two measure different things.
    """
    to = canonical(to)
    if quantity.unit == to:
        return float(quantity.value)
    here, there = _unit(quantity.unit), _unit(to)
    if here.dimension != there.dimension:
        if not quantity.unit:
            raise ValueError(f"{quantity.value} has no unit; the point is in {to}, write {quantity.value} {to}")
        measured = f"{quantity.unit} is a {here.dimension}"
        raise ValueError(f"{measured}, but the point is " + (f"in {to} ({there.dimension})" if to else "a bare number"))
    value = quantity.value * here.factor
    if not difference:
        value += here.offset - there.offset
    return float(value / there.factor)


def convert_rate(quantity: Quantity, to: str) -> float:
    """The number that a rate (`MPa/h`, `m³/h`, `1/h`) is in the unit `to` per second.

    Raises:
        ValueError: it is no rate of what `to` measures.
    """
    here, there = measure(quantity.unit), measure(to)
    powers = {**there.dimensions, "time": there.dimensions.get("time", 0) - 1}
    wanted = {name: power for name, power in powers.items() if power}
    # a share and a bare number have the same dimensions: what is written must say which it is
    what = quantity.unit.rpartition("/")[0]
    same = bool(there.dimensions) or (_SPELLINGS.get(what, what) in ("%", "‰")) == (to in ("%", "‰"))
    if here.dimensions != wanted or not same:
        value = f"{quantity.value:f}".removesuffix(".0")
        shown = f"in {to}; write one such as {value} {to}/h" if to else "a bare number; write 1/h"
        raise ValueError(f"{value} {quantity.unit}".rstrip() + f" is no rate of it: the point is {shown}")
    return float(quantity.value * here.factor / there.factor)


def _unit(unit: str) -> _Unit:
    found = _UNITS.get(unit) or _rate(unit)
    if found is None:
        raise ValueError(f"unknown unit {unit!r}")
    return found


def _rate(unit: str) -> _Unit | None:
    """`MPa/s`, `°C/min`, `MPa/30s`: one of the table's units per a span of time."""
    match = _RATE.fullmatch(unit)
    if match is None or not match["what"]:
        return None
    what = _UNITS.get(_SPELLINGS.get(match["what"], match["what"]))
    if what is None:
        return None
    span = Decimal(match["number"] or 1) * _UNITS[match["span"]].factor
    return _Unit(f"{what.dimension} rate", what.factor / span) if span else None


class Measure(NamedTuple):
    """What a unit measures, in terms that can be multiplied."""

    #: Base dimension -> exponent, none of them zero.
    dimensions: Mapping[str, int]
    #: One of the unit in base units.
    factor: Decimal
    #: 1 for a temperature scale with a zero of its own, else 0.
    zeros: int = 0


#: Dimensions that are made of others, and one of their first unit in base units (m, s, A, V).
_MADE: dict[str, tuple[dict[str, int], Decimal]] = {
    "number": ({}, Decimal(1)),
    "ratio": ({}, Decimal("0.01")),
    "speed": ({"length": 1, "time": -1}, Decimal(1)),
    "acceleration": ({"length": 1, "time": -2}, Decimal(1)),
    "frequency": ({"time": -1}, Decimal(1)),
    "count rate": ({"time": -1}, Decimal(1) / 3600),
    "volume": ({"length": 3}, Decimal(1)),
    "flow": ({"length": 3, "time": -1}, Decimal(1) / 3600),
    "power": ({"voltage": 1, "current": 1}, Decimal(1)),
    "energy": ({"voltage": 1, "current": 1, "time": 1}, Decimal(3_600_000)),
}


def measure(unit: str) -> Measure:
    """What a unit of the table measures, or one per another (`MPa/m`), as formulas write it.

    Raises:
        ValueError: it is unknown.
    """
    unit = _SPELLINGS.get(unit, unit)
    found = _UNITS.get(unit) or _rate(unit)
    if found is not None:
        return _measured(found)._replace(zeros=int(unit == "°C"))
    above, slash, below = unit.partition("/")
    if slash and above and below:
        first, second = _measured(_unit(canonical(above))), _measured(_unit(canonical(below)))
        names = {*first.dimensions, *second.dimensions}
        powers = {name: first.dimensions.get(name, 0) - second.dimensions.get(name, 0) for name in names}
        return Measure({name: power for name, power in powers.items() if power}, first.factor / second.factor)
    canonical(unit)  # names the nearest one
    raise ValueError(f"unknown unit {unit!r}")


def _measured(unit: _Unit) -> Measure:
    dimension = unit.dimension
    if dimension not in _MADE and dimension.endswith(" rate"):
        inner = _measured(unit._replace(dimension=dimension.removesuffix(" rate")))
        powers = {**inner.dimensions, "time": inner.dimensions.get("time", 0) - 1}
        return Measure({name: power for name, power in powers.items() if power}, inner.factor)
    dimensions, factor = _MADE.get(dimension, ({dimension: 1}, Decimal(1)))
    return Measure(dimensions, unit.factor * factor)
