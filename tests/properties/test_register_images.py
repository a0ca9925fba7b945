"""Whatever a device holds in its registers, every shipped profile makes readings or rejections of it, never a crash."""

from __future__ import annotations

import math
import random
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from daemon.model import EPOCH, Device, Observation, Quality, Reading, Reason, Rejection
from daemon.sensors.blocks import Block, plan
from daemon.sensors.modbus_link import NoAnswer, Refused
from daemon.sensors.modbus_unit import Field, Unit
from daemon.sensors.polling import Breaker, Slots
from daemon.sensors.profile import Binding, Profile, load_profiles, make_points
from daemon.sensors.register_blocks import BlockDecoder
from daemon.sensors.register_points import compile_points, decode_blocks
from daemon.sensors.registers import BIT_TABLES, Table

ROOT = Path(__file__).parents[2]
PROFILES = {
    name: profile
    for name, profile in load_profiles((ROOT / "config/profiles").glob("*.yaml")).items()
    if profile.modbus is not None
}
#: Words that a broken sensor, a wrong order of words or a half-written register puts in place of a measured one.
ODD = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7F80, 0xFF80, 0x7FC0, 0x7FF0, 0xFFF0, 0x00FF, 0xFF00)

Image = dict[tuple[str, int], int]


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return EPOCH + timedelta(days=20_000)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)

    async def wait(self, event: object, seconds: float | None) -> None:
        raise AssertionError(seconds)


class Case(NamedTuple):
    profile: Profile
    image: Image


def images() -> Iterator[Case]:
    for path in sorted((ROOT / "tests/samples").glob("*.yaml")):
        file = yaml.safe_load(path.read_text("utf-8"))
        if file["profile"] not in PROFILES:
            continue
        for sample in file["samples"]:
            words = {
                (table, start + offset): word
                for table, runs in sample["registers"].items()
                for start, run in runs.items()
                for offset, word in enumerate(run)
            }
            yield Case(PROFILES[file["profile"]], words)


CASES = list(images())


def mutated(image: Image, chance: random.Random) -> Image:
    """The image with some registers changed, or gone."""
    changed = dict(image)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.choice(list(image))
        match chance.randrange(5):
            case 0:
                changed[place] = chance.choice(ODD)
            case 1:
                changed[place] = chance.getrandbits(16)
            case 2:
                changed[place] = image[place] ^ 1 << chance.randrange(16)
            case 3:
                changed[place] = struct.unpack("<H", struct.pack(">H", image[place]))[0]
            case _:
                changed.pop(place, None)
    return changed


def unit_of(profile: Profile) -> Unit:
    assert profile.modbus is not None
    device = Device("D", "D", "bus", profile.alive_within)
    binding = Binding(device, profile, {"unit": 1}, make_points(profile, device))
    part = profile.modbus
    fields: Sequence[Field] = compile_points(binding, "bus", 1)
    return Unit(
        bus="bus",
        device="D",
        number=1,
        profile=profile.profile,
        blocks=plan(fields, max_block=part.max_block, max_gap=part.max_gap),
        slots=Slots(part.interval),
        breaker=Breaker(3),
        urgent={},
    )


async def poll(unit: Unit, image: Image, chance: random.Random) -> tuple[Observation, NoAnswer | Refused | None]:
    """One poll of a unit that has these registers and no others, and seldom does not answer."""

    async def ask(block: Block[Field]) -> Sequence[int]:
        if chance.random() < 0.01:
            raise NoAnswer("silent")
        try:
            return [image[block.table, block.start + offset] for offset in range(block.count)]
        except KeyError:
            raise Refused(2) from None

    return await unit.poll(ask, Clock())


def check(profile: Profile, observation: Observation, seen: Counter[str]) -> None:
    """Each reading is of a point of the profile, once, and flagged where it must be."""
    names = [reading.point for reading in observation.readings]
    assert len(names) == len(set(names))
    for reading in observation.readings:
        assert isinstance(reading, Reading)
        spec = profile.points[reading.point.removeprefix("D.")]
        assert (reading.quality is Quality.GOOD) == (reading.reason is Reason.NONE)
        if isinstance(reading.value, str):
            assert spec.register_field is not None
            assert reading.value
        else:
            good = math.isfinite(reading.value)
            good &= spec.range is None or spec.range[0] <= reading.value <= spec.range[1]
            assert good or reading.quality is Quality.BAD
        seen[reading.reason.value or "good"] += 1
    for rejection in observation.rejections:
        assert isinstance(rejection, Rejection)
        assert rejection.reason in {Reason.UNKNOWN_CODE, Reason.UNPARSABLE, Reason.ILLEGAL_ADDRESS}
        assert rejection.detail
        seen[rejection.reason.value] += 1


