"""Planned maintenance and dependencies, from YAML to dispositions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.model import Cause, Reload
from daemon.pipeline import Pipeline
from daemon.rules.arrangements import Arrangements, DependencySpec, MaintenanceSpec
from daemon.rules.schema import Ruleset
from tests.many_assets import CATALOGUE, RULES, begun, dispositions, process, rows, ruleset, says, tick

WEEKLY = {"reason": {"zh": "周检", "en": "weekly"}, "of": {"kind": "lift"}}
#: T0 is Sunday, 14:00 in Shanghai.
AFTERNOON = MaintenanceSpec.model_validate({**WEEKLY, "calendar": {"hours": "13:00-15:00", "days": ["sun"]}})


def arranged(directory: Path, arrangements: Arrangements, rules: str = RULES) -> Ruleset:
    return replace(ruleset(directory, rules), arrangements=arrangements)


def depending(directory: Path, links: dict[str, dict[str, Any]], rules: str = RULES) -> Pipeline:
    dependencies = {asset: (DependencySpec.model_validate(link),) for asset, link in links.items()}
    return begun([arranged(directory, Arrangements(dependencies=dependencies), rules)])


class TestMaintenance:
    def test_orders_are_withheld_in_its_hours_and_go_out_at_their_end(self, tmp_path: Path) -> None:
        """By the site's clocks; what is never suppressed goes on; what is still there at three gets its order."""
        spine = begun([arranged(tmp_path, Arrangements((AFTERNOON,)))])
        process(spine, says(0, "L0", state="bad"), says(1, "L1", door="stuck"), tick(10))
        held = dispositions(spine)
        process(spine, tick(3599.999))
        still = dispositions(spine)

        process(spine, tick(3600))

        assert held == still == {"L0": "withheld_maintenance"}
        assert dispositions(spine) == {"L0": "own_order"}
        assert dispositions(spine, "trap") == {"L1": "own_order"}

    def test_it_may_be_one_time_only_and_about_some_rules(self, tmp_path: Path) -> None:
        """From one moment to another, the end excluded."""
        once = {"of": {"assets": ["L0"]}, "rules": ["fault"], "from": "2026-11-22T06:01Z", "until": "2026-11-22T06:02Z"}
        spec = MaintenanceSpec.model_validate({**WEEKLY, **once})
        spine = begun([arranged(tmp_path, Arrangements((spec,)))])
        process(spine, says(0, "L1", state="bad"), says(58, "L0", state="bad"), tick(63))
        held = dispositions(spine)

        process(spine, tick(120))

        assert held == {"L1": "own_order", "L0": "withheld_maintenance"}
        assert dispositions(spine)["L0"] == "own_order"

    def test_a_reload_takes_it_away(self, tmp_path: Path) -> None:
        """Maintenance is part of what is reloaded: no restart."""
        planned = arranged(tmp_path, Arrangements((AFTERNOON,)))
        spine = begun([planned, ruleset(tmp_path)])
        process(spine, says(0, "L0", state="bad"), tick(10))
        held = dispositions(spine)

        process(spine, Reload(tick(20).at, ruleset(tmp_path).hash))

        assert (held, dispositions(spine)) == ({"L0": "withheld_maintenance"}, {"L0": "own_order"})

    @pytest.mark.parametrize(
        ("given", "says_what"),
        [
            ({}, "write a calendar, or both from and until"),
            ({"from": "2026-12-01 08:00"}, "write a calendar, or both from and until"),
            ({"from": "2026-12-01 08:00", "until": "2026-12-01 07:00"}, "until lies before from"),
            ({"from": "2026-12-01 08:00", "until": "2026-12-01T07:00Z"}, "both from and until with a zone"),
            ({"from": "tomorrow", "until": "2026-12-01 07:00"}, "'tomorrow' is no moment"),
        ],
    )
    def test_it_must_end(self, given: dict[str, Any], says_what: str) -> None:
        """Whatever is written, there is an end to it."""
        with pytest.raises(ValidationError, match=says_what):
            MaintenanceSpec.model_validate({**WEEKLY, **given})


