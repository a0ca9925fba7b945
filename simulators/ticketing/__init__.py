"""A ticketing service to talk to: the reference contract of `config/ticketing/openapi.yaml` over SQLite."""

from simulators.ticketing.service import Ticketing, serving

__all__ = ["Ticketing", "serving"]
