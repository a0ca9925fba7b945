"""What a service's answer says: taken, had already, not now, or never; by its status and by what stands in its body.

Many property systems answer 200 whatever happens and put a refusal into the body: `{"code": 500, "msg": "…"}`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import orjson
from pydantic import Field

from daemon.clock import to_whole_ms
from daemon.documents import Strict
from daemon.model import from_ms

Scalar = str | int | float | bool
Status = Annotated[int, Field(ge=200, le=599)]
#: How Chinese systems still write, where they say so.
_CHARSETS = frozenset({"gbk", "gb2312", "gb18030"})
#: Brackets within brackets; beyond that it is no answer, and to compare or write it would end the program.
_DEEPEST = 64
MISSING: Any = type("Missing", (), {"__repr__": lambda _: "nothing", "__bool__": lambda _: False})()


class AnswerConfig(Strict):
    """How to tell what an answer means."""

    status: Annotated[tuple[Status, ...], Field(description="HTTP statuses of success", min_length=1)] = (
        200,
        201,
        202,
        204,
    )
    duplicate_status: Annotated[tuple[Status, ...], Field(description="it has this ticket already")] = ()
    permanent_status: Annotated[tuple[Status, ...], Field(description="it will never take it: parked")] = (
        400,
        409,
        410,
        413,
        414,
        415,
        422,
    )
    transient_status: Annotated[tuple[Status, ...], Field(description="not now: tried again soon")] = (
        408,
        412,
        423,
        425,
    )
    code: Annotated[str | None, Field(description="path of the code in the body, such as `code` or `head.ret`")] = None
    success: Annotated[tuple[Scalar, ...], Field(description="codes of success; 0 and '0' are one")] = ()
    duplicate: Annotated[tuple[Scalar, ...], Field(description="codes: it has this ticket already")] = ()
    transient: Annotated[tuple[Scalar, ...], Field(description="codes: not now")] = ()
    permanent: Annotated[tuple[Scalar, ...], Field(description="codes: never, a person must look")] = ()
    expired: Annotated[tuple[Scalar, ...], Field(description="codes: the login has expired (401 always says so)")] = ()
    otherwise: Annotated[
        Literal["permanent", "transient"] | None, Field(description="what any other code means; required with `code`")
    ] = None
    message: Annotated[str | None, Field(description="path of the words for a person")] = None


class Meaning(enum.Enum):
    """What a code or status says about what was asked."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


def look_up(value: Any, path: str) -> Any:  # noqa: ANN401  JSON
    """What stands at a dotted path, or `MISSING`; None where the way there ends in null.

    A number goes into a list; a key that holds dots itself is found as well. An empty path is the value itself.
    """
    if not path or value is None:
        return value
    first, _, rest = path.partition(".")
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        return look_up(value[first], rest) if first in value else MISSING
    if isinstance(value, list) and first.isdecimal() and len(first) < 7 and int(first) < len(value):
        return look_up(value[int(first)], rest)
    return MISSING


def plain(value: Any) -> str:  # noqa: ANN401  JSON
    """A code as text, so that 0 and "0" are one; empty for what is no plain value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else ""


def meaning_of(code: str, config: AnswerConfig) -> Meaning:
    """What a code in the body says."""
    lists = (
        (config.success, Meaning.TAKEN),
        (config.duplicate, Meaning.DUPLICATE),
        (config.transient, Meaning.TRANSIENT),
        (config.permanent, Meaning.PERMANENT),
    )
    for codes, meaning in lists:
        if code in map(plain, codes):
            return meaning
    return Meaning.TRANSIENT if config.otherwise == "transient" else Meaning.PERMANENT


def read_json(raw: bytes, charset: str | None) -> Any:  # noqa: ANN401  JSON
    """A body as JSON, `MISSING` when it is none. An empty body is None."""
    if not raw.strip():
        return None
    if charset is not None and charset.lower() in _CHARSETS:
        raw = raw.decode("gb18030", "replace").encode()
    try:
        return parse_json(raw.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return MISSING


def parse_json(raw: bytes) -> Any:  # noqa: ANN401  JSON
    """JSON of a depth that can be compared and written again.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    value = orjson.loads(raw)
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError(f"nested more than {_DEEPEST} deep")


def _inside(value: Any) -> Iterable[Any]:  # noqa: ANN401  JSON
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def read_moment(value: Any, form: str, zone: ZoneInfo) -> datetime | None:  # noqa: ANN401  JSON
    """A moment as the service writes it, aware UTC; None when it cannot be read.

    Args:
        value: as it stands in the answer.
        form: `iso`, `ms`, `seconds`, or the pattern of strptime.
        zone: of what is written without an offset.
    """
    try:
        if form in {"ms", "seconds"}:
            number = float(value)
            return to_whole_ms(from_ms(round(number if form == "ms" else number * 1000)))
        text = str(value)[:100]
        at = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007  below
        return to_whole_ms((at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        return None
