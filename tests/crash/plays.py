"""The scenarios: what happens on the site, hour by hour. What must come of each stands in `timelines/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.crash.stage import Stage


@dataclass(frozen=True, slots=True)
class Play:
    """One scenario."""

    name: str
    title: str
    perform: Callable[[Stage], Awaitable[None]]


PLAYS: dict[str, Play] = {}


def _play(perform: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    name = perform.__name__.replace("_", "-")
    PLAYS[name] = Play(name, (perform.__doc__ or "").strip(), perform)
    return perform


@_play
async def accepted_in_time(stage: Stage) -> None:
    """Accepted, arrived, done within what was promised; it stays clear, and the sensor verifies it."""
    await stage.open()
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    await stage.pass_to("0:08")
    await stage.act("L1", "chain", "accept")
    await stage.pass_to("0:16")  # when it would have been overdue
    await stage.pass_to("0:30")
    await stage.act("L1", "chain", "arrive")
    await stage.pass_to("0:40")
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:45")
    await stage.act("L1", "chain", "finish")
    await stage.pass_to("1:00")


@_play
async def nobody_answers(stage: Stage) -> None:
    """Nobody takes it: warned, overdue, headquarters told, then told again; each step once."""
    await stage.open()
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    for clock in ("0:11", "0:16", "0:31", "1:00"):
        await stage.pass_to(clock)


@_play
async def done_and_still_low(stage: Stage) -> None:
    """Called done while the pressure is still low: reopened a level up, done again, verified."""
    await stage.open()
    await stage.say("Z1", pressure=0.30)
    await stage.pass_to("0:01")
    await stage.say("Z1", pressure=0.05)
    await stage.pass_to("0:30")
    await stage.act("Z1", "low", "accept")
    await stage.pass_to("1:00")
    await stage.act("Z1", "low", "finish")
    await stage.pass_to("1:10")  # ten minutes are given
    await stage.pass_to("1:20")
    await stage.act("Z1", "low", "accept", "wang")
    await stage.pass_to("1:30")
    await stage.say("Z1", pressure=0.30)
    await stage.act("Z1", "low", "finish", "wang")
    await stage.pass_to("1:45")
