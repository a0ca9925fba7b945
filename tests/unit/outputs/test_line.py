"""Line protocol as we write it, read back by a strict parser that shares nothing with the writer."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import (
    Asset,
    Catalogue,
    Observation,
    Point,
    PointKind,
    Quality,
    Reading,
    Reason,
    Site,
    Text,
    from_ms,
)
from daemon.outputs.line import LineProtocol

AT = from_ms(1_795_300_000_123)
NOBODY = Text("", "")


def catalogue(
    *points: tuple[str, PointKind], asset: str = "L1", kind: str = "lift", building: str = "B3", site: str = "hy"
) -> Catalogue:
    """One asset with the named points."""
    return Catalogue(
        Site(site, NOBODY),
        (Asset(asset, kind, NOBODY, building),),
        (),
        tuple(Point(f"{asset}.{name}", asset, "d", name, kind=k) for name, k in points),
    )


LIFT = catalogue(("floor", PointKind.GAUGE), ("speed", PointKind.GAUGE), ("door", PointKind.STATE))


def reading(
    name: str,
    value: Any,  # noqa: ANN401  a wrong type is what some tests are about
    *,
    asset: str = "L1",
    late: timedelta = timedelta(),
    why: Reason = Reason.NONE,
) -> Reading:
    quality = {Reason.NONE: Quality.GOOD, Reason.LATE: Quality.SUSPECT}.get(why, Quality.BAD)
    return Reading(f"{asset}.{name}", AT - late, value, AT, quality, why)


def written(cat: Catalogue, *readings: Reading) -> list[str]:
    return [line.text.decode() for line in LineProtocol(cat).encode(Observation(AT, "d", readings))]


# --- the strict reader ------------------------------------------------------------------------------------


def parse(text: str) -> tuple[str, dict[str, str], dict[str, float | str], int]:
    """Measurement, tags, fields and timestamp of one line; every deviation is an AssertionError."""
    assert "\n" not in text
    assert "\r" not in text
    measurement, at = name(text, 0, ", ")
    assert measurement
    tags: dict[str, str] = {}
    while text[at] == ",":
        key, at = name(text, at + 1, "=")
        value, at = name(text, at + 1, ", ")
        assert key
        assert value
        assert key not in tags
        tags[key] = value
    fields: dict[str, float | str] = {}
    separator = " "
    while text[at] == separator:
        separator = ","
        key, at = name(text, at + 1, "=")
        assert key
        assert key not in fields
        fields[key], at = quoted(text, at + 2) if text[at + 1] == '"' else number(text, at + 1)
    assert text[at] == " "
    assert fields
    assert text[at + 1 :].isdigit()
    return measurement, tags, fields, int(text[at + 1 :])


def name(text: str, at: int, ends: str) -> tuple[str, int]:
    """As InfluxDB reads: a backslash makes the special behind it plain, and is itself otherwise."""
    found = ""
    while text[at] not in ends:
        assert text[at] not in ("," if "=" in ends else ",="), "an unescaped special"
        if text[at] == "\\" and text[at + 1] in ", =":
            at += 1
        found += text[at]
        at += 1
    return found, at


def quoted(text: str, at: int) -> tuple[str, int]:
    found = ""
    while text[at] != '"':
        if text[at] == "\\" and text[at + 1] in '\\"':
            at += 1
        found += text[at]
        at += 1
    return found, at + 1


def number(text: str, at: int) -> tuple[float, int]:
    end = min(i for i in (text.find(",", at), text.find(" ", at)) if i >= 0)
    assert text[at:end].strip("0123456789.e+-") == "", "neither a plain number nor a quoted string"
    return float(text[at:end]), end


def one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\r", "\\r")


def as_name(text: str) -> str:
    return one_line(text).rstrip("\\")


#: What may stand in names and labels, the awkward ones often.
words = st.text(st.one_of(st.sampled_from(' ,="\\\n\r\t#电梯é🛗'), st.characters(codec="utf-8")), max_size=12)
names = words.filter(lambda text: as_name(text) != "")
kinds = names.filter(lambda text: "=" not in text)


@given(
    place=st.tuples(names, kinds, words, words),
    name=names,
    label_name=names,
    value=st.floats(allow_nan=False, allow_infinity=False),
    label=words,
    ms=st.integers(0, 4_102_444_800_000),
)
def test_a_strict_reader_gets_back_what_was_written(
    place: tuple[str, str, str, str], name: str, label_name: str, value: float, label: str, ms: int
) -> None:
    """Any text in names, tags and labels comes back, newlines spelt out; any finite number to the last bit."""
    asset, kind, building, site = place
    number_name, label_name = f"n{name}", f"l{label_name}"
    points = (number_name, PointKind.GAUGE), (label_name, PointKind.STATE)
    cat = catalogue(*points, asset=asset, kind=kind, building=building, site=site)
    at = from_ms(ms)
    readings = (
        Reading(f"{asset}.{number_name}", at, value, AT),
        Reading(f"{asset}.{label_name}", at, label, AT, Quality.SUSPECT, Reason.LATE),
    )

    (line,) = LineProtocol(cat).encode(Observation(AT, "d", readings))

    tags = {"asset": as_name(asset), "building": as_name(building), "site": as_name(site)}
    assert parse(line.text.decode()) == (
        as_name(kind),
        {key: tag for key, tag in tags.items() if tag},
        {
            as_name(number_name): value,
            as_name(label_name): one_line(label),
            as_name(label_name + "_q"): "suspect:late",
        },
        ms,
    )
    assert line.values == 2


def test_a_message_is_one_line() -> None:
    """Readings of one moment share a line: tags in order, numbers as floats, labels quoted."""
    lines = written(LIFT, reading("floor", 7.0), reading("speed", 1.5), reading("door", "closed"))

    assert lines == ['lift,asset=L1,building=B3,site=hy floor=7.0,speed=1.5,door="closed" 1795300000123']


def test_different_moments_give_different_lines() -> None:
    """A message with historical records is one line for each of its timestamps."""
    past = timedelta(seconds=60)

    lines = written(LIFT, reading("floor", 7.0), reading("floor", 6.0, late=past), reading("speed", 0.5, late=past))

    assert lines == [
        "lift,asset=L1,building=B3,site=hy floor=7.0 1795300000123",
        "lift,asset=L1,building=B3,site=hy floor=6.0,speed=0.5 1795299940123",
    ]


def test_an_empty_tag_is_left_away() -> None:
    """An asset outside any building has no building tag: line protocol knows no empty tag."""
    cat = catalogue(("level", PointKind.GAUGE), asset="T1", kind="tank", building="")

    assert written(cat, reading("level", 2.0, asset="T1")) == ["tank,asset=T1,site=hy level=2.0 1795300000123"]


def test_quality_stands_beside_the_value_only_when_not_good() -> None:
    """A bad value is stored too, with its reason in the quality field, which counts as no value."""
    (line,) = LineProtocol(LIFT).encode(
        Observation(AT, "d", (reading("floor", 412.0, why=Reason.OUT_OF_RANGE), reading("speed", 1.0)))
    )

    assert line.text.endswith(b' floor=412.0,floor_q="bad:out_of_range",speed=1.0 1795300000123')
    assert line.values == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "n/a"])
def test_what_is_no_number_never_appears(value: object) -> None:
    """Neither NaN nor infinity nor a label reaches a number's field; the quality field says why."""
    (line,) = LineProtocol(LIFT).encode(Observation(AT, "d", (reading("floor", value, why=Reason.NOT_A_NUMBER),)))

    assert line.text == b'lift,asset=L1,building=B3,site=hy floor_q="bad:not_a_number" 1795300000123'
    assert line.values == 0


