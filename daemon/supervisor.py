"""Edges restart, the spine crashes: an adapter that lost its peer is started again, for ever; anything else ends us."""

from __future__ import annotations

import asyncio
import os
import random
import socket
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
            heed_cancellation()
            if (clock.now() - started_at).total_seconds() > backoff.most:
                attempt = 0
            attempt += 1
            if attempt == 1 or down.was_up:
                log.warning("source_lost", source=name, error=str(down))
            if on_down is not None:
                on_down(name, down)
        else:
            return
        await clock.sleep(backoff.wait(attempt))


def heed_cancellation() -> None:
    """Be cancelled now, if a library was told so and did not pass it on.

    Up to Python 3.11 `asyncio.wait_for` drops a cancellation that arrives together with the result; others turn it
    into an error of their own. Who goes on after that goes on for ever: a cancellation comes once.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class ServiceManager:
    """systemd's notification socket; silent when there is none.

    The watchdog is fed by whoever has seen work done, never by a timer of its own.
    """

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, **state: str) -> None:
        """Send `KEY=value` lines, e.g. `tell(READY="1", STATUS="…")`."""
        if not self._address:
            return
        message = "\n".join(f"{key}={value}" for key, value in state.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.sendto(message.encode(), self._address)
            except OSError as error:
                log.warning("service_manager_unreachable", error=str(error))
                self._address = ""
