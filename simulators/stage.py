"""A scenario while it is played: its clock, its script, and what a person or a test adds to it meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simulators.scenario import read_step

if TYPE_CHECKING:
    from simulators.scenario import Scenario


class Stage:
    """Simulated time runs from the moment this is built."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._started = time.monotonic()

    def now(self) -> float:
        """Simulated seconds since the start."""
        return (time.monotonic() - self._started) * self.scenario.time_scale

    def tell(self, text: str) -> None:
        """Let something happen from now on: a step as in a script without its `at`, as YAML or JSON.

        `{device: W1, event: {burst: 6.5}, for: 40s}` · `{device: W1, event: clear}`

        Raises:
            DocumentError: It is no such step, or no device of the scenario is meant.
        """
        self.scenario = self.scenario.extended(read_step(text, self.scenario, self.now()))
