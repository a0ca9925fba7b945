"""The response mechanism as data."""

from datetime import timedelta

import pytest

from daemon.documents import build, parse, read
from daemon.model import ConfigError, Level
from daemon.settings import shipped
from daemon.workorders.sla import BARE, Sla

RESIDENTIAL = build(Sla, read(shipped() / "sla" / "residential.yaml"))
MALL = build(Sla, read(shipped() / "sla" / "shopping-mall.yaml"))


@pytest.mark.parametrize(
    ("sla", "level", "promise", "within"),
    [
        (RESIDENTIAL, Level.I, "respond", timedelta(minutes=15)),
        (RESIDENTIAL, Level.II, "respond", timedelta(hours=2)),
        (RESIDENTIAL, Level.III, "respond", timedelta(hours=24)),
        (RESIDENTIAL, Level.III, "reply", "5 workdays"),
        (MALL, Level.I, "respond", timedelta(minutes=10)),
        (MALL, Level.I, "trading", timedelta(hours=1)),
        (MALL, Level.II, "outside", timedelta(days=2)),
        (MALL, Level.II, "equipment", timedelta(days=3)),
        (MALL, Level.I, "call_back", timedelta(hours=3)),
    ],
)
def test_shipped_mechanisms_promise_what_practice_does(
    sla: Sla, level: Level, promise: str, within: timedelta | str
) -> None:
    """The shipped numbers are those of the response mechanism."""
    found = {spec.id: spec.within for spec in sla.level(level).promises}

    assert found[promise] == within


def test_entrapment_has_timed_steps() -> None:
    """Calm, call the maintainer, on site within 30 min, report within 4 h of the rescue."""
    steps = {step.id: (step.since, step.within) for step in RESIDENTIAL.steps("entrapment")}

    assert list(steps)[:2] == ["calm", "call_maintainer"]
    assert steps["on_site"] == ("created", timedelta(minutes=30))
    assert steps["report"] == ("rescued", timedelta(hours=4))


def test_headquarters_is_told_at_once_of_level_i() -> None:
    """Only Level I brings headquarters in at its creation; residents hear nothing before somebody accepted."""
    assert "headquarters" in RESIDENTIAL.told(Level.I, "created")
    assert "headquarters" not in RESIDENTIAL.told(Level.II, "created")
    assert "residents" not in RESIDENTIAL.told(Level.I, "created")
    assert "residents" in RESIDENTIAL.told(Level.I, "accepted")


def test_a_promise_holds_for_its_impact_only() -> None:
    """An order about equipment has three days, one that affects trading an hour."""
    trading = [promise.id for promise in MALL.promises(Level.II, "trading")]

    assert trading == ["respond", "trading", "call_back"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("within: 15min|within: 15", "15 is no span"),
        ("kept_by: accepted|kept_by: created", "runs from 'created' to the same"),
        ("id: respond|id: answer", "a level needs a promise with `id: respond`"),
        ("to: [supervisor]|to: [boss]", "supervisor"),
        ("warn: 5min|warn: 20min", "warns before it begins"),
        ("since: accepted|since: acc_epted", "nothing sets the stamp 'acc_epted'"),
        ("escalate:|esclate:", "did you mean 'escalate'"),
    ],
)
def test_faults_say_what_to_do(broken: str, says: str) -> None:
    """Each fault of a mechanism has its place and its remedy."""
    text = (shipped() / "sla" / "residential.yaml").read_text(encoding="utf-8")
    old, new = broken.split("|")

    with pytest.raises(ConfigError) as error:
        build(Sla, parse(text.replace(old, new), "sla.yaml"))

    assert says in str(error.value)
    assert str(error.value).startswith("sla.yaml:")


def test_a_missing_level_is_named() -> None:
    """All three levels must stand there."""
    text = (shipped() / "sla" / "residential.yaml").read_text(encoding="utf-8")
    without = text[: text.index("  III:")] + text[text.index("procedures:") :]

    with pytest.raises(ConfigError, match="level III is missing"):
        build(Sla, parse(without, "sla.yaml"))


def test_without_a_mechanism_there_is_still_a_deadline_to_respond() -> None:
    """Rule tests and backtests need no mechanism to be configured."""
    assert [promise.id for promise in BARE.promises(Level.I, "")] == ["respond"]
