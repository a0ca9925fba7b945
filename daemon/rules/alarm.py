"""What the rungs of a rule on an asset are together: one alarm, its state and level, and the transitions it tells.

                 true             held for `for`            clear             stayed clear
      normal ──────────> pending ──────────────> active ──────────> clearing ─────────────> cleared (= normal)
         ^                  │                      ^                    │
         └──── not true ────┘                      └── not clear ───────┘

Each level of the ladder is a rung with its own condition, hold and clear; the alarm's level is its most urgent rung
that is on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from daemon.model import EPOCH, AlarmState, Cause, DataState, Level, Observed, Transition
from daemon.rules.compiled import Compiled
from daemon.rules.rung import Phase, Rung

OPEN = (AlarmState.ACTIVE, AlarmState.CLEARING)


class Alarm:
    """One alarm, at rest or not."""

    __slots__ = (
        "asset", "data", "emit", "idle", "key", "last_at", "latched", "late", "level", "references", "rule", "rungs",
        "state", "unless",
    )  # fmt: skip

    def __init__(
        self, rule: str, asset: str, rungs: Iterable[Rung], unless: Compiled | None, emit: Callable[[Transition], None]
    ) -> None:
        self.rule = rule
        self.asset = asset
        self.key = f"{rule}|{asset}"
        #: Most urgent first.
        self.rungs = sorted(rungs, key=lambda rung: rung.level)
        self.unless = unless
        self.emit = emit
        #: Windows that stand still while something is wrong.
        self.references = tuple(dict.fromkeys(w for c in self.conditions() for w in c.references))
        self.state = AlarmState.NORMAL
        self.level = self.rungs[0].level
        self.data = DataState.GOOD
        self.late = False
        #: It has ended, and waits for a person.
        self.latched = False
        #: Moment of the last transition: later ones are never dated before it.
        self.last_at = EPOCH
        #: Normal and waiting for nothing: only a condition that comes true matters.
        self.idle = True

    def conditions(self) -> list[Compiled]:
        """All that is asked for it."""
        asked = [c for rung in self.rungs for c in (rung.when, rung.clear) if c]
        return asked + ([self.unless] if self.unless else [])

    @property
    def open(self) -> bool:
        """Whether there is an alarm in the ledger's sense."""
        return self.state in OPEN

    @property
    def waiting(self) -> bool:
        """Whether a hold is running."""
        return not self.idle and any(rung.waiting for rung in self.rungs)

    def lasted(self, at: datetime) -> bool:
        """Whether a hold is over once readings have come up to `at`."""
        for rung in self.rungs:  # noqa: SIM110  not by a generator: each message of a device with a hold comes here
            if rung.end <= at and rung.waiting:
                return True
        return False

    # --- what the rungs have become ------------------------------------------------------------------------

    def _settle(self, at: datetime, seen: datetime, dropped: Cause | None, ended: Cause = Cause.RECOVERED) -> None:
        """Tell what the rungs together have become."""
        if self.open and not self.latched:  # what was latched has been over for long: what comes is a new alarm
            self._step_down()
        on = [rung for rung in self.rungs if rung.on]
        holding = [rung for rung in self.rungs if rung.phase is Phase.HOLDING]
        if on:
            self._settle_open(on, at, seen)
        elif self.open:
            before = self.state
            self.state, self.data, self.late, self.latched = AlarmState.NORMAL, DataState.GOOD, False, False
            self._tell(before, AlarmState.CLEARED, ended, at, seen, self._lead())
        if not on:
            self._settle_pending(holding, at, seen, dropped)
        self.idle = self.state is AlarmState.NORMAL
        if self.references:
            self._stand_still()

    def _stand_still(self) -> None:
        """Let what is compared with its past learn nothing of a fault.

        A past that is not known yet goes on learning while nothing is met: or what another limit of the rule has opened
        could never end, for what is unknown clears nothing.
        """
        fault = not self.idle and any(rung.when.test() for rung in self.rungs)
        for window in self.references:
            if fault or (window.ready and not self.idle):
                window.freeze()
            elif window.frozen:
                window.resume()

    def _step_down(self) -> None:
        """When the worst is over and what is less bad is still there, the same alarm goes on, a level down."""
        if not any(rung.on for rung in self.rungs):
            for rung in self.rungs:
                if rung.phase is Phase.HOLDING and rung.level > self.level:
                    rung.complete()

    def _lead(self) -> list[Rung]:
        return [rung for rung in self.rungs if rung.level is self.level]

    def _settle_pending(self, holding: list[Rung], at: datetime, seen: datetime, dropped: Cause | None) -> None:
        if holding:
            self.level = holding[0].level
            if self.state is AlarmState.NORMAL:
                self.state, self.late = AlarmState.PENDING, holding[0].late
                self._tell(AlarmState.NORMAL, self.state, Cause.CONDITION_MET, at, seen, holding[:1])
        elif self.state is AlarmState.PENDING:
            self.state = AlarmState.NORMAL
            cause = dropped or Cause.CONDITION_LAPSED
            self._tell(AlarmState.PENDING, self.state, cause, at, seen, self._lead())

    def _settle_open(self, on: list[Rung], at: datetime, seen: datetime) -> None:
        lead = on[0]
        state = AlarmState.ACTIVE if any(rung.phase is Phase.ON for rung in on) else AlarmState.CLEARING
        data = DataState.UNKNOWN if lead.blind else DataState.GOOD
        before, level, known, late = self.state, self.level, self.data, self.late
        self.level, self.data, self.late = lead.level, data, lead.late
        if before not in OPEN:
            self.state = AlarmState.ACTIVE
            self._tell(before, AlarmState.ACTIVE, Cause.CONDITION_HELD, at, seen, (lead,))
            before = self.state
        else:
            if data is not known:
                after = AlarmState.ACTIVE
                cause = Cause.DATA_LOST if data is DataState.UNKNOWN else Cause.DATA_BACK
                self._tell(before, after, cause, at, seen, (lead,), level=level)
                before = after
            if lead.level is not level:
                cause = Cause.LEVEL_RAISED if lead.level < level else Cause.LEVEL_LOWERED
                self._tell(before, state, cause, at, seen, (lead,))
                before = state
            if late and not lead.late and lead.phase is Phase.ON:
                self._tell(before, before, Cause.CONFIRMED, at, seen, (lead,))
        self.state = state
        latched, self.latched = self.latched, all(rung.phase is Phase.LATCHED for rung in on)
        if before is not state:
            back = Cause.RETRIPPED if latched else Cause.RELAPSED
            cause = back if state is AlarmState.ACTIVE else Cause.CONDITION_LAPSED
            self._tell(before, state, cause, at, seen, (lead,))
        if self.latched and not latched:
            self._tell(state, state, Cause.LATCHED, at, seen, (lead,))

    # --- telling it ----------------------------------------------------------------------------------------

    def _tell(  # noqa: PLR0913  a transition has this many parts
        self,
        before: AlarmState,
        after: AlarmState,
        cause: Cause,
        at: datetime,
        seen: datetime,
        rungs: Iterable[Rung],
        *,
        level: Level | None = None,
        detail: str = "",
    ) -> None:
        self.last_at = max(at, self.last_at)
        told = self._transition(before, after, cause, self.last_at, seen, rungs)
        if level is not None or detail:
            told = replace(told, level=level or self.level, detail=detail)
        self.emit(told)

    def _transition(
        self,
        before: AlarmState,
        after: AlarmState,
        cause: Cause,
        at: datetime,
        seen: datetime,
        rungs: Iterable[Rung],
    ) -> Transition:
        return Transition(
            rule=self.rule,
            asset=self.asset,
            before=before,
            after=after,
            level=self.level,
            data=self.data,
            cause=cause,
            at=at,
            seen_at=seen,
            observed=self._observed(before, cause, rungs),
            late=self.late,
        )

    def _observed(self, before: AlarmState, cause: Cause, rungs: Iterable[Rung]) -> tuple[Observed, ...]:
        """Every number that the conditions in question look at, each once."""
        conditions: list[Compiled | None] = []
        for rung in rungs:
            conditions.append(rung.when)
            conditions.append(rung.clear if before in OPEN else None)
            conditions.append(self.unless if cause is Cause.SUPPRESSED else None)
        seen = (number for c in conditions if c is not None for observe in c.observe for number in observe())
        return tuple(dict.fromkeys(seen))
