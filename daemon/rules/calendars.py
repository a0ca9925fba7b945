"""Calendars: the hours and days, by the clocks of the site, in which something is asked for.

    hours: 22:00-06:00                 over midnight; such hours belong to the day on which they begin
    hours: [08:00-12:00, 14:00-18:00]  absent: the whole day
    days: [mon-fri]                    absent: every day
    not_on: [2026-10-01..2026-10-08]   holidays
    also_on: [2026-10-10]              adjusted working days

A moment is inside when the site's clocks show it so. In the night in which they are put forward, hours that no clock
shows do not occur; in the one in which they are put back, an hour that they show twice is inside twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, model_validator

from daemon.documents import Strict
from daemon.model import EPOCH
from daemon.rules.timers import Rank, Timer

if TYPE_CHECKING:
    from daemon.rules.watch import Watch

#: What is observed of a calendar: the site's clocks, and where they are.
CLOCK, INSIDE, OUTSIDE = "clock", "inside", "outside"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?")
_MIDNIGHT = 24 * 60
#: Clocks are put forward and back at whole quarters of an hour of UTC, in every zone there is.
_QUARTER = timedelta(minutes=15)
_DAY = timedelta(days=1)
#: How far ahead the next change is looked for; later ones are found when the time has come closer.
_AHEAD = timedelta(days=8)


def _hours(text: str) -> str:
    match = HOURS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} are no hours; write them as 08:00-18:00, or 22:00-06:00 over midnight")
    start, end = _span(match)
    if start in (end, _MIDNIGHT) or max(start, end) > _MIDNIGHT:
        raise ValueError(f"{text!r} have no length, or go beyond 24:00; leave hours out for the whole day")
    return text


def _span(match: re.Match[str]) -> tuple[int, int]:
    """Both ends in minutes of the day."""
    first, second, third, fourth = (int(part) for part in match.groups())
    return first * 60 + second, third * 60 + fourth


def _weekdays(text: str) -> str:
    names = text.split("-")
    if len(names) > 2 or any(name not in _DAYS for name in names):
        raise ValueError(f"{text!r} is no day; write mon, tue, wed, thu, fri, sat, sun, or two of them as mon-fri")
    return text


def _dates(text: str) -> str:
    match = _DATES.fullmatch(text)
    try:
        ends = [date.fromisoformat(part) for part in match.groups() if part] if match else []
    except ValueError:
        ends = []
    if not ends or ends[0] > ends[-1]:
        raise ValueError(f"{text!r} is no date; write 2026-10-01, or 2026-10-01..2026-10-08 for the days from to")
    return text


HoursText = Annotated[str, AfterValidator(_hours)]
DayText = Annotated[str, AfterValidator(_weekdays)]
DateText = Annotated[str, AfterValidator(_dates)]


#: One may stand without brackets.
_LISTED = BeforeValidator(
    lambda given: (given,) if isinstance(given, str) else given, json_schema_input_type=str | tuple[str, ...] | None
)


class CalendarSpec(Strict):
    """Hours and days by the site's clocks."""

    #: Under which it is known to its rule file.
    name: str | None = None
    hours: Annotated[tuple[HoursText, ...] | None, _LISTED] = None
    days: Annotated[tuple[DayText, ...] | None, _LISTED] = None
    #: Days on which it does not count, whatever day of the week: holidays.
    not_on: Annotated[tuple[DateText, ...], _LISTED] = ()
    #: Days on which it does, whatever day of the week: adjusted working days.
    also_on: Annotated[tuple[DateText, ...], _LISTED] = ()

    @model_validator(mode="after")
    def _something(self) -> CalendarSpec:
        if not (self.hours or self.days or self.not_on):
            raise ValueError("a calendar needs hours, days or not_on; else it is always")
        return self

    @property
    def words(self) -> str:
        """How an order says it: `night 22:00-06:00 mon-fri`."""
        parts = [self.name or "", ",".join(self.hours or ()), ",".join(self.days or ())]
        parts += [f"not {','.join(self.not_on)}"] if self.not_on else []
        parts += [f"and {','.join(self.also_on)}"] if self.also_on else []
        return " ".join(part for part in parts if part)


