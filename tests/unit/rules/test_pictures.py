"""The pictures in docs/rules.md are what the engine does, second by second."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from daemon.model import AlarmState, Cause, Command, DataState
from daemon.rules.engine import RESET, Engine, reset_target
from tests.rule_bench import Bench

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
PICTURES = re.findall(r"([^\n]+)\n\n```picture\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
MARGIN = 10
#: What `o` and `x` stand for.
VALUES: dict[str, tuple[Any, Any]] = {
    "p": (0.2, 0.05),
    "mode": ("normal", "inspection"),
    "chain": ("closed", "open"),
}
STATES = {
    AlarmState.NORMAL: ".",
    AlarmState.PENDING: "p",
    AlarmState.ACTIVE: "A",
    AlarmState.CLEARING: "c",
    AlarmState.CLEARED: ".",
}


class Player:
    """Plays one picture on a bench."""

    def __init__(self, bench: Bench, text: str) -> None:
        self.bench = bench
        rows = [(line[:MARGIN].strip(), line[MARGIN:]) for line in text.splitlines()]
        self.rules = [row for name, row in rows if name == "rule"]
        self.rows = {name: row for name, row in rows if name != "rule"}
        self.edits = 0
        #: The device has said that it is gone.
        self.silent = False

    def draw(self) -> str:
        """The alarm's row."""
        self.take_up(0)
        drawn = []
        for second in range(len(self.rows["alarm"])):
            event = self.at("event", second)
            if event in "ER":
                self.rules = self.rules[1:] if event == "E" else self.rules
                self.edits += 1
                self.take_up(second)
            self.say(second, gone=event == "G")
            if event == "H":
                wish = Command(self.bench.at(second), RESET, reset_target(1, "r", "a1"), "li", "seen to")
                self.bench.seen.extend(self.bench.engine.step(wish))
            self.bench.tick(second)
            drawn.append(self.state())
            if event == "S":
                self.restart(second)
        return "".join(drawn)

    def at(self, row: str, second: int) -> str:
        return self.rows.get(row, "")[second : second + 1] or " "

    def ruleset(self) -> list[str]:
        unless = f" unless: {self.rows['unless']}\n" if "unless" in self.rows else ""
        other = f"other\n levels: [{{level: I, when: {{point: n, above: {self.edits}}}}}]"
        rules = [other]
        if self.rules[0] != "none":
            latch = " latch: true\n" if self.rules[0].startswith("latch: true, ") else ""
            rung = self.rules[0].removeprefix("latch: true, ")
            rules.append(f"r\n{unless}{latch} levels: [{{level: I, {rung}}}]")
        return rules

    def take_up(self, second: int) -> None:
        self.bench.rules(*self.ruleset(), at=second)

    def restart(self, second: int) -> None:
        saved = json.loads(json.dumps(self.bench.engine.snapshot()))
        self.bench.engine = Engine()
        self.bench.engine.reload(self.bench.ruleset(*self.ruleset()), self.bench.at(second))
        self.bench.engine.restore(saved)

    def say(self, second: int, *, gone: bool) -> None:
        said: dict[str, Any] = {}
        for name, values in VALUES.items():
            mark = self.at("reading" if name == "p" else name, second)
            if mark in "ox":
                said[name] = values["ox".index(mark)]
        self.silent = gone or (self.silent and not said)
        # where a state is drawn its device is heard all the time, until it says that it is gone
        if said or gone or ("chain" in self.rows and not self.silent):
            self.bench.hear(second, gone=gone, **said)

    def state(self) -> str:
        ours = [t for t in self.bench.seen if t.rule == "r"]
        if not ours:
            return "."
        if ours[-1].cause is Cause.LATCHED:
            return "L"
        return "?" if ours[-1].data is DataState.UNKNOWN else STATES[ours[-1].after]


@pytest.mark.parametrize("picture", [text for _, text in PICTURES], ids=[title for title, _ in PICTURES])
def test_a_picture_is_what_happens(bench: Bench, picture: str) -> None:
    """Each column of the alarm's row is its state at the end of that second."""
    player = Player(bench, picture)

    assert player.draw() == player.rows["alarm"]


def test_there_are_pictures() -> None:
    """The page has not been rearranged out of this test's sight."""
    assert len(PICTURES) >= 9
