"""A condition bound to one asset: what it asks, and where it finds its points, windows and silences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

from daemon.model import Observed
from daemon.rules.calendars import CalendarSpec, CalendarState
from daemon.rules.points import DeviceState, Keeper, PointState, SilenceState

Test = Callable[[], bool | None]
#: Limits made by arithmetic (80 % of 0.3) are met by what prints the same.
SLACK = 1e-9
K = TypeVar("K", bound=Keeper)
F = TypeVar("F", bound="Follower")


class Reference(Protocol):
    """What a value is compared with, when that is its own past: it stands still while the alarm is not normal."""

    frozen: bool

    @property
    def ready(self) -> bool:
        """Whether there is anything to compare with."""
        ...

    def freeze(self) -> None:
        """Learn nothing from now on."""
        ...

    def resume(self) -> None:
        """Go on learning."""
        ...


class Follower(Protocol):
    """Follows a condition through time; told to look whenever something has changed that the condition looks at."""

    #: The condition; made anew at a reload.
    inner: Compiled
    #: Have `age` called at that site time, in ms since 1970, or later; given by the site.
    arm: Callable[[int], None]
    watches: dict[Any, None]

    def look(self, now: int) -> None:
        """It is that time, and something may have changed."""
        ...

    def age(self, now: int) -> None:
        """It is that time, and nothing has changed but that."""
        ...

    def save(self) -> Any:  # noqa: ANN401  JSON
        """Everything that `load` needs, as JSON values."""
        ...

    def load(self, saved: Any, /) -> None:  # noqa: ANN401  JSON
        """Become what was saved."""
        ...


class Compiled(NamedTuple):
    """A condition bound to one asset's points."""

    test: Test
    #: What each question of it sees right now, in words and numbers.
    observe: tuple[Callable[[], tuple[Observed, ...]], ...]
    points: tuple[PointState, ...] = ()
    silences: tuple[SilenceState, ...] = ()
    #: Windows that a value is compared with: they stand still while the alarm is not normal.
    references: tuple[Reference, ...] = ()
    calendars: tuple[CalendarState, ...] = ()
    #: The inner ones before those that follow them.
    followers: tuple[Follower, ...] = ()


class Witness(Protocol):
    """Sees how questions are answered: for the coverage of rule tests. Nobody does in production."""

    def watch(self, owner: str, question: object, test: Test) -> Test:
        """The same test, heard along.

        Args:
            owner: the rule on the asset.
            question: the condition, as it is written.
            test: the condition, compiled.
        """
        ...


class Scope(Protocol):
    """Where the points, windows and silences of one rule on one asset are found."""

    def point(self, name: str, quality: str | None = None) -> PointState:
        """The asset's point of that name; of quality `good` it has never heard a suspect reading."""
        ...

    def has(self, name: str) -> bool:
        """Whether the asset has a point of that name; of those that levels look at it has every one."""
        ...

    def sources(self) -> Iterable[tuple[PointState | DeviceState, timedelta]]:
        """Everything of the asset that ought to speak, and the silence that it may keep in any case."""
        ...

    def keeper(self, point: PointState, key: str, make: Callable[[str], K]) -> K:
        """What is kept of the point under that key, made when there is nothing yet."""
        ...

    def silence(self, source: PointState | DeviceState, after: timedelta) -> SilenceState:
        """Whether that source has been silent for so long."""
        ...

    def calendar(self, spec: CalendarSpec) -> CalendarState:
        """Whether it is inside, by the site's clocks."""
        ...

    def follower(self, key: str, inner: Compiled, make: Callable[[], F]) -> F:
        """What follows that condition under that key, made when there is nothing yet."""
        ...

    @property
    def zone(self) -> str:
        """Of the site's clocks."""
        ...

    @property
    def witness(self) -> Witness | None:
        """Who wants to know what questions are answered."""
        ...

    @property
    def owner(self) -> str:
        """The rule on the asset, as part of the keys of what it shares with nobody."""
        ...


def met(value: float, comparator: str, low: float, high: float, slack: float) -> bool:
    """The comparators again, for numbers that arithmetic has made."""
    match comparator:
        case "below":
            return value < low - slack
        case "above":
            return value > high + slack
        case "at_most":
            return value <= high + slack
        case "at_least":
            return value >= low - slack
        case "outside":
            return value < low - slack or value > high + slack
        case _:
            return low - slack <= value <= high + slack


def latest(point: PointState, words: str) -> Observed:
    """What the point says right now, against a limit in words."""
    known = point.known
    return Observed(
        point.name,
        point.value if known else None,
        point.decl.unit,
        point.at if known else None,
        point.quality,
        words,
    )
