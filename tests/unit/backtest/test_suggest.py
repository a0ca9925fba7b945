"""What `rules suggest` proposes, on made-up histories; what it does is decided by the engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.backtest.amended import amended, with_derived
from daemon.backtest.run import Interval, run
from daemon.backtest.site import KnownSite
from daemon.backtest.suggest import Gathering, judge
from daemon.backtest.suggest_drafts import derived
from daemon.backtest.suggest_patch import overrides, overrides_yaml, rules_yaml
from daemon.backtest.suggested import Suggested, Suggestion, Unwatched
from daemon.documents import format_span, parse
from daemon.model import (
    EPOCH,
    Asset,
    Catalogue,
    Device,
    Level,
    Observation,
    Point,
    PointKind,
    Quality,
    Reading,
    Site,
    Text,
)
from daemon.rules.derived import DerivedSpec
from daemon.rules.schema import load

_SECOND = timedelta(seconds=1)
START = EPOCH + timedelta(days=20454)
UNITS = {"pressure": "MPa", "vibration": "", "temperature": "°C"}
Values = Mapping[str, Sequence[float]]


def _site(*assets: str, low: float | None = None, high: float | None = None) -> Catalogue:
    points = [
        Point(f"{asset}.{name}", asset, f"{asset}/d", name, unit, low=low, high=high, interval=_SECOND)
        for asset in assets
        for name, unit in UNITS.items()
    ]
    points += [Point(f"{asset}.mode", asset, f"{asset}/d", "mode", kind=PointKind.STATE) for asset in assets]
    return Catalogue(
        Site("s", Text("站", "site"), "UTC"),
        tuple(Asset(asset, "pump_room", Text(asset, asset)) for asset in assets),
        tuple(Device(f"{asset}/d", asset, "m", timedelta(minutes=1)) for asset in assets),
        tuple(points),
    )


def _history(values: Values, *, quality: Quality = Quality.GOOD) -> Iterator[Observation]:
    """By point id, one a second."""
    for n, row in enumerate(zip(*values.values(), strict=True)):
        at = START + n * _SECOND
        for asset in dict.fromkeys(point.partition(".")[0] for point in values):
            said = [(p, v) for p, v in zip(values, row, strict=True) if p.startswith(f"{asset}.")]
            readings = tuple(Reading(point, at, value, at, quality) for point, value in said)
            yield Observation(at, f"{asset}/d", readings)


def _noise(seed: int, count: int, level: float = 0.0, scatter: float = 1.0) -> list[float]:
    draw = random.Random(seed)
    return [draw.gauss(level, scatter) for _ in range(count)]


def _suggest(catalogue: Catalogue, values: Values, budget: float = 0.25) -> Suggestion:
    gathering = Gathering(catalogue)
    gathering.feed(_history(values))
    return gathering.suggest(budget)


def _play(folder: Path, catalogue: Catalogue, found: Suggestion, values: Values) -> tuple[Interval, ...]:
    path = folder / "suggested.yaml"
    path.write_text(rules_yaml(found, catalogue), encoding="utf-8")
    specs = {key: DerivedSpec(**spec) for key, spec in derived(found.together).items()}
    whole, faults = with_derived(catalogue, specs)
    assert not faults
    return run(load([path], whole, overrides(found, whole)), _history(values)).intervals


def _reason(found: Suggestion) -> str:
    assert not found.suggested
    return found.unwatched[0].reason


def test_a_fault_is_found_and_its_end_too(tmp_path: Path) -> None:
    """The alarm lasts as long as the level is another, late by a window and a hold; nothing else is one."""
    site = _site("A")
    values = _noise(1, 1800, 0.4, 0.01)
    values[900:1200] = [value + 0.03 for value in values[900:1200]]

    found = _suggest(site, {"A.pressure": values[:600]})
    (alarm,) = _play(tmp_path, site, found, {"A.pressure": values})

    assert (alarm.rule, alarm.asset) == ("own.pump_room.pressure", "A")
    assert 0 < (alarm.start - START).total_seconds() - 900 < 30
    assert alarm.end is not None
    assert 0 < (alarm.end - START).total_seconds() - 1200 < 60


def test_a_small_change_is_level_iii_and_a_large_one_level_ii(tmp_path: Path) -> None:
    """The long window has near limits, the short one far limits and a short hold."""
    site = _site("A")
    values = _noise(2, 2400, 10)
    values[900:1200] = [value + 1.1 for value in values[900:1200]]
    values[1800:2100] = [value + 5 for value in values[1800:2100]]

    found = _suggest(site, {"A.vibration": values[:600]})
    small, large = _play(tmp_path, site, found, {"A.vibration": values})

    assert (small.level, large.level) == (Level.III, Level.II)
    far, near = found.suggested[0].rungs
    assert (far.window, far.level) < (near.window, near.level)
    assert far.low < near.low < near.clear_low < near.clear_high < near.high < far.high


def test_an_alarm_clears_half_of_the_way_back_an_interval_later() -> None:
    """Limits that are far apart make it stay; a hold would only make it stand too long after every recovery."""
    found = _suggest(_site("A"), {"A.vibration": _noise(5, 600, 10)})

    (one,) = found.suggested
    for rung in one.rungs:
        inner, outer = rung.clear_high - rung.clear_low, rung.high - rung.low
        assert inner == pytest.approx(outer / 2, rel=0.02)
        assert rung.clear_low + rung.clear_high == pytest.approx(rung.low + rung.high, rel=0.01)
        assert rung.clear_hold == _SECOND


def test_one_wild_reading_opens_nothing(tmp_path: Path) -> None:
    """However far out: the mean is then wrong for less than the hold."""
    site = _site("A")
    values = _noise(3, 1200)
    values[800] = 1e6
    values[1000] = -1e6

    found = _suggest(site, {"A.vibration": values[:600]})

    assert _play(tmp_path, site, found, {"A.vibration": values}) == ()


def test_readings_that_scatter_more_are_found_though_their_mean_stays(tmp_path: Path) -> None:
    """Cavitation, a loose contact, a valve that hunts: nothing for limits on the mean."""
    site = _site("A")
    values = _noise(21, 1500, 10)
    values[900:1200] = _noise(22, 300, 10, 3)

    found = _suggest(site, {"A.vibration": values[:600]})
    (alarm,) = _play(tmp_path, site, found, {"A.vibration": values})

    assert (alarm.rule, alarm.level) == ("own.pump_room.vibration.unrest", Level.III)
    assert 0 < (alarm.start - START).total_seconds() - 900 < 90
    assert alarm.end is not None
    assert -30 < (alarm.end - START).total_seconds() - 1200 < 60


def _shifted(seed: int, by: float) -> dict[str, list[float]]:
    """Three points of A, all of them shifted for ten minutes by so many standard deviations of single readings."""
    values = {f"A.{name}": _noise(seed + n, 1800) for n, name in enumerate(UNITS)}
    for its in values.values():
        its[900:1500] = [value + by for value in its[900:1500]]
    return values


def test_a_small_shift_of_all_points_is_found_by_all_together(tmp_path: Path) -> None:
    """Of half a standard deviation: before any of them shows enough alone, and until it is over."""
    site, values = _site("A"), _shifted(50, 0.55)

    found = _suggest(site, {point: its[:600] for point, its in values.items()})
    first, *others = _play(tmp_path, site, found, values)

    assert first.rule == "own.pump_room.several.together"
    assert 0 < (first.start - START).total_seconds() - 900 < 60
    assert first.end is not None
    assert 0 < (first.end - START).total_seconds() - 1500 < 45
    assert all(alarm.start > first.start for alarm in others)


def test_what_comes_and_goes_beside_all_points_together_makes_no_order(tmp_path: Path) -> None:
    """One fault is one order, though several rules see it; one that was first keeps its own."""
    site, values = _site("A"), _shifted(50, 0.55)

    found = _suggest(site, {point: its[:600] for point, its in values.items()})
    first, *others = _play(tmp_path, site, found, values)

    assert first.end is not None
    within = [alarm for alarm in others if alarm.end is not None and alarm.end <= first.end]
    assert [alarm.disposition for alarm in within] == ["child"]


def test_one_wild_reading_of_one_point_opens_nothing_for_all(tmp_path: Path) -> None:
    """However far out: the latest half of the window holds it for less than the hold."""
    site, values = _site("A"), _shifted(60, 0)
    values["A.pressure"][800] = 1e6
    values["A.vibration"][1000] = -1e6

    found = _suggest(site, {point: its[:600] for point, its in values.items()})

    assert found.together
    assert _play(tmp_path, site, found, values) == ()


def test_points_that_are_alike_count_for_fewer() -> None:
    """Three copies of the same noise are worth one point, three of their own three; the limit is that much wider."""
    own = {f"A.{name}": _noise(70 + n, 1200) for n, name in enumerate(UNITS)}
    shared = _noise(80, 1200)
    alike = {point: [a + 0.05 * b for a, b in zip(shared, its, strict=True)] for point, its in own.items()}

    (apart,) = _suggest(_site("A"), own).together
    (same,) = _suggest(_site("A"), alike).together

    assert all(2.5 < step.worth <= 3 for step in apart.steps)
    assert all(1 <= step.worth < 1.1 for step in same.steps)
    assert same.steps[-1].limit > 1.5 * apart.steps[-1].limit


def test_one_point_alone_on_its_distance_is_on_the_limit() -> None:
    """So the terms are written: the formula is 1 there, whatever the unit; a temperature's distance is in K."""
    found = _suggest(_site("A"), _shifted(90, 0))
    points = derived(found.together)

    step = found.together[0].steps[-1]
    formula = points["A", f"apart_{format_span(step.window)}"]["value"]

    assert formula.count("square(") == len(step.terms) == 3
    assert all(f"{term.alone:.4g}"[:4] in formula for term in step.terms)
    assert " K)" in formula
    assert (f"apart_{format_span(step.window)}_late") in {name for _, name in points}


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_the_budget_is_kept_within_a_factor_of_two(tmp_path: Path, memory: float) -> None:
    """Two days of healthy noise, each quarter calibrated on its own first hour: 500 a week are 143 in two days."""
    site = _site("A")
    alarms = 0
    for seed in range(4):
        draw, value, values = random.Random(seed), 0.0, []
        for _ in range(12 * 3600):
            value = memory * value + (1 - memory * memory) ** 0.5 * draw.gauss(0, 1)
            values.append(value)
        found = _suggest(site, {"A.vibration": values[:3600]}, budget=500)
        alarms += len(_play(tmp_path, site, found, {"A.vibration": values}))

    assert 0 < alarms < 2 * 500 * 2 / 7


