"""What a person may hand in and ask about complaints, on a file, with the real spine behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import SiteClock
from daemon.complaint import Complaint, tidy
from daemon.complaint_commands import ComplaintCommands
from daemon.model import Input, Taken
from daemon.outputs.told_complaints import as_told, heard
from tests.many_assets import at, begun, process, rows, ruleset, says, tick

NOW = 20 * 60


class Desk:
    """A pipeline on a file, its clock, and the commands that enter it."""

    def __init__(self, directory: Path) -> None:
        self.spine = begun([ruleset(directory)], directory / "state.db")
        clock = SiteClock(wall=at(NOW).timestamp, monotonic=lambda: 0.0)  # it stands still
        self.commands = ComplaintCommands(directory / "state.db", clock, self.emit)
        self.emitted = 0

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        self.emitted += len(inputs)
        process(self.spine, *inputs)

    async def ask(self, name: str, **arguments: object) -> dict[str, Any]:
        return await self.commands.by_name()[name](arguments)

    async def take(self, *told: dict[str, Any]) -> dict[str, Any]:
        return await self.ask("complaints_import", complaints=list(told), user="wang", file="calls.csv")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    process(desk.spine, says(0, "L0", state="worse"), tick(60))
    yield desk
    desk.spine.db.close()


def said(name: str, seconds: float, asset: str = "L0", **more: str) -> dict[str, Any]:
    return {"id": name, "at": at(seconds).isoformat(), "asset": asset, **more}


async def test_complaints_are_taken_once(desk: Desk) -> None:
    """The second time nothing enters; what cannot be placed is named each time, and audited is who handed them in."""
    told = [said("C1", 300), said("C2", 301, "L99"), said("C1", 300)]

    first = await desk.take(*told)
    before = desk.emitted
    again = await desk.take(said("C1", 300))

    assert first == {
        "taken": 2,
        "known": 0,
        "outcomes": {"preempted": 1, "left_out": 1},
        "unplaced": ["C2"],
    }
    assert (again["taken"], again["known"], desk.emitted) == (0, 1, before)
    assert rows(desk.spine, "SELECT user, target, detail FROM audit WHERE action = 'complaints_import'") == [
        ("wang", "calls.csv", "2 complaints")
    ]


async def test_complaints_are_listed_with_what_had_come_before(desk: Desk) -> None:
    """The newest first, and how many of each."""
    await desk.take(said("C1", 300, category="safety", channel="wechat", text="停"), said("C2", 301, "L1"))

    answer = await desk.ask("complaints", limit=1)

    (row,) = answer["complaints"]
    assert (row["id"], row["asset"], row["outcome"], row["lead"]) == ("C2", "L1", "missed", None)
    assert answer["counts"] == {"preempted": 1, "missed": 1}
    first = (await desk.ask("complaints"))["complaints"][1]
    assert (first["lead"], first["noted_on"], first["channel"]) == (300.0, first["order"], "wechat")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"at": "2026-11-21T08:00:00Z"}, "no id"),
        ({"id": "C1", "at": "yesterday"}, "no moment"),
        ({"id": "C1", "at": "2026-11-21T08:00:00"}, "no offset"),
        ({"id": "C1", "at": "2062-11-21T08:00:00Z"}, "future"),
        ({"id": "C1", "at": "0001-01-01T00:00:00+14:00"}, "no moment"),
    ],
)
async def test_one_bad_complaint_and_none_is_taken(desk: Desk, told: dict[str, Any], why: str) -> None:
    """The message says why."""
    with pytest.raises(ValueError, match=why):
        await desk.take(said("C0", 300), told)

    assert desk.emitted == 0


async def test_whoever_hands_in_is_named(desk: Desk) -> None:
    """And a list is a list."""
    with pytest.raises(ValueError, match="--user"):
        await desk.ask("complaints_import", complaints=[])
    with pytest.raises(ValueError, match="a list of at most"):
        await desk.ask("complaints_import", complaints=[1], user="wang")


def test_what_is_kept_of_a_complaint_is_bounded() -> None:
    """Words that are not ours are not kept, nor telephone and identity numbers, nor more than 200 characters."""
    wild = Complaint(
        at(1), "x" * 999, at(0), "a" * 999, "", "", "gossip", "now!", "fax", "打 138 0013 8000\n找我 " + "长" * 999
    )

    kept = tidy(wild)

    assert (len(kept.id), len(kept.asset), kept.category, kept.urgency, kept.channel) == (128, 256, "", "", "other")
    assert kept.text.startswith("打 *** 找我 长长")
    assert len(kept.text) == 200
    assert heard(as_told(kept), at(1)) == kept