class TestDependencies:
    def test_what_depends_on_a_lost_asset_is_a_child_of_its_order(self, tmp_path: Path) -> None:
        """L1 hangs on L0 and L2 on L1: while L0 is at fault they have no orders of their own; L3 has."""
        spine = depending(
            tmp_path,
            {"L1": {"asset": "L0", "rules": ["fault"]}, "L2": {"asset": "L1"}},
        )
        process(spine, says(0, "L0", state="bad"), tick(6))
        process(spine, *(says(10, name, state="bad") for name in ("L1", "L2", "L3")), tick(80))

        assert dispositions(spine) == {"L0": "own_order", "L1": "child", "L2": "child", "L3": "own_order"}
        assert rows(spine, "SELECT action FROM outbox ORDER BY id") == [("create",), ("create",), ("update",)]

    def test_when_the_parent_is_back_and_they_are_not_they_get_orders(self, tmp_path: Path) -> None:
        """Released, with the reason in the ledger."""
        spine = depending(tmp_path, {"L1": {"asset": "L0", "rules": ["fault"]}})
        process(spine, says(0, "L0", state="bad"), tick(6), says(10, "L1", state="bad"), tick(16))

        process(spine, says(20, "L0", state="good"), tick(30))

        assert dispositions(spine) == {"L1": "own_order"}
        assert (Cause.RELEASED.value,) in rows(spine, "SELECT cause FROM transition")

    @pytest.mark.parametrize("child_first", [True, False])
    def test_what_ends_with_its_parent_gets_no_order_on_the_way(self, tmp_path: Path, *, child_first: bool) -> None:
        """Both clear at the same instant, whichever is told first; a little later is later, and then it is released."""
        names = ("L0", "L1") if child_first else ("L1", "L0")
        parent, child = names
        spine = depending(tmp_path, {child: {"asset": parent, "rules": ["fault"]}})
        process(spine, says(0, parent, state="bad"), tick(6), says(10, child, state="bad"), tick(16))

        process(spine, *(says(20, name, state="good") for name in sorted(names)), tick(60))

        assert dispositions(spine) == {}
        assert (Cause.RELEASED.value,) not in rows(spine, "SELECT cause FROM transition")
        assert rows(spine, "SELECT count(*) FROM work_order") == [(1,)]

    def test_what_is_taken_away_with_its_parent_gets_no_order_either(self, tmp_path: Path) -> None:
        """A reload that removes both rules."""
        spine = depending(tmp_path, {"L1": {"asset": "L0", "rules": ["fault"]}})
        process(spine, says(0, "L0", state="bad"), tick(6), says(10, "L1", state="bad"), tick(16))
        none = arranged(tmp_path, Arrangements(), RULES.replace("id: fault", "id: other"))
        spine.journal.add_ruleset(none.hash, none.to_json(), tick(17).at)

        process(spine, Reload(tick(20).at, none.hash), tick(21))

        assert (Cause.RELEASED.value,) not in rows(spine, "SELECT cause FROM transition")
        assert rows(spine, "SELECT count(*) FROM work_order WHERE rule = 'fault'") == [(1,)]

    def test_a_rule_may_be_a_child_of_another_on_the_same_asset(self, tmp_path: Path) -> None:
        """`child_of` names it; what is never suppressed is nobody's child."""
        child = """
  - id: slow
    title: {zh: 慢, en: Slow}
    applies_to: {kind: lift}
    child_of: [fault]
    levels: [{level: III, when: {point: door, equals: slow}}]
    basis: test
    cause: {zh: 因, en: cause}
    consequence: {zh: 果, en: consequence}
"""
        spine = depending(tmp_path, {}, RULES + child)
        process(spine, says(0, "L0", state="bad"), tick(6), says(10, "L0", door="slow"), says(11, "L1", door="slow"))

        assert dispositions(spine, "slow") == {"L0": "child", "L1": "own_order"}


def test_what_is_arranged_survives_the_store(tmp_path: Path) -> None:
    """A stored ruleset reads back with its maintenance and dependencies."""
    links = {"L1": (DependencySpec(asset="L0", rules=("fault",)),)}
    one = arranged(tmp_path, Arrangements((AFTERNOON,), links))

    assert Ruleset.from_json(one.to_json()).arrangements == one.arrangements
    assert one.hash != ruleset(tmp_path).hash


def test_every_name_that_is_not_there_is_a_fault() -> None:
    """With the nearest one, and a ring is told."""
    spec = MaintenanceSpec.model_validate({**WEEKLY, "of": {"assets": ["L99"]}, "rules": ["faults"], "calendar": {"days": ["sun"]}})  # fmt: skip  # noqa: E501
    links = {"L1": (DependencySpec(asset="L2"),), "L2": (DependencySpec(asset="L1", rules=("trip",)),)}

    found = list(Arrangements((spec,), links).faults(CATALOGUE, {"fault": 1, "trap": 1}))

    assert found == [
        "maintenance 1: no asset is called 'L99'; did you mean 'L9'?",
        "maintenance 1: there is no rule 'faults'; did you mean 'fault'?",
        "depends_on of 'L2': there is no rule 'trip'; did you mean 'trap'?",
        "depends_on of 'L1': it depends on itself in the end; remove one of the links",
        "depends_on of 'L2': it depends on itself in the end; remove one of the links",
    ]
