"""Edges restart, the spine crashes: an adapter that lost its peer is started again, for ever; anything else ends us."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from daemon.clock import Clock
from daemon.model import SourceDown

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full-jitter exponential waiting times, in seconds."""

    first: float = 1.0
    most: float = 30.0

    def wait(self, attempt: int) -> float:
        """Seconds to wait after failure number `attempt` (from 1): between 10 % and 100 % of the ceiling."""
        ceiling = min(self.most, self.first * 2.0 ** min(attempt - 1, 16))
        return ceiling * random.uniform(0.1, 1.0)  # noqa: S311  jitter, not a secret


async def keep_alive(
    name: str,
    run: Callable[[], Awaitable[None]],
    clock: Clock,
    *,
    backoff: Backoff | None = None,
    on_down: Callable[[str, SourceDown], None] | None = None,
) -> None:
    """Run an edge until cancelled: after `SourceDown` wait and start it again; any other exception goes up.

    `run` calls nothing back about success; a run that lasted longer than the longest back-off counts as one,
    so that the next failure starts with a short wait again.
    """
    backoff = backoff or Backoff()
    attempt = 0
    while True:
        started_at = clock.now()
        try:
            await run()
        except SourceDown as down:
            if (clock.now() - started_at).total_seconds() > backoff.most:
                attempt = 0
            attempt += 1
            if attempt == 1:
                log.warning("source_lost", source=name, error=str(down))
            if on_down is not None:
                on_down(name, down)
        else:
            return
        await clock.sleep(backoff.wait(attempt))
