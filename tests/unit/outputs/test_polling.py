"""The rhythm in which a ticketing service is asked for changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

import pytest
from typing_extensions import override

from daemon.model import Input, OrderStatus, Taken, from_ms
from daemon.outputs.polling import Polling, Rhythm
from daemon.outputs.sink import Change, Changes
from daemon.store.outbox import Followed
from daemon.supervisor import Backoff
from tests.erp_sink import ErpSink
from tests.unit.outputs.conftest import StateFile

T0 = from_ms(1_795_300_000_000)


class Endless(ErpSink):
    """Every page has a change, and another page after it."""

    pages = count(1)

    @override
    async def changes(self, since: str, followed: Sequence[Followed] = ()) -> Changes:
        """See `TicketSink`."""
        return Changes(str(next(self.pages)), (Change("a", OrderStatus.ACCEPTED, "", "", T0),))


@dataclass
class Waits:
    """A clock that only writes down how long it was to wait, and has enough after so many times."""

    most: int
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """See `Clock`."""
        return T0

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        self.slept.append(seconds)
        if len(self.slept) == self.most:
            raise asyncio.CancelledError

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """See `Clock`."""


async def emit(inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
    """`Emit`, without a pipeline behind."""


async def test_pages_without_end_are_followed_for_a_while_only(state: StateFile) -> None:
    """A broken service would fill the journal as fast as the network goes; a long list is still read at once."""
    clock = Waits(252)
    polling = Polling(
        Endless("http://127.0.0.1:1"),
        state.path,
        run_job=state.run_job,
        emit=emit,
        clock=clock,
        name="ticketing",
        rhythm=Rhythm(7.0, Backoff()),
    )
    with pytest.raises(asyncio.CancelledError):
        await polling.run()

    assert [n for n, seconds in enumerate(clock.slept) if seconds] == [100, 200]
