"""Sparkplug B: births name the metrics, data tell their values by alias, deaths take nodes and devices away.

    spBv1.0/<group>/NBIRTH|NDATA|NDEATH/<node>            the edge node itself
    spBv1.0/<group>/DBIRTH|DDATA|DDEATH/<node>/<device>   a device behind it

    birth ──> names by alias (kept over a restart) ──┐
    data ──> metrics ──> name to value, by moment ───┴──> the plan of the device, as for a JSON object ──> Observation

We only listen: no rebirth is ever asked for. Data whose birth we have not heard are rejected and told; what the last
births said is remembered for as long as the broker keeps our session, since a node that dies meanwhile leaves us its
death there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from daemon.model import BadPayload, Observation, Point, PointKind, Quality, Reading, Reason, Rejection, from_ms
from daemon.sensors.judge import compile_judge
from daemon.sensors.plans import Plan, Watched, compile_plan, metric_names
from daemon.sensors.profile import Binding
from daemon.sensors.quality import EARLIEST, Timing, of_time
from daemon.sensors.sparkplug_births import Births
from daemon.sensors.sparkplug_wire import Payload, check_installed, parse_payload, signed
from daemon.telemetry import counter

log = structlog.get_logger(__name__)

_GAPS = counter("sparkplug_gaps_total", "Times that the sequence numbers of an edge node left some out", "source")
_PREFIX = "spBv1.0"
_NODE_LEVELS, _DEVICE_LEVELS = 4, 5
#: Own names of the protocol, never a point's.
_SEQUENCE = "bdSeq"

_KINDS = frozenset({"NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"})
#: Called with a node's key and what is to be remembered of it: what births said, or nothing any more.
Remember = Callable[[str, str], None]


class Decodes(Protocol):
    """What the decoder does for us."""

    def apply(
        self, plan: Plan, root: object, topic: str, payload: bytes, received_at: datetime, timing: Timing
    ) -> Observation:
        """Read a plan's fields."""
        ...

    def reject(
        self, topic: str, payload: bytes, received_at: datetime, reason: Reason, detail: str, *, device: str = ""
    ) -> Observation:
        """The whole message is no reading."""
        ...


@dataclass(slots=True)
class _Node:
    """One edge node."""

    #: `<group>/<node>`
    key: str
    births: Births = field(default_factory=Births)
    #: By device, "" for the node itself: the plans, and the points by metric for those that are told to be null.
    plans: dict[str, list[tuple[Plan, Mapping[str, list[Point]]]]] = field(default_factory=dict)
    seq: int | None = None
    gap: bool = False


def nodes_of(bindings: Iterable[Binding]) -> set[str]:
    """The keys under which births of these devices' nodes are remembered."""
    return {_key(b) for b in bindings if b.profile.mqtt is not None and b.profile.mqtt.sparkplug is not None}


def _key(binding: Binding) -> str:
    return f"{binding.address['group']}/{binding.address['node']}"


