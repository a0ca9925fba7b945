"""Messages that are more than the fields of one device, in the shapes that devices and gateways send."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daemon.model import ConfigError, Observation, Quality, Reason
from tests.decoding import HEAD, NOW, NOW_MS, decoder, faults, hear, profile, readings, values

GATEWAY = """
mqtt:
  topics: [v1/gateway/telemetry]
  records: {path: "{device}[*]"}
  timestamp: {path: ts, format: unix_ms}
points: {temp: {json: {path: values.temp}}}
"""
LISTED = """
mqtt:
  topics: ["gw/{gateway}/data"]
  records: {path: "devices[*]", address: {sn: meta.sn}}
  timestamp: {path: $.time, format: unix_s}
points: {level: {unit: m, json: {path: level}}}
"""


def test_a_gateway_speaks_for_several_devices_by_key() -> None:
    """ThingsBoard's gateway API: keys name the devices, each with its records, the oldest of which comes first."""
    by = decoder(("L1", GATEWAY, {"device": "Lift A"}), ("L2", GATEWAY, {"device": "Lift B"}))

    found = hear(
        by,
        "v1/gateway/telemetry",
        {
            "Lift A": [{"ts": NOW_MS, "values": {"temp": 2}}, {"ts": NOW_MS - 5000, "values": {"temp": 1}}],
            "Lift B": [{"ts": NOW_MS, "values": {"temp": 9}}],
        },
    )

    assert values(found) == [{"L1.temp": 1.0}, {"L1.temp": 2.0}, {"L2.temp": 9.0}]
    assert [reading.at for reading in readings(found)] == [NOW - timedelta(seconds=5), NOW, NOW]
    assert {observation.at for observation in found} == {NOW}


def test_devices_in_a_payload_that_nobody_declared_are_named() -> None:
    """Strangers are told once a message; those that another profile knows are none."""
    other = GATEWAY.replace("temp", "flow")
    by = decoder(
        ("L1", HEAD + GATEWAY, {"device": "Lift A"}),
        ("P1", HEAD.replace(": p", ": q") + other, {"device": "Pump 1"}),
    )

    found = hear(
        by, "v1/gateway/telemetry", {"Lift A": [{"values": {"temp": 2}}], "Pump 1": [], "X": [{"values": {"temp": 2}}]}
    )

    assert values(found) == [{"L1.temp": 2.0}, {}]
    assert faults(found) == [("", "unknown_device", "no device has device 'X' in its address; add it to the assets")]


def test_a_gateway_speaks_for_several_devices_in_a_list() -> None:
    """Records that carry their device's serial number, under one time of the message."""
    by = decoder(
        ("T1", LISTED, {"gateway": "g1", "sn": "0017"}),
        ("T2", LISTED, {"gateway": "g1", "sn": 18}),
        ("T3", LISTED, {"gateway": "g2", "sn": "0017"}),
    )

    found = hear(
        by,
        "gw/g1/data",
        {
            "time": NOW_MS / 1000 - 7,
            "devices": [{"meta": {"sn": "0017"}, "level": 1.5}, {"meta": {"sn": 18}, "level": "1.75"}],
        },
    )

    assert values(found) == [{"T1.level": 1.5}, {"T2.level": 1.75}]
    assert {reading.at for reading in readings(found)} == {NOW - timedelta(seconds=7)}


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ({"devices": {}}, ("", "wrong_type", "devices is an object, an array is expected")),
        ({"devices": [{"level": 1}]}, ("", "unknown_device", "a record has no meta.sn, which tells its device")),
        ({"devices": []}, ("", "unknown_device", "nothing in it is of a declared device: the payload is an object")),
        ([], ("", "wrong_type", "$ is an array, an object is expected")),
        (7, ("", "wrong_type", "$ is 7, an object is expected")),
    ],
)
def test_a_message_of_nobody_is_rejected(payload: object, fault: tuple[str, str, str]) -> None:
    """Records in the wrong shape, without their device, or none at all."""
    by = decoder(("T1", LISTED, {"gateway": "g1", "sn": "a"}), ("T2", LISTED, {"gateway": "g1", "sn": "b"}))

    assert faults(hear(by, "gw/g1/data", payload)) == [fault]


