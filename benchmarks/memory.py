"""Memory of the daemon with a large site."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from benchmarks.gateway import gateway
from benchmarks.processes import load, resident_mb
from benchmarks.work import FIELDS, Work
from daemon import settings
from daemon.sensors.profile import load_profiles


@dataclass(frozen=True, slots=True)
class Held:
    """Memory after the traffic has gone through, in MB (10⁶ bytes)."""

    rss_mb: float
    peak_mb: float
    points: int
    rules: int
    messages: int
    values_stored: int


async def resident(points: int, rules: int, work: Work) -> Held:
    """Run a site with at least so many points, and so many rules, for as long as the work takes."""
    lifts = ceil(points / _points_of_a_lift())
    work = Work(work.messages, work.rate, lifts, min(work.warm_up, lifts), work.shape)
    async with gateway(lifts, rules_in_all=rules) as running:
        await load(running.broker, *work.arguments(1, work.messages), within=work.within)
        tally = await running.stored(work, work.messages)
        rss, peak = resident_mb(running.child.pid)
    return Held(rss, peak, lifts * _points_of_a_lift(), rules, work.messages, tally["field_values_distinct"])


def _points_of_a_lift() -> int:
    profiles = load_profiles(sorted((settings.shipped() / "profiles").glob("*.yaml")))
    found = len(profiles["lift-status-json"].points)
    assert found >= FIELDS["status"]  # noqa: S101  the shapes are part of the profile
    return found
