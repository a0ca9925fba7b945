"""When a unit on a bus is read: slots aligned to its interval, and fewer of them while it does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.model import EPOCH, from_ms, to_ms

_LONGEST_WAIT = timedelta(seconds=30)
#: What part of a bus's time may go into asking units that are down, while others are not.
_SHARE = 0.05


@dataclass(slots=True)
class Slots:
    """The moments that are whole multiples of `interval` since 1970: two gateways poll at the same ones."""

    interval: timedelta
    _served: datetime = EPOCH
    #: The slot to serve next. Read for every unit of a bus before each poll, hence no call.
    due: datetime = EPOCH

    def start(self, at: datetime) -> None:
        """Begin with the first slot at or after `at`; what went by before was not missed."""
        ms = self._ms()
        self._take(from_ms((-(-to_ms(at) // ms) - 1) * ms))

    def serve(self, at: datetime) -> int:
        """Take the latest slot at or before `at` as served; gives the number of slots that were missed with it."""
        if at < self.due + self.interval:  # as nearly always
            self._take(self.due)
            return 0
        ms = self._ms()
        latest = from_ms(to_ms(at) // ms * ms)
        missed = (latest - self._served) // self.interval - 1
        self._take(latest)
        return missed

    def _take(self, slot: datetime) -> None:
        self._served, self.due = slot, slot + self.interval

    def _ms(self) -> int:
        return self.interval // timedelta(milliseconds=1)


@dataclass(slots=True)
class Breaker:
    """Leaves a unit alone that failed `most_failures` times in a row, but for one try each growing interval."""

    most_failures: int
    first_wait: timedelta = timedelta(seconds=1)
    longest_wait: timedelta = _LONGEST_WAIT
    failures: int = 0
    #: Not to be tried before.
    not_before: datetime = EPOCH

    @property
    def is_open(self) -> bool:
        """Whether the unit counts as down."""
        return self.failures >= self.most_failures

    def allows(self, at: datetime) -> bool:
        """Whether the unit may be tried at `at`."""
        return at >= self.not_before

    def failed(self, at: datetime) -> bool:
        """Count a failure; True when with it the unit has just gone down."""
        self.failures += 1
        beyond = self.failures - self.most_failures
        if beyond >= 0:
            self.not_before = at + min(self.longest_wait, self.first_wait * 2 ** min(beyond, 16))
        return beyond == 0

    def answered(self) -> bool:
        """Forget the failures; True when with it the unit has just come back."""
        was_open = self.is_open
        self.failures = 0
        self.not_before = EPOCH
        return was_open

    def try_again(self) -> None:
        """Allow one try at once: the way to the unit was built anew."""
        self.not_before = EPOCH


@dataclass(slots=True)
class Budget:
    """The time of a bus that units which are down may cost those which are not: one bus, however many are down."""

    share: float = _SHARE
    #: No unit that is down is to be tried before, as long as another one answers.
    not_before: datetime = EPOCH

    def spend(self, at: datetime, cost: timedelta) -> None:
        """A unit that is down was tried in vain until `at`, for so long."""
        self.not_before = at + cost * (1 / self.share - 1)

    def refill(self) -> None:
        """A unit has come back, and others may have with it: all may be tried."""
        self.not_before = EPOCH
