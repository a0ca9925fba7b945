"""Windows over certain hours only: which readings they hold, what must be covered, nights in which clocks change."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from daemon.model import ConfigError, from_ms, to_ms
from daemon.rules.calendars import Calendar, CalendarSpec
from daemon.rules.explain import explain
from daemon.rules.hours import HourlyLatest, HourlyWindow, Schedule
from daemon.rules.stretches import Lasting, Stretches
from tests.rule_bench import Bench

BERLIN = "Europe/Berlin"
NIGHT = CalendarSpec(hours="02:00-04:00")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def berlin(text: str) -> int:
    """Milliseconds of a moment by Berlin's clocks."""
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)))


def window(
    span_ms: int = DAY, statistic: str = "mean", fresh_ms: int | None = 30 * MINUTE, spec: CalendarSpec = NIGHT
) -> HourlyWindow:
    return HourlyWindow("k", statistic, span_ms, 0.8, fresh_ms, Schedule(Calendar(spec, BERLIN)))


def fill(it: Any, since: int, until: int, step: int = 10 * MINUTE) -> int:  # noqa: ANN401  any window
    """Readings that say the hour of the day; how many."""
    for at in range(since, until, step):
        it.push(at, float(from_ms(at).astimezone(ZoneInfo(BERLIN)).hour))
    return len(range(since, until, step))


# --- stretches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_what_lies_inside_is_what_a_count_of_milliseconds_says(seed: int) -> None:
    """Stretches that meet are one, and one that reaches over the edge counts with what is inside."""
    chance, it, at = random.Random(seed), Stretches(), 0
    inside: set[int] = set()
    for _ in range(300):
        begin = at + chance.choice([0, 0, 1, 7])
        at = begin + chance.choice([0, 1, 5, 30])
        it.add(begin, at)
        it.leave(at - 50)
        inside = {ms for ms in inside | set(range(begin, at)) if ms >= at - 50}

        assert it.total == len(inside)
        assert all(one[1] < other[0] for one, other in zip(it.entries, list(it.entries)[1:], strict=False))


def test_restless_stretches_cannot_grow_the_memory() -> None:
    """Ten thousand of one millisecond each: joined, and none of their time lost."""
    it = Stretches()
    for n in range(10_000):
        it.add(2 * n, 2 * n + 1)

    assert len(it.entries) <= 4096
    assert it.total == sum(end - begin for begin, end in it.entries) == 10_000


@pytest.mark.parametrize("seed", range(8))
def test_it_says_itself_when_it_will_change(seed: int) -> None:
    """Followed from one told moment to the next it turns over at the millisecond at which a count does."""
    chance, span, need = random.Random(seed), 40, 25
    it, on = Lasting(span, need), False
    was: list[bool] = []
    due: int | None = None
    for now in range(600):
        if due is not None and now >= due:
            it.turn(now, on=on)
            due = it.next()
        if chance.random() < 0.05:
            on = not on
            it.turn(now, on=on)
            due = it.next()

        assert it.enough is (sum(was[-span:]) >= need), now
        was.append(on)


# --- windows -----------------------------------------------------------------------------------------------


def test_only_readings_inside_the_hours_count() -> None:
    """Over three days of readings that say the hour, there are none but 2 and 3 in it."""
    low, high = window(3 * DAY, "min"), window(3 * DAY, "max")
    for it in (low, high):
        fill(it, berlin("2026-01-10 00:00"), berlin("2026-01-14 12:00"))

    assert (low.value(), high.value()) == (2.0, 3.0)
    assert len(low.entries) == 3 * 12


def test_by_day_it_stands_on_whole_nights() -> None:
    """What comes by day changes nothing, and the night before last is out with this night's last moment."""
    it = window(DAY, "count")
    fill(it, berlin("2026-01-10 00:00"), berlin("2026-01-12 04:00"))
    at_four = it.value()
    fill(it, berlin("2026-01-12 04:00"), berlin("2026-01-13 02:00"))

    assert at_four == it.value() == 12.0


def test_within_the_hours_it_goes_on_with_each_reading() -> None:
    """At 03:00 a window of a day holds the second hour of last night and the first of this one, half-open."""
    it = window(DAY, "count")
    fill(it, berlin("2026-01-10 00:00"), berlin("2026-01-12 03:00"))
    before = [entry[0] for entry in it.entries]
    it.push(berlin("2026-01-12 03:00"), 3.0)

    assert before[0] == berlin("2026-01-11 03:00")
    assert it.entries[0][0] == berlin("2026-01-11 03:10")
    assert it.value() == 12.0


