"""What the rules know of the site: points, devices and silences, and what readings and time do to them.

Only points that some rule looks at are kept. What changes puts the rules that look at it into `touched`; the engine
steps those when all readings of a message have been applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from daemon.model import Device, Observation, Point, Quality, Reading, Reason, from_ms, to_ms
from daemon.rules.alarm import Watch
from daemon.rules.calendars import Calendar, CalendarState
from daemon.rules.compiled import Witness
from daemon.rules.derived import Derived, Feed, Sources
from daemon.rules.derived import inputs as inputs_of
from daemon.rules.points import Aging, DeviceState, PointState, SilenceState
from daemon.rules.strictness import is_twin, twin, with_twins
from daemon.rules.timers import Deadlines, Rank, Timer

#: Called when time alone has changed something: the watches, the moment, the moment at which it is seen.
Touch = Callable[[Iterable[Watch], datetime, datetime], None]
#: More than any sensor can mean; beyond it, sums over windows would lose their last digits.
HUGE = 1e15
BAD = Quality.BAD
LATE = Reason.LATE


class SiteState:
    """The points and devices, as the rules see them."""

    def __init__(self, deadlines: Deadlines, touch: Touch) -> None:
        self._deadlines = deadlines
        self._touch = touch
        self.points: dict[str, PointState] = {}
        self.devices: dict[str, DeviceState] = {}
        self.silences: dict[str, SilenceState] = {}
        self.derived: dict[str, Derived] = {}
        self.calendars: dict[str, CalendarState] = {}
        #: Derived points that have a new reading to take in, and whether some may have been lost or found again.
        self._moved: dict[Derived, None] = {}
        self._shaken = False
        #: Whether some rule counts good readings only.
        self.strict = False
        #: What the latest message made of derived points.
        self.computed: list[Reading] = []
        #: Hears along how conditions are answered.
        self.witness: Witness | None = None

    # --- readings ------------------------------------------------------------------------------------------

    def doubled(self, item: Observation) -> Observation:
        """The message as points and their twins hear it."""
        return with_twins(item, self.points)

    def apply(self, item: Observation) -> dict[Watch, None]:  # noqa: C901, PLR0912, PLR0915  the hot path: calls cost
        """Take in all readings of one message; return the watches that must look again."""
        at = item.at
        touched: dict[Watch, None] = {}
        value: Any
        device = self.devices.get(item.device)
        if device is not None:
            self._hear(device, item, touched)
        if item.retained:
            return self._recall(item, device, touched)
        points = self.points
        for reading in item.readings:
            point = points.get(reading[0])
            if point is None:
                continue
            _, source_at, value, received_at, quality, reason = reading
            if received_at < source_at:  # noqa: PLR1730  min() takes twice the time
                source_at = received_at  # a device's clock may run ahead; nothing has happened in the future
            if source_at < point.at:
                continue  # older than what is known: it rewinds nothing
            if quality is BAD or value.__class__ is not point.type or (point.numeric and not -HUGE < value < HUGE):
                if not usable(point, value, quality):
                    self._odd(point, source_at, at, touched)
                    continue
                value = float(value)
            point.at = source_at
            point.received = at
            point.quality = quality
            late = reason is LATE
            same = value == point.value and late is point.late and point.fresh and not point.again
            point.late = late
            point.value = value
            if same and not point.windows and not point.quiet:
                continue  # whoever looks here has seen it so
            point.again = False
            if not point.fresh:
                self._wake(point, at, touched)
            if point.windows:
                ms = to_ms(source_at)
                for window in point.windows.values():
                    window.push(ms, value)
            if point.quiet:
                self._speak(point, touched)
            touched.update(point.watches)
        if self._moved or self._shaken:
            self._derive(at)
        return touched

    def _recall(self, item: Observation, device: DeviceState | None, touched: dict[Watch, None]) -> dict[Watch, None]:
        """Take in what was said some time ago: nobody counts as heard by it.

        A state is adopted; it holds as long as its device may still be taken to be there. A point that promises an
        interval is believed only if the message tells when it was measured, and only for the rest of that interval.
        """
        if device is not None and not device.alive and not device.gone and item.at < device.lost_at:
            self._revive(device, item.at, touched)  # it has been silent for less than it may
        for reading in item.readings:
            point = self.points.get(reading.point)
            at = reading_moment(reading)
            if point is None or at < point.at or (point.fresh and reading.value == point.value):
                continue  # it is known already
            if not usable(point, reading.value, reading.quality):
                self._odd(point, at, item.at, touched)
                continue
            if point.fresh_for is not None and (reading.reason is LATE or item.at - at > point.fresh_for):
                continue
            point.at, point.quality, point.late = at, reading.quality, reading.reason is LATE
            point.value = float(reading.value) if point.numeric else reading.value
            point.known = point.again = True
            if point.fresh_for is None:
                point.received, point.fresh = item.at, point.device.alive
                (point.regain if point.fresh else point.lose)(to_ms(item.at))
            else:
                point.received, point.fresh = max(point.received, at), True
                self._deadlines.arm(point.timer, point.lost_at)
            for window in point.windows.values():
                window.push(to_ms(at), point.value)
            touched.update(point.watches)
        if self._moved or self._shaken:
            self._derive(item.at)
        return touched

    def _derive(self, at: datetime) -> None:
        """All readings of a message are applied: compute what stands on them. Who looks at that is touched already."""
        if self._shaken:
            self._shaken = False
            for derived in self.derived.values():
                derived.settle()
        moved = self._moved
        while moved:  # one that has moved moves those that stand on it, which are deeper
            derived = min(moved, key=_depth)
            del moved[derived]
            reading = derived.learn(at)
            if reading is not None and not is_twin(reading.point):
                self.computed.append(reading)

    def _hear(self, device: DeviceState, item: Observation, touched: dict[Watch, None]) -> None:
        if item.gone:
            device.gone = True
            self._leave(device, item.at, touched)
            return
        if item.retained:
            return
        device.heard = item.at
        device.gone = False
        if not device.alive:
            self._revive(device, item.at, touched)
        if device.quiet:
            self._speak(device, touched)

    def _odd(self, point: PointState, at: datetime, received: datetime, touched: dict[Watch, None]) -> None:
        """No usable value: a point that holds its state no longer knows it, any other waits for its next reading."""
        if point.fresh_for is None:
            point.at = at
            point.lose(to_ms(received))
            point.known = False
            self._shaken = True
            touched.update(point.watches)

    def _wake(self, point: PointState, at: datetime, touched: dict[Watch, None]) -> None:
        point.fresh = point.known = True
        if point.fresh_for is not None:
            self._deadlines.arm(point.timer, point.lost_at)
            return
        point.regain(to_ms(at))
        if not point.device.alive:
            point.device.heard, point.device.gone = at, False
            self._revive(point.device, at, touched)

    def _revive(self, device: DeviceState, at: datetime, touched: dict[Watch, None]) -> None:
        device.alive = True
        self._shaken = True
        self._deadlines.arm(device.timer, device.lost_at)
        for point in device.held:
            point.fresh = point.known
            if point.known:
                point.regain(to_ms(at))
            touched.update(point.watches)

    def _leave(self, device: DeviceState, at: datetime, touched: dict[Watch, None]) -> None:
        device.alive = False
        self._shaken = True
        for point in device.held:
            point.lose(to_ms(at))
            touched.update(point.watches)

    def _speak(self, source: PointState | DeviceState, touched: dict[Watch, None]) -> None:
        source.quiet = 0
        for silence in source.silences:
            if silence.silent:
                silence.silent = False
                self._deadlines.arm(silence.timer, silence.due)
                touched.update(silence.watches)

    # --- time ----------------------------------------------------------------------------------------------

    def _point_due(self, point: PointState, due: datetime, seen: datetime) -> None:
        if point.lost_at > due:
            self._deadlines.arm(point.timer, point.lost_at)
        elif point.fresh:
            point.fresh = False
            self._shaken = True
            self._derive(due)
            self._touch(point.watches, due, seen)

    def _device_due(self, device: DeviceState, due: datetime, seen: datetime) -> None:
        if not device.alive:
            return
        if device.lost_at > due:
            self._deadlines.arm(device.timer, device.lost_at)
            return
        touched: dict[Watch, None] = {}
        self._leave(device, due, touched)
        self._derive(due)
        self._touch(touched, due, seen)

    def _silence_due(self, silence: SilenceState, due: datetime, seen: datetime) -> None:
        if silence.due > due:
            self._deadlines.arm(silence.timer, silence.due)
        elif not silence.silent:
            silence.silent = True
            silence.source.quiet += 1
            self._touch(silence.watches, due, seen)

    def _calendar_due(self, state: CalendarState, due: datetime, seen: datetime) -> None:
        if self.calendars.get(state.calendar.key) is not state:
            return  # no rule asks for it any more
        self._deadlines.arm(state.timer, state.calendar.next_change(due))
        inside = state.calendar.holds(due)
        if inside is not state.inside:
            state.inside = inside
            self._touch(state.watches, due, seen)

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

    def keep_only(self, watches: Iterable[Watch], wanted: Iterable[Derived]) -> None:
        """Drop what none of the watches looks at, and tell each point who looks at it, in order.

        `wanted` are derived points that are kept whoever looks: their values go to the time series.
        """
        for one in self.points.values():
            one.watches.clear()
            one.again = True
        others: list[SilenceState | CalendarState] = [*self.silences.values(), *self.calendars.values()]
        for other in others:
            other.watches.clear()
        windows: set[tuple[str, str]] = set()
        for watch in watches:
            for one in watch.points:
                one.watches[watch] = None
            asked: tuple[SilenceState | CalendarState, ...] = (*watch.silences, *watch.calendars)
            for other in asked:
                other.watches[watch] = None
            windows.update(watch.windows)
        kept: set[str] = set()
        for derived in wanted:
            windows.update(derived.windows)
            kept.update(point.decl.id for point in (derived.point, *derived.point.inputs))
        self.silences = {key: silence for key, silence in self.silences.items() if silence.watches}
        self.calendars = {key: state for key, state in self.calendars.items() if state.watches}
        sources = {id(silence.source) for silence in self.silences.values()}
        self.points = {key: p for key, p in self.points.items() if p.watches or id(p) in sources or key in kept}
        found = (one for key, one in self.derived.items() if self.points.get(key) is one.point)
        self.derived = {one.point.decl.id: one for one in sorted(found, key=_depth)}
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
        silent = set(saved["silent"])
        for key, silence in self.silences.items():
            silence.silent = key in silent
            if not silence.silent:
                self._deadlines.arm(silence.timer, silence.due)
        for source in self._sources():
            source.quiet = sum(silence.silent for silence in source.silences)


def _depth(derived: Derived) -> int:
    return derived.depth


def usable(point: PointState, value: Any, quality: Quality) -> bool:  # noqa: ANN401  looked at here
    """Whether a reading may reach value rules: not bad, of the right type, and of human size."""
    if quality is BAD or value.__class__ not in (point.type, int if point.numeric else str):
        return False
    return not point.numeric or -HUGE < value < HUGE


def reading_moment(reading: Reading) -> datetime:
    """The source time of a reading, never later than its receipt."""
    return min(reading.at, reading.received_at)


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
