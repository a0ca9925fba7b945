"""What a payload is made of: times, ids, records, and the leaves that could be points."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from daemon.probe.messages import Message
from daemon.probe.payload_times import Time, is_number, snake, time_of, zone_of
from daemon.sensors.payload import NAMED, Steps, join_path, split_path
from daemon.sensors.shapes import ABSENT, find

_MOST_POINTS = 60
_MOST_DEPTH = 8
_MOST_ELEMENTS = 4
_LONGEST_LABEL = 64

_ID = re.compile(
    r"^(sn|id|uid|uuid|mac|imei|iccid|dev_?eui|serial(_?(no|number|num))?|name|addr(ess)?"
    r"|(device|node|gateway|sensor|station)(_?(id|sn|no|name|code))?)$",
    re.IGNORECASE,
)
#: Units by the last word of a key; those of which there is no doubt.
_UNITS = dict(
    [
        *(("temperature", "°C"), ("temp", "°C"), ("celsius", "°C"), ("humidity", "%"), ("humi", "%"), ("rh", "%")),
        *(("percent", "%"), ("pct", "%"), ("mpa", "MPa"), ("kpa", "kPa"), ("bar", "bar"), ("hz", "Hz"), ("mm", "mm")),
        *(("cm", "cm"), ("mv", "mV"), ("ma", "mA"), ("kwh", "kWh"), ("kw", "kW"), ("ppm", "ppm"), ("ntu", "NTU")),
    ]
)


@dataclass(slots=True)
class Leaf:
    """A value somewhere in a payload."""

    steps: Steps
    sample: Any
    name: str = ""
    unit: str = ""

    @property
    def is_flag(self) -> bool:
        """True or false."""
        return isinstance(self.sample, bool)

    @property
    def is_number(self) -> bool:
        """A number, or a text that holds one."""
        return not self.is_flag and is_number(self.sample)


@dataclass(slots=True)
class Payload:
    """What messages of one shape have in common."""

    #: A bare word instead of JSON.
    text: bool = False
    #: Path of the records, and where they tell of which device they are.
    records: str = ""
    told: dict[str, Steps] = field(default_factory=dict)
    time: Time | None = None
    time_of_message: bool = False
    points: list[Leaf] = field(default_factory=list)
    #: What is no point, and why.
    left_out: list[str] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, ...]:
        """Names of address parts that are taken."""
        keys = NAMED.findall(self.records)
        return (*keys, *self.told)


def shape_of(payload: bytes) -> tuple[str, ...]:
    """The same for messages that one profile can read: the paths of their leaves, indices left out."""
    try:
        root = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return ("text",)
    paths = {join_path(tuple(s for s in steps if isinstance(s, str))) for steps, _ in _leaves(root, (), 0)}
    return tuple(sorted(paths))


def read_payloads(messages: Sequence[Message], zone: ZoneInfo) -> Payload | None:
    """Take the messages apart; None when they are empty, or no text at all."""
    filled = [message for message in messages if message.payload.strip()]
    if not filled:
        return None
    try:
        roots = [(orjson.loads(message.payload), message) for message in filled]
    except orjson.JSONDecodeError:
        return _bare(filled[-1].payload)
    found = Payload()
    root = roots[-1][0]
    bodies = _records(root, found)
    leaves: dict[Steps, Leaf] = {}
    for other, _ in roots:
        for body in _records(other, Payload()) if found.records else [other]:
            for steps, value in _leaves(body, (), 0):
                if steps not in leaves or leaves[steps].sample is None:
                    leaves[steps] = Leaf(steps, value)
    timed = _times(found, root, list(leaves.values()))
    if timed:
        _take_time(found, timed, bodies, roots[-1][1], zone)
    _take_points(found, list(leaves.values()))
    return found


def _bare(payload: bytes) -> Payload | None:
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    if not text.isprintable() or len(text) > _LONGEST_LABEL:
        return None
    return Payload(text=True, points=[Leaf((), text, "value")])


def _leaves(node: object, steps: Steps, depth: int) -> Iterator[tuple[Steps, Any]]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, (*steps, key), depth + 1)
    elif isinstance(node, list) and node and any(isinstance(item, dict | list) for item in node):
        for n, item in enumerate(node[:_MOST_ELEMENTS]):
            yield from _leaves(item, (*steps, n), depth + 1)
    else:
        yield steps, node


# --- records -----------------------------------------------------------------------------------------------


def _records(root: object, found: Payload) -> list[Any]:
    """The records of a message, noted in `found`; the message itself when it has none."""
    if isinstance(root, dict) and root and all(_is_timed(value) for value in root.values()):
        found.records = "{device}[*]"
        return [record for value in root.values() for record in value]
    places: list[tuple[Steps, list[Any]]] = []
    if _is_list(root):
        places.append(((), root))  # type: ignore[arg-type]
    elif isinstance(root, dict):
        places += [((key,), value) for key, value in root.items() if _is_list(value) and _can_write((key,))]
    for steps, records in places:
        told = _told(records)
        timed = all(any(time_of(key, value) for key, value in record.items()) for record in records)
        if told or timed:
            found.records = f"{join_path(steps) if steps else ''}[*]"
            found.told = told
            return records
    return [root]


def _is_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _is_timed(value: object) -> bool:
    """ThingsBoard's gateway form: `[{"ts": …, "values": {…}}]`."""
    return _is_list(value) and all("ts" in record for record in value)  # type: ignore[attr-defined]