@pytest.mark.parametrize("edge", [0, -1])
def test_hours_are_half_open(edge: int) -> None:
    """A reading of 02:00:00.000 is inside, one of 04:00:00.000 is not."""
    it = window(DAY, "count")
    it.push(berlin("2026-01-12 02:00") + edge, 1.0)
    it.push(berlin("2026-01-12 04:00") + edge, 1.0)

    assert len(it.entries) == 1


def test_a_window_as_long_as_its_hours_holds_them_whole() -> None:
    """By day it ends at their last millisecond, so the reading of their first is not out yet."""
    it = window(2 * HOUR, "count")
    fill(it, berlin("2026-01-12 01:00"), berlin("2026-01-12 05:00"))

    assert [it.entries[0][0], it.value()] == [berlin("2026-01-12 02:00"), 12.0]


def test_the_hours_must_be_covered_and_not_the_span() -> None:
    """Silent all day it is known; silent for one night of two it is not; and known again when that one is out."""
    it = window(2 * DAY)
    fill(it, berlin("2026-01-10 01:00"), berlin("2026-01-10 05:00"))
    fill(it, berlin("2026-01-11 01:30"), berlin("2026-01-11 04:10"))
    two_nights = it.value()
    it.push(berlin("2026-01-12 12:00"), 9.0)  # the night before it was silent
    one_night = it.value()
    fill(it, berlin("2026-01-13 00:00"), berlin("2026-01-13 05:00"))
    fill(it, berlin("2026-01-14 00:00"), berlin("2026-01-14 05:00"))

    assert two_nights is not None
    assert one_night is None
    assert it.value() is not None


def test_a_slow_point_covers_from_before_the_hours_to_after_them() -> None:
    """Once an hour, at half past, of two hours all is covered."""
    it = window(DAY, fresh_ms=3 * HOUR)
    fill(it, berlin("2026-01-10 00:30"), berlin("2026-01-12 12:00"), HOUR)

    assert len(it.entries) == 2
    assert it.value() == 2.5


