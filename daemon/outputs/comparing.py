"""Orders in hand held against the tickets that the service has, when a person asks for it.

order ──> find_all ──> one: fine, or the receipt of what was given up
                   ├─> none: missing, a person looks
                   └─> more: the older one counts (`duplicates`)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.clock import Clock
from daemon.model import Command, Emit, Reject, Retry
from daemon.outputs.duplicates import Duplicates, oldest
from daemon.outputs.sink import Capability, TicketSink
from daemon.store import outbox
from daemon.store.db import reader
from daemon.store.jobs import RunJob
from daemon.store.outbox import Asked, SecondLook
from daemon.workorders.doubt import FOUND

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Comparing:
    """Compares at one service."""

    sink: TicketSink
    store: Path
    run_job: RunJob
    emit: Emit
    clock: Clock
    duplicates: Duplicates

    async def compare(self) -> dict[str, Any]:
        """What was found, for a person; what was given up and is there has its receipt, duplicates are called off."""
        with reader(self.store) as db:
            asked = outbox.in_hand(db, _MOST)
        told: dict[str, Any] = {"compared": 0, "found": [], "missing": [], "duplicates": [], "cannot": None}
        if self.sink.capability is Capability.NEITHER:
            told["cannot"] = (
                f"this service can be asked for no ticket of ours: compare its tickets with the {len(asked)} orders in "
                "hand (`orders list`) by hand; say what is there with `orders found`, what is not with `orders retry`"
            )
            return told
        for order in asked:
            try:
                await self._compare(order, told)
            except (Retry, Reject) as error:
                told["cannot"] = f"after {told['compared']} of {len(asked)} orders: {error}"
                return told
            told["compared"] += 1
        return told

    async def _compare(self, order: Asked, told: dict[str, Any]) -> None:
        refs = await self.sink.find_all(order.order_key)
        if not refs:
            if order.state == "delivered":
                told["missing"].append({"order": order.order_key, "ref": order.ref})
            return
        ref = order.ref
        if order.state == "parked":
            ref = oldest(refs)
            await self.emit([Command(self.clock.now(), FOUND, order.order_key, "gateway", ref)])
            told["found"].append({"order": order.order_key, "ref": ref})
        if ref is not None and set(refs) - {ref}:
            kept = await self.duplicates.settle(SecondLook(order.id, order.order_key, order.level, ref), refs)
            await self.run_job(lambda db: outbox.looked(db, order.id, kept))
            others = sorted({*refs, ref} - {kept})
            told["duplicates"].append({"order": order.order_key, "kept": kept, "others": others})
