"""What rule tests never exercise, and what is wrong with files of them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest
from typer.testing import CliRunner

from daemon.cli.rules import app
from daemon.model import ConfigError

RULES = """
version: 1
rules:
  - id: low
    title: {zh: 题, en: title}
    applies_to: {kind: water_zone}
    levels:
      - {level: I, when: {point: top_pressure, below: 0.05 MPa}, for: 10s, clear: {for: 5s}}
      - level: II
        when: {all: [{point: top_pressure, below: 0.10 MPa}, {point: leak, equals: dry}]}
        for: 10s
    unless: {point: leak, equals: wet}
    basis: test
    cause: {zh: 因, en: cause}
    consequence: {zh: 果, en: effect}
"""
TESTS = """
version: 1
rules: [r.yaml]
assets: [{id: W1, kind: water_zone, profiles: [pump-room-modbus]}]
tests:
  - title: Low is level II
    series: {top_pressure: 0.2x4 0.08x20, leak: "'dry'x30"}
    alarms: [{rule: low, level: II, active: 15s}]
"""
MORE = """
  - title: Lower is level I, and ends
    series: {top_pressure: 0.2x4 0.01x20 0.2x20, leak: "'dry'x60"}
    alarms: [{rule: low, level: I, active: 15s, cleared: 31s}]
  - title: Not while it is wet
    series: {top_pressure: 0.2x4 0.01x20, leak: "'wet'x30"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "r.test.yaml").write_text(TESTS, encoding="utf-8")
    return tmp_path


def _never(folder: Path, *more: str) -> list[str]:
    done = CliRunner().invoke(app, ["test", str(folder), "--coverage", "-o", "json", *more])
    found = orjson.loads(done.stdout)
    assert found["failed"] == 0, done.stdout
    return [gap["what"].rsplit(" ", 1)[0] for gap in found["coverage"]["never"]]


def test_what_no_test_exercises_is_listed(folder: Path) -> None:
    """Levels that never fired, rules that never recovered, each condition that was never true or never false."""
    assert _never(folder) == [
        "level I never fired",
        "never recovered",
        "levels.0.when never true",
        "levels.1.when.all.1 never false",
        "unless never true",
    ]


def test_tests_that_exercise_everything_leave_nothing(folder: Path) -> None:
    """An exception that holds is true once, a condition beside it is false then."""
    (folder / "r.test.yaml").write_text(TESTS + MORE, encoding="utf-8")

    assert _never(folder) == []


def test_rules_without_tests_are_listed(folder: Path) -> None:
    """A file of rules in the directory that no file of tests names."""
    (folder / "s.yaml").write_text(RULES.replace("id: low", "id: lower"), encoding="utf-8")
    (folder / "r.test.yaml").write_text(TESTS + MORE, encoding="utf-8")

    gaps = _never(folder)
    assert gaps[:2] == ["level I never fired", "level II never fired"]
    assert len(gaps) == 3 + 2 * 4


def test_gaps_are_told_with_their_place(folder: Path) -> None:
    """In the file of rules, for an editor to jump to."""
    text = CliRunner().invoke(app, ["test", str(folder), "--coverage"]).stdout

    assert f"{folder}/r.yaml:10:62: low: levels.1.when.all.1 never false" in text
    assert "coverage: 6 of 11" in text


def test_a_pattern_chooses_tests(folder: Path) -> None:
    """By their titles, in any case of letters."""
    (folder / "r.test.yaml").write_text(TESTS + MORE, encoding="utf-8")
    done = CliRunner().invoke(app, ["test", str(folder), "--run", "lower|WET", "-o", "json"])

    titles = [test["title"] for test in orjson.loads(done.stdout)["tests"]]
    assert titles == ["Lower is level I, and ends", "Not while it is wet"]


def test_junit_tells_servers(folder: Path) -> None:
    """A failed test has its place and its lines."""
    (folder / "r.test.yaml").write_text(TESTS.replace("active: 15s", "active: 16s") + MORE, encoding="utf-8")
    done = CliRunner().invoke(app, ["test", str(folder), "--junit", str(folder / "out.xml")])

    assert done.exit_code == 1
    whole = ET.parse(folder / "out.xml").getroot()  # noqa: S314  our own
    assert (whole.get("tests"), whole.get("failures")) == ("3", "1")
    first = next(whole.iter("testcase"))
    assert (first.get("name"), first.get("line")) == ("Low is level II", "6")
    (failure,) = whole.iter("failure")
    assert failure.text is not None
    assert "nobody listed: low on W1 active 15s level II" in failure.text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rule: low,", "rule: lov,", "r.test.yaml:8:15: there is no rule 'lov' in these files; did you mean 'low'?"),
        ("rule: low,", "rule: low, asset: W2,", "r.test.yaml:8:26: there is no asset 'W2' here"),
        ("{top_pressure: 0", "{top_presure: 0", "r.test.yaml:7:14: no asset here has the point 'top_presure'; did you"),
        ("[pump-room-modbus]", "[pump-rom-modbus]", "r.test.yaml:4:48: no profile is named 'pump-rom-modbus'; did you"),
        ("[r.yaml]", "[q.yaml]", "r.test.yaml:3:9: there is no file 'q.yaml' beside this one"),
        ("0.08x20", "0.08y20", "r.test.yaml:7:14: tests.0.series.top_pressure: '0.08y20' is no step"),
    ],
)
def test_slips_of_the_pen_are_faults_with_their_place(folder: Path, old: str, new: str, told: str) -> None:
    """They would otherwise pass for silence."""
    (folder / "r.test.yaml").write_text(TESTS.replace(old, new), encoding="utf-8")
    done = CliRunner().invoke(app, ["test", str(folder)])

    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)


def test_a_pattern_that_is_none_is_a_usage_error(folder: Path) -> None:
    """It is said which."""
    done = CliRunner().invoke(app, ["test", str(folder), "--run", "("])

    assert isinstance(done.exception, ConfigError)


def test_rules_from_templates_are_covered_like_others(folder: Path) -> None:
    """Conditions that a rule has from its template count as its own."""
    head, _, body = RULES.partition("rules:")
    template = body.replace("  - id: low\n", "  basic:\n", 1)
    (folder / "r.yaml").write_text(
        f"{head}templates:{template}rules:\n  - {{id: low, extends: basic}}\n", encoding="utf-8"
    )
    (folder / "r.test.yaml").write_text(TESTS + MORE, encoding="utf-8")

    assert _never(folder) == []


def test_a_rule_that_extends_a_template_is_covered_like_any_other(folder: Path) -> None:
    """Its conditions are those of the template, with its own arguments."""
    words = RULES[RULES.index("    basis:") :]
    rule = "version: 1\ntemplates:\n  wet:\n    parameters: {point: ~}\n    applies_to: {kind: water_zone}\n"
    rule += "    levels: [{level: I, when: {point: $point, equals: wet}}]\nrules:\n"
    rule += "  - id: leaks\n    extends: wet\n    with: {point: leak}\n    title: {zh: 题, en: title}\n" + words
    (folder / "r.yaml").write_text(rule, encoding="utf-8")
    tests = TESTS[: TESTS.index("  - title")] + "  - title: Dry is nothing\n    series: {leak: \"'dry'\"}\n"
    (folder / "r.test.yaml").write_text(tests, encoding="utf-8")

    assert _never(folder) == ["level I never fired", "never recovered", "levels.0.when never true"]
