"""What may happen from one reading of a point to the next, and how many of the last readings met something."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol


class Sight(Protocol):
    """Tells what has happened from one reading to the next."""

    def see(self, at: int, value: Any, *, torn: bool) -> int:  # noqa: ANN401  a number or label
        """How often it happened with this reading; `torn`: something was missed since the one before."""
        ...

    def save(self) -> Any:  # noqa: ANN401  JSON
        """Everything that `load` needs, as JSON values."""
        ...

    def load(self, saved: Any) -> None:  # noqa: ANN401  JSON
        """Become what was saved."""
        ...


class Changes:
    """It says something else than before."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: Any = None

    def see(self, _at: int, value: Any, *, torn: bool) -> int:  # noqa: ANN401, ARG002  as all
        """Once, if it has changed."""
        before, self._before = self._before, value
        return int(before is not None and before != value)

    def save(self) -> Any:  # noqa: ANN401  JSON
        """Everything that `load` needs, as JSON values."""
        return self._before

    def load(self, saved: Any) -> None:  # noqa: ANN401  JSON
        """Become what was saved."""
        self._before = saved


class Edges:
    """It becomes one of those meant; from one of them to another counts for labels, not for numbers."""

    __slots__ = ("_before", "_meant")

    def __init__(self, meant: Callable[[Any], bool]) -> None:
        self._meant = meant
        self._before: Any = None

    def see(self, _at: int, value: Any, *, torn: bool) -> int:  # noqa: ANN401, ARG002  as all
        """Once, if it has just become so."""
        before, self._before = self._before, value
        if before is None or before == value or not self._meant(value):
            return 0
        return int(isinstance(value, str) or not self._meant(before))

    def save(self) -> Any:  # noqa: ANN401  JSON
        """Everything that `load` needs, as JSON values."""
        return self._before

    def load(self, saved: Any) -> None:  # noqa: ANN401  JSON
        """Become what was saved."""
        self._before = saved


class Said:
    """A reading says one of those meant."""

    __slots__ = ("_meant",)

    def __init__(self, meant: Callable[[Any], bool]) -> None:
        self._meant = meant

    def see(self, _at: int, value: Any, *, torn: bool) -> int:  # noqa: ANN401, ARG002  as all
        """Once, if it says so."""
        return int(self._meant(value))

    def save(self) -> Any:  # noqa: ANN401  JSON
        """Nothing of its own."""

    def load(self, saved: Any) -> None:  # noqa: ANN401  JSON
        """Nothing of its own."""


class Runs:
    """A stretch of those meant has ended, and lasted so long. One of which a part was missed is not counted."""

    __slots__ = ("_began", "_heard", "_inside", "_least", "_less", "_meant")

    def __init__(self, meant: Callable[[Any], bool], least: int, less: int | None) -> None:
        self._meant = meant
        #: In ms: at least, and less than.
        self._least = least
        self._less = less
        self._heard = False
        self._inside = False
        #: When the stretch began, if that was seen.
        self._began: int | None = None

    def see(self, at: int, value: Any, *, torn: bool) -> int:  # noqa: ANN401  a number or label
        """Once, if one has just ended."""
        inside, heard = self._meant(value), self._heard
        before, self._inside, self._heard = self._inside, inside, True
        if torn:
            self._began = None
        if inside:
            if heard and not before and not torn:
                self._began = at
            return 0
        began, self._began = self._began, None
        if began is None:
            return 0
        return int(at - began >= self._least and (self._less is None or at - began < self._less))

    def save(self) -> Any:  # noqa: ANN401  JSON
        """Everything that `load` needs, as JSON values."""
        return [self._heard, self._inside, self._began]

    def load(self, saved: Any) -> None:  # noqa: ANN401  JSON
        """Become what was saved."""
        self._heard, self._inside, self._began = saved


class Verdicts:
    """How many of the last readings met something."""

    __slots__ = ("_last", "_meets", "_most", "_need", "met")

    def __init__(self, meets: Callable[[Any], bool], need: int, most: int) -> None:
        self._meets = meets
        self._need = need
        self._most = most
        self._last: deque[bool] = deque()
        #: How many of them did.
        self.met = 0

    def push(self, _at: int, value: Any) -> None:  # noqa: ANN401  a number or label
        """Take in a reading."""
        verdict = self._meets(value)
        self._last.append(verdict)
        self.met += verdict
        if len(self._last) > self._most:
            self.met -= self._last.popleft()

    def test(self) -> bool | None:
        """Whether enough did; None while readings that have not come yet could make it so."""
        if self.met >= self._need:
            return True
        return None if self.met + self._most - len(self._last) >= self._need else False

    def save(self) -> list[int]:
        """Everything that `load` needs, as JSON values."""
        return [int(verdict) for verdict in self._last]

    def load(self, saved: list[int]) -> None:
        """Become what was saved."""
        self._last = deque(bool(verdict) for verdict in saved)
        self.met = sum(self._last)
