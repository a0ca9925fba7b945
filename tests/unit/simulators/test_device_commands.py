import asyncio
import json
import os
import sys
import tty
from pathlib import Path

import pytest

from tests.rtu_server import checksum

SCENARIOS = Path(__file__).parents[3] / "config" / "scenarios"


async def start(*words: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", *words), stdin=pipe, stdout=pipe, stderr=pipe
    )


async def test_water_lives_and_ends_with_its_parent() -> None:
    """`water` tells its port when it serves, and leaves with status 0 at the end of its stdin."""
    process = await start("water", "--scenario", str(SCENARIOS / "demo.yaml"))
    assert process.stdout is not None
    assert process.stdin is not None
    async with asyncio.timeout(30):
        ready = json.loads(await process.stdout.readline())
        _, writer = await asyncio.open_connection("127.0.0.1", ready["port"])
        process.stdin.close()
        status = await process.wait()
    writer.close()

    assert (ready["ready"], ready["units"]) == (True, {"W1": 1})
    assert status == 0


async def test_lift_needs_no_broker_to_start() -> None:
    """`lift` is ready without its broker, leaves on SIGTERM and says what was acknowledged."""
    process = await start(
        *("lift", "--broker", "127.0.0.1:9", "--scenario", str(SCENARIOS / "demo.yaml"), "--lifts", "L2", "--leaks")
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        ready = json.loads(await process.stdout.readline())
        process.terminate()
        out, _ = await process.communicate()

    assert ready["devices"] == ["L2", "R1"]
    assert json.loads(out)["acknowledged"] == 0
    assert process.returncode == 0


async def test_water_is_told_more() -> None:
    """A line on stdin is a step that happens at once; a wrong one is said and changes nothing."""
    process = await start("water", "--scenario", str(SCENARIOS / "demo.yaml"))
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdin is not None
    async with asyncio.timeout(30):
        ready = json.loads(await process.stdout.readline())
        process.stdin.write(b"{device: W1, event: burts}\n{device: W1, event: {reply_exception: 6}}\n")
        wrong = await process.stderr.readline()
        reader, writer = await asyncio.open_connection("127.0.0.1", ready["port"])
        answer = b""
        while not answer.endswith(b"\x83\x06"):
            writer.write(bytes.fromhex("000100000006010300040001"))
            answer = await reader.read(100)
        process.stdin.close()
        await process.wait()
    writer.close()

    assert b"told:1: unknown event 'burts'" in wrong


async def test_a_device_of_a_profile_speaks_on_a_terminal_and_is_told_more() -> None:
    """`device` names a pseudo-terminal, answers there with a checksum, and obeys a line on stdin."""
    process = await start("device", "--profile", "level-rs485", "--unit", "3", "--way", "serial")
    assert process.stdout is not None
    assert process.stdin is not None
    async with asyncio.timeout(30):
        ready = json.loads(await process.stdout.readline())
        fd = os.open(ready["port"], os.O_RDWR | os.O_NOCTTY)
        try:
            tty.setraw(fd)
            honest = await asyncio.to_thread(asked, fd, 7)
            process.stdin.write(b"{device: D1, event: {reply_exception: 6}}\n")
            while (refused := await asyncio.to_thread(asked, fd, 5))[1] == 3:
                await asyncio.to_thread(os.read, fd, 2)
        finally:
            os.close(fd)
        process.stdin.close()
        await process.wait()

    assert (ready["units"], honest[:3]) == ({"D1": 3}, b"\3\3\2")
    assert honest[5:] == checksum(honest[:5])
    assert refused[:3] == b"\3\x83\6"


def asked(fd: int, length: int) -> bytes:
    """Ask unit 3 for holding register 4."""
    request = bytes.fromhex("030300040001")
    os.write(fd, request + checksum(request))
    answer = b""
    while len(answer) < length:
        answer += os.read(fd, length - len(answer))
    return answer


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("water", "--scenario", "none.yaml"), "none.yaml: cannot be read"),
        (("water", "--scenario", "demo.yaml", "--rooms", "W9"), "no pump_room W9; it has W1"),
        (("device", "--profile", "tasmota-temperature"), "speaks MQTT; give --broker"),
        (("device", "--profile", "no-such"), "no profile is named 'no-such'; there are booster-wilo-sc"),
        (("lift", "--broker", "here", "--scenario", "demo.yaml"), "HOST:PORT is needed"),
        (("load", "--broker", "h:1", "--chain-open", "L1"), "LIFT:FIRST:LAST is needed"),
    ],
)
async def test_wrong_words(words: tuple[str, ...], told: str) -> None:
    """What cannot be started says why and ends with status 2."""
    process = await start(*(str(SCENARIOS / word) if word == "demo.yaml" else word for word in words))
    async with asyncio.timeout(30):
        _, err = await process.communicate()

    assert told in err.decode()
    assert process.returncode == 2
