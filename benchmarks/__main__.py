"""`make bench`: everything in one run, on the shipped configuration, with the store's contents checked.

cpu      the whole daemon over a bare aiomqtt receive loop: flat out, and paced at 1 000 msg/s
orders   from the publisher's time in the message to the order in the ticketing service
memory   RSS with 2 000 points and 500 rules
backtest readings a second of `rules backtest` on one core, with ten rules for each lift
modbus   a block of 125 registers over a bare pymodbus loop, at 1 000 points of 10 units a second; a dead unit's cost
rules    cost of a reading by the number of points and by the span of a window, without broker, decoding and disk

When named:
public   what `rules suggest` finds in public measurements (--data), and at what cost
loop     the same in made-up runs of a water loop, and how it keeps to its budget
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.backtest import backtest
from benchmarks.memory import resident
from benchmarks.modbus import modbus
from benchmarks.ordering import time_to_order
from benchmarks.pipeline import whole_pipeline
from benchmarks.public import BUDGET, CURVE, MissingDataError, made, public
from benchmarks.receiving import bare_loop
from benchmarks.report import Pair, Results
from benchmarks.rules import SIZES, stepped, windowed
from benchmarks.work import FIELDS, Work

PARTS = ("cpu", "orders", "memory", "backtest", "rules", "modbus")
#: Parts that `make bench` leaves out: they measure what rules find, not what the machine can do.
WHEN_NAMED = ("public", "loop")
DATA = Path(__file__).parents[2] / "shared" / "data"


async def run(chosen: argparse.Namespace) -> Results:
    """Measure what was chosen, one thing after the other: they share the cores."""
    results = Results(_machine())
    scale = 100 if chosen.quick else 1
    if "cpu" in chosen.parts:
        for name, work in _works(chosen.shape, scale).items():
            results.pairs[name] = []
            for n in range(1 if chosen.quick else chosen.pairs):
                _say(f"{name}, pair {n + 1}: {work.messages} messages through the bare loop, then through the daemon")
                results.pairs[name].append(Pair(await bare_loop(work), await whole_pipeline(work)))
    if "orders" in chosen.parts:
        _say("from publishing to ordering")
        results.ordered = await time_to_order(250 // (25 if chosen.quick else 1), rate=1_000)
    if "memory" in chosen.parts:
        _say("memory")
        points, rules = (200, 50) if chosen.quick else (2_000, 500)
        results.held = await resident(points, rules, Work(60_000 // scale, 1_000, shape="status"))
    if "modbus" in chosen.parts:
        _say("reading 10 units over Modbus")
        results.bus = await modbus(10, 2 if chosen.quick else 20, 1 if chosen.quick else chosen.pairs)
    for n in range(1 if chosen.quick else chosen.pairs):
        _repeated(results, chosen.parts, n + 1, scale)
    if "public" in chosen.parts:
        _say(f"public measurements in {chosen.data}")
        results.found = public(chosen.data, (BUDGET,) if chosen.quick else CURVE)
    if "loop" in chosen.parts:
        _say("made-up runs of a water loop")
        results.made = made(60 if scale == 1 else 2, 200 if scale == 1 else 5)
    return results


def _repeated(results: Results, parts: Sequence[str], run: int, scale: int) -> None:
    """What is done in one process, so many times."""
    if "backtest" in parts:
        _say(f"a history through the rules, run {run}")
        results.played.append(backtest(10_000 // scale))
    if "rules" in parts:
        _say(f"readings through the rules, run {run}")
        results.stepped += [stepped(size, 200_000 // scale) for size in SIZES]
        results.windowed = list(windowed(20_000 // scale))


def _works(shape: str, scale: int) -> dict[str, Work]:
    warm_up = 2_000 // scale
    return {
        "flat out": Work(60_000 // scale, warm_up=warm_up, shape=shape),
        "paced at 1 000 msg/s": Work(20_000 // scale, 1_000, warm_up=warm_up, shape=shape),
    }


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    return f"Python {platform.python_version()}, Linux {platform.release()}, {cores} cores, load before {load}"


def _say(what: str) -> None:
    print(f"… {what}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    known = (*PARTS, *WHEN_NAMED)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(known)}; default: {', '.join(PARTS)}")
    parser.add_argument("--data", type=Path, default=DATA, help="for `public`: the directory of skab/ and nab/")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work: shows that it runs, no figures")
    parser.add_argument("--pairs", type=int, default=3, help="bare loop and daemon in turn, so many times")
    parser.add_argument("--shape", choices=list(FIELDS), default="nine", help="fields of a message for `cpu`")
    chosen = parser.parse_args(arguments)
    chosen.parts = chosen.parts or list(PARTS)
    if unknown := set(chosen.parts) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    try:
        results = asyncio.run(run(chosen))
    except MissingDataError as missing:
        print(missing, file=sys.stderr)
        return 2
    print(json.dumps(results.as_json(), indent=2) if chosen.json else results.as_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
