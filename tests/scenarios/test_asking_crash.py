"""kill -9 around the making of a ticket at services without keys: one by search, never two or never none by choice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from daemon.model import OutboxAction, from_ms
from daemon.store import outbox
from daemon.store.db import FILE, connect
from simulators import erp
from tests.crash.children import ROOT

POINTS = ("before_create", "after_create", "before_receipt", "after_receipt")
#: One kill at each, and a row of kills in the same place.
ROWS = (["before_create"] * 3, ["after_create", "before_receipt"])
KILLS: Sequence[Sequence[str]] = [*([point] for point in POINTS), *ROWS]


async def serve(directory: Path, *arguments: str, kill_at: str = "") -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PRECOMPLAINT_KILL_AT": kill_at}
    command = [sys.executable, "-m", "tests.crash.asking", str(directory), *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
    async with asyncio.timeout(60):
        return await process.wait()


async def killed(
    directory: Path, capability: str, on_ambiguous: str, kills: Sequence[str], *, names: bool = True
) -> tuple[int, str]:
    """How many tickets there are in the end, and what the outbox says."""
    text = {"zh": "水压过低", "en": "Pressure low"}
    with closing(connect(directory / FILE)) as db:
        body = {"key": "a", "level": "I", "title": text, "explanation": text}
        outbox.add(db, "a", OutboxAction.CREATE, body, from_ms(1_795_300_000_000))
    async with erp.serving(erp.Habits(returns_id=names, token="t")) as service:  # noqa: S106  nobody's
        for point in kills:
            assert await serve(directory, service.url, capability, on_ambiguous, kill_at=point) == -signal.SIGKILL
        assert await serve(directory, service.url, capability, on_ambiguous) == 0
        made = len(service.tickets.all())
    with closing(connect(directory / FILE)) as db:
        ((state,),) = db.execute("SELECT state FROM outbox").fetchall()
    return made, str(state)


@pytest.mark.parametrize("kills", KILLS, ids="+".join)
async def test_a_service_that_is_searched_has_one_ticket(tmp_path: Path, kills: Sequence[str]) -> None:
    """Wherever it was killed."""
    assert await killed(tmp_path, "search", "park", kills) == (1, "delivered")


@pytest.mark.parametrize(
    "point", ["before_create", "after_create", "before_postpone", "after_postpone", "before_receipt"]
)
async def test_a_service_that_names_no_ticket_has_one(tmp_path: Path, point: str) -> None:
    """Killed between its answer and what we keep of it as well."""
    assert await killed(tmp_path, "search", "park", [point], names=False) == (1, "delivered")


@pytest.mark.parametrize("point", POINTS)
async def test_where_a_person_decides_there_are_never_two(tmp_path: Path, point: str) -> None:
    """None where it was killed before, one after, and a person looks."""
    made, state = await killed(tmp_path, "neither", "park", [point])

    assert made == (0 if point == "before_create" else 1)
    assert state == ("delivered" if point == "after_receipt" else "parked")


@pytest.mark.parametrize("point", ["before_refusal", "after_refusal", "before_park", "after_park"])
async def test_a_parking_that_is_interrupted_is_parked(tmp_path: Path, point: str) -> None:
    """Nothing is sent meanwhile."""
    assert await killed(tmp_path, "neither", "park", ["after_create", point]) == (1, "parked")


@pytest.mark.parametrize("kills", KILLS[:4], ids="+".join)
async def test_where_it_is_repeated_there_is_never_none(tmp_path: Path, kills: Sequence[str]) -> None:
    """One where it was killed before or when the receipt was there, else two."""
    made, state = await killed(tmp_path, "neither", "repeat", kills)

    assert made == (1 if kills[0] in {"before_create", "after_receipt"} else 2)
    assert state == "delivered"
