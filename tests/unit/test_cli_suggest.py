"""`precomplaint rules suggest` on files."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from daemon.cli.main import app as main_app
from daemon.cli.rules import app
from daemon.model import ConfigError

MAP = """
version: 1
columns: {P: zone-1.pressure, Q: zone-1.flow}
assets:
  - id: zone-1
    kind: water_zone
    points:
      pressure: {unit: MPa, range: [0, 1.6], interval: 1s}
      flow: {unit: m³/h, interval: 1s}
"""
START = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)


class Bench:
    """Half an hour at 1 Hz: well for 20 min, then the pressure is lower; the flow never changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        draw = random.Random(1)
        rows = [
            f"{START + timedelta(seconds=n):%Y-%m-%dT%H:%M:%SZ},{draw.gauss(0.4 if n < 1200 else 0.36, 0.01):.4f},7"
            for n in range(1800)
        ]
        self.write("h.csv", "\n".join(["time,P,Q", *rows]))
        self.write("map.yaml", MAP)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, command: str, *arguments: str) -> Result:
        places = ["--history", str(self.folder / "h.csv"), "--map", str(self.folder / "map.yaml")]
        return CliRunner().invoke(app, [command, *places, *arguments])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_is_suggested_can_be_played_at_once(bench: Bench) -> None:
    """The patch is a file of rules: a backtest with it finds the fault, and nothing in the healthy span."""
    out = str(bench.folder / "new")

    suggested = bench.run("suggest", "--first", "900", "--out", out)
    played = bench.run("backtest", "--rules", out, "-o", "json")

    assert suggested.exit_code == 0, suggested.output
    assert "zone-1.flow" in suggested.stdout
    assert [path.name for path in Path(out).iterdir()] == ["suggested.yaml"]
    (alarm,) = orjson.loads(played.stdout)["alarms"]
    assert alarm["rule"] == "own.water_zone.pressure"
    assert datetime.fromisoformat(alarm["start"]) - START < timedelta(seconds=1260)


def test_the_span_may_be_given_by_its_ends(bench: Bench) -> None:
    """The end is not in it; times without a zone are the site's."""
    done = bench.run("suggest", "--from", "2026-03-09T02:05:00Z", "--until", "2026-03-09 10:15:00", "-o", "json")

    (point,) = orjson.loads(done.stdout)["suggested"]
    assert (point["from"], point["until"]) == ("2026-03-09T02:05:00+00:00", "2026-03-09T02:14:59+00:00")
    assert point["readings"] == 600


def test_the_result_is_one_json_object_with_the_arithmetic(bench: Bench) -> None:
    """Every figure that the limits were made of."""
    found = orjson.loads(bench.run("suggest", "--first", "900", "--budget", "1", "-o", "json").stdout)

    (point,) = found["suggested"]
    near = point["levels"]["III"]
    made = near["arithmetic"]
    far = made["deviations"] * made["two_windows"] * made["short_span"] * made["scatter"] + made["drift"]
    assert near["outside"][1] == pytest.approx(made["centre"] + far + made["rounding"], rel=0.01)
    assert found["unwatched"][0]["point"] == "zone-1.flow"
    assert found["overrides"] == found["written"] == []
    assert near["budget_a_week"] == 0.25
    assert point["unrest"]["budget_a_week"] == 0.5
    assert found["together"] == found["derived"] == []


@pytest.fixture
def two(tmp_path: Path) -> Bench:
    """As the other, and the flow scatters, too."""
    bench, draw = Bench(tmp_path), random.Random(2)
    rows = (bench.folder / "h.csv").read_text(encoding="utf-8").splitlines()
    rows = [rows[0], *(f"{row.rpartition(',')[0]},{draw.gauss(7, 0.5):.3f}" for row in rows[1:])]
    bench.write("h.csv", "\n".join(rows))
    return bench


