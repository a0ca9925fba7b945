"""`python -m tests.crash --kills N`, the load; `python -m tests.crash scenarios`, every scenario at every moment.

Exit status 0 only when nothing was lost, nothing happened twice and nothing came out otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.crash.child import MUTATIONS
from tests.crash.faults import FAULTS
from tests.crash.matrix import POINTS, Matrix
from tests.crash.plays import PLAYS
from tests.crash.run import Plan, perform


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _scenarios(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash scenarios", description="kill at every moment")
    parser.add_argument("--only", action="append", choices=sorted(PLAYS), help="a scenario; may be repeated")
    parser.add_argument("--point", action="append", choices=POINTS, help="a moment; may be repeated")
    parser.add_argument("--passages", type=int, default=3, help="kills at one moment of one scenario, at most")
    parser.add_argument("--fault", choices=sorted(FAULTS), default="none", help="a fault to build in")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    chosen = parser.parse_args(arguments)
    points = tuple(chosen.point or POINTS)
    matrix = Matrix(
        tuple(chosen.only or PLAYS), points, chosen.passages, fault=chosen.fault, jobs=chosen.jobs, report=_say
    )
    result = asyncio.run(matrix.run())
    print(result.table(points))  # noqa: T201
    return 0 if result.is_as_promised else 1


def _load() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="kill the daemon under load, and count")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rate", type=float, default=150.0, help="messages a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), default="none", help="a fault to build in")
    parser.add_argument("--broker", choices=("mosquitto", "iotcore"), default="", help="default: what is installed")
    parser.add_argument("--directory", type=Path, help="where to work, new or empty; default: a temporary one")
    chosen = parser.parse_args()
    plan = Plan(chosen.kills, rate=chosen.rate, seed=chosen.seed, mutation=chosen.mutation, broker=chosen.broker)
    with tempfile.TemporaryDirectory(prefix="crash-") as temporary:
        directory = chosen.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        result = perform(plan, directory, _say)
    print(f"publisher: {result.publisher}\n{result}")  # noqa: T201
    return 0 if result.is_as_promised else 1


if __name__ == "__main__":
    sys.exit(_scenarios(sys.argv[2:]) if sys.argv[1:2] == ["scenarios"] else _load())
