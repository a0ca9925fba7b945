"""The ticketing service that gateway.yaml names: one that keeps the reference contract, or one told in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from daemon.clock import Clock
from daemon.model import Site
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink
from daemon.outputs.ticketing.declared import DeclaredSink
from daemon.outputs.ticketing.shape import DeclaredConfig

#: What only a service told in YAML has.
_TOLD = frozenset({"preset", "requests", "capability"})


def _which(given: Any) -> str:  # noqa: ANN401  YAML is any
    told = isinstance(given, DeclaredConfig) or (isinstance(given, Mapping) and not _TOLD.isdisjoint(given))
    return "<http>" if told else "<contract>"


AnyTicketing = Annotated[
    Annotated[TicketingConfig, Tag("<contract>")] | Annotated[DeclaredConfig, Tag("<http>")], Discriminator(_which)
]


def open_sink(
    config: TicketingConfig | DeclaredConfig, site: Site, clock: Clock, *, name: str = "ticketing"
) -> TicketingSink | DeclaredSink:
    """The service as a `TicketSink`; to be entered by `async with`."""
    if isinstance(config, DeclaredConfig):
        return DeclaredSink(config, site, clock, name=name)
    return TicketingSink(config, site.id, name=name)
