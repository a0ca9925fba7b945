"""From a rule on an asset to a watch that the engine can step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from daemon.model import Level, Transition
from daemon.rules.calendars import Calendar, CalendarSpec, CalendarState
from daemon.rules.compiled import Compiled, F, K
from daemon.rules.conditions import compile_condition
from daemon.rules.derived import stands_on
from daemon.rules.points import Aging, DeviceState, PointState, SilenceState
from daemon.rules.predicates import AnyOf, Condition, NotOf, Stale, TimeIs, asked, leaves
from daemon.rules.rule import LevelSpec
from daemon.rules.rung import Rung
from daemon.rules.schema import Binding
from daemon.rules.site import SiteState
from daemon.rules.timers import Deadlines, Rank, Timer
from daemon.rules.watch import Watch

_ZERO = timedelta()


def fingerprint(binding: Binding) -> tuple[Any, ...]:
    """What a watch depends on: while this stays the same, a reload leaves its timers and windows alone.

    The words of a rule (title, cause, steps, basis) are not part of it, nor is shadow: they change no evaluation.
    """
    rule = binding.rule
    parts: list[Any] = [rule.levels, rule.unless, rule.calendar, rule.no_data, rule.quality, rule.latch]
    for condition in _conditions(binding):
        for leaf, _ in leaves(condition):
            for name in asked(leaf):
                point = binding.points.get(name)  # of an `unless` some may be missing
                parts.append((point, stands_on(point, binding.known) if point and point.formula else None))
            if isinstance(leaf, Stale) and leaf.point is None:
                parts.append((binding.devices, tuple(binding.points.values())))
            elif isinstance(leaf, TimeIs) or getattr(leaf, "during", None) is not None:
                parts.append(binding.zone)
    return tuple(parts)


def make_watch(
    binding: Binding,
    site: SiteState,
    deadlines: Deadlines,
    tell: tuple[Callable[[Transition], None], Callable[[Watch, Level, datetime], None]],
    at: datetime,
) -> Watch:
    """Compile a rule for an asset; its points, windows and silences are made or found in `site`.

    Args:
        binding: The rule and the asset.
        site: Where points are.
        deadlines: Where its holds run.
        tell: Whom to tell a transition, and that a hold has run out.
        at: The moment from which new points are awaited.
    """
    emit, ran_out = tell
    rule = binding.rule
    scope = _AssetScope(binding, site, at)
    watch: Watch

    def make_rung(spec: LevelSpec) -> Rung:
        def fire(_due: datetime, seen: datetime) -> None:
            ran_out(watch, spec.level, seen)

        clear = compile_condition(spec.clear.when, scope) if spec.clear and spec.clear.when is not None else None
        timer = Timer(Rank.HOLD, f"{scope.owner}|{spec.level.name}", fire)
        return Rung(
            spec.level,
            (compile_condition(spec.when, scope), spec.hold or _ZERO),
            (clear, (spec.clear.hold if spec.clear else None) or _ZERO),
            rule.no_data,
            (timer, deadlines),
            latch=rule.latch is True,
        )

    rungs = [make_rung(spec) for spec in rule.levels]
    off = holds_off(binding)
    unless: Compiled | None = compile_condition(off, scope) if off is not None else None
    watch = Watch(rule.id, binding.asset.id, rungs, unless, rule.no_data, emit)
    watch.windows = tuple(scope.windows)
    return watch


def _conditions(binding: Binding) -> Iterable[Condition]:
    for rung in binding.rule.levels:
        yield rung.when
        if rung.clear is not None and rung.clear.when is not None:
            yield rung.clear.when
    off = holds_off(binding)
    if off is not None:
        yield off


def holds_off(binding: Binding) -> Condition | None:
    """What keeps alarms from opening: `unless`, and any time outside the rule's calendar."""
    rule = binding.rule
    outside = NotOf.model_validate({"not": {"time": rule.calendar}}) if rule.calendar is not None else None
    if rule.unless is None or outside is None:
        return rule.unless or outside
    return AnyOf.model_validate({"any": (rule.unless, outside)})


def compile_questions(binding: Binding, condition: Condition, site: SiteState, at: datetime) -> list[Compiled]:
    """Each question of a condition by itself; what it looks at is in `site`, where the rule's watch has put it."""
    scope = _AssetScope(binding, site, at)
    found = [compile_condition(leaf, scope) for leaf, _ in leaves(condition)]
    # of one that follows others its own number: theirs come by themselves
    return [one._replace(observe=one.observe[:1]) if one.followers else one for one in found]


class _AssetScope:
    """Finds an asset's points by name (see `conditions.Scope`)."""

    def __init__(self, binding: Binding, site: SiteState, at: datetime) -> None:
        self.owner = f"{binding.rule.id}|{binding.asset.id}"
        self.zone = binding.zone
        self.witness = site.witness
        self.windows: list[tuple[str, str]] = []
        self._binding = binding
        self._site = site
        self._at = at
        self._devices = {device.id: device for device in binding.devices}

    def point(self, name: str, quality: str | None = None) -> PointState:
        strict = (quality or self._binding.rule.quality) == "good"
        decl = self._binding.points[name]
        if decl.formula:
            derived = self._site.declare_derived(decl, self._binding.known, self._at, strict=strict)
            self.windows += derived.windows
            return derived.point
        device = self._site.declare_device(self._devices[decl.device], self._at)
        return self._site.declare_point(decl, device, self._at, strict=strict)

    def has(self, name: str) -> bool:
        return name in self._binding.points

    def sources(self) -> Iterable[tuple[PointState | DeviceState, timedelta]]:
        for decl in self._binding.devices:
            yield self._site.declare_device(decl, self._at), decl.alive_within
        for name, point in self._binding.points.items():
            if point.fresh_for is not None and not point.formula:
                yield self.point(name, "suspect"), point.fresh_for

    def keeper(self, point: PointState, key: str, make: Callable[[str], K]) -> K:
        found = point.windows.get(key)
        if found is None:
            found = make(key)
            point.windows[key] = found
            if isinstance(found, Aging):
                self._site.let_age(point, key, found)
        self.windows.append((point.decl.id, key))
        return cast("K", found)  # the key names its kind

    def follower(self, key: str, inner: Compiled, make: Callable[[], F]) -> F:
        return self._site.declare_follower(f"{self.owner}|{key}", inner, make)

    def calendar(self, spec: CalendarSpec) -> CalendarState:
        return self._site.declare_calendar(Calendar(spec, self._binding.zone), self._at)

    def silence(self, source: PointState | DeviceState, after: timedelta) -> SilenceState:
        return self._site.declare_silence(source, after, self._at)
