from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from typing_extensions import override

from daemon.clock import SiteClock
from daemon.model import SourceDown
from daemon.probe.bus_report import report
from daemon.probe.scan import Scan, Scanner, TableFound, Wanted
from daemon.sensors.modbus import ModbusConfig
from tests.modbus_server import Request, Server, frame, refuse, serving
from tests.register_images import f32
from tests.rtu_server import Line, on_pty, on_tcp, spoilt


async def look(tcp: dict[str, Any] | None = None, serial: str = "", **wanted: Any) -> Scan:  # noqa: ANN401  any option
    config = ModbusConfig.model_validate(
        {"tcp": tcp, "serial": {"port": serial, "baud": 115200} if serial else None, "timeout": "200ms"}
    )
    given = {"units": [1], "tables": ["holding"], "spans": [(0, 40)], "looks": 1, "pause": 0.0, **wanted}
    scanner = Scanner(config, Wanted(**given), SiteClock(), lambda _: None)
    await scanner.run()
    return scanner.scan


async def look_at(server: Server, **wanted: Any) -> Scan:  # noqa: ANN401  any option
    return await look({"host": "127.0.0.1", "port": server.port}, **wanted)


def holding(scan: Scan) -> TableFound:
    return scan.units[0].tables[0]


class Fussy(Server):
    """Gives so many registers at once, only from some addresses on, or hangs up on what it does not have."""

    most = 125
    step = 1
    #: What it does when more is asked: refuse with this code, or be silent (0).
    code = 3
    hang_up = False

    @override
    def _answer(self, request: Request) -> bytes | None:
        if request.count > self.most:
            return frame(request, bytes([request.function | 0x80, self.code])) if self.code else b""
        if request.start % self.step or request.count % self.step:
            return frame(request, bytes([request.function | 0x80, 2]))
        known = self.registers[request.unit, request.function]
        if self.hang_up and any(request.start + n not in known for n in range(request.count)):
            return None
        return super()._answer(request)


@pytest.fixture
async def fussy() -> Any:  # noqa: ANN401  an asynchronous generator
    server = Fussy()
    await server.start()
    yield server
    await server.stop()


async def test_units_that_answer_are_found_and_silent_ones_named() -> None:
    """A refusal is a sign of life; silence, and a gateway that knows of nobody, are none."""
    async with serving() as server:
        server.words(1, 3, 0, 7)
        server.silent.add(2)
        server.script[4].extend([refuse(11)])
        scan = await look_at(server, units=[1, 2, 3, 4])

    assert [unit.number for unit in scan.units] == [1, 3]
    assert scan.silent == [2, 4]
    assert scan.units[1].tables[0].runs == []


async def test_illegal_addresses_are_found_to_the_last_one() -> None:
    """Two islands of registers, and everything between them and after them."""
    async with serving() as server:
        server.words(1, 3, 2, *range(100, 119))
        server.words(1, 3, 30, 5)
        scan = await look_at(server)
    found = holding(scan)

    assert found.runs == [(2, 19), (30, 1)]
    assert set(found.refused) == {0, 1, *range(21, 30), *range(31, 40)}
    assert found.looks[0] == {**{2 + n: 100 + n for n in range(19)}, 30: 5}
    assert found.limit is None
    assert found.largest == 19


@pytest.mark.parametrize("code", [3, 2, 4, 0])
async def test_the_largest_block_is_found(fussy: Fussy, code: int) -> None:
    """A device that gives 16 registers at most, whichever way it says so, and be it by silence."""
    fussy.most, fussy.code = 16, code
    fussy.words(1, 3, 0, *range(1, 41))
    scan = await look_at(fussy)

    assert holding(scan).runs == [(0, 40)]
    assert holding(scan).limit == 16


async def test_registers_given_in_pairs_only_are_found(fussy: Fussy) -> None:
    """A device of 32-bit values that refuses half of one."""
    fussy.step = 2
    fussy.words(1, 3, 0, *f32(0.312), *f32(21.5), *f32(49.98))
    scan = await look_at(fussy)

    assert holding(scan).pairs
    assert holding(scan).runs == [(0, 6)]


async def test_a_device_that_hangs_up_is_asked_again(fussy: Fussy) -> None:
    """It closes the connection on an address that it does not have: so does that address count as illegal."""
    fussy.hang_up = True
    fussy.words(1, 3, 0, 1, 2, 3)
    scan = await look_at(fussy, spans=[(0, 4)])

    assert scan.ended == ""
    assert holding(scan).runs == [(0, 3)]
    assert holding(scan).refused == [3]


