"""How the time of a message is known: by the name of its key, and by a form in which devices write times."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.model import BadPayload
from daemon.sensors.extract import to_number
from daemon.sensors.moments import compile_timestamp
from daemon.sensors.payload import Steps, Timestamp

_TIME = re.compile(r"(^|_)(ts|t|time|timestamp|datetime|date|at|utc|clock)$", re.IGNORECASE)
_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y/%m/%d %H:%M", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S")
_UTC = ZoneInfo("UTC")
_NEAR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Time:
    """Where a message or record tells its time."""

    steps: Steps
    format: str
    zone: str = ""
    remark: str = ""
    optional: bool = False


def time_of(key: str | int, value: object) -> str:
    """The format in which a value tells a time, if its name says that it does; empty when not."""
    if not isinstance(key, str) or not _TIME.search(snake(key)):
        return ""
    if isinstance(value, str) and not is_number(value):
        return next((form for form in ("iso", *_FORMATS) if _moment(value, form, _UTC) is not None), "")
    if isinstance(value, bool) or not is_number(value):
        return ""
    size = to_number(value)
    for form, least in (("unix_s", 1e9), ("unix_ms", 1e12), ("unix_us", 1e15)):
        if least <= size < 4 * least:
            return form
    return "%Y%m%d%H%M%S" if isinstance(value, str) and _moment(value, "%Y%m%d%H%M%S", _UTC) else ""


def _moment(value: object, form: str, zone: ZoneInfo) -> datetime | None:
    return compile_timestamp(Timestamp(path="$", format=form), zone)(value)


def zone_of(value: object, form: str, received_at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """`UTC` when a text without a zone fits the receipt only so; and what a person should know."""
    here, utc = _moment(value, form, zone), _moment(value, form, _UTC)
    if here is None or utc is None:
        return "", ""
    if here == utc:
        away = abs(here - received_at)
        off = "与收到时刻相差甚远 far from the moment of receipt: is its clock set?" if away > _NEAR else ""
        return "", off
    if abs(utc - received_at) < _NEAR:
        return "UTC", "无时区，按收到时刻应为 UTC without a zone; UTC by the moment of receipt"
    return "", "无时区，取项目时区 without a zone: the site's holds"


def is_number(value: object) -> bool:
    """Whether it is a finite number, or a text that holds one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return math.isfinite(to_number(value))
    except BadPayload:
        return False


def snake(key: str) -> str:
    """A key in small letters, its words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()).strip("_")
