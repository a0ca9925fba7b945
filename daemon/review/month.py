"""A month by the site's clocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.model import ConfigError
from daemon.store.review import Span

_FORM = re.compile(r"(\d{4})-(\d{2})")
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in a zone; its days may have 23 or 25 hours."""

    year: int
    month: int
    zone: ZoneInfo

    @property
    def name(self) -> str:
        """`2026-10`."""
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def after(self) -> date:
        """The first day of the next month."""
        return date(self.year + self.month // 12, self.month % 12 + 1, 1)

    @property
    def span(self) -> Span:
        """From its first midnight to the next month's, in UTC."""
        return Span(self._midnight(self.first), self._midnight(self.after))

    @property
    def days(self) -> list[date]:
        """Each of its days."""
        return [self.first + timedelta(days=n) for n in range((self.after - self.first).days)]

    def day_of(self, at: datetime) -> date:
        """The day of a moment, by the site's clocks."""
        return at.astimezone(self.zone).date()

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)


def parse(text: str, zone: str) -> Month:
    """The month that `YYYY-MM` names.

    Raises:
        ConfigError: it names none.
    """
    found = _FORM.fullmatch(text)
    year, month = (int(part) for part in found.groups()) if found is not None else (0, 0)
    if not (1970 <= year <= 9998 and 1 <= month <= 12):
        raise ConfigError([f"--month: {text!r} is no month; write it as 2026-10"])
    return Month(year, month, ZoneInfo(zone))


@dataclass(frozen=True, slots=True)
class Period:
    """What of a month the ledger knows."""

    month: Month
    #: As far as it is known.
    span: Span
    #: The month is not over yet, or the ledger ends before it.
    so_far: bool
    #: The ledger begins later than the month.
    partly: bool


def known(month: Month, life: Span | None, file: str) -> Period:
    """What a ledger can know of a month. Nobody is asked what time it is: the ledger's newest moment counts.

    Raises:
        ConfigError: nothing.
    """
    if life is None:
        raise ConfigError([f"{file}: the ledger is empty; there is nothing to review yet"])
    whole = month.span
    begin, end = (f"{at.astimezone(month.zone):%Y-%m-%d %H:%M}" for at in life)
    if life.end < whole.begin:
        raise ConfigError([f"--month {month.name}: nothing is known of it: the ledger ends at {end}"])
    if life.begin >= whole.end:
        raise ConfigError([f"--month {month.name}: nothing is known of it: the ledger begins at {begin}"])
    until = min(whole.end, life.end + _MS)  # the newest moment is part of it
    return Period(month, Span(whole.begin, until), until < whole.end, life.begin > whole.begin)
