"""The dictionary of the project, to be read first: every word that crosses a room's border is defined here.

    Observation ─┐
    Tick         │                     ┌─ Transition ─> Disposition ─> WorkOrder
    Command      ├─ Input ─> engine ───┤
    TicketUpdate │                     └─ (nothing, most of the time)
    Complaint    │
    Reload ──────┘

Every moment (`at`, `*_at`) is an aware UTC datetime of whole milliseconds; every span is a timedelta.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from daemon.complaint import Complaint

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: A number in the point's unit, or a label of a state or code point.
Value = float | str


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 of an aware moment."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000  # a third less than `//` takes


def from_ms(ms: int) -> datetime:
    """The aware UTC moment that lies `ms` milliseconds after 1970."""
    return EPOCH + timedelta(milliseconds=ms)


# --- what stands on the site -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """The same words in Chinese (read first) and in English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Site:
    """项目: one property with one gateway."""

    id: str
    name: Text
    #: IANA name of the zone in which calendars are read.
    timezone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Asset:
    """A lift, a pump room, a water zone: what an order is about."""

    id: str
    #: `lift`, `pump_room`, `water_zone`, …: the measurement in the time series, the target of `applies_to`.
    kind: str
    name: Text
    building: str = ""
    #: Households (户) that notice when it fails.
    households: int = 0
    tags: tuple[str, ...] = ()


class PointKind(enum.StrEnum):
    """How a point's values are to be read."""

    GAUGE = "gauge"
    COUNTER = "counter"
    STATE = "state"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Device:
    """What speaks for an asset over one source; alive while anything arrives from it."""

    id: str
    asset: str
    source: str
    #: Silent for longer than this, the device counts as gone.
    alive_within: timedelta


@dataclass(frozen=True, slots=True)
class Point:
    """One measured quantity of an asset. Declared, so that a sensor which never spoke is missed."""

    #: `<asset>.<name>`
    id: str
    asset: str
    device: str
    name: str
    #: `MPa`, `°C`, `mm`, `%`, `m/s`, …; empty for a state or code.
    unit: str = ""
    kind: PointKind = PointKind.GAUGE
    #: Plausible range in the unit, ends included; outside it a reading is bad.
    low: float | None = None
    high: float | None = None
    #: The time between readings that the device promises.
    interval: timedelta | None = None
    #: It speaks only when it changes, and holds its state while its device is alive.
    on_change: bool = False
    #: A reading of it is committed at once instead of waiting for others.
    urgent: bool = False
    #: It is computed from other points by this (see `rules.formula`), and no device speaks it; `device` is empty then.
    formula: str = ""
    #: Of a counter: where it begins again at zero, in the unit; 65536 for one of 16 bits. None: not known.
    rollover: float | None = None

    @property
    def fresh_for(self) -> timedelta | None:
        """How long its latest value may be relied on; None: as long as its device is alive."""
        return None if self.on_change or self.interval is None else 3 * self.interval


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything declared on the site."""

    site: Site
    assets: tuple[Asset, ...]
    devices: tuple[Device, ...]
    points: tuple[Point, ...]


# --- what arrives ------------------------------------------------------------------------------------------


class Quality(enum.StrEnum):
    """Bad never reaches a value rule; suspect counts unless the rule asks for good."""

    GOOD = "good"
    SUSPECT = "suspect"
    BAD = "bad"


class Reason(enum.StrEnum):
    """Why a reading is not good, or why something that arrived is no reading at all."""

    NONE = ""
    OUT_OF_RANGE = "out_of_range"
    SENTINEL = "sentinel"
    NOT_A_NUMBER = "not_a_number"
    CLOCK_SKEW = "clock_skew"
    LATE = "late"
    STUCK = "stuck"
    SPIKE = "spike"
    LOOP_FAULT = "loop_fault"
    # rejections
    UNPARSABLE = "unparsable"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_CODE = "unknown_code"
    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_DEVICE = "unknown_device"
    TOO_LARGE = "too_large"
    TOO_FAST = "too_fast"
    ILLEGAL_ADDRESS = "illegal_address"
    OVERFLOW = "overflow"
    POISON = "poison"
    REFUSED = "refused"
    NO_BIRTH = "no_birth"
    # of a computed value
    INPUT = "input"


class Reading(NamedTuple):
    """One value of one point. Built some ten thousand times a second, hence a NamedTuple."""

    point: str
    at: datetime
    value: Value
    received_at: datetime
    quality: Quality = Quality.GOOD
    reason: Reason = Reason.NONE


class Rejection(NamedTuple):
    """Something that arrived and is no reading: kept in the bounded quarantine, counted by reason."""

    #: `mqtt:<source>:<topic>#<json path>` or `modbus:<source>:<unit>:<address>`
    place: str
    reason: Reason
    detail: str
    #: What the wire said, cut at 4 KiB.
    payload: bytes = b""


class Observation(NamedTuple):
    """The readings of one message or one register block: applied together, before any rule steps."""

    #: Site time of receipt; every reading's `received_at`.
    at: datetime
    #: Device id, empty when the sender is unknown.
    device: str
    readings: tuple[Reading, ...]
    rejections: tuple[Rejection, ...] = ()
    #: The device's last will, or itself, said that it is gone: it no longer counts as alive from here on.
    gone: bool = False
    #: The broker had kept the message: it tells what was said last, and not that anybody speaks now.
    retained: bool = False
    #: Values of derived points that follow from the readings: added by the spine, for the time series alone.
    computed: tuple[Reading, ...] = ()


class Tick(NamedTuple):
    """Time went on."""

    at: datetime


class Command(NamedTuple):
    """A person's wish, by control socket or console."""

    at: datetime
    name: str
    #: What it is about, e.g. an alarm number.
    target: str
    user: str
    reason: str
    #: Of what is wished for a time only: its end.
    until: datetime | None = None