class SparkplugNodes:
    """The edge nodes of one broker."""

    def __init__(
        self,
        bindings: Sequence[Binding],
        zone: ZoneInfo,
        watched: Watched,
        *,
        births: Mapping[str, str],
        remember: Remember,
        source: str,
    ) -> None:
        """Compile the profiles that speak Sparkplug.

        Raises:
            ConfigError: protobuf is not installed.
        """
        self._source = source
        self._remember = remember
        self._nodes: dict[str, _Node] = {}
        for binding in bindings:
            part = binding.profile.mqtt
            if part is None or part.sparkplug is None:
                continue
            check_installed()
            key = _key(binding)
            node = self._nodes.get(key)
            if node is None:
                node = self._nodes[key] = _Node(key, Births.read(births.get(key, "")))
            plan = compile_plan(binding, part.topics[0], zone, watched, compile_judge(binding))
            device = str(binding.address["device"]) if part.sparkplug == "device" else ""
            node.plans.setdefault(device, []).append((replace(plan, timestamp=_told), _by_metric(binding)))
        #: Topic filters to subscribe to: every message of a node counts in its sequence.
        self.filters = tuple(f"{_PREFIX}/{key.replace('/', '/+/', 1)}/#" for key in self._nodes)

    def decode(self, by: Decodes, topic: str, payload: bytes, received_at: datetime) -> list[Observation] | None:
        """The observations of a message of one of our nodes; None: it is none of theirs."""
        levels = topic.split("/")
        if levels[0] != _PREFIX or len(levels) not in (_NODE_LEVELS, _DEVICE_LEVELS):
            return None
        node = self._nodes.get(f"{levels[1]}/{levels[3]}")
        if node is None:
            return None
        kind, device = levels[2], levels[4] if len(levels) == _DEVICE_LEVELS else ""
        if kind not in _KINDS or (kind[0] == "D") is not bool(device):
            return []  # a command of another host
        message = _Message(by, topic, payload, received_at)
        try:
            told = parse_payload(payload)
        except BadPayload as fault:
            return message.rejected(node.plans.get(device, ()), fault.reason, fault.detail)
        return self._heard(node, kind, device, message, told)

    def _heard(self, node: _Node, kind: str, device: str, message: _Message, told: Payload) -> list[Observation]:
        if kind == "NDEATH":
            return self._node_gone(node, message, told)
        self._count(node, told, born=kind == "NBIRTH")
        if kind == "DDEATH":
            return self._device_gone(node, device, message)
        birth = kind.endswith("BIRTH")
        if birth:
            self._born(node, device, told)
        if device and device not in node.plans:
            return _stranger(message, device) if birth else []
        return list(message.read(node, device, told, birth=birth))

    def forget(self) -> None:
        """The broker has lost our session: whatever happened meanwhile, no birth or death of it will be told."""
        for node in self._nodes.values():
            if node.births.types:
                advice = "have the edge node born again"
                log.warning("births_forgotten", source=self._source, node=node.key, advice=advice)
                node.births = Births()
                self._remember(node.key, "")
            node.seq = None

    def _born(self, node: _Node, device: str, told: Payload) -> None:
        before = node.births.text()
        if not device:  # its devices will be born again
            node.births = Births(next((_whole(m.value) for m in told.metrics if m.name == _SEQUENCE), None))
        if not device or device in node.plans:
            node.births.take(device, told.metrics)
        text = node.births.text()
        if text != before:
            self._remember(node.key, text)

    def _node_gone(self, node: _Node, message: _Message, told: Payload) -> list[Observation]:
        session = next((_whole(m.value) for m in told.metrics if m.name == _SEQUENCE), None)
        if node.births.session is not None and session is not None and session != node.births.session:
            log.info("old_death", source=self._source, node=node.key, of=session, alive=node.births.session)
            return []  # the last will of a connection before the one that is alive
        node.births, node.seq = Births(), None
        self._remember(node.key, "")
        return message.gone(one for plans in node.plans.values() for one in plans)

    def _device_gone(self, node: _Node, device: str, message: _Message) -> list[Observation]:
        node.births.forget(device)
        self._remember(node.key, node.births.text())
        return message.gone(node.plans.get(device, ()))

    def _count(self, node: _Node, told: Payload, *, born: bool) -> None:
        """See whether messages are missing: their values are unknown until they change again."""
        if told.seq is None:
            return
        expected = None if node.seq is None or born else (node.seq + 1) % 256
        gap = expected is not None and told.seq != expected
        if gap:
            _GAPS.labels(self._source).inc()
        if gap and not node.gap:
            advice = "messages were lost; have the edge node born again if a state matters"
            log.warning(
                "sparkplug_gap", source=self._source, node=node.key, expected=expected, seq=told.seq, advice=advice
            )
        node.seq, node.gap = told.seq, gap


