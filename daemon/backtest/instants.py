"""The times that stand in histories: the forms of `sensors.moments`, read some hundred thousand times a second."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.model import EPOCH

#: Raises ValueError when the text is no time of that form.
Clock = Callable[[str], datetime]
_UNIX = {"unix_s": 1000.0, "unix_ms": 1.0, "unix_us": 0.001, "unix_ns": 1e-6}
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][+-]?\d+)?")
#: Before 1973 in milliseconds, after 5138 in seconds: what is larger is the next smaller unit.
_LARGEST = 1e11
_ONE_MS = timedelta(milliseconds=1)
#: Different places on the clock have different offsets at most every quarter of an hour.
_PLACES = 4096


def form_of(sample: str) -> str:
    """`unix_s`, `unix_ms`, `unix_us` or `unix_ns` by size, or `iso`."""
    if not _NUMBER.fullmatch(sample.strip()):
        return "iso"
    size = abs(float(sample))
    for name in ("unix_s", "unix_ms", "unix_us"):
        if size < _LARGEST:
            return name
        size /= 1000
    return "unix_ns"


def compile_clock(form: str, zone: ZoneInfo) -> Clock:
    """The reader of one form: `iso`, `unix_s`, `unix_ms`, `unix_us`, `unix_ns`, or a pattern of strptime.

    `zone` is that of texts which name none. When clocks are set back an hour is there twice: times that follow each
    other stay in order.
    """
    factor = _UNIX.get(form)
    if factor is not None:
        return _unix(factor)
    at_home = _Home(zone)
    if form == "iso":
        parse = datetime.fromisoformat
    else:

        def parse(text: str) -> datetime:
            return datetime.strptime(text, form)  # noqa: DTZ007  the zone is next

    def read(text: str) -> datetime:
        at = parse(text)
        at = at_home.utc(at) if at.tzinfo is None else at.astimezone(UTC)
        rest = at.microsecond % 1000
        return at.replace(microsecond=at.microsecond - rest) if rest else at

    return read


def _unix(factor: float) -> Clock:
    def whole(text: str) -> datetime:
        try:
            return EPOCH + int(text) * _ONE_MS if factor == 1.0 else EPOCH + round(float(text) * factor) * _ONE_MS
        except OverflowError as error:
            raise ValueError(f"{text!r} is beyond all times") from error

    return whole


class _Home:
    """Times of one zone as UTC; the offset is looked up once a quarter of an hour."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._offsets: dict[tuple[int, int, int, int, int], timedelta] = {}
        self._last = EPOCH

    def utc(self, at: datetime) -> datetime:
        place = (at.year, at.month, at.day, at.hour, at.minute // 15)
        offset = self._offsets.get(place)
        if offset is None:
            first, second = (at.replace(tzinfo=self._zone, fold=fold).utcoffset() for fold in (0, 1))
            assert first is not None  # noqa: S101  a ZoneInfo has one for every time
            assert second is not None  # noqa: S101  as above
            if first > second:  # set back: the hour is there twice
                early = at.replace(tzinfo=UTC) - first
                self._last = early if early >= self._last else at.replace(tzinfo=UTC) - second
                return self._last
            if len(self._offsets) >= _PLACES:
                self._offsets.clear()
            offset = self._offsets[place] = first
        self._last = at.replace(tzinfo=UTC) - offset
        return self._last
