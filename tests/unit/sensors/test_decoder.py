from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.documents import build, parse
from daemon.model import ConfigError, Device, Observation, Quality, Reading, Reason
from daemon.sensors.decoder import Decoder
from daemon.sensors.profile import Binding, Profile, make_points

NOW = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
NOW_MS = 1795248000000
SHANGHAI = ZoneInfo("Asia/Shanghai")

BOX = """
version: 1
profile: box
title: {zh: 盒, en: Box}
alive_within: 30s
mqtt:
  topics: ["box/{id}/status"]
  presence: {topic: "box/{id}/online"}
  timestamp: {path: ts, format: unix_ms}
points:
  temp: {unit: °C, range: [-30, 80], json: {path: data.temp}}
  scaled: {unit: MPa, range: [0, 2], json: {path: data.raw, scale: 0.001, offset: 0.1, sentinels: [32767]}}
  door: {kind: state, report: on_change, urgent: true, json: {path: data.door, labels: [open, closed]}}
  wet: {kind: state, json: {path: data.wet, map: {true: "yes", 0: "no", false: "no"}}}
  free: {kind: state, json: {path: data.free}}
  fault: {kind: state, json: {path: data.fault, contains: 4}}
  second: {unit: V, json: {path: 'list[1].v'}}
  starts: {kind: counter, json: {path: '["a.b"]'}}
"""


def profile(text: str = BOX, **changes: str) -> Profile:
    for old, new in changes.items():
        text = text.replace(old, new)
    return build(Profile, parse(text, "box.yaml"))


def decoder(found: Profile, addresses: Mapping[str, dict[str, str | int]] | None = None) -> Decoder:
    bindings = []
    for asset, address in (addresses or {"B1": {"id": "B1"}}).items():
        device = Device(id=f"{asset}-dev", asset=asset, source="m", alive_within=timedelta(seconds=30))
        bindings.append(Binding(device, found, address, make_points(found, device)))
    return Decoder(bindings, source="m", zone=SHANGHAI)


def hear(
    payload: object, *, retained: bool = False, topic: str = "box/B1/status", by: Decoder | None = None
) -> Observation:
    raw = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    (found,) = (by or decoder(profile())).decode(topic, raw, NOW, retained=retained)
    return found


def only(observation: Observation) -> Reading:
    assert not observation.rejections
    (reading,) = observation.readings
    return reading


@pytest.mark.parametrize(
    ("data", "value", "quality", "reason"),
    [
        ({"temp": 21.5}, 21.5, "good", ""),
        ({"temp": 21}, 21.0, "good", ""),
        ({"temp": "21.50"}, 21.5, "good", ""),
        ({"temp": 0}, 0.0, "good", ""),
        ({"temp": 80}, 80.0, "good", ""),
        ({"temp": 80.01}, 80.01, "bad", "out_of_range"),
        ({"temp": -31}, -31.0, "bad", "out_of_range"),
        ({"raw": 200}, 0.30000000000000004, "good", ""),
        ({"raw": "200"}, 0.30000000000000004, "good", ""),
        ({"raw": 32767}, 32.867000000000004, "bad", "sentinel"),
        ({"raw": 30000}, 30.1, "bad", "out_of_range"),
        ({"door": "open"}, "open", "good", ""),
        ({"wet": True}, "yes", "good", ""),
        ({"wet": False}, "no", "good", ""),
        ({"wet": 0}, "no", "good", ""),
        ({"free": "anything"}, "anything", "good", ""),
        ({"free": 3}, "3", "good", ""),
        ({"free": 3.0}, "3", "good", ""),
        ({"free": 3.5}, "3.5", "good", ""),
        ({"fault": [1, 4]}, "yes", "good", ""),
        ({"fault": []}, "no", "good", ""),
    ],
)
def test_a_field_becomes_a_reading(data: dict[str, Any], value: float | str, quality: str, reason: str) -> None:
    """Each value is read as its profile says, and judged by what it says of itself."""
    reading = only(hear({"ts": NOW_MS, "data": data}))

    assert (reading.value, reading.quality, reading.reason) == (value, Quality(quality), Reason(reason))
    assert type(reading.value) is type(value)
    assert (reading.at, reading.received_at) == (NOW, NOW)


@pytest.mark.parametrize(
    ("data", "reason", "path", "detail"),
    [
        ({"temp": True}, "wrong_type", "data.temp", "a number is expected, not true"),
        ({"temp": "warm"}, "wrong_type", "data.temp", "a number is expected, not the text 'warm'"),
        ({"temp": "1_0"}, "wrong_type", "data.temp", "a number is expected, not the text '1_0'"),
        ({"temp": [1]}, "wrong_type", "data.temp", "a number is expected, not an array"),
        ({"raw": {}}, "wrong_type", "data.raw", "a number is expected, not an object"),
        ({"door": "ajar"}, "unknown_code", "data.door", "'ajar' is none of ['closed', 'open']"),
        ({"wet": 7}, "unknown_code", "data.wet", "'7' is none of ['0', 'false', 'true']"),
        ({"free": "x" * 65}, "wrong_type", "data.free", "a label has at most 64 characters, not 65"),
        ({"free": ["x"]}, "wrong_type", "data.free", "a label is expected, not an array"),
        ({"fault": 4}, "wrong_type", "data.fault", "an array is expected, not 4"),
    ],
)
def test_a_wrong_field_is_rejected_with_its_place(data: dict[str, Any], reason: str, path: str, detail: str) -> None:
    """A value that cannot be one says where it stood and what was expected; it becomes no reading."""
    found = hear({"ts": NOW_MS, "data": data})

    assert found.readings == ()
    (rejection,) = found.rejections
    assert (rejection.reason, rejection.place, rejection.detail) == (
        Reason(reason),
        f"mqtt:m:box/B1/status#{path}",
        detail,
    )


