"""What is known of points and devices right now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from daemon.model import EPOCH, Device, Point, PointKind, Quality
from daemon.rules.strictness import plain
from daemon.rules.timers import Rank, Timer

if TYPE_CHECKING:
    from daemon.rules.watch import Watch

#: A gap *longer* than the allowed one breaks a stretch: readings exactly that far apart do not.
_TICK = timedelta(milliseconds=1)


class Keeper(Protocol):
    """Takes in the readings of a point: a window of some kind."""

    def push(self, at: int, value: float, /) -> None:
        """Take in a reading, its source time in ms since 1970; that never goes back."""
        ...

    def save(self) -> Any:  # noqa: ANN401  JSON
        """Everything that `load` needs, as JSON values."""
        ...

    def load(self, saved: Any, /) -> None:  # noqa: ANN401  JSON
        """Become what was saved."""
        ...


@runtime_checkable
class Aging(Keeper, Protocol):
    """A keeper that time alone changes, while its point says nothing new and is alive."""

    #: Have `age` called at that site time, in ms since 1970, or later; given by the site.
    arm: Callable[[int], None]

    def age(self, now: int) -> None:
        """It is that time."""
        ...


@runtime_checkable
class Lasting(Keeper, Protocol):
    """A keeper that goes by how long a state holds: it is told when that is not known any more, and known again."""

    def lose(self, at: int) -> None:
        """It is not, from that site time in ms on."""
        ...

    def regain(self, at: int) -> None:
        """It is again, and as it was."""
        ...


class PointState:
    """The latest value of a point that some rule looks at.

    Slotted and mutable: it is written once a reading, and the compiled conditions read it without a call.
    """

    __slots__ = (
        "again", "at", "away", "decl", "device", "fresh", "fresh_for", "inputs", "known", "late", "lost", "name",
        "numeric", "quality", "quiet", "received", "silences", "timer", "type", "value", "watches", "windows",
    )  # fmt: skip

    def __init__(
        self, decl: Point, device: DeviceState, since: datetime, fire: Callable[[PointState, datetime, datetime], None]
    ) -> None:
        self.decl = decl
        #: What an order calls it.
        self.name = plain(decl.id)
        self.device = device
        #: What its values are made of; anything else is as good as bad.
        self.type: Any = str if decl.kind in (PointKind.STATE, PointKind.CODE) else float
        self.numeric = self.type is float
        self.fresh_for = decl.fresh_for
        #: A float or a label by `type`, meaningless while it was never heard.
        self.value: Any = 0.0 if self.type is float else ""
        #: Source time of the value, never later than its receipt: devices' clocks may run ahead.
        self.at = EPOCH
        #: Site time of its receipt; when it was never heard, the time from which it is awaited.
        self.received = since
        #: A value is there, of whatever age.
        self.known = False
        #: The value may be relied on. Kept up by deadlines, so that conditions need no arithmetic.
        self.fresh = False
        self.late = False
        #: Of a point that holds its state: since when it is not known, and how long it was not before, in ms.
        self.lost: int | None = None
        self.away = 0
        #: Its rules look again at the next reading, even one that says the same.
        self.again = True
        self.quality = Quality.GOOD
        self.windows: dict[str, Keeper] = {}
        #: Of a derived point: all it stands on, derived ones and what those stand on among them.
        self.inputs: tuple[PointState, ...] = ()
        #: The rules on assets that look at it, in their order.
        self.watches: dict[Watch, None] = {}
        self.silences: list[SilenceState] = []
        #: How many of these silences have lasted long enough.
        self.quiet = 0
        self.timer = Timer(Rank.FRESHNESS, decl.id, lambda due, seen: fire(self, due, seen))

    @property
    def heard(self) -> datetime:
        """When it last gave a sign of life; a point that speaks on change lives as long as its device."""
        return self.device.heard if self.fresh_for is None else self.received

    @property
    def lost_at(self) -> datetime:
        """The moment at which a point with a promised interval stops being fresh, if nothing comes."""
        return self.received + (self.fresh_for or timedelta.max) + _TICK

    def lose(self, at: int) -> None:
        """It holds its state no longer; at that site time in ms."""
        self.fresh = False
        if self.known and self.lost is None:
            self.lost = at
            for keeper in self.windows.values():
                if isinstance(keeper, Lasting):
                    keeper.lose(at)

    def regain(self, at: int) -> None:
        """Its state is known again."""
        if self.lost is not None:
            self.away += at - self.lost
            self.lost = None
            for keeper in self.windows.values():
                if isinstance(keeper, Lasting):
                    keeper.regain(at)

    def gap_before(self, at: datetime) -> bool:
        """Whether a reading at source time `at` leaves a hole in the stretch of fresh readings."""
        return self.fresh_for is not None and at - self.at > self.fresh_for


class DeviceState:
    """Whether a device is alive."""

    __slots__ = ("alive", "decl", "gone", "heard", "held", "quiet", "silences", "timer")

    def __init__(self, decl: Device, since: datetime, fire: Callable[[DeviceState, datetime, datetime], None]) -> None:
        self.decl = decl
        #: Site time at which anything last came from it; before that, the time from which it is awaited.
        self.heard = since
        self.alive = False
        #: It has said so itself, or its last will.
        self.gone = False
        #: Its points that hold their state while it is alive.
        self.held: list[PointState] = []
        self.silences: list[SilenceState] = []
        #: How many of these silences have lasted long enough.
        self.quiet = 0
        self.timer = Timer(Rank.FRESHNESS, decl.id, lambda due, seen: fire(self, due, seen))

    @property
    def lost_at(self) -> datetime:
        """The moment at which it counts as gone, if nothing comes."""
        return self.heard + self.decl.alive_within + _TICK


class SilenceState:
    """Whether a point or device has been silent for `after`."""

    __slots__ = ("after", "name", "silent", "source", "timer", "watches")

    def __init__(
        self,
        source: PointState | DeviceState,
        after: timedelta,
        fire: Callable[[SilenceState, datetime, datetime], None],
    ) -> None:
        self.source = source
        self.after = after
        self.silent = False
        self.watches: dict[Watch, None] = {}
        self.name = self.key(source, after)
        self.timer = Timer(Rank.SILENCE, self.name, lambda due, seen: fire(self, due, seen))

    @staticmethod
    def key(source: PointState | DeviceState, after: timedelta) -> str:
        """What makes it the same one over a reload."""
        kind = "point" if isinstance(source, PointState) else "device"
        return f"{kind}|{source.decl.id}|{after // _TICK}"

    @property
    def due(self) -> datetime:
        """The moment at which it has been silent long enough, if nothing comes."""
        return self.source.heard + self.after
