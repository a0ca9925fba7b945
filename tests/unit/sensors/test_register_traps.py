"""The traps of registers, each by its name: what looks like a reading and is another, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from daemon.model import Device, Quality, Reading, Reason
from daemon.rules.counters import counted
from daemon.sensors.profile import Binding, Profile, load_profiles, make_points
from daemon.sensors.register_points import compile_points, decode_blocks
from tests.decoding import HEAD, NOW, profile

PROFILES = load_profiles((Path(__file__).parents[3] / "config/profiles").glob("*.yaml"))


def poll(model: Profile, blocks: Mapping[int, Sequence[int]]) -> dict[str, Reading]:
    """What holding registers (first address to words) say, by point."""
    device = Device("D", "D", "b", model.alive_within)
    fields = compile_points(Binding(device, model, {"unit": 1}, make_points(model, device)), "b", 1)
    answered = [
        ([f for f in fields if start <= f.address and f.address + f.words <= start + len(words)], start, words)
        for start, words in blocks.items()
    ]
    found, _ = decode_blocks(answered, NOW)
    return {reading.point.removeprefix("D."): reading for reading in found}


def in_order(order: str) -> Profile:
    points = f"points: {{p: {{unit: MPa, range: [-0.1, 2.5], register: {{address: 0, type: f32, order: {order}}}}}}}"
    return profile(f"{HEAD}modbus: {{}}\n{points}")


@pytest.mark.parametrize(("order", "expected"), [("CDAB", 0.312), ("ABCD", -0.241)])
def test_words_in_the_wrong_order_are_another_pressure(order: str, expected: float) -> None:
    """0.312 MPa reads as -0.241 the other way round: out of range, and bad."""
    reading = poll(in_order(order), {0: [0xBE77, 0x3E9F]})["p"]

    assert reading.value == pytest.approx(expected, abs=0.002)
    assert reading.quality is (Quality.GOOD if order == "CDAB" else Quality.BAD)


def test_a_quarter_of_a_megapascal_is_no_burst() -> None:
    """0.25 MPa the other way round is 2e-41: nearly zero, a burst to every rule, and therefore bad."""
    right = poll(in_order("CDAB"), {0: [0x0000, 0x3E80]})["p"]
    wrong = poll(in_order("ABCD"), {0: [0x0000, 0x3E80]})["p"]

    assert (right.value, right.quality) == (0.25, Quality.GOOD)
    assert 0 < float(wrong.value) < 1e-40
    assert (wrong.quality, wrong.reason) == (Quality.BAD, Reason.NOT_A_NUMBER)


def test_zero_is_zero_in_every_order() -> None:
    """A pressure of nothing at all is still told as one."""
    assert poll(in_order("ABCD"), {0: [0, 0]})["p"].quality is Quality.GOOD
    assert poll(in_order("ABCD"), {0: [0x8000, 0]})["p"].quality is Quality.GOOD


@pytest.mark.parametrize(
    ("unit", "decimals", "raw", "expected"), [(3, 2, 425, 0.425), (6, 1, 616, 0.424717), (1, 0, 425, 0.425)]
)
def test_unit_and_decimals_are_settings_of_the_device(unit: int, decimals: int, raw: int, expected: float) -> None:
    """The same pressure in bar, psi and kPa; 425 by itself says nothing."""
    reading = poll(PROFILES["pressure-rs485"], {2: [unit, decimals, raw]})["pressure"]

    assert reading.value == pytest.approx(expected, rel=1e-5)


def test_two_bytes_share_a_register() -> None:
    """Floor 7 at 1.7 m/s in one word; -2 is a floor below ground, and no 254."""
    found = poll(PROFILES["lift-box-modbus"], {2: [7 << 8 | 17]})
    below = poll(PROFILES["lift-box-modbus"], {2: [0xFE << 8]})

    assert (found["floor"].value, found["speed"].value) == (7, 1.7)
    assert below["floor"].value == -2


def test_fault_bits_stand_side_by_side() -> None:
    """0x0020 is a stop outside the door zone, 0x0021 that and passengers trapped: bits, no codes."""
    found = poll(PROFILES["lift-box-modbus"], {0: [0x0021]})

    assert [name for name, reading in found.items() if reading.value == "yes"] == ["trapped_at_level", "stop_outside"]


def test_counters_of_two_registers_come_high_word_first() -> None:
    """65 541 door cycles, and not 327 681."""
    assert poll(PROFILES["lift-box-modbus"], {3: [1, 5]})["door_cycles"].value == 65_541


def test_a_millisecond_counter_begins_anew_each_minute() -> None:
    """The module's time stamp rolls over after 65 535 ms: 536 ms went by, and not -64 999."""
    model = PROFILES["loop-mb210"]
    device = Device("D", "D", "b", model.alive_within)
    point = make_points(model, device)["measured_ms"]
    readings = [poll(model, {4002: [word]})["measured_ms"].value for word in (65_300, 300)]

    assert point.rollover == 65_536
    assert counted(float(readings[0]), float(readings[1]), point) == 536


def test_a_broken_wire_is_no_pressure() -> None:
    """3.2 mA on a loop of 0 to 1.6 MPa is -0.08 MPa, 21.5 mA 1.75 MPa: the loop is at fault, whatever the number."""
    model = PROFILES["loop-mb210"]
    spec = model.points["outlet_pressure"].loop
    assert spec is not None
    low, high = spec.sound("MPa")

    assert low == pytest.approx(-0.04)
    assert high == pytest.approx(1.7)
    assert low > 1.6 * (3.2 - 4) / 16
    assert high < 1.6 * (21.5 - 4) / 16


def test_an_open_sensor_is_no_heat() -> None:
    """0x7FFF of a motor's sensor is an open wire, and not 3 276.7 °C."""
    reading = poll(PROFILES["pump-room-modbus"], {7: [0x7FFF]})["motor1_temp"]

    assert (reading.quality, reading.reason) == (Quality.BAD, Reason.SENTINEL)
