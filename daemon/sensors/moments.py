"""The time that a message or a record tells of itself, in the ways in which devices write it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from daemon.model import BadPayload
from daemon.sensors.extract import follow, to_number, to_text
from daemon.sensors.payload import Timestamp, split_path

#: Milliseconds a unit.
_UNIX = {"unix_s": 1000.0, "unix_ms": 1.0, "unix_us": 0.001}
_LONGEST = 64

#: None: there is none that can be understood.
Stamp = Callable[[object], datetime | None]


def compile_timestamp(spec: Timestamp, site_zone: ZoneInfo) -> Stamp:
    """Make the reader of a time; it never raises."""
    steps = split_path(spec.path.removeprefix("$."))
    zone = ZoneInfo(spec.zone) if spec.zone else site_zone
    factor = _UNIX.get(spec.format, 0.0)
    form = None if spec.format == "iso" else spec.format

    def unix(root: object) -> datetime | None:
        try:
            found = follow(root, steps)
            ms = found if type(found) is int and factor == 1.0 else round(to_number(found) * factor)
            return datetime.fromtimestamp(ms / 1000, UTC)
        except (BadPayload, ValueError, OverflowError, OSError):
            return None

    def text(root: object) -> datetime | None:
        try:
            found = to_text(follow(root, steps))
            if len(found) > _LONGEST:
                return None
            at = datetime.strptime(found, form) if form else datetime.fromisoformat(found)  # noqa: DTZ007  zone is next
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=zone).astimezone(UTC)
        except (BadPayload, ValueError, OverflowError):
            return None
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    return unix if factor else text
