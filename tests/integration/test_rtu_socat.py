from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from daemon.clock import SiteClock
from daemon.model import SourceDown
from daemon.sensors.modbus import ModbusBus, ModbusConfig
from tests.modbus_bus import Heard, bind, one, running, until
from tests.mqtt_peers import need
from tests.rtu_server import Line, on_fd, spoilt

pytestmark = pytest.mark.integration


async def test_a_line_through_socat_is_read_and_missed(tmp_path: Path) -> None:
    """Two pseudo-terminals joined by socat are a cable: read over, disturbed, and missed when it is pulled."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ends = [f"pty,raw,echo=0,link={end}" for end in (ours, theirs)]
    line = Line()
    line.words(1, 3, 0, 5)
    line.script[1].extend([lambda _, honest: honest, spoilt])
    config = ModbusConfig.model_validate({"serial": {"port": str(ours), "baud": 19200}, "timeout": "200ms"})
    heard = Heard()
    silent = subprocess.DEVNULL
    with subprocess.Popen([need("socat"), *ends], stdin=silent, stdout=silent) as cable:  # noqa: ASYNC220  it starts at once
        await until(lambda: ours.exists() and theirs.exists())
        fd = os.open(theirs, os.O_RDWR | os.O_NOCTTY)
        async with (
            on_fd(line, fd),
            running(ModbusBus(config, [bind(1, one())], SiteClock(), name="socat"), heard) as run,
        ):
            await until(lambda: len(heard.observations) >= 3)
            cable.kill()
            with pytest.raises(SourceDown, match="ours "):
                await run
        os.close(fd)

    assert {values["value"] for values in heard.values("d1")} == {5.0}
