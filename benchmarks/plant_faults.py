"""Made-up runs of a plant with faults of several kinds; wider than `water_loop` and `closing_valve`, and unlike them.

A run has eight channels. What each one does while all is well is drawn anew: how much of its noise remembers, and for
how long; how heavy its tails are; what it has in common with its neighbours; its grid; whether it wanders or settles;
whether it scatters more at another level. A fault is a signature: by how much each channel shifts, how long it takes to
follow, by how much it scatters more; and a course: how fast it comes, whether it comes and goes, how it ends, what
stays of it. `HELD_OUT` kinds were not looked at before the policy was settled.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.water_loop import CHANNELS, ROWS, Draw, LoopRun, on_grid

_APART = 2_000_000
#: Channels of water, and of the motor: what the noise of each has in common with its group.
_WATER, _MOTOR = ("pressure", "flow"), ("vibration_1", "vibration_2", "current", "voltage")


@dataclass(frozen=True, slots=True)
class Change:
    """What a fault does to a channel, at its full."""

    #: In standard deviations of its single readings.
    shift: float
    #: Its scatter times this.
    scatter: float = 1.0
    #: Seconds of the first-order lag with which it follows.
    lag: float = 0.0


Signature = dict[str, Change]


def _some(chance: random.Random, low: float, high: float, odds: float = 0.8) -> float:
    return chance.uniform(low, high) if chance.random() < odds else 0.0


def _either(chance: random.Random) -> int:
    return chance.choice((-1, 1))


def _blockage(chance: random.Random, size: float) -> Signature:
    """Water cannot pass: less flow, another pressure, less work."""
    sign = _either(chance)
    return {
        "flow": Change(-size * _some(chance, 0.4, 1.5, 1), lag=chance.uniform(0, 15)),
        "pressure": Change(sign * size * _some(chance, 0.2, 1.0), lag=chance.uniform(0, 10)),
        "current": Change(-size * _some(chance, 0.1, 0.8)),
        "vibration_1": Change(_either(chance) * size * _some(chance, 0.2, 1.0)),
        "vibration_2": Change(_either(chance) * size * _some(chance, 0.2, 1.0)),
    }


def _leak(chance: random.Random, size: float) -> Signature:
    """Water is lost: two channels, the rest hardly."""
    return {
        "pressure": Change(-size * _some(chance, 0.3, 1.2, 1), lag=chance.uniform(5, 30)),
        "flow": Change(_either(chance) * size * _some(chance, 0.2, 1.0), lag=chance.uniform(5, 30)),
        "current": Change(size * _some(chance, 0.1, 0.4, 0.5)),
    }


def _cavitation(chance: random.Random, size: float) -> Signature:
    """Bubbles: everything in the water scatters more, levels move little."""
    wild = 1 + size * chance.uniform(0.2, 0.8)
    return {
        "pressure": Change(-size * _some(chance, 0, 0.4), wild),
        "flow": Change(-size * _some(chance, 0.1, 0.6), 1 + (wild - 1) * chance.uniform(0.3, 1)),
        "vibration_1": Change(size * _some(chance, 0.1, 0.8), wild),
        "vibration_2": Change(size * _some(chance, 0.1, 0.8), wild),
        "current": Change(-size * _some(chance, 0, 0.3), 1 + (wild - 1) * _some(chance, 0, 0.5)),
    }


def _imbalance(chance: random.Random, size: float) -> Signature:
    """Vibration, one plane more than the other, and a little current."""
    wild = 1 + size * chance.uniform(0, 0.3)
    return {
        "vibration_1": Change(size * _some(chance, 0.3, 1.5, 1), wild),
        "vibration_2": Change(size * _some(chance, 0.1, 1.0), wild),
        "current": Change(size * _some(chance, 0.1, 0.5, 0.6)),
    }


def _heating(chance: random.Random, size: float) -> Signature:
    """Warmer water, thinner: the thermometers follow slowly."""
    return {
        "temperature": Change(size * _some(chance, 1, 5, 1), lag=chance.uniform(30, 120)),
        "thermocouple": Change(size * _some(chance, 1, 5), lag=chance.uniform(60, 180)),
        "flow": Change(size * _some(chance, 0.1, 0.5), lag=60),
        "current": Change(-size * _some(chance, 0.1, 0.5), lag=60),
    }


def _two_phase(chance: random.Random, size: float) -> Signature:
    """Air in the pipe."""
    wild = 1 + size * chance.uniform(0.3, 1.2)
    return {
        "flow": Change(-size * _some(chance, 0.2, 1.2, 1), wild),
        "pressure": Change(-size * _some(chance, 0.1, 0.8), wild, lag=chance.uniform(0, 10)),
        "vibration_1": Change(size * _some(chance, 0.1, 0.5), 1 + (wild - 1) / 2),
        "current": Change(-size * _some(chance, 0.1, 0.6)),
    }


def _filling(chance: random.Random, size: float) -> Signature:
    """Water is added: more pressure, more to move, colder."""
    return {
        "pressure": Change(size * _some(chance, 0.2, 1.0, 1), lag=chance.uniform(10, 60)),
        "current": Change(size * _some(chance, 0.1, 0.8)),
        "vibration_1": Change(_either(chance) * size * _some(chance, 0.1, 0.6, 0.5)),
        "temperature": Change(-size * _some(chance, 0.5, 3), lag=chance.uniform(30, 120)),
    }


def _supply(chance: random.Random, size: float) -> Signature:
    """A weak phase: voltage, current, and what turns with them."""
    return {
        "voltage": Change(-size * _some(chance, 0.3, 1.2, 1)),
        "current": Change(size * _some(chance, 0.2, 1.0), 1 + _some(chance, 0, 0.5, 0.5)),
        "vibration_2": Change(size * _some(chance, 0.1, 0.6, 0.5)),
        "flow": Change(-size * _some(chance, 0.1, 0.4, 0.5), lag=chance.uniform(0, 20)),
    }


Kind = Callable[[random.Random, float], Signature]
DECIDED_ON: dict[str, Kind] = {
    "blockage": _blockage,
    "leak": _leak,
    "cavitation": _cavitation,
    "imbalance": _imbalance,
    "heating": _heating,
}
HELD_OUT: dict[str, Kind] = {"two phases": _two_phase, "filling": _filling, "supply": _supply}


def make_plant_run(kind: str, seed: int, rows: int = ROWS) -> LoopRun:
    """The run of this kind and seed."""
    signature_of = (DECIDED_ON | HELD_OUT)[kind]
    draw = Draw(seed + _APART + 100_000 * list(DECIDED_ON | HELD_OUT).index(kind), rows)
    chance = draw.random
    begin = chance.randint(460, 700)
    end = min(begin + chance.randint(150, 450), rows - 60)
    course = _course(chance, begin, end, rows)
    size = chance.choice((0.5, 0.8, 1.2, 2.0, 4.0))
    signature = signature_of(chance, size)
    lasting = chance.choice((0.0, 0.0, 0.0, chance.uniform(0.1, 0.6)))
    common = {group: draw.remembering(1, chance.choice((0.0, 0.7, 0.95))) for group in (_WATER, _MOTOR)}
    values: dict[str, list[float]] = {}
    for name in CHANNELS:
        change = signature.get(name, Change(0))
        kept = lasting if chance.random() < 0.3 else 0.0
        its = _followed([max(share, kept if n >= end else 0.0) for n, share in enumerate(course)], change.lag)
        group = next((group for group in common if name in group), None)
        noise = _noise(draw, None if group is None else common[group])
        swells = 1 + _some(chance, 0.02, 0.15, 0.3) * abs(change.shift)
        wild = [1 + (change.scatter * swells - 1) * share for share in its]
        made = [change.shift * share + more * one for share, more, one in zip(its, wild, noise, strict=True)]
        made = [value + slow for value, slow in zip(made, _slow(draw, name), strict=True)]
        step = chance.choice((0.0, 0.0, 0.1, 0.5, 2.0))
        values[name] = on_grid(made, step) if step else made
    return LoopRun(values, (begin, end))


def _course(chance: random.Random, begin: int, end: int, rows: int) -> list[float]:
    """How much of the fault is there, row by row: from 0 to 1."""
    ramp = chance.choice((1, 10, 40, 120))
    recovery = chance.choice((1, 10, 30, 60))
    bursts = chance.random() < 0.15
    found, there = [], True
    for n in range(rows):
        if not begin <= n < end:
            found.append(0.0)
            continue
        if bursts and chance.random() < 1 / 30:
            there = not there
        found.append(min(1.0, (n - begin + 1) / ramp, (end - n) / recovery) * (1.0 if there else 0.3))
    return found


def _followed(course: Sequence[float], lag: float) -> list[float]:
    if not lag:
        return list(course)
    value, found, share = 0.0, [], 1 - math.exp(-1 / lag)
    for one in course:
        value += share * (one - value)
        found.append(value)
    return found


def _noise(draw: Draw, common: Sequence[float] | None) -> list[float]:
    """Of one standard deviation, more or less."""
    chance = draw.random
    remembers = _some(chance, 0.05, 0.5, 0.6)
    shared = _some(chance, 0.05, 0.4, 0.6) if common is not None else 0.0
    own = math.sqrt(max(0.1, 1 - remembers**2 - shared**2))
    slow = draw.remembering(remembers, chance.choice((0.6, 0.9, 0.97, 0.99)))
    heavy = chance.random() < 0.25
    white = [own * _heavy(chance) for _ in range(draw.rows)] if heavy else draw.white(own)
    both = [a + b for a, b in zip(white, slow, strict=True)]
    return both if common is None else [a + shared * b for a, b in zip(both, common, strict=True)]


def _heavy(chance: random.Random) -> float:
    """Student's t with five degrees of freedom, of one standard deviation."""
    return chance.gauss(0, 1) / math.sqrt(chance.gammavariate(2.5, 2) / 5) / math.sqrt(5 / 3)


def _slow(draw: Draw, name: str) -> list[float]:
    """What a thermometer does anyway; the others hardly."""
    chance = draw.random
    if name == "temperature":
        trend = chance.uniform(-0.02, 0.02)
        return [a + trend * n for n, a in enumerate(draw.walk(chance.uniform(0.02, 0.2)))]
    if name == "thermocouple":
        start = chance.uniform(-100, 100)
        return [start * math.exp(-n / 600) for n in range(draw.rows)]
    return draw.walk(_some(chance, 0, 0.015, 0.4))
