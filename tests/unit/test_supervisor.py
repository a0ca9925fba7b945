from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SiteClock
from daemon.model import SourceDown
from daemon.supervisor import Backoff, ServiceManager, keep_alive


async def test_an_edge_is_started_again_until_it_stays() -> None:
    """Two losses of the peer are two restarts; an orderly return ends it."""
    runs: list[int] = []

    async def run() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise SourceDown("broker 127.0.0.1:1 refused")

    await keep_alive("m", run, SiteClock(), backoff=Backoff(0.001, 0.002))

    assert runs == [0, 1, 2]


async def test_each_loss_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Tries that fail are one loss; a peer that was reached in between is lost anew."""
    runs = iter([False, False, True, False])

    async def run() -> None:
        if (was_up := next(runs, None)) is not None:
            raise SourceDown("broker 127.0.0.1:1 is away", was_up=was_up)

    await keep_alive("m", run, SiteClock(), backoff=Backoff(0.001, 10.0))

    assert capsys.readouterr().out.count("source_lost") == 2


async def test_any_other_failure_goes_up() -> None:
    """The spine's errors are nobody's to catch."""

    async def run() -> None:
        raise RuntimeError("the writer has ended")

    with pytest.raises(RuntimeError, match="writer"):
        await keep_alive("m", run, SiteClock())


@given(st.integers(min_value=1, max_value=10_000))
def test_waiting_is_capped_and_never_nothing(attempt: int) -> None:
    """However often it failed, the wait lies between a tenth of the first and the cap."""
    assert 0.1 <= Backoff(1.0, 30.0).wait(attempt) <= 30.0


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    """READY and STATUS arrive as lines on the notification socket; without a socket nothing happens."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        ServiceManager(address).tell(READY="1", STATUS="well")
        ServiceManager("").tell(READY="1")

        assert manager.recv(100) == b"READY=1\nSTATUS=well"


async def test_a_cancellation_that_a_library_swallowed_still_ends_it() -> None:
    """An edge that answers to it with a loss of its peer is not started again."""
    started = asyncio.Event()

    async def run() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise SourceDown("broker 127.0.0.1:1 is away") from None

    task = asyncio.get_running_loop().create_task(keep_alive("m", run, SiteClock(), backoff=Backoff(0.001, 0.002)))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
