from __future__ import annotations

import asyncio
import random
import struct
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.clock import SiteClock
from daemon.model import ConfigError, Quality, Reason, SourceDown
from daemon.sensors.modbus import ModbusBus, ModbusConfig, ModbusTcp
from tests.modbus_bus import Heard, bind, bus_of, metric, one, running, until
from tests.modbus_server import frame, refuse, serving

HOLDING, INPUT = 3, 4


async def test_a_poll_is_one_observation() -> None:
    """All blocks of both tables arrive together, with one time of receipt, in the points' units."""
    points = {
        "pressure": {"unit": "MPa", "range": [0, 1.6], "register": {"address": 0, "type": "f32"}},
        "flow": {"register": {"address": 60, "scale": 0.1}},
        "wet": {"kind": "state", "register": {"address": 61, "bit": 4, "map": {0: "dry", 1: "wet"}}},
        "mode": {"kind": "code", "register": {"address": 62}},
        "top": {"register": {"address": 0, "table": "input", "type": "f32", "order": "CDAB"}},
    }
    async with serving() as server:
        server.words(1, HOLDING, 0, *struct.unpack(">HH", struct.pack(">f", 0.5)))
        server.words(1, HOLDING, 60, 253, 0b10000, 7)
        server.words(1, INPUT, 0, *reversed(struct.unpack(">HH", struct.pack(">f", 0.25))))
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: heard.observations)

    first = heard.observations[0]
    assert heard.values("d1")[0] == {"pressure": 0.5, "flow": 25.3, "wet": "wet", "mode": "7", "top": 0.25}
    assert {(r.at, r.received_at, r.quality) for r in first.readings} == {(first.at, first.at, Quality.GOOD)}
    assert first.rejections == ()
    assert [(r.function, r.start, r.count) for r in server.requests[:3]] == [(3, 0, 2), (3, 60, 3), (4, 0, 2)]


async def test_polls_are_aligned_and_never_overlap() -> None:
    """Each slot gets one request; what a slow unit made us miss is counted and not made up."""
    before = metric("modbus_overruns_total", bus="aligned")
    async with serving() as server:
        server.words(1, HOLDING, 0, 1)
        heard = Heard()
        bus = bus_of(server, bind(1, one(), interval="100ms"), name="aligned", timeout="5s")
        async with running(bus, heard):
            await until(lambda: len(heard.observations) >= 2)
            server.hold_next.add(1)
            await until(lambda: server.held)
            asked = len(server.requests)
            await asyncio.sleep(0.35)  # three slots go by

            assert len(server.requests) == asked

            server.release()
            await until(lambda: len(server.requests) > asked)

    assert metric("modbus_overruns_total", bus="aligned") - before >= 2


async def test_bad_numbers_are_flagged_not_lost() -> None:
    """Out of range, sentinel and NaN arrive as bad readings with their reason."""
    points = {
        "high": {"unit": "MPa", "range": [0, 1.6], "register": {"address": 0, "scale": 0.01}},
        "open": {"unit": "°C", "range": [-40, 200], "register": {"address": 1, "type": "s16", "sentinels": [0x7FFF]}},
        "none": {"register": {"address": 2, "type": "f32"}},
        "cold": {"unit": "°C", "range": [-40, 200], "register": {"address": 4, "type": "s16", "scale": 0.1}},
    }
    async with serving() as server:
        server.words(1, HOLDING, 0, 161, 0x7FFF, 0x7FC0, 0, 0xFF9C)
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: heard.observations)

    judged = {r.point: (r.quality, r.reason) for r in heard.observations[0].readings}
    assert judged == {
        "a1.high": (Quality.BAD, Reason.OUT_OF_RANGE),
        "a1.open": (Quality.BAD, Reason.SENTINEL),
        "a1.none": (Quality.BAD, Reason.NOT_A_NUMBER),
        "a1.cold": (Quality.GOOD, Reason.NONE),
    }
    assert heard.values("d1")[0]["cold"] == -10.0


