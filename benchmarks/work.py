"""What is sent in one run: enough to warm up with, then what is measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Values that a message of each shape gives the shipped profile `lift-status-json` (see simulators/load.py).
FIELDS = {"nine": 11, "status": 15}


@dataclass(frozen=True, slots=True)
class Work:
    """A load of one shape from many lifts."""

    messages: int
    #: Messages a second; 0: flat out, as fast as the broker takes them.
    rate: float = 0.0
    lifts: int = 50
    warm_up: int = 2_000
    shape: str = "nine"

    @property
    def fields(self) -> int:
        """Values in a message."""
        return FIELDS[self.shape]

    @property
    def within(self) -> float:
        """Seconds after which a run is given up."""
        return 60.0 + self.messages / (self.rate or 500.0) * 2

    def arguments(self, first: int, count: int, opened: Iterable[tuple[str, int]] = ()) -> tuple[str, ...]:
        """For `python -m simulators load`; `opened`: from which message on the safety chain of a lift is open."""
        return (
            *("--lifts", str(self.lifts), "--shape", self.shape, "--rate", str(self.rate)),
            *("--first", str(first), "--count", str(count)),
            *(part for lift, n in opened for part in ("--chain-open", f"{lift}:{n}:{first + count}")),
        )
