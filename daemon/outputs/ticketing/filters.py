"""What may be done to a value before it is written into a request. Pure, and nothing that could go on for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

Filter = Callable[[Any, str, ZoneInfo], Any]


class Omitted(Exception):
    """A member that says nothing is left out."""


def as_text(value: Any) -> str:  # noqa: ANN401  JSON
    """A value as it is written in a text."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return orjson.dumps(value).decode()
        case _:
            return str(value)


def short(key: str, most: int) -> str:
    """A key as it is, or its beginning and a digest of the whole where it is too long: still one key for one order."""
    if len(key) <= most:
        return key
    return f"{key[: most - 17]}#{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _cut(value: Any, most: str, _: ZoneInfo) -> str:  # noqa: ANN401  JSON
    long = as_text(value)
    return long if len(long) <= int(most) else long[: int(most) - 1] + "…"


def _cut_bytes(value: Any, most: str, _: ZoneInfo) -> str:  # noqa: ANN401  JSON
    """At most so many bytes of UTF-8, no character in halves."""
    raw = as_text(value).encode()
    return raw.decode() if len(raw) <= int(most) else raw[: int(most) - 3].decode("utf-8", "ignore") + "…"


def _listed(value: Any) -> list[str]:  # noqa: ANN401  JSON
    items = value if isinstance(value, list) else [value]
    return [as_text(item) for item in items if not _says_nothing(item)]


def _says_nothing(value: Any) -> bool:  # noqa: ANN401  JSON
    return value is None or value in ("", [], {})


def _omit(value: Any, _: str, __: ZoneInfo) -> Any:  # noqa: ANN401  JSON
    if _says_nothing(value):
        raise Omitted
    return value


def _number(value: Any, _: str, __: ZoneInfo) -> int | float:  # noqa: ANN401  JSON
    if isinstance(value, int | float):
        return value
    try:
        number = float(as_text(value)[:40])
    except ValueError as error:
        raise ValueError("is no number") from error
    return int(number) if abs(number) < 2**53 and number.is_integer() else number


def _moment(value: Any) -> datetime:  # noqa: ANN401  JSON
    try:
        at = datetime.fromisoformat(value)
        at.timestamp()
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError("is no moment") from error
    return at


def _written(value: Any, pattern: str, zone: ZoneInfo) -> str:  # noqa: ANN401  JSON
    try:
        return _moment(value).astimezone(zone).strftime(pattern)
    except OverflowError as error:
        raise ValueError("is no moment") from error


#: By name.
PLAIN: Mapping[str, Filter] = {
    "lines": lambda value, _, __: "\n".join(_listed(value)),
    "numbered": lambda value, _, __: "\n".join(f"{n}. {item}" for n, item in enumerate(_listed(value), 1)),
    "ms": lambda value, _, __: round(_moment(value).timestamp() * 1000),
    "seconds": lambda value, _, __: int(_moment(value).timestamp()),
    "number": _number,
    "text": lambda value, _, __: as_text(value),
    "json": lambda value, _, __: orjson.dumps(value).decode(),
    "omit": _omit,
}
#: Likewise, of those that are told something after a colon.
WITH_ARGUMENT: Mapping[str, Filter] = {
    "cut": _cut,
    "bytes": _cut_bytes,
    "short": lambda value, most, _: short(as_text(value), int(most)),
    "time": _written,
    "join": lambda value, between, _: between.join(_listed(value)),
    "or": lambda value, instead, _: instead if _says_nothing(value) else value,
}
#: The least that a length can be.
LENGTHS: Mapping[str, int] = {"short": 17, "cut": 1, "bytes": 4}
