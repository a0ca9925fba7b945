"""Messages of a device model: the topics it uses, which messages count, and the records and history they carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from daemon.documents import Strict
from daemon.sensors.payload import NAMED, Condition, Timestamp, check_path, check_topic, split_path

#: A step of a records path: every element of an array.
EACH = "[*]"
#: A records path cut into keys, indices, EACH, and `{part}`: every key of an object, which is a part of the address.
RecordSteps = tuple[str | int, ...]


def split_records(path: str) -> RecordSteps:
    """`data.list[*]` or `{device}[*]` as steps.

    Raises:
        ValueError: it is no such path.
    """
    steps: list[str | int] = []
    for n, piece in enumerate(path.split(EACH)):
        if n:
            steps.append(EACH)
        if piece:
            steps += split_path(piece.removeprefix(".") if n else piece)
    if not any(type(step) is str and (step == EACH or NAMED.fullmatch(step)) for step in steps):
        raise ValueError(f"{path!r} leads to one place only; write [*] for every element or {{name}} for every key")
    return tuple(steps)


class Records(Strict):
    """One message is several records, of one device or of many; paths of fields and times begin at the record."""

    #: `[*]` stands for every element of an array, `{device}` for every key, which then is that part of the address.
    path: str
    #: Parts of the device's address by where they stand in the record: `{sn: device.sn}`.
    address: dict[str, str] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        split_records(path)
        return path

    @field_validator("address")
    @classmethod
    def _address(cls, address: dict[str, str]) -> dict[str, str]:
        for path in address.values():
            check_path(path)
        return address

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the address that stand in the payload: those in keys, then those in records."""
        keys = [match[1] for s in split_records(self.path) if type(s) is str and (match := NAMED.fullmatch(s))]
        return (*keys, *self.address)


class History(Strict):
    """Earlier values that come along with the present ones."""

    #: Such as `object.history[*]`.
    path: str
    #: Path beginning at the historical record. One without a time that can be right is rejected: it is not of now.
    timestamp: Timestamp
    #: Point to path, beginning at the historical record; scale, map and the rest are the point's own.
    points: dict[str, str] = Field(min_length=1)

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        if any(type(step) is str and NAMED.fullmatch(step) for step in split_records(path)):
            raise ValueError(f"{path!r}: history is of the device whose message it is; write [*] only")
        return path

    @field_validator("points")
    @classmethod
    def _points(cls, points: dict[str, str]) -> dict[str, str]:
        for path in points.values():
            check_path(path)
        return points


class Presence(Strict):
    """A topic on which a device, its last will, or the bridge before it says whether it is there."""

    topic: str
    #: Where the word stands when the payload is a JSON object.
    path: str | None = None
    #: Payloads (or words at the path), compared as they are.
    online: str = "true"
    offline: str = "false"
    #: What any other payload means; it is rejected when absent. A join message is `any: online`.
    any: Literal["online", "offline", "ignore"] | None = None

    @field_validator("topic")
    @classmethod
    def _topic(cls, topic: str) -> str:
        if "+" in topic or "#" in topic:
            raise ValueError(f"{topic!r}: the topic of a presence has named parts only, no + and no #")
        return check_topic(topic)

    @field_validator("path")
    @classmethod
    def _path(cls, path: str | None) -> str | None:
        return None if path is None else check_path(path)


#: What tells the address of a Sparkplug device or edge node.
SPARKPLUG_TOPICS = {"device": "spBv1.0/{group}/+/{node}/{device}", "node": "spBv1.0/{group}/+/{node}"}


class MqttPart(Strict):
    """Where a device model publishes, and how its messages are to be taken apart."""

    #: Patterns with named parts (`lifts/{lift}/status`); `+` and `#` are allowed too. Sparkplug has its own.
    topics: tuple[str, ...] = ()
    #: The metrics of Sparkplug B, by name: of a `device` (DBIRTH, DDATA) or of an edge `node` itself (NBIRTH, NDATA).
    sparkplug: Literal["device", "node"] | None = None
    #: `text`: the whole payload is one word or number, at path `$` (`true`, `23.4`, `ON`).
    payload: Literal["json", "text"] = "json"
    #: Messages that count; any other on these topics is a sign of life and nothing more.
    when: Condition | None = None
    #: What every message that counts must have; one without it is rejected (a decoder is not set up, a wrong unit).
    needs: Condition | None = None
    #: Where a message has a name of its own: one that has come lately is heard again, and not counted again.
    once: str | None = None
    presence: Presence | tuple[Presence, ...] = ()
    #: Where the message tells its own time; without it the time of receipt counts.
    timestamp: Timestamp | None = None
    records: Records | None = None
    history: History | None = None

    @field_validator("once")
    @classmethod
    def _once(cls, path: str | None) -> str | None:
        return None if path is None else check_path(path)

    @field_validator("topics")
    @classmethod
    def _topics(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_topic(topic) for topic in topics)

    @model_validator(mode="before")
    @classmethod
    def _sparkplug(cls, given: Any) -> Any:  # noqa: ANN401  whatever YAML holds
        """Sparkplug lays down topics, presence and time itself."""
        kind = given.get("sparkplug") if isinstance(given, Mapping) else None
        if not isinstance(kind, str) or kind not in SPARKPLUG_TOPICS:
            return given
        others = sorted(set(given) - {"sparkplug"})
        if others:
            raise ValueError(f"Sparkplug B lays down its messages itself; remove {', '.join(others)}")
        return {**given, "topics": [SPARKPLUG_TOPICS[given["sparkplug"]]]}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.topics:
            raise ValueError("no topic is named; write topics, or sparkplug")
        needing = (self.when, self.needs, self.once, self.records, self.history, self.timestamp)
        if self.payload == "text" and any(one is not None for one in needing):
            raise ValueError("a text payload is one value; when, needs, once, timestamp, records, history need JSON")
        for presence in self.presences:
            if presence.topic in self.topics:
                raise ValueError(f"{presence.topic!r} is a topic of values and of presence; it can be one only")
        if self.records is not None:
            inside = set(self.records.parts)
            doubled = inside & set(self.topic_parts) or {p for p in inside if self.records.parts.count(p) > 1}
            if doubled:
                raise ValueError(f"the address part {min(doubled)!r} is found in two places; rename one")
        if self.timestamp is not None and self.timestamp.path.startswith("$.") and self.records is None:
            raise ValueError(f"{self.timestamp.path!r}: leave out the `$.`; it is for records")
        if self.history is not None and self.history.timestamp.path.startswith("$."):
            raise ValueError("the time of history stands in each historical record; leave out the `$.`")
        return self

    @property
    def presences(self) -> tuple[Presence, ...]:
        """The topics of presence."""
        return (self.presence,) if isinstance(self.presence, Presence) else self.presence

    @property
    def plain(self) -> bool:
        """Whether each message is JSON, counts, and is of one device as a whole."""
        special = (self.when, self.needs, self.once, self.records)
        return self.payload == "json" and all(one is None for one in special)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Every topic pattern, those of presence too."""
        return (*self.topics, *(presence.topic for presence in self.presences))

    @property
    def topic_parts(self) -> tuple[str, ...]:
        """Names of the parts of the address that stand in topics."""
        return tuple(dict.fromkeys(name for pattern in self.patterns for name in NAMED.findall(pattern)))
