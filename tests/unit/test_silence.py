"""Silent devices and sources, from readings to orders."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.model import (
    Asset,
    Catalogue,
    ConfigError,
    Device,
    Disposition,
    Input,
    Observation,
    Point,
    PointKind,
    Reading,
    Reload,
    Site,
    Text,
    Tick,
)
from daemon.pipeline import Pipeline
from daemon.rules.schema import Ruleset, load
from daemon.settings import shipped
from daemon.store import ledger
from daemon.store.db import connect
from tests.spine import at, process

SHIPPED = (shipped() / "rules" / "instrument.yaml").read_text(encoding="utf-8")
ALIVE = timedelta(seconds=30)
ASSETS = tuple(Asset(name, "lift", Text(f"{name}号", f"Lift {name}"), "b1", 90) for name in ("L1", "L2", "L3"))
#: L1 and L2 speak over the broker, L3 over it and over a bus.
DEVICES = (
    Device("L1/box", "L1", "broker", ALIVE),
    Device("L2/box", "L2", "broker", ALIVE),
    Device("L3/box", "L3", "broker", ALIVE),
    Device("L3/meter", "L3", "bus", ALIVE),
)
EVERY = timedelta(seconds=10)


def site() -> Catalogue:
    points = [Point(f"{d.asset}.p{n}", d.asset, d.id, f"p{n}", "A", interval=EVERY) for n, d in enumerate(DEVICES)]
    modes = [
        Point(f"{d.asset}.m{n}", d.asset, d.id, f"m{n}", kind=PointKind.STATE, on_change=True)
        for n, d in enumerate(DEVICES)
    ]
    return Catalogue(Site("s", Text("小区", "site")), ASSETS, DEVICES, (*points, *modes))


def rules(directory: Path, text: str = SHIPPED) -> Ruleset:
    path = directory / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load([path], site())


@pytest.fixture
def spine(tmp_path: Path) -> Pipeline:
    return start(rules(tmp_path))


def start(ruleset: Ruleset, path: Path | str = ":memory:") -> Pipeline:
    spine = Pipeline(connect(path))
    take_up(spine, ruleset, 0)
    return spine


def take_up(spine: Pipeline, ruleset: Ruleset, seconds: float) -> None:
    spine.journal.add_ruleset(ruleset.hash, ruleset.to_json(), at(seconds))
    process(spine, [Reload(at(seconds), ruleset.hash)])


def speak(spine: Pipeline, seconds: Iterable[int], *devices: int) -> None:
    """Those devices (as DEVICES counts them) say something at each of these seconds."""
    for second in seconds:
        said: list[Input] = [Tick(at(second))]
        for n in devices:
            device = DEVICES[n]
            reading = Reading(f"{device.asset}.p{n}", at(second), 1.0, at(second))
            said.append(Observation(at(second), device.id, (reading,)))
        process(spine, said)


def alarms(spine: Pipeline) -> list[str]:
    """`rule|asset: state disposition`, in the order in which they became active."""
    found = reversed(ledger.recent_alarms(spine.db, 100))
    return [f"{a.rule.split('.')[1]}|{a.asset}: {a.state} {a.disposition}" for a in found]


def orders(spine: Pipeline) -> list[str]:
    return sorted(order.asset for order in ledger.orders(spine.db, 100))


def test_a_dead_broker_is_one_order(spine: Pipeline) -> None:
    """The bus goes on: its own device is no child, the three of the broker are."""
    speak(spine, range(0, 60, 10), 0, 1, 2, 3)
    speak(spine, range(60, 420, 10), 3)

    assert alarms(spine) == [
        "source|broker: active own_order",
        "sensor|L1/box: active child",
        "sensor|L2/box: active child",
        "sensor|L3/box: active child",
    ]
    assert orders(spine) == ["broker"]


def test_the_order_of_a_source_names_it_and_whom_it_concerns(spine: Pipeline) -> None:
    """All households behind it, and each device with the moment it was last heard."""
    speak(spine, range(0, 60, 10), 0, 1, 2, 3)
    speak(spine, range(60, 420, 10), 3)

    (order,) = ledger.orders(spine.db, 10)

    assert order.document["asset_name"] == {"zh": "数据源 broker", "en": "Source broker"}
    assert order.document["households"] == 270
    assert [seen["point"] for seen in order.document["observed"]] == ["L1/box", "L2/box", "L3/box"]


def test_each_device_of_an_asset_has_its_own_alarm(spine: Pipeline) -> None:
    """While one is long dead, the other one's death is still seen."""
    speak(spine, range(0, 600, 10), 0, 1, 3)
    speak(spine, range(600, 1000, 10), 0, 1)

    assert alarms(spine) == [
        "sensor|L3/box: active own_order",
        "source|bus: active own_order",
        "sensor|L3/meter: active child",
    ]
    names = [order.document["asset_name"]["en"] for order in ledger.orders(spine.db, 10)]
    assert sorted(names) == ["Lift L3, box", "Source bus"]


