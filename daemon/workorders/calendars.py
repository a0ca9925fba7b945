"""Working days: which days count when a promise says "5 workdays"."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

_SATURDAY = 5
_DAY = timedelta(days=1)
#: A longer run of days off than any calendar has: whoever names that many has made a mistake.
_MOST_DAYS_OFF = 60


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """The working days of a place.

    `china` follows the State Council's yearly notice on holidays with its adjusted workdays (调休), as the library
    chinesecalendar carries it. It is published in the autumn before; for a year that the library does not know yet
    Monday to Friday count, less `holidays`, plus `workdays`.
    """

    zone: str = "Asia/Shanghai"
    base: Literal["china", "weekdays"] = "china"
    #: Days off besides.
    holidays: Collection[date] = ()
    #: Working days besides; they win over everything else.
    workdays: Collection[date] = ()

    def is_workday(self, day: date) -> bool:
        """Whether people are at work on that day."""
        if day in self.workdays:
            return True
        if day in self.holidays:
            return False
        if self.base == "china" and knows_china(day.year):
            return _china_works(day)
        return day.weekday() < _SATURDAY

    def after(self, at: datetime, days: int) -> datetime:
        """The end of the `days`-th working day after the local day of `at`, in UTC.

        Chinese practice does not count the day on which the matter was taken in.

        Raises:
            ValueError: there are no working days in sight.
        """
        zone = ZoneInfo(self.zone)
        day, off = at.astimezone(zone).date(), 0
        while days > 0:
            day += _DAY
            worked = self.is_workday(day)
            days -= worked
            off = 0 if worked else off + 1
            if off > _MOST_DAYS_OFF:
                raise ValueError(f"no working day within {_MOST_DAYS_OFF} days before {day}; correct the holidays")
        return datetime.combine(day + _DAY, time(), zone).astimezone(UTC)


def knows_china(year: int) -> bool:
    """Whether the adjusted workdays of that year are known."""
    from chinese_calendar import holidays  # noqa: PLC0415  only who counts workdays pays for the tables

    return any(day.year == year for day in (date(year, 1, 1), date(year, 10, 1)) if day in holidays)


def _china_works(day: date) -> bool:
    from chinese_calendar import is_workday  # noqa: PLC0415  as above

    return bool(is_workday(day))
