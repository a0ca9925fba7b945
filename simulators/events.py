"""What may be scripted of simulated devices: to which kinds it can happen, and what its value means."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(enum.StrEnum):
    """What a device simulates."""

    LIFT = "lift"
    PUMP_ROOM = "pump_room"
    LEAK = "leak"
    MODBUS_DEVICE = "modbus_device"
    MQTT_DEVICE = "mqtt_device"


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What may be scripted: for which devices, and what its value means."""

    kinds: frozenset[Kind]
    #: Taken when the script names none.
    default: float | str = 1.0
    low: float = 1.0
    high: float = 1.0
    #: The value is one of these words instead of a number.
    words: frozenset[str] = frozenset()


_LIFT = frozenset({Kind.LIFT})
_WATER = frozenset({Kind.PUMP_ROOM})
MODBUS = _WATER | {Kind.MODBUS_DEVICE}
_MQTT = frozenset({Kind.LIFT, Kind.LEAK, Kind.MQTT_DEVICE})
_PROFILED = frozenset({Kind.MODBUS_DEVICE, Kind.MQTT_DEVICE})
MODES = frozenset({"normal", "inspection", "stopped", "fire", "earthquake", "emergency_power"})
CLEAR = "clear"
EVENTS: Mapping[str, EventSpec] = {
    "safety_chain_open": EventSpec(_LIFT),
    "stop_outside_zone": EventSpec(_LIFT),
    "door_flap": EventSpec(_LIFT),
    "mode": EventSpec(_LIFT, "inspection", words=MODES),
    "rope_wear": EventSpec(_LIFT, 89.5, 50.0, 105.0),  # % of the nominal diameter
    "machine_room_heat": EventSpec(_LIFT, 48.0, -40.0, 90.0),  # °C
    "level_drift": EventSpec(_LIFT, 25.0, -200.0, 200.0),  # mm
    "motor_heat": EventSpec(_LIFT | _WATER, 120.0, -40.0, 250.0),  # °C
    "burst": EventSpec(_WATER, 6.5, 0.1, 100.0),  # cm² of hole in the main
    "slow_leak": EventSpec(_WATER, 0.3, 0.01, 5.0),  # cm²
    "low_pressure": EventSpec(_WATER, 0.11, 0.0, 0.6),  # MPa, a wrong set-point
    "high_pressure": EventSpec(_WATER, 0.65, 0.0, 2.0),  # MPa of the city main, bypass open
    "tank_drain": EventSpec(_WATER, 5.0, 0.0, 100.0),  # % that remains
    "pump_fault": EventSpec(_WATER, 1.0, 1.0, 2.0),  # which pump
    "valve_close": EventSpec(_WATER, 20.0, 1.0, 100.0),  # % open
    "mains_lost": EventSpec(_WATER),
    "sensor_open": EventSpec(_WATER),  # the motor 2 sensor's sentinel
    "leak": EventSpec(_WATER | frozenset({Kind.LEAK})),
    "sensor_silent": EventSpec(frozenset(Kind)),
    # what may go wrong on a Modbus line
    "reply_delay": EventSpec(MODBUS, 2.0, 0.0, 60.0),  # s
    "reply_late": EventSpec(MODBUS),
    "reply_wrong_unit": EventSpec(MODBUS),
    "reply_cut": EventSpec(MODBUS),
    "reply_exception": EventSpec(MODBUS, 4.0, 1.0, 255.0),  # exception code
    "reply_garbage": EventSpec(MODBUS),
    "reply_noise": EventSpec(MODBUS),
    "reply_crc": EventSpec(MODBUS),  # of RTU frames
    "reply_duplicate": EventSpec(MODBUS),
    "reply_flood": EventSpec(MODBUS, 20.0, 1.0, 1000.0),  # copies of each answer
    # what may go wrong with messages over MQTT
    "message_garbage": EventSpec(_MQTT),
    "message_late": EventSpec(_MQTT, 5.0, 0.1, 3600.0),  # s
    "message_duplicate": EventSpec(_MQTT),
    "message_reorder": EventSpec(_MQTT),
    "message_flood": EventSpec(_MQTT, 50.0, 1.0, 1000.0),  # copies of each message
    "clock_step": EventSpec(_MQTT, 3600.0, -1e9, 1e9),  # s by which the device's clock is ahead
    # what may go wrong with any connection
    "line_disconnect": EventSpec(_PROFILED | _MQTT),
    "line_half_open": EventSpec(_PROFILED | _MQTT),
}
