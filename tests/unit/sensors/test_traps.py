"""The traps of the field, each by its name: what looks like a reading and is another, or none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daemon.documents import build, parse
from daemon.model import ConfigError, Quality, Reason
from daemon.sensors.codes import load_tables
from daemon.sensors.decoder import Decoder
from daemon.sensors.profile import PointLimits, Profile, load_profiles, with_tables
from tests.decoding import HEAD, NOW, NOW_MS, decoder, faults, hear, readings, values

SHIPPED = Path(__file__).parents[3] / "config" / "profiles"
PROFILES = load_profiles(SHIPPED.glob("*.yaml"))
TABLES = load_tables(SHIPPED.glob("codes/*.yaml"))

OTHER = """
mqtt: {topics: ["elevators/{lift}/info"], when: {path: type, is: info}}
points: {in_zone: {kind: state, json: {path: data.inposition, map: {0: "yes", 1: "no"}}}}
"""


def shipped(model: str, /, **address: str) -> Decoder:
    return decoder(("D", PROFILES[model], address))


def coded(table: str, field: str = "path: fault") -> Decoder:
    text = f"{HEAD}mqtt: {{topics: [a]}}\npoints: {{f: {{kind: code, json: {{{field}, codes: {table}}}}}}}"
    document = parse(text, "p.yaml")
    return decoder(("D", with_tables(build(Profile, document), document, TABLES), {}))


@pytest.mark.parametrize(
    ("table", "label"),
    [("gb24476-2017", "unintended_movement"), ("retrofit-box", "moved_open"), ("four-digit", None)],
)
def test_one_code_is_another_event_in_each_encoding(table: str, label: str | None) -> None:
    """5 is a car that moves by itself, a door open while it moves off, or no code at all: by the table alone."""
    found = hear(coded(table), "a", {"fault": 5})

    assert values(found) == [{"D.f": label} if label else {}]
    assert [reason for _, reason, _ in faults(found)] == ([] if label else ["unknown_code"])


@pytest.mark.parametrize("name", TABLES)
def test_each_code_of_each_table_is_read(name: str) -> None:
    """As a text, and as a number that has lost its leading zeros; nothing at all is `none`."""
    by, table = coded(name), TABLES[name]

    for code, label in table.labels.items():
        assert values(hear(by, "a", {"fault": code})) == [{"D.f": label}]
        assert values(hear(by, "a", {"fault": int(code)})) == [{"D.f": label}]
        assert values(hear(by, "a", {"fault": [int(code)]})) == [{"D.f": label}]
    assert values(hear(by, "a", {"fault": []})) == [{"D.f": "none"}]
    assert len(set(table.labels.values())) == len(table.labels)


def test_no_code_table_is_taken_by_accident() -> None:
    """There is no default: a field without a table keeps the bare number, a wrong name is told with the right ones."""
    with pytest.raises(ConfigError) as caught:
        coded("gb24476")

    known = "four-digit, gb24476-2017, retrofit-box"
    assert f"p.yaml:6:46: no code table is named 'gb24476'; known: {known}" in caught.value.faults
    with pytest.raises(ConfigError, match="'stop_outsid' is no label of the code table"):
        coded("gb24476-2017", "path: fault, contains: stop_outsid")


def test_polarity_differs_by_vendor() -> None:
    """0 is "not at a landing" to one maker and "at a landing" to another: each profile writes it down."""
    by = decoder(
        ("A", PROFILES["lift-gb24476-json"], {"lift": "a"}),
        ("B", OTHER, {"lift": "b"}),
    )
    message = {"type": "info", "data": {"inposition": 0}}

    assert values(hear(by, "elevators/a/info", message)) == [{"A.in_zone": "no"}]
    assert values(hear(by, "elevators/b/info", message)) == [{"B.in_zone": "yes"}]


def test_one_device_may_have_the_other_polarity_or_table() -> None:
    """`assets.yaml` turns a map round, or names another table, for this very box; what does not fit is told."""
    model = PROFILES["lift-gb24476-json"]
    own = {"in_zone": {"map": {"0": "yes", "1": "no"}}, "fault": {"codes": "retrofit-box"}}
    by = decoder(("D", model.limited({k: PointLimits.model_validate(v) for k, v in own.items()}), {"lift": "L1"}))

    (found,) = values(hear(by, "elevators/L1/info", {"type": "info", "data": {"inposition": 0, "fault": [1]}}))

    assert (found["D.in_zone"], found["D.fault"], found["D.safety_chain"]) == ("yes", "overtravel_top", "open")


@pytest.mark.parametrize(
    ("point", "own", "fault"),
    [
        ("fault", {"codes": "gb24476"}, "no code table is named 'gb24476'; known: four-digit, gb24476-2017"),
        ("alarm_button", {"codes": "retrofit-box"}, "'alarm_button' is no label of the code table"),
        ("fault", {"map": {"0": "fine"}}, "a field has a code table, or map and labels"),
        ("floor", {"map": {"0": "ground"}}, "a gauge point has numbers"),
    ],
)
def test_a_devices_own_words_must_fit_its_point(point: str, own: dict[str, object], fault: str) -> None:
    """A table that cannot give the label asked for would say "no" for ever."""
    with pytest.raises(ValueError, match=fault):
        PROFILES["lift-gb24476-json"].limited({point: PointLimits.model_validate(own)})


def test_a_registers_own_polarity() -> None:
    """A relay module wired the other way round."""
    turned = PROFILES["lift-box-modbus"].limited({"door": PointLimits(map={"0": "open", "1": "closed"})})

    field = turned.points["door"].register_field
    assert field is not None
    assert (field.bit, field.map) == (11, {0: "open", 1: "closed"})
    with pytest.raises(ValueError, match="code tables are for JSON"):
        turned.limited({"door": PointLimits(codes="retrofit-box")})


def test_mode_and_fault_of_one_message_come_together() -> None:
    """Inspection and the fault it causes are one observation: the rules see both before they judge either."""
    by = shipped("lift-gb24476-json", lift="L1")

    (found,) = values(hear(by, "elevators/L1/info", {"type": "info", "data": {"fault": [1], "reparing": 1}}))

    assert (found["D.mode"], found["D.safety_chain"]) == ("inspection", "open")


def test_chirpstack_without_a_codec_is_told() -> None:
    """No `object`: the message says why nothing was read, instead of a device that is alive and mute."""
    by = shipped("chirpstack-em500-pp", device="24e1")

    (fault,) = faults(hear(by, "application/1/device/24e1/event/up", {"time": "2026-11-21T08:00:00Z", "data": "AXVk"}))

    assert fault[:2] == ("D", "wrong_type")
    assert fault[2].startswith("object is not there")


def test_the_things_stack_omits_zeros() -> None:
    """A depth that is not there is 0 beside the battery, and nothing in a reply to a setting or of a failed probe."""
    by = shipped("tts-em500-swl", application="wm@acme", device="t1")
    seen = [
        values(hear(by, "v3/wm@acme/devices/t1/up", {"uplink_message": {"decoded_payload": payload}}))[0].get("D.depth")
        for payload in ({"battery": 98}, {"battery": 98, "depth_error": "collection failed"}, {"report_interval": 600})
    ]

    assert seen == [0.0, None, None]


def test_zigbee2mqtt_names_contain_slashes() -> None:
    """`B1/pump room/leak` is one device's name."""
    by = shipped("zigbee2mqtt-leak", name="B1/pump room/leak")

    assert values(hear(by, "zigbee2mqtt/B1/pump room/leak", {"water_leak": True})) == [{"D.leak": "wet"}]
    assert "zigbee2mqtt/B1/pump room/leak" in by.filters


