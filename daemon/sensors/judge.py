"""Quality at intake: what is known of a reading by the readings before and beside it.

    readings of a message ──> loop fault? (bad) ──> flat line? (bad) ──> jump? (suspect) ──> the same readings, flagged

Unlike what `quality` says, this depends on what came before, so a sensor keeps a little state: the latest value of each
point that has such limits. Nothing downstream needs it, since the verdict travels with the reading into the journal: a
replay or backtest sees the flags that production saw. Therefore the state is neither stored nor restored: after a
restart a flat line is counted from the first reading on, and the first reading is no jump.

What comes late in order (back-filled history) is compared with nothing: only what is not older than the latest counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from daemon.model import EPOCH, Point, Quality, Reading, Reason
from daemon.sensors.loop import Loop
from daemon.sensors.profile import Binding, PointSpec
from daemon.units import convert, parse

#: The same readings, flagged.
Judge = Callable[[Sequence[Reading]], list[Reading]]
#: Two readings are no line.
_FEWEST = 3
BAD = Quality.BAD


class Steadiness:
    """One point: whether its value has stood still for too long, or has jumped."""

    __slots__ = ("_at", "_before", "_count", "_flat", "_fresh_for", "_jump", "_since", "_spike", "_stuck_after")

    def __init__(self, fresh_for: timedelta | None, stuck_after: timedelta | None, spike: float | None) -> None:
        """Begin with nothing known.

        Args:
            fresh_for: a longer gap begins everything anew; None: no gap does.
            stuck_after: the same value for so long is a flat line.
            spike: a larger change between two readings is a jump, in the point's unit.
        """
        self._fresh_for = fresh_for
        self._stuck_after = stuck_after
        self._spike = math.inf if spike is None else spike
        self._at = EPOCH
        #: The latest value that was no jump, and the latest if it was one.
        self._before: float | None = None
        self._jump: float | None = None
        self._flat = math.nan
        self._since = EPOCH
        self._count = 0

    def look(self, reading: Reading) -> Reading:
        """The reading, flagged if need be; what is bad already tells nothing."""
        at, value = reading.at, reading.value
        if reading.quality is BAD or at < self._at or not isinstance(value, float):
            return reading
        if self._fresh_for is not None and at - self._at > self._fresh_for:
            self._before, self._jump, self._flat = None, None, math.nan
        self._at = at
        jumped = self._jumped(value)
        if self._stuck(value, at):
            return reading._replace(quality=BAD, reason=Reason.STUCK)
        if jumped and reading.quality is Quality.GOOD:
            return reading._replace(quality=Quality.SUSPECT, reason=Reason.SPIKE)
        return reading

    def _stuck(self, value: float, at: datetime) -> bool:
        if value != self._flat:
            self._flat, self._since, self._count = value, at, 0
        self._count += 1
        return self._stuck_after is not None and at - self._since >= self._stuck_after and self._count >= _FEWEST

    def _jumped(self, value: float) -> bool:
        """One reading far off is a jump; a second one near it shows that the value has really changed."""
        known = [before for before in (self._before, self._jump) if before is not None]
        if all(abs(value - before) > self._spike for before in known) and known:
            self._jump = value
            return True
        self._before, self._jump = value, None
        return False


class _LoopCheck:
    """One point: whether the loop that its value came over is sound."""

    __slots__ = ("_at", "_high", "_latest", "_low", "current", "point")

    def __init__(self, point: Point, current: Point, loop: Loop) -> None:
        self.point = point.id
        #: The point whose value is looked at: the current, or with a span the point itself.
        self.current = current.id
        self._low, self._high = loop.sound(current.unit)
        self._at = EPOCH
        self._latest: float | None = None

    def judge(self, readings: list[Reading]) -> None:
        """Flag what the current of the same moment, or else the latest current, shows to be wrong."""
        currents: dict[datetime, float] = {}
        for reading in readings:
            value = reading.value
            if reading.point != self.current or not isinstance(value, float) or not _tells(reading):
                continue
            currents[reading.at] = value
            if reading.at >= self._at:
                self._at, self._latest = reading.at, value
        for n, reading in enumerate(readings):
            if reading.point == self.point and reading.reason is not Reason.SENTINEL:
                current = currents.get(reading.at, self._latest)
                if current is not None and not self._low <= current <= self._high:
                    readings[n] = reading._replace(quality=BAD, reason=Reason.LOOP_FAULT)


def _tells(reading: Reading) -> bool:
    """Whether a value says something of the loop: one out of its range most of all."""
    return reading.quality is not BAD or reading.reason in (Reason.OUT_OF_RANGE, Reason.LOOP_FAULT)


def compile_judge(binding: Binding) -> Judge | None:
    """The judge of a device, to be asked with all readings of each message; None when none of its points has limits."""
    specs = binding.profile.points
    loops = [
        _LoopCheck(binding.points[name], binding.points[spec.loop.current or name], spec.loop)
        for name, spec in specs.items()
        if spec.loop is not None
    ]
    steady = dict(_steadiness(specs, binding.points))
    if not loops and not steady:
        return None

    def judge(readings: Sequence[Reading]) -> list[Reading]:
        judged = list(readings)
        for loop in loops:
            loop.judge(judged)
        for n, reading in enumerate(judged):
            history = steady.get(reading.point)
            if history is not None:
                judged[n] = history.look(reading)
        return judged

    return judge


def _steadiness(specs: Mapping[str, PointSpec], points: Mapping[str, Point]) -> Iterable[tuple[str, Steadiness]]:
    for name, spec in specs.items():
        if spec.stuck_after is not None or spec.spike is not None:
            spike = None if spec.spike is None else convert(parse(spec.spike), spec.unit, difference=True)
            yield points[name].id, Steadiness(points[name].fresh_for, spec.stuck_after, spike)