async def test_the_number_of_requests_has_an_end() -> None:
    """What was found until then stays."""
    async with serving() as server:
        server.words(1, 3, 0, 1, 2, 3)
        scan = await look_at(server, most_requests=10)

    assert (scan.requests, scan.ended, len(server.requests)) == (10, "enough", 10)
    assert holding(scan).runs == [(0, 3)]


async def test_a_busy_device_is_asked_once_more() -> None:
    """Exception 6 says: later. It is no refusal of the address."""
    async with serving() as server:
        server.words(1, 3, 0, 5)
        server.script[1] = deque([frame, refuse(6)])
        scan = await look_at(server, spans=[(0, 1)])

    assert holding(scan).runs == [(0, 1)]


async def test_a_table_that_the_unit_does_not_know_is_left_at_once() -> None:
    """Exception 1 ends the search in that table with one request."""
    async with serving() as server:
        server.words(1, 3, 0, 5)
        server.script[1] = deque([refuse(1), refuse(1)])
        scan = await look_at(server, tables=["input", "holding"], spans=[(0, 1)])

    assert [(t.table, t.unknown, t.runs) for t in scan.units[0].tables] == [
        ("input", True, []),
        ("holding", False, [(0, 1)]),
    ]


async def test_a_unit_that_falls_silent_is_left_alone() -> None:
    """Three requests in a row without an answer; the unit after it is looked at all the same."""
    async with serving() as server:
        server.words(1, 3, 0, 5)
        server.words(2, 3, 0, 6)
        server.script[1].extend([frame, *[lambda *_: b""] * 9])
        scan = await look_at(server, units=[1, 2], spans=[(0, 4)])

    assert [(unit.number, unit.lost) for unit in scan.units] == [(1, True), (2, False)]
    assert scan.units[1].tables[0].runs == [(0, 1)]


async def test_one_device_behind_every_number_is_told() -> None:
    """Modbus TCP devices often do not look at the unit number."""
    async with serving() as server:
        for unit in (1, 2, 3):
            server.words(unit, 3, 0, 5, 6, 9 if unit == 3 else 7)
        scan = await look_at(server, units=[1, 2, 3], spans=[(0, 3)])

    assert [unit.same_as for unit in scan.units] == [None, 1, None]


async def test_what_changes_is_seen_by_looking_again() -> None:
    """Each look is kept."""
    async with serving() as server:
        server.words(1, 3, 0, 5)
        ticking = iter(range(6, 100))

        def tick(request: Request, _: bytes) -> bytes:
            return frame(request, bytes([3, 2, 0, next(ticking)]))

        server.script[1].extend([tick] * 9)
        scan = await look_at(server, spans=[(0, 1)], looks=3, every=0.0)

    assert [list(found.values()) for found in holding(scan).looks] == [[7], [8], [9]]
    (value,) = report(scan)["units"][0]["tables"][0]["values"]
    assert "it rises" in value["why"]


@pytest.mark.parametrize("by", ["pty", "tcp"])
async def test_an_rtu_line_is_looked_over(by: str) -> None:
    """RS-485 with three units, one of them silent and one with bad frames in between; nothing but reads goes out."""
    line = Line()
    line.words(1, 3, 0, 1, 3, 0, 3, 425)
    line.words(3, 3, 0, *f32(0.312, "CDAB"))
    line.silent.add(2)
    line.script[3].extend([lambda _, honest: honest, spoilt])
    if by == "pty":
        async with on_pty(line) as port:
            scan = await look(serial=port, units=[1, 2, 3], spans=[(0, 8)])
    else:
        async with on_tcp(line) as tcp:
            scan = await look({"host": "127.0.0.1", "port": tcp, "framing": "rtu"}, units=[1, 2, 3], spans=[(0, 8)])
    told = report(scan)

    assert [unit["unit"] for unit in told["units"]] == [1, 3]
    assert told["silent"] == [2]
    assert "pressure-rs485" in [fit["profile"] for fit in told["units"][0]["fits"]]
    assert holding(scan).runs == [(0, 5)]
    assert scan.units[1].tables[0].runs == [(0, 2)]
    assert {request.function for request in line.requests} == {3}


async def test_a_bus_that_is_not_there_says_so() -> None:
    """Where, and what to do."""
    with pytest.raises(SourceDown, match="takes no Modbus TCP connection"):
        await look({"host": "127.0.0.1", "port": 1})
