"""CPU, commits and bytes of the whole daemon for each message."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.gateway import gateway
from benchmarks.processes import Usage, load
from benchmarks.work import Work


@dataclass(frozen=True, slots=True)
class Processed:
    """What one run of the daemon cost, from the wire until the store held every value."""

    #: Microseconds of CPU for each message, all threads.
    cpu_us: float
    messages_per_second: float
    #: Share of one core that was in use.
    busy: float
    messages_per_commit: float
    #: Bytes written to the disk for each message.
    written: float
    #: What the store held at the end, warm-up included: exactly what was sent, or the run fails.
    values_stored: int


async def whole_pipeline(work: Work) -> Processed:
    """Let the daemon take a load from the wire through journal, rules and line protocol into the store."""
    loop = asyncio.get_running_loop()
    async with gateway(work.lifts) as running:
        broker, child = running.broker, running.child
        await load(broker, *work.arguments(1, work.warm_up), within=work.within)
        await running.stored(work, work.warm_up)
        commits = (await running.status())["store"]["commits"]
        before, began = Usage.of(child.pid), loop.time()
        await load(broker, *work.arguments(work.warm_up + 1, work.messages), within=work.within)
        tally = await running.stored(work, work.warm_up + work.messages)
        used, seconds = Usage.of(child.pid).since(before), loop.time() - began
        commits = (await running.status())["store"]["commits"] - commits
    n = work.messages
    return Processed(
        used.cpu / n * 1e6,
        n / seconds,
        used.cpu / seconds,
        n / commits,
        used.written / n,
        tally["field_values_distinct"],
    )
