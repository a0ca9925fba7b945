from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from daemon.model import Device, from_ms, to_ms
from daemon.sensors.decoder import Decoder
from daemon.sensors.profile import Binding, Profile, make_points


def test_messages_without_a_time_of_their_own_never_share_one() -> None:
    """Five messages received in one millisecond are five moments of the device, in their order; others have theirs."""
    profile = Profile.model_validate(
        {
            "version": 1,
            "profile": "plain",
            "title": {"zh": "测试", "en": "test"},
            "alive_within": "10s",
            "mqtt": {"topics": ["plain/{place}"]},
            "points": {"a": {"json": {"path": "a"}}},
        },
    )
    devices = [Device(place, place, "mqtt", timedelta(seconds=10)) for place in ("x", "y")]
    bindings = [Binding(device, profile, {"place": device.id}, make_points(profile, device)) for device in devices]
    decoder = Decoder(bindings, source="mqtt", zone=ZoneInfo("UTC"))
    received = [("x", 1000)] * 5 + [("y", 1000), ("x", 1002), ("x", 2000)]

    told = [decoder.decode(f"plain/{place}", b'{"a": 1}', from_ms(ms))[0] for place, ms in received]

    assert [to_ms(o.readings[0].at) for o in told] == [1000, 1001, 1002, 1003, 1004, 1000, 1005, 2000]
    assert [to_ms(o.at) for o in told] == [ms for _, ms in received]