def test_nothing_to_say_is_no_line() -> None:
    """An observation that held only rejections writes nothing."""
    assert written(LIFT) == []


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("floor", 7, "floor=7.0"),
        ("floor", True, "floor=1.0"),
        ("door", 4.0, 'door="4.0"'),
        ("floor", 1e22, "floor=1e+22"),
    ],
)
def test_a_field_has_one_type_for_ever(name: str, value: object, field: str) -> None:
    """Whatever the decoder gave, a gauge writes floats and a state writes strings."""
    (line,) = written(LIFT, reading(name, value))

    assert line.split(" ")[1] == field


def test_a_label_cannot_break_out_of_its_line() -> None:
    """A device that sends a newline and a second line writes one odd label, nothing else."""
    (line,) = written(LIFT, reading("door", 'x"\nlift,asset=L2 floor=1.0'))

    assert parse(line)[2] == {"door": 'x"\\nlift,asset=L2 floor=1.0'}


def test_readings_of_two_assets_in_one_message_are_told_apart() -> None:
    """A controller that speaks for two assets gives a line for each."""
    one, two = catalogue(("floor", PointKind.GAUGE)), catalogue(("floor", PointKind.GAUGE), asset="L2")
    both = Catalogue(one.site, one.assets + two.assets, (), one.points + two.points)

    lines = written(both, reading("floor", 1.0), reading("floor", 2.0, asset="L2"))

    assert [parse(line)[1]["asset"] for line in lines] == ["L1", "L2"]


def test_computed_values_stand_beside_the_measured_ones() -> None:
    """In the line of their asset and moment; what is computed for another asset has a line of its own."""
    read = [reading("floor", 7.0), reading("height", 21.0), reading("sum", 28.0, asset="L2")]
    protocol = LineProtocol(catalogue(("floor", PointKind.GAUGE)))

    lines = protocol.encode(Observation(AT, "d", (read[0],), computed=(read[1], read[2])))

    assert [b"floor=7.0,height=21.0 " in lines[0].text, b"sum=28.0 " in lines[1].text] == [True, True]
    assert [line.values for line in lines] == [2, 1]


def test_a_backlog_outlives_the_declaration_of_its_points() -> None:
    """Readings of a point or an asset that is declared no more are still written."""
    lines = written(
        LIFT,
        reading("gone", 1.0),
        reading("also", "x"),
        reading("level", 2.0, asset="T9"),
        reading("a", 1.0, asset="T9"),
    )

    assert lines == [
        'lift,asset=L1,building=B3,site=hy gone=1.0,also="x" 1795300000123',
        "undeclared,asset=T9,site=hy level=2.0,a=1.0 1795300000123",
    ]


def test_a_reload_may_remove_a_point_of_an_asset() -> None:
    """Old and new points of an asset still share a line after a reload."""
    protocol = LineProtocol(LIFT)
    protocol.declare(catalogue(("floor", PointKind.GAUGE)))

    lines = protocol.encode(Observation(AT, "d", (reading("floor", 7.0), reading("door", "open"))))

    assert [line.text for line in lines] == [b'lift,asset=L1,building=B3,site=hy floor=7.0,door="open" 1795300000123']
