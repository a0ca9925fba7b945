"""One level of a rule's ladder: what it waits for, and where it stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from daemon.model import EPOCH, Cause, Level, from_ms, to_ms
from daemon.rules.compiled import Compiled
from daemon.rules.timers import Deadlines, Timer

_ZERO = timedelta()


class Phase(StrEnum):
    """Where a rung stands."""

    OFF = "off"
    HOLDING = "holding"
    ON = "on"
    CLEARING = "clearing"
    #: It has been clear for long enough, and waits for a person.
    LATCHED = "latched"


class Look(NamedTuple):
    """One look at the conditions."""

    #: Source time at which what is now true began to be.
    start: datetime
    #: Site time of the same.
    received: datetime
    #: A state's news came late.
    late: bool
    #: Why nothing may begin now, if so.
    barred: Cause | None


class Rung:
    """One level of the ladder."""

    __slots__ = (
        "_deadlines",
        "blind",
        "clear",
        "clear_hold",
        "end",
        "hold",
        "latch",
        "late",
        "level",
        "no_data",
        "phase",
        "timer",
        "when",
    )  # fmt: skip

    def __init__(
        self,
        level: Level,
        when: tuple[Compiled, timedelta],
        clear: tuple[Compiled | None, timedelta],
        no_data: str,
        timer: tuple[Timer, Deadlines],
        *,
        latch: bool = False,
    ) -> None:
        self.level = level
        self.latch = latch
        self.when, self.hold = when
        #: What must be true for it to end, besides `when` being false.
        self.clear, self.clear_hold = clear
        self.no_data = no_data
        self.phase = Phase.OFF
        #: The source time at which what is being waited for will have lasted long enough.
        self.end = EPOCH
        #: It began with late news of a state.
        self.late = False
        #: Whether it is clear cannot be known.
        self.blind = False
        self.timer, self._deadlines = timer

    @property
    def waiting(self) -> bool:
        """Whether a hold is running."""
        return self.phase in (Phase.HOLDING, Phase.CLEARING)

    @property
    def on(self) -> bool:
        """Whether it counts towards the alarm's level."""
        return self.phase in (Phase.ON, Phase.CLEARING, Phase.LATCHED)

    def judge(self, look: Look) -> Cause | None:
        """Move by what the conditions say now; return why a hold was given up, if one was."""
        raw = self.when.test()
        verdict = raw if raw is not None or self.no_data == "unknown" else self.no_data == "alarm"
        if self.late and verdict is True and not look.late:
            self.late = False
        if self.phase is Phase.OFF:
            if verdict is True and look.barred is None:
                self.late = look.late
                self._wait(Phase.HOLDING, Phase.ON, self.hold, look)
        elif self.phase is Phase.HOLDING:
            if verdict is not True or look.barred is not None:
                self.phase = Phase.OFF
                return look.barred or (Cause.DATA_LOST if raw is None else Cause.CONDITION_LAPSED)
        else:
            clear = self.is_clear(raw, verdict)
            self.blind = clear is None
            if clear is not True:
                self.phase = Phase.ON
            elif self.phase is Phase.ON:
                self._wait(Phase.CLEARING, self._ended, self.clear_hold, look)
        return None

    def complete(self) -> None:
        """What it was waiting for has lasted long enough."""
        self.phase = Phase.ON if self.phase is Phase.HOLDING else self._ended
        self.blind = self.phase is Phase.ON and self.when.test() is None

    @property
    def _ended(self) -> Phase:
        return Phase.LATCHED if self.latch else Phase.OFF

    def broken(self) -> Cause | None:
        """There is a hole in the readings: whatever was being waited for begins anew."""
        if self.phase is Phase.HOLDING:
            self.phase = Phase.OFF
            return Cause.DATA_LOST
        if self.phase is Phase.CLEARING:
            self.phase = Phase.ON
        return None

    def is_clear(self, raw: bool | None, verdict: bool | None) -> bool | None:  # noqa: FBT001  verdicts, not flags
        """Whether it may end: never on missing data, unless the rule says that none counts as normal."""
        if raw is None and self.no_data != "normal":
            return None
        if verdict is not False:
            return False
        if self.clear is None:
            return True
        clear = self.clear.test()
        return True if clear is None and self.no_data == "normal" else clear

    def _wait(self, waiting: Phase, done: Phase, span: timedelta, look: Look) -> None:
        if span == _ZERO:
            self.phase = done
            return
        self.phase = waiting
        self.end = look.start + span
        self._deadlines.arm(self.timer, look.received + span)

    def save(self) -> list[Any]:
        """Everything that `load` needs, as JSON values."""
        due = to_ms(self.timer.due) if self.waiting and self.timer.due is not None else None
        return [self.phase, to_ms(self.end) if self.waiting else 0, due, self.late, self.blind]

    def load(self, saved: list[Any]) -> None:
        """Become what was saved."""
        phase, end, due, self.late, self.blind = saved
        self.phase, self.end = Phase(phase), from_ms(end)
        if due is not None:
            self._deadlines.arm(self.timer, from_ms(due))