@pytest.mark.parametrize(
    ("since", "there"),
    [("2026-03-27", 2), ("2026-03-28", 1), ("2026-10-23", 2), ("2026-10-24", 3)],
    ids=["before", "forward", "before too", "back"],
)
def test_a_night_in_which_clocks_change_is_as_long_as_it_is(since: str, there: int) -> None:
    """02:00-04:00 are one hour in March and three in October: all of them count, and all must be covered."""
    it = window(DAY, "count")
    begin = berlin(f"{since} 12:00")
    fill(it, begin, begin + DAY)
    full = window(DAY, "count")
    fill(full, begin, begin + DAY)
    short = window(DAY, "count")
    fill(short, berlin(f"{since} 12:00") + 14 * HOUR + 35 * MINUTE, begin + DAY)

    assert it.value() == there * 6
    assert (short.value() is None) is (there < 3)  # 35 of 60, 85 of 120, 145 of 180 minutes


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("statistic", ["mean", "p20"])
def test_it_is_the_statistic_of_a_model(statistic: str, seed: int) -> None:
    """Against a list of all readings, over the night in which clocks go forward, gaps and restarts included."""
    chance = random.Random(seed)
    calendar = Calendar(CalendarSpec(hours=["02:00-04:00", "23:00-00:30"], days=["fri-sun"]), BERLIN)
    schedule = Schedule(calendar)

    def make() -> HourlyWindow:
        return HourlyWindow("k", statistic, 2 * DAY, 0.8, 45 * MINUTE, schedule)

    it, other = make(), window(2 * DAY, "stddev")
    at, seen = berlin("2026-03-26 00:00"), []
    while at < berlin("2026-04-01 00:00"):
        at += chance.choice([5 * MINUTE, 10 * MINUTE, 17 * MINUTE, 44 * MINUTE, 46 * MINUTE, 4 * HOUR])
        seen.append((at, round(chance.uniform(0, 1), 3)))
        it.push(*seen[-1])
        other.push(*seen[-1])
        if chance.random() < 0.1:
            saved = json.loads(json.dumps(it.save()))
            it = make()
            it.load(saved)
            assert json.loads(json.dumps(it.save())) == saved

        edge = at
        while not calendar.holds(from_ms(edge)) and edge > seen[0][0] - 2 * DAY:
            edge -= 1 if edge % MINUTE else MINUTE
        edge = edge if edge == at else edge + MINUTE - 1
        since = to_ms((from_ms(edge).astimezone(ZoneInfo(BERLIN)) - timedelta(days=2)).astimezone(UTC))
        inside = [(t, v) for t, v in seen if since < t <= edge and calendar.holds(from_ms(t))]
        plain = sorted(v for _, v in inside)
        assert [t for t, _, _ in it.entries] == [t for t, _ in inside]
        if not plain:
            continue
        rank = 0.2 * (len(plain) - 1)
        low = plain[int(rank)]
        found = {
            "mean": sum(plain) / len(plain),
            "max": plain[-1],
            "p20": low + (plain[min(int(rank) + 1, len(plain) - 1)] - low) * (rank % 1),
        }
        assert it.raw() == pytest.approx(found[statistic], abs=1e-9)
        minutes = range(since // MINUTE * MINUTE + MINUTE, edge // MINUTE * MINUTE + MINUTE, MINUTE)
        there = [m for m in minutes if calendar.holds(from_ms(m))]
        times = [t for t, _ in seen]
        heard = sum(any(t <= m + MINUTE / 2 < t + 45 * MINUTE for t in times[-600:] if t > m - HOUR) for m in there)
        share = heard / len(there)
        if abs(share - 0.8) > 0.02:  # the model counts minutes
            assert (it.value() is not None) is (share > 0.8)


def test_so_many_last_readings_of_the_hours() -> None:
    """`last: 3` are the last three of the night, however many came by day."""
    it = HourlyLatest("k", "min", 3, None, Schedule(Calendar(NIGHT, BERLIN)))
    fill(it, berlin("2026-01-10 02:00"), berlin("2026-01-10 02:20"))
    two = it.value()
    fill(it, berlin("2026-01-10 12:00"), berlin("2026-01-11 02:10"))

    assert two is None
    assert it.value() == 2.0


def test_a_week_of_nights_is_bounded_and_finer_than_a_week() -> None:
    """Seven nights at 1 Hz make 14 h: 720 buckets of 70 s, not of 14 min."""
    it = window(7 * DAY, "mean", fresh_ms=3000)
    begin = berlin("2026-01-10 01:00")
    for night in range(8):
        fill(it, begin + night * DAY, begin + night * DAY + 4 * HOUR, 1000)

    assert it.width == 70_000
    assert len(it.entries) <= 722 + 8
    assert it.value() == 2.5


def test_a_schedule_is_asked_in_any_order() -> None:
    """A site that is set back, or has lain still for years, gets the same hours."""
    calendar = Calendar(NIGHT, BERLIN)
    schedule, moments = Schedule(calendar), ["2026-05-01", "2026-05-03", "2020-02-01", "2026-05-02", "2029-01-01"]

    got = [schedule.after(berlin(f"{day} 12:00"))[0] for day in moments]

    assert got == [berlin(f"{day} 12:00") + 14 * HOUR for day in moments]


def test_hours_that_never_come_hold_nothing() -> None:
    """A calendar that has been taken back altogether is closed, and asked for no ever."""
    it = window(spec=CalendarSpec(days=["mon"], not_on=["2020-01-01..2040-01-01"]))
    fill(it, berlin("2026-01-10 00:00"), berlin("2026-01-14 00:00"), HOUR)

    assert it.value() is None
    assert not it.entries


# --- in rules ----------------------------------------------------------------------------------------------


def nights(bench: Bench) -> Bench:
    """`p` speaks every ten minutes, at a site in Berlin."""
    every = timedelta(minutes=10)
    points = tuple(replace(p, interval=every) if p.name == "p" else p for p in bench.catalogue.points)
    site = replace(bench.catalogue.site, timezone=BERLIN)
    devices = tuple(replace(d, alive_within=timedelta(days=2)) for d in bench.catalogue.devices)
    bench.catalogue = replace(bench.catalogue, points=points, site=site, devices=devices)
    return bench


def test_a_rule_looks_at_the_night_only(bench: Bench) -> None:
    """Whatever the day says, it fires at night and stays until a night is good."""
    nights(bench)
    rule = """
        r
        levels: [{level: III, when: {point: p, take: min, over: 1d, during: 02:00-04:00, below: 0.10 MPa}}]
        """
    rules = bench.ruleset(rule)
    bench.engine.reload(rules, bench.at(0))  # midnight UTC is 01:00 in Berlin
    hour = {h: 3600 * h for h in range(80)}

    by_day = bench.each(range(0, hour[25], 600), p=0.2) + bench.each(range(hour[4], hour[4]), p=0.0)
    by_day += bench.each(range(hour[25], hour[26], 600), p=0.2)
    at_night = bench.each(range(hour[26], hour[27], 600), p=0.05)
    after = bench.each(range(hour[27], hour[49], 600), p=0.05) + bench.each(range(hour[49], hour[52], 600), p=0.2)

    assert by_day == []
    assert [line.split(" ", 1)[1] for line in at_night] == ["normal>active III condition_held"]
    assert after == [f"{hour[50] + 3000} active>cleared III recovered"]
    spec = rules.rule_for("r", "a1")
    assert spec is not None
    told = explain(bench.seen[0], spec)
    assert told.en.endswith("a1.p = 0.05 MPa, min over 1d (02:00-04:00) below 0.10 MPa")
    assert told.zh.endswith("1d 内 02:00-04:00 时段的最小值低于 0.10 MPa")


def test_a_calendar_may_be_named_and_an_asset_may_have_hours_of_its_own(bench: Bench) -> None:
    """`during: night`, and `overrides: {r: {during: 03:00-05:00}}`."""
    rule = "r\n levels: [{level: III, when: {point: p, take: min, over: 1d, during: 02:00-04:00, below: 0.10 MPa}}]"
    loaded = bench.ruleset(rule, overrides={("a1", "r"): {"during": "03:00-05:00"}})

    (binding,) = loaded.bindings()

    when = binding.rule.levels[0].when
    assert getattr(when, "during").words == "03:00-05:00"  # noqa: B009  one of many shapes

    text = bench.path.read_text(encoding="utf-8").replace("rules:", "calendars: {night: 02:00-04:00}\nrules:", 1)
    bench.path.write_text(text.replace("during: 02:00-04:00", "during: nght"), encoding="utf-8")
    from daemon.rules.schema import load  # noqa: PLC0415

    with pytest.raises(ConfigError, match="no calendar is called 'nght'; did you mean 'night'"):
        load([bench.path], bench.catalogue)


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{point: p, below: 1 bar, during: 02:00-04:00}", "`during` goes with `take` and its span"),
        ("{point: p, below: 80 %, of: median, over: 1d, during: 02:00-04:00}", "`during` goes with `take`"),
        ("{point: p, take: rate, below: 1 bar/h, during: 02:00-04:00}", "`during` goes with `take`"),
        ("{point: p, take: min, over: 1d, during: 2-4, below: 1 bar}", "no calendar is called '2-4'"),
        ("{point: p, take: min, over: 1d, during_: 02:00-04:00, below: 1 bar}", "did you mean 'during'"),
    ],
)
def test_what_cannot_be_asked_is_a_fault(bench: Bench, when: str, says: str) -> None:
    """With its place, and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        bench.ruleset(f"r\n levels: [{{level: I, when: {when}}}]")

    assert says in caught.value.faults[0]


def test_what_a_counter_counts_has_no_hours(counters: Bench) -> None:
    """Its change over a span is that of its readings around it; a derived flow has them."""
    with pytest.raises(ConfigError, match=r"derive its flow \(`rise\(starts, 1h\) / 1 h`\)"):
        counters.ruleset(
            "r\n levels: [{level: I, when: {point: starts, take: delta, over: 1d, during: 02:00-04:00, above: 3}}]"
        )


def test_counts_of_the_night_only(bench: Bench) -> None:
    """Doors that open by day do not count; the state before may be one of the day."""
    nights(bench)
    bench.rules("""
        r
        levels:
          - level: III
            when: {point: chain, count: {into: open}, over: 1d, during: 02:00-04:00, at_least: 2}
        """)

    def opened(at: int) -> list[str]:
        return bench.hear(at, chain="closed") + bench.hear(at + 1, chain="open")

    by_day = [line for at in range(0, 3590, 60) for line in opened(at)]  # 01:00 to 02:00
    at_night = bench.hear(3600, chain="closed") + bench.hear(3601, chain="open") + opened(7000)

    assert by_day == []
    assert at_night == ["7001 normal>active III condition_held"]
    assert bench.seen[0].observed[0].limit == "into open over 1d (02:00-04:00) at least 2"
