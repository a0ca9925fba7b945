from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daemon.documents import build, parse
from daemon.model import Observation
from daemon.probe.fitting import find_fits
from daemon.probe.hearing import Hearing
from daemon.probe.known import shipped_profiles
from daemon.probe.messages import Message, decode_message
from daemon.probe.payload_skeleton import name_topic, write_skeleton
from daemon.sensors.profile import Profile
from tests import sparkplug
from tests.decoding import NOW, NOW_MS, SHANGHAI

PROFILES = [profile for profile in shipped_profiles().values() if profile.mqtt is not None]
FILES = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(Path("tests/samples").glob("*.yaml"))]
#: The first message of each shipped profile that tells something, and has all of its address in it.
MESSAGES = {
    file["profile"]: Message(
        message["topic"],
        message["payload"].encode() if "payload" in message else orjson.dumps(message["json"]),
        datetime(2026, 11, 21, 2, 10, 6, tzinfo=UTC),
    )
    for file in FILES
    for message in file["samples"][0].get("messages", [])[:1]
    if "sparkplug" not in message
}


def message(payload: object, topic: str = "tanks/gw1/data", *, seconds: float = 0) -> Message:
    text = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    return Message(topic, text, NOW + timedelta(seconds=seconds))


def sketch(*messages: Message) -> tuple[Profile, list[Observation]]:
    """The profile that is printed, and what it makes of the last message."""
    profile = build(Profile, parse(write_skeleton(messages, SHANGHAI), "skeleton.yaml"))
    return profile, list(decode_message(profile, messages[-1], {}, SHANGHAI).observations)


def values(observations: list[Observation]) -> list[dict[str, Any]]:
    assert not [r.detail for seen in observations for r in seen.rejections]
    return [{r.point.partition(".")[2]: r.value for r in seen.readings} for seen in observations]


def test_several_tanks_in_one_message() -> None:
    """Records with a serial number, a time of the message without a zone, numbers as texts."""
    sent = {"time": "2026/11/21 16:00:00", "tanks": [{"sn": "A7", "level": "18.5"}, {"sn": "B2", "level": "-1"}]}
    profile, seen = sketch(message(sent))

    assert profile.mqtt is not None
    assert profile.mqtt.topics == ("tanks/{tank}/data",)
    assert profile.address_parts == ("tank", "sn")
    assert values(seen) == [{"level": 18.5}, {"level": -1.0}]
    assert {r.at for one in seen for r in one.readings} == {NOW}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"temp": 21.5, "door": "open", "on": True}, [{"temp": 21.5, "door": "open", "on": "yes"}]),
        ({"data": {"a": {"v": 1}, "b": {"v": 2}}}, [{"v": 1.0, "b_v": 2.0}]),
        ({"a.b": 1, "Lift A": 2, "{x}": 3, "$": 4}, [{"a_b": 1.0, "lift_a": 2.0}]),
        ({"液位": 3, "压力": 4}, [{"value": 3.0, "value_2": 4.0}]),
        ({"list": [{"v": 1}, {"v": 2}]}, [{"v": 1.0, "list_1_v": 2.0}]),
        ([{"ts": NOW_MS, "v": 1}, {"ts": NOW_MS + 1000, "v": 2}], [{"v": 1.0}, {"v": 2.0}]),
        ({"Pump 1": [{"ts": NOW_MS, "values": {"p": 0.3}}]}, [{"p": 0.3}]),
        ({"codes": [4, 7], "empty": [], "none": None, "n": 1}, [{"n": 1.0}]),
        ({"devEUI": "24e1", "battery_q": 3, "time": "soon"}, [{"battery_q_value": 3.0, "time_value": "soon"}]),
        (b"23.5", [{"value": 23.5}]),
        (b"true", [{"value": "yes"}]),
        (b"ON", [{"value": "ON"}]),
    ],
)
def test_what_devices_send_becomes_points(sent: object, expected: list[dict[str, object]]) -> None:
    """Each leaf by its name; what cannot be a point, or not be written as a path, is left out with a reason."""
    assert values(sketch(message(sent))[1]) == expected


