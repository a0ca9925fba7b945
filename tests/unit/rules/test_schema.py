"""What is wrong with a rule file is said at once, with its places."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.model import ConfigError
from daemon.rules.schema import Ruleset, load, shape_faults
from tests.rule_bench import WORDS, Bench, make_catalogue

HEAD = f"version: 1\nrules:\n  - id: r\n{WORDS}    applies_to: {{kind: room}}\n    levels:\n"


def faults(tmp_path: Path, text: str, **overrides: dict[str, object]) -> list[str]:
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    changes = {("a1", rule): change for rule, change in overrides.items()}
    with pytest.raises(ConfigError) as caught:
        load([path], make_catalogue(), changes)
    return [fault.replace(f"{path}:", "") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("level", "says"),
    [
        ("{level: I, when: {point: p, belwo: 0.1 MPa}}", "unknown key 'belwo'; did you mean 'below'?"),
        ("{level: I, when: {point: p, below: 0.1}}", "below: 0.1 has no unit; the point is in MPa, write 0.1 MPa"),
        ("{level: I, when: {point: p, below: 40 °C}}", "°C is a temperature, but the point is in MPa (pressure)"),
        ("{level: I, when: {point: p, below: 0.1 Mpa}}", "unknown unit 'Mpa'; did you mean 'MPa'?"),
        ("{level: I, when: {point: p}}", "write exactly one of below, above"),
        ("{level: I, when: {point: p, below: 1 MPa, above: 2 MPa}}", "(found below and above)"),
        ("{level: I, when: {point: p, outside: [1 MPa, 0.5 MPa]}}", "outside: 1 MPa is more than 0.5 MPa"),
        ("{level: I, when: {point: p, equals: x}}", "equals: p is a gauge, which has no labels"),
        ("{level: I, when: {point: chain, below: 3}}", "below: chain is a state, which has no numbers; use equals"),
        ("{level: I, when: {point: p, below: 80 %, of: median}}", "needs both its statistic"),
        ("{level: I, when: {point: p, below: 1 bar, of: median, over: 1min}}", "below: bar is a pressure"),
        (
            "{level: I, when: {point: p, below: 80 %, of: mean, over: 1min, coverage: 0 %}}",
            "must be more than 0 %",
        ),
        ("{level: I, when: {point: p, falls: -1 MPa, within: 3s}}", "falls must be more than zero"),
        ("{level: I, when: {point: p, falls: 1 MPa}}", "'within' is missing"),
        ("{level: I, when: {all: []}}", "the list is empty"),
        ("{level: I, when: {point: p, below: 1 MPa}, for: 60}", "60 is no span"),
        ("{level: IV, when: {point: p, below: 1 MPa}}", "'IV' is no level; write I, II or III"),
        ("{level: I, when: {point: chian, equals: open}}", "no asset has a point 'chian'; did you mean 'chain'?"),
        ("{level: I, when: {point: p, below: 1 MPa}, clear: {when: {point: p, above: 1 K}}}", "above: K is a temp"),
    ],
)
def test_a_fault_is_said_with_its_place(tmp_path: Path, level: str, says: str) -> None:
    """Line 10, where the level stands, and what to do."""
    (fault,) = faults(tmp_path, HEAD + f"      - {level}\n")

    assert says in fault
    assert fault.startswith("10:")


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Two bad files and a rule id that stands in both good ones: every line of it."""
    good = HEAD + "      - {level: I, when: {point: p, below: 0.1 MPa}}\n"
    for name, text in (("a", good), ("b", good), ("c", "version: 2\nrules: []\n"), ("d", "rules: [\n")):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load([tmp_path], make_catalogue())

    places = [fault.removeprefix(f"{tmp_path}/").split(": ")[0] for fault in caught.value.faults]
    assert places == ["c.yaml:1:1", "d.yaml:2:1", "b.yaml:3:5"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clean": "1s"}, "clean: the rule has no 'clean' that could differ; did you mean 'clear'?"),
        ({"above": "1 MPa"}, "above: the rule has no 'above' that could differ"),
        ({"below": "1 K"}, "below: K is a temperature"),
        ({"for": 5}, "5 is no span"),
        ({"II": {"for": "5s"}}, "II.for: the rule has no 'for'"),
        ({"I": "5s"}, "I: write what differs"),
    ],
)
def test_an_override_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    """It names the rule and the asset."""
    text = HEAD + "      - {level: I, when: {point: p, below: 0.1 MPa}}\n"

    (fault,) = faults(tmp_path, text, r=change)

    assert fault.startswith("override of 'r' for asset 'a1': ")
    assert says in fault


