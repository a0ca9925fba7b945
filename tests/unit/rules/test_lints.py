"""What is suspicious in a rule is told with its place; what is all right is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from daemon.model import ConfigError
from daemon.rules.lints import review
from daemon.rules.schema import load_files
from tests.rule_bench import WORDS, make_catalogue

HEAD = f"version: 1\nrules:\n  - id: r\n{WORDS}    applies_to: {{kind: room}}\n"


def lines(tmp_path: Path, body: str, overrides: Mapping[str, Any] | None = None, head: str = HEAD) -> list[str]:
    path = tmp_path / "r.yaml"
    path.write_text(head + body, encoding="utf-8")
    changes = {("a2", rule): change for rule, change in (overrides or {}).items()}
    loaded = load_files([path], make_catalogue(assets=3), changes, dict.fromkeys(changes, "assets.yaml:9:7"))
    return [line.replace(f"{path}:", "") for line in review(loaded)]


@pytest.mark.parametrize(
    ("when", "says"),
    [
        # p lies in -0.1 … 1.6 MPa
        (
            "point: p, below: -0.1 MPa",
            "9:42: r: `below -0.1 MPa` can never be true: a1.p has a range of -0.1 to 1.6 MPa",
        ),
        ("point: p, below: 1.61 MPa", "`below 1.61 MPa` must always be true"),
        ("point: p, above: 1.6 MPa", "can never"),
        ("point: p, above: -0.2 MPa", "must always"),
        ("point: p, at_most: -0.2 MPa", "can never"),
        ("point: p, at_most: 1.6 MPa", "must always"),
        ("point: p, at_least: 1.7 MPa", "can never"),
        ("point: p, at_least: -0.1 MPa", "must always"),
        ("point: p, outside: [-0.1 MPa, 1.6 MPa]", "can never"),
        ("point: p, outside: [2 MPa, 3 MPa]", "must always"),
        ("point: p, inside: [2 MPa, 3 MPa]", "can never"),
        ("point: p, inside: [-1 MPa, 3 MPa]", "must always"),
        ("point: p, take: median, over: 1min, above: 16 bar", "can never"),
        ("point: p, take: p90, over: 1min, above: 16 bar", "can never"),
        ("point: p, below: -0.1 MPa, share: 80 %, over: 1min", "can never"),
        ("point: p, below: 2 MPa, share: 80 %, over: 1min", "must always"),
        ("point: p, below: 1 MPa, share: 80 %, over: 1min", None),
        ("point: p, falls: 1.8 MPa, within: 10s", "can never"),
        ("point: t, rises_to: 250 °C, within: 5d", "can never"),
        ("not: {point: p, below: 2 MPa}", "must always"),
        # at the very limit they may
        ("point: p, below: 1.6 MPa", None),
        ("point: p, above: -0.1 MPa", None),
        ("point: p, at_most: -0.1 MPa", None),
        ("point: p, at_least: 1.6 MPa", None),
        ("point: p, outside: [-0.1 MPa, 1.5 MPa]", None),
        ("point: p, inside: [1.6 MPa, 3 MPa]", None),
        ("point: p, falls: 1.7 MPa, within: 10s", None),
        # what does not lie where the readings do
        ("point: p, take: stddev, over: 1min, above: 2 MPa", None),
        ("point: p, below: 180 %, of: median, over: 1min", None),
        ("point: p, above: +3 MPa, baseline: {over: 14d}", None),
        ("point: free, above: 900 mm", None),
        ("point: mode, equals: fire", None),
    ],
)
def test_a_condition_that_means_nothing_is_told(tmp_path: Path, when: str, says: str | None) -> None:
    """Against the point's plausible range: what lies outside is bad, and reaches no rule."""
    found = lines(tmp_path, f"    levels: [{{level: I, when: {{{when}}}, for: 5min}}]\n")

    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_one_asset_stands_for_all_and_an_override_for_itself(tmp_path: Path) -> None:
    """Three rooms have the same rule; what the override of one has wrong is told at the override."""
    body = "    levels: [{level: I, when: {point: p, below: 2 MPa}, for: 5min}]\n"

    assert len(lines(tmp_path, body)) == 1
    found = lines(tmp_path, body.replace("2 MPa", "1 MPa"), {"r": {"below": "3 MPa"}})
    assert [line.split(" must")[0] for line in found] == [
        "assets.yaml:9:7: override of 'r' for asset 'a2': r: `below 3 MPa`"
    ]


