from __future__ import annotations

from datetime import timedelta

from daemon.sensors.rate import RateLimit
from tests.decoding import NOW


def test_so_many_at_once_then_so_many_a_second() -> None:
    """Three at once, then two a second; what was not used is saved up to three again."""
    limit = RateLimit(2.0, 3)
    moments = [0, 0, 0, 0, 0.4, 0.5, 0.9, 1.0, 9, 9, 9, 9]

    admitted = [limit.admit("a", NOW + timedelta(seconds=s)) for s in moments]

    assert admitted == [True, True, True, False, False, True, False, True, True, True, True, False]


def test_each_topic_has_its_own() -> None:
    """A chattering topic leaves the others alone, and a clock that goes back refills nothing."""
    limit = RateLimit(1.0, 1)

    hour = timedelta(hours=1)
    moments = [("a", NOW), ("a", NOW - hour), ("a", NOW), ("b", NOW)]

    assert [limit.admit(topic, at) for topic, at in moments] == [True, False, False, True]


def test_it_is_bounded() -> None:
    """A sender that makes up topics cannot make it grow."""
    limit = RateLimit(1.0, 1)

    for n in range(10_000):
        limit.admit(str(n), NOW)

    assert len(limit._left) <= 4096