class TicketUpdate(NamedTuple):
    """The ticketing service says that an order's state has changed, or what a person did besides."""

    at: datetime
    key: str
    status: OrderStatus
    by: str = ""
    note: str = ""
    #: When it changed, as the service tells.
    changed_at: datetime | None = None
    #: What was done (`planned`, `calmed` …), empty for a mere remark: the status is as it was. None: it has changed.
    stamp: str | None = None
    #: The team that the order goes to from now on; empty: as before, or the service knows no teams.
    team: str = ""


class Reload(NamedTuple):
    """From here on the rules and points of this stored ruleset hold."""

    at: datetime
    rules_hash: str


Input = Observation | Tick | Command | TicketUpdate | Complaint | Reload


class Taken(NamedTuple):
    """Broker deliveries contained in one emit, remembered so that a redelivery is not counted twice."""

    source: str
    #: Random name of the broker session in which the packet ids hold.
    session: str
    #: (packet id, hash of topic and payload)
    packets: tuple[tuple[int, int], ...]


class Emit(Protocol):
    """The one way in."""

    def __call__(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> Awaitable[None]:
        """Return when the inputs are durable and the rules have seen them.

        May be called from the event loop only; several calls may wait at once and commit together, in call order.
        `urgent` commits at once instead of gathering more. Raises what ended the writer, if it has ended:
        never catch that.
        """
        ...


# --- what is concluded -------------------------------------------------------------------------------------


class Level(enum.IntEnum):
    """Ⅰ 紧急, Ⅱ 一般, Ⅲ 建议. A smaller number is more urgent."""

    I = 1  # noqa: E741  the response mechanism's own name
    II = 2
    III = 3


class AlarmState(enum.StrEnum):
    """One stretch in which a rule held for an asset (after ISA-18.2 and OPC UA Part 9)."""

    NORMAL = "normal"
    PENDING = "pending"
    ACTIVE = "active"
    CLEARING = "clearing"
    CLEARED = "cleared"


class DataState(enum.StrEnum):
    """Whether the readings an alarm stands on are there; beside the state, never instead of it."""

    GOOD = "good"
    UNKNOWN = "unknown"


class Cause(enum.StrEnum):
    """Why a transition happened."""

    CONDITION_MET = "condition_met"
    CONDITION_HELD = "condition_held"
    CONDITION_LAPSED = "condition_lapsed"
    LEVEL_RAISED = "level_raised"
    LEVEL_LOWERED = "level_lowered"
    RELAPSED = "relapsed"
    RECOVERED = "recovered"
    #: It has ended, and stays open until a person resets it; it has come back before anybody did; somebody has.
    LATCHED = "latched"
    RETRIPPED = "retripped"
    RESET = "reset"
    DATA_LOST = "data_lost"
    DATA_BACK = "data_back"
    #: An alarm that opened on late news is borne out by readings in time.
    CONFIRMED = "confirmed"
    SUPPRESSED = "suppressed"
    RULE_REMOVED = "rule_removed"
    RULE_CHANGED = "rule_changed"
    RULE_FAULTED = "rule_faulted"
    #: The alarm that it was a child of has ended, and it has not.
    RELEASED = "released"
    #: What kept its order back has run out or was lifted, and it is still there.
    MUTE_ENDED = "mute_ended"


class Observed(NamedTuple):
    """One number a decision stood on, frozen when it was taken."""

    point: str
    value: Value | None
    unit: str
    at: datetime | None
    quality: Quality
    #: The limit in force, in words: `below 0.10 MPa`.
    limit: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an alarm, with its cause and the numbers it stood on."""

    rule: str
    asset: str
    #: State before and after; both `active` when only the level or the data flag changed.
    before: AlarmState
    after: AlarmState
    level: Level
    data: DataState
    cause: Cause
    #: The moment it became so: a reading's `at`, or the deadline that ran out.
    at: datetime
    #: Site time of the input that revealed it.
    seen_at: datetime
    observed: tuple[Observed, ...] = ()
    #: For a fault in the rule itself: what went wrong.
    detail: str = ""
    #: It stands on state points' news that came late, and nothing in time has borne it out yet.
    late: bool = False


class Disposition(enum.StrEnum):
    """What became of an active alarm: exactly one of these."""

    OWN_ORDER = "own_order"
    CHILD = "child"
    WITHHELD_SHADOW = "withheld_shadow"
    WITHHELD_LATE = "withheld_late"
    WITHHELD_SHELVED = "withheld_shelved"
    WITHHELD_CAP = "withheld_cap"
    WITHHELD_MAINTENANCE = "withheld_maintenance"

    @property
    def withheld(self) -> bool:
        """Whether there is no order, neither its own nor a parent's."""
        return self not in {Disposition.OWN_ORDER, Disposition.CHILD}


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as the ledger holds it: from its activation on."""

    #: Unique within the ledger, never used again.
    no: int
    rule: str
    asset: str
    state: AlarmState
    level: Level
    data: DataState
    disposition: Disposition
    active_at: datetime
    cleared_at: datetime | None = None
    order_key: str | None = None
    acknowledged_by: str | None = None
    #: Of a child: the alarm on whose order it stands.
    parent: int | None = None
    #: When its disposition is decided anew, if nothing happens before.
    held_until: datetime | None = None


class OrderStatus(enum.StrEnum):
    """Where a work order stands, as far as the gateway knows."""

    PENDING = "pending"
    SENT = "sent"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    #: A person says so; the order is `verifying` from then on.
    DONE = "done"
    VERIFYING = "verifying"
    #: The sensor, or a person, has found the repair good.
    VERIFIED = "verified"
    #: The repair did not hold: second handling.
    REOPENED = "reopened"
    #: A person found a false alarm.
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """预投诉工单: our intent; the remote record is a ticket."""

    #: `site|asset|rule|ledger-id|alarm-no`: the idempotency key.
    key: str
    alarm_no: int
    site: str
    building: str
    asset: str
    asset_name: Text
    asset_kind: str
    rule: str
    rules_hash: str
    level: Level
    #: 设施 / 服务 / 安全: `facility`, `service`, `safety`.
    category: str
    #: `incident` (an entrapment and its like), `instrument` (a sensor or a rule) and `root_cause` (why it comes again)
    #: are counted apart from a `pre_complaint`.
    type: str
    title: Text
    #: Why it fired: the condition, the numbers, the limits and the hold.
    explanation: Text
    cause: Text
    consequence: Text
    steps: tuple[Text, ...]
    basis: str
    households: int
    active_at: datetime
    created_at: datetime
    #: created_at plus the level's response time.
    respond_by: datetime
    observed: tuple[Observed, ...]
    #: What the mechanism goes by: `trading`, `equipment` or `outside`, and a procedure's id; empty when neither.
    impact: str
    procedure: str
    #: To sort by, greater first, and how that number came about.
    priority: int
    arithmetic: Text
    #: Keys of the orders of the same rule and asset before it, the newest first.
    previous: tuple[str, ...]
    #: State found after an outage: `state since …, seen late`.
    late: bool = False
    notes: tuple[str, ...] = field(default=())


class OutboxAction(enum.StrEnum):
    """What a delivery asks of the ticketing service."""

    CREATE = "create"
    UPDATE = "update"
    RECOVER = "recover"
    #: A note like an update, with a picture.
    CHART = "chart"


# --- what goes wrong, named for what the caller does next --------------------------------------------------


class PrecomplaintError(Exception):
    """Any error of our own."""


class SourceDown(PrecomplaintError):
    """A source's peer is out of reach: back off and start the source again.

    `was_up` says that it had been reached before it was lost: that is news, however soon after the last loss.
    """

    def __init__(self, message: str, *, was_up: bool = False) -> None:
        super().__init__(message)
        self.was_up = was_up


class Retry(PrecomplaintError):
    """A sink's peer cannot take it now: keep it and come back, not before `after` when given.

    `ambiguous` says that the peer may have acted on it all the same (a time-out after sending).
    """

    def __init__(self, message: str, *, after: timedelta | None = None, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.ambiguous = ambiguous


class Reject(PrecomplaintError):
    """A sink's peer will never take it: park it and tell a person."""


class BadPayload(PrecomplaintError):
    """What arrived cannot be decoded: quarantine it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ConfigError(PrecomplaintError):
    """One or more faults in configuration, each `file:line:column: what is wrong; what to do`."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
