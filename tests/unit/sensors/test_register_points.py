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
