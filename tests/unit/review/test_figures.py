"""Figures of a month, counted again from what the script did, not from the ledger."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from statistics import median
from typing import Any

import orjson
import pytest

from daemon.model import Level
from tests.month import LIFTS, Account, Handled, local
from tests.unit.review.conftest import Played

BEGIN, END = local(2026, 10, 1), local(2026, 11, 1)
MINUTE = timedelta(minutes=1)
#: Minutes to accept, by level, as `config/sla/residential.yaml` promises.
RESPOND = {Level.I: 15, Level.II: 120, Level.III: 1440}
INSTRUMENT = "lift.sensor"
Found = dict[str, Any]


@pytest.fixture(scope="module")
def found(played: Played) -> Found:
    return dict(
        orjson.loads(played.run("--month", "2026-10", "-o", "json", "--complaints", str(played.complaints)).stdout)
    )


@pytest.fixture(scope="module")
def accounts(played: Played) -> list[Account]:
    return [account for account in played.stage.accounts if BEGIN <= account.created < END]


def by_id(found: Found, table: str) -> dict[str, Any]:
    return {row["id"]: row for row in found["tables"][table]}


def level_of(account: Account) -> Level:
    """A second handling is one level up."""
    return Level(max(account.level - len(account.handlings) + 1, 1))


def handlings(accounts: list[Account]) -> list[tuple[Level, Handled]]:
    return [
        (Level(max(account.level - n, 1)), handled)
        for account in accounts
        for n, handled in enumerate(account.handlings)
    ]


def minutes(spans: list[timedelta]) -> float:
    return round(median(span / MINUTE for span in spans), 2)


def test_an_order_belongs_to_the_month_in_which_it_was_opened(found: Found, accounts: list[Account]) -> None:
    """From midnight to midnight by the site's clocks, whatever happened to it later."""
    assert found["from"] == "2026-09-30T16:00:00.000Z"
    assert found["until"] == "2026-10-31T16:00:00.000Z"
    own = sum(day[level] for day in found["days"] for level in ("I", "II", "III"))
    assert own == sum(account.rule != INSTRUMENT for account in accounts) + 1  # the storm's
    assert not found["so_far"]
    last = found["days"][-1]
    urgent = [a for a in accounts if a.created >= local(2026, 10, 31) and level_of(a) is Level.I]
    assert (last["day"], last["I"]) == ("2026-10-31", len(urgent))


def test_orders_by_asset_building_rule_and_level(found: Found, accounts: list[Account]) -> None:
    """Each table counts the script's faults; the storm order and root causes are the gateway's own additions."""
    ours = [account for account in accounts if account.rule != INSTRUMENT]
    by_asset = {asset: row["orders"] for asset, row in by_id(found, "by_asset").items()}
    assert by_asset == {**Counter(account.asset for account in ours), "hj": 1}
    lifts = sum(account.asset in LIFTS for account in ours)
    assert by_id(found, "by_kind")["lift"]["orders"] == lifts
    assert by_id(found, "by_building")["5号楼"]["orders"] == sum(LIFTS.get(a.asset) == "5号楼" for a in ours)
    rules = {row["rule"]: row["orders"] for row in found["tables"]["by_rule"]}
    assert rules == {**Counter(account.rule for account in accounts), "site.storm": 1}
    levels = Counter(level_of(account).name for account in accounts)
    root = found["headline"]["root_causes"]
    assert by_id(found, "by_level")["II"]["orders"] == levels["II"] + root
    assert by_id(found, "by_level")["III"]["orders"] == levels["III"]
    assert by_id(found, "by_level")["I"]["orders"] == levels["I"] + 1