def test_absent_is_not_zero() -> None:
    """Fields that are missing or null give no reading; the message still says that its device is alive."""
    found = hear({"ts": NOW_MS, "data": {"temp": None}})

    assert found == Observation(NOW, "B1-dev", ())


def test_one_wrong_field_leaves_the_others_alone() -> None:
    """Readings and rejections of one message stand side by side."""
    found = hear({"ts": NOW_MS, "data": {"temp": "x", "door": "open"}, "list": [{}, {"v": 3}], "a.b": 17})

    assert {reading.point: reading.value for reading in found.readings} == {
        "B1.door": "open",
        "B1.second": 3.0,
        "B1.starts": 17.0,
    }
    assert [rejection.place for rejection in found.rejections] == ["mqtt:m:box/B1/status#data.temp"]


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (b"", "unparsable", "not JSON: "),
        (b'{"ts":', "unparsable", "not JSON: "),
        (b"\xff\xfe", "unparsable", "not JSON: "),
        (b"NaN", "unparsable", "not JSON: "),
        (b"[" * 5000, "unparsable", "not JSON: "),
        (b"5", "wrong_type", "$ is 5, an object is expected"),
        (b"null", "wrong_type", "$ is null, an object is expected"),
        (b'{"ts": 0, "data": 5}', "wrong_type", "data is 5, an object is expected"),
        (b'{"data": {}, "list": {}}', "wrong_type", "list is an object, an array is expected"),
    ],
)
def test_a_broken_payload_is_rejected(payload: bytes, reason: str, detail: str) -> None:
    """What is no JSON, or JSON of another shape, is kept with its reason."""
    found = hear(payload)

    assert found.readings == ()
    assert found.device == "B1-dev"
    assert found.rejections[0].reason == Reason(reason)
    assert found.rejections[0].detail.startswith(detail)
    assert found.rejections[0].payload == payload[:4096]


@pytest.mark.parametrize(
    ("stamp", "at", "quality", "reason"),
    [
        (NOW_MS - 1, NOW - timedelta(milliseconds=1), "good", ""),
        (str(NOW_MS), NOW, "good", ""),
        (NOW_MS - 60_000, NOW - timedelta(seconds=60), "good", ""),
        (NOW_MS - 60_001, NOW - timedelta(milliseconds=60_001), "suspect", "late"),
        (NOW_MS + 300_000, NOW + timedelta(minutes=5), "good", ""),
        (NOW_MS + 300_001, NOW, "suspect", "clock_skew"),
        (1610, NOW, "suspect", "clock_skew"),
        (-1, NOW, "suspect", "clock_skew"),
        (10**18, NOW, "suspect", "clock_skew"),
        (1e300, NOW, "suspect", "clock_skew"),
        (None, NOW, "suspect", "clock_skew"),
        ("soon", NOW, "suspect", "clock_skew"),
        ({}, NOW, "suspect", "clock_skew"),
    ],
)
def test_a_message_tells_its_time(stamp: object, at: datetime, quality: str, reason: str) -> None:
    """A time of its own counts unless it cannot be right; one from long ago is late."""
    reading = only(hear({"ts": stamp, "data": {"temp": 1}}))

    assert (reading.at, reading.quality, reading.reason) == (at, Quality(quality), Reason(reason))


@pytest.mark.parametrize(
    ("form", "stamp", "at"),
    [
        ("unix_s", 1795248000.123, NOW + timedelta(milliseconds=123)),
        ("unix_s", 1795248000, NOW),
        ("iso", "2026-11-21T08:00:00.123456Z", NOW + timedelta(milliseconds=123)),
        ("iso", "2026-11-21T16:00:00+08:00", NOW),
        ("iso", "2026-11-21 16:00:00", NOW),
        ("iso, zone: Europe/Berlin", "2026-11-21T09:00:00", NOW),
    ],
)
def test_times_are_written_in_many_ways(form: str, stamp: object, at: datetime) -> None:
    """Seconds, milliseconds and ISO texts are understood; a text without a zone is in the profile's or the site's."""
    by = decoder(profile(unix_ms=form))

    reading = only(hear({"ts": stamp, "data": {"temp": 1}}, by=by))

    assert (reading.at, reading.reason) == (at, Reason.NONE)


