from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import Asset, Catalogue, Device, Point, PointKind, Site, Text
from daemon.rules import arithmetic
from daemon.rules.derived import DerivedSpec, declare
from daemon.rules.formula import parse, render
from daemon.rules.formula_nodes import Formula, Mean, Negative, Number, Pair, Ref, Rise, Several, Square, Total

UNITS = {
    "p": "MPa", "q": "bar", "h": "m", "t": "°C", "u": "°C", "flow": "m³/h", "n": "", "share": "%",
    "v": "V", "i": "A", "power": "kW",
}  # fmt: skip
COUNTERS = {"cycles": "", "volume": "m³"}


def points() -> list[Point]:
    every = timedelta(seconds=5)
    found = []
    for asset in ("A", "B-1"):
        gauges = [Point(f"{asset}.{n}", asset, f"{asset}/d", n, unit, interval=every) for n, unit in UNITS.items()]
        counters = [
            Point(f"{asset}.{n}", asset, f"{asset}/d", n, unit, PointKind.COUNTER, interval=2 * every)
            for n, unit in COUNTERS.items()
        ]
        state = Point(f"{asset}.mode", asset, f"{asset}/d", "mode", kind=PointKind.STATE, on_change=True)
        found += [*gauges, *counters, state]
    return found


SITE = Catalogue(
    Site("s", Text("甲", "s")),
    tuple(Asset(name, "room", Text(name, name)) for name in ("A", "B-1")),
    tuple(Device(f"{name}/d", name, "m", timedelta(seconds=30)) for name in ("A", "B-1")),
    tuple(points()),
)


def worked_out(text: str, unit: str, values: Mapping[str, float | None]) -> float | None:
    """Declare the formula for asset A, and compute it from values by the points' ids, or by name for A's."""
    point = declare("d", "A", DerivedSpec(unit=unit, value=text), SITE)
    units = {p.id: p.unit for p in SITE.points}

    def value_of(part: Ref | Rise | Mean) -> tuple[arithmetic.Value, str]:
        asset, _, name = part.point.rpartition(".")
        return lambda: values[name if asset == "A" else part.point], units[part.point]

    return arithmetic.compile_formula(parse(point.formula), point.unit, value_of)()


@pytest.mark.parametrize(
    ("text", "unit", "values", "result"),
    [
        ("p - 0.0098 MPa/m * 24 m - 0.02 MPa", "MPa", {"p": 0.4552}, 0.2),
        ("p - 0.0098 MPa/m * 24 m - 0.02 MPa", "kPa", {"p": 0.4552}, 200.0),
        ("p - q", "bar", {"p": 0.3, "q": 1.0}, 2.0),
        ("p - 0.0098 MPa/m * h", "MPa", {"p": 0.3, "h": 10.0}, 0.202),
        ("p / q", "", {"p": 0.3, "q": 1.0}, 3.0),
        ("p / q", "%", {"p": 0.3, "q": 1.0}, 300.0),
        ("share * flow", "m³/h", {"share": 25.0, "flow": 8.0}, 2.0),
        ("(t + u) / 2", "°C", {"t": 30.0, "u": 50.0}, 40.0),
        ("0.5 * t + 0.5 * u", "°C", {"t": 30.0, "u": 50.0}, 40.0),
        ("t - u", "K", {"t": 52.0, "u": 31.5}, 20.5),
        ("t + 5 K", "°C", {"t": 30.0}, 35.0),
        ("v * i", "W", {"v": 230.0, "i": 2.0}, 460.0),
        ("power / (v * i)", "", {"power": 0.46, "v": 230.0, "i": 2.0}, 1.0),
        ("-n + 2 * -3", "", {"n": 1.0}, -7.0),
        ("2 - 3 - 4 + n", "", {"n": 0.0}, -5.0),
        ("n - (3 - 4)", "", {"n": 0.0}, 1.0),
        ("8 / 4 / 2 * n", "", {"n": 1.0}, 1.0),
        ("n / (8 / 4)", "", {"n": 1.0}, 0.5),
        ("[B-1.flow] - flow", "L/s", {"flow": 3.6, "B-1.flow": 7.2}, 1.0),
        ("sum(room, flow)", "m³/h", {"flow": 3.0, "B-1.flow": 4.5}, 7.5),
        ("sum(room, flow) - flow", "m³/h", {"flow": 3.0, "B-1.flow": 4.5}, 4.5),
        ("rise(volume, 1h) / 1 h", "m³/h", {"volume": 6.0}, 6.0),
        ("mean(p, 1min) - 0.1 MPa", "kPa", {"p": 0.3}, 200.0),
        ("square((mean(t, 10s) - 20 °C) / 4 K) + square(n)", "", {"t": 26.0, "n": -2.0}, 6.25),
        ("rise(cycles, 1h30min) / rise(cycles, 1h)", "%", {"cycles": 6.0}, 100.0),
        ("n / (n - n)", "", {"n": 1.0}, None),
        ("p + q", "MPa", {"p": 1.0, "q": None}, None),
    ],
)
def test_a_formula_means_what_physics_says(
    text: str, unit: str, values: dict[str, float | None], result: float | None
) -> None:
    """Units are converted, precedence is the usual one, what cannot be known is unknown."""
    assert worked_out(text, unit, values) == result


