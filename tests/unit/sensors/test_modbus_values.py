from __future__ import annotations

from typing import Any

import pytest

from daemon.model import Quality, Reason
from tests.modbus_bus import Heard, bind, bus_of, running, until
from tests.modbus_server import serving

HOLDING = 3


async def test_coils_and_discrete_inputs_are_read_by_their_own_functions() -> None:
    """Function codes 1 and 2 answer bits: ten of them take two bytes, and each is a 0 or 1 of its own."""
    points: dict[str, Any] = {f"c{n}": {"register": {"table": "coil", "address": n}} for n in range(10)}
    points["wet"] = {"kind": "state", "register": {"table": "discrete", "address": 7, "map": {0: "dry", 1: "wet"}}}
    async with serving() as server:
        server.words(1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1)
        server.words(1, 2, 7, 1)
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: heard.observations)

    values = heard.values("d1")[0]
    assert [values[f"c{n}"] for n in range(10)] == [1, 0, 1, 1, 0, 0, 0, 1, 0, 1]
    assert values["wet"] == "wet"
    assert [(r.function, r.start, r.count) for r in server.requests[:2]] == [(1, 0, 10), (2, 7, 1)]


TRANSMITTER = {
    "pressure": {
        "unit": "MPa",
        "range": [0, 1.6],
        "register": {
            "address": 4,
            "type": "s16",
            "decimals": 3,
            "unit_code": {"address": 2, "map": {3: "bar", 6: "psi"}},
            "sentinels": [0x7FFF],
        },
    },
}


async def test_decimals_and_unit_come_with_the_value() -> None:
    """One request brings all three; a new setting of the device changes the reading in the very same poll."""
    async with serving() as server:
        server.words(1, HOLDING, 2, 3, 2, 425)
        heard = Heard()
        async with running(bus_of(server, bind(1, TRANSMITTER)), heard):
            await until(lambda: heard.observations)
            server.words(1, HOLDING, 2, 6, 0, 145)
            await until(lambda: heard.values("d1")[-1]["pressure"] != 0.425)
            server.words(1, HOLDING, 4, 0x7FFF)
            await until(lambda: heard.observations[-1].readings[0].quality is Quality.BAD)

    values = [values["pressure"] for values in heard.values("d1")]
    assert values[0] == 0.425
    assert pytest.approx(0.99974, rel=1e-5) in values
    assert heard.observations[-1].readings[0].reason is Reason.SENTINEL
    assert {(r.function, r.start, r.count) for r in server.requests} == {(3, 2, 3)}


async def test_a_setting_that_cannot_be_is_rejected_once() -> None:
    """Decimals beyond 9 or a unit nobody knows make no number: one rejection, and readings again once it is right."""
    async with serving() as server:
        server.words(1, HOLDING, 2, 3, 77, 425)
        heard = Heard()
        async with running(bus_of(server, bind(1, TRANSMITTER)), heard):
            await until(lambda: len(heard.observations) >= 1)
            server.words(1, HOLDING, 2, 5, 2)
            await until(lambda: len(heard.observations) >= 2)
            server.words(1, HOLDING, 2, 3)
            await until(lambda: heard.observations[-1].readings)

    rejected = [rejection for observation in heard.observations for rejection in observation.rejections]
    assert [(r.place, r.reason, r.payload) for r in rejected] == [
        ("modbus:bus:1:4", Reason.UNPARSABLE, b"\x00\x4d"),
        ("modbus:bus:1:4", Reason.UNKNOWN_CODE, b"\x00\x05"),
    ]
    assert heard.values("d1")[-1] == {"pressure": 0.425}


async def test_without_its_decimals_there_is_no_value() -> None:
    """Where the device does not have the register of decimals, the value alone says nothing."""
    points = {"pressure": {"register": {"address": 0, "decimals": 40}}, "other": {"register": {"address": 1}}}
    async with serving() as server:
        server.words(1, HOLDING, 0, 425, 7)
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: len(heard.observations) >= 2)

    rejected = [rejection for observation in heard.observations for rejection in observation.rejections]
    assert [r.reason for r in rejected] == [Reason.ILLEGAL_ADDRESS]
    assert "register 40 was refused" in rejected[0].detail
    assert all(values == {"other": 7.0} for values in heard.values("d1"))


async def test_a_string_is_a_label() -> None:
    """A serial number in registers arrives as text; noise in its place is rejected once."""
    points = {"serial": {"kind": "state", "register": {"address": 0, "type": "string", "length": 3}}}
    async with serving() as server:
        server.words(1, HOLDING, 0, 0x4C31, 0x3233, 0)
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: heard.observations)
            server.words(1, HOLDING, 0, 0xFFFF)
            await until(lambda: heard.observations[-1].rejections)
            asked = len(server.requests)
            await until(lambda: len(server.requests) >= asked + 2)

    assert heard.values("d1")[0] == {"serial": "L123"}
    assert [len(observation.rejections) for observation in heard.observations].count(1) == 1
