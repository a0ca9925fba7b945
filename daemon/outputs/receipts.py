"""That the ticketing service has an order is told to the order itself, as an input: for its stamp and its timeline."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from daemon.clock import Clock
from daemon.model import Emit, OrderStatus, TicketUpdate
from daemon.store import outbox
from daemon.store.db import reader

#: The stamp of a receipt; no person sets it.
STAMP = "sent"


class Receipts:
    """Tells receipts; one that a kill kept from being told is told at the next start. Told twice it changes nothing."""

    def __init__(self, store: Path, emit: Emit, clock: Clock) -> None:
        self._store = store
        self._emit = emit
        self._clock = clock

    async def tell(self, key: str, ref: str | None, at: datetime) -> None:
        """The create of an order was taken at `at`."""
        await self._say([(key, ref or "", at)])

    async def catch_up(self) -> None:
        """Tell those that are kept, and were not told."""
        with reader(self._store) as db:
            untold = outbox.untold(db)
        if untold:
            await self._say(untold)

    async def _say(self, receipts: Iterable[tuple[str, str, datetime]]) -> None:
        now = self._clock.now()
        await self._emit(
            [TicketUpdate(now, key, OrderStatus.SENT, "gateway", ref, at, STAMP) for key, ref, at in receipts]
        )
