"""Histories of several places together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from daemon.backtest.histories import open_history, points_of, together
from daemon.model import ConfigError, Input, Observation, Quality, Reading, Reason
from tests.spine import CATALOGUE, at, said


class Told:
    """A history in memory."""

    points = frozenset({"zone-1.pressure"})
    ignored = ()

    def __init__(self, *items: Input, is_raw: bool = True) -> None:
        self.items = items
        self.is_raw = is_raw

    def __iter__(self) -> Iterator[Input]:
        return iter(self.items)


def doubtful(readings: Sequence[Reading]) -> list[Reading]:
    """A judge who trusts nothing."""
    return [reading._replace(quality=Quality.SUSPECT, reason=Reason.SPIKE) for reading in readings]


def test_histories_are_put_together_in_order_of_time() -> None:
    """What several say of one moment stands in the order of the places."""
    one = Told(*(said(n, "zone-1", pressure=1.0) for n in (0, 20, 40)))
    other = Told(*(said(n, "zone-1", pressure=2.0) for n in (10, 20)))

    found = [item for item in together([one, other], {}) if isinstance(item, Observation)]
    assert [(item.at, item.readings[0].value) for item in found] == [
        (at(0), 1.0), (at(10), 2.0), (at(20), 1.0), (at(20), 2.0), (at(40), 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [(True, True), (True, False), (False, False)])
def test_only_raw_values_are_judged(one: bool, other: bool) -> None:  # noqa: FBT001
    """What production has judged keeps its verdict, whatever it is put together with."""
    first = Told(said(0, "zone-1", pressure=1.0), is_raw=one)
    second = Told(said(10, "zone-1", pressure=1.0), is_raw=other)

    found = [item for item in together([first, second], {"zone-1/d": doubtful}) if isinstance(item, Observation)]
    assert [item.readings[0].quality is Quality.SUSPECT for item in found] == [one, other]


def test_one_history_of_the_whole_site_makes_it_whole() -> None:
    """A journal has listened to every device: what did not speak was silent."""
    whole = Told()
    whole.points = None  # type: ignore[assignment]

    assert points_of([Told(), Told()]) == frozenset({"zone-1.pressure"})
    assert points_of([Told(), whole]) is None


def test_a_place_that_is_nothing_is_said() -> None:
    """With what would be something."""
    with pytest.raises(ConfigError, match="no such file"):
        open_history("/nowhere", CATALOGUE, None)