def test_neuron_names_the_device_in_the_key() -> None:
    """EMQX Neuron: `pressure@Pump_1`; a device whose keys are not there is not heard of."""
    flat = "mqtt: {topics: [Neuron/t]}\npoints: {p: {json: {path: 'pressure@{node}'}}}"
    by = decoder(("P1", flat, {"node": "Pump_1"}), ("P2", flat, {"node": "Pump.2"}), ("P3", flat, {"node": "3"}))

    found = hear(by, "Neuron/t", {"pressure@Pump_1": 0.31, "pressure@Pump.2": "0.32"})

    assert [(seen.device, value) for seen, value in zip(found, values(found), strict=True)] == [
        ("P1", {"P1.p": 0.31}),
        ("P2", {"P2.p": 0.32}),
    ]
    assert faults(hear(by, "Neuron/t", {"pressure@Other": 1}))[0][1] == "unknown_device"


def test_an_array_of_one_device_is_its_history() -> None:
    """Each record is an observation of its own, oldest first; an empty array is a sign of life."""
    batch = (
        "mqtt: {topics: [a], records: {path: '[*]'}, timestamp: {path: t, format: unix_s}}\n"
        "points: {x: {json: {path: v}}}"
    )
    by = decoder(("D", batch, {}))

    found = hear(by, "a", [{"t": NOW_MS / 1000, "v": 3}, {"t": NOW_MS / 1000 - 90, "v": 1}])

    assert [(reading.value, reading.reason) for reading in readings(found)] == [(1.0, Reason.LATE), (3.0, Reason.NONE)]
    assert hear(by, "a", []) == [Observation(NOW, "D", ())]


HISTORY = """
mqtt:
  topics: [a]
  history: {path: "past[*]", timestamp: {path: at, format: unix_s}, points: {x: v}}
points: {x: {json: {path: x, scale: 0.001}}, door: {kind: state, urgent: true, json: {path: door}}}
"""


def test_history_comes_before_the_present_and_is_never_of_now() -> None:
    """Back-filled values have their own times; one without a usable time is rejected, not taken for the present one."""
    by = decoder(("D", HISTORY, {}))
    now = NOW_MS / 1000

    found = hear(by, "a", {"x": 300, "past": [{"at": now - 600, "v": 200}, {"v": 0}, {"at": now - 1200, "v": 100}]})

    assert [
        (r.value, (NOW - r.at).total_seconds(), r.reason) for observation in found for r in observation.readings
    ] == [(0.1, 1200.0, Reason.LATE), (0.2, 600.0, Reason.LATE), (0.3, 0.0, Reason.NONE)]
    assert [reason for _, reason, _ in faults(found)] == ["clock_skew"]


@pytest.mark.parametrize(
    ("payload", "value"),
    [(b"true", "yes"), (b" true\n", "yes"), (b"ON", "yes"), (b"0", "no"), (b"", None), (b"\xff", None)],
)
def test_a_text_payload_is_one_value(payload: bytes, value: str | None) -> None:
    """Plain words and numbers, on a topic for each point."""
    plain = """
mqtt: {topics: ["r/{room}/leak", "r/{room}/level"], payload: text}
points:
  leak: {kind: state, json: {path: $, topic: "r/{room}/leak", map: {true: "yes", ON: "yes", 0: "no"}}}
  level: {unit: m, json: {path: $, topic: "r/{room}/level"}}
"""
    by = decoder(("R", plain, {"room": "b1"}))

    assert values(hear(by, "r/b1/level", b"23.4")) == [{"R.level": 23.4}]
    assert values(hear(by, "r/b1/leak", payload)) == [{} if value is None else {"R.leak": value}]


def test_a_scalar_is_json_too() -> None:
    """`true` and `23.4` without anything around them."""
    by = decoder(("R", "mqtt: {topics: [a]}\npoints: {x: {json: {path: $}}}", {}))

    assert values(hear(by, "a", b"23.4")) == [{"R.x": 23.4}]
    assert values(hear(by, "a", b'"23.40"')) == [{"R.x": 23.4}]
    assert faults(hear(by, "a", b"true"))[0][1] == "wrong_type"