def test_the_budget_of_several_points_is_kept_within_a_factor_of_two(tmp_path: Path) -> None:
    """Twelve hours of healthy noise with a memory in three points, calibrated on the first: 1 000 a week are 71."""
    site = _site("A")
    values: dict[str, list[float]] = {}
    for seed, name in enumerate(UNITS):
        draw, value, its = random.Random(100 + seed), 0.0, []
        for _ in range(12 * 3600):
            value = 0.9 * value + (1 - 0.9**2) ** 0.5 * draw.gauss(0, 1)
            its.append(value + draw.gauss(0, 1))
        values[f"A.{name}"] = its

    found = _suggest(site, {point: its[:3600] for point, its in values.items()}, budget=1000)
    alarms = _play(tmp_path, site, found, values)

    assert found.together
    assert 0 < len([alarm for alarm in alarms if alarm.rule.startswith("own.")]) < 2 * 1000 / 14


def test_each_asset_gets_limits_of_its_own(tmp_path: Path) -> None:
    """The second asset's are overrides of the first one's rule, and either asset's fault is found by its own."""
    site = _site("A", "B")
    values = {"A.pressure": _noise(4, 1200, 0.4, 0.01), "B.pressure": _noise(5, 1200, 0.9, 0.04)}
    values["A.pressure"][800:] = [value - 0.03 for value in values["A.pressure"][800:]]
    values["B.pressure"][900:] = [value - 0.15 for value in values["B.pressure"][900:]]

    found = _suggest(site, {point: its[:600] for point, its in values.items()})
    alarms = _play(tmp_path, site, found, values)

    assert [(alarm.rule, alarm.asset) for alarm in alarms] == [("own.pump_room.pressure", name) for name in "AB"]
    assert list(overrides(found, site)) == [
        ("B", "own.pump_room.pressure"),
        ("B", "own.pump_room.pressure.unrest"),
    ]
    assert parse(overrides_yaml(found, site), "o").data["assets"][0]["id"] == "B"


