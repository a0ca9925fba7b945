"""CSV files as histories."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.backtest.csv_history import CsvHistory
from daemon.backtest.mapping import ColumnSpec, HistoryMap, LongSpec, TimeSpec
from daemon.model import ConfigError, Observation, Quality, Reason
from tests.spine import CATALOGUE

WIDE = """datetime;temp;Pressure;other
2026-03-09 10:14:33;21,5;0,20;x
2026-03-09 10:14:34;;0,21;x
"""
MAP = HistoryMap(decimal=",", columns={"temp": "lift-1.room_temp", "Pressure": "zone-1.pressure"})


def _history(tmp_path: Path, text: str, mapping: HistoryMap | None = None) -> CsvHistory:
    path = tmp_path / "h.csv"
    path.write_text(text, encoding="utf-8")
    return CsvHistory(path, CATALOGUE, mapping)


def _said(observations: list[Observation]) -> list[tuple[datetime, str, float | str]]:
    return [(r.at, r.point, r.value) for o in observations for r in o.readings]


def test_a_column_is_a_point(tmp_path: Path) -> None:
    """Each device says what stands in its columns; an empty cell is no reading; times without zone are the site's."""
    history = _history(tmp_path, WIDE, MAP)

    first, second = (datetime(2026, 3, 9, 2, 14, s, tzinfo=UTC) for s in (33, 34))
    assert _said(list(history)) == [
        (first, "lift-1.room_temp", 21.5),
        (first, "zone-1.pressure", 0.2),
        (second, "zone-1.pressure", 0.21),
    ]
    assert [o.device for o in history] == ["lift-1/d", "zone-1/d", "zone-1/d"]
    assert history.points == {"lift-1.room_temp", "zone-1.pressure"}
    assert history.ignored == ["other"]


def test_a_row_may_be_one_reading(tmp_path: Path) -> None:
    """Rows of one moment and device are one message; a column named like a point's id needs no mapping."""
    text = "time,asset,point,value\n1773022473,lift-1,mode,normal\n1773022473,lift-1,room_temp,21.5\n"
    (said,) = _history(tmp_path, text)

    assert [(r.point, r.value) for r in said.readings] == [("lift-1.mode", "normal"), ("lift-1.room_temp", 21.5)]
    assert said.at == datetime(2026, 3, 9, 2, 14, 33, tzinfo=UTC)


def test_names_of_a_long_file_may_be_mapped(tmp_path: Path) -> None:
    """With columns of other names, and points under the names of another system."""
    text = "ts|tag|v\n2026-03-09T02:14:33Z|PT-17|200\n"
    mapping = HistoryMap(
        columns={"PT-17": ColumnSpec(point="zone-1.pressure", unit="kPa")}, long=LongSpec(point="tag", value="v")
    )
    (said,) = _history(tmp_path, text, mapping)

    assert _said([said]) == [(datetime(2026, 3, 9, 2, 14, 33, tzinfo=UTC), "zone-1.pressure", 0.2)]


def test_labels_are_translated(tmp_path: Path) -> None:
    """A number that stands for a state becomes the label that the rules know; one without a label is rejected."""
    text = "time,mode\n2026-03-09 10:14:33,0\n2026-03-09 10:14:34,7\n"
    mapping = HistoryMap(columns={"mode": ColumnSpec(point="lift-1.mode", labels={"0": "normal"})})
    first, second = _history(tmp_path, text, mapping)

    assert [r.value for r in first.readings] == ["normal"]
    assert [r.reason for r in second.rejections] == [Reason.UNKNOWN_CODE]


def test_what_cannot_be_read_is_rejected_with_its_place(tmp_path: Path) -> None:
    """The rest of the row stays."""
    text = "time,lift-1.room_temp,zone-1.pressure\n2026-03-09 10:14:33,oops,0.2\nnever,1,2\n"
    first, second, third = _history(tmp_path, text)

    assert [str(r.place) for r in first.rejections] == [f"{tmp_path}/h.csv:2: column 'lift-1.room_temp'"]
    assert [r.value for r in second.readings] == [0.2]
    assert [str(r.place) for r in third.rejections] == [f"{tmp_path}/h.csv:3"]


def test_a_value_out_of_range_is_bad(tmp_path: Path) -> None:
    """What is no finite number is no reading of a device in a history."""
    text = "time,zone-1.pressure\n2026-03-09 10:14:33,inf\n2026-03-09 10:14:34,nan\n"
    (said,) = _history(tmp_path, text)

    assert [(r.quality, r.reason) for r in said.readings] == [(Quality.BAD, Reason.NOT_A_NUMBER)]


def test_time_that_goes_back_is_a_fault(tmp_path: Path) -> None:
    """The place is told, and what to do."""
    text = "time,zone-1.pressure\n2026-03-09 10:14:33,1\n2026-03-09 10:14:32,1\n"

    with pytest.raises(ConfigError, match=r"h\.csv:3: the time goes back .* --sort"):
        list(_history(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "mapping", "told"),
    [
        ("time,a,b\n", None, "none of a, b is a point of the site"),
        ("time,a\n", HistoryMap(columns={"a": "zone-1.nothing"}), "no measured point 'zone-1.nothing'"),
        ("time,a\n", HistoryMap(columns={"a": ColumnSpec(point="zone-1.pressure", unit="°C")}), "is a temperature"),
        ("time,a\n", HistoryMap(time=TimeSpec(column="when")), "no column 'when'"),
        ("", None, "no header"),
    ],
)
def test_a_file_that_does_not_fit_is_a_fault(tmp_path: Path, text: str, mapping: HistoryMap | None, told: str) -> None:
    """It is told before anything is read."""
    with pytest.raises(ConfigError, match=told):
        _history(tmp_path, text, mapping)
