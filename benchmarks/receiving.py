"""CPU of the bare aiomqtt receive loop for each message."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from benchmarks.processes import Usage, load, running, stand_in
from benchmarks.work import Work

_READY_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Received:
    """What one run of the loop cost."""

    #: Microseconds of CPU for each message.
    cpu_us: float
    messages_per_second: float
    #: Share of one core that was in use: well under 1, it waited for the publisher.
    busy: float


async def bare_loop(work: Work) -> Received:
    """Let the loop receive a load from a broker of its own."""
    loop = asyncio.get_running_loop()
    async with (
        stand_in("broker") as broker,
        running(
            sys.executable, "-m", "benchmarks.bare_loop", *map(str, (broker["port"], work.warm_up, work.messages))
        ) as child,
    ):
        port = broker["port"]
        await child.line(_READY_WITHIN)
        await load(port, *work.arguments(1, work.warm_up), within=work.within)
        await child.line(work.within)
        before, began = Usage.of(child.pid), loop.time()
        await load(port, *work.arguments(work.warm_up + 1, work.messages), within=work.within)
        await child.line(work.within)
        used, seconds = Usage.of(child.pid).since(before), loop.time() - began
    return Received(used.cpu / work.messages * 1e6, work.messages / seconds, used.cpu / seconds)
