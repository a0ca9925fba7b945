"""Charts as SVG: what stands where, and what they never are: too large, malformed, or different twice."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.charts.canvas import clean
from daemon.charts.drawing import MOST_BYTES, Stretch, draw, stretches
from daemon.charts.glyphs import cut, glyph, width, wrap
from daemon.charts.make_glyphs import characters, path_of
from daemon.charts.panels import CLEAR, DATA, TRIP
from daemon.charts.plan import Line, Panel, Plan, Sample, Series
from daemon.charts.scales import TimeScale, ValueScale, offset, value_range
from daemon.charts.telling import alternative
from daemon.charts.thinning import marked
from daemon.model import Level, Quality, Text
from tests.chart_examples import EXAMPLES, MIN, NOON, PLAN, PRESSURE, one, sag, wave

SVG = "{http://www.w3.org/2000/svg}"
SHANGHAI = ZoneInfo("Asia/Shanghai")


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  our own drawing


def paths(text: str, colour: str) -> list[str]:
    return [p.get("d", "") for p in parsed(text).iter(f"{SVG}path") if p.get("stroke") == colour]


def level_of(path: str) -> float | None:
    """The height of a horizontal line."""
    match = re.fullmatch(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)", path)
    return float(match[2]) if match and match[2] == match[4] and match[1] != match[3] else None


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_well_formed_small_and_the_same_twice(name: str) -> None:
    """Whatever is strange about it; with words for who cannot see it, and nothing that loads or runs."""
    text = EXAMPLES[name]()

    root = parsed(text)
    assert len(text.encode()) <= MOST_BYTES
    assert text == EXAMPLES[name]()
    assert root.get("viewBox", "").startswith("0 0 360 ")
    assert root.findtext(f"{SVG}title")
    assert root.findtext(f"{SVG}desc")
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "desc", "defs", "pattern", "path", "use", "g", "rect",
    }  # fmt: skip
    assert all(use.get("href", "").startswith("#g") for use in root.iter(f"{SVG}use"))
    assert "<text" not in text


def test_limits_lie_where_their_values_are() -> None:
    """Between the ticks of the axis, to a tenth of a unit: the lower limit lower, at the share of the axis it has."""
    series = wave(PLAN.from_ms, PLAN.to_ms, lambda m: 0.2 if m < 8 else 0.05)
    text = draw(PLAN, one(series))

    (trip,) = [y for p in paths(text, TRIP) if (y := level_of(p)) is not None and 100 < y < 400 and "L348" in p][:1]
    (clear,) = [y for p in paths(text, CLEAR) if (y := level_of(p)) is not None and "L348" in p][:1]
    (data,) = paths(text, DATA)
    ys = _ys(data)
    top, bottom = min(ys) / 10, max(ys) / 10
    per_unit = (bottom - top) / 0.15
    assert trip == pytest.approx(bottom - 0.05 * per_unit, abs=0.15)
    assert clear == pytest.approx(bottom - 0.10 * per_unit, abs=0.15)


def _ys(path: str) -> list[int]:
    """All heights of a path that begins with M and goes on in relative steps."""
    found = []
    for run in path.split("M")[1:]:
        begin, _, rest = run.partition("l")
        y = int(begin.split()[1])
        found.append(y)
        numbers = [int(n) for n in re.findall(r"-?\d+", rest)]
        for dy in numbers[1::2]:
            y += dy
            found.append(y)
    return found


def test_a_gap_breaks_the_line_and_is_hatched() -> None:
    """No line over what nobody knows."""
    series = [s for s in wave(PLAN.from_ms, PLAN.to_ms, sag) if not 4 * MIN < s.ms - PLAN.from_ms < 7 * MIN]
    whole = draw(PLAN, one(wave(PLAN.from_ms, PLAN.to_ms, sag)))
    broken = draw(PLAN, one(marked(series, 30_000, PLAN.to_ms)))

    assert [path.count("M") for path in paths(whole, DATA)] == [1]
    assert [path.count("M") for path in paths(broken, DATA)] == [2]
    assert ('fill="url(#h)"' in whole, 'fill="url(#h)"' in broken) == (False, True)


def test_bad_and_suspect_readings_have_signs_and_the_axis_is_not_theirs() -> None:
    """A sentinel of 65535 does not flatten the line."""
    series = wave(PLAN.from_ms, PLAN.to_ms, sag)
    plain = draw(PLAN, one(series))
    series[20] = Sample(series[20].ms, 65535.0, Quality.BAD)
    series[30] = series[30]._replace(quality=Quality.SUSPECT)
    marked_too = draw(PLAN, one(series))

    assert max(_ys(paths(marked_too, DATA)[0])) == max(_ys(paths(plain, DATA)[0]))
    assert "m-3-3l6 6m0-6l-6 6" in marked_too
    assert "m-2.6 0a2.6" in marked_too
    assert "m-3-3l6" not in plain


def test_hostile_names_stay_words() -> None:
    """Mark-up is escaped, what XML cannot hold is replaced, and the words are all there for a listener."""
    name = 'a"><script>alert(1)</script>&\x00\x1b\ud800\ufffe]]>'
    plan = replace(PLAN, asset=Text(name, name), title=Text(name, name), rule=name, rest=(name,))
    plan = replace(plan, panels=(replace(PRESSURE, name=name, unit=name, asked=(Text(name, name),)),))

    root = parsed(draw(plan, one(wave(PLAN.from_ms, PLAN.to_ms, sag), plan)))

    assert not list(root.iter(f"{SVG}script"))
    assert clean(name) in (root.findtext(f"{SVG}title") or "")


def test_stretches_that_adjoin_are_one_and_others_lie_apart() -> None:
    """A quick recovery is one picture; a late one says how much lies between."""
    first = Stretch((PLAN.from_ms, PLAN.to_ms), {PRESSURE.point: wave(PLAN.from_ms, PLAN.to_ms, sag)})
    soon = replace(PLAN, from_ms=NOON, to_ms=NOON + 5 * MIN)
    later = replace(PLAN, from_ms=NOON + 60 * MIN, to_ms=NOON + 75 * MIN)
    back = {PRESSURE.point: [Sample(NOON + 2 * MIN, 0.3)]}

    (joined,) = stretches(soon, back, first)

    assert joined.window == (PLAN.from_ms, soon.to_ms)
    assert [s.value for s in joined.series[PRESSURE.point]][-1] == 0.3
    full = {PRESSURE.point: wave(later.from_ms, later.to_ms, sag)}
    assert stretches(later, full, first) == [first, Stretch((later.from_ms, later.to_ms), full)]


def test_the_time_before_anything_was_known_is_not_shown() -> None:
    """A gateway that runs for three minutes has three minutes to show, at least 20 s, and nothing known the whole."""
    recent: Series = {PRESSURE.point: wave(NOON - 3 * MIN, NOON, sag)}
    last: Series = {PRESSURE.point: [Sample(NOON, 0.1)]}
    none: Series = {PRESSURE.point: []}

    begins = [stretches(PLAN, series)[0].window[0] for series in (recent, last, none)]

    assert begins == [NOON - 3 * MIN - 9_000, NOON - 20_000, PLAN.from_ms]


def test_the_words_tell_first_lowest_highest_and_last() -> None:
    """And the limits: a service without pictures shows these."""
    words = alternative(PLAN, {PRESSURE.point: [Sample(NOON - MIN, 0.3), Sample(NOON, 0.08)]}, SHANGHAI)

    assert "outlet_pressure 0.3 MPa → 0.08 MPa，最低 0.08，最高 0.3，末值 14:00:00" in words.zh
    assert "trip Ⅰ ＜0.1 MPa" in words.en


# --- scales ------------------------------------------------------------------------------------------------


def test_ticks_follow_the_clocks_over_a_change_of_time() -> None:
    """Where clocks are put back an hour, ticks go on at whole hours of the wall, and the offset is told."""
    zone = ZoneInfo("Europe/Berlin")
    begin = 1_792_872_000_000  # 2026-10-24 20:00 UTC
    scale = TimeScale([(begin, begin + 9 * 3_600_000)], 0, 400, zone)

    hourly, rarer = ([tick.label for tick in scale.ticks(room)] for room in (30, 90))

    assert hourly == ["22:00", "23:00", "10-25", "01:00", "02:00", "02:00", "03:00", "04:00", "05:00", "06:00"]
    assert rarer == ["10-25", "03:00", "06:00"]
    assert (offset(begin, zone), offset(begin + 9 * 3_600_000, zone)) == ("UTC+2", "UTC+1")


def test_a_limit_far_away_does_not_flatten_the_readings() -> None:
    """It is told at the edge; one that is near belongs to the axis."""
    low, high = value_range([0.3, 0.32], [6.0])
    assert high < 1
    assert value_range([0.3, 0.32], [0.1])[0] < 0.1
    assert value_range([], [0.1, 0.2])[1] > 0.2
    assert value_range([], []) == (-1.0, 1.0)
    assert low < 0.3


@given(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15))
def test_an_axis_has_ticks_whatever_it_spans(a: float, b: float) -> None:
    """Few, and all on it."""
    scale = ValueScale(*value_range([a, b], []), 0, 100)

    ticks = scale.ticks(5)

    assert 1 <= len(ticks) <= 12
    assert all(-1 <= scale.y(tick.at) <= 101 for tick in ticks)


# --- texts -------------------------------------------------------------------------------------------------


def test_every_character_of_gb_2312_has_an_outline() -> None:
    """And ASCII; what has none is a box, as wide as a Chinese character."""
    missing = [c for c in sorted(characters()) if "\u4e00" <= c <= "\u9fff" and glyph(c) == glyph("\U0001f600")]

    assert missing == []
    assert all(glyph(chr(code)).path for code in range(0x21, 0x7F))
    assert glyph("\U0001f600").advance == 400


def test_texts_are_cut_and_wrapped_by_their_width() -> None:
    """At spaces, or between Chinese characters, not before what closes a sentence."""
    assert cut("压力过低", 10, 100) == "压力过低"
    assert cut("压力过低", 10, 35) == "压力…"
    lines = wrap("供水压力过低，请到场检查 pump room", 10, 75, 4)
    assert "".join(lines).replace(" ", "") == "供水压力过低，请到场检查pumproom"
    assert all(width(line, 10) <= 75 and line[0] not in "，。" for line in lines)
    assert wrap("one two three", 10, 40, 1) == [cut("one two three", 10, 40)]


def test_an_outline_becomes_relative_whole_steps() -> None:
    """Straight where it hardly bends, the y axis downwards, 1000 units to an em become 400."""
    pen = [
        ("moveTo", ((100.0, 0.0),)),
        ("lineTo", ((100.0, 500.0),)),
        ("curveTo", ((100.0, 501.0), (100.0, 749.0), (100.0, 750.0))),
        ("curveTo", ((300.0, 750.0), (500.0, 550.0), (500.0, 350.0))),
        ("closePath", ()),
    ]

    assert path_of(pen, 1000) == "m40 0v-200-100c80 0 160 80 160 160z"


# --- any chart ---------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=60)
VALUES = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12))
SERIES = st.lists(
    st.builds(Sample, st.integers(NOON - 20 * MIN, NOON + MIN), VALUES, st.sampled_from(Quality)),
    max_size=300,
    unique_by=lambda sample: sample.ms,
).map(lambda found: sorted(found, key=lambda sample: sample.ms))
LINES = st.builds(
    Line,
    st.floats(-1e12, 1e12),
    st.sampled_from(["trip", "clear"]),
    st.sampled_from(Level),
    st.sampled_from(["below", "above", "at_most", "at_least"]),
)
PANELS = st.builds(
    Panel,
    TEXTS, TEXTS, TEXTS, st.booleans(), st.booleans(), st.lists(TEXTS, max_size=4).map(tuple),
    st.lists(LINES, max_size=8).map(tuple), st.lists(st.builds(Text, TEXTS, TEXTS), max_size=3).map(tuple),
    st.just(30_000), st.just(False), TEXTS,
)  # fmt: skip
PLANS = st.builds(
    Plan,
    st.sampled_from(["opened", "recovered", "reopened", "verified"]),
    st.builds(Text, TEXTS, TEXTS),
    st.builds(Text, TEXTS, TEXTS),
    TEXTS,
    st.sampled_from(Level),
    st.integers(0, 10**9),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns"]),
    st.integers(NOON - 2000 * MIN, NOON - 1),
    st.just(NOON),
    st.lists(
        st.tuples(st.integers(NOON - 2000 * MIN, NOON), st.one_of(st.none(), st.integers(NOON - 500 * MIN, NOON))),
        max_size=12,
    ).map(tuple),
    st.lists(PANELS, max_size=4, unique_by=lambda panel: panel.point).map(tuple),
    st.lists(TEXTS, max_size=5).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(plan=PLANS, series=st.lists(SERIES, min_size=4, max_size=4), apart=st.booleans())
def test_any_chart_is_well_formed_bounded_and_deterministic(
    plan: Plan,
    series: list[list[Sample]],
    apart: bool,  # noqa: FBT001  drawn by hypothesis
) -> None:
    """Whatever the names, values and times; one stretch or two; and its plan survives being kept."""
    given_series = {panel.point: found for panel, found in zip(plan.panels, series, strict=False)}
    begin = plan.from_ms - 90 * MIN
    before = Stretch((begin, begin + 10 * MIN), {point: [] for point in given_series}) if apart else None
    shown = stretches(plan, given_series, before)

    text = draw(plan, shown)

    parsed(text)
    assert len(text.encode()) <= MOST_BYTES
    assert draw(Plan.from_json(plan.to_json()), shown) == text
