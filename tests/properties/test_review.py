"""Whatever happens on a site in a month: the groups of its review add up to the totals."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from daemon.cli.main import app
from tests.month import LIFTS, Plan, begin, local

_PLANS = st.builds(
    Plan,
    st.sampled_from(["fixed", "rework", "false", "cancelled", "open", "unaccepted"]),
    st.sampled_from(["", "电梯班", "水电班"]),
    st.sampled_from(["li", "张师傅"]),
    st.floats(0, 3000),
    st.floats(0, 300),
    st.floats(3, 3000),
)
_FAULTS = st.lists(
    st.tuples(
        st.integers(-2 * 1440, 33 * 1440),
        st.sampled_from(list(LIFTS)[:3]),
        st.sampled_from(
            ["lift.door", "lift.shake", "lift.room", "lift.trap", "lift.power", "lift.noise", "lift.sensor"]
        ),
        _PLANS,
    ),
    max_size=14,
)


def _reviewed(faults: list[tuple[int, str, str, Plan]]) -> tuple[dict[str, Any], int]:
    """The review of October, and how many faults of October brought an order."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stage = begin(folder, local(2026, 9, 28))
        for minutes, asset, rule, plan in faults:
            stage.fault(local(2026, 10, 1) + timedelta(minutes=minutes), asset, rule, plan)
        stage.play(local(2026, 11, 9))
        result = CliRunner().invoke(app, ["report", "-c", name, "--month", "2026-10", "-o", "json"])
        assert result.exit_code == 0, result.exception
        mine = sum(local(2026, 10, 1) <= account.created < local(2026, 11, 1) for account in stage.accounts)
        stage.spine.db.close()
        return orjson.loads(result.stdout), mine


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_FAULTS)
def test_the_groups_add_up(faults: list[tuple[int, str, str, Plan]]) -> None:
    """Orders over every grouping, verdicts of a rule, fates of alarms, stages of handlings, promises by outcome."""
    found, mine = _reviewed(faults)

    head, tables = found["headline"], found["tables"]
    parts = ("pre_complaints", "incidents", "instruments", "root_causes")
    assert head["orders"] == sum(head[part] for part in parts)
    storms = sum(row["orders"] for row in tables["by_rule"] if row["rule"] == "site.storm")
    assert head["orders"] == mine + head["root_causes"] + storms
    ours = head["pre_complaints"] + head["incidents"]
    everything = {"by_type": head["orders"], "by_level": head["orders"], "teams": head["orders"]}
    for name in ("by_category", "by_building", "by_kind", "by_asset"):
        everything[name] = ours
    for name, total in everything.items():
        assert sum(row["orders"] for row in tables[name]) == total, name
    assert sum(n for day in found["days"] for n in (day["I"], day["II"], day["III"])) == ours
    for row in tables["by_rule"]:
        assert row["right"] + row["false"] + row["cancelled"] + row["open"] == row["orders"]
    for row in tables["by_asset"]:
        assert row["level_1"] + row["level_2"] + row["level_3"] == row["orders"]
    fates = [key for key in (tables["dispositions"] or [{}])[0] if key not in {"rule", "title", "alarms"}]
    for row in tables["dispositions"]:
        assert sum(row[fate] for fate in fates) == row["alarms"]
    handlings: Counter[str] = Counter()
    for row in tables["stages"]:
        handlings[f"{row['stage']['en']} {row['level'] == {'zh': '全部', 'en': 'all'}}"] += (
            row["counted"] + row["waiting"] + row["untold"]
        )
    assert len(set(handlings.values())) == 1, "levels add up to all, and every stage has all handlings"
    for row in tables["promises"]:
        assert row["rate"]["of"] == row["in_time"] + row["late"] + row["missed"]
        assert row["rate"]["n"] == row["in_time"]
