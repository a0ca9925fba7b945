"""Sparkplug B: births, data by alias, deaths, and what is missing in between."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.model import ConfigError, Device, Observation, Quality, Reason, from_ms
from daemon.sensors.decoder import Decoder
from daemon.sensors.profile import Binding, make_points
from tests.decoding import NOW, NOW_MS, faults, profile, readings, values
from tests.sparkplug import metric, payload, piece, whole

NODE = """
mqtt: {sparkplug: node}
points:
  cpu: {unit: "%", json: {path: CPU}}
"""
DEVICE = """
mqtt: {sparkplug: device}
points:
  depth: {unit: mm, range: [-50, 5000], json: {path: '["Tank.Depth"]'}}
  state: {kind: state, report: on_change, json: {path: State, labels: [ok, dirty]}}
  total: {kind: counter, json: {path: Total}}
"""


class Site:
    """An edge node `n` of group `g` with the device `d`, as one gateway hears it."""

    def __init__(self, births: dict[str, str] | None = None) -> None:
        self.kept = dict(births or {})
        bindings = []
        for name, text in (("node", NODE), ("dev", DEVICE)):
            found = profile(text)
            address = {"group": "g", "node": "n"} | ({"device": "d"} if name == "dev" else {})
            device = Device(name, name, "m", timedelta(hours=1))
            bindings.append(Binding(device, found, address, make_points(found, device)))
        self.by = Decoder(bindings, source="m", zone=ZoneInfo("UTC"), births=self.kept, remember=self.kept.__setitem__)

    def hear(self, kind: str, *metrics: bytes, seq: int | None = None, at: int | None = NOW_MS) -> list[Observation]:
        topic = f"spBv1.0/g/{kind}/n" + ("/d" if kind[0] == "D" else "")
        return self.by.decode(topic, payload(metrics, at=at, seq=seq), NOW)

    def born(self, session: int = 7) -> None:
        self.hear("NBIRTH", metric("bdSeq", session, "Int64"), metric("CPU", 10.0, alias=1), seq=0)
        self.hear(
            "DBIRTH",
            metric("Tank.Depth", 1800, "Int32", alias=2),
            metric("State", "ok", "String", alias=3),
            metric("Total", 5, "UInt32", alias=4),
            seq=1,
        )


@pytest.fixture
def site() -> Site:
    found = Site()
    found.born()
    return found


def test_one_filter_takes_in_a_whole_node() -> None:
    """Every message of a node counts in its sequence; nobody else's is subscribed to."""
    assert Site().by.filters == ("spBv1.0/g/+/n/#",)


def test_a_birth_tells_the_values_of_the_moment() -> None:
    """However long ago each was measured: the birth says that it holds."""
    old = metric("Tank.Depth", 1800, "Int32", alias=2, at=NOW_MS - 3_600_000)

    (depth,) = readings(Site().hear("DBIRTH", old, seq=1, at=NOW_MS - 1000))

    assert (depth.point, depth.value, depth.at, depth.quality) == ("dev.depth", 1800, from_ms(NOW_MS - 1000), "good")


def test_data_name_their_metrics_by_alias(site: Site) -> None:
    """With the type that the birth told: -3 travels as 4294967293. Each metric has its own moment."""
    found = site.hear(
        "DDATA",
        metric(value=-3, kind="Int32", alias=2, typed=False, at=NOW_MS - 500),
        metric(value="dirty", kind="String", alias=3, typed=False),
        seq=2,
    )

    assert values(found) == [{"dev.depth": -3, "dev.state": "dirty"}]
    assert [reading.at for reading in found[0].readings] == [from_ms(NOW_MS - 500), NOW]


def test_an_edge_nodes_own_metrics(site: Site) -> None:
    """NDATA is of the node, and says nothing of its devices."""
    assert values(site.hear("NDATA", metric(value=42.5, alias=1), seq=2)) == [{"node.cpu": 42.5}]