@pytest.mark.parametrize(
    ("time", "form", "zone"),
    [
        (NOW_MS // 1000, "unix_s", None),
        (NOW_MS, "unix_ms", None),
        (f"{NOW_MS}.5", "unix_ms", None),
        (NOW_MS * 1000, "unix_us", None),
        ("2026-11-21T08:00:00Z", "iso", None),
        ("2026-11-21 16:00:00", "iso", None),
        ("2026-11-21 08:00:00", "iso", "UTC"),
        ("20261121160000", "%Y%m%d%H%M%S", None),
    ],
)
def test_the_time_of_a_message_is_known_by_its_form(time: object, form: str, zone: str | None) -> None:
    """Ten in every notation; one without a zone that fits the receipt only as UTC is UTC."""
    profile, (seen,) = sketch(message({"ts": time, "n": 1}))

    assert profile.mqtt is not None
    assert profile.mqtt.timestamp is not None
    assert (profile.mqtt.timestamp.format, profile.mqtt.timestamp.zone) == (form, zone)
    assert seen.readings[0].at == NOW


def test_several_messages_tell_the_parts_of_the_topic_and_the_interval() -> None:
    """Levels that differ are parts; spans between messages of a topic give the interval; a time may be missing."""
    sent = [
        message({"t": 20.5, "ts": NOW_MS}, "site/b1/room/a"),
        message({"t": 20.5}, "site/b1/room/b", seconds=5),
        message({"t": 20.6}, "site/b1/room/a", seconds=61),
    ]
    profile, seen = sketch(*sent)

    assert profile.mqtt is not None
    assert profile.mqtt.topics == ("site/b1/room/{device}",)
    assert profile.points["t"].interval == timedelta(minutes=1)
    assert profile.mqtt.timestamp is not None
    assert profile.mqtt.timestamp.optional
    assert values(seen) == [{"t": 20.6}]


@pytest.mark.parametrize(
    ("topics", "pattern"),
    [
        (["lifts/L1/status"], "lifts/{lift}/status"),
        (["lifts/L1/status", "lifts/L2/status"], "lifts/{lift}/status"),
        (["tele/kitchen/SENSOR"], "tele/kitchen/SENSOR"),
        (["a1/b2"], "{device}/{device2}"),
        (["/x{y}/z"], "/{device}/z"),
        (["class/7"], "class/{device}"),
    ],
)
def test_levels_that_look_like_ids_are_parts(topics: list[str], pattern: str) -> None:
    """Named by the level before them when that is a plural."""
    assert name_topic(topics) == pattern


@pytest.mark.parametrize("payload", [b"", b"  ", b"\xff\xfe\x00", b"[]", b"{}", b"null", b'{"a":null}'])
def test_what_holds_no_value_gives_no_profile(payload: bytes) -> None:
    """Nothing is made up."""
    assert write_skeleton([message(payload)], SHANGHAI) == ""


KEYS = st.sampled_from(
    ["ts", "time", "sn", "id", "a.b", "{x}", "$", "values", "list[*]", "yes", "null", "n_q", "n", "é"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | KEYS, inner, max_size=5),
    max_leaves=20,
)
TOPICS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6), min_size=1)


@given(st.lists(JSON, min_size=1, max_size=3), TOPICS)
def test_whatever_comes_the_profile_is_sound_and_reads_it(sent: list[object], levels: list[str]) -> None:
    """Any JSON on any topic: what is printed can be loaded, fits the topic, and takes no message for broken."""
    topic = "/".join(level.replace("+", "").replace("#", "").replace("/", "") for level in levels)
    messages = [message(each, topic, seconds=n) for n, each in enumerate(sent)]
    text = write_skeleton(messages, SHANGHAI)
    if not text or not topic:
        return
    profile = build(Profile, parse(text, "skeleton.yaml"))
    if len(messages) > 1 or profile.mqtt is None or profile.mqtt.records is not None:
        return
    told = decode_message(profile, messages[0], {}, SHANGHAI)

    assert not told.failed
    assert len(told.plain()["silent"]) < len(profile.points)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_shipped_profile_is_the_first_to_fit_its_own_messages(name: str) -> None:
    """By its topic; by its fields where the device's own name has a slash, which no pattern can know."""
    fits = find_fits(MESSAGES[name], PROFILES, SHANGHAI)

    assert name in [fit.profile for fit in fits]
    assert fits[0].by_topic == (name != "zigbee2mqtt-leak")


