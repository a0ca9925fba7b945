"""Calendars: hours over midnight, days, holidays, the nights in which clocks change, what they hold off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from daemon.model import ConfigError
from daemon.rules.calendars import Calendar, CalendarSpec
from daemon.rules.engine import Engine
from daemon.rules.explain import explain
from tests.rule_bench import Bench

BERLIN, SHANGHAI = "Europe/Berlin", "Asia/Shanghai"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def changes(calendar: Calendar, start: datetime, days: float) -> list[str]:
    """When it changes, in UTC, beginning with what it is at the start."""
    found, at = [str(calendar.holds(start))], start
    while (following := calendar.next_change(at)) < start + timedelta(days=days):
        if calendar.holds(following) is not calendar.holds(at):
            found.append(following.strftime("%dT%H:%M:%S.%f")[:-4].removesuffix(":00.00"))
        at = following
    return found


def of(zone: str = SHANGHAI, **more: object) -> Calendar:
    return Calendar(CalendarSpec.model_validate(more), zone)


@pytest.mark.parametrize(
    ("calendar", "found"),
    [
        (of(hours="02:00-04:00"), ["False", "05T18:00", "05T20:00", "06T18:00", "06T20:00"]),
        (of(hours="22:00-06:00"), ["False", "05T14:00", "05T22:00", "06T14:00", "06T22:00"]),
        (
            of(hours=["02:00-04:00", "23:50-24:00"], days=["tue"]),
            ["False", "05T18:00", "05T20:00", "06T15:50", "06T16:00"],
        ),
        # Monday evening's hours reach into Tuesday; Tuesday evening's own do not count
        (of(hours="22:00-06:00", days=["mon"]), ["False", "05T14:00", "05T22:00"]),
        (of(days=["tue"]), ["False", "05T16:00", "06T16:00"]),
        (of(days=["wed-mon"]), ["True", "05T16:00", "06T16:00"]),
        (of(not_on=["2026-01-06"]), ["True", "05T16:00", "06T16:00"]),
        (of(days=["sat"], also_on=["2026-01-06"]), ["False", "05T16:00", "06T16:00"]),
        (of(days=["mon-fri"], not_on=["2026-01-01..2026-01-06"]), ["False", "06T16:00"]),
    ],
    ids=lambda value: value.words if isinstance(value, Calendar) else "",
)  # fmt: skip
def test_hours_and_days_are_those_of_the_site(calendar: Calendar, found: list[str]) -> None:
    """Two days from Monday 2026-01-05, 00:00 UTC, which is 08:00 in Shanghai."""
    assert changes(calendar, utc("2026-01-05"), 2) == found


@pytest.mark.parametrize(
    ("calendar", "night", "found"),
    [
        # 2026-03-29: 02:00 CET is 03:00 CEST, at 01:00 UTC
        (of(BERLIN, hours="02:00-03:00"), "2026-03-28", ["False"]),
        (of(BERLIN, hours="01:30-02:30"), "2026-03-28", ["False", "29T00:30", "29T01:00"]),
        (of(BERLIN, hours="02:30-04:00"), "2026-03-28", ["False", "29T01:00", "29T02:00"]),
        (of(BERLIN, hours="22:00-06:00"), "2026-03-28", ["False", "28T21:00", "29T04:00"]),
        # 2026-10-25: 03:00 CEST is 02:00 CET, at 01:00 UTC
        (of(BERLIN, hours="02:00-03:00"), "2026-10-24", ["False", "25T00:00", "25T02:00"]),
        (of(BERLIN, hours="02:30-03:00"), "2026-10-24", ["False", "25T00:30", "25T01:00", "25T01:30", "25T02:00"]),
        (of(BERLIN, hours="01:30-02:30"), "2026-10-24", ["False", "24T23:30", "25T00:30", "25T01:00", "25T01:30"]),
        (of(BERLIN, hours="22:00-06:00"), "2026-10-24", ["False", "24T20:00", "25T05:00"]),
        (of(BERLIN, days=["sun"]), "2026-10-24", ["False", "24T22:00"]),
        # Shanghai knows no summer time any more: nothing happens in those nights
        (of(SHANGHAI, hours="02:00-03:00"), "2026-03-28", ["False", "28T18:00", "28T19:00"]),
        (of(SHANGHAI, hours="02:00-03:00"), "2026-10-24", ["False", "24T18:00", "24T19:00"]),
        # Lord Howe moves by half an hour
        (of("Australia/Lord_Howe", hours="01:30-02:00"), "2026-04-04", ["False", "04T14:30", "04T15:30"]),
    ],
    ids=lambda value: value.words if isinstance(value, Calendar) else str(value),
)  # fmt: skip
def test_a_night_in_which_clocks_change(calendar: Calendar, night: str, found: list[str]) -> None:
    """An hour that no clock shows does not occur, one that they show twice is inside twice."""
    assert changes(calendar, utc(night) + timedelta(hours=12), 0.9) == found


def test_it_changes_at_its_edges_and_nowhere_else() -> None:
    """Against the site's clocks minute by minute, over both nights in which Berlin's change."""
    calendar = of(BERLIN, hours=["01:10-02:25", "23:30-00:45"], days=["sat-mon"])
    for start in (utc("2026-03-27"), utc("2026-10-23")):
        at, following = start, start
        for minute in range(4 * 1440):
            at = start + timedelta(minutes=minute)
            local = at.astimezone(ZoneInfo(BERLIN))
            clock, day = local.strftime("%H:%M"), local.weekday()
            begun = day if clock >= "00:45" else (day - 1) % 7
            inside = begun in (5, 6, 0) and ("01:10" <= clock < "02:25" or clock >= "23:30" or clock < "00:45")

            assert calendar.holds(at) is inside, local
            if at == following:
                following = calendar.next_change(at)
            assert calendar.holds(following) is not calendar.holds(at) or following - at > timedelta(hours=30)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{hours: 8-18}", "'8-18' are no hours; write them as 08:00-18:00"),
        ("{hours: 08:00-08:00}", "have no length"),
        ("{hours: 22:00-24:30}", "go beyond 24:00"),
        ("{days: [monday]}", "'monday' is no day; write mon"),
        ("{days: [mon-tue-wed]}", "is no day"),
        ("{not_on: [2026-02-30]}", "'2026-02-30' is no date"),
        ("{not_on: [2026-10-08..2026-10-01]}", "is no date"),
        ("{}", "a calendar needs hours, days or not_on"),
        ("{ours: 08:00-18:00}", "unknown key 'ours'; did you mean 'hours'?"),
        ("nihgt", "no calendar is called 'nihgt'"),
    ],
)
def test_a_calendar_that_is_none_is_refused(bench: Bench, written: str, says: str) -> None:
    """At load, with what to write instead; as the rule's calendar and as a condition."""
    when = "{level: I, when: {point: p, below: 0.1 MPa}}"
    for rule in (
        f"r\n calendar: {written}\n levels: [{when}]",
        f"r\n levels: [{{level: I, when: {{time: {written}}}}}]",
    ):
        with pytest.raises(ConfigError) as caught:
            bench.ruleset(rule)

        assert says in caught.value.faults[0]


