import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import modbus_device
from simulators.events import Kind
from simulators.modbus_server import ModbusServer, WireFaults
from simulators.scenario import Device, Scenario, load_scenario
from simulators.water import PumpRoom, PumpRoomParams

QUIET = Path(__file__).parents[3] / "config" / "scenarios" / "quiet.yaml"


class Line:
    """A Modbus TCP client of a dozen lines: what goes over the wire is seen as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, transaction: int, unit: int, pdu: bytes) -> None:
        self._writer.write(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu)
        await self._writer.drain()

    async def receive(self) -> tuple[int, int, bytes]:
        """Transaction, unit and PDU of the next reply."""
        async with asyncio.timeout(5):
            head = await self._reader.readexactly(7)
            transaction, protocol, length, unit = struct.unpack(">HHHB", head)
            assert protocol == 0
            return transaction, unit, await self._reader.readexactly(length - 1)

    async def ask(self, function: int, address: int, count: int, unit: int = 1) -> bytes:
        await self.send(7, unit, struct.pack(">BHH", function, address, count))
        transaction, answered, pdu = await self.receive()
        assert (transaction, answered) == (7, unit)
        return pdu

    async def ended(self) -> bytes:
        async with asyncio.timeout(5):
            return await self._reader.read()


def scenario(*devices: Device) -> Scenario:
    return Scenario(60.0, 1, 1.0, 36_000.0, devices or (Device("W1", Kind.PUMP_ROOM, PumpRoomParams()),), (), ())


@asynccontextmanager
async def connected(server: ModbusServer) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[ModbusServer]:
    made = scenario()
    async with modbus_device.playing(made, made.devices) as run:
        yield run.server


@pytest.fixture
async def line(server: ModbusServer) -> AsyncIterator[Line]:
    async with connected(server) as found:
        yield found


def words(pdu: bytes) -> list[int]:
    assert pdu[1] == len(pdu) - 2
    return list(struct.unpack(f">{pdu[1] // 2}H", pdu[2:]))


@given(st.floats(0.0, 1.5), st.floats(0.0, 1.5), st.integers(0, 2**32 - 1), st.floats(-40, 150))
def test_register_map(outlet: float, inlet: float, starts: int, motor: float) -> None:
    """Each number stands where the map says, in its word order and scale."""
    state = replace(
        PumpRoom("1", PumpRoomParams()).state(),
        outlet=outlet,
        inlet=inlet,
        top=0.2,
        starts=(starts, 1),
        motor_temp=(motor, 30.0),
        tank_level=2.05,
        running=(True, False),
        leak=True,
        delivered=123456.7,
    )
    found = modbus_device.holding(state)
    raw = struct.pack(">17H", *found)

    assert len(found) == 17
    assert struct.unpack(">f", raw[0:4])[0] == pytest.approx(outlet)
    assert struct.unpack(">f", raw[6:8] + raw[4:6])[0] == pytest.approx(inlet)
    assert found[4] == 205
    assert found[6] == 0b110001
    assert struct.unpack(">h", raw[14:16])[0] == pytest.approx(motor * 10, abs=0.51)
    assert struct.unpack(">II", raw[20:28]) == (starts, 1)
    assert struct.unpack(">I", raw[30:32] + raw[28:30])[0] == 1234567
    assert modbus_device.holding(state, sensor_open=True)[8] == 0x7FFF


async def test_reads(line: Line) -> None:
    """Holding registers 0-16, input registers 0-7 and discrete inputs 0-5 can be read, whole or in part."""
    whole = words(await line.ask(3, 0, 17))
    part = words(await line.ask(3, 4, 1))
    top = words(await line.ask(4, 0, 8))
    bits = await line.ask(2, 0, 6)

    assert 200 < whole[4] < 250
    assert part == [pytest.approx(whole[4], abs=1)]
    assert struct.unpack(">f", struct.pack(">HH", top[1], top[0]))[0] == pytest.approx(0.23, abs=0.02)
    assert bits == bytes((2, 1, whole[6]))


@pytest.mark.parametrize(
    ("function", "address", "count", "code"),
    [
        (3, 17, 1, 2),
        (3, 16, 2, 2),
        (3, 31, 1, 2),
        (3, 5000, 1, 2),
        (3, 65535, 2, 2),
        (4, 8, 1, 2),
        (4, 7, 2, 2),
        (1, 0, 1, 2),
        (2, 6, 1, 2),
        (3, 0, 0, 3),
        (3, 0, 126, 3),
        (2, 0, 2001, 3),
        (6, 0, 1, 1),
        (43, 0, 1, 1),
    ],
)
async def test_refusals(line: Line, function: int, address: int, count: int, code: int) -> None:
    """What does not exist gets exception 2, a wrong count 3, another function 1."""
    assert await line.ask(function, address, count) == bytes((function | 0x80, code))


async def test_unknown_unit(line: Line) -> None:
    """Another unit id gets exception 11 by default."""
    assert await line.ask(3, 0, 1, unit=9) == bytes((0x83, 11))


async def test_unknown_unit_silent() -> None:
    """An unknown unit may also be met with silence; the next request is answered."""
    made = scenario()
    async with (
        modbus_device.playing(made, made.devices, unknown_unit_silent=True) as run,
        connected(run.server) as line,
    ):
        await line.send(1, 9, struct.pack(">BHH", 3, 0, 1))
        await line.send(2, 1, struct.pack(">BHH", 3, 0, 1))

        assert (await line.receive())[:2] == (2, 1)


async def test_registers_move(server: ModbusServer, line: Line) -> None:
    """The sensor's seconds go on by themselves, and a bad frame only ends its own connection."""
    first = words(await line.ask(4, 2, 1))[0]
    async with connected(server) as stranger:
        await stranger.send(1, 1, b"")
        assert await stranger.ended() == b""
    async with asyncio.timeout(10):
        while words(await line.ask(4, 2, 1))[0] <= first:
            await asyncio.sleep(0.1)


