"""Months by the site's clocks, and what a ledger can know of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import ConfigError
from daemon.review.month import known, parse
from daemon.store.review import Span

BERLIN = "Europe/Berlin"
SHANGHAI = "Asia/Shanghai"


def life(begin: str, end: str) -> Span:
    return Span(datetime.fromisoformat(begin), datetime.fromisoformat(end))


def test_a_month_with_a_day_of_25_hours() -> None:
    """When clocks go back in October the month is an hour longer than its days."""
    month = parse("2026-10", BERLIN)

    begin, end = month.span
    assert begin == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert end == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert end - begin == timedelta(days=31, hours=1)
    assert len(month.days) == 31


def test_the_repeated_hour_belongs_to_its_day() -> None:
    """Both half past twos of 25 October are of the 25th."""
    month = parse("2026-10", BERLIN)

    for hour in (0, 1):
        assert month.day_of(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)).day == 25


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001  of no zone yet
    st.sampled_from([SHANGHAI, BERLIN, "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_each_moment_lies_in_exactly_one_month(at: datetime, zone: str) -> None:
    """In the month that its local date names, and not in those beside it; its day is one of the month's."""
    local = parse("2000-01", zone).day_of(at)

    hits = []
    for shift in (-1, 0, 1):
        whole = local.year * 12 + local.month - 1 + shift
        month = parse(f"{whole // 12:04d}-{whole % 12 + 1:02d}", zone)
        if month.span.begin <= at < month.span.end:
            hits.append((shift, month.day_of(at) in month.days))
    assert hits == [(0, True)]


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-1", "2026", "10-2026", "2026-10-01", "", "2026-00", "oct", "0000-10"]
)
def test_what_is_no_month(text: str) -> None:
    """Anything but YYYY-MM is refused with an example."""
    with pytest.raises(ConfigError, match="write it as 2026-10"):
        parse(text, SHANGHAI)


def test_a_month_that_is_not_over() -> None:
    """It ends with the newest moment of the ledger, which is part of it; nobody is asked what time it is."""
    period = known(parse("2026-10", SHANGHAI), life("2026-09-01T00:00Z", "2026-10-12T03:00Z"), "f")

    assert (period.so_far, period.partly) == (True, False)
    assert period.span.end == datetime(2026, 10, 12, 3, 0, 0, 1000, tzinfo=UTC)


def test_a_month_in_which_the_ledger_begins() -> None:
    """It is told that the days before are not known."""
    period = known(parse("2026-10", SHANGHAI), life("2026-10-09T00:00Z", "2026-12-12T03:00Z"), "f")

    assert (period.so_far, period.partly) == (False, True)


@pytest.mark.parametrize(("month", "says"), [("2027-03", "the ledger ends at 2026-10-12"), ("2026-01", "begins at")])
def test_a_month_of_which_nothing_is_known(month: str, says: str) -> None:
    """After the ledger's end or before its begin."""
    with pytest.raises(ConfigError, match=says):
        known(parse(month, SHANGHAI), life("2026-09-01T00:00Z", "2026-10-12T03:00Z"), "f")


def test_an_empty_ledger() -> None:
    """It says so."""
    with pytest.raises(ConfigError, match="empty"):
        known(parse("2026-10", SHANGHAI), None, "f")
