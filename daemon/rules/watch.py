"""One rule on one asset: what makes its alarm move.

What is unknown opens nothing, clears nothing, and breaks what was being waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from daemon.model import EPOCH, AlarmState, Cause, DataState, Level, Transition, from_ms, to_ms
from daemon.rules.alarm import OPEN, Alarm
from daemon.rules.compiled import Compiled
from daemon.rules.points import PointState
from daemon.rules.rung import Look, Phase, Rung


def _never() -> bool:
    return False


class Watch(Alarm):
    """One rule on one asset: from the site's points to transitions."""

    __slots__ = ("calendars", "faulted", "followers", "no_data", "points", "silences", "wants", "windows")

    def __init__(
        self,
        rule: str,
        asset: str,
        rungs: Iterable[Rung],
        unless: Compiled | None,
        no_data: str,
        emit: Callable[[Transition], None],
    ) -> None:
        super().__init__(rule, asset, rungs, unless, emit)
        self.no_data = no_data
        conditions = self.conditions()
        self.points: tuple[PointState, ...] = tuple(dict.fromkeys(p for c in conditions for p in c.points))
        self.silences = tuple(dict.fromkeys(s for c in conditions for s in c.silences))
        self.calendars = tuple(dict.fromkeys(s for c in conditions for s in c.calendars))
        self.followers = tuple(dict.fromkeys(f for c in conditions for f in c.followers))
        #: (point, key) of every window it needs.
        self.windows: tuple[tuple[str, str], ...] = ()
        #: What went wrong in the rule itself; it is not looked at until the next reload.
        self.faulted = ""
        #: While idle: whether anything might begin. For one rung its bare condition, since the hot path ends here.
        self.wants = self._wants()

    def _wants(self) -> Callable[[], bool | None]:
        tests = tuple(rung.when.test for rung in self.rungs)
        if self.no_data == "alarm":
            return lambda: any(test() is not False for test in tests)
        if len(tests) == 1:
            return tests[0]

        def wants() -> bool:
            for test in tests:  # noqa: SIM110  a generator would cost as much as the tests
                if test():
                    return True
            return False

        return wants

    def run_out(self, level: Level, seen: datetime) -> None:
        """The hold of a level is over, if it is still running; what has waited for the same moment goes with it."""
        ends = [rung.end for rung in self.rungs if rung.level is level and rung.waiting]
        for rung in self.rungs:
            if rung.waiting and rung.end in ends:
                rung.complete()
        if ends:
            self._settle(ends[0], seen, None)

    def stays(self) -> bool:
        """Whether a look would change nothing, for an alarm that is pending or open: the hot path of a bad day."""
        for rung in self.rungs:
            verdict = rung.when.test()
            if rung.phase is Phase.ON:
                if verdict is not True or rung.late or rung.blind:
                    return False
            elif rung.phase is Phase.HOLDING:
                if verdict is not True or rung.late or self.unless is not None or any(p.late for p in self.points):
                    return False
            elif rung.phase is Phase.LATCHED:
                if rung.is_clear(verdict, verdict) is not True:
                    return False
            elif rung.phase is Phase.CLEARING or verdict is True or (verdict is None and self.no_data != "unknown"):
                return False
        return True

    def follow(self, now: datetime) -> None:
        """Let what follows a condition see how it stands, before anything is concluded from it."""
        ms = to_ms(now)
        for follower in self.followers:
            follower.look(ms)

    def look_again(self) -> None:
        """Have it take a step at the next reading of each of its points, whatever that says."""
        for point in self.points:
            point.again = True

    # --- what makes it move --------------------------------------------------------------------------------

    def step(self, received: datetime, seen: datetime, at: datetime | None = None) -> None:
        """Look at the conditions anew.

        Args:
            received: the site time of what has changed.
            seen: the site time of the input that is being worked on.
            at: the moment of what has changed; by default the latest source time among the readings of `received`.
        """
        if at is None:
            at = max((p.at for p in self.points if p.received == received and p.known), default=received)
        late = {point.type for point in self.points if point.late}
        barred: Cause | None = None
        if not self.open and self.unless is not None and self.unless.test() is True:
            barred = Cause.SUPPRESSED
        elif not self.open and float in late:
            barred = Cause.DATA_LOST  # late gauges update and clear, they never open
        look = Look(received if str in late else at, received, str in late, barred)
        dropped: Cause | None = None
        for rung in self.rungs:
            dropped = rung.judge(look) or dropped
        self._settle(look.start, seen, dropped)

    def broken(self, at: datetime, seen: datetime) -> None:
        """There is a hole in the readings: whatever was being waited for begins anew."""
        dropped: Cause | None = None
        for rung in self.rungs:
            dropped = rung.broken() or dropped
        self._settle(at, seen, dropped)

    def reset(self, at: datetime, seen: datetime) -> None:
        """A person has looked at what had ended: it is over. Nothing happens to what has not ended."""
        if self.open and self.latched:
            for rung in self.rungs:
                rung.phase = Phase.OFF if rung.on else rung.phase
            self._settle(at, seen, None, Cause.RESET)

    def fault(self, detail: str, at: datetime, seen: datetime) -> None:
        """The rule itself has failed: leave it alone, say so, keep an open alarm open."""
        self.faulted, self.latched = detail, False
        before = self.state
        for rung in self.rungs:
            rung.phase = Phase.ON if rung.on else Phase.OFF
        if self.open:
            self.state, self.data = AlarmState.ACTIVE, DataState.UNKNOWN
        else:
            self.state = AlarmState.NORMAL
        self.idle, self.wants = True, _never
        self._tell(before, self.state, Cause.RULE_FAULTED, at, seen, (), detail=detail)

    def close(self, cause: Cause, at: datetime, seen: datetime) -> None:
        """The rule is gone: so is its alarm."""
        before = self.state
        self.retire()
        self.state = AlarmState.NORMAL
        if before is not AlarmState.NORMAL:
            after = AlarmState.CLEARED if before in OPEN else AlarmState.NORMAL
            self._tell(before, after, cause, at, seen, ())

    def inherit(self, old: Watch, at: datetime, seen: datetime) -> None:
        """Take over from the same rule before it was changed: an open alarm stays open, all else begins anew."""
        old.retire()
        self.last_at = old.last_at
        if old.open:
            self.reopen(old.level, old.data, late=old.late)
            self._tell(old.state, self.state, Cause.RULE_CHANGED, at, seen, ())
        elif old.state is AlarmState.PENDING:
            self._tell(old.state, AlarmState.NORMAL, Cause.RULE_CHANGED, at, seen, ())

    def restate(self, cause: Cause, at: datetime, seen: datetime) -> Transition:
        """How it stands, for whoever decides about its order anew; nothing has happened to it."""
        rungs = [rung for rung in self.rungs if rung.on]
        return self._transition(self.state, self.state, cause, max(at, self.last_at), seen, rungs)

    def reopen(self, level: Level, data: DataState, *, late: bool) -> None:
        """Have an active alarm, as the ledger or the rule before says."""
        rung = min(self.rungs, key=lambda rung: abs(rung.level - level))
        rung.phase, rung.late, rung.blind = Phase.ON, late, data is DataState.UNKNOWN
        self.state, self.level, self.data, self.late = AlarmState.ACTIVE, rung.level, data, late
        self.latched = False
        self.idle = False
        for window in self.references:
            window.freeze()

    def retire(self) -> None:
        """Nothing moves it any more."""
        for rung in self.rungs:
            rung.phase = Phase.OFF
        self.idle, self.wants = True, _never

    def forget(self) -> None:
        """Be as new: what it took for an alarm is none."""
        for rung in self.rungs:
            rung.phase, rung.late, rung.blind = Phase.OFF, False, False
        self.level, self.faulted, self.wants = self.rungs[0].level, "", self._wants()
        self.state, self.data, self.late, self.idle = AlarmState.NORMAL, DataState.GOOD, False, True
        self.latched = False
        for window in self.references:
            window.resume()

    # --- over restarts -------------------------------------------------------------------------------------

    def save(self) -> dict[str, Any] | None:
        """Everything that `load` needs, as JSON values; None when it is as new."""
        if self.idle and not self.faulted and self.last_at == EPOCH:
            return None
        rungs = {rung.level.name: rung.save() for rung in self.rungs if rung.phase is not Phase.OFF}
        return {
            "state": self.state,
            "level": self.level.name,
            "data": self.data,
            "late": self.late,
            "latched": self.latched,
            "last_at": to_ms(self.last_at),
            "faulted": self.faulted,
            "rungs": rungs,
        }

    def load(self, saved: dict[str, Any] | None) -> None:
        """Become what was saved."""
        self.forget()
        self.last_at = EPOCH
        if saved is None:
            return
        self.state, self.level = AlarmState(saved["state"]), Level[saved["level"]]
        self.data, self.late, self.latched = DataState(saved["data"]), saved["late"], saved["latched"]
        self.last_at, self.faulted = from_ms(saved["last_at"]), saved["faulted"]
        self.idle = self.state is AlarmState.NORMAL
        if self.faulted:
            self.idle, self.wants = True, _never
        for rung in self.rungs:
            rung.load(saved["rungs"].get(rung.level.name, ["off", 0, None, False, False]))
