"""The intervals of a threshold with a hold and a clearing, worked out with numpy and by the engine: to the sample."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.backtest.csv_history import CsvHistory
from daemon.backtest.mapping import HistoryMap, PaperAsset, PaperPoint, TimeSpec
from daemon.backtest.run import run
from daemon.backtest.site import on_paper
from daemon.model import to_ms
from tests.public_data import office, water_loops

Moments = NDArray[np.int64]
Values = NDArray[np.float64]

RULE = """
version: 1
rules:
  - id: plain
    title: {{zh: 题, en: title}}
    applies_to: {{kind: loop}}
    levels: [{{level: I, when: {{point: value, {side}: {limit!r}}}, for: {hold}s, clear: {{for: {clear}s}}}}]
    basis: test
    cause: {{zh: 因, en: cause}}
    consequence: {{zh: 果, en: effect}}
"""


@dataclass(frozen=True)
class Plain:
    """One threshold."""

    column: str
    side: str
    #: Of the file's own values: the limit.
    quantile: float
    hold: int
    clear: int


PLAINS = [
    Plain("Volume Flow RateRMS", "below", 0.3, 3, 5),
    Plain("Pressure", "above", 0.7, 2, 4),
    Plain("Pressure", "below", 0.5, 2, 2),
    Plain("Temperature", "above", 0.6, 10, 20),
    Plain("Temperature", "below", 0.4, 4, 2),
]


def read(path: Path, column: str) -> tuple[Moments, Values]:
    """Times in ms (as if they were UTC) and values, by numpy alone."""
    lines = path.read_text(encoding="utf-8").splitlines()
    sign = ";" if ";" in lines[0] else ","
    table = np.array([line.split(sign) for line in lines[1:]])
    values = table[:, lines[0].split(sign).index(column)].astype(np.float64)
    return table[:, 0].astype("datetime64[ms]").astype(np.int64), values


def by_numpy(at: Moments, met: NDArray[np.bool_], fresh: int, hold: int, clear: int) -> list[tuple[int, int | None]]:
    """The same contract in arrays: a stretch is a run of equal verdicts without a gap longer than `fresh`.

    It lasts its hold when nothing contrary is heard before, and no gap shows before; what comes in the very millisecond
    in which a hold ends comes too late. All in ms.
    """
    gap = np.diff(at) > fresh
    begins = np.flatnonzero(np.concatenate([[True], (met[1:] != met[:-1]) | gap]))
    ends = np.concatenate([begins[1:], [len(at)]]) - 1
    by_gap = np.append(gap, False)[ends]
    next_at = np.append(at, at[-1])[ends + 1]
    broken = np.where(by_gap, at[ends] + fresh + 1, next_at)
    wanted = np.where(met[begins], hold, clear) * 1000
    over = at[begins] + wanted
    lasted = over <= broken
    on, off = over[lasted & met[begins]], over[lasted & ~met[begins]]
    found: list[tuple[int, int | None]] = []
    since = -1
    while (n := int(np.searchsorted(on, since, side="right"))) < len(on):
        m = int(np.searchsorted(off, on[n], side="right"))
        if m == len(off):
            found.append((int(on[n]), None))
            break
        found.append((int(on[n]), int(off[m])))
        since = int(off[m])
    return found


def by_engine(
    path: Path, plain: Plain, limit: float, interval: timedelta, folder: Path
) -> list[tuple[int, int | None]]:
    """The production pipeline over the same file."""
    asset = PaperAsset(
        id="a", kind="loop", alive_within=100 * interval, points={"value": PaperPoint(interval=interval)}
    )
    mapping = HistoryMap(time=TimeSpec(zone="UTC"), columns={plain.column: "a.value"}, assets=(asset,))
    site = on_paper(mapping)
    rules = folder / "rules.yaml"
    rules.write_text(RULE.format(side=plain.side, limit=limit, hold=plain.hold, clear=plain.clear), encoding="utf-8")
    result = run(site.rules([rules]), CsvHistory(path, site.catalogue, mapping))
    return [(to_ms(i.start), None if i.end is None else to_ms(i.end)) for i in result.intervals]


def labels(at: Moments, intervals: list[tuple[int, int | None]]) -> NDArray[np.bool_]:
    """Whether each sample lies in an alarm."""
    inside = np.zeros(len(at), dtype=bool)
    for start, end in intervals:
        inside |= (at >= start) & (at < (end if end is not None else np.iinfo(np.int64).max))
    return inside


@pytest.mark.parametrize("plain", PLAINS, ids=lambda plain: f"{plain.column} {plain.side} {plain.hold}s {plain.clear}s")
def test_the_engines_intervals_are_numpys_on_water_loops(plain: Plain, tmp_path: Path) -> None:
    """16 runs at 1 Hz with missing seconds: the same starts and ends to the millisecond, the same samples inside."""
    fired = 0
    for path in water_loops(tmp_path):
        at, values = read(path, plain.column)
        limit = float(np.quantile(values, plain.quantile))
        met = values > limit if plain.side == "above" else values < limit
        expected = by_numpy(at, met, 3000, plain.hold, plain.clear)

        found = by_engine(path, plain, limit, timedelta(seconds=1), tmp_path)

        assert found == expected, path
        assert (labels(at, found) == labels(at, expected)).all()
        fired += len(found)
    assert fired > 5


@pytest.mark.parametrize(("hold", "clear"), [(0, 0), (7200, 10800), (10800, 7200), (36000, 3600 * 5)])
def test_the_engines_intervals_are_numpys_on_an_office(hold: int, clear: int, tmp_path: Path) -> None:
    """Hourly readings with gaps of hours and days: a hold that a gap breaks begins anew in both."""
    path = office(tmp_path)
    at, values = read(path, "value")
    plain = Plain("value", "above", 0.8, hold, clear)
    limit = float(np.quantile(values, plain.quantile))
    expected = by_numpy(at, values > limit, 3 * 3_600_000, hold, clear)

    found = by_engine(path, plain, limit, timedelta(hours=1), tmp_path)

    assert (np.diff(at) > 3 * 3_600_000).any()
    assert len(found) > 5
    assert found == expected
    assert all(one[1] is not None and one[1] <= other[0] for one, other in pairwise(found))
