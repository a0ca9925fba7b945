from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.clock import SiteClock
from daemon.model import Device, Reason
from daemon.probe.scan import Scanner, Wanted
from daemon.sensors.modbus import ModbusBus, ModbusConfig, ModbusTcp
from daemon.sensors.profile import Binding, Profile, make_points
from tests.modbus_bus import Heard, running, until

pytestmark = pytest.mark.integration

WORDS = [
    *struct.unpack(">HH", struct.pack(">f", 0.425)),
    *reversed(struct.unpack(">HH", struct.pack(">f", -1.5))),
    *struct.unpack(">HH", struct.pack(">I", 3_000_000_001)),
    *struct.unpack("<HH", struct.pack(">i", -70_000)),
    0xFF85,
    0b100010,
]
POINTS = {
    "abcd": {"register": {"address": 0, "type": "f32"}},
    "cdab": {"register": {"address": 2, "type": "f32", "order": "CDAB"}},
    "whole": {"kind": "counter", "register": {"address": 4, "type": "u32"}},
    "swapped": {"register": {"address": 6, "type": "s32", "order": "BADC"}},
    "cold": {"register": {"address": 8, "type": "s16", "scale": 0.1}},
    "on": {"kind": "state", "register": {"address": 9, "bit": 5, "map": {0: "no", 1: "yes"}}},
    "last": {"register": {"address": 39}},
    "beyond": {"register": {"address": 40}},
    "input": {"register": {"table": "input", "address": 6, "type": "f32", "order": "CDAB"}},
}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A libmodbus server, compiled for the test."""
    program = tmp_path / "server"
    gcc = shutil.which("gcc")
    header = Path("/usr/include/modbus/modbus.h")
    if gcc is None or not header.exists():
        if os.environ.get("CI"):
            pytest.fail("gcc or libmodbus-dev is missing: apt-get install gcc libmodbus-dev")
        pytest.skip("needs gcc and libmodbus-dev")
    source = Path(__file__).with_name("libmodbus_server.c")
    subprocess.run([gcc, "-I", header.parent, "-o", program, source, "-lmodbus"], check=True)
    with subprocess.Popen(
        [program, *(hex(word) for word in WORDS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


async def test_a_libmodbus_server_is_read_right(port: int) -> None:
    """Every type and order, both tables, and one register too far, against the field's usual C library."""
    profile = Profile.model_validate(
        {
            "version": 1,
            "profile": "libmodbus",
            "title": {"zh": "测试", "en": "test"},
            "alive_within": "10s",
            "modbus": {"interval": "50ms", "max_gap": 40},
            "points": POINTS,
        },
    )
    device = Device("d", "a", "bus", timedelta(seconds=10))
    binding = Binding(device, profile, {"unit": 17}, make_points(profile, device))
    config = ModbusConfig(tcp=ModbusTcp(host="127.0.0.1", port=port), timeout=timedelta(seconds=5))
    heard = Heard()
    async with running(ModbusBus(config, [binding], SiteClock(), name="bus"), heard):
        await until(lambda: len(heard.observations) >= 3)

    expected = {
        "abcd": struct.unpack(">f", struct.pack(">f", 0.425))[0],
        "cdab": -1.5,
        "whole": 3_000_000_001.0,
        "swapped": -70_000.0,
        "cold": -12.3,
        "on": "yes",
        "last": 0.0,
        "input": struct.unpack(">f", struct.pack(">f", 0.425))[0],
    }
    assert heard.values("d") == [expected] * len(heard.observations)
    rejected = [rejection for observation in heard.observations for rejection in observation.rejections]
    assert [(r.place, r.reason) for r in rejected] == [("modbus:bus:17:40", Reason.ILLEGAL_ADDRESS)]


async def test_a_libmodbus_server_is_looked_over(port: int) -> None:
    """The addresses that are there, to the last one, in both tables; it answers to every number, which is told."""
    config = ModbusConfig(tcp=ModbusTcp(host="127.0.0.1", port=port), timeout=timedelta(seconds=5))
    wanted = Wanted(units=[1, 17], spans=[(0, 60)], looks=2, every=0.0, pause=0.0)
    scanner = Scanner(config, wanted, SiteClock(), lambda _: None)
    await scanner.run()
    first, twin = scanner.scan.units

    assert [(found.table, found.runs, found.refused) for found in first.tables] == [
        ("holding", [(0, 40)], [*range(40, 60)]),
        ("input", [(0, 8)], [*range(8, 60)]),
    ]
    assert [first.tables[0].looks[-1][n] for n in range(len(WORDS))] == WORDS
    assert (twin.number, twin.same_as) == (17, 1)
