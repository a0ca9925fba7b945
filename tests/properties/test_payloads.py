"""Whatever arrives on a device's topic is readings, rejections or a sign of life; decoding never raises."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.documents import read
from daemon.model import Observation, Quality, Reason
from daemon.sensors.decoder import Decoder
from daemon.sensors.profile import load_profiles
from tests.decoding import NOW, decoder
from tests.sparkplug import sample_payload

ROOT = Path(__file__).parents[2]
PROFILES = load_profiles((ROOT / "config/profiles").glob("*.yaml"))
GATEWAY = """
mqtt:
  topics: [v1/gateway/telemetry]
  records: {path: "{device}[*]"}
  timestamp: {path: ts, format: unix_ms}
points: {temp: {json: {path: values.temp}}, door: {kind: state, urgent: true, json: {path: values.door}}}
"""
LISTED = """
mqtt:
  topics: ["gw/data"]
  when: {path: kind, is: data}
  records: {path: "devices[*]", address: {sn: meta.sn}}
  timestamp: {path: $.time, format: "%Y-%m-%d %H:%M:%S"}
  history: {path: "past[*]", timestamp: {path: t, format: unix_us}, points: {level: l}}
points: {level: {unit: m, json: {path: level}}, "no": {json: {path: "n@{sn}", when_absent: 0, marker: {path: level}}}}
"""


def _files() -> list[dict[str, Any]]:
    return [read(path).data for path in sorted((ROOT / "tests/samples").glob("*.yaml"))]


def _seeds() -> tuple[Decoder, list[tuple[str, bytes]]]:
    """A decoder of every shipped profile and of two gateways, and messages that it reads."""
    devices: list[Any] = [
        ("G1", GATEWAY, {"device": "Lift A"}),
        ("G2", GATEWAY, {"device": "Lift B"}),
        ("S1", LISTED, {"sn": "17"}),
    ]
    lift = {"ts": 1795248000000, "values": {"temp": "2.5", "door": "open"}}
    listed = {"meta": {"sn": 17}, "level": 1.5, "n@17": 2, "past": [{"t": 1795248000000000, "l": 1}]}
    seeds = [
        ("v1/gateway/telemetry", orjson.dumps({"Lift A": [lift], "Lift B": [lift], "Lift C": []})),
        ("gw/data", orjson.dumps({"kind": "data", "time": "2026-11-21 16:00:00", "devices": [listed]})),
    ]
    for file in _files():
        if PROFILES[file["profile"]].mqtt is None:
            continue
        devices.append((file["profile"], PROFILES[file["profile"]], file["address"]))
        messages = (message for sample in file["samples"] for message in sample["messages"])
        seeds.extend((message["topic"], sample_payload(message)) for message in messages)
    return decoder(*devices), seeds


BY, SEEDS = _seeds()
ODD: list[Any] = [
    None, True, False, 0, -1, 2**63, 2**64 - 1, 1e308, -1e-320, "", "0", "NaN", "inf", "-1e999", "1_0", "x" * 300, "\0",
    "\uffff", "2026-13-41T25:61:61", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", [], {}, [[[[]]]], [None],
    [{}], {"": None},
]  # fmt: skip


def _graft(root: Any, choose: random.Random) -> Any:  # noqa: ANN401  JSON is any
    """Put something odd in the place of one node, chosen on the way down."""
    if choose.random() < 0.15 or not isinstance(root, dict | list) or not root:
        return choose.choice(ODD)
    if isinstance(root, list):
        n = choose.randrange(len(root))
        return [_graft(item, choose) if i == n else item for i, item in enumerate(root)] * choose.choice((1, 1, 1, 3))
    key = choose.choice(list(root))
    match choose.randrange(8):
        case 0:
            return {k: v for k, v in root.items() if k != key}
        case 1:
            return {(f"{k}x" if k == key else k): v for k, v in root.items()}
        case _:
            return {k: _graft(v, choose) if k == key else v for k, v in root.items()}


def _damage(payload: bytes, choose: random.Random) -> bytes:
    """Flip, drop, double or insert a few bytes."""
    data = bytearray(payload)
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(len(data) + 1)
        match choose.randrange(4):
            case 0:
                data[at : at + 1] = bytes([choose.randrange(256)])
            case 1:
                del data[at : at + choose.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + choose.randint(1, 20)]
            case _:
                data[at:at] = choose.choice((b"[" * 50, b"{", b'"', b",", b"\xff", b"\0", b"1e999", b"null", b"-"))
    return bytes(data)


def _mutated(choose: random.Random) -> tuple[str, bytes]:
    topic, payload = choose.choice(SEEDS)
    if choose.random() < 0.1:
        topic = choose.choice(SEEDS)[0]
    try:
        root = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return topic, _damage(payload, choose)
    for _ in range(choose.randint(1, 3)):
        root = _graft(root, choose)
    payload = orjson.dumps(root)
    return topic, _damage(payload, choose) if choose.random() < 0.4 else payload


def check(topic: str, payload: bytes, *, retained: bool) -> list[Observation]:
    """Decode, and look at what comes of it."""
    found = BY.decode(topic, payload, NOW, retained=retained)
    presence = topic in BY._routes.presence
    others = topic == "gw/data" or topic.startswith("spBv1.0/")  # some of their messages are of nobody here
    assert found or (retained and presence) or others
    for seen in found:
        assert seen.at == NOW
        assert seen.readings or seen.rejections or seen.device
        assert not seen.gone or presence or "DEATH" in topic
        for reading in seen.readings:
            assert reading.at.tzinfo is UTC
            assert reading.at.microsecond % 1000 == 0
            assert reading.at <= NOW + timedelta(hours=1)
            assert isinstance(reading.value, float | str)
            assert (reading.quality is Quality.GOOD) == (reading.reason is Reason.NONE)
        for rejection in seen.rejections:
            assert rejection.detail
            assert len(rejection.detail) < 2000
    return found


def _many(count: int, seed: int, note: Callable[[list[Observation]], None]) -> None:
    choose = random.Random(seed)
    for _ in range(count):
        topic, payload = _mutated(choose)
        note(check(topic, payload, retained=choose.random() < 0.1))


def test_what_is_sent_as_it_should_be_is_read() -> None:
    """The seeds are good ones: most of them give readings."""
    found = [check(topic, payload, retained=False) for topic, payload in SEEDS]

    assert sum(any(seen.readings for seen in one) for one in found) > len(found) / 2


@given(choose=st.randoms(use_true_random=False), retained=st.booleans())
def test_damaged_messages_are_accounted_for(choose: random.Random, retained: bool) -> None:  # noqa: FBT001
    """A node replaced, a key lost, bytes flipped: never an exception, always an account."""
    topic, payload = _mutated(choose)

    check(topic, payload, retained=retained)


@pytest.mark.slow
def test_a_hundred_thousand_damaged_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """The same, 100 000 times; readings and rejections both come of it."""
    counts = {"readings": 0, "rejections": 0}

    def note(found: list[Observation]) -> None:
        counts["readings"] += sum(len(seen.readings) for seen in found)
        counts["rejections"] += sum(len(seen.rejections) for seen in found)

    _many(100_000, 20261121, note)
    with capsys.disabled():
        print("\n100 000 damaged messages:", counts)  # noqa: T201  the count is what it is run for

    assert counts["readings"] > 10_000
    assert counts["rejections"] > 10_000
