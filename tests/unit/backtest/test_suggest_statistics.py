"""The arithmetic of `rules suggest`."""

from __future__ import annotations

import random

import pytest

from daemon.backtest.suggest_statistics import Spread, chi_square, cut, reach, rounding, spread

_TEN_S = 10_000


def _noise(count: int, seed: int = 1) -> list[float]:
    draw = random.Random(seed)
    return [draw.gauss(0, 1) for _ in range(count)]


def _spread(values: list[float]) -> Spread:
    at = [n * 1000 for n in range(len(values))]
    first, late = ([mean for mean, _ in cut(at, values, 1000, _TEN_S, by).values()] for by in (0, _TEN_S // 2))
    return spread(first, late, _TEN_S)


@pytest.mark.parametrize(
    ("share", "free", "table"),
    [(0.25, 5, 2.675), (0.25, 10, 6.737), (0.25, 39, 32.737), (0.1, 10, 4.865), (0.5, 20, 19.337)],
)
def test_chi_square_is_that_of_the_tables(share: float, free: float, table: float) -> None:
    """To half a percent, from five degrees of freedom on."""
    assert chi_square(share, free) == pytest.approx(table, rel=0.01)


def test_windows_lie_side_by_side_and_need_four_fifths_of_their_readings() -> None:
    """The second window has seven of ten readings and is left out; so is what comes before the first."""
    at = [n * 1000 for n in range(30) if n not in (11, 12, 13)]
    values = [n / 1000 for n in at]

    found = cut(at, values, 1000, _TEN_S, 0)

    assert {number: mean for number, (mean, _) in found.items()} == {0: 4.5, 2: 24.5}
    assert [deviation for _, deviation in found.values()] == pytest.approx([8.25**0.5] * 2)
    assert list(cut(at, values, 1000, _TEN_S, 20_000)) == [0]


def test_white_noise_gives_as_many_independent_windows_as_there_are() -> None:
    """The scatter of a mean of ten is that of one reading over the root of ten."""
    found = _spread(_noise(4000))

    assert found.windows == 400
    assert found.independent == pytest.approx(400, rel=0.2)
    assert found.scatter == pytest.approx(10**-0.5, rel=0.08)


def test_a_drift_leaves_hardly_any_independent_windows() -> None:
    """Neighbours are alike, so that a hundred means tell no more than a few would."""
    found = _spread([value + n / 100 for n, value in enumerate(_noise(1000))])

    assert found.independent < 3
    assert found.drift == pytest.approx(4.8, abs=0.2)


def test_a_smaller_budget_and_a_shorter_span_put_the_limits_further_out() -> None:
    """By the normal distribution, and by how badly few windows tell their scatter."""
    long, short = _spread(_noise(4000)), _spread(_noise(300))

    assert reach(long, 0.01).far > reach(long, 1).far > reach(long, 100).far
    assert reach(short, 1).factor > reach(long, 1).factor > 1


def test_two_windows_in_a_row_scatter_less_than_one() -> None:
    """Without correlation by the root of two; one in so many is reckoned for a window's time and one side."""
    found = reach(Spread(_TEN_S, 400, 400, 532, 0.0, 0, 1, 0), budget=2)

    assert found.two == pytest.approx(0.5**0.5)
    assert found.one_in == pytest.approx(7 * 86_400 / 10)
    assert found.deviations == pytest.approx(4.16, abs=0.01)


def test_a_grid_hides_a_step_where_noise_does_not_reach_over_it() -> None:
    """Fine readings need nothing; coarse ones with much noise hardly anything; coarse and quiet ones a whole step."""
    noise = _noise(2000)

    assert rounding(noise) == 0
    assert rounding([float(round(32.3 + 0.5 * value)) for value in noise]) < 0.02
    assert rounding([float(round(32.45 + 0.03 * value)) for value in noise]) == pytest.approx(0.6, abs=0.1)
    assert rounding([1.0] * 20) == 0
