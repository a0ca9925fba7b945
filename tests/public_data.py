"""Real measurements for tests, where they are there: beside the repository, or where $PRECOMPLAINT_DATA says.

They have licences of their own and are never copied in. Where they are absent, a generated series of the same kind
stands in, so that something is always tested.
"""

from __future__ import annotations

import math
import os
import random
from datetime import datetime, timedelta
from pathlib import Path


def folder() -> Path | None:
    """The directory with `skab` and `nab` in it, if there is one."""
    given = os.environ.get("PRECOMPLAINT_DATA")
    places = [Path(given)] if given else []
    places.append(Path(__file__).parent.parent.parent / "shared" / "data")
    return next((place for place in places if (place / "skab").is_dir()), None)


def water_loops(instead: Path) -> list[Path]:
    """Runs of a water loop at about 1 Hz, `;` separated: SKAB's, or two that are written into `instead`."""
    there = folder()
    if there is not None:
        return sorted((there / "skab" / "valve1").glob("*.csv"), key=lambda path: int(path.stem))
    return [_water_loop(instead / f"{seed}.csv", seed) for seed in (1, 2)]


def office(instead: Path) -> Path:
    """Hourly temperature: NAB's ambient temperature, or one that is written into `instead`."""
    there = folder()
    if there is not None:
        return there / "nab" / "ambient_temperature_system_failure.csv"
    chance, at = random.Random(3), datetime(2013, 7, 4)  # noqa: DTZ001  as the file has it
    rows = ["timestamp,value"]
    for n in range(5000):
        at += timedelta(hours=1 if chance.random() > 0.003 else chance.randint(2, 90))
        warm = 70 + 4 * math.sin(n / 24) + 3 * math.sin(n / 190) + chance.gauss(0, 1.5)
        rows.append(f"{at:%Y-%m-%d %H:%M:%S},{warm:.8f}")
    path = instead / "office.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def _water_loop(path: Path, seed: int) -> Path:
    """Noise with a closing valve in the middle; now and then a second is missing, as in the real ones, or a minute."""
    chance, at = random.Random(seed), datetime(2020, 3, 9, 10, 14, 33)  # noqa: DTZ001  as the files have it
    rows = ["datetime;Pressure;Volume Flow RateRMS;Temperature"]
    for n in range(1100):
        at += timedelta(seconds=chance.choices([1, 2, 5, 60], [95, 4, 0.7, 0.3])[0])
        closing = 500 < n < 900
        pressure = chance.gauss(0.2 + 0.15 * closing, 0.25)
        flow = chance.gauss(31.7 - 0.6 * closing, 0.45)
        rows.append(
            f"{at:%Y-%m-%d %H:%M:%S};{pressure:.6f};{flow:.4f};{79 + math.sin(n / 40) + chance.gauss(0, 0.3):.4f}"
        )
    path.write_text("\n".join(rows), encoding="utf-8")
    return path
