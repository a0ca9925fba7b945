"""The port between sensors and spine."""

from __future__ import annotations

from typing import Protocol

from daemon.model import Emit
from daemon.telemetry import counter, gauge

CONNECTED = gauge("source_connected", "1 while the source's peer is connected", "source")
RECEIVED = counter("messages_received_total", "Messages or register blocks that were committed", "source")
DUPLICATES = counter("messages_duplicate_total", "Redeliveries of what had been taken already", "source")
SHED = counter("messages_shed_total", "Messages given up because too many were held, or came too fast", "source")
REJECTED = counter("rejected_total", "Things that arrived and were no readings", "source", "reason")


class Source(Protocol):
    """An adapter that turns what one peer says (a broker, a bus) into observations.

    Edges restart, the spine crashes: a source knows only its peer's failures, never the spine's.
    """

    @property
    def name(self) -> str:
        """The name under which devices refer to it; unique on the site, and the label of its counters."""
        ...

    async def run(self, emit: Emit) -> None:
        """Hear the peer until cancelled. May be called again after it raised, not while it runs.

        Everything heard goes through `emit`, in the order in which it was heard. What could not be decoded goes
        the same way, as rejections. The peer is told that something was taken only after the `emit` that holds it
        has returned, so a crash at any moment loses nothing that the peer can repeat. While `emit` waits, at most
        a bounded amount is held; what the peer cannot hold back beyond it is shed, oldest first, and counted.

        Raises:
            SourceDown: the peer is out of reach, refuses us or went away: where, what, and what to do. The caller
                backs off and calls `run` again; the source itself never retries.
            BaseException: whatever `emit` raised, unchanged. It means that the spine has ended.
        """
        ...