def test_data_before_birth_are_rejected_and_told() -> None:
    """Without names nothing can be read; the device is alive all the same."""
    (found,) = Site().hear("DDATA", metric(value=1, kind="Int32", alias=2), seq=9)

    assert (found.device, found.readings) == ("dev", ())
    assert faults([found])[0][1:] == (
        "no_birth",
        "its birth has not been heard, so its metrics have no names; have the edge node born again",
    )


def test_an_alias_that_no_birth_named_is_told(site: Site) -> None:
    """The rest of the message is read."""
    (found,) = site.hear("DDATA", metric(value=1, kind="Int32", alias=99), metric(value=6, kind="UInt32", alias=4))

    assert [(r.point, r.value) for r in found.readings] == [("dev.total", 6)]
    assert [(r.reason, r.detail) for r in found.rejections] == [(Reason.NO_BIRTH, "no birth has named alias 99")]


def test_null_is_no_value(site: Site) -> None:
    """Neither zero nor what was known before: bad, so that a state is no longer known."""
    found = readings(
        site.hear("DDATA", metric(value=None, kind="Int32", alias=2), metric(value=None, kind="String", alias=3))
    )

    assert [(r.point, r.quality, r.reason) for r in found] == [
        ("dev.depth", Quality.BAD, Reason.NOT_A_NUMBER),
        ("dev.state", Quality.BAD, Reason.NOT_A_NUMBER),
    ]


def test_history_is_late_however_young(site: Site) -> None:
    """What was stored and forwarded opens nothing; without a time of its own it is of no use at all."""
    second = metric(value=9, kind="Int32", alias=2, at=NOW_MS - 1000, historical=True)
    now = metric(value=7, kind="Int32", alias=2)
    timeless = metric(value=8, kind="UInt32", alias=4, historical=True)

    (found,) = site.hear("DDATA", second, now, timeless, at=None)

    assert [(r.value, r.reason) for r in found.readings] == [(7, Reason.CLOCK_SKEW), (9, Reason.LATE)]
    assert [r.reason for r in found.rejections] == [Reason.CLOCK_SKEW]


def test_a_devices_death_takes_it_away(site: Site) -> None:
    """And its names with it."""
    assert site.hear("DDEATH", seq=2) == [Observation(NOW, "dev", (), gone=True)]
    assert faults(site.hear("DDATA", metric(value=1, kind="Int32", alias=2), seq=3))[0][1] == "no_birth"
    assert values(site.hear("NDATA", metric(value=1.0, alias=1), seq=4)) == [{"node.cpu": 1.0}]


def test_a_nodes_death_takes_all_behind_it(site: Site) -> None:
    """Only the death of the session that is alive: a will of the one before may come late."""
    assert site.hear("NDEATH", metric("bdSeq", 6, "Int64")) == []
    assert [(found.device, found.gone) for found in site.hear("NDEATH", metric("bdSeq", 7, "Int64"))] == [
        ("node", True),
        ("dev", True),
    ]
    assert faults(site.hear("NDATA", metric(value=1.0, alias=1)))[0][1] == "no_birth"


def test_a_new_birth_of_the_node_makes_old_aliases_void(site: Site) -> None:
    """They may mean something else from now on: its devices are born again first."""
    site.hear("NBIRTH", metric("bdSeq", 8, "Int64"), metric("CPU", 1.0, alias=5), seq=0)

    assert faults(site.hear("DDATA", metric(value=1, kind="Int32", alias=2), seq=1))[0][1] == "no_birth"
    assert values(site.hear("NDATA", metric(value=3.0, alias=5), seq=2)) == [{"node.cpu": 3.0}]


def test_births_survive_a_restart_of_the_gateway(site: Site) -> None:
    """What they said is kept, and a death that came meanwhile is heard first; a lost broker session makes it void."""
    after = Site(site.kept)

    assert values(after.hear("DDATA", metric(value=-3, kind="Int32", alias=2, typed=False))) == [{"dev.depth": -3}]
    assert after.hear("NDEATH", metric("bdSeq", 6, "Int64")) == []
    after.by.forget_births()
    assert faults(after.hear("DDATA", metric(value=1, kind="Int32", alias=2)))[0][1] == "no_birth"
    assert set(after.kept.values()) == {""}


