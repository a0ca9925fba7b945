"""What readings and time do to the site that the rules know.

Only points that some rule looks at are kept. What changes puts the rules that look at it into `touched`; the engine
steps those when all readings of a message have been applied.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from typing_extensions import override

from daemon.model import Observation, Quality, Reading, Reason, to_ms
from daemon.rules.calendars import CalendarState
from daemon.rules.compiled import Witness
from daemon.rules.inventory import Inventory, Touch, depth
from daemon.rules.points import DeviceState, PointState, SilenceState
from daemon.rules.strictness import is_twin, with_twins
from daemon.rules.timers import Deadlines
from daemon.rules.watch import Watch

#: More than any sensor can mean; beyond it, sums over windows would lose their last digits.
HUGE = 1e15
BAD = Quality.BAD
LATE = Reason.LATE


class SiteState(Inventory):
    """The points and devices, as the rules see them."""

    def __init__(self, deadlines: Deadlines, touch: Touch) -> None:
        super().__init__(deadlines, touch)
        #: Whether derived points may have been lost or found again.
        self._shaken = False
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
            derived = min(moved, key=depth)
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

    @override
    def _point_due(self, point: PointState, due: datetime, seen: datetime) -> None:
        if point.lost_at > due:
            self._deadlines.arm(point.timer, point.lost_at)
        elif point.fresh:
            point.fresh = False
            self._shaken = True
            self._derive(due)
            self._touch(point.watches, due, seen)

    @override
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

    @override
    def _silence_due(self, silence: SilenceState, due: datetime, seen: datetime) -> None:
        if silence.due > due:
            self._deadlines.arm(silence.timer, silence.due)
        elif not silence.silent:
            silence.silent = True
            silence.source.quiet += 1
            self._touch(silence.watches, due, seen)

    @override
    def _calendar_due(self, state: CalendarState, due: datetime, seen: datetime) -> None:
        if self.calendars.get(state.calendar.key) is not state:
            return  # no rule asks for it any more
        self._deadlines.arm(state.timer, state.calendar.next_change(due))
        inside = state.calendar.holds(due)
        if inside is not state.inside:
            state.inside = inside
            self._touch(state.watches, due, seen)


def usable(point: PointState, value: Any, quality: Quality) -> bool:  # noqa: ANN401  looked at here
    """Whether a reading may reach value rules: not bad, of the right type, and of human size."""
    if quality is BAD or value.__class__ not in (point.type, int if point.numeric else str):
        return False
    return not point.numeric or -HUGE < value < HUGE


def reading_moment(reading: Reading) -> datetime:
    """The source time of a reading, never later than its receipt."""
    return min(reading.at, reading.received_at)
