"""The one way in which anybody but the pipeline writes to the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class RunJob(Protocol):
    """Runs a job on the writer, inside its transaction."""

    def __call__(self, job: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        """Return what `job` returned once it is durable.

        A job that was handed over runs even when the waiting for it is cancelled. Raises what the job raised, or what
        ended the writer: never catch that.
        """
        ...
