"""The results as a table, and as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, NamedTuple

from benchmarks.backtest import Played
from benchmarks.memory import Held
from benchmarks.modbus import Bus
from benchmarks.ordering import Ordered
from benchmarks.pipeline import Processed
from benchmarks.public import Scores
from benchmarks.receiving import Received
from benchmarks.rules import SPANS, Stepped, Windowed
from benchmarks.water_loop import Made


class Pair(NamedTuple):
    """The two subjects, one directly after the other."""

    bare: Received
    whole: Processed

    @property
    def ratio(self) -> float:
        """The daemon's CPU for a message over the bare loop's."""
        return self.whole.cpu_us / self.bare.cpu_us


@dataclass(slots=True)
class Results:
    """Everything that was measured."""

    machine: str
    #: By name of the run, such as `flat out`.
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    ordered: Ordered | None = None
    held: Held | None = None
    played: list[Played] = field(default_factory=list)
    #: What suggested rules find in public measurements, and in made-up ones.
    found: Scores | None = None
    made: Made | None = None
    stepped: list[Stepped] = field(default_factory=list)
    windowed: list[Windowed] = field(default_factory=list)
    bus: Bus | None = None

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return {
            "machine": self.machine,
            "cpu": {
                name: {
                    "ratio": dict(zip(("median", "min", "max"), _spread(pairs), strict=True)),
                    "pairs": [{"bare": asdict(p.bare), "whole": asdict(p.whole), "ratio": p.ratio} for p in pairs],
                }
                for name, pairs in self.pairs.items()
            },
            "orders": asdict(self.ordered) if self.ordered else None,
            "memory": asdict(self.held) if self.held else None,
            "backtest": [{**asdict(p), "readings_per_second": p.readings_per_second} for p in self.played],
            "public": self.found.as_json() if self.found else None,
            "loop": self.made.as_json() if self.made else None,
            "rules": [asdict(one) for one in self.stepped],
            "windows": [asdict(one) for one in self.windowed],
            "modbus": self.bus.as_json() if self.bus else None,
        }

    def as_text(self) -> str:
        """A table for people."""
        scores = [part.as_text() for part in (self.found, self.made) if part is not None]
        if scores and not (self.pairs or self.ordered or self.held or self.played or self.stepped or self.bus):
            return "\n\n".join(scores)
        rows = [self.machine, ""] + ([_HEAD, "-" * len(_HEAD)] if self.pairs else [])
        for name, pairs in self.pairs.items():
            rows += [_row(name, n, pair) for n, pair in enumerate(pairs, 1)]
            middle, low, high = _spread(pairs)
            rows += [f"{name}: ratio {middle:.2f} (median; {low:.2f} to {high:.2f})", ""]
        if self.ordered:
            o = self.ordered
            rows.append(
                f"publish to order POST at {o.messages_per_second:.0f} msg/s, rule without hold: "
                f"p50 {o.p50_ms:.0f} ms, p99 {o.p99_ms:.0f} ms, longest {o.longest_ms:.0f} ms ({o.orders} orders)"
            )
        if self.held:
            h = self.held
            rows.append(
                f"RSS with {h.points} points and {h.rules} rules after {h.messages} messages: {h.rss_mb:.0f} MB "
                f"(peak {h.peak_mb:.0f} MB)"
            )
        rows += [
            f"backtest {n}: {p.readings_per_second:.0f} readings/s on one core ({p.readings} readings from CSV, "
            f"{p.rules_each} rules for each lift, {p.alarms} alarms; {p.cpu_s:.1f} s CPU of which {p.start_s:.1f} s to "
            f"start; peak {p.peak_mb:.0f} MB)"
            for n, p in enumerate(self.played, 1)
        ]
        rows += [
            f"{one.points:>6} points, {one.rules:>6} rules: {one.engine_us:.2f} us a reading in the engine, "
            f"{one.pipeline_us:.2f} us with journal and ledger, {one.evaluations:,.0f} rule evaluations/s"
            for one in self.stepped
        ]
        rows += _windows(self.windowed)
        if self.bus:
            rows.append(self.bus.as_text())
        if self.pairs:
            rows.append("after every run the store held exactly the values that were sent")
        return "\n\n".join(["\n".join(rows), *scores])


def _windows(windowed: Sequence[Windowed]) -> list[str]:
    if not windowed:
        return []
    rows = [f"{'us a reading':<14}" + "".join(f"{span:>16}" for span in SPANS)]
    for statistic in dict.fromkeys(one.statistic for one in windowed):
        cells = [f"{one.us:.2f} ({one.kept})" for one in windowed if one.statistic == statistic]
        rows.append(f"{statistic:<14}" + "".join(f"{cell:>16}" for cell in cells))
    return rows


_HEAD = (
    f"{'run':<22}{'bare us':>8}{'whole us':>9}{'ratio':>7}{'busy b/w':>11}"
    f"{'msg/s b/w':>14}{'msg/commit':>11}{'B/msg':>7}{'stored':>9}"
)


def _row(name: str, n: int, pair: Pair) -> str:
    bare, whole = pair
    return (
        f"{f'{name} {n}':<22}{bare.cpu_us:>8.0f}{whole.cpu_us:>9.0f}{pair.ratio:>7.2f}"
        f"{f'{bare.busy:.2f}/{whole.busy:.2f}':>11}"
        f"{f'{bare.messages_per_second:.0f}/{whole.messages_per_second:.0f}':>14}"
        f"{whole.messages_per_commit:>11.0f}{whole.written:>7.0f}{whole.values_stored:>9}"
    )


def _spread(pairs: Sequence[Pair]) -> tuple[float, float, float]:
    ratios = [pair.ratio for pair in pairs]
    return median(ratios), min(ratios), max(ratios)