# --- in the engine: the bench begins at 2026-01-01 00:00 UTC, 08:00 in Shanghai -----------------------------

NIGHT = "r\n calendar: 08:01-08:10\n levels: [{level: I, when: {point: p, below: 0.1 MPa}, for: 10s}]"


def test_outside_its_calendar_a_rule_opens_nothing(bench: Bench) -> None:
    """What is true already when the calendar begins waits out its hold from then."""
    assert bench.rules(NIGHT) == []
    assert bench.each(range(60), p=0.05) == []
    assert bench.each(range(60, 72), p=0.05) == [
        "60 normal>pending I condition_met",
        "70 pending>active I condition_held",
    ]


def test_a_hold_that_the_calendar_outruns_is_broken(bench: Bench) -> None:
    """One that ends in the very millisecond at which the calendar does has lasted; one that ends later has not."""
    assert bench.rules(NIGHT) == []
    assert bench.each(range(590, 603), p=0.05) == [
        "590 normal>pending I condition_met",
        "600 pending>active I condition_held",
    ]

    bench.engine = Engine()
    bench.rules(NIGHT)
    assert bench.each(range(591, 603), p=0.05) == [
        "591 normal>pending I condition_met",
        "600 pending>normal I suppressed",
    ]
    assert "outside" in str(bench.seen[-1].observed[-1])


def test_an_open_alarm_goes_on_outside_and_clears(bench: Bench) -> None:
    """The calendar only says when alarms may begin."""
    bench.rules(NIGHT)
    bench.each(range(590, 602), p=0.05)

    assert bench.each(range(602, 700), p=0.05) == []
    assert bench.hear(700, p=0.2) == ["700 active>cleared I recovered"]
    assert bench.each(range(701, 720), p=0.05) == []


def test_the_hour_is_a_condition_too(bench: Bench) -> None:
    """In `all` it opens and ends the alarm at the very moment, whoever notices."""
    when = "{all: [{point: chain, equals: open}, {time: {hours: 08:01-08:02}}]}"
    bench.rules(f"r\n levels: [{{level: I, when: {when}}}]")

    assert bench.hear(30, chain="open") == []
    assert bench.hear(59.999, chain="open") == []
    assert bench.tick(60.5) == ["60 normal>active I condition_held"]
    bench.hear(89, chain="open")
    bench.hear(118, chain="open")
    assert bench.hear(130, chain="open") == ["120 active>cleared I recovered"]


def test_the_site_s_zone_counts(bench: Bench) -> None:
    """01:01 in Berlin is 08:01 in Shanghai; a site that moves has all its calendars looked at anew."""
    bench.rules(NIGHT)
    site = replace(bench.catalogue.site, timezone=BERLIN)
    bench.catalogue = replace(bench.catalogue, site=site)
    bench.rules(NIGHT, at=1)

    assert bench.each(range(55, 80), p=0.05) == []


def test_a_calendar_goes_over_a_restart(bench: Bench) -> None:
    """Stopped outside, started inside: the next boundary is the same."""
    bench.rules(NIGHT)
    bench.each(range(50), p=0.05)
    saved = bench.engine.snapshot()
    bench.engine = Engine()
    bench.engine.reload(bench.ruleset(NIGHT), bench.at(50))
    bench.engine.restore(saved)

    assert bench.each(range(50, 72), p=0.05) == [
        "60 normal>pending I condition_met",
        "70 pending>active I condition_held",
    ]


def test_the_hour_is_told_in_both_languages(bench: Bench) -> None:
    """Where the clocks are, and the calendar with its zone."""
    when = "{all: [{point: p, below: 0.1 MPa}, {time: {hours: 08:00-18:00, days: [mon-fri]}}]}"
    rules = bench.ruleset(f"r\n levels: [{{level: I, when: {when}}}]")
    bench.engine.reload(rules, bench.at(0))
    bench.hear(1, p=0.05)
    spec = rules.rule_for("r", "a1")
    assert spec is not None

    text = explain(bench.seen[-1], spec)

    assert text.en.endswith("a1.p = 0.05 MPa, below 0.1 MPa; clock = inside, hours 08:00-18:00 mon-fri (Asia/Shanghai)")
    assert text.zh.endswith("时钟在时段内，时段 08:00-18:00 mon-fri (Asia/Shanghai)")
