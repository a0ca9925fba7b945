from pathlib import Path

import pytest

from simulators.events import EVENTS, Kind
from simulators.scenario import Expected, load_scenario
from simulators.stage import Stage
from simulators.strict_yaml import DocumentError

SHIPPED = Path(__file__).parents[3] / "config" / "scenarios"
HEAD = "version: 1\nduration: 60s\nseed: 1\ndevices:\n  L1: {kind: lift}\n  W1: {kind: pump_room}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["demo", "quiet", "bad-day"])
def test_shipped(name: str) -> None:
    """Every shipped scenario can be read."""
    scenario = load_scenario(SHIPPED / f"{name}.yaml")

    assert scenario.of_kind(Kind.LIFT)
    assert scenario.of_kind(Kind.PUMP_ROOM)


def test_demo_expects_two_orders() -> None:
    """The demo promises one order heard over MQTT and one over Modbus."""
    expected = load_scenario(SHIPPED / "demo.yaml").expected

    assert expected == (Expected("b1-lift-1", "elv.safety.chain"), Expected("zone-high", "wat.burst"))


def test_values_and_spans(tmp_path: Path) -> None:
    """A step holds from `at` until `for` has passed, the end not included; the value may be left to the default."""
    script = "script:\n  - {at: 8s, device: L1, event: safety_chain_open, for: 2m}\n"
    script += "  - {at: 500ms, device: W1, event: {burst: 3.5}}\n  - {at: 1s, device: W1, event: tank_drain}\n"
    scenario = load_scenario(write(tmp_path, HEAD + script))

    assert scenario.active("L1", 7.999) == {}
    assert scenario.active("L1", 8.0) == {"safety_chain_open": 1.0}
    assert scenario.active("L1", 128.0) == {}
    assert scenario.active("W1", 9999.0) == {"burst": 3.5, "tank_drain": EVENTS["tank_drain"].default}


def test_clear(tmp_path: Path) -> None:
    """`clear` ends everything its device suffers, `{clear: name}` one thing."""
    script = "script:\n  - {at: 1s, device: W1, event: burst}\n  - {at: 1s, device: W1, event: leak}\n"
    script += "  - {at: 5s, device: W1, event: {clear: burst}}\n  - {at: 9s, device: W1, event: clear}\n"
    scenario = load_scenario(write(tmp_path, HEAD + script))

    assert set(scenario.active("W1", 2.0)) == {"burst", "leak"}
    assert set(scenario.active("W1", 5.0)) == {"leak"}
    assert scenario.active("W1", 9.0) == {}


def test_told_more(tmp_path: Path) -> None:
    """While it is played a scenario can be told more: it happens at once, and is cleared the same way."""
    stage = Stage(load_scenario(write(tmp_path, HEAD)))
    stage.tell('{"device": "W1", "event": {"burst": 3.5}}')
    told = stage.scenario.active("W1", stage.now())
    stage.tell("{device: W1, event: clear}")

    assert told == {"burst": 3.5}
    assert stage.scenario.active("W1", stage.now()) == {}
    with pytest.raises(DocumentError, match="told:1: unknown device 'W9'"):
        stage.tell("{device: W9, event: burst}")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "colour: red\n", 7, "unknown key 'colour'"),
        (HEAD + "seed: 2\n", 7, "stands here twice"),
        (HEAD + "script:\n  - {at: 8, device: L1, event: door_flap}\n", 8, "a span such as 8s"),
        (HEAD + "script:\n  - {at: 8s, device: L9, event: door_flap}\n", 8, "known are L1, W1"),
        (HEAD + "script:\n  - {at: 8s, device: L1, event: burst}\n", 8, "cannot happen to a lift"),
        (HEAD + "script:\n  - {at: 8s, device: L1, event: bursts}\n", 8, "unknown event"),
        (HEAD + "script:\n  - {at: 8s, device: W1, event: {tank_drain: 200}}\n", 8, "outside 0..100"),
        (HEAD + "script:\n  - {at: 8s, device: L1, event: {mode: asleep}}\n", 8, "none of"),
        (HEAD + "script:\n  - {device: L1, event: door_flap}\n", 8, "'at' is missing"),
        (HEAD.replace("kind: lift", "kind: lift, demand: 3"), 5, "a lift has no 'demand'"),
        (HEAD.replace("kind: lift", "kind: ship"), 5, "unknown kind 'ship'"),
        (HEAD.replace("seed: 1", "seed: one"), 3, "a number is needed"),
        (HEAD.replace("version: 1", "version: 2"), 1, "reads version 1"),
        (HEAD + "expected:\n  - {asset: L1}\n", 8, "'rule' is missing"),
        (HEAD + 'starts_at: "25:00"\n', 7, "a time of day"),
        ("version: 1\nduration: [\n", 3, "not YAML"),
        ("", 1, "empty"),
    ],
)
def test_faults_have_a_place(tmp_path: Path, text: str, line: int, words: str) -> None:
    """A fault is told as file:line with what is wrong."""
    path = write(tmp_path, text)

    with pytest.raises(DocumentError) as caught:
        load_scenario(path)

    assert any(fault.startswith(f"{path}:{line}: ") and words in fault for fault in caught.value.faults)


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Two faults are told in one go."""
    text = HEAD.replace("seed: 1", "seed: x") + "colour: red\n"

    with pytest.raises(DocumentError) as caught:
        load_scenario(write(tmp_path, text))

    assert len(caught.value.faults) == 2
