"""The outside world of a scenario, and its time: nothing goes on before everything that follows has happened.

boxes ── MQTT ──> gateway ── proxy ──> ticketing stand-in <── persons
                     └── robots of the crew, the office, the lobby
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiomqtt

from daemon.model import from_ms
from simulators import broker, erp, influx, ticketing
from simulators.proxy import FaultProxy
from simulators.robots import Robots
from simulators.ticketing.store import Said
from tests.crash.house import House, Wires
from tests.crash.kept import PATIENCE, Kept, Plan

#: A Monday, nine in the morning on the site.
START = int(datetime(2026, 3, 2, 1, tzinfo=UTC).timestamp())
_LOOK_EVERY = 0.01
_AT_ONCE = 20


class StuckError(Exception):
    """What was to happen has not happened."""


def seconds(clock: str) -> int:
    """`1d 2:03` or `2:03:04` in seconds: days, hours, minutes, seconds since the scenario began."""
    days, _, rest = clock.rpartition("d ")
    hours, minutes, *more = map(int, rest.split(":"))
    return int(days or 0) * 86_400 + hours * 3600 + minutes * 60 + sum(more)


class Stage:
    """Use as `async with Stage(folder, plan) as stage`; `plan` is for the first gateway that is opened."""

    def __init__(self, folder: Path, plan: Plan | None = None) -> None:
        self.folder = folder
        self.plan = plan or Plan()
        self.time = START
        self.gateways: list[Kept] = []
        self._held = contextlib.AsyncExitStack()
        self._numbers: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        """Bring the peers up; the broker is the one that is installed."""
        enter = self._held.enter_async_context
        self.broker = await enter(broker.serving(directory=self.folder / "broker"))
        self.influx = await enter(influx.serving())
        self.ticketing = await enter(ticketing.serving(now=self.now))
        self.erp = await enter(erp.serving())
        self._client = await enter(aiomqtt.Client("127.0.0.1", self.broker.port))
        self._client.pending_calls_threshold = 10 * _AT_ONCE
        return self

    async def __aexit__(self, *_: object) -> None:
        for kept in self.gateways:
            kept.end()
        await self._held.aclose()

    def now(self) -> datetime:
        """The scenario's time."""
        return from_ms(self.time * 1000)

    # --- gateways ----------------------------------------------------------------------------------------

    async def open(self, house: House | None = None, *, name: str = "gateway") -> Kept:
        """Start a gateway, and wait until it hears."""
        enter = self._held.enter_async_context
        robots = await enter(Robots(per_minute=1 << 30))
        proxy = await enter(FaultProxy(self.erp.port if house and house.ticketing else self.ticketing.port))
        plan = Plan(fault=self.plan.fault) if self.gateways else self.plan
        kept = Kept(name, self.folder / name, house or House(), plan, robots, proxy, self.ticketing.store, at=self.time)
        wires = Wires(self.broker.v5_port, self.influx.port, proxy.port, robots.port)
        kept.house.write(kept.folder, wires, robots.key)
        kept.start()
        self.gateways.append(kept)
        await self.settle()
        return kept

    async def finish(self) -> None:
        """Half a minute later, with every chart where it belongs: an orderly end."""
        self.time += 30
        for kept in self.gateways:
            kept.pass_to(self.time)
        await self.settle()
        for kept in self.gateways:
            await self.until(lambda kept=kept: not kept.undrawn(), lambda: "charts")  # type: ignore[misc]
        for kept in self.gateways:
            await kept.stop()

    async def settle(self) -> None:
        """Wait until everything that was to happen by now has happened.

        Raises:
            StuckError: something has not.
        """
        for kept in self.gateways:
            await self.until(lambda kept=kept: not kept.unsettled(), lambda kept=kept: kept.unsettled())  # type: ignore[misc]

    async def until(self, condition: Callable[[], object], why: Callable[[], str] = lambda: "a condition") -> None:
        """Wait for a condition.

        Raises:
            StuckError: it did not come.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    await asyncio.sleep(_LOOK_EVERY)
        except TimeoutError:
            raise StuckError(f"{self.clock()}: waited for {why()}") from None

    # --- time --------------------------------------------------------------------------------------------

    async def pass_to(self, clock: str, *, mended: Kept | None = None) -> None:
        """Let time pass, to `clock` since the beginning (see `seconds`), ten seconds or more: then a Tick comes.

        Whatever the peers of `mended` had not taken they take from then on.
        """
        await self.step(clock)
        if mended is not None:
            mended.reachable = mended.heeded = True
        await self.settle()

    async def step(self, clock: str) -> None:
        """Likewise, any step, and nobody waits for what follows."""
        await self.settle()
        self.time = START + seconds(clock)
        for kept in self.gateways:
            kept.pass_to(self.time)
        for kept in self.gateways:
            await self.until(kept.knows_the_time, lambda: "a process that knows the time")

    def clock(self) -> str:
        """The time since the beginning."""
        return written(self.now())

    # --- the site ----------------------------------------------------------------------------------------

    async def say(self, box: str, **points: object) -> None:
        """A box says something to whoever hears it."""
        await self._tell(box, points)
        await self.settle()

    async def say_all(self, boxes: Sequence[str], **points: object) -> None:
        """Many boxes say the same, as fast as they can, in that order."""
        for few in batched(boxes, _AT_ONCE):
            await asyncio.gather(*(self._tell(box, points) for box in few))
        await self.settle()

    async def _tell(self, box: str, points: Mapping[str, object]) -> None:
        number = self._numbers[box] = self._numbers.get(box, 0) + 1
        await self._client.publish(f"house/{box}", json.dumps({"n": number, **points}), qos=1)
        for kept in self.gateways:
            if box in kept.house.assets:
                kept.said(box, number)

    # --- the ticketing service ---------------------------------------------------------------------------

    def ticket(self, asset: str, rule: str, of: Kept | None = None) -> dict[str, Any]:
        """The newest ticket about that, opened by a gateway if one is given."""
        ledger = of.ledger() if of is not None else ""
        return next(
            record
            for record in self.ticketing.store.find()
            if (record["asset"], record["rule"]) == (asset, rule) and ledger in record["key"]
        )

    async def act(self, asset: str, rule: str, action: str, by: str = "li", *, of: Kept | None = None) -> None:
        """A person moves the newest ticket about that."""
        self.ticketing.store.act(self.ticket(asset, rule, of)["id"], action, by, "")
        await self.settle()

    async def note(self, asset: str, rule: str, stamp: str, by: str = "li") -> None:
        """A person writes on the ticket that something was done."""
        self.ticketing.store.say(self.ticket(asset, rule)["id"], Said(by, "", stamp))
        await self.settle()

    async def cut_off(self, kept: Kept) -> None:
        """The gateway no longer reaches the ticketing service."""
        kept.reachable = False
        await kept.proxy.refuse()


def batched(boxes: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Slices of at most so many."""
    return (boxes[n : n + most] for n in range(0, len(boxes), most))


def written(at: datetime) -> str:
    """A moment as `1d 2:03:04` since the beginning."""
    total = int(at.timestamp()) - START
    days, rest = divmod(total, 86_400)
    return f"{f'{days}d ' if days else ''}{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