ZEROS = """
mqtt: {topics: [a]}
points:
  depth: {json: {path: up.fields.depth, when_absent: 0, scale: 0.01, marker: {path: up.port, is: 2}}}
  wet: {kind: state, json: {path: up.fields.wet, when_absent: false, map: {true: "yes", false: "no"},
        marker: {path: up.fields}}}
"""


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"up": {"port": 2, "fields": {"depth": 180, "wet": True}}}, {"D.depth": 1.8, "D.wet": "yes"}),
        ({"up": {"port": 2, "fields": {}}}, {"D.depth": 0.0, "D.wet": "no"}),
        ({"up": {"port": 2}}, {"D.depth": 0.0}),
        ({"up": {"port": 5, "fields": {}}}, {"D.wet": "no"}),
        ({"up": {}}, {}),
        ({"up": {"port": 2, "fields": {"depth": None, "wet": None}}}, {}),
        ({}, {}),
    ],
)
def test_what_a_sender_omits_is_zero_only_in_messages_that_have_it(
    payload: object, expected: dict[str, object]
) -> None:
    """Absent means zero where the marker says so; in any other message, and for an explicit null, it means nothing."""
    by = decoder(("D", ZEROS, {}))

    assert values(hear(by, "a", payload)) == [expected]


def test_messages_of_another_kind_are_a_sign_of_life() -> None:
    """What the profile says does not count is neither a reading nor a rejection."""
    text = "mqtt: {topics: [a], when: {path: type, is: [info, 7]}}\npoints: {x: {json: {path: x, when_absent: 0}}}"
    by = decoder(("D", text, {}))

    kinds: tuple[object, ...] = ("info", 7, "event", None, {})
    seen = [values(hear(by, "a", {"type": kind, "x": 1})) for kind in kinds]

    assert seen == [[{"D.x": 1.0}], [{"D.x": 1.0}], [{}], [{}], [{}]]
    assert values(hear(by, "a", {"type": "info"})) == [{"D.x": 0.0}]
    assert hear(by, "a", {"type": "event"}) == [Observation(NOW, "D", ())]


def test_what_every_message_needs() -> None:
    """One that lacks it is rejected, with where to look."""
    by = decoder(("D", "mqtt: {topics: [a], needs: {path: unit, is: [C]}}\npoints: {x: {json: {path: x}}}", {}))

    assert values(hear(by, "a", {"unit": "C", "x": 1})) == [{"D.x": 1.0}]
    (fault,) = faults(hear(by, "a", {"unit": "F", "x": 1}))
    assert fault[:2] == ("D", "wrong_type")
    assert fault[2].startswith("unit is none of C; the profile needs it in every message")


def test_membership_may_have_other_words() -> None:
    """Where rules know a state as open and closed."""
    text = "points: {s: {kind: state, json: {path: f, contains: 1, map: {yes: open, no: closed}}}}"
    by = decoder(("D", f"mqtt: {{topics: [a]}}\n{text}", {}))

    assert [values(hear(by, "a", {"f": f})) for f in ([1], [])] == [[{"D.s": "open"}], [{"D.s": "closed"}]]


@pytest.mark.parametrize(
    ("form", "stamp"),
    [
        ("unix_s", 1795248000),
        ("unix_s", 1795248000.0),
        ("unix_s", "1795248000.000"),
        ("unix_ms", "1795248000000"),
        ("unix_ms", 1795248000000.4),
        ("unix_us", 1795248000000000),
        ("unix_us", "1795248000000123"),
        ("iso", "2026-11-21T08:00:00.000123456Z"),
        ("iso", "2026-11-21T16:00:00+0800"),
        ("iso", "20261121T160000"),
        ("iso, zone: Europe/Berlin", "2026-11-21 09:00:00"),
        ("'%Y/%m/%d %H:%M:%S'", "2026/11/21 16:00:00"),
        ("'%Y%m%d%H%M%S'", 20261121160000),
        ("'%d.%m.%Y %H:%M:%S %z'", "21.11.2026 10:00:00 +0200"),
    ],
)
def test_every_way_to_write_a_time(form: str, stamp: object) -> None:
    """Seconds, milliseconds and microseconds, texts with a zone and without, and a maker's own pattern."""
    text = f"mqtt: {{topics: [a], timestamp: {{path: t, format: {form}}}}}\npoints: {{x: {{json: {{path: x}}}}}}"

    (reading,) = readings(hear(decoder(("D", text, {})), "a", {"t": stamp, "x": 1}))

    assert (reading.at, reading.quality) == (NOW, Quality.GOOD)


def test_a_time_may_be_optional() -> None:
    """Where a sender only may tell its time, receipt counts without a flag; a wrong one is still flagged."""
    text = "mqtt: {topics: [a], timestamp: {path: t, format: iso, optional: true}}\npoints: {x: {json: {path: x}}}"
    by = decoder(("D", text, {}))

    quality = [readings(hear(by, "a", payload))[0].reason for payload in ({"x": 1}, {"x": 1, "t": "1970-01-01"})]

    assert quality == [Reason.NONE, Reason.CLOCK_SKEW]
    assert readings(hear(by, "a", {"x": 1}, retained=True))[0].reason == Reason.LATE