def test_old_zigbee2mqtt_writes_numbers_as_texts() -> None:
    """`"100.00"` is 100."""
    by = shipped("zigbee2mqtt-leak", name="a")

    assert values(hear(by, "zigbee2mqtt/a", {"battery": "100.00"})) == [{"D.battery": 100.0}]


def test_tasmota_tells_local_time_without_a_zone() -> None:
    """10:20:38 on a box in Shanghai is 02:20:38 UTC."""
    by = shipped("tasmota-temperature", topic="t")
    message = {"Time": "2026-11-21T16:00:00", "DS18B20": {"Temperature": 20.5}, "TempUnit": "C"}

    (reading,) = readings(hear(by, "tele/t/SENSOR", message))

    assert (reading.at, reading.quality) == (NOW, Quality.GOOD)


def test_shelly_sends_partial_overlays() -> None:
    """A notification without power is no power of 0."""
    by = shipped("shelly-gen2-pump", id="s")
    message = {"method": "NotifyStatus", "params": {"ts": NOW_MS / 1000, "switch:0": {"id": 0, "current": 3.4}}}

    assert values(hear(by, "s/events/rpc", message)) == [{"D.current": 3.4}]


def test_shelly_before_ntp_counts_from_its_start() -> None:
    """`ts` 1.61 is no time: the moment of receipt counts, flagged."""
    by = shipped("shelly-gen2-pump", id="s")

    (reading,) = readings(
        hear(by, "s/events/rpc", {"method": "NotifyStatus", "params": {"ts": 1.61, "switch:0": {"apower": 1}}})
    )

    assert (reading.at, reading.quality, reading.reason) == (NOW, Quality.SUSPECT, Reason.CLOCK_SKEW)


