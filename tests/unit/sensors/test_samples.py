"""What shipped MQTT profiles make of messages in the shape in which their devices send them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.documents import read
from daemon.model import Observation, Quality, Reading, Reason, from_ms, to_ms
from daemon.sensors.profile import load_profiles
from tests.decoding import decoder, hear
from tests.sparkplug import sample_payload

ROOT = Path(__file__).parents[3]
PROFILES = {
    name: profile
    for name, profile in load_profiles((ROOT / "config/profiles").glob("*.yaml")).items()
    if profile.mqtt is not None
}
FILES = [read(path).data for path in sorted((ROOT / "tests/samples").glob("*.yaml"))]
SAMPLES = [
    pytest.param(file["profile"], file["address"], sample, id=f"{file['profile']}: {sample['name']}")
    for file in FILES
    if file["profile"] in PROFILES
    for sample in file["samples"]
]
WHEN = "2026-11-21T02:10:06Z"


@pytest.mark.parametrize(("name", "address", "sample"), SAMPLES)
def test_a_shipped_profile_decodes_its_samples(name: str, address: dict[str, Any], sample: dict[str, Any]) -> None:
    """Each message gives the readings, rejections and signs of life that the sample lists, and nothing else."""
    by = decoder(("D", PROFILES[name], address))
    assert len(sample["messages"]) == len(sample["expect"])

    for message, expected in zip(sample["messages"], sample["expect"], strict=True):
        body = sample_payload(message)
        at = datetime.fromisoformat(message.get("received_at", WHEN)).astimezone(UTC)
        found = hear(by, message["topic"], body, at=at, retained=message.get("retained", False))
        assert [_told(seen, wanted) for seen, wanted in zip(found, expected, strict=True)] == expected


def _told(seen: Observation, wanted: dict[str, Any]) -> dict[str, Any]:
    """An observation as samples are written, with the details that this sample tells."""
    told: dict[str, Any] = {"gone": True} if seen.gone else {}
    if seen.rejections:
        told["rejected"] = [str(rejection.reason) for rejection in seen.rejections]
    for reading in seen.readings:
        name = reading.point.removeprefix("D.")
        told[name] = _value(reading, wanted.get(name))
    return told


def _value(reading: Reading, wanted: object) -> object:
    value = reading.value if isinstance(reading.value, str) else round(reading.value, 9)
    full: dict[str, object] = {"value": value}
    if reading.quality is not Quality.GOOD or reading.reason is not Reason.NONE:
        full |= {"quality": str(reading.quality), "reason": str(reading.reason)}
    if isinstance(wanted, dict) and "at" in wanted:
        right = to_ms(datetime.fromisoformat(wanted["at"]).astimezone(UTC)) == to_ms(reading.at)
        full["at"] = wanted["at"] if right else str(from_ms(to_ms(reading.at)))
    return full if len(full) > 1 or isinstance(wanted, dict) else value


def test_every_mqtt_profile_has_samples() -> None:
    """No profile is shipped without messages that it is known to read."""
    assert {file["profile"] for file in FILES} >= set(PROFILES)
