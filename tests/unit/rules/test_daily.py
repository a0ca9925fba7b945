"""What is kept of a long past: bounded, and how exact."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from daemon.model import to_ms
from daemon.rules.daily import Digest, LocalTime, Moments, Pieces, saved_digest, thinned, weighted_median

DAY = 86_400_000


@pytest.mark.parametrize(
    ("over", "width", "number"),
    [
        (timedelta(days=2), DAY, 2),
        (timedelta(days=14), DAY, 14),
        (timedelta(days=14, hours=1), DAY, 15),
        (timedelta(days=100), DAY, 100),
        (timedelta(days=101), 2 * DAY, 51),
        (timedelta(days=3650), 37 * DAY, 99),
        (timedelta(hours=32), 2 * 3_600_000, 16),
        (timedelta(seconds=16), 1000, 16),
        (timedelta(milliseconds=3), 1, 16),
    ],
)
def test_a_span_is_cut_into_at_most_a_hundred_pieces(over: timedelta, width: int, number: int) -> None:
    """Days from two days on; beyond a hundred of them several days make a piece."""
    assert Pieces.of(over) == (width, number)


def test_the_days_are_those_of_the_site_s_clocks() -> None:
    """Also in the nights in which they are changed: an hour that is shown twice is learnt twice."""
    local = LocalTime("Europe/Berlin")
    for start in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
        for quarter in range(96):
            at = to_ms(start) + quarter * 900_000
            shown = (start + quarter * timedelta(minutes=15)).astimezone(local._zone)

            assert local.hour(at) == shown.hour
            assert local.ms(at) // DAY == (shown.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days


def test_mean_and_deviation_are_those_of_the_textbook() -> None:
    """Whole, and merged from pieces of very different size."""
    chance = random.Random(1)
    values = [chance.gauss(0.3, 0.01) for _ in range(1000)]
    whole = Moments()
    for part in (values[:1], values[1:7], values[7:600], values[600:]):
        piece = Moments()
        for value in part:
            piece.learn(value)
        whole.merge(Moments(json.loads(json.dumps(piece.save()))))

    assert whole.count == 1000
    assert whole.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert whole.sd == pytest.approx(statistics.stdev(values), rel=1e-9)


def test_a_digest_is_exact_up_to_twice_its_size() -> None:
    """And so is what is read back from it."""
    chance = random.Random(2)
    digest, values = Digest(8), []
    for _ in range(16):
        values.append(chance.random())
        digest.learn(values[-1])

        assert digest.median() == pytest.approx(statistics.median(values), rel=1e-12)
        assert Digest(8, saved_digest(json.loads(json.dumps(digest.save())))).entries == digest.entries


@pytest.mark.parametrize("shape", ["random", "rising", "two heaps", "constant"])
def test_beyond_it_stays_small_and_is_off_by_little(shape: str) -> None:
    """A day of readings a second: 128 entries at most, its median within 2 % of the rank, its weight exact."""
    chance = random.Random(shape)
    make: Callable[[int], float] = {
        "random": lambda _: chance.lognormvariate(0, 1),
        "rising": lambda n: n / 86_400,
        "two heaps": lambda n: chance.gauss(n % 3 // 2, 0.01),
        "constant": lambda _: 0.3,
    }[shape]
    digest, values = Digest(), []
    for n in range(86_400):
        values.append(make(n))
        digest.learn(values[-1])
        assert len(digest.entries) <= 128

    values.sort()
    assert digest.count == round(sum(weight for _, weight in digest.entries)) == 86_400
    assert values[round(0.48 * 86_400)] <= digest.median() <= values[round(0.52 * 86_400)]


@pytest.mark.parametrize("size", [1, 5, 16])
def test_thinning_keeps_order_and_weight(size: int) -> None:
    """At most so many entries, of about the same weight."""
    entries = [(float(n), 1.0 + n % 3) for n in range(100)]

    found = thinned(entries, size)

    assert len(found) <= size
    assert found == sorted(found)
    assert sum(weight for _, weight in found) == pytest.approx(sum(weight for _, weight in entries))
    assert max(weight for _, weight in found) <= 1.2 * 200 / size


def test_the_median_lies_in_the_middle() -> None:
    """Between two when the weight does."""
    assert weighted_median([(1.0, 1.0), (2.0, 1.0), (9.0, 1.0)]) == 2.0
    assert weighted_median([(1.0, 1.0), (2.0, 1.0)]) == 1.5
    assert weighted_median([(1.0, 3.0), (2.0, 1.0)]) == 1.0
    assert weighted_median([(1.0, 0.1), (2.0, 0.1), (3.0, 0.1), (4.0, 0.1)]) == 2.5
    assert weighted_median([(7.0, 1.0)]) == 7.0
