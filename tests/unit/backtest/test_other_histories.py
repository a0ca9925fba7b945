"""Histories in line protocol and Parquet, and histories out of order."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from daemon.backtest.csv_history import CsvHistory
from daemon.backtest.histories import open_history
from daemon.backtest.line_history import LineHistory
from daemon.backtest.mapping import HistoryMap
from daemon.backtest.parquet_history import ParquetHistory
from daemon.model import ConfigError, Input, Observation, Quality, Reading, Reason
from daemon.outputs.line import LineProtocol
from tests.spine import CATALOGUE, at, said

MAP = HistoryMap(columns={"temp": "lift-1.room_temp", "mode": "lift-1.mode"})


def readings(history: Iterable[Input]) -> list[Reading]:
    return [reading for item in history if isinstance(item, Observation) for reading in item.readings]


def lines(tmp_path: Path, *observations: Observation) -> Path:
    """Written by the output that writes them in production."""
    protocol, path = LineProtocol(CATALOGUE), tmp_path / "h.lp"
    path.write_bytes(b"\n".join(line.text for item in observations for line in protocol.encode(item)) + b"\n")
    return path


def test_line_protocol_of_our_own_comes_back(tmp_path: Path) -> None:
    """Values, labels, times, devices, and what is not good about them."""
    bad = said(10, "lift-1", room_temp=99.0)
    reading = bad.readings[0]._replace(quality=Quality.BAD, reason=Reason.OUT_OF_RANGE)
    first = said(0, "lift-1", room_temp=21.5, mode='fire "now", or\\never')
    other = said(0, "zone-1", pressure=0.2)
    history = LineHistory(lines(tmp_path, first, other, bad._replace(readings=(reading,))), CATALOGUE)

    assert list(history) == [first, other, bad._replace(readings=(reading,))]
    assert history.points == {"lift-1.room_temp", "lift-1.mode", "zone-1.pressure"}
    assert (history.ignored, history.is_raw) == ([], False)


def test_a_verdict_without_a_value_is_a_bad_reading(tmp_path: Path) -> None:
    """Line protocol has no NaN; the quality says that there was something."""
    nothing = said(0, "zone-1", pressure=float("nan"))
    reading = nothing.readings[0]._replace(quality=Quality.BAD, reason=Reason.NOT_A_NUMBER)

    (found,) = readings(LineHistory(lines(tmp_path, nothing._replace(readings=(reading,))), CATALOGUE))
    assert (found.point, found.quality, found.reason) == ("zone-1.pressure", Quality.BAD, Reason.NOT_A_NUMBER)


def test_foreign_lines_are_read_too(tmp_path: Path) -> None:
    """Integers, nanoseconds, comments; what is no line is rejected with its place."""
    path = tmp_path / "h.lp"
    path.write_text("# made by hand\nx,asset=zone-1 pressure=1i,q=2 1773022473000000000\nnonsense\n", encoding="utf-8")
    history = LineHistory(path, CATALOGUE)

    first, second = history
    assert first.readings[0].at == datetime(2026, 3, 9, 2, 14, 33, tzinfo=UTC)
    assert first.readings[0].value == 1.0
    assert second.rejections[0].reason is Reason.UNPARSABLE
    assert history.ignored == ["zone-1.q"]


labels = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), labels), min_size=1, max_size=5))
def test_whatever_our_output_writes_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """Any label that fits on a line, any number."""
    wanted = [said(n, "lift-1", room_temp=temp, mode=mode) for n, (temp, mode) in enumerate(values)]

    assert list(LineHistory(lines(tmp_path_factory.mktemp("lp"), *wanted), CATALOGUE)) == wanted


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_is_a_table_like_csv(tmp_path: Path, unit: str, zone: str | None) -> None:
    """Times of any unit; without a zone they are the site's. Nothing is nothing, categories are their words."""
    times = [datetime(2026, 3, 9, 10, 14, 33, tzinfo=UTC).replace(tzinfo=None) + timedelta(seconds=n) for n in (0, 1)]
    table = pa.table(
        {
            "time": pa.array(times, pa.timestamp(unit, zone)),
            "temp": pa.array([21.5, None]),
            "mode": pa.array(["normal", "fire"]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "h.parquet")
    history = ParquetHistory(tmp_path / "h.parquet", CATALOGUE, MAP)

    shift = timedelta(hours=8) if zone is None else timedelta()
    first, second = (time.replace(tzinfo=UTC) - shift for time in times)
    assert [(r.at, r.point, r.value) for r in readings(history)] == [
        (first, "lift-1.room_temp", 21.5),
        (first, "lift-1.mode", "normal"),
        (second, "lift-1.mode", "fire"),
    ]


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra; nothing else needs it."""
    usual = builtins.__import__

    def without(name: str, *more: Any) -> Any:  # noqa: ANN401  passed on
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return usual(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"precomplaint\[parquet\]"):
        ParquetHistory(tmp_path / "h.parquet", CATALOGUE, MAP)


def test_what_is_no_parquet_is_said(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "h.parquet").write_text("time,temp\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="no Parquet"):
        open_history(str(tmp_path / "h.parquet"), CATALOGUE, MAP)


def test_what_is_out_of_order_is_put_in_order(tmp_path: Path) -> None:
    """Series after series, as other systems write them; what a device says in one moment becomes one message."""
    path = tmp_path / "h.csv"
    rows = [f"{1773022473 + n},lift-1.room_temp,{20 + n}" for n in range(3)]
    rows += [f"{1773022473 + n},lift-1.mode,normal" for n in reversed(range(3))]
    path.write_text("\n".join(["time,point,value", *rows]), encoding="utf-8")

    with pytest.raises(ConfigError, match="--sort"):
        list(CsvHistory(path, CATALOGUE))
    found = [item for item in open_history(str(path), CATALOGUE, None, in_order=False) if isinstance(item, Observation)]
    assert [[r.value for r in item.readings] for item in found] == [
        [20.0, "normal"],
        [21.0, "normal"],
        [22.0, "normal"],
    ]
    assert [item.at for item in found] == sorted(item.at for item in found)


def test_lines_out_of_order_are_a_fault(tmp_path: Path) -> None:
    """A backlog that was sent later stands behind what is newer."""
    path = lines(tmp_path, said(10, "zone-1", pressure=0.2), said(0, "zone-1", pressure=0.3))

    with pytest.raises(ConfigError, match=r"h\.lp:2: the time goes back"):
        list(LineHistory(path, CATALOGUE))
    found = readings(open_history(str(path), CATALOGUE, None, in_order=False))
    assert [r.at for r in found] == [at(0), at(10)]
