"""JSON payloads: what a profile says of a field and of a message's time, and the paths and topics it uses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from daemon.documents import Strict
from daemon.sensors.codes import CodeTable

#: A path cut into keys and indices.
Steps = tuple[str | int, ...]

_STEP = re.compile(r"""(?:^|(?<=.)\.)([^.\[\]"]+)|\[(\d+)\]|\["([^"]+)"\]""")
_PLAIN_KEY = re.compile(r'[^.\[\]"]+')
#: A part that the device's address fills: `{lift}`.
NAMED = re.compile(r"\{(\w+)\}")
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


def check_path(path: str) -> str:
    """A path as a profile writes it.

    Raises:
        ValueError: it is none.
    """
    if path.startswith("$."):
        raise ValueError(f"{path!r}: leave out the `$.`; paths begin at the payload, or at the record")
    split_path(path)
    return path


class Condition(Strict):
    """Something that stands in a payload, or has one of some values: `{path: type, is: info}`."""

    path: str
    #: Values, written as text (`info`, `2`, `true`); without it the path only has to be there.
    one_of: tuple[str, ...] = Field(default=(), alias="is")
    #: A path that must not be there beside it.
    without: str | None = None

    _path = field_validator("path")(check_path)

    @field_validator("without")
    @classmethod
    def _without(cls, path: str | None) -> str | None:
        return None if path is None else check_path(path)

    @field_validator("one_of", mode="before")
    @classmethod
    def _texts(cls, given: object) -> object:
        values = given if isinstance(given, list | tuple) else [given]
        return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


class JsonField(Strict):
    """Where a point's value lies in a JSON payload, and how it is to be read."""

    #: Keys with dots and indices; `{part}` in a key is filled from the device's address; `$` is the whole payload.
    path: str
    #: The one of the profile's topics on which it comes; on any when absent.
    topic: str | None = None
    #: Name of a code table beside the profiles, or a table of the profile's own: code (or array of codes) to label.
    codes: str | CodeTable | None = None
    #: Raw value, written as text (`true`, `1`, `closed`), to label.
    map: dict[str, str] = Field(default_factory=dict)
    #: The labels there are; any other is rejected. Without map and labels any short text is a label.
    labels: tuple[str, ...] = ()
    #: The value is an array: `yes` when it has this member, else `no`. With a code table: a label of that table,
    #: and one code is as good as an array. `map` may have other words for `yes` and `no`.
    contains: int | str | None = None
    scale: float = 1.0
    offset: float = 0.0
    #: Raw numbers (before scaling) that mean "no measurement".
    sentinels: tuple[float, ...] = ()
    #: For senders that leave out zeros: the raw value meant when the field is not there, in messages that `marker`
    #: (or the profile's `when`) tells to be of the kind that has it. In any other message absent is not zero.
    when_absent: bool | int | float | str | None = None
    marker: Condition | None = None

    _path = field_validator("path")(check_path)

    @model_validator(mode="after")
    def _one_table(self) -> Self:
        if self.contains is not None:
            if self.labels or not set(self.map) <= {"yes", "no"}:
                raise ValueError("with contains a field is yes or no; map may have other words for these two only")
        elif self.codes is not None and (self.map or self.labels):
            raise ValueError("a field has a code table, or map and labels; remove one of them")
        if self.marker is not None and self.when_absent is None:
            raise ValueError("a marker belongs to when_absent; write both or neither")
        return self

    @property
    def labelled(self) -> bool:
        """Whether it can yield labels only."""
        return bool(self.map or self.labels) or self.contains is not None or self.codes is not None


class Timestamp(Strict):
    """Where a message, or a record in it, tells its own time."""

    #: Where records are taken out of a message, it begins at the record, or with `$.` at the message.
    path: str
    #: `unix_s`, `unix_ms`, `unix_us` (numbers or texts, with a fraction or without), `iso`, or a pattern of
    #: strptime such as `%Y/%m/%d %H:%M:%S`.
    format: str
    #: Zone of a text that names none; the site's zone when absent.
    zone: str | None = None
    #: Not every message has it: then the time of receipt counts, and nothing is wrong.
    optional: bool = False

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        split_path(path.removeprefix("$."))
        return path

    @field_validator("format")
    @classmethod
    def _format(cls, form: str) -> str:
        if form in ("unix_s", "unix_ms", "unix_us", "iso"):
            return form
        try:
            sample = datetime(2026, 11, 21, 16, 30, 59, tzinfo=UTC).strftime(form)
            whole = datetime.strptime(sample, form).year == 2026  # noqa: DTZ007  the zone may be the profile's
        except ValueError:
            whole = False
        if not whole:
            raise ValueError(f"{form!r} is no format; write unix_s, unix_ms, unix_us, iso or e.g. %Y/%m/%d %H:%M:%S")
        return form

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(f"{zone!r} is no time zone; write an IANA name such as Asia/Shanghai") from None
        return zone