def test_verdicts_by_rule(found: Found, accounts: list[Account]) -> None:
    """False alarms are what persons called so; right is what the sensor found mended."""
    for row in found["tables"]["by_rule"]:
        fates = Counter(account.fate for account in accounts if account.rule == row["rule"])
        assert row["false"] == fates["false"], row["rule"]
        assert row["right"] == fates["fixed"] + fates["rework"], row["rule"]
        assert row["cancelled"] == fates["cancelled"], row["rule"]
    fates = Counter(account.fate for account in accounts if account.rule != INSTRUMENT)
    verdicts = fates["false"] + fates["fixed"] + fates["rework"]
    assert found["headline"]["false"] == {
        "n": fates["false"],
        "of": verdicts,
        "percent": round(100 * fates["false"] / verdicts, 1),
    }


def test_the_time_of_each_stage(found: Found, accounts: list[Account]) -> None:
    """Median, longest and number of every handling that was accepted, begun, done and verified."""
    of_all = [row for row in found["tables"]["stages"] if row["level"] == {"zh": "全部", "en": "all"}]
    rows = {row["stage"]["en"].partition(":")[0]: row for row in of_all}
    of = [handled for _, handled in handlings(accounts)]
    root = found["headline"]["root_causes"]
    accepted = [h.accepted - h.created for h in of if h.accepted is not None]
    accepted += [timedelta(hours=1)] * root
    travel = [h.arrived - h.accepted for h in of if h.accepted is not None and h.arrived is not None]
    work = [h.done - h.arrived for h in of if h.arrived is not None and h.done is not None]
    for name, spans in (("Response", accepted), ("Travel", travel), ("Work", work)):
        assert rows[name]["counted"] == len(spans), name
        assert rows[name]["median"] == pytest.approx(minutes(spans), abs=0.01), name
        assert rows[name]["longest"] == pytest.approx(max(spans) / MINUTE, abs=0.01), name
    everything = len(of) + root + 1
    assert {row["counted"] + row["waiting"] + row["untold"] for row in rows.values()} == {everything}
    check = [h.verified - h.done for h in of if h.verified is not None and h.done is not None]
    assert rows["Check"]["counted"] == len(check)
    assert rows["Check"]["median"] == 15


def test_who_responded_in_time(found: Found, accounts: list[Account]) -> None:
    """Accepted within what its level promises, of all accepted or past the deadline; reworks promise anew."""
    ours = [account for account in accounts if account.rule != INSTRUMENT]
    judged = [
        handled.accepted is not None and handled.accepted - handled.created <= RESPOND[level] * MINUTE
        for level, handled in handlings(ours)
    ]
    judged.append(False)  # the storm's order is nobody's

    (row,) = [row for row in found["tables"]["indicators"] if row["name"]["en"] == "Accepted in time"]

    assert (row["rate"]["n"], row["rate"]["of"]) == (sum(judged), len(judged))


def test_the_rework_rate(found: Found, accounts: list[Account]) -> None:
    """Of what was called done, how much was mended at the first try."""
    ours = [a for a in accounts if a.rule != INSTRUMENT and any(h.done is not None for h in a.handlings)]

    (row,) = [row for row in found["tables"]["indicators"] if row["name"]["en"] == "Mended at the first try"]

    assert (row["rate"]["n"], row["rate"]["of"]) == (sum(len(a.handlings) == 1 for a in ours), len(ours))


def test_repeats(found: Found, played: Played) -> None:
    """The same rule on the same asset within seven days before, an hour or more earlier."""
    everything = sorted(played.stage.accounts, key=lambda account: account.created)
    repeats = 0
    for n, account in enumerate(everything):
        same = [a.created for a in everything[:n] if (a.asset, a.rule) == (account.asset, account.rule)]
        near = [at for at in same if account.created - at < timedelta(days=7)]
        again = any(account.created - at >= timedelta(hours=1) for at in near)
        repeats += again and BEGIN <= account.created < END and account.rule != INSTRUMENT

    (row,) = [row for row in found["tables"]["indicators"] if row["name"]["en"] == "Repeats"]

    assert row["rate"]["n"] == repeats


