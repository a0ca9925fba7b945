"""Numbers as a person and a spreadsheet read them."""

from __future__ import annotations

import math
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.review.cells import Language, Reader
from daemon.review.charts import _round_step
from daemon.review.sheets import _guarded
from daemon.review.stages import middle, percentile
from daemon.review.table import Ratio

UTC = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "0 秒", "0 s"),
        (59.4, "59 秒", "59 s"),
        (59.6, "1 分", "1 min"),
        (3599, "1 小时", "1 h"),
        (3661, "1 小时 1 分", "1 h 1 min"),
        (86_400, "1 天", "1 d"),
        (100_000, "1 天 3 小时", "1 d 3 h"),
    ],
)
def test_a_span_has_its_two_largest_units(seconds: float, zh: str, en: str) -> None:
    """Seconds only below a minute."""
    told: dict[Language, str] = {"zh": zh, "en": en}
    for language, words in told.items():
        assert Reader(language, UTC).span(timedelta(seconds=seconds)) == words


def test_a_share_of_nothing_is_no_number() -> None:
    """Neither 0 % nor 100 %."""
    assert Reader("zh", UTC).ratio(Ratio(0, 0)) == "–"
    assert Reader("zh", UTC).ratio(Ratio(2, 3)) == "67 % (2/3)"


@given(st.lists(st.integers(0, 10_000), min_size=1).map(sorted), st.integers(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(minutes: list[int], percent: int) -> None:
    """Nearest rank: at least that share lies at or below it, and less than that share below it."""
    spans = [timedelta(minutes=n) for n in minutes]

    found = percentile(spans, percent)

    assert found in spans
    needed = math.ceil(len(spans) * percent / 100)
    assert sum(span <= found for span in spans) >= needed
    assert sum(span < found for span in spans) < needed


@given(st.lists(st.integers(0, 10_000)).map(sorted))
def test_the_middle(minutes: list[int]) -> None:
    """As many lie above as below."""
    found = middle([timedelta(minutes=n) for n in minutes])

    if found is None:
        assert minutes == []
        return
    below, above = (sum(s < found for s in _spans(minutes)), sum(s > found for s in _spans(minutes)))
    assert below <= len(minutes) / 2
    assert above <= len(minutes) / 2


def _spans(minutes: list[int]) -> list[timedelta]:
    return [timedelta(minutes=n) for n in minutes]


@given(st.text())
def test_no_text_is_a_formula(text: str) -> None:
    """Whatever a resident writes; the text itself is all there."""
    guarded = _guarded(text)

    assert isinstance(guarded, str)
    assert guarded.removeprefix("'") == text or guarded == text
    assert not guarded.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


def test_a_number_is_no_text() -> None:
    """A negative number is not guarded."""
    assert _guarded(-3.5) == -3.5


@pytest.mark.parametrize(("most", "step"), [(0, 1), (5, 1), (6, 2), (11, 5), (26, 10), (51, 20), (101, 50), (516, 200)])
def test_an_axis_has_round_numbers(most: int, step: int) -> None:
    """1, 2, 5, 10, …: five steps at most."""
    assert _round_step(most) == step
