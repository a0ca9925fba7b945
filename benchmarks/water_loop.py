"""Made-up runs of a water loop, on which the policy of `rules suggest` was chosen; and how it keeps to its budget.

Eight channels at 1 Hz, 1 150 rows: two vibrations, current, pressure on a grid, a temperature that wanders, a
thermocouple that settles, voltage, flow in whole units. Noise, its memory, grids and drifts are drawn anew for each
run. From somewhere between row 480 and 650 on, for 250 to 420 rows, a fault shifts some channels by half to eight
standard deviations of their single readings, at once or over up to two minutes; it ends within 20 s, drifts go on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from statistics import NormalDist, fmean, median
from typing import Any

from daemon.backtest.suggest import Gathering, judge
from daemon.backtest.suggested import Suggested
from daemon.model import EPOCH, Asset, Catalogue, Device, Observation, Point, Reading, Site, Text

_SECOND = timedelta(seconds=1)
_WEEK = timedelta(weeks=1)
START = EPOCH + timedelta(days=20454)
ROWS, CALIBRATION = 1150, 400
CHANNELS = ("vibration_1", "vibration_2", "current", "pressure", "temperature", "thermocouple", "voltage", "flow")


@dataclass(frozen=True, slots=True)
class LoopRun:
    """One run."""

    values: dict[str, list[float]]
    #: Rows of the fault: first, and first after.
    fault: tuple[int, int]


class Draw:
    """Noises of one run."""

    def __init__(self, seed: int, rows: int) -> None:
        self.random = random.Random(seed)
        self.rows = rows

    def white(self, scatter: float) -> list[float]:
        """Noise that forgets at once."""
        return [self.random.gauss(0, scatter) for _ in range(self.rows)]

    def remembering(self, scatter: float, keeps: float) -> list[float]:
        """Noise that keeps so much of itself from one reading to the next."""
        value = self.random.gauss(0, scatter)
        fresh = scatter * math.sqrt(1 - keeps * keeps)
        found = []
        for _ in range(self.rows):
            value = keeps * value + self.random.gauss(0, fresh)
            found.append(value)
        return found

    def walk(self, step: float) -> list[float]:
        """A sum of small steps."""
        value, found = 0.0, []
        for _ in range(self.rows):
            value += self.random.gauss(0, step)
            found.append(value)
        return found


def make_run(seed: int, rows: int = ROWS) -> LoopRun:
    """The run of this seed."""
    draw = Draw(seed, rows)
    chance = draw.random
    begin = chance.randint(480, 650)
    end = min(begin + chance.randint(250, 420), rows - 60)
    ramp = chance.choice((1, 10, 40, 120))
    severity = chance.choice((0.5, 1, 2, 4, 8))

    def shift(share: float, odds: float = 0.6, *, falls: bool = False) -> list[float]:
        sign = -1 if falls else chance.choice((-1, 1))
        size = severity * share * sign * (chance.random() < odds)
        back = min(ramp, 20)
        return [
            size * min(1.0, (n - begin + 1) / ramp) if begin <= n < end
            else size * max(0.0, 1 - (n - end + 1) / back) if n >= end
            else 0.0
            for n in range(rows)
        ]  # fmt: skip

    values: dict[str, list[float]] = {}
    for name in CHANNELS[:2]:
        s = chance.uniform(0.0003, 0.002)
        level = chance.uniform(0.02, 0.2)
        parts = (draw.white(s), draw.remembering(s * chance.uniform(0, 0.4), 0.98), shift(s))
        values[name] = summed(level, *parts)
    s = chance.uniform(0.05, 0.3)
    parts = (draw.white(s), draw.remembering(s * chance.uniform(0, 0.3), 0.95), shift(s / 2))
    values["current"] = summed(1.3, *parts)
    s, step = chance.uniform(0.1, 0.3), chance.choice((0.01, 0.05, 0.33))
    values["pressure"] = on_grid(summed(0.2, draw.white(s), shift(s)), step)
    trend = chance.uniform(0.0018, 0.0022)
    wander = draw.walk(chance.uniform(0.005, 0.1))
    values["temperature"] = summed(70, draw.white(0.1), wander, [trend * n for n in range(rows)])
    start = chance.uniform(-3, 3)
    values["thermocouple"] = summed(25, draw.white(0.01), [start * math.exp(-n / 600) for n in range(rows)])
    s = chance.uniform(3, 12)
    slow = draw.remembering(s * chance.uniform(0, 0.5), 0.995)
    values["voltage"] = summed(230, draw.white(s), slow, shift(s * 0.3, 0.3))
    s = chance.uniform(0.2, 0.6)
    flow = summed(32, draw.white(s), draw.walk(chance.uniform(0, 0.01)), shift(s * 1.5, 1, falls=True))
    values["flow"] = on_grid(flow, 1.0)
    return LoopRun(values, (begin, end))


def summed(level: float, *parts: Sequence[float]) -> list[float]:
    """Row by row."""
    return [level + sum(its) for its in zip(*parts, strict=True)]


def on_grid(values: Sequence[float], step: float) -> list[float]:
    """As a coarse sensor says them."""
    return [round(value / step) * step for value in values]


# --- as a site, for suggest and the engine -----------------------------------------------------------------


def site_of(channels: Sequence[str], asset: str = "loop", every: timedelta = _SECOND) -> Catalogue:
    """A site of one asset with a point a channel."""
    device = Device(f"{asset}/d", asset, "made", 60 * every)
    return Catalogue(
        Site("made", Text("合成数据", "made up"), "UTC"),
        (Asset(asset, "loop", Text(asset, asset)),),
        (device,),
        tuple(Point(f"{asset}.{name}", asset, device.id, name, interval=every) for name in channels),
    )


def observations(
    values: dict[str, list[float]], asset: str = "loop", every: timedelta = _SECOND
) -> Iterator[Observation]:
    """A message a second, or as often as is said."""
    names = list(values)
    for n, row in enumerate(zip(*values.values(), strict=True)):
        at = START + n * every
        readings = tuple(Reading(f"{asset}.{name}", at, value, at) for name, value in zip(names, row, strict=True))
        yield Observation(at, f"{asset}/d", readings)


# --- the budget --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """How calibrations on healthy noise keep to a budget; rates are worked out from the limits, not counted."""

    #: Standard deviations of white noise and of noise with a memory, and what it keeps from reading to reading.
    noise: str
    readings: int
    calibrations: int
    refused: int
    #: False alarms a week over the budget: on average, in the middle one, and the share of calibrations within.
    mean: float
    middle: float
    within: float


NOISES = {"white": 0.0, "memory of 10 s": 0.9, "memory of 50 s": 0.98}


def keeping(budget: float, calibrations: int) -> list[Kept]:
    """What the limits of many calibrations would come to.

    The chance that the mean of two windows in a row lies beyond a limit is exact for these noises; of windows in which
    it does, 0.3 begin an alarm (counted on white noise).
    """
    return [_kept(name, keeps, n, budget, calibrations) for name, keeps in NOISES.items() for n in (400, 3600)]


def _kept(name: str, keeps: float, readings: int, budget: float, calibrations: int) -> Kept:
    point = site_of(("p",)).points[0]
    at = [n * 1000 for n in range(readings)]
    rates: list[float] = []
    for seed in range(calibrations):
        draw = Draw(seed, readings)
        values = draw.white(1)
        if keeps:
            values = summed(0, values, draw.remembering(1, keeps))
        found = judge(point, at, values, budget)
        if isinstance(found, Suggested):
            rates.append(_rate(found, keeps) / budget)
    within = fmean(rate <= 1 for rate in rates)
    return Kept(name, readings, calibrations, calibrations - len(rates), fmean(rates), median(rates), within)


def _rate(found: Suggested, keeps: float) -> float:
    """False alarms a week."""
    total = 0.0
    for rung in found.rungs:
        two = 2 * (rung.window // _SECOND)
        variance = 1 / two
        if keeps:
            variance += (1 + 2 * sum((1 - n / two) * keeps**n for n in range(1, two))) / two
        normal = NormalDist(0, math.sqrt(variance))
        total += _WEEK / rung.window * 0.3 * (normal.cdf(rung.low) + normal.cdf(-rung.high))
    return total


# --- the score ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What the suggested rules find in made-up runs of one kind, row by row as in `public`."""

    kind: str
    runs: int
    f1: float
    far: float
    mar: float
    found: int
    #: Runs with an alarm between calibration and fault.
    early: int


