from __future__ import annotations

import errno
import os
import pty
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import SiteClock
from daemon.model import ConfigError, SourceDown
from daemon.sensors.modbus import ModbusBus, ModbusConfig
from daemon.sensors.modbus_wire import _client, _why
from daemon.sensors.profile import Binding
from tests.modbus_bus import Heard, bind, metric, one, running, until
from tests.rtu_server import Line, RtuAct, RtuRequest, on_fd, on_pty, on_tcp, rtu, silence, spoilt

HOLDING = 3
#: Two values too far from each other for one block: two requests that look alike but for their address.
APART = {name: {"register": {"address": at, "type": "u32"}} for name, at in (("low", 0), ("high", 100))}


def bus_on(where: dict[str, Any], *bindings: Binding, name: str = "line", **config: Any) -> ModbusBus:  # noqa: ANN401
    made = ModbusConfig.model_validate({"timeout": "100ms", **where, **config})
    return ModbusBus(made, bindings, SiteClock(), name=name)


def serial(port: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"serial": {"port": port, **more}}


def apart(line: Line) -> None:
    line.words(1, HOLDING, 0, 0, 111)
    line.words(1, HOLDING, 100, 0, 222)


async def test_a_serial_line_is_read() -> None:
    """Registers and bits of two units arrive over a serial port."""
    line = Line()
    line.words(1, HOLDING, 0, *range(125))
    line.words(2, 1, 3, 1, 0, 1)
    coils = {f"c{n}": {"register": {"table": "coil", "address": n}} for n in (3, 4, 5)}
    heard = Heard()
    async with on_pty(line) as port:
        where = serial(port, baud=19200, stop_bits=2)
        points = {f"p{n}": {"register": {"address": n}} for n in range(125)}
        async with running(bus_on(where, bind(1, points), bind(2, coils), timeout="5s"), heard):
            await until(lambda: heard.of("d1") and heard.of("d2"))

    assert heard.values("d1")[0] == {f"p{n}": n for n in range(125)}
    assert heard.values("d2")[0] == {"c3": 1, "c4": 0, "c5": 1}


@pytest.mark.parametrize(("parity", "letter"), [("none", "N"), ("even", "E"), ("odd", "O")])
async def test_a_line_is_opened_as_written(parity: str, letter: str) -> None:
    """Baud, parity and stop bits reach the port; a pseudo-terminal has no parity, so they are seen on the way."""
    config = ModbusConfig.model_validate(serial("/dev/ttyUSB0", baud=4800, parity=parity, stop_bits=2))
    opened = _client(config, lambda _, packet: packet).comm_params

    assert (opened.host, opened.baudrate, opened.bytesize) == ("/dev/ttyUSB0", 4800, 8)
    assert (opened.parity, opened.stopbits) == (letter, 2)
    assert config.pause == pytest.approx(3.5 * (11 if parity == "none" else 12) / 4800)


async def test_a_transparent_serial_server_is_read() -> None:
    """RTU frames travel through a TCP connection as they are."""
    line = Line()
    apart(line)
    heard = Heard()
    async with on_tcp(line) as port:
        where = {"tcp": {"host": "127.0.0.1", "port": port, "framing": "rtu"}}
        async with running(bus_on(where, bind(1, APART)), heard):
            await until(lambda: len(heard.observations) >= 2)

    assert heard.values("d1")[:2] == [{"low": 111, "high": 222}] * 2


LIES: list[Any] = [
    pytest.param(spoilt, id="a wrong checksum"),
    pytest.param(silence, id="silence"),
    pytest.param(lambda _, honest: honest[:-1], id="half an answer"),
    pytest.param(lambda *_: rtu(b"\x09\x03\x02\xff\xff"), id="another unit"),
    pytest.param(lambda *_: rtu(b"\x01\x04\x02\xff\xff"), id="another function"),
    pytest.param(lambda *_: rtu(b"\x01\x03\x04\xff\xff\xff\xff"), id="more registers"),
    pytest.param(lambda *_: rtu(b"\x01\x63\x02\xff\xff"), id="an unknown function"),
    pytest.param(lambda *_: b"\xff" * 300, id="noise"),
]


