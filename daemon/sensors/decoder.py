"""From an MQTT message to observations.

    topic ──> routes (exact, or by pattern) ──> plan of one device: groups of fields, grouped by what they stand in
    payload ──> JSON ──> time of the message ──> each field's reader ──> readings, rejections ──> Observation

Whatever a device sends comes out as readings, rejections or a sign of life: decoding never raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import orjson

from daemon.model import EPOCH, BadPayload, Observation, Quality, Reading, Reason, Rejection
from daemon.sensors.dissect import Message, timing_of
from daemon.sensors.extract import Get, Read, follow, getter, to_text
from daemon.sensors.messages import Presence
from daemon.sensors.payload import split_path
from daemon.sensors.plans import Plan
from daemon.sensors.profile import Binding
from daemon.sensors.quality import Timing
from daemon.sensors.routes import Route, Routes
from daemon.sensors.sparkplug import Remember, SparkplugNodes

_KEPT_BYTES = 4096
_KEPT_TOPIC = 256
_NAMED_STRANGERS = 5
_MILLISECOND = timedelta(milliseconds=1)


class Decoder:
    """Decodes what one broker sends for the given devices."""

    def __init__(
        self,
        bindings: Sequence[Binding],
        *,
        source: str,
        zone: ZoneInfo,
        births: Mapping[str, str] | None = None,
        remember: Remember | None = None,
    ) -> None:
        """Compile the profiles.

        Args:
            bindings: The devices.
            source: Name of the source.
            zone: For times that name none.
            births: What Sparkplug births said before a restart, as `remember` was told it.
            remember: Told what is to be kept of them.

        Raises:
            ConfigError: an address does not fit its profile, or protobuf is missing for one that needs it.
        """
        self._source = source
        #: True once a point marked urgent has changed; whoever commits sets it back.
        self.urgent = False
        #: The moment given last to a message without a time of its own, by device.
        self._stamped: dict[str, datetime] = {}
        self._routes = Routes(bindings, zone, self._watched)
        self._known = self._routes.known
        self._sparkplug = SparkplugNodes(
            bindings, zone, self._watched, births=births or {}, remember=remember or (lambda *_: None), source=source
        )
        #: Topic filters to subscribe to, in the order of the devices.
        self.filters = (*self._routes.filters, *self._sparkplug.filters)

    def _watched(self, read: Read) -> Read:
        """Wrap the reader of an urgent point: a value other than the last one asks for a commit at once."""
        last: object = None

        def watched(
            get: Get,
            at: datetime,
            quality: Quality,
            reason: Reason,
            received_at: datetime,
        ) -> Reading | None:
            nonlocal last
            reading = read(get, at, quality, reason, received_at)
            if reading is not None and reading[2] != last:
                last = reading[2]
                self.urgent = True
            return reading

        return watched

    def decode(self, topic: str, payload: bytes, received_at: datetime, *, retained: bool = False) -> list[Observation]:
        """Decode one message; an empty list says that it tells nothing.

        That is a retained sign of life, and a message of many devices that the profile says does not count.
        """
        found = self._decode(topic, payload, received_at, retained=retained)
        return [observation._replace(retained=True) for observation in found] if retained else found

    def _decode(self, topic: str, payload: bytes, received_at: datetime, *, retained: bool) -> list[Observation]:
        route = self._known.get(topic)
        if route is None:
            if topic in self._routes.presence:
                return self._there(topic, payload, received_at, retained=retained)
            if self._sparkplug.filters:
                found = self._sparkplug.decode(self, topic, payload, received_at)
                if found is not None:
                    return found
            route = self._routes.find(topic)
            if route is None:
                return [self._strange(topic, payload, received_at)]
        if route.shapes:
            return self._by_shape(route, topic, payload, received_at, retained)
        try:
            root = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            return [self._no_json(route, topic, payload, received_at, error)]
        return [
            self.apply(plan, root, topic, payload, received_at, timing_of(plan, root, received_at, retained))
            for plan in route.plans
        ]

    def apply(
        self,
        plan: Plan,
        root: object,
        topic: str,
        payload: bytes,
        received_at: datetime,
        timing: Timing,
    ) -> Observation:
        """Read the fields of a message or of a record in it."""
        at, quality, reason = timing
        if plan.timestamp is None:
            # Two messages of one device within a millisecond are two moments: a time series would keep the later only.
            at = max(at, self._stamped.get(plan.device, EPOCH) + _MILLISECOND)
            self._stamped[plan.device] = at
        readings: list[Reading] = []
        rejections: list[Rejection] = []
        path = ""
        for group in plan.groups:
            try:
                get = getter(root, group.steps, group.around)
            except BadPayload as fault:
                path = group.fields[0][0]
                rejections.append(self._rejection(topic, payload, fault.reason, fault.detail, path))
                continue
            if get is None:
                continue
            for path, read in group.fields:
                try:
                    reading = read(get, at, quality, reason, received_at)
                except BadPayload as fault:
                    rejections.append(self._rejection(topic, payload, fault.reason, fault.detail, path))
                else:
                    if reading is not None:
                        readings.append(reading)
        if plan.judge is not None:
            readings = plan.judge(readings)
        return Observation(received_at, plan.device, tuple(readings), tuple(rejections))

    def forget_births(self) -> None:
        """The broker has lost our session, and with it what Sparkplug's edge nodes may have told meanwhile."""
        self._sparkplug.forget()

    # --- messages of other shapes -------------------------------------------------------------------------

    def _by_shape(
        self,
        route: Route,
        topic: str,
        payload: bytes,
        received_at: datetime,
        retained: bool,  # noqa: FBT001  handed on as it came
    ) -> list[Observation]:
        root: object = None
        if route.plans or not all(shape.text for shape in route.shapes.values()):
            try:
                root = orjson.loads(payload)
            except orjson.JSONDecodeError as error:
                return [self._no_json(route, topic, payload, received_at, error)]
        message = Message(self, topic, payload, received_at, retained)
        found = [observation for plan in route.plans for observation in message.take(plan, root)]
        for shape in route.shapes.values():
            found += message.take_shape(shape, payload.decode("utf-8", "replace").strip() if shape.text else root)
        return found + message.leftovers(root, nothing=not found)

    def _there(self, topic: str, payload: bytes, received_at: datetime, *, retained: bool) -> list[Observation]:
        found: list[Observation] = []
        for device, presence in self._routes.presence[topic]:
            match _word(presence, payload):
                case "offline":
                    found.append(Observation(received_at, device, (), gone=True))
                case "online":
                    # kept by the broker from who knows when: no sign of life now
                    found += [] if retained else [Observation(received_at, device, ())]
                case None:
                    detail = f"neither {presence.online!r} (online) nor {presence.offline!r} (offline)"
                    found.append(self.reject(topic, payload, received_at, Reason.UNKNOWN_CODE, detail, device=device))
                case _:
                    pass
        return found

    def _strange(self, topic: str, payload: bytes, received_at: datetime) -> Observation:
        detail = self._routes.whose(topic)
        if detail is not None:
            return self.reject(topic, payload, received_at, Reason.UNKNOWN_DEVICE, detail)
        return self.reject(topic, payload, received_at, Reason.UNKNOWN_TOPIC, "no profile in use has such a topic")

    def _no_json(
        self, route: Route, topic: str, payload: bytes, received_at: datetime, error: Exception
    ) -> Observation:
        detail = f"not JSON: {error}"
        return self.reject(topic, payload, received_at, Reason.UNPARSABLE, detail, device=route.device)

    def reject(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime,
        reason: Reason,
        detail: str,
        *,
        device: str = "",
        path: str = "",
    ) -> Observation:
        """The whole message, or what stands at the path, is no reading."""
        return Observation(received_at, device, (), (self._rejection(topic, payload, reason, detail, path),))

    def _rejection(self, topic: str, payload: bytes, reason: Reason, detail: str, path: str) -> Rejection:
        place = f"mqtt:{self._source}:{topic[:_KEPT_TOPIC]}#{path}"
        return Rejection(place, reason, detail, payload[:_KEPT_BYTES])


def _word(presence: Presence, payload: bytes) -> str | None:
    """`online`, `offline`, `ignore`, or None when the profile has no word for it."""
    text = payload.decode("utf-8", "replace").strip()
    if presence.path is not None and text.startswith("{"):
        try:
            found = follow(orjson.loads(payload), split_path(presence.path))
            text = to_text(found)
        except (orjson.JSONDecodeError, BadPayload):
            text = ""
    if text == presence.offline:
        return "offline"
    return "online" if text == presence.online else presence.any
