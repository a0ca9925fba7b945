"""Figures of ISA-18.2, counted by hand."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import from_ms
from daemon.store.db import connect
from daemon.store.kpi import alarm_kpi, flood_ms, peak

T0 = 1_795_300_000_000
MINUTE = 60_000
DAY = 86_400_000


@pytest.fixture
def db() -> sqlite3.Connection:
    db = connect(":memory:")
    db.execute("INSERT INTO ruleset VALUES ('h', ?, x'')", (T0,))
    return db


def alarm(
    db: sqlite3.Connection,
    at: int,
    rule: str = "hot",
    level: int = 2,
    lasts: int | None = 1,
    disposition: str = "own_order",
) -> None:
    state, end = ("active", None) if lasts is None else ("cleared", at + lasts)
    columns = "rule, asset, state, level, data, disposition, active_at, cleared_at, decided_at, ordinary"
    db.execute(
        f"INSERT INTO alarm ({columns}) VALUES (?, 'L1', ?, ?, 'good', ?, ?, ?, ?, 1)",  # noqa: S608  constants
        (rule, state, level, disposition, at, end, at),
    )


def test_alarms_a_day_count_those_that_somebody_was_told_of(db: sqlite3.Connection) -> None:
    """Children count, what was withheld is told apart; a ledger younger than the span counts its own days only."""
    for n in range(6):
        alarm(db, T0 + 3_600_000 * (n + 1), disposition="own_order" if n < 4 else "child")
    alarm(db, T0 + 10, disposition="withheld_shelved")

    found = alarm_kpi(db, from_ms(T0 + 2 * DAY), timedelta(days=30))

    assert (found["days"], found["alarms"], found["withheld"], found["alarms_per_day"]) == (2, 6, 1, 3)
    assert found["by_level"] == {"I": 0, "II": 6, "III": 0}
    assert found["by_disposition"]["withheld_shelved"] == 1


def test_what_lies_before_the_span_is_not_counted(db: sqlite3.Connection) -> None:
    """Except that it stands: stale is what has stood for more than a day, whenever it opened."""
    alarm(db, T0, lasts=None)
    alarm(db, T0 + 9 * DAY, "warm", lasts=None)

    found = alarm_kpi(db, from_ms(T0 + 10 * DAY), timedelta(days=2))

    assert (found["alarms"], found["standing"]) == (1, 2)
    assert [(one["no"], one["hours"]) for one in found["stale"]] == [(1, 240.0)]


def test_chattering_is_three_within_a_minute(db: sqlite3.Connection) -> None:
    """A minute is half-open: at 0, 30 and 60 s there are never three in one."""
    for at in (0, 30_000, 60_000):
        alarm(db, T0 + 1 + at, "slow")
    for at in (0, 30_000, 59_999):
        alarm(db, T0 + 1 + at, "fast")

    assert alarm_kpi(db, from_ms(T0 + DAY), timedelta(days=1))["chattering"] == [
        {"rule": "fast", "asset": "L1", "in_a_minute": 3}
    ]


def test_the_top_ten_come_with_their_share(db: sqlite3.Connection) -> None:
    """Most often first, ten at most."""
    for n in range(12):
        for k in range(n + 1):
            alarm(db, T0 + 1 + DAY // 100 * (n + 1) + k * 3_000_000, f"r{n}")

    top = alarm_kpi(db, from_ms(T0 + DAY), timedelta(days=1))["top_ten"]

    assert [(one["rule"], one["alarms"]) for one in top] == [(f"r{n}", n + 1) for n in range(11, 1, -1)]
    assert top[0]["percent"] == round(100 * 12 / 78, 1)


@pytest.mark.parametrize(
    ("sentence", "moments", "minutes"),
    [
        ("ten in ten minutes are no flood", [n * 1000 for n in range(10)], 0),
        ("the eleventh begins it, and with four left it is over", [n * 1000 for n in range(11)], 10 - 4 / 60),
        ("eleven spread over ten minutes and more are none", [n * MINUTE for n in range(40)], 0),
        ("one that comes while it is on keeps it on", [*(n * 1000 for n in range(11)), 9 * MINUTE], 10 - 3 / 60),
        ("two floods add up", [n * 1000 for n in range(11)] + [DAY // 2 + n * 1000 for n in range(11)], 20 - 8 / 60),
    ],
)
def test_floods(sentence: str, moments: list[int], minutes: float) -> None:
    """Each row's sentence holds."""
    assert flood_ms(moments, DAY) == round(minutes * MINUTE), sentence


@given(st.lists(st.integers(0, 60).map(lambda n: n * MINUTE // 2), max_size=60).map(sorted))
def test_a_flood_is_what_the_definition_says(moments: list[int]) -> None:
    """Against a look at every half minute: on from the eleventh within ten minutes until fewer than five are there."""
    end, step = 60 * MINUTE, MINUTE // 2
    on, total = False, 0
    for at in range(0, end, step):
        recent = sum(at - 10 * MINUTE < one <= at for one in moments)
        on = recent > 10 or (on and recent >= 5)
        total += step if on else 0

    assert flood_ms(moments, end) == total
    assert peak(moments) == max((sum(at - 10 * MINUTE < m <= at for m in moments) for at in moments), default=0)