def test_dragino_calls_a_broken_wire_zero() -> None:
    """Its codec says 0 kPa for every current up to 4.0 mA: bad, whatever the value."""
    by = shipped("chirpstack-ps-lb-pressure", device="a840")
    seen = []
    for current in (0, 3.6, 4.0, 4.001):
        message = {"time": "2026-11-21T08:00:00Z", "object": {"Water_pressure_kPa": 0, "IDC_intput_mA": current}}
        found = hear(by, "application/1/device/a840/event/up", message)
        seen.append(next(reading.reason for reading in readings(found) if reading.point == "D.pressure"))

    assert seen == [Reason.LOOP_FAULT, Reason.LOOP_FAULT, Reason.LOOP_FAULT, Reason.NONE]


def test_dragino_writes_numbers_as_texts() -> None:
    """`toFixed` makes texts of numbers."""
    by = decoder(("D", "mqtt: {topics: [a]}\npoints: {acc: {json: {path: max_acc_x_g}}}", {}))

    assert values(hear(by, "a", {"max_acc_x_g": "0.018"})) == [{"D.acc": 0.018}]


def test_milesight_fills_back() -> None:
    """History keeps its own times, and is late: it may never open an order."""
    by = shipped("chirpstack-em500-pp", device="24e1")
    then = NOW_MS // 1000 - 1200
    message = {"time": "2026-11-21T08:00:00Z", "object": {"history": [{"timestamp": then, "pressure": 0}]}}

    (reading,) = readings(hear(by, "application/1/device/24e1/event/up", message))

    assert (NOW - reading.at, reading.quality, reading.reason) == (timedelta(minutes=20), Quality.SUSPECT, Reason.LATE)


def test_a_failed_probe_is_no_empty_tank() -> None:
    """Milesight's codec leaves the depth out and says why."""
    by = shipped("chirpstack-em500-swl", device="24e1")
    message = {"time": "2026-11-21T08:00:00Z", "object": {"battery": 98, "depth_error": "collection failed"}}

    (found,) = values(hear(by, "application/1/device/24e1/event/up", message))

    assert found == {"D.probe": "collection failed", "D.battery": 98.0}


def test_chirpstack_may_deliver_an_uplink_twice() -> None:
    """The same `deduplicationId` again is a sign of life and no second reading."""
    by = shipped("chirpstack-em500-pp", device="24e1")
    uplink = {"deduplicationId": "6b1c", "time": "2026-11-21T08:00:00Z", "object": {"pressure": 312}}
    topic = "application/1/device/24e1/event/up"

    seen = [values(hear(by, topic, uplink | {"deduplicationId": name})) for name in ("6b1c", "6b1c", "6b1d")]

    assert seen == [[{"D.pressure": 0.312}], [{}], [{"D.pressure": 0.312}]]


def test_a_tasmota_set_to_fahrenheit_is_told() -> None:
    """106 is no temperature of a machine room in °C, and 41 °F would have been one."""
    by = shipped("tasmota-temperature", topic="t")
    message = {"Time": "2026-11-21T16:00:00", "DS18B20": {"Temperature": 41.0}, "TempUnit": "F"}

    (fault,) = faults(hear(by, "tele/t/SENSOR", message))

    assert fault[1] == "wrong_type"
    assert fault[2].startswith("TempUnit is none of C")


@pytest.mark.parametrize("said", [85, -127])
def test_a_ds18b20_says_numbers_before_it_has_measured(said: float) -> None:
    """85 before its first conversion, -127 when its wire is off: no hot machine room."""
    by = shipped("tasmota-temperature", topic="t")
    message = {"Time": "2026-11-21T16:00:00", "DS18B20": {"Temperature": said}, "TempUnit": "C"}

    (reading,) = readings(hear(by, "tele/t/SENSOR", message))

    assert (reading.quality, reading.reason) == (Quality.BAD, Reason.SENTINEL)


def test_a_clock_that_is_wrong_moves_no_reading() -> None:
    """Before 2020 or more than five minutes ahead: the moment of receipt counts, flagged."""
    by = shipped("lift-status-json", lift="L1")
    moments = (0, NOW_MS + 301_000, NOW_MS + 299_000)
    found = [readings(hear(by, "lifts/L1/status", {"ts": ts, "data": {"floor": 3}}))[0] for ts in moments]

    assert [(reading.at - NOW, reading.reason) for reading in found] == [
        (timedelta(0), Reason.CLOCK_SKEW),
        (timedelta(0), Reason.CLOCK_SKEW),
        (timedelta(seconds=299), Reason.NONE),
    ]