@pytest.mark.parametrize(
    ("when", "noisy"),
    [
        ("point: p, below: 1 MPa", True),
        ("not: {point: p, below: 1 MPa}", True),
        ("all: [{point: p, below: 1 MPa}, {point: mode, equals: fire}]", True),
        ("any: [{point: p, below: 1 MPa}, {stale: {after: 1min}}]", True),
        ("point: p, above: 3 sd, baseline: {over: 14d}", True),
        ("all: [{point: p, below: 1 MPa}, {point: p, falls: 1 bar, within: 9s}]", False),
        ("point: p, take: mean, over: 9s, below: 1 MPa", False),
        ("point: p, below: 1 MPa, times: 3, of_last: 5", False),
        ("point: p, take: median, last: 5, below: 1 MPa", False),
        ("point: t, falls_to: 9 °C, within: 9d", False),
        ("point: mode, equals: fire", False),
        ("time: 08:00-09:00", False),
        ("stale: {after: 1min}", False),
        ("point: free, above: 3 mm", False),
    ],
)
def test_a_single_reading_should_open_nothing(tmp_path: Path, when: str, noisy: bool) -> None:  # noqa: FBT001
    """A gauge that speaks at least every five minutes wants a hold or a window; labels mean what they say."""
    found = lines(tmp_path, f"    levels: [{{level: I, when: {{{when}}}}}]\n")

    assert [line.split(": ", 2)[2] for line in found] == (
        ["a single reading opens it; write `for: …`, or a statistic over a window"] if noisy else []
    )
    assert lines(tmp_path, f"    levels: [{{level: I, when: {{{when}}}, for: 5min}}]\n") == []


@pytest.mark.parametrize(
    ("calendar", "hold", "fits"),
    [
        ("08:00-08:30", "30min", True),
        ("08:00-08:30", "31min", False),
        ("23:50-00:10", "21min", False),
        ("{hours: [08:00-08:30, 08:30-10:00]}", "1h", True),
        ("{days: [sat]}", "2d", True),
        ("{hours: 00:00-24:00, days: [sat-sun]}", "2d", True),
    ],
)
def test_a_hold_must_fit_into_its_calendar(tmp_path: Path, calendar: str, hold: str, fits: bool) -> None:  # noqa: FBT001
    """Else the rule never opens; hours and days that may join are not judged."""
    body = f"    calendar: {calendar}\n    levels: [{{level: I, when: {{point: p, below: 1 MPa}}, for: {hold}}}]\n"

    found = lines(tmp_path, body)

    assert (found == []) is fits
    assert fits or "it never opens; shorten one or lengthen the other" in found[0]


def test_a_rule_that_watches_nothing_is_told(tmp_path: Path) -> None:
    """It applies to no asset, or none has what it looks at; one that is off may. Expected files are left alone."""
    body = "    levels: [{level: I, when: {point: humidity, above: 90 %}, for: 5min}]\n"

    assert lines(tmp_path, body)[0].startswith("3:5: r: watches nothing here")
    assert lines(tmp_path, f"    mode: off\n{body}") == []
    loaded = load_files([tmp_path / "r.yaml"], make_catalogue())
    assert review(loaded, {str(tmp_path / "r.yaml")}) == []


@pytest.mark.parametrize(
    ("when", "says"),
    [
        (
            "point: t, above: 3 sd, baseline: {over: 3min}",
            "baseline: it waits for 20 readings, but of a1.t `over: 3min` has 18 at most",
        ),
        (
            "point: t, above: 3 sd, baseline: {over: 2d, by_hour: true}",
            None,
        ),
        (
            "point: t, falls_to: 9 °C, within: 9d, history: {over: 7d}",
            "history: it waits for 8 days with readings, but of a1.t `over: 7d` has 7 at most",
        ),
        ("point: t, falls_to: 9 °C, within: 9d, history: {over: 8d}", None),
    ],
)
def test_what_would_wait_for_ever_is_a_fault(tmp_path: Path, when: str, says: str | None) -> None:
    """A baseline or forecast that its span can never fill is refused."""
    body = f"    levels: [{{level: I, when: {{{when}}}, for: 5min}}]\n"
    if says is None:
        assert lines(tmp_path, body) == []
        return

    with pytest.raises(ConfigError) as caught:
        lines(tmp_path, body)

    assert [fault.split(": ", 1)[1].split("; ")[0] for fault in caught.value.faults] == [says]


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ("1d", ""),
        ("7d", ""),
        ("36h", "`over: 1d12h` with `during` holds more or less"),
        ("2h", "write whole days, such as 1d"),
    ],
)
def test_hours_go_with_whole_days(tmp_path: Path, over: str, says: str) -> None:
    """Any other span holds more or less of them by the time of day."""
    when = f"{{point: p, take: min, over: {over}, during: 02:00-04:00, below: 0.1 MPa}}"

    found = lines(tmp_path, f"    levels: [{{level: I, when: {when}}}]\n")

    assert says in "".join(found)
    assert bool(found) is bool(says)