def test_names_with_slashes() -> None:
    """A name of several levels is subscribed to as it is; other devices of the model by one level."""
    text = """
mqtt: {topics: ["z/{name}"], presence: {topic: "z/{name}/availability", path: state, online: online, offline: offline}}
points: {x: {json: {path: x}}}
"""
    by = decoder(("A", text, {"name": "b1/pump room/leak"}), ("B", text, {"name": "kitchen"}))

    assert by.filters == (
        "z/b1/pump room/leak",
        "z/b1/pump room/leak/availability",
        "z/+",
        "z/+/availability",
    )
    assert values(hear(by, "z/b1/pump room/leak", {"x": 1})) == [{"A.x": 1.0}]
    for payload in (b"offline", b'{"state":"offline"}'):
        assert hear(by, "z/b1/pump room/leak/availability", payload) == [Observation(NOW, "A", (), gone=True)]
    assert faults(hear(by, "z/kitchen/availability", b'{"state":1}'))[0][1] == "unknown_code"


def test_a_bridge_speaks_for_every_device_behind_it() -> None:
    """One presence topic of many devices, a topic of births, and words that mean nothing."""
    text = """
mqtt:
  topics: ["z/{name}"]
  presence:
    - {topic: z/bridge/state, path: state, online: online, offline: offline, any: ignore}
    - {topic: "z/{name}/join", any: online}
points: {x: {json: {path: x}}}
"""
    by = decoder(("A", text, {"name": "a"}), ("B", text, {"name": "b"}))

    assert [seen.device for seen in hear(by, "z/bridge/state", b'{"state":"offline"}') if seen.gone] == ["A", "B"]
    assert [seen.device for seen in hear(by, "z/bridge/state", b"online")] == ["A", "B"]
    assert hear(by, "z/bridge/state", b"starting") == []
    assert hear(by, "z/b/join", {"devAddr": "01ab23cd"}) == [Observation(NOW, "B", ())]


@pytest.mark.parametrize("name", ["a+", "#", "", "x\0"])
def test_an_address_that_no_topic_can_have_is_refused(name: str) -> None:
    """A + or # in a name would subscribe to others' messages."""
    with pytest.raises(ConfigError, match="no topic can have that"):
        decoder(("A", "mqtt: {topics: ['z/{name}']}\npoints: {x: {json: {path: x}}}", {"name": name}))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "mqtt: {topics: [a], payload: text}\npoints: {x: {json: {path: y}}}",
            "a text payload has one value, at path $",
        ),
        ("mqtt: {topics: [a], payload: text, when: {path: x}}\npoints: {x: {json: {path: $}}}", "need JSON"),
        ("mqtt: {topics: [a]}\npoints: {x: {json: {path: x, topic: b}}}", "none of the profile's topics"),
        ("mqtt: {topics: [a]}\npoints: {x: {json: {path: x, when_absent: 0}}}", "when_absent needs a marker"),
        ("mqtt: {topics: [a]}\npoints: {x: {json: {path: x, marker: {path: y}}}}", "a marker belongs to when_absent"),
        ("mqtt: {topics: [a]}\npoints: {x: {json: {path: $.x}}}", "leave out the `$.`"),
        ("mqtt: {topics: [a], records: {path: data}}\npoints: {x: {json: {path: x}}}", "leads to one place only"),
        ("mqtt: {topics: ['{d}'], records: {path: '{d}'}}\npoints: {x: {json: {path: x}}}", "found in two places"),
        ("mqtt: {topics: [a], timestamp: {path: t, format: soon}}\npoints: {x: {json: {path: x}}}", "is no format"),
        ("mqtt: {topics: [a], presence: {topic: b/+}}\npoints: {x: {json: {path: x}}}", "named parts only"),
        ("mqtt: {topics: [a], presence: {topic: a}}\npoints: {x: {json: {path: x}}}", "it can be one only"),
        (
            HISTORY.replace("{x: v}", "{y: v}"),
            "no point is named 'y'",
        ),
        (
            "mqtt: {topics: [a]}\npoints: {x: {kind: code, json: {path: x, codes: mine}}}",
            "no code table is named 'mine'",
        ),
    ],
)
def test_a_profile_that_cannot_be_meant_says_so(text: str, fault: str) -> None:
    """Contradictions are faults of the file."""
    with pytest.raises(ConfigError) as caught:
        profile(text)

    assert fault in str(caught.value)