async def test_a_code_without_a_label_is_rejected_once() -> None:
    """The same unknown code, poll after poll, is one rejection; after a known one it is new again."""
    points = {
        "mode": {"kind": "code", "register": {"address": 0, "map": {1: "ready"}}},
        "flow": {"register": {"address": 1}},
    }
    async with serving() as server:
        server.words(1, HOLDING, 0, 9, 0)
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: len(heard.observations) >= 3)
            server.words(1, HOLDING, 0, 1)
            await until(lambda: "mode" in heard.values("d1")[-1])
            server.words(1, HOLDING, 0, 9)
            await until(lambda: "mode" not in heard.values("d1")[-1])

    rejected = [rejection for observation in heard.observations for rejection in observation.rejections]
    assert [(r.place, r.reason, r.payload) for r in rejected] == [
        ("modbus:bus:1:0", Reason.UNKNOWN_CODE, b"\x00\x09")
    ] * 2


async def test_a_change_of_an_urgent_state_is_committed_at_once() -> None:
    """Only polls in which an urgent label changed are urgent; numbers never are."""
    points = {
        "leak": {"kind": "state", "urgent": True, "register": {"address": 0, "map": {0: "dry", 1: "wet"}}},
        "flow": {"urgent": True, "register": {"address": 1}},
    }
    async with serving() as server:
        server.words(1, HOLDING, 0, 0, 5)
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: len(heard.observations) >= 3)
            server.words(1, HOLDING, 1, 6)
            await until(lambda: heard.values("d1")[-1]["flow"] == 6)
            server.words(1, HOLDING, 0, 1)
            await until(lambda: heard.values("d1")[-1]["leak"] == "wet" and len(heard.observations) >= 6)

    told = [(values["leak"], urgent) for values, urgent in zip(heard.values("d1"), heard.urgent, strict=True)]
    assert [leak for leak, urgent in told if urgent] == ["dry", "wet"]


async def test_an_illegal_register_is_isolated_once() -> None:
    """The rest goes on, the refused point is named by address, in one rejection and one log line."""
    points = {f"p{n}": {"register": {"address": n}} for n in range(8)}
    async with serving() as server:
        server.words(1, HOLDING, 0, 0, 1, 2, 3, 4)
        server.words(1, HOLDING, 6, 6, 7)
        heard = Heard()
        with capture_logs() as logs:
            async with running(bus_of(server, bind(1, points)), heard):
                await until(lambda: len(heard.observations) >= 4)
                asked = len(server.requests)
                await until(lambda: len(server.requests) >= asked + 20)

    rejected = [rejection for observation in heard.observations for rejection in observation.rejections]
    assert [(r.place, r.reason) for r in rejected] == [("modbus:bus:1:5", Reason.ILLEGAL_ADDRESS)]
    assert "exception 2 (illegal data address)" in rejected[0].detail
    assert all(values == {f"p{n}": n for n in range(8) if n != 5} for values in heard.values("d1"))
    assert not any(r.start <= 5 < r.start + r.count for r in server.requests[asked:])
    refused = [line for line in logs if line["event"] == "register_refused"]
    assert [(line["point"], line["unit"], line["address"]) for line in refused] == [("a1.p5", 1, 5)]
    assert "test-box" in refused[0]["todo"]


async def test_an_illegal_gap_costs_no_point() -> None:
    """Where only the registers between two points are refused, they are read apart."""
    points = {"low": {"register": {"address": 0}}, "high": {"register": {"address": 5}}}
    async with serving() as server:
        server.words(1, HOLDING, 0, 10)
        server.words(1, HOLDING, 5, 15)
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: len(heard.observations) >= 3)

    assert [(r.start, r.count) for r in server.requests[:5]] == [(0, 6), (0, 1), (5, 1), (0, 1), (5, 1)]
    assert all(values == {"low": 10.0, "high": 15.0} for values in heard.values("d1"))


async def test_a_unit_that_refuses_everything_keeps_its_points() -> None:
    """A device that is still starting answers everything with exception 2: later it is read in full."""
    points = {"low": {"register": {"address": 0}}, "high": {"register": {"address": 5}}}
    async with serving() as server:
        heard = Heard()
        async with running(bus_of(server, bind(1, points)), heard):
            await until(lambda: len(server.requests) >= 3)
            server.words(1, HOLDING, 0, *range(6))
            await until(lambda: heard.observations)

    assert heard.values("d1")[0] == {"low": 0.0, "high": 5.0}
    assert heard.observations[0].rejections == ()


