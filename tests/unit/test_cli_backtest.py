"""`precomplaint rules backtest` on files."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from daemon.cli.rules import app
from daemon.model import ConfigError, OrderStatus, TicketUpdate
from daemon.store.db import connect
from tests.spine import RULES as SPINE_RULES
from tests.spine import at as spine_at
from tests.spine import pipeline, process, ruleset, said, tick

RULES = """
version: 1
rules:
  - id: low
    title: {zh: 低, en: low}
    applies_to: {kind: water_zone}
    levels: [{level: II, when: {point: pressure, below: LIMIT MPa}, for: 2min, clear: {for: 2min}}]
    basis: test
    cause: {zh: 泵, en: pump}
    consequence: {zh: 停水, en: no water}
"""
MAP = """
version: 1
time: {zone: Asia/Shanghai}
columns: {P: zone-1.pressure, S: zone-1.spare}
assets:
  - id: zone-1
    kind: water_zone
    points:
      pressure: {unit: MPa, range: [0, 1.6], interval: 1min, spike: 0.9 MPa}
      spare: {unit: MPa, interval: 1min}
"""
START = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)


class Bench:
    """A folder with a map, rules and an hour of history at 1/min: pressure falls to 0.05 from 10 to 20 min."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("map.yaml", MAP)
        self.write("new.yaml", RULES.replace("LIMIT", "0.15"))
        self.write("old.yaml", RULES.replace("LIMIT", "0.01"))
        rows = [f"{START + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},{0.05 if 10 <= n < 20 else 0.3}" for n in range(60)]
        self.write("h.csv", "\n".join(["time,P", *rows]))

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def run(self, *more: str) -> Result:
        named = ["--history", self.path("h.csv"), "--map", self.path("map.yaml"), "--rules", self.path("new.yaml")]
        return CliRunner().invoke(app, ["backtest", *named, *more])

    def json(self, *more: str) -> Any:  # noqa: ANN401  JSON
        return orjson.loads(self.run(*more, "-o", "json").stdout)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_alarms_and_orders_are_told_with_their_times(bench: Bench) -> None:
    """The history has no `spare`: nothing is said of it."""
    found = bench.json()

    assert found["history"]["readings"] == 60
    (alarm,) = found["alarms"]
    assert (alarm["rule"], alarm["asset"], alarm["level"]) == ("low", "zone-1", "II")
    assert (alarm["start"], alarm["end"]) == ("2026-03-09T02:12:00.000Z", "2026-03-09T02:22:00.000Z")
    assert [order["created_at"] for order in found["orders"]] == ["2026-03-09T02:12:00.000Z"]
    assert found["assets"][0]["alarm_minutes"] == 10


def test_text_is_for_people(bench: Bench) -> None:
    """Times are the site's own, Chinese comes first."""
    text = bench.run().stdout

    assert "2026-03-09 10:12:00 → 2026-03-09 10:22:00  II  low  zone-1  own_order" in text
    assert "报警 alarms: 1    工单 orders: 1" in text


def test_rules_are_compared(bench: Bench) -> None:
    """What the new rules fire on and the old ones do not."""
    found = bench.json("--against", bench.path("old.yaml"))["against"]

    assert [alarm["start"] for alarm in found["added"]] == ["2026-03-09T02:12:00.000Z"]
    assert (found["removed"], found["kept"]) == ([], 0)
    assert "+ 2026-03-09 10:12:00" in bench.run("--against", bench.path("old.yaml")).stdout


def test_complaints_are_scored(bench: Bench) -> None:
    """Times without a zone are the site's; one complaint had its order, one had not."""
    said = bench.write("c.csv", "time,asset,text\n2026-03-09 10:30,zone-1,没水\n2026-03-09 10:05,zone-1,没水\n")
    found = bench.json("--complaints", said, "--horizon", "1h")["complaints"]

    assert (found["complaints"], found["pre_empted"], found["missed"], found["false_orders"]) == (2, 1, 1, 0)
    assert found["median_lead_minutes"] == 18
    text = bench.run("--complaints", said).stdout
    assert "提前 18 min ahead low  没水" in text


