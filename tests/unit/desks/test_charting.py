"""Charts that orders ask for: what is frozen, when, and how many."""

from __future__ import annotations

from pathlib import Path

from daemon.desks.charting import MOST_CHARTS
from daemon.model import Command, OrderStatus, Reload, TicketUpdate, to_ms
from daemon.pipeline import Pipeline
from daemon.store import charts
from tests.spine import RULES, T0, at, pipeline, process, ruleset, said, tick


def heat(spine: Pipeline, *seconds: float, room_temp: float) -> None:
    for n in seconds:
        process(spine, [said(n, "lift-1", room_temp=room_temp)])


def key_of(spine: Pipeline) -> str:
    return str(spine.db.execute("SELECT key FROM work_order").fetchone()[0])


def asked(spine: Pipeline) -> list[charts.Asked]:
    return charts.of_order(spine.db, key_of(spine))


def test_an_order_asks_for_the_time_before_it(tmp_path: Path) -> None:
    """A quarter of an hour up to the input that opened it; the alarm is active from its hold's end on."""
    spine = pipeline(ruleset(tmp_path))
    heat(spine, 0, 10, 20, room_temp=50.0)

    (chart,) = asked(spine)

    plan = chart.plan
    assert (plan.occasion, plan.to_ms, plan.to_ms - plan.from_ms) == ("opened", to_ms(at(20)), 15 * 60_000)
    assert (plan.active, chart.seq, chart.series) == (((to_ms(at(20)), None),), spine.journal.last_seq, None)
    assert [(panel.point, panel.lines[0].value) for panel in plan.panels] == [("lift-1.room_temp", 45.0)]
    assert (plan.title.zh, plan.asset.zh, plan.zone) == ("机房过热", "1号梯", "Asia/Shanghai")


def test_recovery_and_verification_ask_for_what_came_after(tmp_path: Path) -> None:
    """From where the first chart ends, or as long before now, with the stretch in which it was active."""
    spine = pipeline(ruleset(tmp_path))
    heat(spine, 0, 10, 20, 30, room_temp=50.0)
    heat(spine, 40, 50, 60, 70, room_temp=30.0)
    process(spine, [TicketUpdate(at(71), key_of(spine), OrderStatus.DONE, "li")])
    heat(spine, *range(80, 4000, 30), room_temp=30.0)

    opened, recovered, verified = (chart.plan for chart in asked(spine))

    assert [plan.occasion for plan in (opened, recovered, verified)] == ["opened", "recovered", "verified"]
    assert recovered.from_ms == opened.to_ms
    assert recovered.active == ((to_ms(at(20)), to_ms(at(60))),)
    assert verified.to_ms - verified.from_ms <= 15 * 60_000
    assert to_ms(at(71)) < verified.to_ms < to_ms(at(4000))


def test_limits_are_those_of_the_day(tmp_path: Path) -> None:
    """An edited rule has its new limit on the chart of recovery, the old one on the first; a removed rule the old."""
    for text, limit in (
        (RULES.replace("above: 45 °C", "above: 40 °C"), 40.0),
        (RULES.replace("id: hot", "id: x"), 45.0),
    ):
        spine = pipeline(ruleset(tmp_path))
        heat(spine, 0, 10, 20, room_temp=50.0)
        changed = ruleset(tmp_path, text)
        spine.journal.add_ruleset(changed.hash, changed.to_json(), T0)
        process(spine, [Reload(at(25), changed.hash)])
        heat(spine, 30, 40, 50, 60, room_temp=30.0)

        first, second = (chart.plan.panels[0].lines[0].value for chart in asked(spine))
        assert (first, second) == (45.0, limit)


def test_an_alarm_that_comes_and_goes_does_not_ask_for_ever(tmp_path: Path) -> None:
    """At most so many charts an order."""
    spine = pipeline(ruleset(tmp_path))
    for n in range(0, 3000, 100):
        heat(spine, n, n + 10, n + 20, n + 30, room_temp=50.0)
        heat(spine, n + 40, n + 50, n + 60, n + 70, room_temp=30.0)
    process(spine, [tick(3100)])

    assert all(
        len(charts.of_order(spine.db, key)) <= MOST_CHARTS for (key,) in spine.db.execute("SELECT key FROM work_order")
    )


def test_the_gateway_itself_has_no_chart(tmp_path: Path) -> None:
    """What it finds wrong with itself is seen in no reading."""
    spine = pipeline(ruleset(tmp_path))
    process(spine, [Command(at(1), "fault", "gateway.disk_full", "gateway", "full")])

    assert asked(spine) == []