class _Message:
    """One message on its way to the plans of a device."""

    def __init__(self, by: Decodes, topic: str, payload: bytes, received_at: datetime) -> None:
        self._by, self._topic, self._payload, self._at = by, topic, payload, received_at

    def rejected(self, plans: Sequence[tuple[Plan, object]], reason: Reason, detail: str) -> list[Observation]:
        device = plans[0][0].device if len(plans) == 1 else ""
        return [self._by.reject(self._topic, self._payload, self._at, reason, detail, device=device)]

    def gone(self, plans: Iterable[tuple[Plan, object]]) -> list[Observation]:
        return [Observation(self._at, plan.device, (), gone=True) for plan, _ in plans]

    def read(self, node: _Node, device: str, told: Payload, *, birth: bool) -> Iterator[Observation]:
        plans = node.plans.get(device, [])
        types = node.births.types.get(device)
        if types is None:
            if plans:
                detail = "its birth has not been heard, so its metrics have no names; have the edge node born again"
                yield from self.rejected(plans, Reason.NO_BIRTH, detail)
            return
        aliases = node.births.aliases.get(device, {})
        unknown: list[int] = []
        roots: dict[tuple[int | None, bool], dict[str, object]] = {}
        nulls: dict[str, int | None] = {}
        for metric in told.metrics:
            name, datatype = metric.name, metric.datatype
            if not name and metric.alias is not None:
                name, datatype = aliases.get(metric.alias, ("", 0))
            if not name:
                unknown.append(metric.alias or 0)
                continue
            # what a birth tells holds at the birth, however long ago it was measured
            moment = told.at if birth and not metric.historical else metric.at if metric.at is not None else told.at
            if metric.null:
                nulls[name] = moment
            else:
                value = signed(metric.value, datatype or types.get(name, 0))
                roots.setdefault((moment, metric.historical), {})[name] = value
        for plan, by_metric in plans:
            yield self._observe(plan, by_metric, roots, nulls, unknown)

    def _observe(
        self,
        plan: Plan,
        by_metric: Mapping[str, list[Point]],
        roots: Mapping[tuple[int | None, bool], dict[str, object]],
        nulls: Mapping[str, int | None],
        unknown: Sequence[int],
    ) -> Observation:
        readings: list[Reading] = []
        rejections: list[Rejection] = []
        for (ms, historical), root in sorted(roots.items(), key=lambda found: found[0][0] or 0):
            timing = _timing(plan, ms, self._at, historical=historical)
            if timing is None:
                detail = "a historical metric without a time that can be right; it is not taken for one of now"
                rejections += self._reject(Reason.CLOCK_SKEW, detail)
                continue
            seen = self._by.apply(plan, root, self._topic, self._payload, self._at, timing)
            readings += seen.readings
            rejections += seen.rejections
        for name, ms in nulls.items():
            at = of_time(_told(ms), self._at, plan.late_after, plan.clock_skew).at
            readings += [_null(point, at, self._at) for point in by_metric.get(name, ())]
        if unknown:
            told = ", ".join(map(str, unknown[:5]))
            rejections += self._reject(Reason.NO_BIRTH, f"no birth has named alias {told}")
        return Observation(self._at, plan.device, tuple(readings), tuple(rejections))

    def _reject(self, reason: Reason, detail: str) -> tuple[Rejection, ...]:
        return self._by.reject(self._topic, self._payload, self._at, reason, detail).rejections


def _stranger(message: _Message, device: str) -> list[Observation]:
    return message.rejected((), Reason.UNKNOWN_DEVICE, f"no device has device {device[:64]!r} in its address; add it")


def _told(ms: object) -> datetime | None:
    return from_ms(ms) if type(ms) is int else None


def _timing(plan: Plan, ms: int | None, received_at: datetime, *, historical: bool) -> Timing | None:
    """When metrics count as taken; None: they are history, and do not say of when."""
    at = _told(ms)
    if not historical:
        return of_time(at, received_at, plan.late_after, plan.clock_skew)
    if at is None or not EARLIEST <= at <= received_at + plan.clock_skew:
        return None
    return Timing(at, Quality.SUSPECT, Reason.LATE)


def _null(point: Point, at: datetime, received_at: datetime) -> Reading:
    """The node says that it has no value: a state is no longer known."""
    value = "null" if point.kind in (PointKind.STATE, PointKind.CODE) else float("nan")
    return Reading(point.id, at, value, received_at, Quality.BAD, Reason.NOT_A_NUMBER)


def _by_metric(binding: Binding) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for name, metric in metric_names(binding).items():
        found.setdefault(metric, []).append(binding.points[name])
    return found


def _whole(value: object) -> int | None:
    return value if type(value) is int else None
