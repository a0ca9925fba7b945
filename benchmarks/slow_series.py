"""Made-up series of one slow sensor: hourly, 30 weeks, a course by day, week and year, and two faults of hours to days.

How much the noise remembers, both courses, kind and size of the faults (a shift, a growing one, dips, wild readings; of
two to ten standard deviations) are drawn anew for each. The first 750 readings calibrate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.water_loop import Draw, Hourly

ROWS, CALIBRATION = 5000, 750
_APART = 3_000_000
#: Hours before and behind a fault in which an alarm belongs to it.
_NEAR = 60
#: Alarms within so many hours count once.
_ONCE = 12


class Series(NamedTuple):
    """One sensor."""

    values: list[float]
    #: Hours of each fault: first, and first after.
    faults: list[tuple[int, int]]


def make_series(seed: int) -> Series:
    """The series of this seed."""
    draw = Draw(seed + _APART, ROWS)
    chance = draw.random
    slow = draw.remembering(chance.uniform(0.5, 1), chance.choice((0.8, 0.9, 0.95, 0.98)))
    white = draw.white(chance.uniform(0.1, 0.6))
    day, begins = chance.uniform(0, 1.2), chance.random()
    weekend, year = chance.uniform(0, 0.6), chance.uniform(0, 1.0)
    period, phase = chance.uniform(4000, 9000), chance.random()
    values = [
        a + b + day * math.sin(2 * math.pi * (n / 24 + begins)) + weekend * (n // 24 % 7 >= 5)
        + year * math.sin(2 * math.pi * (n / period + phase))
        for n, (a, b) in enumerate(zip(slow, white, strict=True))
    ]  # fmt: skip
    faults = []
    for part in range(2):
        begin = chance.randint(CALIBRATION + 300 + 2000 * part, CALIBRATION + 1800 + 2000 * part)
        lasts = chance.choice((12, 24, 48, 96))
        size = chance.choice((2, 3, 4, 6, 10)) * chance.choice((-1, 1))
        kind = chance.choice(("shift", "grows", "wild", "dips"))
        for n in range(lasts):
            values[begin + n] += size * {
                "shift": 1.0, "grows": 1.5 * n / lasts, "wild": chance.gauss(0, 0.5), "dips": float(n % 8 < 3),
            }[kind]  # fmt: skip
        faults.append((begin, begin + lasts))
    return Series(values, faults)


def hourly(count: int, play: Callable[[list[float]], list[bool]]) -> Hourly:
    """Faults found and false alarms; `play` tells for each reading whether an alarm is on."""
    found = false = 0
    for seed in range(count):
        series = make_series(seed)
        alarms = play(series.values)
        hit: set[int] = set()
        last = -_ONCE - 1
        for hour in range(CALIBRATION, ROWS):
            if not alarms[hour]:
                continue
            near = [n for n, (begin, end) in enumerate(series.faults) if begin - _NEAR <= hour <= end + _NEAR]
            hit.update(near)
            if not near:
                false += hour - last > _ONCE
                last = hour
        found += len(hit)
    return Hourly(count, found, 2 * count, false, (ROWS - CALIBRATION) / 168)
