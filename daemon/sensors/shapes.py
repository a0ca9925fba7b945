"""What a message is of: conditions on it, and the records that lie in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from daemon.model import BadPayload, Reason
from daemon.sensors.extract import follow, kind_of, to_text
from daemon.sensors.messages import EACH, Records, RecordSteps, split_records
from daemon.sensors.payload import NAMED, Condition, Steps, join_path, split_path

Test = Callable[[object], bool]
#: Yields what the record says of its device's address, and the record.
Walk = Callable[[object], Iterator[tuple[tuple[str, ...], object]]]

_LONGEST_NAME = 64
#: A server repeats what it was not told to have been taken within seconds.
_MOST_NAMES = 64

#: Stands for what is not there, for null may be.
ABSENT: Any = object()


def compile_condition(condition: Condition) -> Test:
    """Make the test; what cannot be looked up does not meet it."""
    steps, wanted = split_path(condition.path), frozenset(condition.one_of)
    without = split_path(condition.without) if condition.without else None

    def test(root: object) -> bool:
        found = find(root, steps)
        if found is ABSENT or found is None or (without is not None and find(root, without) is not ABSENT):
            return False
        return not wanted or (type(found) not in (dict, list) and to_text(found) in wanted)

    return test


def compile_once(path: str) -> Test:
    """Make the test whether a message of that name has come before; one without a name is always new."""
    steps = split_path(path)
    seen: dict[str, None] = {}

    def again(root: object) -> bool:
        found = find(root, steps)
        if found is ABSENT or type(found) not in (str, int):
            return False
        name = str(found)[:_LONGEST_NAME]
        if name in seen:
            return True
        if len(seen) >= _MOST_NAMES:
            del seen[next(iter(seen))]
        seen[name] = None
        return False

    return again


def find(root: object, steps: Steps) -> Any:  # noqa: ANN401  JSON is any
    """What stands at a path, null included; ABSENT when nothing does or the path leads through something else."""
    try:
        around = follow(root, steps[:-1])
    except BadPayload:
        return ABSENT
    if not steps:
        return root
    last = steps[-1]
    if type(around) is dict:
        return around.get(last, ABSENT)
    if type(around) is list and type(last) is int:
        return around[last] if last < len(around) else ABSENT
    return ABSENT


def compile_records(records: Records) -> Walk:
    """Make the walk over a message's records.

    It raises BadPayload where the message is of another shape, or a record does not say whose it is.
    """
    steps = split_records(records.path)
    inside = tuple(split_path(path) for path in records.address.values())

    def walk(root: object) -> Iterator[tuple[tuple[str, ...], object]]:
        for keys, record in _expand(root, steps, 0, ()):
            found = [follow(record, path) for path in inside]
            if None in found:
                path = join_path(inside[found.index(None)])
                raise BadPayload(Reason.UNKNOWN_DEVICE, f"a record has no {path}, which tells its device")
            yield (*keys, *map(to_text, found)), record

    return walk


def compile_history(path: str) -> Callable[[object], Iterator[object]]:
    """Make the walk over historical records."""
    steps = split_records(path)

    def walk(root: object) -> Iterator[object]:
        return (record for _, record in _expand(root, steps, 0, ()))

    return walk


def _expand(
    node: Any,  # noqa: ANN401  JSON is any
    steps: RecordSteps,
    n: int,
    keys: tuple[str, ...],
) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every node that the steps from the n-th on lead to, with the keys that stood for parts of an address."""
    if n == len(steps):
        yield keys, node
        return
    step = steps[n]
    if step == EACH:
        for item in _of(node, list, "an array", steps, n):
            yield from _expand(item, steps, n + 1, keys)
    elif isinstance(step, str) and NAMED.fullmatch(step):
        for key, item in _of(node, dict, "an object", steps, n).items():
            yield from _expand(item, steps, n + 1, (*keys, key))
    elif (found := follow(node, (step,))) is not None:
        yield from _expand(found, steps, n + 1, keys)


def _of(node: Any, kind: type, wanted: str, steps: RecordSteps, n: int) -> Any:  # noqa: ANN401  same
    if type(node) is not kind:
        where = "".join(step if step == EACH else f".{step}" for step in map(str, steps[:n])).removeprefix(".") or "$"
        raise BadPayload(Reason.WRONG_TYPE, f"{where} is {kind_of(node)}, {wanted} is expected")
    return node