def test_a_bad_value_is_bad_even_when_it_is_late() -> None:
    """The value's own fault wins over the time's."""
    reading = only(hear({"ts": NOW_MS - 100_000, "data": {"temp": 999}}))

    assert (reading.quality, reading.reason) == (Quality.BAD, Reason.OUT_OF_RANGE)


def test_retained_is_not_fresh() -> None:
    """A retained message without a time of its own may be of any age: late. With a fresh time it is good."""
    timeless = profile(BOX.replace("  timestamp: {path: ts, format: unix_ms}\n", ""))

    kept = only(hear({"data": {"door": "open"}}, retained=True, by=decoder(timeless)))
    live = only(hear({"data": {"door": "open"}}, by=decoder(timeless)))
    dated = only(hear({"ts": NOW_MS, "data": {"door": "open"}}, retained=True))

    assert (kept.quality, kept.reason, kept.at) == (Quality.SUSPECT, Reason.LATE, NOW)
    assert live.reason == Reason.NONE
    assert dated.reason == Reason.NONE


@pytest.mark.parametrize(
    ("payload", "retained", "expected"),
    [
        (b"true", False, [Observation(NOW, "B1-dev", ())]),
        (b"true", True, []),
        (b"false", False, [Observation(NOW, "B1-dev", (), gone=True)]),
        (b"false", True, [Observation(NOW, "B1-dev", (), gone=True, retained=True)]),
    ],
)
def test_presence_is_a_sign_of_life_or_of_its_end(payload: bytes, retained: bool, expected: list[Observation]) -> None:  # noqa: FBT001
    """`online` counts as heard just now, unless the broker had kept it; `offline` says that the device is gone."""
    assert decoder(profile()).decode("box/B1/online", payload, NOW, retained=retained) == expected


def test_other_presence_is_rejected() -> None:
    """A presence payload that the profile does not name is no sign of anything."""
    found = hear(b"maybe", topic="box/B1/online")

    assert found.rejections[0].reason == Reason.UNKNOWN_CODE


def test_strangers_are_named() -> None:
    """A device nobody declared, and a topic nobody uses, are told apart."""
    device = hear({}, topic="box/B9/status")
    topic = hear({}, topic="something/else")

    assert device.rejections[0].reason == Reason.UNKNOWN_DEVICE
    assert "id 'B9'" in device.rejections[0].detail
    assert topic.rejections[0].reason == Reason.UNKNOWN_TOPIC
    assert (device.device, topic.device) == ("", "")


def test_wild_topics_find_their_device() -> None:
    """Levels that a pattern leaves open match anything; the named ones still say whose message it is."""
    found = profile(BOX.replace("box/{id}/status", "+/{id}/up/#"))
    by = decoder(found, {"B1": {"id": "B1"}, "B2": {"id": 2}})

    assert hear({"ts": NOW_MS}, topic="x/2/up/a/b", by=by).device == "B2-dev"
    assert hear({"ts": NOW_MS}, topic="x/2/up/a/b", by=by).device == "B2-dev"
    assert hear({"ts": NOW_MS}, topic="y/B1/up", by=by).device == "B1-dev"
    assert hear({"ts": NOW_MS}, topic="y/B3/up", by=by).rejections[0].reason == Reason.UNKNOWN_DEVICE
    assert by.filters == ("+/+/up/#", "box/+/online")


def test_only_a_change_of_an_urgent_point_is_urgent() -> None:
    """The first value and every other value ask for a commit at once; a repeated one and other points do not."""
    by = decoder(profile())
    seen = []
    for data in ({"temp": 1}, {"door": "open"}, {"door": "open"}, {"door": "closed"}):
        by.urgent = False
        hear({"ts": NOW_MS, "data": data}, by=by)
        seen.append(by.urgent)

    assert seen == [False, True, False, True]


def test_an_address_must_fill_its_topics() -> None:
    """A device whose address lacks a named part is a fault at start, with its name."""
    with pytest.raises(ConfigError) as caught:
        decoder(profile(), {"B1": {"unit": 1}})

    assert caught.value.faults == ["device B1-dev: its address lacks id"]


KEYS = ["ts", "data", "temp", "raw", "door", "wet", "free", "fault", "list", "v", "a.b"]
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
BY = decoder(profile())


@given(payload=JSON.map(orjson.dumps) | st.binary(max_size=200), retained=st.booleans())
def test_whatever_is_sent_is_accounted_for(payload: bytes, retained: bool) -> None:  # noqa: FBT001
    """Decoding never raises; every message is a reading, a rejection or a sign of life of its device, in UTC and ms."""
    for topic in ("box/B1/status", "box/B1/online", "box/B2/status", "other"):
        for found in BY.decode(topic, payload, NOW, retained=retained):
            assert found.readings or found.rejections or found.device
            for reading in found.readings:
                assert reading.at.tzinfo is UTC
                assert reading.at.microsecond % 1000 == 0
                assert isinstance(reading.value, float | str)
                assert (reading.quality is Quality.GOOD) == (reading.reason is Reason.NONE)
