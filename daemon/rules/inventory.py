"""What is there on the site as far as rules ask for it: declared, dropped when nobody asks any more, saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from daemon.model import Device, Point, Quality, from_ms, to_ms
from daemon.rules.calendars import Calendar, CalendarState
from daemon.rules.compiled import Compiled, F, Follower
from daemon.rules.derived import Derived, Feed, Sources
from daemon.rules.derived import inputs as inputs_of
from daemon.rules.points import Aging, DeviceState, PointState, SilenceState
from daemon.rules.strictness import is_twin, twin
from daemon.rules.timers import Deadlines, Rank, Timer
from daemon.rules.watch import Watch

#: Called when time alone has changed something: the watches, the moment, the moment at which it is seen.
Touch = Callable[[Iterable[Watch], datetime, datetime], None]


class Inventory(ABC):
    """The points, devices, silences and calendars that some rule asks for."""

    def __init__(self, deadlines: Deadlines, touch: Touch) -> None:
        self._deadlines = deadlines
        self._touch = touch
        self.points: dict[str, PointState] = {}
        self.devices: dict[str, DeviceState] = {}
        self.silences: dict[str, SilenceState] = {}
        self.derived: dict[str, Derived] = {}
        self.calendars: dict[str, CalendarState] = {}
        #: By rule, asset and condition.
        self.followers: dict[str, Follower] = {}
        #: Derived points that have a new reading to take in.
        self._moved: dict[Derived, None] = {}
        #: Whether some rule counts good readings only.
        self.strict = False

    # --- when their time has come --------------------------------------------------------------------------

    @abstractmethod
    def _point_due(self, point: PointState, due: datetime, seen: datetime) -> None: ...

    @abstractmethod
    def _device_due(self, device: DeviceState, due: datetime, seen: datetime) -> None: ...

    @abstractmethod
    def _silence_due(self, silence: SilenceState, due: datetime, seen: datetime) -> None: ...

    @abstractmethod
    def _calendar_due(self, state: CalendarState, due: datetime, seen: datetime) -> None: ...

    # --- what is declared ----------------------------------------------------------------------------------

    def declare_device(self, decl: Device, at: datetime) -> DeviceState:
        """The state of a device, new or as it was; what is declared of it may have changed."""
        device = self.devices.get(decl.id)
        if device is None:
            device = self.devices[decl.id] = DeviceState(decl, at, self._device_due)
        elif device.decl != decl:
            device.decl = decl
            if device.alive:
                self._deadlines.arm(device.timer, max(device.lost_at, at))
        return device

    def declare_point(self, decl: Point, device: DeviceState, at: datetime, *, strict: bool = False) -> PointState:
        """The state of a point, or if `strict` of its twin; a new one when it was declared otherwise before."""
        decl = twin(decl) if strict else decl
        point = self.points.get(decl.id)
        if point is None or point.decl != decl or point.device is not device:
            if point is not None:
                point.watches.clear()
            point = self.points[decl.id] = PointState(decl, device, at, self._point_due)
            if point.fresh_for is None:
                device.held.append(point)
        return point

    def declare_derived(self, decl: Point, known: Sources, at: datetime, *, strict: bool = False) -> Derived:
        """A derived point and all it stands on; a new one when its formula or an input is another than before.

        A `strict` one is the twin of `decl` and stands on twins.
        """
        decl = twin(decl) if strict else decl
        inputs: dict[str, PointState] = {}
        inner: list[Derived] = []
        for one in inputs_of(decl):
            its, device = known[one]
            if device is None:
                inner.append(self.declare_derived(its, known, at, strict=strict))
                inputs[one] = inner[-1].point
            else:
                inputs[one] = self.declare_point(its, self.declare_device(device, at), at, strict=strict)
        derived = self.derived.get(decl.id)
        if derived is None or derived.point.decl != decl or derived.inputs != tuple(inputs.values()):
            if derived is not None:
                derived.point.watches.clear()
            first = next(iter(inputs.values()))
            point = self.points[decl.id] = PointState(decl, first.device, at, self._point_due)
            derived = self.derived[decl.id] = Derived(point, inputs, inner)
            for state in derived.inputs:
                state.windows[f"derived|{decl.id}"] = Feed(derived, self._moved)
            derived.settle()
        return derived

    def let_age(self, point: PointState, key: str, keeper: Aging) -> None:
        """Give a keeper of a point a timer of its own."""

        def fire(due: datetime, seen: datetime) -> None:
            if self.points.get(point.decl.id) is point and point.windows.get(key) is keeper:
                keeper.age(to_ms(due))
                self._touch(point.watches, due, seen)

        timer = Timer(Rank.WINDOW, f"{point.decl.id}|{key}", fire)
        keeper.arm = lambda ms: self._deadlines.arm(timer, from_ms(ms))

    def declare_silence(self, source: PointState | DeviceState, after: timedelta, at: datetime) -> SilenceState:
        """Whether a source has been silent for so long; a point that holds its state speaks with its device."""
        if isinstance(source, PointState) and source.fresh_for is None:
            source = source.device
        key = SilenceState.key(source, after)
        silence = self.silences.get(key)
        if silence is None or silence.source is not source:
            if silence is not None:
                silence.watches.clear()
            silence = self.silences[key] = SilenceState(source, after, self._silence_due)
            source.silences.append(silence)
            self._deadlines.arm(silence.timer, max(silence.due, at))
        return silence

    def declare_calendar(self, calendar: Calendar, at: datetime) -> CalendarState:
        """Whether the site's clocks show a moment inside it."""
        state = self.calendars.get(calendar.key)
        if state is None:
            state = self.calendars[calendar.key] = CalendarState(calendar, at, self._calendar_due)
            self._deadlines.arm(state.timer, calendar.next_change(at))
        return state

    def declare_follower(self, key: str, inner: Compiled, make: Callable[[], F]) -> F:
        """What follows a condition, new or as it was; a new one when a point is another than before."""
        found = self.followers.get(key)
        if found is not None and found.inner.points == inner.points:
            found.inner = inner
            return cast("F", found)  # the key names its kind
        follower = self.followers[key] = make()

        def fire(due: datetime, seen: datetime) -> None:
            if self.followers.get(key) is follower:
                follower.age(to_ms(due))
                self._touch(follower.watches, due, seen)

        timer = Timer(Rank.WINDOW, key, fire)
        follower.arm = lambda ms: self._deadlines.arm(timer, from_ms(ms))
        return follower

    def keep_only(self, watches: Iterable[Watch], wanted: Iterable[Derived]) -> None:
        """Drop what none of the watches looks at, and tell each point who looks at it, in order.

        `wanted` are derived points that are kept whoever looks: their values go to the time series.
        """
        for one in self.points.values():
            one.watches.clear()
            one.again = True
        others: list[SilenceState | CalendarState | Follower] = [
            *self.silences.values(),
            *self.calendars.values(),
            *self.followers.values(),
        ]
        for other in others:
            other.watches.clear()
        windows: set[tuple[str, str]] = set()
        for watch in watches:
            for one in watch.points:
                one.watches[watch] = None
            asked: tuple[SilenceState | CalendarState | Follower, ...] = (
                *watch.silences,
                *watch.calendars,
                *watch.followers,
            )
            for other in asked:
                other.watches[watch] = None
            windows.update(watch.windows)
        kept: set[str] = set()
        for derived in wanted:
            windows.update(derived.windows)
            kept.update(point.decl.id for point in (derived.point, *derived.point.inputs))
        self.silences = {key: silence for key, silence in self.silences.items() if silence.watches}
        self.calendars = {key: state for key, state in self.calendars.items() if state.watches}
        self.followers = {key: one for key, one in self.followers.items() if one.watches}
        sources = {id(silence.source) for silence in self.silences.values()}
        self.points = {key: p for key, p in self.points.items() if p.watches or id(p) in sources or key in kept}
        found = (one for key, one in self.derived.items() if self.points.get(key) is one.point)
        self.derived = {one.point.decl.id: one for one in sorted(found, key=depth)}
        for key, point in self.points.items():
            point.windows = {name: w for name, w in point.windows.items() if (key, name) in windows}
        self.strict = any(map(is_twin, self.points))
        devices = {point.device.decl.id for point in self.points.values()}
        devices |= {s.source.decl.id for s in self.silences.values() if isinstance(s.source, DeviceState)}
        self.devices = {key: device for key, device in self.devices.items() if key in devices}
        for device in self.devices.values():
            device.held = [point for point in device.held if self.points.get(point.decl.id) is point]
        for source in self._sources():
            source.silences = [silence for silence in source.silences if self.silences.get(silence.name) is silence]
            source.quiet = sum(silence.silent for silence in source.silences)

    def _sources(self) -> Iterator[PointState | DeviceState]:
        yield from self.points.values()
        yield from self.devices.values()

    # --- over restarts -------------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        return {
            "points": {key: _save_point(point) for key, point in self.points.items()},
            "devices": {key: [to_ms(device.heard), device.alive, device.gone] for key, device in self.devices.items()},
            "calendars": {
                key: [state.inside, to_ms(state.timer.due)] for key, state in self.calendars.items() if state.timer.due
            },
            "followers": {key: one.save() for key, one in self.followers.items()},
            "silent": [key for key, silence in self.silences.items() if silence.silent],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved of the same declarations."""
        for key, (heard, alive, gone) in saved["devices"].items():
            device = self.devices[key]
            device.heard, device.alive, device.gone = from_ms(heard), alive, gone
            if alive:
                self._deadlines.arm(device.timer, device.lost_at)
        for key, values in saved["points"].items():
            _load_point(self.points[key], values)
            point = self.points[key]
            if point.fresh and point.fresh_for is not None and not point.inputs:
                self._deadlines.arm(point.timer, point.lost_at)
        for key, (inside, due) in saved["calendars"].items():
            self.calendars[key].inside = inside
            self._deadlines.arm(self.calendars[key].timer, from_ms(due))
        for key, values in saved["followers"].items():
            self.followers[key].load(values)
        silent = set(saved["silent"])
        for key, silence in self.silences.items():
            silence.silent = key in silent
            if not silence.silent:
                self._deadlines.arm(silence.timer, silence.due)
        for source in self._sources():
            source.quiet = sum(silence.silent for silence in source.silences)


def depth(derived: Derived) -> int:
    """How many derived points it stands on, one upon the other."""
    return derived.depth


def _save_point(point: PointState) -> list[Any]:
    windows = {key: window.save() for key, window in point.windows.items()}
    times = [to_ms(point.at), to_ms(point.received)]
    flags = [point.known, point.fresh, point.late]
    return [point.value, *times, *flags, point.quality, point.lost, point.away, windows]


def _load_point(point: PointState, saved: list[Any]) -> None:
    point.value, at, received, point.known, point.fresh, point.late, quality, point.lost, point.away, windows = saved
    if point.type is float:
        point.value = float(point.value)
    point.at, point.received, point.quality = from_ms(at), from_ms(received), Quality(quality)
    point.again = True
    for key, window in windows.items():
        point.windows[key].load(window)
