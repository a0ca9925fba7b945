"""JSON payloads: what a profile says of a field and of a message's time, and the paths and topics it uses."""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from daemon.documents import Strict

#: A path cut into keys and indices.
Steps = tuple[str | int, ...]

_STEP = re.compile(r"""(?:^|(?<=.)\.)([^.\[\]"]+)|\[(\d+)\]|\["([^"]+)"\]""")
_PLAIN_KEY = re.compile(r'[^.\[\]"]+')
_TOPIC_PART = re.compile(r"^(\{[A-Za-z_][A-Za-z0-9_]*\}|\+|#|[^+#{}\0]*)$")


def split_path(path: str) -> Steps:
    """`data.items[0]["a.b"]` as ("data", "items", 0, "a.b"); `$` is the whole payload.

    Raises:
        ValueError: it is no such path.
    """
    if path == "$":
        return ()
    steps: list[str | int] = []
    end = 0
    while end < len(path) and (match := _STEP.match(path, end)) is not None and match.end() > end:
        key, index, quoted = match.groups()
        steps.append(int(index) if index is not None else key or quoted)
        end = match.end()
    if not steps or end != len(path):
        raise ValueError(f'{path!r} is no path; write keys with dots and indices, such as data.items[0] or ["a.b"]')
    return tuple(steps)


def join_path(steps: Steps) -> str:
    """The text that `split_path` reads back as `steps`."""
    if not steps:
        return "$"
    parts = (
        f"[{step}]" if isinstance(step, int) else f".{step}" if _PLAIN_KEY.fullmatch(step) else f'["{step}"]'
        for step in steps
    )
    return "".join(parts).removeprefix(".")


def check_topic(topic: str) -> str:
    """A topic pattern: levels are words, named parts `{lift}`, `+`, or `#` at the end.

    Raises:
        ValueError: it is no such pattern.
    """
    levels = topic.split("/")
    if not topic or not all(_TOPIC_PART.match(level) for level in levels) or "#" in levels[:-1]:
        raise ValueError(f"{topic!r} is no topic pattern; a level is a word, {{name}}, + or (the last one) #")
    named = [level for level in levels if level.startswith("{")]
    if len(set(named)) < len(named):
        raise ValueError(f"{topic!r} names one part twice; each name stands for one level")
    return topic


class JsonField(Strict):
    """Where a point's value lies in a JSON payload, and how it is to be read."""

    path: str
    #: Raw value, written as text (`true`, `1`, `closed`), to label.
    map: dict[str, str] = Field(default_factory=dict)
    #: The labels there are; any other is rejected. Without map and labels any short text is a label.
    labels: tuple[str, ...] = ()
    #: The value is an array: `yes` when it has this member, else `no`.
    contains: int | str | None = None
    scale: float = 1.0
    offset: float = 0.0
    #: Raw numbers (before scaling) that mean "no measurement".
    sentinels: tuple[float, ...] = ()

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        split_path(path)
        return path

    @property
    def labelled(self) -> bool:
        """Whether it can yield labels only."""
        return bool(self.map or self.labels) or self.contains is not None


class Timestamp(Strict):
    """Where a message tells its own time."""

    path: str
    format: Literal["unix_ms", "unix_s", "iso"]
    #: Zone of an ISO text that names none; the site's zone when absent.
    zone: str | None = None

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        split_path(path)
        return path

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(f"{zone!r} is no time zone; write an IANA name such as Asia/Shanghai") from None
        return zone
