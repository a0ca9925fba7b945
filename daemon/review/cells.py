"""Cells as a person reads them, in one language and by the site's clocks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from daemon.model import Level, Text
from daemon.review.table import Cell, Ratio
from daemon.workorders.notices import ROMAN

Language = Literal["zh", "en"]

_UNITS = {"zh": (" 天", " 小时", " 分", " 秒"), "en": (" d", " h", " min", " s")}
_NOTHING = "–"


class Reader(NamedTuple):
    """Who reads: the language and the clocks."""

    language: Language
    zone: ZoneInfo

    def say(self, text: Text) -> str:
        """In the reader's language."""
        return text.zh if self.language == "zh" else text.en

    def pick(self, zh: str, en: str) -> str:
        """Likewise."""
        return zh if self.language == "zh" else en

    def moment(self, at: datetime) -> str:
        """By the site's clocks, to the minute."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def span(self, span: timedelta) -> str:
        """Its two largest units; seconds only below a minute."""
        day, hour, minute, second = _UNITS[self.language]
        seconds = round(span.total_seconds())
        if seconds < 60:
            return f"{seconds}{second}"
        minutes = round(seconds / 60)
        days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
        if days:
            return f"{days}{day} {hours}{hour}" if hours else f"{days}{day}"
        if hours:
            return f"{hours}{hour} {rest}{minute}" if rest else f"{hours}{hour}"
        return f"{rest}{minute}"

    def ratio(self, ratio: Ratio) -> str:
        """`92 % (23/25)`."""
        return _NOTHING if ratio.percent is None else f"{ratio.percent:.0f} % ({ratio.n}/{ratio.of})"

    def cell(self, cell: Cell) -> str:  # noqa: PLR0911  one line a kind
        """Any cell."""
        match cell:
            case None:
                return _NOTHING
            case Text():
                return self.say(cell)
            case Level():
                return ROMAN[cell]
            case Ratio():
                return self.ratio(cell)
            case datetime():
                return self.moment(cell)
            case timedelta():
                return self.span(cell)
            case _:
                return str(cell)


def is_number(cell: Cell) -> bool:
    """Whether it is set flush right."""
    return isinstance(cell, int | Ratio | timedelta) and not isinstance(cell, Level)
