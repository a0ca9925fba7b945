"""Series in a tiny notation, after promtool's: what a point says at each step of a test.

0.3             a value
0.30-0.01x5     0.30 0.29 0.28 0.27 0.26 0.25: x n means n more
0.3x5           0.3 six times: x n means n more
'open'x5        a label six times
_  _x3          nothing arrives at one step, at three
bad  badx3      a reading of bad quality, once, four times
stale           the device says that it is gone
0.3~5min        a value as old as that when it arrives; late from a minute on
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from daemon.documents import parse_span
from daemon.model import Value

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_ITEM = re.compile(
    rf"(?P<none>_)(?:x(?P<gaps>\d+))?"
    rf"|(?P<gone>stale)"
    rf"|(?:(?P<bad>bad)|'(?P<label>[^']*)'|(?P<number>{_NUMBER})(?P<slope>[-+]\d+(?:\.\d+)?)?)"
    rf"(?:~(?P<age>\w+))?(?:x(?P<more>\d+))?"
)
#: A year of seconds would be a mistake.
_MOST = 1_000_000


class Sample(NamedTuple):
    """What arrives at one step."""

    #: None when nothing but a sign does.
    value: Value | None
    age: timedelta = timedelta()
    bad: bool = False
    #: The device says that it is gone.
    gone: bool = False


def parse_series(text: str) -> list[Sample | None]:
    """One sample a step; None where nothing arrives.

    Raises:
        ValueError: an item is none of the notation.
    """
    steps: list[Sample | None] = []
    for item in re.findall(r"'[^']*'[^\s']*|\S+", text):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"{item!r} is no step; write a number, 'label', _, bad or stale, each with xN for N more")
        if len(steps) + int(match["more"] or match["gaps"] or 0) > _MOST:
            raise ValueError(f"the series is longer than {_MOST} steps")
        steps.extend(_samples(match))
    return steps


def _samples(match: re.Match[str]) -> list[Sample | None]:
    if match["none"]:
        return [None] * int(match["gaps"] or 1)
    if match["gone"]:
        return [Sample(None, gone=True)]
    times = int(match["more"] or 0) + 1
    age = parse_span(match["age"]) if match["age"] else timedelta()
    if match["bad"]:
        return [Sample(0.0, age, bad=True)] * times
    if match["number"] is None:
        return [Sample(match["label"], age)] * times
    first, slope = Decimal(match["number"]), Decimal(match["slope"] or 0)
    return [Sample(float(first + n * slope), age) for n in range(times)]
