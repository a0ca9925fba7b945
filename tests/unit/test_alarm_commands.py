"""What a person may ask about alarms and do about them, on a file, with the real spine behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from daemon.alarm_commands import AlarmCommands
from daemon.clock import SiteClock
from daemon.model import Command, Input, Taken
from daemon.pipeline import Pipeline
from daemon.rules.engine import RESET, reset_target
from tests.many_assets import RULES, at, begun, dispositions, process, rows, ruleset, says, tick

WHO = {"user": "wang", "reason": "noise"}


class Desk:
    """A pipeline on a file, its clock, and the commands that enter it."""

    def __init__(self, directory: Path, rules: str = RULES, now: float = 10) -> None:
        self.spine: Pipeline = begun([ruleset(directory, rules)], directory / "state.db")
        clock = SiteClock(wall=at(now).timestamp, monotonic=lambda: 0.0)  # it stands still
        self.commands = AlarmCommands(directory / "state.db", clock, self.emit, self.spine.known)

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        assert urgent
        assert taken is None
        process(self.spine, *inputs)

    async def ask(self, name: str, **arguments: object) -> dict[str, Any]:
        return await self.commands.by_name()[name](arguments)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    process(desk.spine, says(0, "L0", state="bad"), tick(5))
    yield desk
    desk.spine.db.close()


async def test_alarms_are_listed_with_their_words_and_fate(desk: Desk) -> None:
    """Open ones; with `all` those that are over too; of one asset when asked."""
    process(desk.spine, says(10, "L1", state="bad"), tick(20), says(30, "L0", state="good"), tick(40))

    listed, every, one = (
        await desk.ask("alarms"),
        await desk.ask("alarms", all=True),
        await desk.ask("alarms", all=True, asset="L0"),
    )

    assert [(row["no"], row["asset_name"]["zh"], row["title"]["zh"]) for row in listed["alarms"]] == [
        (2, "L1梯", "故障")
    ]
    assert [row["state"] for row in every["alarms"]] == ["active", "cleared"]
    assert [row["no"] for row in one["alarms"]] == [1]


async def test_an_alarm_is_shown_with_all_that_happened_to_it(desk: Desk) -> None:
    """Its changes with their numbers, and what persons did."""
    await desk.ask("acknowledge", alarm=1, user="li", reason="on my way")
    await desk.ask("shelve", alarm=1, **WHO, **{"for": "1h"})

    shown = await desk.ask("alarm", alarm=1)

    assert shown["acknowledged_by"] == "li"
    assert [(one["after"], one["level"], one["observed"][0][:2]) for one in shown["changes"]] == [
        ("active", "II", ["L0.state", "bad"])
    ]
    assert [(one["user"], one["action"]) for one in shown["done"]] == [("li", "acknowledge"), ("wang", "shelve")]


async def test_shelving_and_back(desk: Desk) -> None:
    """A rule on an asset may be shelved before it alarms; until its end stands in the answer and in the list."""
    answer = await desk.ask("shelve", rule="fault", asset="L1", **WHO, **{"for": "30min"})
    process(desk.spine, says(20, "L1", state="worse"))
    held = dispositions(desk.spine)["L1"]
    (mute,) = (await desk.ask("mutes"))["mutes"]
    await desk.ask("unshelve", rule="fault", asset="L1", user="wang")

    assert answer["until"] == mute["until"] == at(10 + 1800).isoformat()
    assert (held, dispositions(desk.spine)["L1"]) == ("withheld_shelved", "own_order")
    assert (await desk.ask("mutes"))["mutes"] == []


async def test_maintenance_and_back(desk: Desk) -> None:
    """Of an asset or of the site, for a time; its end decides at once."""
    await desk.ask("maintain", asset="*", **WHO, **{"for": "2h"})
    process(desk.spine, says(20, "L1", state="bad"), tick(30))
    held = dispositions(desk.spine)["L1"]

    await desk.ask("end_maintenance", asset="*", user="wang")

    assert (held, dispositions(desk.spine)["L1"]) == ("withheld_maintenance", "own_order")


def latching(directory: Path) -> Desk:
    """The rule `fault` latches; it is a minute past."""
    return Desk(directory, RULES.replace("id: fault", "id: fault\n    latch: true", 1), 61)


async def test_a_latched_alarm_is_reset_by_a_person(tmp_path: Path) -> None:
    """With name and reason, once it has ended: it is listed so, its order hears both, and the audit has them."""
    desk = latching(tmp_path)
    process(desk.spine, says(0, "L0", state="bad"), tick(6))
    with pytest.raises(ValueError, match="alarm 1 has not ended"):
        await desk.ask("reset", alarm=1, **WHO)
    process(desk.spine, says(10, "L0", state="good"), tick(60))
    (row,) = (await desk.ask("alarms"))["alarms"]
    with pytest.raises(ValueError, match=r"^why"):
        await desk.ask("reset", alarm=1, user="li")

    answer = await desk.ask("reset", alarm=1, user="li", reason="brake adjusted")

    shown = await desk.ask("alarm", alarm=1)
    notes = rows(desk.spine, "SELECT action, json_extract(body, '$.text.en') FROM outbox WHERE action != 'create'")
    assert (row["state"], row["latched"]) == ("clearing", True)
    assert answer == {"reset": 1}
    assert (shown["state"], shown["latched"]) == ("cleared", False)
    assert [change["cause"] for change in shown["changes"]][-2:] == ["latched", "reset"]
    assert [(one["user"], one["action"], one["detail"]) for one in shown["done"]] == [("li", "reset", "brake adjusted")]
    assert [action for action, _ in notes] == ["update", "recover"]
    assert notes[0][1].startswith("The condition has ended, but the alarm is latched")
    desk.spine.db.close()


async def test_a_reset_that_comes_too_late_is_audited_and_refused(tmp_path: Path) -> None:
    """What the command has seen may have changed when its turn comes."""
    desk = latching(tmp_path)
    process(desk.spine, says(0, "L0", state="bad"), tick(6))

    process(desk.spine, Command(at(7), RESET, reset_target(1, "fault", "L0"), "li", "done"))

    assert rows(desk.spine, "SELECT user, action, detail FROM audit WHERE action = 'reset'") == [
        ("li", "reset", "done; refused: it has not ended, or does not latch")
    ]
    assert dispositions(desk.spine) == {"L0": "own_order"}
    desk.spine.db.close()


@pytest.mark.parametrize(
    ("name", "arguments", "says_what"),
    [
        ("reset", {"alarm": 1, **WHO}, "fault does not latch: alarm 1 ends by itself"),
        ("reset", {"alarm": 7, **WHO}, "there is no alarm '7'"),
        ("alarm", {"alarm": 7}, "there is no alarm '7'"),
        ("alarm", {}, "there is no alarm ''"),
        ("acknowledge", {"alarm": 1}, "who does it"),
        ("shelve", {"alarm": 1, "for": "4h", "user": "wang"}, "why"),
        ("shelve", {"alarm": 1, "for": "8d", **WHO}, "8d is too long: at most 7d"),
        ("shelve", {"alarm": 1, "for": "0s", **WHO}, "the span is empty"),
        ("shelve", {"alarm": 1, "for": "soon", **WHO}, "'soon' is no span"),
        ("shelve", {"alarm": 1, **WHO}, "None is no span"),
        ("shelve", {"rule": "trap", "asset": "L0", "for": "1h", **WHO}, "trap is never suppressed"),
        ("shelve", {"rule": "fault", "asset": "X", "for": "1h", **WHO}, "no rule 'fault' on 'X'"),
        ("shelve", {"rule": "fault", "asset": "L0", "level": "IV", "for": "1h", **WHO}, "'IV' is no level"),
        ("unshelve", {"alarm": 1, "user": "wang"}, "fault on L0 is not shelved"),
        ("maintain", {"asset": "X", "for": "1h", **WHO}, "no asset is called 'X'"),
        ("maintain", {"asset": "L0", "for": "31d", **WHO}, "31d is too long: at most 30d"),
        ("end_maintenance", {"asset": "L0", "user": "wang"}, "L0 is not under maintenance"),
        ("alarm_kpi", {"days": 0}, "days must be more than 0"),
    ],
)
async def test_what_cannot_be_done_is_said_and_nothing_is_written(
    desk: Desk, name: str, arguments: dict[str, Any], says_what: str
) -> None:
    """A clear word, and no input in the journal."""
    before = desk.spine.journal.last_seq

    with pytest.raises(ValueError, match="^" + says_what.replace("'", "'")):
        await desk.ask(name, **arguments)

    assert desk.spine.journal.last_seq == before


async def test_an_alarm_that_is_over_is_not_acknowledged(desk: Desk) -> None:
    """The answer says since when it is over."""
    process(desk.spine, says(20, "L0", state="good"), tick(30))

    with pytest.raises(ValueError, match="alarm 1 is over since 2026-11-22T06:00:25"):
        await desk.ask("acknowledge", alarm=1, user="li")


async def test_the_figures_come_from_the_ledger(desk: Desk) -> None:
    """One alarm since the ledger began, ten seconds ago."""
    found = await desk.ask("alarm_kpi", days=7)

    assert (found["alarms"], found["standing"], found["by_level"]["II"]) == (1, 1, 1)