def test_rules_on_several_points_are_played_with_their_derived_points(two: Bench) -> None:
    """They stand in a file of their own, for assets.yaml."""
    out = two.folder / "new"

    suggested = two.run("suggest", "--first", "900", "--out", str(out))
    rules, changes = str(out / "suggested.yaml"), str(out / "suggested.overrides.yaml")
    played = two.run("backtest", "--rules", rules, "--with", changes, "-o", "json")

    assert "2 points together" in suggested.stdout
    alarms = orjson.loads(played.stdout)["alarms"]
    assert "own.water_zone.several.together" in {alarm["rule"] for alarm in alarms}


def test_what_is_wrong_with_proposed_changes_is_said(two: Bench) -> None:
    """Without rules they mean nothing; assets and points must be there."""
    two.write("none.yaml", "assets: [{id: zone-9}]")
    two.write("ring.yaml", "assets: [{id: zone-1, derived: {a: {value: b}}}]")
    rules = ["--rules", str(two.folder / "map.yaml")]

    alone = two.run("backtest", "--with", str(two.folder / "none.yaml"))
    nobody = two.run("backtest", *rules, "--with", str(two.folder / "none.yaml"))
    nothing = two.run("backtest", *rules, "--with", str(two.folder / "ring.yaml"))

    assert [str(done.exception) for done in (alone, nobody, nothing)] == [
        "--with: give the rules that it belongs to as --rules",
        f"{two.folder / 'none.yaml'}: the site has no asset 'zone-9'; give its own entries",
        f"{two.folder / 'ring.yaml'}: zone-1: the derived point 'a': there is no point 'zone-1.b'",
    ]


def test_nothing_is_written_without_a_place(bench: Bench) -> None:
    """The patch is then on standard output."""
    before = set(bench.folder.iterdir())

    done = bench.run("suggest", "--first", "900")

    assert done.stdout.startswith("# ")
    assert "own.water_zone.pressure" in done.stdout
    assert set(bench.folder.iterdir()) == before


def test_a_span_without_any_normal_is_a_failure(bench: Bench) -> None:
    """Exit 1, and each point's reason."""
    done = bench.run("suggest", "--first", "20")

    assert done.exit_code == 1
    assert "too short" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--budget", "0"], "--budget"),
        (["--from", "yesterday"], "--from"),
        (["--until", "9 o'clock"], "--until"),
    ],
)
def test_wrong_options_are_said(bench: Bench, arguments: list[str], fault: str) -> None:
    """A usage error names the option."""
    done = bench.run("suggest", *arguments)

    assert isinstance(done.exception, ConfigError)
    assert fault in done.exception.faults[0]


def test_a_suggestion_is_never_written_over(bench: Bench) -> None:
    """Somebody may have edited it."""
    out = str(bench.folder / "new")
    bench.run("suggest", "--first", "900", "--out", out)

    again = bench.run("suggest", "--first", "900", "--out", out)

    assert isinstance(again.exception, ConfigError)
    assert "already exists" in again.exception.faults[0]


def test_a_suggestion_is_never_written_among_the_rules_in_force(bench: Bench) -> None:
    """It would be applied by the next reload, and nobody has reviewed it."""
    site = bench.folder / "site"
    CliRunner().invoke(main_app, ["init", str(site)])
    gateway = site / "gateway.yaml"
    text = "\n".join(line for line in gateway.read_text(encoding="utf-8").splitlines() if not line.startswith("rules:"))
    gateway.write_text(f"{text}\nrules: [shipped, rules]\n", encoding="utf-8")
    (site / "rules").mkdir(exist_ok=True)

    done = bench.run("suggest", "-c", str(site), "--out", str(site / "rules"))

    assert isinstance(done.exception, ConfigError)
    assert "come into force" in done.exception.faults[0]


def test_a_suggestion_needs_a_history() -> None:
    """There is nothing to go by."""
    done = CliRunner().invoke(app, ["suggest"])

    assert isinstance(done.exception, ConfigError)