@pytest.mark.parametrize("lie", LIES)
async def test_what_is_no_answer_costs_one_poll(lie: RtuAct) -> None:
    """Whatever comes instead of the answer is never read as one; the line is read again at the next slot."""
    line = Line()
    line.words(1, HOLDING, 0, 5)
    line.script[1].append(lie)
    heard = Heard()
    before = metric("modbus_timeouts_total", bus="lie", unit="1")
    async with (
        on_pty(line) as port,
        running(bus_on(serial(port), bind(1, one()), name="lie"), heard),
    ):
        await until(lambda: len(heard.observations) >= 2)

    assert {values["value"] for values in heard.values("d1")} == {5.0}
    assert metric("modbus_timeouts_total", bus="lie", unit="1") - before == 1


async def test_noise_before_the_answer_is_passed_over() -> None:
    """A converter that switches direction too late adds bytes in front: the frame behind them counts."""
    line = Line()
    line.words(1, HOLDING, 0, 5)
    line.script[1].extend([lambda _, honest: b"\x00" + honest] * 3)
    heard = Heard()
    async with on_pty(line) as port, running(bus_on(serial(port), bind(1, one())), heard):
        await until(lambda: len(heard.observations) >= 3)

    assert {values["value"] for values in heard.values("d1")} == {5.0}


def late(line: Line) -> deque[RtuAct]:
    """The answer about register 100 comes in place of a later one, whose request the busy unit did not hear."""

    def instead(_: RtuRequest, _honest: bytes) -> bytes:
        return next(answer for answer in line.answers if answer[3:7] == b"\0\0\0\xde")

    return deque([lambda _, honest: honest, silence, instead])


def queued(line: Line) -> deque[RtuAct]:
    """A server that answers everything in turn: the late answer comes first, and each answer one request too late."""

    def delayed(_: RtuRequest, _honest: bytes) -> bytes:
        return line.answers[-2]

    def both(_: RtuRequest, honest: bytes) -> bytes:
        return line.answers[-2] + honest

    return deque([lambda _, honest: honest, silence, delayed, delayed, delayed, both])


@pytest.mark.parametrize("story", [late, queued])
@pytest.mark.parametrize("way", ["serial", "tcp"])
async def test_a_late_answer_on_rtu_is_nobodys(story: Any, way: str) -> None:  # noqa: ANN401
    """RTU frames carry no number: a unit that did not answer is not believed until nothing late can follow."""
    line = Line()
    apart(line)
    line.script[1] = story(line)
    heard = Heard()
    async with on_pty(line) as path, on_tcp(line) as port:
        where = serial(path) if way == "serial" else {"tcp": {"host": "127.0.0.1", "port": port, "framing": "rtu"}}
        async with running(bus_on(where, bind(1, APART), most_failures=50), heard):
            await until(lambda: not line.script[1] and [len(o.readings) for o in heard.observations[-2:]] == [2, 2])

    values = heard.values("d1")
    assert {value["low"] for value in values if "low" in value} == {111.0}
    assert {value["high"] for value in values if "high" in value} == {222.0}


async def test_an_exception_from_a_unit_in_doubt_condemns_no_register() -> None:
    """A refusal right after a lost answer may be a late one: the register is asked again before it is given up."""
    line = Line()
    line.words(1, HOLDING, 0, 5)
    line.script[1].extend([silence, *[lambda *_: rtu(b"\x01\x83\x02")] * 2])
    heard = Heard()
    async with on_pty(line) as port, running(bus_on(serial(port), bind(1, one())), heard):
        await until(lambda: heard.observations)

    assert heard.values("d1")[0] == {"value": 5.0}
    assert heard.observations[0].rejections == ()


