"""After a ledger was lost, against the stand-in ticketing service over real sockets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiohttp
import orjson
from typing_extensions import override

from daemon.clock import SiteClock
from daemon.model import Retry, from_ms
from daemon.outputs.reconcile import reconcile
from daemon.outputs.sink import OpenTicket
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink
from daemon.outputs.ticketing.marker import marker
from daemon.store.db import FILE, RECONCILE, fact, open_db, set_fact
from daemon.supervisor import Backoff
from simulators import ticketing
from tests.unit.outputs.test_dispatcher import order

T0 = from_ms(1_795_300_000_000)
T = TypeVar("T")


class Lost:
    """A state directory whose file was corrupt, and one order of the new ledger."""

    def __init__(self, directory: Path) -> None:
        (directory / FILE).write_bytes(b"no database" * 1000)
        self.store = directory / FILE
        self.db = open_db(directory, T0).db
        self.db.execute(
            "INSERT INTO alarm (rule, asset, state, level, data, disposition, active_at, decided_at, ordinary)"
            " VALUES ('chain', 'L1', 'active', 1, 'good', 'own_order', 0, 0, 1)"
        )
        self.db.execute(
            "INSERT INTO work_order VALUES"
            " ('hy|L1|chain|new|1', 1, 'L1', 'chain', 1, 'sent', 0, 0, 0, '', '', x'', x'', NULL)"
        )

    async def run_job(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return job(self.db)


async def notes(url: str) -> dict[str, int]:
    """Notes by order key."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/v1/orders", params={"site": "hy"}) as response:
        return {o["key"]: len(o["notes"]) for o in (await response.json())["orders"]}


async def test_open_tickets_of_a_lost_ledger_are_told_once(tmp_path: Path) -> None:
    """The old ticket gets one note however often we start; the new ledger's own ticket gets none."""
    lost = Lost(tmp_path)
    async with ticketing.serving() as service, TicketingSink(TicketingConfig(url=service.url), "hy") as sink:
        for key in ("hy|L1|chain|old|7", "hy|L1|chain|new|1"):
            await sink.create(key, orjson.dumps(order(key)))
        service.script.replace([{"match": "note", "kind": "reset_after_create", "times": 1}])

        await reconcile(sink, lost.store, run_job=lost.run_job, clock=SiteClock(), backoff=Backoff(0.002, 0.01))
        await reconcile(sink, lost.store, run_job=lost.run_job, clock=SiteClock())

        assert await notes(service.url) == {"hy|L1|chain|old|7": 1, "hy|L1|chain|new|1": 0}
    assert fact(lost.db, RECONCILE) == ""


async def test_one_ticket_that_takes_no_note_keeps_nobody_else_from_theirs(tmp_path: Path) -> None:
    """A ticket refused, and one that a person opened by hand: the rest are told, and it is over."""
    lost = Lost(tmp_path)
    async with ticketing.serving() as service, TicketingSink(TicketingConfig(url=service.url), "hy") as sink:
        for key in ("hy|L1|chain|old|7", "by hand", "hy|L2|chain|old|8"):
            await sink.create(key, orjson.dumps(order(key)))
        service.script.replace([{"match": "note", "kind": "status", "status": 422, "times": 1}])

        await reconcile(sink, lost.store, run_job=lost.run_job, clock=SiteClock(), backoff=Backoff(0.002, 0.01))

        told = await notes(service.url)
    assert told.pop("by hand") == 0
    assert sorted(told.values()) == [0, 1]
    assert fact(lost.db, RECONCILE) == ""


async def test_a_service_without_keys_is_told_once_by_its_markers(tmp_path: Path) -> None:
    """Its tickets carry markers: ours is known by it, a lost one is told, and not anew when asked again."""
    lost, told = Lost(tmp_path), list[str]()

    class Marked(TicketingSink):
        """Names tickets by their markers, takes no keys, and fails once in between."""

        @override
        async def open_tickets(self) -> tuple[OpenTicket, ...]:
            keys = ("hy|L1|chain|old|7", "hy|L1|chain|new|1", "hy|L2|chain|old|8")
            marked = [OpenTicket(f"T{n}", marker(key), "I") for n, key in enumerate(keys)]
            return (*marked, OpenTicket("T9", "水管漏水", "II"))

        @override
        async def note(self, ref: str, key: str, body: bytes) -> None:
            if ref == "T2" and len(told) == 1:
                told.append("failed")
                raise Retry("not now")
            told.append(ref)

    sink = Marked(TicketingConfig(url="http://127.0.0.1:1"), "hy")
    for _ in range(2):
        set_fact(lost.db, RECONCILE, "1795300000000")
        await reconcile(sink, lost.store, run_job=lost.run_job, clock=SiteClock(), backoff=Backoff(0.002, 0.01))

    assert told == ["T0", "failed", "T2"]
