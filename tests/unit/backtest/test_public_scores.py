"""The scores of the benchmark part `public`, on files that look like the public ones."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.public import MissingDataError, public

_START = datetime(2020, 3, 9, 10, 0)  # noqa: DTZ001  the files name no zone


def _lay_out(folder: Path) -> None:
    draw = random.Random(1)
    valve = folder / "skab" / "valve1"
    valve.mkdir(parents=True)
    for number in (2, 10):
        rows = ["datetime;Pressure;Volume Flow RateRMS;anomaly;changepoint"]
        for n in range(700):
            fault = 500 <= n < 600
            flow = draw.gauss(29 if fault else 32, 0.4)
            rows.append(f"{_START + timedelta(seconds=n)};{draw.gauss(0, 1)};{flow};{float(fault)};0.0")
        (valve / f"{number}.csv").write_text("\n".join(rows), encoding="utf-8")
    ambient = folder / "nab"
    ambient.mkdir()
    rows = ["timestamp,value"]
    for n in range(1500):
        rows.append(
            f"{_START + timedelta(hours=n)},{draw.gauss(60 if 1000 <= n < 1050 or 1300 <= n < 1350 else 70, 1)}"
        )
    (ambient / "ambient_temperature_system_failure.csv").write_text("\n".join(rows), encoding="utf-8")
    window = [str(_START + timedelta(hours=n)) for n in (990, 1200)]
    (ambient / "windows.json").write_text(json.dumps({"a.csv": [window]}), encoding="utf-8")


def test_rows_windows_and_alarms_are_counted_as_the_sets_ask(tmp_path: Path) -> None:
    """SKAB row by row from row 400 on, without adjustment; NAB by windows, one false alarm for all within 12 h."""
    _lay_out(tmp_path)

    scores = public(tmp_path, [0.25])
    skab, nab = scores.skab[0], scores.nab[0]

    assert skab.true_alarm + skab.missed == 200
    assert skab.false_alarm + skab.true_quiet == 400
    assert (skab.found, skab.runs, skab.early) == (2, 2, 0)
    assert 0.7 < skab.f1 < 1
    assert 0 < skab.far < 0.25
    assert skab.healthy_hours == pytest.approx(200 / 3600)
    assert (nab.found, nab.windows, nab.false) == (1, 1, 1)
    assert "FAR" in scores.as_text()
    assert scores.as_json()["skab"][0]["far"] == skab.far


def test_data_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the option that names it, and no traceback."""
    with pytest.raises(MissingDataError, match="--data"):
        public(tmp_path)

    assert main(["public", "--data", str(tmp_path)]) == 2
    assert "--data DIR" in capsys.readouterr().err
