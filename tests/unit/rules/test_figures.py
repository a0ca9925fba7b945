"""Limits as numbers in a point's unit."""

from __future__ import annotations

import pytest

from daemon.rules.figures import number


def test_a_limit_is_a_place_on_the_scale_unless_it_is_a_difference() -> None:
    """300 K on the scale are 26.85 °C; a rise by 300 K is one by 300 °C."""
    assert number("300 K", "°C", "above") == pytest.approx(26.85)
    assert number("300 K", "°C", "rises", difference=True) == pytest.approx(300)
