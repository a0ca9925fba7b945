from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from tests.modbus_bus import Heard, bind, bus_of, one, running, until
from tests.modbus_server import serving

HOLDING = 3
INTERVAL = timedelta(milliseconds=100)


def kept(moments: list[datetime]) -> float:
    """What part of the slots between the first and the last poll was polled in."""
    slots = (moments[-1] - moments[0]) / INTERVAL
    return (len(moments) - 1) / slots


async def test_one_dead_unit_among_four_leaves_the_others_their_polls() -> None:
    """With time-outs as long as the interval, the three that answer keep at least 95 of 100 polls from the start."""
    async with serving() as server:
        for unit in (2, 3, 4):
            server.words(unit, HOLDING, 0, unit)
        server.silent.add(1)
        heard = Heard()
        units = [bind(unit, one(), interval="100ms") for unit in (1, 2, 3, 4)]
        async with running(bus_of(server, *units, timeout="100ms"), heard):
            await until(lambda: all(len(heard.of(f"d{unit}")) >= 60 for unit in (2, 3, 4)), seconds=60)

    assert [request.unit for request in server.requests].count(1) >= 3
    assert all(kept([observation.at for observation in heard.of(f"d{unit}")]) >= 0.95 for unit in (2, 3, 4))


async def test_many_dead_units_share_one_budget() -> None:
    """Five dead units are asked no more often together than one: about 19 time-outs' worth of polls lie between."""
    async with serving() as server:
        server.words(9, HOLDING, 0, 9)
        dead = range(1, 6)
        server.silent.update(dead)
        heard = Heard()
        units = [bind(unit, one()) for unit in (*dead, 9)]
        async with running(bus_of(server, *units, timeout="50ms", most_failures=1, longest_wait="1s"), heard):
            await until(lambda: len({request.unit for request in server.requests}) == 6)
            begun = len(server.requests)
            await until(lambda: sum(r.unit in dead for r in server.requests[begun:]) >= 6, seconds=60)

    asked = [request.unit for request in server.requests[begun:]]
    tries = [place for place, unit in enumerate(asked) if unit in dead]
    assert all(after - before > 10 for before, after in pairwise(tries[1:]))
    assert {asked[place] for place in tries} == set(dead)


async def test_a_bus_of_dead_units_only_is_asked_as_ever() -> None:
    """Where nobody answers, nobody is starved: all are asked at their own intervals, and the first back is heard."""
    async with serving() as server:
        units = range(1, 6)
        server.silent.update(units)
        heard = Heard()
        bindings = [bind(unit, one()) for unit in units]
        async with running(bus_of(server, *bindings, timeout="50ms", most_failures=1, longest_wait="1s"), heard):
            await until(lambda: len(server.requests) >= 10)
            for unit in units:
                server.words(unit, HOLDING, 0, unit)
            server.silent.clear()
            await until(lambda: all(heard.of(f"d{unit}") for unit in units))

    assert heard.values("d5")[0] == {"value": 5.0}