def test_teams_and_their_runs(found: Found, accounts: list[Account]) -> None:
    """The longest row of overdue orders one after the other is the water team's, and is told with its orders."""
    rows = {row["team"]["zh"]: row for row in found["tables"]["teams"]}
    assert rows["水电班"]["orders"] == sum(account.team == "水电班" for account in accounts)
    assert rows["网管小周"]["person"] == {"zh": "是", "en": "yes"}
    assert rows["水电班"]["longest"] >= 4
    assert len(rows["水电班"]["run"].split()) == rows["水电班"]["longest"]
    assert any(one["key"] == "team" and "水电班" in one["text"]["zh"] for one in found["suggestions"])


def test_what_became_of_every_alarm(found: Found) -> None:
    """Each rule's dispositions add up to its alarms; shadow, maintenance, shelf and storm are all there."""
    rows = found["tables"]["dispositions"]
    fates = [key for key in rows[0] if key not in {"rule", "title", "alarms"}]
    for row in rows:
        assert sum(row[fate] for fate in fates) == row["alarms"], row["rule"]
    by_rule = {row["rule"]: row for row in rows}
    assert by_rule["lift.noise"]["withheld_shadow"] == 13
    assert by_rule["lift.room"]["withheld_maintenance"] == 3
    assert by_rule["lift.shake"]["withheld_shelved"] == 1
    assert by_rule["lift.power"] == by_rule["lift.power"] | {"alarms": 12, "own_order": 9, "child": 3}
    (folded,) = [row for row in found["tables"]["folded"] if row["reason"]["en"] == "Folded into a storm"]
    assert folded["alarms"] == 3
    assert {row["user"] for row in found["tables"]["mutes"]} == {"li", "wang"}


def test_complaints(found: Found) -> None:
    """After an order, without one, about what no rule looks at, about nothing here; November's is not October's."""
    heard = found["complaints"]
    assert heard["all"] == 11
    assert (heard["unwatched"], heard["left_out"]) == (1, 1)
    assert (heard["preempted"], heard["during"], heard["missed"]) == (8, 0, 1)
    assert heard["by_incident"] == 1
    outcomes = [row["outcome"]["en"] for row in found["tables"]["complaints"] if row["asset"] == "zone-high"]
    assert outcomes == ["Preempted"] * 3
    (burst,) = [row for row in found["tables"]["complaints"] if row["asset"] == "b3-lift-2"]
    assert burst["lead"] == 8


def test_incidents_apart(found: Found) -> None:
    """Three entrapments, each with its steps; they are no pre-complaints."""
    assert found["headline"]["incidents"] == 3
    incidents = found["tables"]["incidents"]
    assert [row["asset"]["en"] for row in incidents] == ["3号楼 Lift 2"] * 3
    assert [row["rate"] for row in incidents] == [{"n": 8, "of": 8, "percent": 100.0}] * 3
    assert [row["late"] for row in incidents] == [None] * 3


def test_notices_that_nobody_got(found: Found, played: Played) -> None:
    """Given up and without a channel are told, with what the peer said."""
    channels = {row["channel"]: row for row in found["tables"]["notices"]}
    assert channels["lobby"]["parked"] > 0
    assert channels["crew"]["rate"]["percent"] == 100
    assert all("93000" in row["error"] for row in found["tables"]["undelivered"])
    assert len(found["tables"]["undelivered"]) == channels["lobby"]["parked"]


def test_the_sums_of_groups_are_the_totals(found: Found) -> None:
    """Types and levels add up to all orders; place, kind, asset and category to those about the house."""
    head = found["headline"]
    for table in ("by_type", "by_level"):
        assert sum(row["orders"] for row in found["tables"][table]) == head["orders"], table
    for table in ("by_building", "by_kind", "by_asset", "by_category"):
        assert sum(row["orders"] for row in found["tables"][table]) == head["pre_complaints"] + head["incidents"], table
    assert sum(row["orders"] for row in found["tables"]["teams"]) == head["orders"]
    assert sum(row["orders"] for row in found["tables"]["by_rule"]) == head["orders"] - head["root_causes"]
