"""The messages of a device model: its profile turned round, from what is measured to topics and payloads.

Written without a look at how the gateway reads them, so that the two can be held against each other.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from simulators.device_model import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.device_model import DeviceModel, Quantity

_PART = re.compile(r"\{(\w+)\}")
_STEP = re.compile(r'\["([^"]+)"\]|\[(\d+)\]|([^.\[\]]+)')
_UNIX = {"unix_s": 1e-3, "unix_ms": 1.0, "unix_us": 1e3}
_WORD = "ready"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish."""

    topic: str
    payload: bytes
    retain: bool = False


class MessageShape:
    """What one device of a model publishes.

    Args:
        model: a profile.
        address: the named parts of its topics; what is missing is `name`.
        name: of the device.

    Raises:
        ValueError: the profile is none for MQTT, or of a kind that is not spoken here.
    """

    def __init__(self, model: DeviceModel, address: Mapping[str, str], name: str) -> None:
        part = model.mqtt
        if part is None:
            raise ValueError(f"the profile {model.name!r} is none for MQTT")
        if part.get("payload", "json") not in ("json", "text") or "records" in part:
            raise ValueError(f"the profile {model.name!r} has payloads that this stand-in does not speak")
        self._model = model
        self._mqtt = part
        topics = [*part["topics"], *(presence["topic"] for presence in self._presences())]
        inside = [str(quantity.field["path"]) for quantity in model.quantities]
        #: The address by which the gateway knows it.
        self.address = {key: address.get(key, name) for text in (*topics, *inside) for key in _PART.findall(text)}
        #: What each point says now: a number in the point's unit, or a label.
        self.says: dict[str, float | str] = {}

    def at(self, seconds: float, unix_ms: int) -> list[Message]:
        """The messages so many seconds after the start; the device's clock says `unix_ms`."""
        return [Message(self._filled(topic), self._payload(topic, seconds, unix_ms)) for topic in self._mqtt["topics"]]

    def connecting(self) -> None:
        """A connection begins; it makes no difference."""

    def presence(self, *, online: bool) -> list[Message]:
        """What says that it is there, or gone, on each of its topics of presence."""
        found = []
        for presence in self._presences():
            word = str(presence.get("online" if online else "offline", "true" if online else "false"))
            body = json.dumps({presence["path"]: word}) if "path" in presence else word
            found.append(Message(self._filled(presence["topic"]), body.encode(), retain=True))
        return found

    def _presences(self) -> list[dict[str, Any]]:
        given = self._mqtt.get("presence", [])
        return given if isinstance(given, list) else [given]

    def _filled(self, text: str) -> str:
        text = _PART.sub(lambda part: self.address[part[1]], text)
        return "/".join("1" if level in ("+", "#") else level for level in text.split("/"))

    def _payload(self, topic: str, seconds: float, unix_ms: int) -> bytes:
        here = [
            (place, quantity)
            for place, quantity in enumerate(self._model.quantities)
            if quantity.field.get("topic") in (None, topic)
        ]
        if self._mqtt.get("payload") == "text":
            return b"".join(str(self._spoken(quantity, seconds, place).raw).encode() for place, quantity in here)
        root: dict[str, Any] = {}
        for condition in (self._mqtt.get("when"), self._mqtt.get("needs")):
            if condition is not None and "is" in condition:
                word = condition["is"]
                _put(root, condition["path"], word[0] if isinstance(word, list) else word)
        if (stamp := self._mqtt.get("timestamp")) is not None:
            _put(root, stamp["path"], _moment(stamp, unix_ms))
        for place, quantity in here:
            said = self._spoken(quantity, seconds, place)
            if said.there:
                _put(root, self._filled_path(quantity.field["path"]), said.raw)
        return json.dumps(root, ensure_ascii=False, separators=(",", ":")).encode()

    def _spoken(self, quantity: Quantity, seconds: float, place: int) -> Spoken:
        said = spoken(self._model, quantity, seconds, place)
        self.says[quantity.name] = said.says
        return said

    def _filled_path(self, path: str) -> str:
        return _PART.sub(lambda part: self.address[part[1]], path)


class Spoken(NamedTuple):
    """What stands in a message for a point."""

    raw: Any
    #: What it means: a number in the point's unit, or a label.
    says: float | str
    there: bool = True


def spoken(model: DeviceModel, quantity: Quantity, seconds: float, place: int) -> Spoken:
    """What a point says so many seconds after the start; `place` is its place in the profile."""
    field = quantity.field
    if "contains" in field:
        return Spoken([], field.get("map", {}).get("no", "no"))
    if not quantity.labelled:
        # As many digits as a person would want to read.
        raw = (quantity.at(seconds, place) - field.get("offset", 0.0)) / field.get("scale", 1.0)
        raw = round(raw, 0 if "scale" in field else 3)
        return Spoken(raw, raw * field.get("scale", 1.0) + field.get("offset", 0.0))
    if field.get("when_absent") is not None:
        return Spoken(None, str(field["when_absent"]), there=False)
    codes = field.get("codes")
    labels = model.tables[codes] if isinstance(codes, str) else field.get("map", {})
    if not labels:
        label = quiet(list(field.get("labels", (_WORD,))))
        return Spoken(label, label)
    label = quiet(list(labels.values()))
    raw = next(raw for raw, found in labels.items() if found == label)
    return Spoken([] if _is_list(model, field["path"]) else _typed(raw), label)


def _is_list(model: DeviceModel, path: str) -> bool:
    """Whether another point looks into a list at the same place."""
    return any(each.field["path"] == path and "contains" in each.field for each in model.quantities)


def _typed(raw: object) -> object:
    """A key of a map as it stands in JSON."""
    if isinstance(raw, str) and raw.lstrip("-").isdecimal():
        return int(raw)
    return {"true": True, "false": False}.get(raw, raw) if isinstance(raw, str) else raw


def _put(root: dict[str, Any], path: str, value: object) -> None:
    """Let a value stand at a path of keys and indices, making what is around it."""
    steps: list[str | int] = [int(n) if n else quoted or key for quoted, n, key in _STEP.findall(path)]
    at: Any = root
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int):
            at.extend([None] * (step + 1 - len(at)))
        made: Any = value if following is None else [] if isinstance(following, int) else {}
        there = at[step] if isinstance(step, int) else at.get(step)
        at[step] = made if following is None or there is None else there
        at = at[step]


def _moment(stamp: Mapping[str, Any], unix_ms: int) -> object:
    form = stamp["format"]
    if form in _UNIX:
        moment = unix_ms * _UNIX[form]
        return moment if form == "unix_s" else int(moment)
    at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    if form == "iso":
        return at.isoformat(timespec="milliseconds")
    return at.astimezone(ZoneInfo(stamp.get("zone", "Asia/Shanghai"))).strftime(form)