async def test_a_dead_unit_leaves_the_line_to_the_others() -> None:
    """One silent unit: its neighbour on the line keeps being read, and it is read again when it is back."""
    line = Line()
    line.words(1, HOLDING, 0, 5)
    line.words(2, HOLDING, 0, 6)
    line.silent.add(2)
    heard = Heard()
    async with on_pty(line) as port:
        bus = bus_on(serial(port), bind(1, one()), bind(2, one()), name="dead", timeout="50ms", most_failures=1)
        async with running(bus, heard):
            await until(lambda: len(heard.of("d1")) >= 10)
            asked = [request.unit for request in line.requests].count(2)
            line.silent.clear()
            await until(lambda: len(heard.of("d2")) >= 2)

    assert asked <= 2
    assert {values["value"] for values in heard.values("d2")} == {6.0}


async def test_a_missing_port_says_what_to_look_at() -> None:
    """The path, that it is not there, and where the names that last are found."""
    with pytest.raises(SourceDown, match=r"/dev/no-such-port is not there.*by-id"):
        await bus_on(serial("/dev/no-such-port"), bind(1, one())).run(Heard())


async def test_what_is_no_serial_port_is_said(tmp_path: Path) -> None:
    """A file in place of a port is an outage that is explained, not a crash."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceDown, match="cannot be opened as a serial line"):
        await bus_on(serial(str(tmp_path / "file")), bind(1, one())).run(Heard())


async def test_a_port_has_one_master() -> None:
    """A second program on the same line is refused, and the message names how to find the first."""
    line = Line()
    line.words(1, HOLDING, 0, 5)
    heard = Heard()
    async with on_pty(line) as port, running(bus_on(serial(port), bind(1, one())), heard):
        await until(lambda: heard.observations)
        with pytest.raises(SourceDown, match=r"held by another program: `fuser"):
            await bus_on(serial(port), bind(1, one()), name="second").run(Heard())


def test_a_port_without_permission_names_the_group() -> None:
    """The usual first obstacle says its own remedy."""
    config = ModbusConfig.model_validate(serial("/dev/ttyUSB0"))

    assert "usermod -aG dialout USER" in _why(config, PermissionError(errno.EACCES, "Permission denied"))


async def test_an_adapter_pulled_out_is_an_outage() -> None:
    """A port that vanishes while it is read ends the run with its name."""
    line = Line()
    line.words(1, HOLDING, 0, 5)
    master, slave = pty.openpty()
    port = os.ttyname(slave)
    os.close(slave)
    heard = Heard()
    async with running(bus_on(serial(port), bind(1, one())), heard) as task:
        async with on_fd(line, master):
            await until(lambda: heard.observations)
        os.close(master)
        with pytest.raises(SourceDown, match=rf"{port} "):
            await task


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, "exactly one of tcp and serial"),
        ({"tcp": {"host": "h"}, "serial": {"port": "p"}}, "exactly one of tcp and serial"),
        ({"serial": {"port": "p", "parity": "mark"}}, "'none', 'even' or 'odd'"),
        ({"serial": {"port": "p", "baud": 0}}, "greater than or equal to 300"),
        ({"tcp": {"host": "h", "framing": "rtu", "tls": {}}}, "remove framing"),
    ],
)
def test_a_bus_has_one_way_to_it(written: dict[str, Any], words: str) -> None:
    """What cannot be meant is refused when the configuration is read."""
    with pytest.raises(ValueError, match=words):
        ModbusConfig.model_validate(written)


@pytest.mark.parametrize("unit", [0, 248])
def test_a_line_has_units_1_to_247(unit: int) -> None:
    """0 would speak to everybody on a serial line, and nobody would answer."""
    with pytest.raises(ConfigError, match="1 to 247"):
        bus_on(serial("/dev/ttyUSB0"), bind(unit, one()))
