"""Which order first: the arithmetic, and that it only ever goes one way."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.model import Level
from daemon.workorders.priority import Before, Weight, rank

WEEK, MONTH = timedelta(days=7), timedelta(days=30)
COUNTS = st.integers(0, 30)


def test_the_arithmetic_is_shown_in_both_languages() -> None:
    """Every factor with what it stands for: whoever doubts the order can reckon."""
    found = rank(Level.I, 96, Before(1, WEEK), Before(2, MONTH), Weight(0.1, 5))

    assert found.score == 222
    assert found.arithmetic.zh == (
        "紧急度 100 × 影响 1.48（96 户）× 复发 1.25（7 天内此前 1 次）× 投诉 1.2（近 30 天投诉 2 次）= 222"
    )
    assert found.arithmetic.en == (
        "urgency 100 × reach 1.48 (96 households) × recurrence 1.25 (1 before within 7 d) "
        "× complaints 1.2 (2 within 30 d) = 222"
    )


@given(st.sampled_from(Level), COUNTS, COUNTS, COUNTS, st.floats(0, 1), st.integers(0, 20))
def test_more_of_anything_never_lowers_it(
    level: Level, households: int, repeats: int, said: int, each: float, most: int
) -> None:
    """Households, recurrences, complaints: one more is at least as pressing; the complaints' factor is bounded."""
    weight = Weight(each, most)

    def score(more_households: int = 0, more_repeats: int = 0, more_said: int = 0) -> int:
        before, heard = Before(repeats + more_repeats, WEEK), Before(said + more_said, MONTH)
        return rank(level, households + more_households, before, heard, weight).score

    assert min(score(1), score(0, 1), score(0, 0, 1)) >= score()
    assert score(0, 0, 1000) <= score(0, 0, 2000) == score(0, 0, 1000)
