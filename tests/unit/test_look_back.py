"""How rules stood at a moment, from the file alone: why they fired, and why they did not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from daemon.backtest.look_back import look_back
from daemon.cli.main import app
from daemon.model import Command, ConfigError, Input, Observation, Reload
from daemon.pipeline import Pipeline
from daemon.rules.engine import Engine
from daemon.rules.why import why
from daemon.store.db import FILE, connect
from tests.spine import RULES, T0, at, process, ruleset, said, tick

ZONE = ZoneInfo("Asia/Shanghai")
MORE = RULES.replace(
    "    levels: [{level: I, when: {point: safety_chain",
    "    unless: {point: mode, equals: inspection}\n    levels: [{level: I, when: {point: safety_chain",
)


class Gateway:
    """A state file, written as the daemon would."""

    def __init__(self, directory: Path, rules: str = MORE) -> None:
        self.file = directory / FILE
        self.rules = ruleset(directory, rules)
        self.spine = Pipeline(connect(self.file))
        self.spine.journal.add_ruleset(self.rules.hash, self.rules.to_json(), T0)
        process(self.spine, [Reload(T0, self.rules.hash)])

    def hears(self, *inputs: Input) -> None:
        for item in inputs:
            process(self.spine, [item])

    def says(self, seconds: float, rule: str) -> list[str]:
        found = look_back(self.file, "lift-1", at(seconds), rule=rule)
        ((binding, look),) = found.looks
        return [line.en for line in why(look, binding.rule, ZONE)]


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def hot(*seconds: float, value: float = 50.0) -> Sequence[Observation]:
    return [said(s, "lift-1", room_temp=value) for s in seconds]


def clock(moment: datetime) -> str:
    return moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


def test_a_condition_that_is_not_met_says_its_numbers(gateway: Gateway) -> None:
    """Nothing fired, for the value was below the limit; and so it was then, whatever came later."""
    gateway.hears(*hot(0, 10, value=30.0), *hot(20, 30))

    assert gateway.says(15, "hot") == [
        "no alarm",
        "Level I: the condition is not met",
        "  ✗ lift-1.room_temp = 30 °C, above 45 °C",
    ]


def test_a_hold_that_runs_says_until_when(gateway: Gateway) -> None:
    """Met since the first hot reading, and not for long enough yet."""
    gateway.hears(*hot(0, 10, 20, 30))

    assert gateway.says(19.999, "hot")[:2] == [
        "pending: the condition is met and must hold",
        f"Level I: met since {clock(at(0))}; it must hold for 20s, until {clock(at(20))}",
    ]
    assert gateway.says(20, "hot")[:2] == ["the alarm is active", "Level I: on, and not clear yet"]


def test_what_holds_it_off_is_named(gateway: Gateway) -> None:
    """The condition is met, and the lift is being inspected."""
    gateway.hears(said(0, "lift-1", mode="inspection"), said(1, "lift-1", safety_chain="open"))

    assert gateway.says(2, "chain") == [
        "no alarm",
        "Level I: the condition is met, and held off",
        "  ✓ lift-1.safety_chain = open, equals open",
        "held off (unless, calendar):",
        "  ✓ lift-1.mode = inspection, equals inspection",
    ]


def test_lost_data_says_since_when(gateway: Gateway) -> None:
    """A reading older than three intervals is not relied on, and a point that never spoke is told as such."""
    gateway.hears(*hot(0, value=30.0), tick(200))

    lost = gateway.says(100, "hot")
    never = gateway.says(100, "chain")

    assert lost[1] == "Level I: it cannot be known for want of data, so nothing begins"
    assert lost[-1] == (
        f"point lift-1.room_temp: its last reading is of {clock(at(0))}, older than 30s"
        f" (device lift-1/d is gone, last heard {clock(at(0))})"
    )
    assert any("point lift-1.safety_chain: it has never given a usable reading" in line for line in never)


@pytest.mark.parametrize("snapshots", [True, False])
def test_looking_back_is_what_the_rules_had_seen_then(tmp_path: Path, *, snapshots: bool) -> None:
    """At any moment, with a snapshot to begin with or from the first row: what a fresh engine sees, fed up to there."""
    gateway = Gateway(tmp_path)
    script: list[Input] = []
    for n in range(60):
        script += hot(n * 10, value=50.0 if n % 7 < 4 else 40.0)
        script.append(said(n * 10 + 3, "lift-1", safety_chain="open" if n % 5 < 2 else "closed"))
    gateway.hears(*script)
    if not snapshots:
        gateway.spine.db.execute("DELETE FROM snapshot")

    for seconds in (5, 33, 100, 345.5, 598, 640):
        fresh = Engine()
        fresh.reload(gateway.rules, T0)
        for item in script:
            if item.at <= at(seconds):
                fresh.step(item)
        fresh.step(tick(seconds))
        found = look_back(gateway.file, "lift-1", at(seconds))
        assert [look for _, look in found.looks] == [fresh.look(one, at(seconds)) for one, _ in found.looks]
        assert {look.rule for _, look in found.looks} == {"hot", "chain"}


def test_what_cannot_be_looked_at_is_said(gateway: Gateway) -> None:
    """Before the journal began; a rule or asset that is not there."""
    with pytest.raises(ConfigError, match="the journal begins later"):
        look_back(gateway.file, "lift-1", at(-10))
    with pytest.raises(ConfigError, match="no rule cold watches 'lift-1'; rules that do: chain, hot"):
        look_back(gateway.file, "lift-1", at(1), rule="cold")
    with pytest.raises(ConfigError, match="is the asset's id right"):
        look_back(gateway.file, "lift-9", at(1))


def test_what_is_no_state_file_is_said(tmp_path: Path) -> None:
    """One message with the file in it, and not a stack."""
    file = tmp_path / FILE
    file.write_text("nothing of the kind", encoding="utf-8")

    done = CliRunner().invoke(app, ["rules", "explain", "1", "--state", str(file)])

    assert isinstance(done.exception, ConfigError)
    assert str(file) in str(done.exception)


class TestCommand:
    def run(self, *arguments: str) -> str:
        done = CliRunner().invoke(app, ["rules", "explain", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    def test_an_alarm_is_explained_in_the_words_of_its_order(self, gateway: Gateway) -> None:
        """Each change with its numbers, under the rules of its day."""
        gateway.hears(*hot(0, 10, 20), *hot(30, 40, 50, value=30.0))

        shown = self.run("1", "--state", str(gateway.file))

        ((body,),) = gateway.spine.db.execute("SELECT body FROM work_order").fetchall()
        order = json.loads(body)
        assert order["explanation"]["zh"] in shown
        assert order["explanation"]["en"] in shown
        assert "cleared: it has been clear for 20s" in shown

    def test_an_asset_is_explained_with_what_was_muted(self, gateway: Gateway) -> None:
        """Rules, alarms and mutes of that moment, in the site's time; JSON has them as well."""
        gateway.hears(Command(at(0), "shelve", "hot|I|lift-1", "wang", "fan", at(600)), *hot(1, 10, 20), tick(60))
        stamp = at(25).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")

        shown = self.run("--asset", "lift-1", "--at", stamp, "--state", str(gateway.file))
        answer = json.loads(
            self.run("--asset", "lift-1", "--rule", "hot", "--at", stamp, "--state", str(gateway.file), "-o", "json")
        )

        assert f"shelved until {clock(at(600))} (wang: fan)" in shown
        assert "报警 #1 lift-1 hot：withheld_shelved" in shown
        assert [(one["rule"], one["state"]) for one in answer["rules"]] == [("hot", "active")]