async def test_a_dead_unit_costs_the_others_one_time_out_per_window() -> None:
    """Once down, it is asked ever more rarely, while its neighbour is read in every slot; its return is told."""
    with capture_logs() as logs:
        async with serving() as server:
            server.words(1, HOLDING, 0, 1)
            server.words(2, HOLDING, 0, 2)
            server.silent.add(2)
            heard = Heard()
            bus = bus_of(server, bind(1, one()), bind(2, one()), name="mixed", timeout="50ms", most_failures=2)
            async with running(bus, heard):
                await until(lambda: metric("modbus_units_down", bus="mixed") == 1)
                asked = len(server.requests)
                await until(lambda: sum(r.unit == 2 for r in server.requests[asked:]) == 2)
                between = [r.unit for r in server.requests[asked:]]
                server.silent.clear()
                await until(lambda: heard.of("d2"))
                await until(lambda: metric("modbus_units_down", bus="mixed") == 0)

    assert between.count(1) >= 20  # 1 s + 2 s of windows in slots of 50 ms, with much room
    assert [line["event"] for line in logs if line["event"].startswith("unit_")] == ["unit_lost", "unit_back"]
    lost = next(line for line in logs if line["event"] == "unit_lost")
    assert (lost["unit"], lost["place"]) == (2, f"127.0.0.1:{server.port}")
    assert metric("modbus_timeouts_total", bus="mixed", unit="2") >= 3


async def test_a_late_answer_finds_nobody() -> None:
    """The answer to a request given up never becomes another request's answer."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 111)
        server.words(2, HOLDING, 0, 222)
        server.hold_next.add(1)
        heard = Heard()
        async with running(bus_of(server, bind(1, one()), bind(2, one()), timeout="100ms"), heard):
            await until(lambda: server.held and server.connections == 2)
            server.release()
            await until(lambda: len(heard.of("d1")) >= 2 and len(heard.of("d2")) >= 2)

    assert {values["value"] for values in heard.values("d1")} == {111.0}
    assert {values["value"] for values in heard.values("d2")} == {222.0}
    assert len({request.connection for request in server.requests}) == 2


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda request, _: frame(request, b"\x03\x02\xff\xff", unit=9), id="another unit"),
        pytest.param(lambda request, _: frame(request, b"\x03\x02\xff\xff", transaction=999), id="another transaction"),
        pytest.param(lambda request, _: frame(request, b"\x04\x02\xff\xff"), id="another function"),
        pytest.param(lambda request, _: frame(request, b"\x03\x04\xff\xff\xff\xff"), id="more registers"),
        pytest.param(lambda request, _: frame(request, b"\x03\x00"), id="no registers"),
        pytest.param(lambda request, _: frame(request, b"\x03\x09\xff\xff"), id="a wrong byte count"),
        pytest.param(lambda request, _: frame(request, b"\x63\x02\xff\xff"), id="an unknown function"),
        pytest.param(lambda *_: b"\xff" * 300, id="noise"),
        pytest.param(lambda request, honest: frame(request, honest)[:-1], id="half an answer"),
    ],
)
async def test_an_answer_to_something_else_is_no_answer(lie: Any) -> None:  # noqa: ANN401
    """Whatever comes instead of the answer is never read as one, and the next request is asked on a new connection."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        server.script[1].append(lie)
        heard = Heard()
        bus = bus_of(server, bind(1, one()), timeout="100ms")
        async with running(bus, heard) as task:
            await until(lambda: heard.observations or task.done())
            if task.done():  # the library may drop the connection over it: then the bus is started again
                assert isinstance(task.exception(), SourceDown)
                async with running(bus, heard):
                    await until(lambda: heard.observations)

    assert {values["value"] for values in heard.values("d1")} == {5.0}
    assert server.requests[1].connection == 2