def test_an_override_of_no_rule_is_refused(tmp_path: Path) -> None:
    """With the nearest rule there is."""
    text = HEAD + "      - {level: I, when: {point: p, below: 0.1 MPa}}\n"

    assert faults(tmp_path, text, rr={"for": "1s"}) == [
        "override of 'rr' for asset 'a1': there is no such rule; did you mean 'r'?"
    ]


def test_an_override_changes_one_asset(bench: Bench) -> None:
    """Its hold, its limit at a level, its clear; the other asset keeps the rule's own."""
    bench.catalogue = make_catalogue(assets=2)
    rules = bench.ruleset(
        """
        r
        levels:
          - {level: I, when: {point: p, below: 0.05 MPa}, for: 60s}
          - {level: II, when: {not: {point: p, at_least: 0.10 MPa}}, for: 3min}
        """,
        overrides={("a1", "r"): {"for": "10s", "I": {"below": "60 kPa"}, "clear": {"for": "5s"}}},
    )
    one, other = rules.rule_for("r", "a1"), rules.rule_for("r", "a2")
    assert one is not None
    assert other is not None

    assert [str(rung.hold) for rung in one.levels] == ["0:00:10", "0:00:10"]
    assert [str(rung.hold) for rung in other.levels] == ["0:01:00", "0:03:00"]
    assert "below='60 kPa'" in repr(one.levels[0])
    assert all(rung.clear is not None for rung in one.levels)


def test_a_cap_is_a_number_of_orders_a_day(bench: Bench) -> None:
    """One or more, for all assets or for one; what is never suppressed has none."""
    rule = "r\n cap: CAP\n levels: [{level: I, when: {point: p, below: 0.1 MPa}}]"
    rules = bench.ruleset(rule.replace("CAP", "2"), overrides={("a1", "r"): {"cap": 1}})
    one = rules.rule_for("r", "a1")

    assert (rules.rules[0].cap, one and one.cap) == (2, 1)
    with pytest.raises(ConfigError, match="greater than or equal to 1"):
        bench.ruleset(rule.replace("CAP", "0"))
    with pytest.raises(ConfigError, match="a rule that is never suppressed has no cap; remove one of the two"):
        bench.ruleset(rule.replace("CAP", "1\n never_suppress: true"))


def test_an_override_reaches_every_kind_of_condition(bench: Bench) -> None:
    """Distances and spans of baselines, limits and days of forecasts, hours; in the clear condition what says how."""
    rules = bench.ruleset(
        """
        r
        calendar: {hours: 08:00-18:00}
        levels:
          - level: I
            when: {point: p, above: 3 sd, baseline: {over: 14d, after: 5d}}
            clear: {when: {point: p, below: 2 sd, baseline: {over: 14d, after: 5d}}}
          - level: II
            when: {all: [{point: t, rises_to: 60 °C, within: 60d}, {time: 08:00-12:00}]}
            clear: {when: {point: t, rises_to: 60 °C, beyond: 90d}}
        """,
        overrides={
            ("a1", "r"): {
                "calendar": {"hours": "20:00-22:00"},
                "above": "5 sd",
                "baseline": {"over": "30d"},
                "II": {"rises_to": "70 °C", "within": "30d", "history": {"days": 20}, "time": "09:00-10:00"},
                "clear": {"beyond": "40d"},
            }
        },
    )

    changed = repr(rules.rule_for("r", "a1"))

    assert "hours=('20:00-22:00',)" in changed
    assert "above='5 sd'" in changed
    assert changed.count("over=datetime.timedelta(days=30), after=datetime.timedelta(days=5)") == 2
    assert "rises_to='70 °C', within=datetime.timedelta(days=30)" in changed
    assert "days=20" in changed
    assert "hours=('09:00-10:00',)" in changed
    assert "beyond=datetime.timedelta(days=40)" in changed


