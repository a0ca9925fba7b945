"""The port between the spine and those who decide."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from daemon.model import Input, Transition


class Entry(NamedTuple):
    """An input and its number in the journal."""

    seq: int
    item: Input


class Desk(Protocol):
    """Decides, on the writer's thread and inside its transaction; whatever it knows stands in the file.

    For each input the spine first calls `run_out` for every deadline of any desk up to the input's time (what the
    rules conclude up to that moment is told before), then `decide` for each transition, then `heed`. A replay after a
    restart calls none of these: what they decided was committed with the rows. So a desk keeps nothing in memory that
    it cannot read back.
    """

    def next_deadline(self) -> datetime | None:
        """Nothing that time alone does comes before this."""
        ...

    def run_out(self, due: datetime, entry: Entry) -> None:
        """Do what is due at `due`, which `entry` has revealed. Afterwards the next deadline lies later, or is None."""
        ...

    def decide(self, entry: Entry, transition: Transition) -> None:
        """Decide about what the rules concluded."""
        ...

    def heed(self, entry: Entry) -> None:
        """Follow a Command, TicketUpdate or Reload; the first input after a restart comes here whatever it is."""
        ...