def test_what_was_kept_and_cannot_be_read_is_nothing() -> None:
    """Another program's memory is no reason to die."""
    for text in ("", "{}", "[1]", "[1, {}, 3", '[null, {"d": [[1]]}, {}]'):
        assert faults(Site({"g/n": text}).hear("DDATA", metric(value=1, kind="Int32", alias=2)))[0][1] == "no_birth"


def test_gaps_in_the_sequence_are_told_once(site: Site) -> None:
    """One line when messages begin to be missing; 255 is followed by 0; a birth begins anew."""
    with capture_logs() as told:
        for seq in (2, 5, 7, 8, 255, 0, 1):
            site.hear("NDATA", metric(value=1.0, alias=1), seq=seq)
        site.hear("NBIRTH", metric("bdSeq", 8, "Int64"), seq=0)

    assert [(entry["event"], entry["expected"], entry["seq"]) for entry in told] == [
        ("sparkplug_gap", 3, 5),
        ("sparkplug_gap", 9, 255),
    ]


def test_others_messages_mean_nothing(site: Site) -> None:
    """Commands of another host, a node nobody declared, a state message; a birth of an undeclared device is told."""
    assert site.hear("NCMD") == site.hear("DCMD") == []
    assert site.by.decode("spBv1.0/g/DDATA/n/other", payload([], seq=3), NOW) == []
    told = faults(site.by.decode("spBv1.0/g/DBIRTH/n/other", payload([], seq=4), NOW))
    assert told == [("", "unknown_device", "no device has device 'other' in its address; add it")]
    assert faults(site.by.decode("spBv1.0/g/NDATA/m", payload([]), NOW))[0][1] == "unknown_topic"


def test_what_is_no_payload_is_rejected(site: Site) -> None:
    """JSON on a Sparkplug topic, and a compressed payload."""
    (broken,) = faults(site.by.decode("spBv1.0/g/DDATA/n/d", b'{"a": 1}', NOW))
    (squeezed,) = faults(site.by.decode("spBv1.0/g/DDATA/n/d", piece(4, b"SPBV1.0_COMPRESSED") + piece(5, b"x"), NOW))

    assert broken[:2] == ("dev", "unparsable")
    assert squeezed == ("dev", "unparsable", "the payload is compressed; switch compression off in the edge node")


def test_a_metric_that_is_no_value_is_rejected(site: Site) -> None:
    """A data set where a number ought to be."""
    dataset = piece(1, b"Total") + whole(4, 16) + piece(17, b"\x08\x01")

    assert faults(site.hear("DDATA", dataset))[0][1:] == ("wrong_type", "a number is expected, not an object")


@given(
    st.binary(max_size=200), st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]), st.booleans()
)
def test_whatever_is_sent_is_accounted_for(octets: bytes, kind: str, born: bool) -> None:  # noqa: FBT001
    """Random octets, and octets inside a metric: never an exception."""
    site = Site()
    if born:
        site.born()
    topic = f"spBv1.0/g/{kind}/n" + ("/d" if kind[0] == "D" else "")
    for message in (octets, payload([octets]), payload([metric("Total", 1, "UInt32", at=int.from_bytes(octets[:8]))])):
        for found in site.by.decode(topic, message, NOW):
            assert isinstance(found, Observation)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("mqtt: {sparkplug: device, topics: [a]}\npoints: {x: {json: {path: A}}}", "remove topics"),
        ("mqtt: {sparkplug: device}\npoints: {x: {json: {path: A.b}}}", "leads into an object"),
        ("mqtt: {sparkplug: node}\npoints: {x: {json: {path: A, when_absent: 0}}}", "no topic and no when_absent"),
        ("mqtt: {sparkplug: gateway}\npoints: {x: {json: {path: A}}}", "sparkplug"),
        ("mqtt: {payload: json}\npoints: {x: {json: {path: A}}}", "no topic is named"),
    ],
)
def test_a_profile_that_cannot_be_meant(text: str, fault: str) -> None:
    """Sparkplug lays down topics, time and presence itself."""
    with pytest.raises(ConfigError, match=fault):
        profile(text)
