"""How long the writer is busy while a thousand alarms come in ten seconds: `python -m tests.crash.storm`.

Counted from the scenario's own trace: from `before_process` to `after_commit` the writer takes nothing else.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path

from tests.crash.kept import Plan
from tests.crash.plays import PLAYS
from tests.crash.stage import START, Stage, seconds

_FROM, _TO = START + seconds("0:01:00"), START + seconds("0:01:09")


def commits(trace: list[str]) -> tuple[list[float], float]:
    """Seconds of each commit between the first and the last second of the storm, and of all of that together."""
    found: list[float] = []
    began = ended = opened = 0
    at = 0
    for name, ns in (line.split() for line in trace):
        if name.startswith("at="):
            at = int(name.removeprefix("at="))
            began = began or (int(ns) if at == _FROM else 0)
        elif name == "before_process":
            opened = int(ns)
        elif name == "after_commit" and _FROM <= at <= _TO:
            found.append((int(ns) - opened) / 1e9)
            ended = int(ns)
    return found, (ended - began) / 1e9


async def _measure() -> str:
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        async with Stage(Path(folder), Plan()) as stage:
            await PLAYS["thousand-alarms"].perform(stage)
            await stage.gateways[0].stop()
            found, whole = commits(stage.gateways[0].trace.read_text().splitlines())
    middle, longest = statistics.median(found), max(found)
    return (
        f"commits={len(found)} busy={sum(found) / whole:.0%} of {whole:.1f} s "
        f"longest={longest / middle:.1f} x the median commit ({1e3 * longest:.0f} ms, {1e3 * middle:.0f} ms)"
    )


if __name__ == "__main__":
    print(asyncio.run(_measure()))  # noqa: T201
