"""From the publisher to the ticketing service: how long until an order is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from benchmarks.gateway import Gateway, gateway
from benchmarks.processes import load
from benchmarks.work import Work

_LOOK_EVERY = 0.5
_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Ordered:
    """Milliseconds between the time in the message and the service's record of the order."""

    orders: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    messages_per_second: float
    values_stored: int


async def time_to_order(orders: int, rate: float) -> Ordered:
    """Open the safety chain of one lift after the other under a load; a rule without hold makes an order of each.

    Publisher, daemon and service read the same clock.
    """
    # each lift opens once: twenty messages of the site apart, while all the others go on
    work = Work(messages=orders * 20 + 500, rate=rate, lifts=orders, warm_up=2 * orders)
    first = work.warm_up + 1
    opened = [(f"L{n}", first + 20 * n) for n in range(1, orders + 1)]
    async with gateway(work.lifts, chain_at_once=True) as running:
        broker = running.broker
        await load(broker, *work.arguments(1, work.warm_up), within=work.within)
        await running.stored(work, work.warm_up)
        sent = await load(broker, *work.arguments(first, work.messages, opened), within=work.within)
        records = await _all_ordered(running, orders)
        tally = await running.stored(work, work.warm_up + work.messages)
    waits = sorted(_milliseconds(record) for record in records)
    return Ordered(
        len(waits),
        _percentile(waits, 50),
        _percentile(waits, 99),
        waits[-1],
        sent["sent"] / sent["seconds"],
        tally["field_values_distinct"],
    )


async def _all_ordered(running: Gateway, wanted: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(_WITHIN):
        while True:
            records = [r for r in await running.orders() if r["rule"] == "bench.chain_at_once"]
            if len(records) >= wanted:
                break
            await asyncio.sleep(_LOOK_EVERY)
    if len({record["asset"] for record in records}) != wanted or len(records) != wanted:
        raise RuntimeError(f"{wanted} orders for as many lifts were expected, {len(records)} are there")
    return records


def _milliseconds(record: dict[str, Any]) -> float:
    """`active_at` is the message's own time, for the rule has no hold; nobody has touched the order since it came."""
    sent, received = (datetime.fromisoformat(record[name]) for name in ("active_at", "changed_at"))
    return (received - sent).total_seconds() * 1000


def _percentile(ordered: list[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    return ordered[ceil(len(ordered) * percent / 100) - 1]