def test_a_ruleset_goes_through_json(bench: Bench) -> None:
    """The same rules on the same site have the same hash; a changed limit has another."""
    rule = "r\n levels: [{level: I, when: {any: [{point: p, below: LIMIT}, {stale: {after: 5min}}]}, for: 90s}]"
    one = bench.ruleset(rule.replace("LIMIT", "0.1 MPa"), overrides={("a1", "r"): {"for": "10s"}})
    again = Ruleset.from_json(one.to_json())

    assert (again, again.hash, again.to_json()) == (one, one.hash, one.to_json())
    assert bench.ruleset(rule.replace("LIMIT", "0.2 MPa")).hash != one.hash


@pytest.mark.parametrize("text", [b"{}", b"[]", b'{"version": 2}', b"nonsense", b'{"version":1,"rules":[{}]}'])
def test_what_is_no_ruleset_is_refused(text: bytes) -> None:
    """ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r".+"):
        Ruleset.from_json(text)


def test_a_rule_binds_where_its_points_are(bench: Bench) -> None:
    """An asset that lacks one is left out; a rule that binds nowhere is no fault (see `lints`)."""
    rules = bench.ruleset(
        "here\n levels: [{level: I, when: {point: p, below: 0.1 MPa}}]",
        "nowhere\n levels: [{level: I, when: {all: [{point: p, below: 0.1 MPa}, {point: humidity, above: 90 %}]}}]",
        "other\n applies_to: {kind: boiler}\n levels: [{level: I, when: {point: p, below: 0.1 MPa}}]",
        "off\n mode: off\n levels: [{level: I, when: {point: p, below: 0.1 MPa}}]",
    )

    assert [(b.rule.id, b.asset.id) for b in rules.bindings()] == [("here", "a1")]


def test_applies_to_takes_all_that_is_given(bench: Bench) -> None:
    """Kind, tags and ids; a wildcard; and an id that no asset has is a fault."""
    level = "levels: [{level: I, when: {point: p, below: 0.1 MPa}}]"
    rules = bench.ruleset(
        f"a\n applies_to: {{kind: '*'}}\n {level}",
        f"b\n applies_to: {{kinds: [hall, room], assets: [a1]}}\n {level}",
        f"c\n applies_to: {{kind: room, tags: [north]}}\n {level}",
    )

    assert [b.rule.id for b in rules.bindings()] == ["a", "b"]
    with pytest.raises(ConfigError, match=r"no asset is called 'a11'; did you mean 'a1'\?"):
        bench.ruleset(f"d\n applies_to: {{assets: [a11]}}\n {level}")
    with pytest.raises(ConfigError, match="name at least one of kind"):
        bench.ruleset(f"d\n applies_to: {{}}\n {level}")


def test_the_shape_of_a_file_is_judged_without_a_site(bench: Bench) -> None:
    """An unknown key is a fault wherever the file is used; a point that no site has is not looked for."""
    bench.rules("r\n levels: [{level: I, when: {point: p, below: 1 bar}}]")
    healthy = bench.path.read_text("utf-8").replace("point: p", "point: nowhere")
    bench.path.write_text(healthy, "utf-8")
    assert shape_faults([bench.path]) == []

    bench.path.write_text(healthy.replace("basis:", "reason:"), "utf-8")

    assert shape_faults([bench.path])[0].startswith(f"{bench.path}:")


@pytest.mark.parametrize("parent", ["nobody", "r", "each_device"])
def test_a_child_has_a_parent_beside_it(bench: Bench, parent: str) -> None:
    """Not a rule that does not exist, nor itself, nor one that watches each device by itself."""
    when = "levels: [{level: I, when: {stale: {after: 1min}}}]"
    rules = (f"r\n child_of: {parent}\n {when}", f"room\n {when}", f"each_device\n per: device\n {when}")
    bench.ruleset(*(rule.replace(f"child_of: {parent}", "child_of: room") for rule in rules))

    with pytest.raises(ConfigError, match=rf"there is no rule '{parent}' with `per: source` or `per: asset` beside"):
        bench.ruleset(*rules)


def test_a_rule_of_each_device_is_found_by_the_device(bench: Bench) -> None:
    """What differs on the device's asset differs for it; a rule that is not there is none."""
    rule = "r\n per: device\n cap: 2\n levels: [{level: I, when: {stale: {after: 1min}}}]"
    rules = bench.ruleset(rule, overrides={("a1", "r"): {"cap": 1}})
    found = rules.rule_for("r", "a1.d")

    assert found is not None
    assert found.cap == 1
    assert rules.rule_for("other", "a1.d") is None