def test_what_goes_into_assets_yaml_can_be_tried_as_it_stands(tmp_path: Path) -> None:
    """Derived points of every asset, overrides of all but the first: each asset's fault is found by its own."""
    site = _site("A", "B")
    values = {
        f"{asset}.{name}": _noise(110 + n, 1200, 5 * n, 1 + n)
        for n, (asset, name) in enumerate((asset, name) for asset in "AB" for name in UNITS)
    }
    for name in UNITS:
        values[f"B.{name}"][800:] = [value + 6 for value in values[f"B.{name}"][800:]]
    found = _suggest(site, {point: its[:600] for point, its in values.items()})
    for name, text in (("suggested.yaml", rules_yaml(found, site)), ("changes.yaml", overrides_yaml(found, site))):
        (tmp_path / name).write_text(text, encoding="utf-8")

    known = amended(KnownSite(site, dict, {}), tmp_path / "changes.yaml")
    alarms = run(known.rules([tmp_path / "suggested.yaml"]), _history(values)).intervals

    assert {asset for asset, _ in known.overrides} == {"B"}
    assert {alarm.asset for alarm in alarms} == {"B"}
    assert any(alarm.rule.startswith("own.pump_room.several.together") for alarm in alarms)


def test_limits_do_not_depend_on_the_other_assets() -> None:
    """A budget is an asset's, so that a site may be done at once or one by one."""
    values = {"A.pressure": _noise(6, 600), "B.pressure": _noise(7, 600)}

    together = _suggest(_site("A", "B"), values)
    alone = _suggest(_site("A", "B"), {"A.pressure": values["A.pressure"]})

    assert together.suggested[0].rungs == alone.suggested[0].rungs


