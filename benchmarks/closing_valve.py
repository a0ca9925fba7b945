"""Made-up runs of the water loop in which a valve closes: many small shifts at once, slow, and not wholly undone.

The same eight channels as in `water_loop`, with noise in common where water or current are. The valve closes within 5 s
to 3 min. That shifts five or six channels by 0.1 to 3 standard deviations of their single readings. After two thirds of
the fault it may be opened part of the way. It opens within a minute, up to the end of the fault; the flow may keep up
to six tenths of its shift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.water_loop import CHANNELS, ROWS, Draw, LoopRun, on_grid, summed

#: Seeds are those of other draws than the ones of `make_run`.
_APART = 500_000


def make_valve_run(seed: int, rows: int = ROWS) -> LoopRun:
    """The run of this seed."""
    draw = Draw(seed + _APART, rows)
    chance = draw.random
    begin = chance.randint(480, 650)
    closing, opening = chance.choice((5, 30, 90, 180)), chance.choice((5, 20, 60))
    end = min(begin + chance.randint(250, 420), rows - 60)
    severity, later = chance.choice((0.7, 1.0, 1.5, 2.5)), chance.choice((1.0, 0.7, 0.5))
    left = chance.choice((0, 0, 0.3, 0.6))
    eased = begin + (end - begin) * 2 // 3
    back = end - opening

    def closed(n: int, remains: float) -> float:
        if n >= back:
            return later + (min(remains, later) - later) * min(1.0, (n - back + 1) / opening)
        share = max(0.0, min(1.0, (n - begin + 1) / closing))
        return min(share, later) if n >= eased else share

    undone, kept = ([closed(n, remains) for n in range(rows)] for remains in (0.0, left))
    water, mains = draw.remembering(1, 0.8), draw.remembering(1, 0.9)

    def shift(
        share: float, odds: float = 0.85, *, falls: bool = False, course: Sequence[float] = undone
    ) -> list[float]:
        size = severity * share * chance.uniform(0.2, 1.0)
        sign = -1 if falls else chance.choice((-1, 1))
        return _times(size * sign * (chance.random() < odds), course)

    values: dict[str, list[float]] = {}
    for name in CHANNELS[:2]:
        s = chance.uniform(0.0003, 0.002)
        level = chance.uniform(0.02, 0.2)
        wander = draw.white(s), draw.remembering(s * chance.uniform(0, 0.3), 0.98)
        values[name] = summed(level, *wander, _times(s * chance.uniform(0, 0.2), water), shift(s))
    s = chance.uniform(0.05, 0.3)
    values["current"] = summed(1.3, draw.white(s), _times(s * chance.uniform(0, 0.4), mains), shift(0.7 * s))
    s, step = chance.uniform(0.1, 0.3), chance.choice((0.01, 0.05, 0.33))
    pressure = draw.white(s), _times(s * chance.uniform(0, 0.4), water), shift(s, falls=True)
    values["pressure"] = on_grid(summed(0.2, *pressure), step)
    trend = chance.uniform(0.0018, 0.0022)
    walk = draw.walk(chance.uniform(0.005, 0.1))
    values["temperature"] = summed(70, draw.white(0.1), walk, [trend * n for n in range(rows)])
    start = chance.uniform(-3, 3)
    values["thermocouple"] = summed(25, draw.white(0.01), [start * math.exp(-n / 600) for n in range(rows)])
    s = chance.uniform(3, 12)
    values["voltage"] = summed(230, draw.white(s), _times(-s * chance.uniform(0, 0.4), mains), shift(0.5 * s, 0.4))
    s = chance.uniform(0.2, 0.6)
    flow = draw.white(s), _times(s * chance.uniform(0, 0.4), water), draw.walk(chance.uniform(0, 0.01))
    values["flow"] = on_grid(summed(32, *flow, shift(1.3 * s, 1, falls=True, course=kept)), 1.0)
    return LoopRun(values, (begin, end))


def _times(size: float, course: Sequence[float]) -> list[float]:
    return [size * value for value in course]
