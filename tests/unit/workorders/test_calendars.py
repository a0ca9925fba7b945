"""Working days, Chinese ones with their adjusted weekends among them."""

from datetime import UTC, date, datetime

import pytest

from daemon.workorders.calendars import WorkCalendar, knows_china


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 2, 16), False),  # Monday before Spring Festival: off
        (date(2026, 2, 28), True),  # Saturday, made up for it
        (date(2026, 10, 10), True),  # Saturday after the National Day week
        (date(2026, 10, 11), False),  # an ordinary Sunday
        (date(2026, 11, 23), True),
    ],
)
def test_adjusted_workdays_count(day: date, works: bool) -> None:  # noqa: FBT001
    """The State Council's list decides, not the weekday."""
    assert WorkCalendar().is_workday(day) is works


def test_workdays_over_the_national_day_week() -> None:
    """Five workdays from the last day before the holiday end two days after the made-up Saturday."""
    taken_in = datetime(2026, 9, 30, 2, tzinfo=UTC)

    due = WorkCalendar().after(taken_in, 5)

    # 8, 9, 10 (Saturday, made up), 12 and 13 October; the end of the 13th in Shanghai
    assert due == datetime(2026, 10, 13, 16, tzinfo=UTC)


def test_the_day_is_the_local_one() -> None:
    """Half past midnight in Shanghai is the next day there, though not in UTC."""
    friday_evening_in_utc = datetime(2026, 11, 26, 16, 30, tzinfo=UTC)  # Friday the 27th in Shanghai

    due = WorkCalendar().after(friday_evening_in_utc, 1)

    assert due == datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_a_year_nobody_knows_yet_counts_weekdays() -> None:
    """Before the notice is published Monday to Friday are worked, and days named by hand are obeyed."""
    far = WorkCalendar(holidays={date(2093, 10, 1)}, workdays={date(2093, 10, 10)})

    assert not knows_china(2093)
    assert not far.is_workday(date(2093, 10, 1))  # a Thursday
    assert far.is_workday(date(2093, 10, 2))
    assert not far.is_workday(date(2093, 10, 3))
    assert far.is_workday(date(2093, 10, 10))


def test_no_working_days_in_sight_is_an_error() -> None:
    """Holidays without end are a mistake, and no endless loop."""
    always_off = WorkCalendar(base="weekdays", holidays={date.fromordinal(n) for n in range(739000, 741000)})

    with pytest.raises(ValueError, match="no working day within"):
        always_off.after(datetime(2026, 11, 22, tzinfo=UTC), 1)
