from __future__ import annotations

import pytest
from pydantic import ValidationError

from daemon.sensors.profile import PointSpec


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"register": {"address": 0, "type": "string", "length": 2}}, "a string is a label, no number"),
        ({"kind": "state", "register": {"address": 0, "decimals": 1}}, "labels have no decimals"),
        (
            {"unit": "MPa", "register": {"address": 0, "unit_code": {"address": 1, "map": {1: "°C"}}}},
            "°C is a temperature, but the point is in MPa",
        ),
        (
            {"unit": "MPa", "register": {"address": 0, "unit_code": {"address": 1, "map": {1: "barn"}}}},
            "did you mean 'bar'",
        ),
    ],
)
def test_a_register_that_does_not_fit_its_point_is_refused(written: dict[str, object], words: str) -> None:
    """Kind and unit of the point are held against what the register can tell when the profile is loaded."""
    with pytest.raises(ValidationError, match=words):
        PointSpec.model_validate(written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"register": {"address": 0}}, 65_536),
        ({"register": {"address": 0, "type": "u8_high"}}, 256),
        ({"register": {"address": 0, "bits": [0, 11]}}, 4096),
        ({"register": {"address": 0, "scale": 0.1}}, 6553.6),
        ({"register": {"address": 0, "type": "u32", "order": "CDAB"}}, 2**32),
        ({"register": {"address": 0, "type": "s32"}}, None),  # nobody knows what it does at its end
        ({"register": {"address": 0, "type": "f32"}}, None),
        ({"register": {"address": 0, "decimals": 1}}, None),  # the device may change it
        ({"rollover": 10_000, "register": {"address": 0}}, 10_000),  # four digits on the dial
        ({"rollover": None, "register": {"address": 0}}, None),
        ({"json": {"path": "n"}}, None),
        ({"rollover": 65_536, "json": {"path": "n"}}, 65_536),
        ({"kind": "gauge", "register": {"address": 0}}, None),
    ],
)
def test_a_counter_rolls_over_where_its_register_ends(written: dict[str, object], expected: float | None) -> None:
    """What the profile says holds before what the type tells; a type that does not tell leaves it unknown."""
    assert PointSpec.model_validate({"kind": "counter", **written}).rolls_over_at == expected


def test_only_a_counter_rolls_over() -> None:
    """A pressure that is said to roll over is a slip of the pen."""
    with pytest.raises(ValidationError, match="only a counter does; remove rollover"):
        PointSpec.model_validate({"rollover": 100, "register": {"address": 0}})
