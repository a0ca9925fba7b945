"""A year streams through: what is held does not grow with it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from daemon.backtest.csv_history import CsvHistory
from daemon.backtest.mapping import HistoryMap, PaperAsset, PaperPoint
from daemon.backtest.run import Run
from daemon.backtest.site import on_paper

DAY = 24 * 60


def year(path: Path) -> None:
    """A minute a row: pressure and level of a pump room by day and night, the pressure too low one night a week."""
    at = datetime(2025, 1, 1)  # noqa: DTZ001  the site's own time
    with path.open("w", encoding="utf-8") as file:
        file.write("time,w.top_pressure,w.outlet_pressure\n")
        for n in range(365 * DAY):
            low = 0.15 if n // DAY % 7 == 3 and n % DAY < 30 else 0.0
            pressure = 0.2 + 0.01 * math.sin(n / 200)
            file.write(f"{at + timedelta(minutes=n):%Y-%m-%d %H:%M:%S},{pressure - low:.4f},{pressure + 0.2:.4f}\n")


def resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4


@pytest.mark.slow
def test_memory_is_flat_over_a_year(tmp_path: Path) -> None:
    """Holds and a week's mean over 1 051 200 readings: after a month the process is as large as after the year."""
    year(tmp_path / "year.csv")
    points = {
        name: PaperPoint(unit="MPa", interval=timedelta(minutes=1)) for name in ("top_pressure", "outlet_pressure")
    }
    site = on_paper(HistoryMap(assets=(PaperAsset(id="w", kind="water_zone", points=points),)))
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        """
version: 1
rules:
  - id: low
    title: {zh: 低, en: low}
    applies_to: {kind: water_zone}
    levels:
      - {level: I, when: {point: top_pressure, below: 0.10 MPa}, for: 5min, clear: {for: 5min}}
      - {level: III, when: {point: outlet_pressure, take: mean, over: 7d, below: 0.01 MPa}}
    basis: test
    cause: {zh: 泵, en: pump}
    consequence: {zh: 停水, en: no water}
""",
        encoding="utf-8",
    )
    history = iter(CsvHistory(tmp_path / "year.csv", site.catalogue))
    with Run(site.rules([rules])) as backtest:
        backtest.feed(islice(history, 31 * DAY))
        after_a_month = resident_kb()
        backtest.feed(history)
        after_a_year = resident_kb()
        rows = backtest.pipeline.db.execute("SELECT count(*) FROM journal").fetchone()
        result = backtest.finish()

    assert result.readings == 2 * 365 * DAY
    assert len(result.orders) == 52
    assert rows == (0,)
    assert after_a_year - after_a_month < 8_000
