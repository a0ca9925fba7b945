from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SiteClock
from daemon.model import from_ms


class Hands:
    """A wall clock and a monotonic clock that are turned by hand."""

    def __init__(self) -> None:
        self.wall, self.mono = 1_795_300_000.0, 50.0

    def turn(self, *, wall: float, mono: float) -> None:
        self.wall += wall
        self.mono += mono


def clock(hands: Hands, steps: list[timedelta], **more: object) -> SiteClock:
    return SiteClock(wall=lambda: hands.wall, monotonic=lambda: hands.mono, on_step=steps.append, **more)  # type: ignore[arg-type]


def test_a_step_of_the_wall_is_reported_and_not_followed() -> None:
    """NTP sets the wall clock six hours on: site time goes on by the two seconds that passed."""
    hands, steps = Hands(), list[timedelta]()
    site = clock(hands, steps)
    before = site.now()
    hands.turn(wall=6 * 3600 + 2, mono=2)

    after = site.now()

    assert timedelta(seconds=2) <= after - before <= timedelta(seconds=2.01)
    assert steps == [timedelta(hours=6)]
    assert site.steps_total == 1


def test_a_small_difference_is_slewed_away() -> None:
    """Half a second of drift disappears within half an hour, without a step."""
    hands, steps = Hands(), list[timedelta]()
    site = clock(hands, steps)
    for _ in range(10):
        hands.turn(wall=1.05, mono=1)
        site.now()
    for _ in range(1800):
        hands.turn(wall=1, mono=1)
        site.now()

    assert steps == []
    assert abs(site.offset()) < timedelta(milliseconds=2)


def test_a_restart_is_anchored_to_the_later_of_persisted_and_wall() -> None:
    """A gateway without a battery clock comes up in the past: site time goes on from where it was."""
    hands, later = Hands(), from_ms(1_795_400_000_000)

    assert clock(hands, [], not_before=later).now() == later
    assert clock(hands, [], not_before=from_ms(5)).now() == from_ms(1_795_300_000_000)


@given(st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(0, 100)), max_size=50))
def test_site_time_never_runs_backwards(turns: list[tuple[float, float]]) -> None:
    """Whatever the wall clock does, each moment is at or after the one before."""
    hands = Hands()
    site = clock(hands, [])
    last = site.now()
    for wall, mono in turns:
        hands.turn(wall=wall, mono=mono)
        now = site.now()
        assert now >= last
        last = now


async def test_whoever_waits_for_an_event_waits_no_longer_than_he_says() -> None:
    """It ends with the event, or when the time is over; which of the two, the event itself tells."""
    site, event = SiteClock(), asyncio.Event()
    await site.wait(event, 0.001)
    assert not event.is_set()
    asyncio.get_running_loop().call_soon(event.set)

    await site.wait(event, None)

    assert event.is_set()