def _told(records: list[dict[str, Any]]) -> dict[str, Steps]:
    """What in the records names the device: a text or number that is there in all of them, and different."""
    for key in records[0]:
        values = [record.get(key) for record in records]
        names = all(isinstance(value, str | int) and not isinstance(value, bool) for value in values)
        if _ID.match(key) and names and len(set(map(str, values))) == len(values) and _can_write((key,)):
            return {_identifier(key): (key,)}
    return {}


# --- times -----------------------------------------------------------------------------------------------


#: Where a time stands, the time, its format, and whether it stands at the message instead of the record.
_Timed = tuple[Steps, Any, str, bool]


def _times(found: Payload, root: object, leaves: list[Leaf]) -> list[_Timed]:
    choices = [(leaf.steps, leaf.sample, False) for leaf in leaves]
    if found.records and isinstance(root, dict):
        choices += [((key,), value, True) for key, value in root.items()]
    return [
        (steps, value, form, of_message)
        for steps, value, of_message in choices
        if steps and _can_write(steps) and (form := time_of(steps[-1], value))
    ]


def _take_time(found: Payload, timed: list[_Timed], bodies: list[Any], message: Message, zone: ZoneInfo) -> None:
    """Choose what stands nearest to the top: in the record, else in the message."""
    steps, value, form, of_message = min(timed, key=lambda choice: (choice[3], len(choice[0])))
    optional = not of_message and any(find(body, steps) is ABSENT for body in bodies)
    found.time = Time(steps, form, *zone_of(value, form, message.received_at, zone), optional)
    found.time_of_message = of_message


# --- points ------------------------------------------------------------------------------------------------


def _take_points(found: Payload, leaves: list[Leaf]) -> None:
    names: set[str] = set()
    for leaf in leaves:
        if (found.time is not None and leaf.steps == found.time.steps and not found.time_of_message) or (
            leaf.steps in found.told.values()
        ):
            continue
        why = _no_point(leaf, single=len(leaves) == 1)
        if len(found.points) >= _MOST_POINTS:
            why = "太多 one too many"
        if why:
            found.left_out.append(f"{_shown(leaf.steps)}: {why}")
            continue
        leaf.name = _unique(leaf.steps, names)
        names.add(leaf.name)
        leaf.unit = _UNITS.get(leaf.name.rsplit("_", 1)[-1], "") if leaf.is_number else ""
        found.points.append(leaf)


def _no_point(leaf: Leaf, *, single: bool) -> str:
    """Why a leaf is none."""
    value, last = leaf.sample, leaf.steps[-1] if leaf.steps else ""
    if not _can_write(leaf.steps):
        return "此键无法写成路径 the key cannot be written as a path"
    if isinstance(value, list | dict):
        return (
            "数组或空对象；见文档 codes、contains an array, or empty: see codes and contains" if value else "空 empty"
        )
    if value is None:
        return "null：无值可判 null: nothing to judge by"
    if isinstance(last, str) and not single and (_ID.match(last) or time_of(last, value)):
        return "像标识或时间 looks like an id or a time"
    if isinstance(value, str) and len(value) > _LONGEST_LABEL:
        return "文本过长 too long for a label"
    return ""


def _shown(steps: Steps) -> str:
    text = join_path(steps)
    return "".join(c if c.isprintable() else "?" for c in text)[:80]


def _can_write(steps: Steps) -> bool:
    """Whether a path can say it: some keys cannot be written, others would mean something else."""
    text = join_path(steps)
    if not steps:
        return True
    try:
        return split_path(text) == steps and not text.startswith("$") and not NAMED.search(text) and _is_plain(text)
    except ValueError:
        return False


def _is_plain(text: str) -> bool:
    return text.isprintable() and "[*]" not in text


def _identifier(key: str) -> str:
    name = snake(key)
    return name if re.match(r"[a-z]", name) else "device"


def _unique(steps: Steps, names: set[str]) -> str:
    """A name from the last keys of the path that no other point has."""
    words = [snake(str(step)) for step in steps]
    words = [word for word in words if word] or ["value"]
    for n in range(1, len(words) + 1):
        name = "_".join(words[-n:])
        if name[0].isdecimal() and n < len(words):  # an index alone is no name
            continue
        if (name := _sound(name)) not in names:
            return name
    return next(name for k in range(2, 1000) if (name := f"{_sound(words[-1])}_{k}") not in names)


def _sound(name: str) -> str:
    """A name that a point may have."""
    name = name if re.match(r"[a-z]", name) else f"value_{name}"
    return f"{name}_value" if name == "time" or name.endswith("_q") else name
