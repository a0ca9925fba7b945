"""CPU of a block of 125 registers in our source over the library's client in a loop; what a dead unit costs others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.modbus_subjects import POINTS
from benchmarks.processes import running

_READY_WITHIN = 30.0
_INTERVAL_MS = 1000


@dataclass(frozen=True, slots=True)
class Polled:
    """A bare loop and our source, one directly after the other, at the same units at the same pace."""

    bare_us: float
    ours_us: float
    blocks: int
    points: int

    @property
    def ratio(self) -> float:
        """CPU of a block in our source over the same in the loop."""
        return self.ours_us / self.bare_us


@dataclass(slots=True)
class Bus:
    """What was measured of Modbus."""

    units: int
    pairs: list[Polled] = field(default_factory=list)
    #: Of the units beside a dead one, the least share of its polls that one has kept.
    kept: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return {
            "units": self.units,
            "ratio": median(pair.ratio for pair in self.pairs),
            "pairs": [{**asdict(pair), "ratio": pair.ratio} for pair in self.pairs],
            "kept_beside_a_dead_unit": self.kept,
        }

    def as_text(self) -> str:
        """Lines for people."""
        rows = [
            f"modbus {n}: {pair.bare_us:.0f} us a block of 125 registers in a bare pymodbus loop, {pair.ours_us:.0f} "
            f"us in our source ({self.units * POINTS} points of {self.units} units at 1 s, {pair.blocks} blocks): "
            f"{pair.ratio:.2f}"
            for n, pair in enumerate(self.pairs, 1)
        ]
        low, high = (end(pair.ratio for pair in self.pairs) for end in (min, max))
        middle = median(pair.ratio for pair in self.pairs)
        rows.append(f"modbus: ratio {middle:.2f} (median; {low:.2f} to {high:.2f})")
        rows.append(f"modbus: one dead unit among four, the others keep at least {self.kept:.1%} of their polls")
        return "\n".join(rows)


async def modbus(units: int, seconds: float, pairs: int) -> Bus:
    """Read so many units once a second, in turn by the loop and by our source; then four, of which one is dead."""
    found = Bus(units)
    for _ in range(pairs):
        bare = await _measured("bare", units, 0, seconds, warm_up=2.0)
        ours = await _measured("ours", units, 0, seconds, warm_up=2.0)
        found.pairs.append(Polled(bare["cpu_us"], ours["cpu_us"], ours["blocks"], ours["points"]))
    # From the first second on: that the unit is dead has to be found out, a time-out of 1 s at a time.
    polls = (await _measured("ours", 4, 2, 3 * seconds, warm_up=0.0))["by_unit"]
    found.kept = min(_share(polls.get(unit, 0), 3 * seconds) for unit in ("1", "3", "4"))
    return found


def _share(polls: int, seconds: float) -> float:
    return min(1.0, polls * _INTERVAL_MS / 1000 / seconds)


async def _measured(subject: str, units: int, dead: int, seconds: float, *, warm_up: float) -> dict[str, Any]:
    numbers: Sequence[object] = (units, _INTERVAL_MS, seconds, warm_up)
    async with running(sys.executable, "-m", "benchmarks.modbus_units", str(units), str(dead)) as others:
        port = (await others.line(_READY_WITHIN))["port"]
        command = (sys.executable, "-m", "benchmarks.modbus_subjects", subject, *map(str, (port, *numbers)))
        async with running(*command) as child:
            return await child.line(_READY_WITHIN + seconds + warm_up)