def _written(given: Any) -> Any:  # noqa: ANN401  whatever YAML holds
    if isinstance(given, str):
        if not HOURS.fullmatch(given):
            raise ValueError(
                f"no calendar is called {given!r}; define it under `calendars:`, or write hours as 08:00-18:00"
            )
        return {"hours": given}
    return given


#: As it is written: in full, by the hours alone, or by the name of one that stands under `calendars:`.
CalendarUse = Annotated[CalendarSpec, BeforeValidator(_written, json_schema_input_type=CalendarSpec | str)]


class Calendar:
    """A calendar in a time zone; it asks nobody what time it is."""

    def __init__(self, spec: CalendarSpec, zone: str) -> None:
        self.key = f"{zone}|{spec.model_dump_json()}"
        self.words = f"{spec.words} ({zone})"
        self.zone = zone
        self._zone = ZoneInfo(zone)
        given = spec.hours or ("00:00-24:00",)
        self._spans = [_span(match) for text in given if (match := HOURS.fullmatch(text))]
        self._days = set(_named(spec.days)) if spec.days is not None else set(range(7))
        self._not_on = set(_listed(spec.not_on))
        self._also_on = set(_listed(spec.also_on))
        self._edges = sorted({edge % _MIDNIGHT for span in self._spans for edge in span})

    @property
    def longest(self) -> timedelta | None:
        """How long it is inside at a stretch; None when several hours, or whole days, may join."""
        (start, end), *others = self._spans
        whole = end - start == _MIDNIGHT
        return None if others or whole else timedelta(minutes=(end - start) % _MIDNIGHT)

    @property
    def share(self) -> float:
        """About how much of a day on which it counts is inside."""
        return min(1.0, sum((end - start) % _MIDNIGHT or _MIDNIGHT for start, end in self._spans) / _MIDNIGHT)

    def holds(self, at: datetime) -> bool:
        """Whether `at` is inside."""
        local = at.astimezone(self._zone)
        minute, today = local.hour * 60 + local.minute, local.date()
        for start, end in self._spans:
            if start < end:
                if start <= minute < end and self._counts(today):
                    return True
            elif (minute >= start and self._counts(today)) or (minute < end and self._counts(today - _DAY)):
                return True
        return False

    def next_change(self, after: datetime) -> datetime:
        """The next moment at which it may be otherwise; nothing changes before it."""
        inside, cursor = self.holds(after), after
        while cursor < after + _AHEAD:
            mark = cursor + _QUARTER - (cursor - EPOCH) % _QUARTER
            for moment in (*self._edges_between(cursor, mark), mark):
                if self.holds(moment) is not inside:
                    return moment
            cursor = mark
        return cursor

    def _edges_between(self, one: datetime, other: datetime) -> Iterator[datetime]:
        """The moments inside (one, other) at which the clocks show an edge; they are not touched meanwhile."""
        local = one.astimezone(self._zone)
        midnight = one - timedelta(
            hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        for edge in self._edges:
            moment = midnight + timedelta(minutes=edge)
            if one < moment < other:
                yield moment.astimezone(UTC)

    def _counts(self, day: date) -> bool:
        return day in self._also_on or (day.weekday() in self._days and day not in self._not_on)


def _named(days: tuple[str, ...]) -> Iterator[int]:
    for text in days:
        names = text.split("-")
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        yield from (day % 7 for day in range(first, last + 1 if last >= first else last + 8))


def _listed(dates: tuple[str, ...]) -> Iterator[date]:
    for text in dates:
        first, _, last = text.partition("..")
        day, end = date.fromisoformat(first), date.fromisoformat(last or first)
        while day <= end:
            yield day
            day += _DAY


class CalendarState:
    """Whether it is inside right now; kept up by deadlines, so that conditions need no arithmetic."""

    __slots__ = ("calendar", "inside", "timer", "watches")

    def __init__(
        self, calendar: Calendar, at: datetime, fire: Callable[[CalendarState, datetime, datetime], None]
    ) -> None:
        self.calendar = calendar
        self.inside = calendar.holds(at)
        self.watches: dict[Watch, None] = {}
        self.timer = Timer(Rank.CALENDAR, calendar.key, lambda due, seen: fire(self, due, seen))