def test_intervals_are_written_for_others(bench: Bench) -> None:
    """As CSV or JSON, by the name of the file."""
    table, whole = bench.path("i.csv"), bench.path("i.json")
    bench.run("--intervals", table)
    bench.run("--intervals", whole)

    with Path(table).open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["asset"], row["rule"], row["start"]) == ("zone-1", "low", "2026-03-09T02:12:00.000Z")
    assert orjson.loads(Path(whole).read_bytes())[0] == {**row, "no": 1}


def test_values_are_judged_as_in_production(bench: Bench) -> None:
    """A value out of its range is bad: no rule sees it."""
    rows = Path(bench.path("h.csv")).read_text(encoding="utf-8").splitlines()
    bench.write("h.csv", "\n".join([*rows[:11], *(row.replace(",0.05", ",-7") for row in rows[11:21]), *rows[21:]]))

    assert bench.json()["alarms"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no history"),
        (["--history", "none.csv"], "which site"),
        (["--history", "none.csv", "--map", "map.yaml"], "no such file"),
        (["--history", "h.csv", "--map", "map.yaml", "--horizon", "7"], "--horizon"),
        (["--history", "h.csv", "--map", "map.yaml", "--rules", "none.yaml"], "does not exist"),
        (["--history", "h.csv", "--map", "map.yaml", "--complaints", "h.csv"], "columns time and asset"),
    ],
)
def test_what_is_wrong_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str) -> None:
    """Each with what to do about it; the exit code is that of a usage error."""
    monkeypatch.chdir(bench.folder)
    done = CliRunner().invoke(app, ["backtest", *arguments])

    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)


def live(folder: Path) -> Path:
    """The state file of a gateway whose lift was hot, and whose order was accepted; rules of tests/spine.py."""
    state = folder / "state"
    state.mkdir()
    rules = ruleset(folder)
    spine = pipeline(rules, state / "state.db")
    process(spine, [said(10.0 * n, "lift-1", room_temp=50.0 if n < 5 else 20.0) for n in range(10)])
    key = f"site|lift-1|hot|{spine.ledger.id}|1"
    process(spine, [TicketUpdate(spine_at(95), key, OrderStatus.ACCEPTED, "wang"), tick(100)])
    spine.db.close()
    return state


def test_a_journal_needs_nothing_else(tmp_path: Path) -> None:
    """Site and rules are in it; the key of the order is that of the day, and the file is not touched."""
    state = live(tmp_path)
    before = (state / "state.db").read_bytes()
    done = CliRunner().invoke(app, ["backtest", "--history", str(state), "-o", "json"])

    found = orjson.loads(done.stdout)
    assert (found["site"], found["history"]["notes"]) == ("site", [])
    assert [order["key"].split("|")[:3] for order in found["orders"]] == [["site", "lift-1", "hot"]]
    assert found["orders"][0]["key"].split("|")[3] != "backtest"
    assert (state / "state.db").read_bytes() == before


def test_a_journal_is_played_under_other_rules(tmp_path: Path) -> None:
    """Those of the day are what it is compared with; orders are nobody's then."""
    state = live(tmp_path)
    other = tmp_path / "other.yaml"
    other.write_text(SPINE_RULES.replace("45 °C", "60 °C"), encoding="utf-8")
    named = ["backtest", "--history", str(state), "--rules", str(other), "--against", str(tmp_path / "rules.yaml")]
    done = CliRunner().invoke(app, [*named, "-o", "json"])

    found = orjson.loads(done.stdout)
    assert found["alarms"] == []
    assert [alarm["order"] for alarm in found["against"]["removed"]] == ["site|lift-1|hot|backtest|1"]


def test_a_journal_without_its_beginning_says_so(tmp_path: Path) -> None:
    """What stood before the oldest row that is left can only be guessed."""
    state = live(tmp_path)
    db = connect(state / "state.db")
    db.execute("DELETE FROM journal WHERE seq < 4")
    db.close()
    done = CliRunner().invoke(app, ["backtest", "--history", str(state), "-o", "json"])

    found = orjson.loads(done.stdout)
    assert "beginning of the journal is gone" in found["history"]["notes"][0]["en"]
    assert [alarm["rule"] for alarm in found["alarms"]] == ["hot"]


def test_a_page_is_written(bench: Bench) -> None:
    """Where it cannot be, that is said."""
    bench.run("--html", bench.path("r.html"))

    assert "规则回测" in Path(bench.path("r.html")).read_text(encoding="utf-8")
    done = bench.run("--html", bench.path("none/r.html"))
    assert isinstance(done.exception, ConfigError)