def test_the_budget_is_shared_by_what_can_be_watched() -> None:
    """A point that drifts takes none of it away; levels and unrest have half each."""
    drifting = [n / 10 for n in range(600)]

    found = _suggest(_site("A"), {"A.pressure": _noise(8, 600), "A.temperature": drifting}, budget=1)

    assert [(one.point.name, one.budget) for one in found.suggested] == [("pressure", 0.5)]
    assert [one.point.name for one in found.unwatched] == ["temperature"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([5.0] * 600, "never changed"),
        (_noise(9, 40), "too short"),
        ([value + n / 20 for n, value in enumerate(_noise(10, 600))], "it drifted"),
        ([5.0], "never changed"),
    ],
    ids=["constant", "short", "drift", "one reading"],
)
def test_a_point_that_shows_no_normal_is_left_alone_and_the_reason_is_said(
    values: Sequence[float], reason: str
) -> None:
    """No limits are better than made-up ones."""
    found = _suggest(_site("A"), {"A.vibration": values})

    assert reason in _reason(found)
    assert "rules:" not in rules_yaml(found, _site("A"))


def test_limits_that_no_value_can_reach_are_not_suggested() -> None:
    """A point that fills its range has no room for a fault."""
    found = _suggest(_site("A", low=-1, high=1), {"A.vibration": _noise(11, 100)})

    assert "outside its plausible range" in _reason(found)


