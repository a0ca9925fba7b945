from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daemon.backtest.rule_test import run_file
from daemon.backtest.series import Sample, parse_series
from daemon.model import ConfigError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.3", [0.3]),
        ("1x2", [1.0, 1.0, 1.0]),
        ("0.30-0.01x3", [0.3, 0.29, 0.28, 0.27]),
        ("0+1x3 -2", [0.0, 1.0, 2.0, 3.0, -2.0]),
        ("'in service'x1 'open'", ["in service", "in service", "open"]),
        ("0+1x10 _x3", [*map(float, range(11)), None, None, None]),
        ("-2+4x3 1-2x4 1x4", [-2.0, 2.0, 6.0, 10.0, 1.0, -1.0, -3.0, -5.0, -7.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("", []),
    ],
)
def test_values_are_written_as_in_promtool(text: str, values: list[object]) -> None:
    """`x n` means n more; slopes are added exactly."""
    assert [sample and sample.value for sample in parse_series(text)] == values


def test_signs_that_are_no_values() -> None:
    """Nothing, a bad reading, a device that is gone, an old value."""
    assert parse_series("_x2 bad stale 'open'~5min") == [
        None,
        None,
        Sample(0.0, bad=True),
        Sample(None, gone=True),
        Sample("open", timedelta(minutes=5)),
    ]


@pytest.mark.parametrize("text", ["open", "1y2", "1x", "'open", "1x9999999", "_x9999999"])
def test_what_is_no_series_is_refused(text: str) -> None:
    """With the item that is wrong, or that it is too long."""
    with pytest.raises(ValueError, match=r"is no step|longer than"):
        parse_series(text)


RULES = """
version: 1
rules:
  - id: r
    title: {zh: 题, en: title}
    applies_to: {kind: water_zone}
    levels: [{level: I, when: {point: leak, equals: wet}, for: 5s, clear: {for: 5s}}]
    basis: test
    cause: {zh: 因, en: cause}
    consequence: {zh: 果, en: effect}
"""
TESTS = """
version: 1
rules: [r.yaml]
assets: [{id: W1, kind: water_zone, profiles: [pump-room-modbus]}]
tests:
  - title: t
    lasts: 60s
    series: {leak: "'dry'x4 'wet'x9 'dry'x9"}
    alarms: ALARMS
"""


@pytest.mark.parametrize(
    ("alarms", "failures"),
    [
        ("[{rule: r, level: I, active: 10s, cleared: 20s}]", []),
        ("[]", ["nobody listed: r on W1 active 10s level I, cleared 20s, with order"]),
        (
            "[{rule: r, level: I, active: 11s, cleared: 20s}]",
            [
                "missing: r on W1 active 11s level I, cleared 20s, with order",
                "nobody listed: r on W1 active 10s level I, cleared 20s, with order",
            ],
        ),
        (
            "[{rule: r, level: I, active: 10s, cleared: 20s, order: false}]",
            [
                "missing: r on W1 active 10s level I, cleared 20s, without order",
                "nobody listed: r on W1 active 10s level I, cleared 20s, with order",
            ],
        ),
    ],
)
def test_a_test_is_strict(tmp_path: Path, alarms: str, failures: list[str]) -> None:
    """An alarm, a time, an end or an order that nobody listed fails it, as does one that does not come."""
    (tmp_path / "r.yaml").write_text(RULES, encoding="utf-8")
    path = tmp_path / "r.test.yaml"
    path.write_text(TESTS.replace("ALARMS", alarms), encoding="utf-8")

    (outcome,) = run_file(path)

    assert list(outcome.failures) == failures


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("leak:", "laek:", "r.test.yaml:8:14: no asset here has the point 'laek'"),
        (
            "pump-room-modbus",
            "pump-room",
            "r.test.yaml:4:48: no profile is named 'pump-room'; did you mean 'pump-room-modbus'?",
        ),
        ("'wet'x9", "wet", "'wet' is no step"),
        ("lasts: 60s", "last: 60s", "did you mean 'lasts'"),
    ],
)
def test_faults_of_a_test_file_have_places(tmp_path: Path, old: str, new: str, says: str) -> None:
    """File, line and column, and what is known instead."""
    (tmp_path / "r.yaml").write_text(RULES, encoding="utf-8")
    path = tmp_path / "r.test.yaml"
    path.write_text(TESTS.replace("ALARMS", "[]").replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        run_file(path)

    assert says in str(caught.value)