async def test_several_units() -> None:
    """Two pump rooms stand behind one port, each with its own registers; two with one unit id are refused."""
    one = Device("W1", Kind.PUMP_ROOM, PumpRoomParams())
    two = Device("W2", Kind.PUMP_ROOM, PumpRoomParams(tank_level=1.0), unit=2)
    both = scenario(one, two)
    async with modbus_device.playing(both, both.devices) as run, connected(run.server) as line:
        levels = [words(await line.ask(3, 4, 1, unit=unit))[0] for unit in (1, 2)]

    assert levels[0] > 200
    assert levels[1] < 105
    with pytest.raises(ValueError, match="same unit id"):
        async with modbus_device.playing(scenario(one, one), (one, one)):
            pass


class Constant:
    """A bank of one register."""

    def read(self, function: int, address: int, count: int) -> list[int] | None:
        return [1234] if (function, address, count) == (3, 0, 1) else None


@pytest.fixture
async def plain() -> AsyncIterator[ModbusServer]:
    async with ModbusServer({1: Constant()}).serving() as running:
        yield running


ASK = struct.pack(">BHH", 3, 0, 1)
GOOD = bytes((3, 2)) + (1234).to_bytes(2, "big")


async def test_late_reply(plain: ModbusServer) -> None:
    """With late replies the second request gets the first one's answer, and after them all is as before."""
    async with connected(plain) as line:
        plain.faults[1].late = True
        await line.send(1, 1, ASK)
        await line.send(2, 1, ASK)
        late = await line.receive()
        plain.faults[1].late = False
        await line.send(3, 1, ASK)

        assert late == (1, 1, GOOD)
        assert await line.receive() == (3, 1, GOOD)


async def test_wrong_unit(plain: ModbusServer) -> None:
    """A reply may come in another unit's name."""
    plain.faults[1].wrong_unit = True
    async with connected(plain) as line:
        await line.send(1, 1, ASK)
        transaction, unit, pdu = await line.receive()

    assert (transaction, pdu) == (1, GOOD)
    assert unit != 1


async def test_cut(plain: ModbusServer) -> None:
    """The connection may end in the middle of a frame."""
    plain.faults[1].cut = True
    async with connected(plain) as line:
        await line.send(1, 1, ASK)

        assert 0 < len(await line.ended()) < 11


async def test_exception_and_garbage(plain: ModbusServer) -> None:
    """Every request may be refused with one code, or answered with well framed nonsense."""
    async with connected(plain) as line:
        plain.faults[1] = WireFaults(exception=6)
        refused = await line.ask(3, 0, 1)
        plain.faults[1] = WireFaults(garbage=True)
        nonsense = await line.ask(3, 0, 1)

    assert refused == bytes((0x83, 6))
    assert nonsense[:2] == GOOD[:2]
    assert nonsense != GOOD


async def test_silence_and_delay(plain: ModbusServer) -> None:
    """A silent unit answers nothing; a slow one answers in the end."""
    async with connected(plain) as line:
        plain.faults[1].silent = True
        await line.send(1, 1, ASK)
        async with asyncio.timeout(5):
            while plain.requests_total < 1:
                await asyncio.sleep(0.01)
        plain.faults[1] = WireFaults(delay=0.05)
        await line.send(2, 1, ASK)

        assert await line.receive() == (2, 1, GOOD)


async def test_port_taken(plain: ModbusServer) -> None:
    """A port that is taken is told at once."""
    with pytest.raises(OSError, match="in use"):
        async with ModbusServer({}).serving(plain.port):
            pass


@pytest.mark.integration
async def test_mbpoll(server: ModbusServer, mbpoll: str) -> None:
    """An independent client (libmodbus) reads the map, and is told of an illegal address."""

    async def poll(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(mbpoll, "-m", "tcp", "-p", str(server.port), "-a", "1", "-0", "-1", *words, "127.0.0.1"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return out.decode()

    def value(text: str, address: int) -> float:
        return float(text.partition(f"[{address}]:")[2].split(maxsplit=1)[0])

    outlet = await poll("-r", "0", "-c", "1", "-t", "4:float", "-B")
    inlet = await poll("-r", "2", "-c", "1", "-t", "4:float")
    rest = await poll("-r", "4", "-c", "13", "-t", "4")
    top = await poll("-r", "0", "-c", "1", "-t", "3:float")
    illegal = await poll("-r", "17", "-c", "1", "-t", "4")

    assert value(outlet, 0) == pytest.approx(0.31, abs=0.015)
    assert value(inlet, 2) == pytest.approx(0.25, abs=0.04)
    assert value(rest, 4) == pytest.approx(210, abs=5)
    assert value(rest, 16) == 100
    assert value(top, 0) == pytest.approx(0.23, abs=0.02)
    assert "Illegal data address" in illegal


def test_quiet_has_a_pump_room() -> None:
    """The shipped scenarios use unit 1, as the shipped profile reads it."""
    assert [device.unit for device in load_scenario(QUIET).of_kind(Kind.PUMP_ROOM)] == [1]
