from __future__ import annotations

from pathlib import Path

import pytest

from daemon.documents import build, parse
from daemon.model import ConfigError
from daemon.sensors.payload import check_topic, join_path, split_path
from daemon.sensors.profile import Profile, load_profiles

SHIPPED = Path(__file__).parents[3] / "config" / "profiles"

HEAD = """
version: 1
profile: p
title: {zh: 甲, en: A}
alive_within: 30s
mqtt: {topics: ["a/{b}"]}
"""


def test_shipped_profiles_load() -> None:
    """Every profile in the wheel is valid."""
    found = load_profiles(SHIPPED.glob("*.yaml"))

    assert {"lift-status-json", "leak-contact-json"} <= set(found)
    assert {name: f"{name}.yaml" for name in found} == {path.stem: path.name for path in SHIPPED.glob("*.yaml")}


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ("x: {unit: V}", "exactly one of json and register"),
        ("x: {json: {path: a}, register: {address: 1}}", "exactly one of json and register"),
        ("x: {register: {address: 1}}", "a profile with mqtt has json fields"),
        ("x: {kind: state, unit: V, json: {path: a}}", "a state point has labels, no unit and no range"),
        ("x: {json: {path: a, map: {1: on}}}", "a gauge point has numbers, no labels"),
        ("x: {range: [3, 1], json: {path: a}}", "is upside down"),
        ("x: {json: {path: 'a..b'}}", "is no path"),
        ("x-y: {json: {path: a}}", "a name has letters, digits and _ only"),
        ("x: {interval: 0s, json: {path: a}}", "interval: input should be greater than or equal to"),
    ],
)
def test_a_wrong_point_says_so(points: str, fault: str) -> None:
    """A point that cannot be meant is a fault of its file."""
    with pytest.raises(ConfigError) as caught:
        build(Profile, parse(f"{HEAD}points:\n  {points}\n", "p.yaml"))

    assert fault in str(caught.value)


@pytest.mark.parametrize("line", ["alive_within: 0s", "modbus: {interval: 0s}", "modbus: {interval: 0.4ms}"])
def test_a_span_of_nothing_is_refused_where_something_recurs(line: str) -> None:
    """A poll each 0 s would end the daemon at every start; a device alive within 0 s would never be alive."""
    with pytest.raises(ConfigError, match="should be greater than or equal to"):
        build(Profile, parse(f"version: 1\nprofile: p\ntitle: {{zh: 甲, en: A}}\n{line}\n", "p.yaml"))


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("ts", ("ts",)),
        ("data.items[0].v", ("data", "items", 0, "v")),
        ("params.switch:0.apower", ("params", "switch:0", "apower")),
        ('data["a.b"][1]', ("data", "a.b", 1)),
        ("[2].x", (2, "x")),
        ("$", ()),
    ],
)
def test_paths_are_read_and_written(path: str, steps: tuple[str | int, ...]) -> None:
    """A path is cut into keys and indices, and put together again."""
    assert split_path(path) == steps
    assert join_path(steps) == path


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[x]", "a[", "a]b", 'a["b]'])
def test_what_is_no_path_is_refused(path: str) -> None:
    """A slip of the pen in a path is a fault, not a field that never comes."""
    with pytest.raises(ValueError, match="is no path"):
        split_path(path)


@pytest.mark.parametrize("topic", ["", "a/#/b", "a/b+", "a/{b}c", "{a}/{a}", "a/{1}"])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    """A topic pattern that cannot match is a fault."""
    with pytest.raises(ValueError, match=r"is no topic pattern|names one part twice"):
        check_topic(topic)


def test_two_profiles_of_one_name_are_a_fault(tmp_path: Path) -> None:
    """The second file is named."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(f"{HEAD}points: {{x: {{json: {{path: a}}}}}}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_profiles(tmp_path.glob("*.yaml"))

    assert caught.value.faults == [f"{tmp_path}/b.yaml:3:1: the profile 'p' is defined twice; rename one of them"]
