"""The engine: inputs in, transitions out. It asks nobody what time it is.

    Observation ──> deadlines up to its time ──> holds that its readings reveal ──> all readings applied ──┐
    Tick, … ──────> deadlines up to its time                                                               │
                          │                                                                                │
                          └──────────────────> watches that are touched take a step <──────────────────────┘

Everything it concludes follows from the inputs alone: cut into whatever batches, with whatever Ticks in between, and
over a snapshot at any place. A failure inside one rule on one asset is contained there (see `faulted`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ParamSpec

from daemon.model import EPOCH, Alarm, Cause, Command, Input, Level, Observation, Reading, Transition, from_ms, to_ms
from daemon.rules.adoption import adopt
from daemon.rules.binding import fingerprint, make_watch
from daemon.rules.compiled import Witness
from daemon.rules.look import WatchLook, look
from daemon.rules.schema import Binding, Ruleset
from daemon.rules.site import SiteState, usable
from daemon.rules.timers import Deadlines
from daemon.rules.watch import Watch

P = ParamSpec("P")
_VERSION = 7
_MS = timedelta(milliseconds=1)
_NOTHING: Sequence[Transition] = ()
#: The name of a Command that resets a latched alarm.
RESET = "reset"


def reset_target(number: int, rule: str, asset: str) -> str:
    """What a Command to reset an alarm is about."""
    return f"{number}|{rule}|{asset}"


def read_reset(target: str) -> tuple[str, str, str]:
    """Its number, rule and asset; empty where they are missing."""
    number, rule, asset = (*target.split("|", 2), "", "")[:3]
    return number, rule, asset


class Engine:
    """Knows nothing until it is reloaded with a ruleset."""

    def __init__(self) -> None:
        self._deadlines = Deadlines()
        self._site = SiteState(self._deadlines, self._touch)
        self._computed = self._site.computed
        #: What the latest Observation made of derived points; the next one changes it.
        self.computed: Sequence[Reading] = self._computed
        self._watches: dict[str, Watch] = {}
        self._prints: dict[str, tuple[Any, ...]] = {}
        self._hash = ""
        #: Site time of the latest input.
        self._seen = EPOCH
        self._out: list[Transition] = []
        #: Watches in which a hold is running, by the points they look at: only for these a message is looked at before
        #: it is applied.
        self._waiting: dict[str, set[Watch]] = {}

    def heard_by(self, witness: Witness) -> None:
        """Let somebody hear along how conditions are answered; before rules are loaded."""
        self._site.witness = witness

    # --- inputs --------------------------------------------------------------------------------------------

    def step(self, item: Input) -> Sequence[Transition]:
        """Take in one input; return what follows, in order.

        `item.at` never goes back. What was due at that time or before comes first. A Reload is `reload`'s.
        """
        at = item.at
        self._seen = at
        due = self._deadlines.next()
        if due is not None and due <= at:
            self._deadlines.run(at, at)
        if type(item) is Observation:
            if self._computed:
                self._computed.clear()
            if self._site.strict:
                item = self._site.doubled(item)
            if self._waiting and not item.retained:
                self._reveal(item)
            self._look(self._site.apply(item), at, None)
        elif type(item) is Command and item.name == RESET:
            self._reset(item)
        if not self._out:
            return _NOTHING
        return self._take_out()

    def catch_up(self, until: datetime, seen: datetime) -> Sequence[Transition]:
        """What is due up to `until`, ahead of the input of site time `seen` that will be stepped next."""
        self._seen = seen
        self._deadlines.run(until, seen)
        return self._take_out()

    def _take_out(self) -> Sequence[Transition]:
        out, self._out = self._out, []
        return out

    def reload(self, ruleset: Ruleset, at: datetime) -> Sequence[Transition]:
        """From `at` on, watch by this ruleset.

        Watches that are the same keep everything. A changed rule keeps its open alarm and is looked at anew; a removed
        one closes it. A condition that is true already waits out its hold from `at`.
        """
        self._seen = at
        self._deadlines.run(at, at)
        old = self._watches
        self._watches, prints = {}, {}
        fresh: list[Watch] = []
        for binding in ruleset.bindings():
            key = f"{binding.rule.id}|{binding.asset.id}"
            prints[key] = fingerprint(binding)
            watch = old.get(key)
            if watch is None or watch.faulted or self._prints[key] != prints[key]:
                watch = make_watch(binding, self._site, self._deadlines, (self._take, self._ran_out), at)
                fresh.append(watch)
            self._watches[key] = watch
        self._prints, self._hash = prints, ruleset.hash
        known = ruleset.known
        derived = [self._site.declare_derived(p, known, at) for p in ruleset.catalogue.points if p.formula]
        for device in ruleset.catalogue.devices:
            if device.id in self._site.devices:
                self._site.declare_device(device, at)
        self._site.keep_only(self._watches.values(), derived)
        for key, before in old.items():
            if key not in self._watches:
                before.close(Cause.RULE_REMOVED, at, at)
        for watch in fresh:
            before_it = old.get(watch.key)
            if before_it is not None:
                watch.inherit(before_it, at, at)
            self._guarded(watch, at, watch.follow, at)
            self._guarded(watch, at, watch.step, at, at, at)
        self._deadlines.run(at, at)
        self._note_all()
        return self._take_out()

    def restate(self, rule: str, asset: str, at: datetime, cause: Cause) -> Transition | None:
        """An open alarm as it stands, with its numbers: for when its order is decided anew. None when it is none.

        Only said, not done: nothing of the engine changes.
        """
        watch = self._watches.get(f"{rule}|{asset}")
        if watch is None or not watch.open or watch.faulted:
            return None
        try:
            return watch.restate(cause, at, self._seen)
        except Exception:  # noqa: BLE001  as in `_guarded`: its next look will tell what is wrong with it
            return None

    def watches(self, rule: str, asset: str) -> bool:
        """Whether a rule is there for an asset and works."""
        watch = self._watches.get(f"{rule}|{asset}")
        return watch is not None and not watch.faulted

    def sees(self, rule: str, asset: str) -> bool:
        """Whether a rule has the data to know how things stand, whatever they are."""
        return all(verdict is not None for verdict in self._verdicts(rule, asset))

    def calm(self, rule: str, asset: str) -> bool:
        """Whether a rule knows, on good data, that none of its conditions is true: not even for less than its hold."""
        return all(verdict is False for verdict in self._verdicts(rule, asset))

    def _verdicts(self, rule: str, asset: str) -> Sequence[bool | None]:
        """What each level's condition says; nothing is known where there is no rule, or it fails."""
        watch = self._watches.get(f"{rule}|{asset}")
        if watch is None or watch.faulted:
            return (None,)
        try:
            return [rung.when.test() for rung in watch.rungs]
        except Exception:  # noqa: BLE001  as in `_guarded`: its next look will tell what is wrong with it
            return (None,)

    def next_deadline(self) -> datetime | None:
        """No Tick before this changes anything."""
        return self._deadlines.next()

    @property
    def faulted(self) -> Mapping[tuple[str, str], str]:
        """The (rule, asset) pairs that failed, and how; they are tried again at the next reload."""
        watches = tuple(self._watches.values())  # in one go: a status may ask from another thread
        return {(watch.rule, watch.asset): watch.faulted for watch in watches if watch.faulted}

    def latched(self, rule: str, asset: str) -> bool:
        """Whether an alarm has ended and waits for a person to reset it."""
        watch = self._watches.get(f"{rule}|{asset}")
        return watch is not None and watch.open and watch.latched

    # --- inside a step -------------------------------------------------------------------------------------

    def _take(self, transition: Transition) -> None:
        self._out.append(transition)

    def _touch(self, watches: Iterable[Watch], due: datetime, _seen: datetime) -> None:
        """Time alone has changed something that these look at."""
        self._look(watches, due, due)

    def _look(self, watches: Iterable[Watch], received: datetime, at: datetime | None) -> None:
        """Let those take a step for which it might change anything."""
        for watch in watches:
            try:
                if watch.followers and not watch.faulted:
                    watch.follow(received)
                if not watch.wants() if watch.idle else watch.stays():
                    continue
            except Exception as error:  # noqa: BLE001  as in `_guarded`
                self._failed(watch, error, received)
                continue
            self._guarded(watch, received, watch.step, received, self._seen, at)

    def _guarded(self, watch: Watch, at: datetime, move: Callable[P, None], *args: P.args, **more: P.kwargs) -> None:
        """Let a watch move; what goes wrong in it stays in it."""
        if watch.faulted:
            return
        waited, told = watch.waiting, len(self._out)
        try:
            move(*args, **more)
        except Exception as error:  # noqa: BLE001  one bad rule must not stop the site
            self._failed(watch, error, at)
        if len(self._out) > told:
            watch.look_again()  # what it has become may judge the same readings otherwise
        if watch.waiting is not waited:
            self._note(watch)

    def _note(self, watch: Watch) -> None:
        """Remember where it waits, or forget it."""
        for point in watch.points:
            there = self._waiting.setdefault(point.decl.id, set())
            (there.add if watch.waiting else there.discard)(watch)
            if not there:
                del self._waiting[point.decl.id]

    def _note_all(self) -> None:
        self._waiting.clear()
        for watch in self._watches.values():
            if watch.waiting:
                self._note(watch)

    def _reset(self, wish: Command) -> None:
        _, rule, asset = read_reset(wish.target)
        watch = self._watches.get(f"{rule}|{asset}")
        if watch is not None:
            self._guarded(watch, wish.at, watch.reset, wish.at, wish.at)

    def _failed(self, watch: Watch, error: Exception, at: datetime) -> None:
        watch.fault(f"{type(error).__name__}: {error}", at, self._seen)
        self._note(watch)

    def _ran_out(self, watch: Watch, level: Level, seen: datetime) -> None:
        self._guarded(watch, seen, watch.run_out, level, seen)

    def _reveal(self, item: Observation) -> None:
        """Before readings are applied: end the holds that they show to have lasted, break those they show a gap in.

        Site time may not have got that far yet, when a device sends what it has gathered.
        """
        newest: dict[Watch, datetime] = {}
        torn: dict[Watch, datetime] = {}
        for reading in item.readings:
            watches = self._waiting.get(reading[0])
            if watches is None:
                continue
            point = self._site.points[reading[0]]
            _, at, value, received_at, quality, _ = reading
            at = min(at, received_at)
            gap = point.gap_before(at)
            moved = [watch for watch in watches if gap or watch.lasted(at)]
            if not moved or at < point.at or not usable(point, value, quality):
                continue
            for watch in moved:
                newest[watch] = max(at, newest.get(watch, at))
                if gap:
                    torn[watch] = min(point.at + (point.fresh_for or _MS), torn.get(watch, at))
        if not newest:
            return
        ready = [
            (rung.end, watch.key, rung.level, watch)
            for watch, at in newest.items()
            for rung in watch.rungs
            if rung.waiting and rung.end <= min(at, torn.get(watch, at))
        ]
        for _, _, level, watch in sorted(ready):
            self._ran_out(watch, level, item.at)
        for watch in sorted(torn, key=lambda watch: watch.key):
            if watch.waiting:
                self._guarded(watch, item.at, watch.broken, torn[watch] + _MS, item.at)
                watch.look_again()

    # --- over restarts -------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON values; its size is bounded by points, rules and their windows."""
        watches = {key: saved for key, watch in self._watches.items() if (saved := watch.save()) is not None}
        return {
            "version": _VERSION,
            "ruleset": self._hash,
            "seen": to_ms(self._seen),
            "site": self._site.save(),
            "watches": watches,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Become what `saved` was; to be called on an engine just reloaded with the same ruleset.

        Raises:
            ValueError: the snapshot is of another version or ruleset, or is damaged; the engine is then of no use.
        """
        if saved.get("version") != _VERSION:
            raise ValueError(f"the snapshot is of version {saved.get('version')!r}, this program knows {_VERSION}")
        if saved["ruleset"] != self._hash:
            raise ValueError("the snapshot is of another ruleset than the one loaded")
        self._deadlines.clear()
        try:
            self._seen = from_ms(saved["seen"])
            for key, watch in self._watches.items():
                watch.load(saved["watches"].get(key))
            self._site.load(saved["site"])  # after the watches: windows keep whether they stand still
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(f"the snapshot cannot be read: {error!r}") from error
        self._note_all()
        self._out.clear()

    def adopt(self, open_alarms: Iterable[Alarm]) -> Sequence[Transition]:
        """Make the open alarms those of the ledger, which is the authority on them.

        Returns the closing of alarms whose rule is gone; alarms that only the engine knew are forgotten silently.
        """
        orphans = adopt(self._watches, open_alarms, self._seen)
        self._note_all()
        return orphans

    def look(self, binding: Binding, at: datetime) -> WatchLook | None:
        """How a rule stands on an asset at `at`, up to which the engine was stepped; None: it does not watch it.

        For an engine that nothing else is done with: one that was made to look back.
        """
        watch = self._watches.get(f"{binding.rule.id}|{binding.asset.id}")
        return None if watch is None else look(binding, watch, self._site, at)
