"""Charts as PNG, for peers that take no SVG."""

from __future__ import annotations

import struct
import sys

import pytest

from daemon.charts.raster import PngUnavailable, png
from tests.chart_examples import EXAMPLES


def test_a_png_is_three_times_as_wide_and_small_enough_for_a_robot() -> None:
    """1 080 pixels; WeCom takes 2 MB."""
    picture = png(EXAMPLES["four"]())

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">I", picture[16:20]) == (1080,)
    assert len(picture) < 500_000


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon itself does not need it."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)

    with pytest.raises(PngUnavailable, match=r"precomplaint\[png\]"):
        png("<svg/>")