def test_a_profile_of_another_topic_fits_by_its_fields() -> None:
    """A lift box that was set up to publish elsewhere: its fields give it away, a single likeness does not."""
    sent = MESSAGES["lift-gb24476-json"]
    fits = find_fits(Message("my/own/topic", sent.payload, NOW), PROFILES, SHANGHAI)

    assert "lift-gb24476-json" in [fit.profile for fit in fits]
    assert {(fit.by_topic, fit.rejected) for fit in fits} == {(False, 0)}
    assert find_fits(Message("my/own/topic", b'{"strange": 1}', NOW), PROFILES, SHANGHAI) == []


BIRTH = sparkplug.payload(
    [
        sparkplug.metric("bdSeq", 7, "Int64"),
        sparkplug.metric("Tank.Depth/mm", 1800, "Int32", alias=2),
        sparkplug.metric("Pump 1/Running", True, "Boolean", alias=3),
        sparkplug.metric("State", "ok", "String", alias=4),
        sparkplug.metric("Unset", None, "Float", alias=5),
    ],
    at=NOW_MS,
    seq=1,
)
DATA = sparkplug.payload([sparkplug.metric("", 1700, "Int32", alias=2, typed=False)], at=NOW_MS, seq=2)


def test_a_sparkplug_birth_names_its_metrics() -> None:
    """The profile that is printed reads the birth, and after it the data that name nothing."""
    hearing = Hearing(zone=SHANGHAI, profiles=PROFILES)
    hearing.take(Message("spBv1.0/g/DDATA/n/d", DATA, NOW))
    hearing.take(Message("spBv1.0/g/DBIRTH/n/d", BIRTH, NOW))
    (sketched,) = hearing.report()["skeletons"]
    profile = build(Profile, parse(sketched["profile"], "skeleton.yaml"))
    by_it = Hearing(zone=SHANGHAI, profiles=[], profile=profile)
    born = by_it.take(Message("spBv1.0/g/DBIRTH/n/d", BIRTH, NOW))
    told = by_it.take(Message("spBv1.0/g/DDATA/n/d", DATA, NOW))

    shown = [{row["point"]: row["value"] for row in made.observations[0]["readings"]} for made in (born, told)]
    assert shown == [{"tank_depth_mm": 1800.0, "pump_1_running": "yes", "state": "ok"}, {"tank_depth_mm": 1700.0}]
    assert not by_it.failed


@given(
    st.lists(st.tuples(st.text(max_size=8), st.sampled_from(["Int32", "String", "Boolean"])), max_size=5), st.binary()
)
def test_any_birth_gives_a_sound_profile(names: list[tuple[str, str]], tail: bytes) -> None:
    """Whatever metrics are called, and whatever follows them."""
    metrics = [sparkplug.metric(name, "x" if kind == "String" else 1, kind) for name, kind in names]
    for sent in (sparkplug.payload(metrics), sparkplug.payload(metrics) + tail):
        text = write_skeleton([Message("spBv1.0/g/NBIRTH/n", sent, NOW)], SHANGHAI)
        profile = build(Profile, parse(text, "skeleton.yaml")) if text else None

        assert profile is None or profile.points


@given(st.lists(st.tuples(st.sampled_from(["a/1", "spBv1.0/g/DDATA/n/d", "b"]), st.binary(max_size=40)), max_size=8))
def test_any_bytes_are_heard(sent: list[tuple[str, bytes]]) -> None:
    """Garbage ends up in the report, as what it is."""
    hearing = Hearing(zone=SHANGHAI, profiles=PROFILES)
    for n, (topic, payload) in enumerate(sent):
        hearing.take(message(payload, topic, seconds=n))

    report = orjson.loads(orjson.dumps(hearing.report()))
    assert report["messages"] == len(sent)
    assert {row["topic"] for row in report["topics"]} == {topic for topic, _ in sent}


def test_more_topics_than_anybody_reads_are_counted() -> None:
    """A flood of topics does not grow us."""
    hearing = Hearing(zone=SHANGHAI, profiles=[])
    for n in range(2500):
        hearing.take(message({"n": 1}, f"flood/{n}"))

    assert (len(hearing.topics), hearing.passed_over, hearing.messages) == (2000, 500, 2500)