def test_a_device_dead_since_the_start_is_missed_once(spine: Pipeline) -> None:
    """Not once per point: it has two."""
    speak(spine, range(0, 900, 10), 0, 1, 3)

    assert alarms(spine) == ["sensor|L3/box: active own_order"]


def test_a_child_that_stays_behind_gets_an_order(spine: Pipeline) -> None:
    """Five minutes after the first of them is back; it tells what is silent."""
    speak(spine, range(400, 700, 10), 0, 1, 3)
    before = orders(spine)
    speak(spine, range(700, 720, 10), 0, 1, 3)

    assert "L3/box" not in before
    assert orders(spine) == ["L3/box", "broker", "bus"]
    order = next(order for order in ledger.orders(spine.db, 10) if order.asset == "L3/box")
    assert "L3/box" in [seen["point"] for seen in order.document["observed"]]
    assert "sensor|L3/box: active own_order" in alarms(spine)


def test_a_restart_in_between_changes_nothing(tmp_path: Path) -> None:
    """Children are in the ledger, and are released by whoever sees their parent end."""
    ruleset = rules(tmp_path)
    whole, broken = start(ruleset, tmp_path / "a.db"), start(ruleset, tmp_path / "b.db")
    for spine in (whole, broken):
        speak(spine, range(400, 600, 10), 0, 1, 3)
    broken.db.close()
    broken = Pipeline(connect(tmp_path / "b.db"))
    broken.restore()
    for spine in (whole, broken):
        speak(spine, range(600, 800, 10), 0, 1, 3)

    assert alarms(broken) == alarms(whole)
    assert orders(broken) == orders(whole) == ["L3/box", "broker", "bus"]


def test_a_parent_in_shadow_has_no_children(tmp_path: Path) -> None:
    """Nobody is told of it, so the devices' own orders go out."""
    shadow = SHIPPED.replace("    per: source\n", "    per: source\n    mode: shadow\n")
    spine = start(rules(tmp_path, shadow))

    speak(spine, range(0, 60, 10), 0, 1, 2, 3)
    speak(spine, range(60, 420, 10), 3)

    assert orders(spine) == ["L1/box", "L2/box", "L3/box"]


def test_a_parent_whose_rule_is_removed_releases_its_children(tmp_path: Path) -> None:
    """They are decided anew at the reload."""
    spine = start(rules(tmp_path))
    speak(spine, range(0, 60, 10), 0, 1, 2, 3)
    speak(spine, range(60, 420, 10), 3)
    start_of_stale = SHIPPED.index("  - id: sys.sensor.stale")
    alone = SHIPPED[: SHIPPED.index("  - id: sys.source.silent")] + SHIPPED[start_of_stale:]

    take_up(spine, rules(tmp_path, alone.replace("    child_of: sys.source.silent\n", "")), 420)

    assert orders(spine) == ["L1/box", "L2/box", "L3/box", "broker"]
    assert alarms(spine)[0] == "source|broker: cleared own_order"


def test_alarms_are_orders_and_children_and_withheld(spine: Pipeline) -> None:
    """Every alarm has exactly one disposition, and an own order is an order."""
    speak(spine, range(0, 300, 10), 0, 1, 2)
    speak(spine, range(300, 900, 10), 3)
    speak(spine, range(900, 1500, 10), 0, 3)

    found = ledger.recent_alarms(spine.db, 100)
    own = [alarm for alarm in found if alarm.disposition is Disposition.OWN_ORDER]
    assert sorted(alarm.asset for alarm in own) == orders(spine)
    assert {alarm.disposition for alarm in found} == {Disposition.OWN_ORDER, Disposition.CHILD}
    assert all((alarm.order_key is None) is (alarm.disposition is Disposition.CHILD) for alarm in found)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("child_of: sys.source.silent", "child_of: sys.source.quiet", "there is no rule 'sys.source.quiet'"),
        ("child_of: sys.source.silent", "child_of: sys.sensor.stale", "with `per: source`"),
        ("{stale: {after: 3min, devices: all}}", "{point: p0, above: 1 A}", "a source has no points"),
        ("per: source\n", "per: source\n    child_of: x\n", "nobody's child"),
    ],
)
def test_a_wrong_parent_is_a_fault(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """At load, with its place."""
    with pytest.raises(ConfigError) as caught:
        rules(tmp_path, SHIPPED.replace(old, new))

    assert fault in str(caught.value)