async def test_an_idle_connection_closed_by_the_device_is_built_anew() -> None:
    """Devices close connections between two polls; that is no outage."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        heard = Heard()
        async with running(bus_of(server, bind(1, one(), interval="100ms")), heard) as task:
            await until(lambda: heard.observations)
            server.drop()
            await until(lambda: server.connections == 2 and len(heard.observations) >= 3)

            assert not task.done()


async def test_a_connection_lost_while_reading_is_an_outage() -> None:
    """It ends the run with the address, what happened and what to do; what was read before was emitted."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        heard = Heard()
        heard.hold.clear()
        bus = bus_of(server, bind(1, one()))
        async with running(bus, heard) as task:
            await until(lambda: len(heard.observations) >= 2)
            server.script[1].append(None)
            await until(lambda: not server.script[1])
            heard.hold.set()
            with pytest.raises(SourceDown, match=rf"127\.0\.0\.1:{server.port} closed the connection.*check"):
                await task


async def test_nobody_listening_is_an_outage_and_a_second_run_recovers() -> None:
    """A closed port is told with its address; the same bus runs again when the device is back."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        bus = bus_of(server, bind(1, one()))
        heard = Heard()
        await server.stop()
        with pytest.raises(SourceDown, match=rf"127\.0\.0\.1:{server.port} takes no Modbus TCP connection"):
            await bus.run(heard)
        await server.start()
        async with running(bus, heard):
            await until(lambda: heard.observations)

    assert heard.values("d1")[0] == {"value": 5.0}


async def test_an_exception_code_backs_a_unit_off() -> None:
    """A gateway that cannot reach the unit says so at once: that too is a unit down."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        server.script[1].extend([refuse(11)] * 2)
        heard = Heard()
        with capture_logs() as logs:
            async with running(bus_of(server, bind(1, one()), most_failures=2), heard):
                await until(lambda: heard.observations)

    assert [line["event"] for line in logs if line["event"].startswith("unit_")] == ["unit_lost", "unit_back"]
    assert "exception 11 (gateway target device failed to respond)" in logs[0]["error"]


async def test_a_failed_read_is_repeated_when_asked_for() -> None:
    """With one retry a single lost answer costs no poll."""
    before = metric("modbus_polls_total", bus="again")
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        server.script[1].append(lambda _request, _honest: b"")
        heard = Heard()
        async with running(bus_of(server, bind(1, one()), retries=1, timeout="100ms", name="again"), heard):
            await until(lambda: heard.observations)
            polls = metric("modbus_polls_total", bus="again") - before

    assert polls <= 2
    assert len(server.requests) >= 2


async def test_a_slow_commit_does_not_hold_up_the_bus() -> None:
    """While one emit waits, further polls are handed over in order."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        heard = Heard()
        heard.hold.clear()
        async with running(bus_of(server, bind(1, one())), heard):
            await until(lambda: len(heard.observations) >= 3)
            heard.hold.set()

    moments = [observation.at for observation in heard.observations]
    assert moments == sorted(moments)


async def test_what_ended_the_spine_ends_the_bus_unchanged() -> None:
    """An error out of emit is raised as it is, not wrapped."""
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        heard = Heard()
        heard.failure = RuntimeError("the writer has ended")
        with pytest.raises(RuntimeError, match="the writer has ended"):
            await bus_of(server, bind(1, one())).run(heard)


async def test_cancelled_at_any_moment_a_bus_ends() -> None:
    """No cancellation gets lost inside the library, whatever it was waiting for."""
    chance = random.Random(7)
    async with serving() as server:
        server.words(1, HOLDING, 0, 5)
        for _ in range(200):
            task = asyncio.ensure_future(bus_of(server, bind(1, one(), interval="10ms"), timeout="5s").run(Heard()))
            for _ in range(chance.randrange(150)):
                await asyncio.sleep(0)
            task.cancel()
            _, left = await asyncio.wait([task], timeout=2)

            assert not left


@pytest.mark.parametrize("unit", ["one", 256, -1])
def test_an_address_without_a_unit_is_a_fault(unit: str | int) -> None:
    """A device on a Modbus bus needs a unit number, and the message says how to write it."""
    with pytest.raises(ConfigError, match=r"address: \{unit: 1\}"):
        ModbusBus(ModbusConfig(tcp=ModbusTcp(host="h")), [bind(unit, one())], SiteClock(), name="bus")


def test_a_bus_without_devices_is_a_fault() -> None:
    """Nothing to read is said at start, not found out later."""
    with pytest.raises(ConfigError, match="no device is bound"):
        ModbusBus(ModbusConfig(tcp=ModbusTcp(host="h")), [], SiteClock(), name="bus")
