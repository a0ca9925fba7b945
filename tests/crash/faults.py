"""Faults to build into the daemon of a scenario, which the matrix must find: the test of the test."""

from __future__ import annotations

from collections.abc import Callable

#: By name.
FAULTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
}
