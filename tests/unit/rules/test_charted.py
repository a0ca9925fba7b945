"""What a chart of a rule shows."""

from __future__ import annotations

from datetime import timedelta

from daemon.model import Level
from daemon.rules.charted import Charted, charted
from daemon.rules.subjects import subjects
from tests.rule_bench import Bench


def chart_of(bench: Bench, rule: str, *first: str) -> Charted:
    ruleset = bench.ruleset(rule)
    about = next(subjects(ruleset.rules[0], ruleset.catalogue))
    return charted(ruleset.rules[0], about.points, about.devices, first)


def test_a_threshold_is_a_line_in_the_unit_of_the_point(bench: Bench) -> None:
    """Written in bar, drawn in MPa; what ends the alarm is a line of its own."""
    shown = chart_of(
        bench, "low\nlevels: [{level: I, when: {point: p, below: 1 bar}, clear: {when: {point: p, above: 0.15 MPa}}}]"
    )

    (panel,) = shown.panels
    assert (panel.point, panel.unit, panel.steps, panel.gap_ms) == ("a1.p", "MPa", False, 3000)
    assert [(line.value, line.role, line.word) for line in panel.lines] == [
        (0.1, "trip", "below"),
        (0.15, "clear", "above"),
    ]
    assert panel.asked == ()


def test_each_level_of_a_ladder_has_its_line(bench: Bench) -> None:
    """And a band has two."""
    shown = chart_of(
        bench,
        "ladder\nlevels:\n"
        "  - {level: II, when: {point: p, outside: [0.2 MPa, 0.6 MPa]}}\n"
        "  - {level: I, when: {point: p, below: 0.1 MPa}}",
    )

    lines = shown.panels[0].lines
    assert [(line.value, line.level, line.word) for line in lines] == [
        (0.2, Level.II, "below"),
        (0.6, Level.II, "above"),
        (0.1, Level.I, "below"),
    ]


def test_a_number_that_is_not_on_the_axis_is_no_line(bench: Bench) -> None:
    """A slope, a swing and a count stand in words only."""
    for when in (
        "{point: p, take: slope, over: 10min, below: -0.1 MPa/min}",
        "{point: p, falls: 0.08 MPa, within: 30s}",
        "{point: mode, count: changes, over: 1min, above: 20}",
        "{point: p, below: 80 %, of: median, over: 10min}",
    ):
        (panel,) = chart_of(bench, f"odd\nlevels: [{{level: I, when: {when}}}]").panels
        assert panel.lines == ()
        assert panel.asked[0].zh.startswith("触发：")


def test_a_state_knows_which_labels_are_asked_for(bench: Bench) -> None:
    """It is drawn in steps and held while its device is alive."""
    (panel,) = chart_of(bench, "chain\nlevels: [{level: I, when: {point: chain, equals: [open, cut]}}]").panels

    assert (panel.steps, panel.on_change, panel.watched, panel.gap_ms) == (True, True, ("open", "cut"), 30_000)


def test_the_span_is_three_times_the_longest_look_back_within_bounds(bench: Bench) -> None:
    """At least a quarter of an hour, at most a day; readings counted by their interval."""
    for when, span in (
        ("{point: p, below: 1 bar}", timedelta(minutes=15)),
        ("{point: p, take: mean, over: 10min, below: 1 bar}", timedelta(minutes=30)),
        ("{point: t, above: 50 °C, times: 60}", timedelta(minutes=30)),
        ("{stale: {after: 2h}}", timedelta(hours=6)),
        ("{point: mode, count: changes, over: 30d, above: 20}", timedelta(hours=24)),
        ("{point: p, above: 3 sd, baseline: {over: 14d}}", timedelta(minutes=15)),
    ):
        assert chart_of(bench, f"one\nlevels: [{{level: I, when: {when}}}]").span == span
    held = "one\nlevels: [{level: I, when: {point: p, below: 1 bar}, for: 20min, clear: {for: 40min}}]"
    assert chart_of(bench, held).span == timedelta(hours=2)


def test_at_most_four_points_are_drawn_and_the_rest_named(bench: Bench) -> None:
    """Those that the alarm stood on come first."""
    parts = (
        "{point: p, below: 1 bar}, {point: t, above: 9 °C}, {point: free, above: 1 mm}, {point: n, above: 3},"
        " {point: chain, equals: open}"
    )
    shown = chart_of(bench, f"many\nlevels: [{{level: I, when: {{any: [{parts}]}}}}]", "a1.chain", "clock")

    assert [panel.name for panel in shown.panels] == ["chain", "p", "t", "free"]
    assert shown.rest == ("n",)


def test_silence_of_a_device_shows_what_it_used_to_say(bench: Bench) -> None:
    """A rule that asks of no point shows two of the asset's."""
    shown = chart_of(bench, "gone\nlevels: [{level: II, when: {stale: {after: 5min}}}]")

    assert [panel.name for panel in shown.panels] == ["p", "t"]
    assert shown.panels[0].lines == ()


def test_what_a_share_asks_of_each_reading_is_drawn(bench: Bench) -> None:
    """Its limit among the values, its labels among the states; its span counts."""
    (low,) = chart_of(bench, "r\nlevels: [{level: I, when: {point: p, below: 1 bar, share: 80 %, over: 10min}}]").panels
    (state,) = chart_of(
        bench, "r\nlevels: [{level: I, when: {point: mode, equals: fire, share: 80 %, over: 1min}}]"
    ).panels
    whole = chart_of(bench, "r\nlevels: [{level: I, when: {point: p, below: 1 bar, share: 80 %, over: 1h}}]")

    assert [(line.value, line.word) for line in low.lines] == [(0.1, "below")]
    assert state.watched == ("fire",)
    assert whole.span == timedelta(hours=3)


def test_a_share_of_the_past_is_said_in_both_languages(bench: Bench) -> None:
    """Before anything was measured there is no number to name."""
    (panel,) = chart_of(
        bench, "low\nlevels: [{level: I, when: {point: p, below: 80 %, of: median, over: 10min}}]"
    ).panels

    assert panel.asked[0].zh == "触发：低于 10min 内中位数的 80 %"
    assert panel.asked[0].en == "trip: below 80 % of median over 10min"
