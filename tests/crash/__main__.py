"""`python -m tests.crash --kills N`: exit status 0 only when nothing was lost and nothing happened twice."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.crash.child import MUTATIONS
from tests.crash.run import Plan, perform


def _main() -> int:
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
        result = perform(plan, directory, lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201
    print(f"publisher: {result.publisher}\n{result}")  # noqa: T201
    return 0 if result.is_as_promised else 1


if __name__ == "__main__":
    sys.exit(_main())