@pytest.mark.parametrize(
    ("text", "unit", "fault"),
    [
        ("p + h", "MPa", "a length cannot be added to a pressure"),
        ("p - 24 m", "MPa", "a length cannot be taken from a pressure"),
        ("p - 0.02", "MPa", "a number cannot be taken from a pressure"),
        ("p * h", "MPa", "the result is a length·pressure, but MPa is declared"),
        ("p", "m", "the result is a pressure, but m is declared"),
        ("p / h", "", "the result is a pressure/length, but a bare number is declared"),
        ("t + u", "°C", "a temperature is in °C, the difference of two in K"),
        ("t - u", "°C", "a temperature is in °C, the difference of two in K"),
        ("t", "K", "a temperature is in °C, the difference of two in K"),
        ("t * n", "°C", "can only be multiplied or divided by a constant"),
        ("1 / t", "°C", "can only be multiplied or divided by a constant"),
        ("mode + 1", "", "A.mode is a state, which has no numbers"),
        ("rise(p, 1h)", "MPa", "A.p is a gauge"),
        ("mean(cycles, 1h)", "", "A.cycles is a counter"),
        ("mean(p, 0s)", "MPa", "over a span"),
        ("mean(p, 9s)", "MPa", "fewer than two readings of A.p"),
        ("mean(mode, 1h)", "", "A.mode is a state"),
        ("square(p)", "MPa", "the result is a pressure\\^2"),
        ("square(t)", "", "a temperature in °C can only"),
        ("square(p", "", r"'\)' is expected, not the end"),
        ("rise(cycles, 0s)", "", "over a span"),
        ("pp + 1 MPa", "MPa", "there is no point 'A.pp'"),
        ("[C.p]", "MPa", "there is no point 'C.p'"),
        ("sum(lift, p)", "MPa", "no asset of kind 'lift' has a point 'p'"),
        ("sum([A.p], [C.p])", "MPa", "there is no point 'C.p'"),
        ("5 MPa", "MPa", "the formula looks at no point"),
        ("p", "Mpa", "unknown unit 'Mpa'; did you mean 'MPa'?"),
        ("p - 3 bra", "MPa", "unknown unit 'bra'; did you mean 'bar'?"),
        ("p p", "MPa", "'p' is left over"),
        ("p +", "MPa", "is expected, not the end"),
        ("(p", "MPa", r"'\)' is expected, not the end"),
        ("p)", "MPa", r"'\)' is left over"),
        ("", "MPa", "is expected, not the end"),
        ("p ** 2", "MPa", "is expected, not '\\*'"),
        ("__import__(p)", "", "there is no function '__import__'"),
        ("p.__class__", "", "is no part of a formula"),
        ("p; p", "MPa", "is no part of a formula"),
        ("max(p, q)", "MPa", "there is no function 'max'"),
        ("rise(cycles)", "", "',' is expected"),
        ("rise(cycles, 5)", "", "'5' is no span"),
        ("(" * 50 + "p" + ")" * 50, "MPa", "at most 200 parts, nested 40 deep"),
        ("+".join(["p"] * 201), "MPa", "at most 200 parts"),
    ],
)
def test_what_makes_no_sense_is_refused_at_load(text: str, unit: str, fault: str) -> None:
    """With what is wrong."""
    with pytest.raises(ValueError, match=fault):
        declare("d", "A", DerivedSpec(unit=unit, value=text), SITE)


@pytest.mark.parametrize(("name", "fault"), [("p", "gives a point 'p' already"), ("x-y", "letters, digits and _ only")])
def test_a_name_is_free_and_plain(name: str, fault: str) -> None:
    """A derived point is a point of its asset."""
    with pytest.raises(ValueError, match=fault):
        declare(name, "A", DerivedSpec(unit="MPa", value="q"), SITE)


def test_a_derived_point_promises_what_its_slowest_input_does() -> None:
    """So that lint and windows judge it rightly; it has no device."""
    point = declare("d", "A", DerivedSpec(unit="", value="rise(cycles, 1h) * n"), SITE)

    assert (point.id, point.device, point.interval) == ("A.d", "", timedelta(seconds=10))


NUMBERS = st.decimals(min_value=0, max_value=1000, places=3).map(lambda d: Number(Decimal(d), "MPa"))
REFS = st.sampled_from(["A.p", "B-1.q"]).map(Ref)
LEAVES: st.SearchStrategy[Formula] = st.one_of(
    NUMBERS,
    REFS,
    st.builds(Rise, st.just("A.volume"), st.integers(1, 10**6).map(lambda s: timedelta(seconds=s))),
    st.builds(Mean, st.just("A.p"), st.integers(10, 10**6).map(lambda s: timedelta(seconds=s))),
    st.just(Total("room", "p")),
    st.lists(REFS, min_size=1, max_size=3).map(lambda refs: Several(tuple(refs))),
)
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Negative, inner), st.builds(Square, inner), st.builds(Pair, st.sampled_from("+-*/"), inner, inner)
    ),
    max_leaves=12,
)


@given(FORMULAS)
def test_a_formula_is_read_back_as_it_was_written(formula: Formula) -> None:
    """The stored ruleset holds text: brackets stand where they are needed."""
    assert parse(render(formula)) == formula


@given(st.text(alphabet="pqh()+-*/[].,0123 emrsiun°%", max_size=60))
def test_any_text_is_a_formula_or_a_fault(text: str) -> None:
    """Nothing else comes of it."""
    try:
        point = declare("d", "A", DerivedSpec(unit="MPa", value=text), SITE)
    except ValueError:
        return
    assert parse(point.formula) is not None


def test_no_more_than_twenty_characters_of_a_fault_are_shown() -> None:
    """A formula may be long; the place is what matters."""
    with pytest.raises(ValueError, match=r"^'; 345678901234567890' is no part of a formula$"):
        parse("p; 3456789012345678901234567890")
