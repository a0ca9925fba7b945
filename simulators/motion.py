"""How a lift car moves from one height to another: a speed profile without jumps in acceleration."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Travel:
    r"""One run of the car. Speed rises and falls along half a cosine, with a level part between on a long run.

    speed ^      ____________
          |    _/            \_
          |  _/                \_
          +-----------------------> time
             ramp    cruise    ramp
    """

    #: Heights in m above the lowest landing.
    start: float
    end: float
    #: m/s, never above the rated speed.
    top_speed: float
    #: Seconds of one ramp.
    ramp: float
    #: Seconds at top speed.
    cruise: float

    @classmethod
    def plan(cls, start: float, end: float, rated_speed: float, acceleration: float) -> Travel:
        """The quickest run that keeps to the rated speed (m/s) and the peak acceleration (m/s²)."""
        distance = abs(end - start)
        # A half-cosine ramp of T seconds to v covers v·T/2 and peaks at π·v/(2·T).
        top_speed = min(rated_speed, math.sqrt(2 * acceleration * distance / math.pi))
        if top_speed <= 0.0:
            return cls(start, end, 0.0, 0.0, 0.0)
        ramp = math.pi * top_speed / (2 * acceleration)
        return cls(start, end, top_speed, ramp, max(0.0, distance / top_speed - ramp))

    @property
    def duration(self) -> float:
        """Seconds from brake to brake."""
        return 2 * self.ramp + self.cruise

    @property
    def direction(self) -> int:
        """1 up, -1 down, 0 when there is nowhere to go."""
        return (self.end > self.start) - (self.end < self.start)

    def speed(self, elapsed: float) -> float:
        """m/s, never negative, this many seconds after the start."""
        remaining = self.duration - elapsed
        nearest = min(elapsed, remaining)
        if nearest <= 0.0:
            return 0.0
        if nearest >= self.ramp:
            return self.top_speed
        return self.top_speed * (1 - math.cos(math.pi * nearest / self.ramp)) / 2

    def height(self, elapsed: float) -> float:
        """Metres above the lowest landing, this many seconds after the start."""
        if elapsed >= self.duration:
            return self.end
        if elapsed <= 0.0:
            return self.start
        if elapsed < self.ramp:
            covered = self._ramped(elapsed)
        elif elapsed <= self.ramp + self.cruise:
            covered = self.top_speed * (self.ramp / 2 + elapsed - self.ramp)
        else:
            covered = abs(self.end - self.start) - self._ramped(self.duration - elapsed)
        return self.start + self.direction * covered

    def _ramped(self, elapsed: float) -> float:
        """Distance covered in the first seconds of a ramp."""
        return self.top_speed / 2 * (elapsed - self.ramp / math.pi * math.sin(math.pi * elapsed / self.ramp))
