"""From a topic to the devices that speak there.

topic ──> Route ──> plans: each message is of one device, and nothing but its fields matters
└──> shapes: text payloads, messages of a kind, records, devices told by the payload
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from daemon.model import ConfigError
from daemon.sensors.judge import compile_judge
from daemon.sensors.messages import MqttPart, Presence
from daemon.sensors.payload import Condition
from daemon.sensors.plans import Plan, Watched, compile_plan
from daemon.sensors.profile import Binding
from daemon.sensors.shapes import Test, Walk, compile_condition, compile_once, compile_records
from daemon.sensors.topics import compile_topic, fill_topic, filter_of, odd_parts

_MOST_FOUND = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How the messages of one profile on one topic are taken apart."""

    text: bool
    when: Test | None
    needs: Test | None
    #: What is said to somebody whose messages lack it.
    lacks: str
    walk: Walk | None
    #: Whether the message has come before.
    again: Test | None
    #: Names of the parts of the address that the payload tells.
    parts: tuple[str, ...]
    #: By the values of these parts.
    plans: dict[tuple[str, ...], list[Plan]] = field(default_factory=dict)

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device it may speak of."""
        return tuple(plan.device for plans in self.plans.values() for plan in plans)


@dataclass(slots=True)
class Route:
    """What to do with the messages of one topic."""

    plans: tuple[Plan, ...] = ()
    #: By profile.
    shapes: dict[str, Shape] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """The one device that can have sent it, or nothing when there are several."""
        found = {plan.device for plan in self.plans} | {d for shape in self.shapes.values() for d in shape.devices}
        return found.pop() if len(found) == 1 else ""


class Routes:
    """All topics of the devices of one broker."""

    def __init__(self, bindings: Sequence[Binding], zone: ZoneInfo, watched: Watched) -> None:
        """Compile the profiles.

        Raises:
            ConfigError: an address lacks a named part of its profile, or has one that no topic can have.
        """
        #: By topic.
        self.known: dict[str, Route] = {}
        self.presence: dict[str, list[tuple[str, Presence]]] = {}
        #: Routes of patterns with + or #, and those found by them on the way; the latter are bounded.
        self._wild: dict[str, tuple[re.Pattern[str], Route]] = {}
        self._found: dict[str, Route] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._zone, self._watched = zone, watched
        filters: dict[str, None] = {}
        faults: list[str] = []
        for binding in bindings:
            part = binding.profile.mqtt
            if part is None:
                faults.append(f"device {binding.device.id}: {binding.profile.profile!r} is no profile for MQTT")
                continue
            if (fault := _fault(binding, part)) is not None:
                faults.append(f"device {binding.device.id}: {fault}")
                continue
            if part.sparkplug is not None:
                continue  # see `sparkplug`
            self._add(binding, part)
            for pattern in part.patterns:
                filters[filter_of(pattern, binding.address)] = None
                self._patterns[pattern] = compile_topic(pattern, {})
        if faults:
            raise ConfigError(faults)
        #: Topic filters to subscribe to, in the order of the devices.
        self.filters = tuple(filters)

    def _add(self, binding: Binding, part: MqttPart) -> None:
        judge = compile_judge(binding)
        for pattern in part.topics:
            plan = compile_plan(binding, pattern, self._zone, self._watched, judge)
            topic = fill_topic(pattern, binding.address)
            if "+" in topic or "#" in topic:
                expression = compile_topic(pattern, binding.address)
                _, route = self._wild.setdefault(expression.pattern, (expression, Route()))
            else:
                route = self.known.setdefault(topic, Route())
            if plan.simple and part.plain:
                route.plans = (*route.plans, plan)
                continue
            shape = route.shapes.setdefault(binding.profile.profile, _shape(part))
            address = tuple(str(binding.address[name]) for name in shape.parts)
            shape.plans.setdefault(address, []).append(plan)
        for presence in part.presences:
            topic = fill_topic(presence.topic, binding.address)
            self.presence.setdefault(topic, []).append((binding.device.id, presence))

    def find(self, topic: str) -> Route | None:
        """The route of a topic that only patterns with + or # know."""
        route = self._found.get(topic)
        if route is None:
            routes = [route for expression, route in self._wild.values() if expression.fullmatch(topic)]
            if not routes:
                return None
            route = _joined(routes)
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[topic] = route
        return route

    def whose(self, topic: str) -> str | None:
        """Whose message it would be, in words, if the device were declared; None: no profile has such a topic."""
        for pattern, expression in self._patterns.items():
            match = expression.fullmatch(topic)
            if match is not None:
                named = ", ".join(f"{name} {value[:64]!r}" for name, value in match.groupdict().items())
                return f"no device has {named} in its address (topic pattern {pattern}); add it to the assets"
        return None


def _fault(binding: Binding, part: MqttPart) -> str | None:
    missing = set(binding.profile.address_parts) - set(binding.address)
    if missing:
        return f"its address lacks {', '.join(sorted(missing))}"
    odd = sorted({name for pattern in part.patterns for name in odd_parts(pattern, binding.address)})
    return f"its address has an empty {odd[0]}, or one with + or #; no topic can have that" if odd else None


def _shape(part: MqttPart) -> Shape:
    return Shape(
        text=part.payload == "text",
        when=compile_condition(part.when) if part.when else None,
        needs=compile_condition(part.needs) if part.needs else None,
        lacks=_lacks(part.needs) if part.needs else "",
        walk=compile_records(part.records) if part.records else None,
        again=compile_once(part.once) if part.once is not None else None,
        parts=part.records.parts if part.records else (),
    )


def _lacks(needs: Condition) -> str:
    wanted = f"{needs.path} is none of {', '.join(needs.one_of)}" if needs.one_of else f"{needs.path} is not there"
    return f"{wanted}; the profile needs it in every message, so look at how the sender or its decoder is set up"


def _joined(routes: Sequence[Route]) -> Route:
    """One route of several; a profile's shape may be known to more than one of them."""
    shapes = {f"{n}:{name}": shape for n, route in enumerate(routes) for name, shape in route.shapes.items()}
    return Route(tuple(plan for route in routes for plan in route.plans), shapes)