def test_states_and_bad_readings_are_not_listened_to() -> None:
    """A wire fault has nothing to say about what is normal."""
    gathering = Gathering(_site("A"))
    gathering.feed(_history({"A.vibration": _noise(12, 600)}, quality=Quality.BAD))
    gathering.feed([Observation(START, "A/d", (Reading("A.mode", START, "normal", START),))])

    assert gathering.suggest(1) == Suggestion(1, (), ())


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e5])
def test_limits_are_written_outwards_with_enough_places(scale: float) -> None:
    """At most two hundredths of the band wider than worked out, and never narrower."""
    point = _site("A").points[1]
    found = judge(point, [n * 1000 for n in range(600)], _noise(13, 600, scale, scale), 1)

    assert isinstance(found, Suggested)
    for rung in found.rungs:
        far = rung.reach.far
        assert far * 2 <= rung.high - rung.low <= far * 2.05
        assert rung.low <= rung.spread.centre - far
        assert rung.high >= rung.spread.centre + far


@pytest.mark.parametrize("change", [lambda v: v * 1000, lambda v: v + 5], ids=["unit", "offset"])
def test_another_unit_or_zero_gives_the_same_limits(change: Callable[[float], float]) -> None:
    """Nothing in the policy knows what a point measures."""
    point, at = _site("A").points[1], [n * 1000 for n in range(600)]
    values = _noise(14, 600)

    plain, other = (judge(point, at, its, 1) for its in (values, [change(value) for value in values]))

    assert isinstance(plain, Suggested)
    assert isinstance(other, Suggested)
    assert [rung.window for rung in plain.rungs] == [rung.window for rung in other.rungs]
    assert change(plain.rungs[0].high) == pytest.approx(other.rungs[0].high, rel=0.02)


def test_slow_sensors_get_long_windows() -> None:
    """A window has five to sixty readings, whatever their pace."""
    hour = 3_600_000
    point = Point("A.t", "A", "A/d", "t", "°C")

    found = judge(point, [n * hour for n in range(700)], _noise(15, 700), 0.25)

    assert isinstance(found, Suggested)
    assert all(timedelta(hours=5) <= rung.window <= timedelta(hours=60) for rung in found.rungs)


def test_two_names_that_are_written_alike_become_two_rules(tmp_path: Path) -> None:
    """Ids are of small letters; points need not be."""
    points = tuple(Point(f"A.{name}", "A", "A/d", name, interval=_SECOND) for name in ("Flow 1", "flow_1", "流量"))
    site = Catalogue(
        Site("s", Text("站", "site"), "UTC"),
        (Asset("A", "loop", Text("A", "A")),),
        (Device("A/d", "A", "m", timedelta(minutes=1)),),
        points,
    )
    values = {point.id: _noise(n, 600) for n, point in enumerate(points)}

    found = _suggest(site, values)

    assert _play(tmp_path, site, found, values) == ()
    text = rules_yaml(found, site)
    assert [line.split()[-1] for line in text.splitlines() if "- id:" in line] == [
        "own.loop.several.together",
        "own.loop.flow_1",
        "own.loop.flow_1.unrest",
        "own.loop.flow_1.n2",
        "own.loop.flow_1.n2.unrest",
        "own.loop.point",
        "own.loop.point.unrest",
    ]


def test_the_arithmetic_stands_beside_the_limits() -> None:
    """With what a short span cannot know."""
    text = rules_yaml(_suggest(_site("A"), {"A.pressure": _noise(16, 600, 0.4, 0.01)}), _site("A"))

    assert "# II: windows of " in text
    assert "limits " in text
    assert "extrapolation" in text
    assert "MPa" in text


def test_unwatched_is_no_suggestion() -> None:
    """What has no limits cannot be mistaken for something that has."""
    assert not isinstance(judge(_site("A").points[0], [0, 1000], [1.0, 1.0], 1), Suggested)
    assert isinstance(judge(_site("A").points[0], [0, 1000], [1.0, 2.0], 1), Unwatched)
