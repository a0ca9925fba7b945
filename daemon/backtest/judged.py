"""Quality of a history's raw values, judged as in production: flat lines, jumps and loop faults beside the range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from daemon.model import Input, Observation
from daemon.sensors.judge import Judge, compile_judge
from daemon.sensors.profile import Binding


def judges_of(bindings: Iterable[Binding]) -> dict[str, Judge]:
    """The judge of each device that has one, all of them knowing nothing yet."""
    found = ((binding.device.id, compile_judge(binding)) for binding in bindings)
    return {device: judge for device, judge in found if judge is not None}


def judged(history: Iterable[Input], judges: Mapping[str, Judge]) -> Iterator[Input]:
    """The same history, its readings flagged."""
    for item in history:
        if type(item) is Observation:
            judge = judges.get(item.device)
            if judge is not None:
                yield item._replace(readings=tuple(judge(item.readings)))
                continue
        yield item