async def throw(count: int, seed: int) -> Counter[str]:
    """Poll `count` mutated images, half of them with a unit that knows nothing yet: it must account for every point."""
    chance = random.Random(seed)
    seen: Counter[str] = Counter()
    known = {case.profile.profile: unit_of(case.profile) for case in CASES}
    for n in range(count):
        profile, image = chance.choice(CASES)
        fresh = n % 2 == 0
        unit = unit_of(profile) if fresh else known[profile.profile]
        observation, failure = await poll(unit, mutated(image, chance), chance)
        check(profile, observation, seen)
        if fresh and failure is None:
            rejected = {rejection.detail.partition(":")[0] for rejection in observation.rejections}
            read = {reading.point for reading in observation.readings}
            assert {f"D.{name}" for name in profile.points} == read | rejected
            known[profile.profile] = unit
    return seen


async def test_mutated_register_images_are_stored_or_rejected() -> None:
    """Bits turned over, words exchanged, registers gone: every value is good, bad for a reason, or rejected."""
    seen = await throw(2_000, seed=20261122)

    assert {"good", "out_of_range", "sentinel", "not_a_number", "unknown_code", "unparsable"} <= set(seen)
    assert seen["illegal_address"] > 0


def test_a_block_at_once_says_what_its_points_say_one_by_one() -> None:
    """The way for many points at once and the way for each alone agree on every image, and on what was known before."""
    chance = random.Random(3)
    for profile, image in (*CASES, every_type()):
        for order in ("ABCD", "DCBA", "BADC", "CDAB"):
            fields, alone = fields_of(profile, order), fields_of(profile, order)
            blocks = [BlockDecoder(block) for block in plan(fields, max_block=125, max_gap=300)]
            for _ in range(20):
                words = mutated(image, chance)
                answered = [
                    (at.block, [words.get((at.block.table, at.block.start + n), 0) for n in range(at.block.count)])
                    for at in blocks
                ]
                told: dict[tuple[Table, int], int] = {}
                readings: list[Reading] = []
                rejections: list[Rejection] = []
                for decoder, (_, got) in zip(blocks, answered, strict=True):
                    decoder.tell(got, told)
                for decoder, (_, got) in zip(blocks, answered, strict=True):
                    decoder.decode(got, EPOCH, told, readings, rejections)

                one_by_one = decode_blocks(
                    [
                        (placed.fields, placed.start, got)
                        for placed, (_, got) in zip(plan(alone, max_block=125, max_gap=300), answered, strict=True)
                    ],
                    EPOCH,
                )
                assert sorted(map(repr, readings)) == sorted(map(repr, one_by_one[0]))
                assert sorted(map(repr, rejections)) == sorted(map(repr, one_by_one[1]))


def every_type() -> Case:
    """A profile with a point of each type, scaled and with a range, and with bits; registers 0 to 99."""
    points: dict[str, dict[str, object]] = {}
    types = ("u8_high", "u8_low", "s8_high", "s8_low", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64")
    for n, kind in enumerate(types):
        register: dict[str, object] = {"address": 5 * n, "type": kind, "scale": (0.1, 3, 1)[n % 3], "offset": n % 2}
        points[f"p{n}"] = {"range": [-1e6, 1e6], "register": register}
        if kind.startswith("u"):
            labels = {0: "no", 1: "yes"}
            points[f"b{n}"] = {"kind": "state", "register": {"address": 5 * n, "type": kind, "bit": 3, "map": labels}}
    points["m"] = {"kind": "state", "register": {"address": 70, "type": "s16", "map": {-1: "lost", 5: "five"}}}
    points["c"] = {"kind": "state", "register": {"address": 3, "table": "coil", "map": {0: "off", 1: "on"}}}
    points["d"] = {"register": {"address": 4, "table": "coil", "scale": 2}}
    title = {"zh": "甲", "en": "A"}
    head = {"version": 1, "profile": "all", "title": title, "alive_within": "10s", "modbus": {}}
    image = {("holding", n): n * 517 % 65_536 for n in range(100)}
    return Case(Profile.model_validate({**head, "points": points}), {**image, ("coil", 3): 1, ("coil", 4): 0})


def fields_of(profile: Profile, order: str) -> Sequence[Field]:
    """The points of a profile, their bytes in another order where they have one."""
    device = Device("D", "D", "bus", profile.alive_within)
    points = {}
    for name, spec in profile.points.items():
        assert spec.register_field is not None
        has_order = spec.register_field.type[1] != "8" and spec.register_field.type != "string"
        changed = {"order": order} if has_order and spec.register_field.table not in BIT_TABLES else {}
        points[name] = spec.model_copy(update={"register_field": spec.register_field.model_copy(update=changed)})
    profile = profile.model_copy(update={"points": points})
    return compile_points(Binding(device, profile, {"unit": 1}, make_points(profile, device)), "bus", 1)


@pytest.mark.slow
async def test_a_hundred_thousand_mutated_register_images(capsys: pytest.CaptureFixture[str]) -> None:
    """The same, 10^5 times."""
    seen = await throw(100_000, seed=7)
    with capsys.disabled():
        print("\n100 000 mutated register images:", dict(sorted(seen.items())))  # noqa: T201  the count is the point

    assert seen["good"] > 100_000
