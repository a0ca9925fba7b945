"""A message that is more than the fields of one device: records, history, devices told by the payload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Protocol

from daemon.model import BadPayload, Observation, Quality, Reason
from daemon.sensors.extract import kind_of
from daemon.sensors.plans import Plan
from daemon.sensors.quality import EARLIEST, GOOD, Timing, of_time
from daemon.sensors.routes import Shape

_NAMED_STRANGERS = 5


class Applies(Protocol):
    """What the decoder does for us."""

    def apply(
        self,
        plan: Plan,
        root: object,
        topic: str,
        payload: bytes,
        received_at: datetime,
        timing: Timing,
    ) -> Observation:
        """Read a plan's fields."""
        ...

    def reject(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime,
        reason: Reason,
        detail: str,
        *,
        device: str = "",
    ) -> Observation:
        """The whole message is no reading."""
        ...


class Message:
    """One message that is more than the fields of one device."""

    def __init__(
        self,
        decoder: Applies,
        topic: str,
        payload: bytes,
        received_at: datetime,
        retained: bool,  # noqa: FBT001  handed on as it came
    ) -> None:
        self._decoder = decoder
        self._topic, self._payload = topic, payload
        self._at, self._retained = received_at, retained
        #: Devices told by the payload that no profile so far has known, with the names of the parts.
        self._strangers: dict[tuple[str, ...], tuple[str, ...]] | None = None
        self._does_not_count = False

    def take(self, plan: Plan, record: object, root: object = None) -> Iterator[Observation]:
        """What a record (or the whole message) says: first the past, then the present."""
        if plan.past is not None:
            yield from self._past(plan, record)
        timed = root if plan.time_of_message else record
        timing = timing_of(plan, timed, self._at, self._retained)
        found = self._decoder.apply(plan, record, self._topic, self._payload, self._at, timing)
        if found.readings or found.rejections or not plan.keyed:
            yield found

    def take_shape(self, shape: Shape, root: object) -> list[Observation]:
        """What it says to the devices of one profile."""
        shared = bool(shape.parts) or any(plan.keyed for plans in shape.plans.values() for plan in plans)
        if (shape.when is not None and not shape.when(root)) or (shape.again is not None and shape.again(root)):
            self._does_not_count = True
            return [] if shared else [Observation(self._at, device, ()) for device in shape.devices]
        if shape.needs is not None and not shape.needs(root):
            devices = ("",) if shared else shape.devices
            return [self._reject(Reason.WRONG_TYPE, shape.lacks, device) for device in devices]
        if shape.walk is None:
            return [seen for plan in shape.plans[()] for seen in self.take(plan, root)]
        found: list[Observation] = []
        strangers: dict[tuple[str, ...], tuple[str, ...]] = {}
        try:
            for address, record in shape.walk(root):
                plans = shape.plans.get(address)
                if plans is None:
                    strangers[address] = shape.parts
                for plan in plans or ():
                    found += self.take(plan, record, root)
        except BadPayload as fault:
            found.append(self._reject(fault.reason, fault.detail, shape.devices[0] if len(shape.devices) == 1 else ""))
        if self._strangers is not None:  # somebody else's to one profile may be well known to another
            strangers = {address: parts for address, parts in self._strangers.items() if address in strangers}
        self._strangers = strangers
        if not found and not shared:  # an empty array of its one device
            return [Observation(self._at, device, ()) for device in shape.devices]
        return sorted(found, key=_moment)  # devices send backlogs newest first too

    def leftovers(self, root: object, *, nothing: bool) -> list[Observation]:
        """What of the message is of no declared device; `nothing`: all of it."""
        if self._strangers:
            return [self._reject(Reason.UNKNOWN_DEVICE, _whose(self._strangers))]
        if nothing and not self._does_not_count:
            what = f"nothing in it is of a declared device: the payload is {kind_of(root)}"
            return [self._reject(Reason.UNKNOWN_DEVICE, what)]
        return []

    def _past(self, plan: Plan, record: object) -> list[Observation]:
        past = plan.past
        assert past is not None  # noqa: S101  the caller has looked
        found: list[Observation] = []
        latest = self._at + plan.clock_skew
        then = Plan(plan.device, past.groups, past.timestamp, plan.late_after, plan.clock_skew, judge=plan.judge)
        try:
            for earlier in past.walk(record):
                at = past.timestamp(earlier)
                if at is None or not EARLIEST <= at <= latest:
                    detail = "a historical record without a time that can be right; it is not taken for one of now"
                    found.append(self._reject(Reason.CLOCK_SKEW, detail, plan.device))
                    continue
                timing = of_time(at, self._at, plan.late_after, plan.clock_skew)
                found.append(self._decoder.apply(then, earlier, self._topic, self._payload, self._at, timing))
        except BadPayload as fault:
            found.append(self._reject(fault.reason, fault.detail, plan.device))
        return sorted(found, key=_moment)

    def _reject(self, reason: Reason, detail: str, device: str = "") -> Observation:
        return self._decoder.reject(self._topic, self._payload, self._at, reason, detail, device=device)


def _moment(observation: Observation) -> datetime:
    return observation.readings[0].at if observation.readings else observation.at


def _whose(strangers: Mapping[tuple[str, ...], tuple[str, ...]]) -> str:
    told = [
        ", ".join(f"{name} {value[:64]!r}" for name, value in zip(parts, address, strict=True))
        for address, parts in islice(strangers.items(), _NAMED_STRANGERS)
    ]
    more = f" and {len(strangers) - _NAMED_STRANGERS} more" if len(strangers) > _NAMED_STRANGERS else ""
    return f"no device has {'; '.join(told)}{more} in its address; add it to the assets"


def timing_of(plan: Plan, root: object, received_at: datetime, retained: bool) -> Timing:  # noqa: FBT001  hot path
    """When the readings of a message or record count as taken."""
    if plan.timestamp is not None:
        source_at = plan.timestamp(root)
        if source_at is not None or not plan.time_optional:
            return of_time(source_at, received_at, plan.late_after, plan.clock_skew)
    if retained:  # it may be of any age, and does not say
        return Timing(received_at, Quality.SUSPECT, Reason.LATE)
    return Timing(received_at, *GOOD)