@dataclass(frozen=True, slots=True)
class Hourly:
    """What they find in made-up series of one slow sensor each (`slow_series`)."""

    series: int
    found: int
    faults: int
    false: int
    #: Weeks of each that were tested.
    weeks: float


@dataclass(frozen=True, slots=True)
class Made:
    """The policy on made-up runs, and how it keeps its budget."""

    found: tuple[Found, ...]
    hourly: Hourly
    kept: tuple[Kept, ...]

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return asdict(self)

    def as_text(self) -> str:
        """For people."""
        rows = [
            f"made-up water loop, {f.kind}, {f.runs} runs: F1 {f.f1:.3f}, FAR {f.far:.1%}, MAR {f.mar:.1%}, found "
            f"{f.found}/{f.runs}; runs with an alarm before the fault {f.early}"
            for f in self.found
        ]
        its = self.hourly
        rows.append(
            f"made-up hourly series of one sensor, {its.series}: found {its.found}/{its.faults}, false alarms "
            f"{its.false} in {its.weeks:.0f} weeks each"
        )
        rows.append(f"{'healthy noise':<16}{'readings':>9}{'mean/budget':>13}{'middle':>9}{'within':>8}{'refused':>9}")
        rows += [
            f"{k.noise:<16}{k.readings:>9}{k.mean:>13.2g}{k.middle:>9.2g}{k.within:>8.0%}{k.refused:>5}/{k.calibrations}"
            for k in self.kept
        ]
        return "\n".join(rows)


def gathered(run: LoopRun, catalogue: Catalogue) -> Gathering:
    """The calibration rows of a run."""
    found = Gathering(catalogue)
    found.feed(observations({name: values[:CALIBRATION] for name, values in run.values.items()}))
    return found
